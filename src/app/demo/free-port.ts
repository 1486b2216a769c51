/**
 * A port on loopback that nobody listens on right now, for servers that must be told their port.
 *
 * It lies below those that the system hands out by itself (32768 and up on Linux, 49152 elsewhere): there any outgoing connection could take it before the
 * server does, or while it is being restarted.
 */
import { createServer } from 'node:net';

const LOWEST = 20_000;
const HIGHEST = 32_000;
/** Processes that ask at the same time ask about different ports: between the answer and its use nobody else is told the same. */
const BLOCK = 40;

// Neighbouring process numbers have blocks far from each other, whose ends are not soon reached.
let next = ((process.pid * 37) % ((HIGHEST - LOWEST) / BLOCK)) * BLOCK;

export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < HIGHEST - LOWEST; attempt++) {
    const port = LOWEST + next;
    next = (next + 1) % (HIGHEST - LOWEST);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port found between ${LOWEST} and ${HIGHEST}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

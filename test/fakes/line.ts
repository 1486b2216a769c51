/** A line between two machines that a test can cut, silence and mend: a TCP proxy on loopback. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export interface Line {
  readonly port: number;
  /** Connections made over it so far. */
  readonly connections: number;
  /** Resets what is open. */
  cut(): void;
  /** Nothing gets through any more, and nobody is told: a cable pulled, a NAT that forgot. */
  silence(): void;
  /** What is open is reset, and nobody gets in. */
  down(): Promise<void>;
  /** As at the beginning; with another port behind it where one is given. */
  up(port?: number): Promise<void>;
}

export async function startLine(t: TestContext, to: number): Promise<Line> {
  const open = new Set<Socket>();
  let silent = false;
  let behind = to;
  let connections = 0;
  let server: Server;
  let port = 0;

  const join = (near: Socket) => {
    connections++;
    const far = connect(behind, '127.0.0.1');
    const pair = [near, far] as const;
    for (const [from, other] of [pair, [far, near]] as const) {
      open.add(from);
      from.setNoDelay(true).on('error', () => undefined);
      from.on('data', (chunk) => void (silent || other.write(chunk)));
      from.on('end', () => void (silent || other.end()));
      from.on('close', () => {
        open.delete(from);
        if (!silent) other.destroy();
      });
    }
  };
  const listen = async () => {
    server = createServer({ allowHalfOpen: true }, join);
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  };
  const line: Line = {
    get port() {
      return port;
    },
    get connections() {
      return connections;
    },
    cut() {
      for (const socket of open) socket.resetAndDestroy();
    },
    silence() {
      silent = true;
    },
    async down() {
      const closed = once(server, 'close');
      server.close();
      line.cut();
      await closed;
    },
    async up(next = behind) {
      silent = false;
      behind = next;
      if (!server.listening) await listen();
    },
  };
  await listen();
  t.after(async () => {
    if (server.listening) await line.down();
    else line.cut();
  });
  return line;
}

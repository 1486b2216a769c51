/** Distance between the two ends of a peer: the same process for each of them. */
import { fileURLToPath } from 'node:url';
import { freePort } from '../../../src/app/demo/free-port.ts';
import { startProgram } from '../processes.ts';

const PROXY = fileURLToPath(new URL('../delay-proxy.ts', import.meta.url));

/**
 * @param roundTrip ms there and back; 0 puts nothing in between
 * @returns the port to connect to instead
 */
export async function delayed(port: number, roundTrip: number, opened: AsyncDisposableStack): Promise<number> {
  if (roundTrip === 0) return port;
  const from = await freePort();
  const proxy = startProgram(process.execPath, [PROXY, String(from), String(port), String(roundTrip / 2)]);
  opened.defer(() => proxy.stop());
  await proxy.says(/ready/);
  return from;
}

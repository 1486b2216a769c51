/** Two haproxies with TLS between them, tcp mode, settings as they come: what somebody would put up who wants the tunnel and nothing else. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../../src/app/demo/free-port.ts';
import { requireServer } from '../../fakes/servers.ts';
import { startProgram } from '../processes.ts';
import type { World } from '../world.ts';
import { delayed } from './delay.ts';
import { listening } from './listening.ts';
import type { Address, Peer } from './peer.ts';

const COMMON = `global
  maxconn 8000
defaults
  mode tcp
  maxconn 8000
  backlog 4096
  timeout connect 10s
  timeout client 1h
  timeout server 1h
`;

export async function startHaproxy(world: World, delay = 0, target: Address = world.target): Promise<Peer> {
  const haproxy = requireServer('haproxy')['haproxy'] as string;
  const folder = await world.place('haproxy');
  const opened = new AsyncDisposableStack();
  const start = async (name: string, port: number, bind: string, server: string) => {
    const config = join(folder, `${name}.cfg`);
    await writeFile(
      config,
      `${COMMON}listen pg\n  bind 127.0.0.1:${port} ${bind}\n  server next 127.0.0.1:${server}\n`,
    );
    const program = startProgram(haproxy, ['-db', '-f', config]);
    opened.defer(() => program.stop());
    await listening(port, program);
    return program.pid;
  };
  try {
    const [near, far] = [await freePort(), await freePort()];
    const server = await start('server', far, `ssl crt ${world.tls.both}`, String(target.port));
    const between = await delayed(far, delay, opened);
    const verify = `ssl verify required ca-file ${world.tls.cert} verifyhost localhost sni str(localhost)`;
    const client = await start('client', near, '', `${between} ${verify}`);
    return {
      name: 'haproxy x2',
      address: { ...target, host: '127.0.0.1', port: near },
      processes: { client: [client], server: [server] },
      [Symbol.asyncDispose]: () => opened.disposeAsync(),
    };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

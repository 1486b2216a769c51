/** The gateway's end of SSH as far as a client sees it: lets one key in, and answers commands as the test says. */
import { randomBytes } from 'node:crypto';
import { type AddressInfo, connect } from 'node:net';
import type { TestContext } from 'node:test';
import ssh2, { type Connection, type ServerChannel } from 'ssh2';
import type { ByteChannel } from '../../src/base/channel.ts';
import type { Endpoint } from '../../src/domain/protocol.ts';
import { keyFromSeed, keyOfSecret } from '../../src/protocols/ssh/keys.ts';
import { REFUSED_MARK } from '../../src/protocols/ssh/refuse.ts';

export type Answer = (command: string, channel: ServerChannel, connection: Connection) => void;

export interface SshGateway {
  readonly port: number;
  /** `ssh-ed25519 AAAA…` */
  readonly hostKey: string;
  readonly secret: string;
  /** Of its own port, for `web-1`. */
  readonly endpoint: Endpoint;
  /** Keys that are let in: base64 of the wire form. */
  readonly keys: Set<string>;
  readonly commands: string[];
  readonly signals: string[];
  readonly users: string[];
  answer: Answer;
  /** Carries a tunnel's connection to it. */
  serve(channel: ByteChannel, key: string): void;
}

export async function startSshGateway(t: TestContext): Promise<SshGateway> {
  const host = keyFromSeed(randomBytes(32));
  const secret = randomBytes(32).toString('base64url');
  const connections = new Set<Connection>();
  const server = new ssh2.Server({ hostKeys: [host.privateOpenSsh], ident: 'hoopctl' }, (connection) => {
    connections.add(connection);
    connection.on('close', () => connections.delete(connection));
    connection.on('error', () => undefined);
    connection.on('authentication', (context) => {
      gateway.users.push(context.username);
      const known = context.method === 'publickey' && gateway.keys.has(context.key.data.toString('base64'));
      if (known) context.accept();
      else context.reject(['publickey']);
    });
    connection.on('session', (accept) => {
      const session = accept();
      session.on('signal', (_accept, _reject, { name }) => void gateway.signals.push(name));
      session.on('exec', (take, _refuse, { command }) => {
        gateway.commands.push(command);
        const channel = take();
        channel.on('error', () => undefined);
        gateway.answer(command, channel, connection);
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    for (const connection of connections) (connection as unknown as { _sock: { destroy(): void } })._sock.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const { port } = server.address() as AddressInfo;
  const gateway: SshGateway = {
    port,
    hostKey: host.publicLine,
    secret,
    endpoint: { target: 'web-1', host: '127.0.0.1', port, user: 'run', secret, shown: { hostKey: host.publicLine } },
    keys: new Set([keyOfSecret(secret).publicBlob.toString('base64')]),
    commands: [],
    signals: [],
    users: [],
    answer: byShell,
    serve(channel, key) {
      gateway.keys.add(key);
      const socket = connect({ host: '127.0.0.1', port });
      socket.on('data', (chunk) => void channel.write(chunk));
      socket.on('end', () => channel.end());
      socket.on('error', () => channel.abort(new Error('gone')));
      channel.read({ onBytes: (chunk) => void socket.write(chunk), onEnd: () => socket.end() });
      channel.gone.addEventListener('abort', () => socket.destroy());
    },
  };
  return gateway;
}

/** `echo …`, `warn …`, `exit N`, `die SIGNAL`, `cat`, and `refuse` as the gateway does; several with `;`. */
function byShell(command: string, channel: ServerChannel): void {
  for (const part of command.split(';').map((each) => each.trim())) {
    const [word = '', ...rest] = part.split(' ');
    const text = rest.join(' ');
    if (word === 'echo') channel.write(`${text}\n`);
    if (word === 'warn') channel.stderr.write(`${text}\n`);
    if (word === 'die') channel.exit(text, false, '');
    if (word === 'refuse') channel.exit('ABRT', false, REFUSED_MARK);
    if (word === 'exit') channel.exit(Number(text));
    if (word === 'cat') return void cat(channel);
  }
  if (!/\b(exit|die|refuse)\b/.test(command)) channel.exit(0);
  channel.end();
}

function cat(channel: ServerChannel): void {
  channel.on('data', (chunk: Buffer) => void channel.write(chunk));
  channel.on('end', () => {
    channel.exit(0);
    channel.end();
  });
}

/** An SSH server for the demo where OpenSSH's is missing: one key, one command at a time, each given to the gatekeeper. */
import { spawn } from 'node:child_process';
import ssh2, { type AuthContext, type Connection, type ServerChannel } from 'ssh2';
import type { HostParts, SshServer } from './host-parts.ts';

export async function startOwnSshServer({ port, hostKey, accountKey, gatekeeper }: HostParts): Promise<SshServer> {
  const known = ssh2.utils.parseKey(accountKey);
  if (known instanceof Error) throw known;
  const connections = new Set<Connection>();
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (connection) => {
    connections.add(connection);
    connection.on('error', () => {});
    connection.on('close', () => connections.delete(connection));
    connection.on('authentication', (context) => {
      if (isSigned(context, known)) context.accept();
      else context.reject(['publickey']);
    });
    connection.on('session', (accept) => {
      const session = accept();
      session.on('exec', (take, _refuse, { command }) => run(take(), gatekeeper, command));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    name: 'a small server of the demo (OpenSSH has none here)',
    stop: () =>
      new Promise((resolve) => {
        for (const connection of connections) connection.end();
        server.close(() => resolve());
      }),
  };
}

/** Whether a key would do is answered without a signature; only one made with it lets in. */
function isSigned(context: AuthContext, known: ssh2.ParsedKey): boolean {
  if (context.method !== 'publickey' || !context.key.data.equals(known.getPublicSSH())) return false;
  const { signature, blob } = context;
  return signature === undefined || (blob !== undefined && known.verify(blob, signature) === true);
}

function run(channel: ServerChannel, gatekeeper: string, command: string): void {
  const child = spawn(gatekeeper, [], {
    env: { PATH: '/usr/bin:/bin', SSH_ORIGINAL_COMMAND: command },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => {});
  channel.on('error', () => {});
  channel.pipe(child.stdin);
  child.stdout.on('data', (chunk: Buffer) => void channel.write(chunk));
  child.stderr.on('data', (chunk: Buffer) => void channel.stderr.write(chunk));
  const over = (code: number) => {
    channel.exit(code);
    channel.end();
  };
  child.once('error', () => over(127));
  child.once('close', (code) => over(code ?? 255));
}

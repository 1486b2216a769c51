/**
 * OpenSSH's own server for one test: in a private folder, on a free port of 127.0.0.1. It lets in the account that runs the test; where that is root, it is
 * the one PostgreSQL has, since sshd parts with its privileges, and passes signals on, for others only.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../src/app/demo/free-port.ts';
import { keyFromSeed } from '../../src/protocols/ssh/keys.ts';
import { serverAccount } from './postgres.ts';
import { requireServer } from './servers.ts';

export interface RunningSshd extends AsyncDisposable {
  readonly port: number;
  readonly user: string;
  /** `ssh-ed25519 AAAA…` */
  readonly hostKey: string;
  /** The one that is let in, as a file. */
  readonly keyFile: string;
  readonly privateKey: string;
  readonly folder: string;
  log(): Promise<string>;
  stop(): Promise<void>;
}

export interface SshdOptions {
  /** Further lines of sshd_config. */
  readonly lines?: readonly string[];
}

export async function startSshd({ lines = [] }: SshdOptions = {}): Promise<RunningSshd> {
  const { sshd } = requireServer('openssh-server');
  const folder = await mkdtemp(join(tmpdir(), 'hoopctl-sshd-'));
  const account = await accountOf();
  const host = keyFromSeed(randomBytes(32));
  const own = keyFromSeed(randomBytes(32));
  const keyFile = join(folder, 'account_key');
  const logPath = join(folder, 'sshd.log');
  const config = join(folder, 'sshd_config');
  // sshd looks for it when it runs as root.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  await writeFile(join(folder, 'host_key'), host.privateOpenSsh, { mode: 0o600 });
  await writeFile(keyFile, own.privateOpenSsh, { mode: 0o600 });
  await writeFile(join(folder, 'authorized_keys'), `${own.publicLine}\n`, { mode: 0o644 });
  if (account.uid !== undefined && account.gid !== undefined) await chown(folder, account.uid, account.gid);
  for (let tries = 0; ; tries++) {
    const port = await freePort();
    await writeFile(
      config,
      [
        `ListenAddress 127.0.0.1:${port}`,
        `HostKey ${join(folder, 'host_key')}`,
        `PidFile ${join(folder, 'pid')}`,
        `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
        'StrictModes no',
        // Without it an account that has no password is a locked one.
        `UsePAM ${account.uid === undefined ? 'no' : 'yes'}`,
        'PasswordAuthentication no',
        'MaxSessions 200',
        'MaxStartups 200',
        'AcceptEnv LANG LC_*',
        'LogLevel DEBUG1',
        'Subsystem sftp internal-sftp',
        ...lines,
        '',
      ].join('\n'),
    );
    const server = spawn(sshd as string, ['-D', '-f', config, '-E', logPath], { stdio: 'ignore' });
    if (await listens(port, server)) {
      const stop = () => ended(server, folder);
      return {
        ...{
          port,
          user: account.user,
          hostKey: host.publicLine,
          keyFile,
          privateKey: own.privateOpenSsh,
          folder,
          stop,
        },
        log: () => readFile(logPath, 'utf8'),
        [Symbol.asyncDispose]: stop,
      };
    }
    if (tries === 3) throw new Error(`sshd does not start: ${await readFile(logPath, 'utf8').catch(() => '')}`);
  }
}

async function accountOf(): Promise<{ readonly user: string; readonly uid?: number; readonly gid?: number }> {
  const { uid, gid } = await serverAccount();
  if (uid === undefined || gid === undefined) return { user: userInfo().username };
  const { stdout } = await promisify(execFile)('id', ['-un', String(uid)]);
  return { user: stdout.trim(), uid, gid };
}

async function listens(port: number, server: ChildProcess): Promise<boolean> {
  for (const end = Date.now() + 15_000; Date.now() < end && server.exitCode === null; ) {
    const answered = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('data', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
      socket.once('close', () => resolve(false));
    });
    if (answered) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

async function ended(server: ChildProcess, folder: string): Promise<void> {
  const { pid } = server;
  if (pid !== undefined && server.exitCode === null) {
    const over = new Promise((resolve) => server.once('exit', resolve));
    // Its sessions are processes of their own.
    await promisify(execFile)('pkill', ['-KILL', '-P', String(pid)]).catch(() => {});
    server.kill('SIGKILL');
    await over;
  }
  await rm(folder, { recursive: true, force: true });
}

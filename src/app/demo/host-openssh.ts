/** OpenSSH's own server in the demo's folder, under the demo's own account. It is not there, or does not let that account in, on some machines. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as later } from 'node:timers/promises';
import ssh2 from 'ssh2';
import type { HostParts, SshServer } from './host-parts.ts';

/** @returns undefined where there is none that works */
export async function startOpenSshServer(parts: HostParts): Promise<SshServer | undefined> {
  const program = findProgram();
  if (program === undefined) return undefined;
  const { folder } = parts;
  const config = join(folder, 'sshd_config');
  const restore = privilegeSeparationFolder();
  await writeFile(join(folder, 'authorized_keys'), `${parts.accountKey}\n`, { mode: 0o600 });
  await writeFile(config, configuration(parts));
  const server = spawn(program, ['-D', '-f', config, '-E', join(folder, 'sshd.log')], { stdio: 'ignore' });
  server.once('error', () => {});
  const stop = () => ended(server).then(restore);
  let works = false;
  try {
    works = await letsIn(parts, server);
  } finally {
    if (!works) await stop();
  }
  return works ? { name: nameOf(program), stop } : undefined;
}

function findProgram(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/sbin'];
  // It starts itself again for each connection, by the whole path.
  return folders
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, 'sshd'))
    .find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function configuration({ folder, port, user, gatekeeper }: HostParts): string {
  const root = process.getuid?.() === 0;
  return [
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey "${join(folder, 'host_key')}"`,
    `PidFile "${join(folder, 'sshd.pid')}"`,
    `AuthorizedKeysFile "${join(folder, 'authorized_keys')}"`,
    `AllowUsers ${user}`,
    `ForceCommand "${gatekeeper}"`,
    'StrictModes no',
    // Without it an account that has no password is a locked one; only root may ask it.
    `UsePAM ${root ? 'yes' : 'no'}`,
    `PermitRootLogin ${root ? 'prohibit-password' : 'no'}`,
    'PasswordAuthentication no',
    'DisableForwarding yes',
    '',
  ].join('\n');
}

/** Where root's sshd looks for it on Debian; it is made by the service that may not run here. */
function privilegeSeparationFolder(): () => void {
  const path = '/run/sshd';
  if (process.getuid?.() !== 0 || existsSync(path) || !existsSync('/run')) return () => {};
  mkdirSync(path, { mode: 0o755 });
  return () => {
    try {
      rmdirSync(path);
    } catch {
      // Somebody else's server uses it by now.
    }
  };
}

async function letsIn(parts: HostParts, server: ChildProcess): Promise<boolean> {
  for (const end = Date.now() + 5_000; Date.now() < end && server.exitCode === null && server.pid !== undefined; ) {
    const answer = await tried(parts);
    if (answer !== 'nobody there') return answer === 'in';
    await later(25);
  }
  return false;
}

async function tried({ folder, port, user, hostKey }: HostParts): Promise<'in' | 'refused' | 'nobody there'> {
  const expected = ssh2.utils.parseKey(hostKey);
  const privateKey = await readFile(join(folder, 'account_key'));
  return new Promise((resolve) => {
    const client = new ssh2.Client();
    client.once('ready', () => {
      client.end();
      resolve('in');
    });
    client.on('error', ({ level }) => resolve(level === 'client-socket' ? 'nobody there' : 'refused'));
    client.once('close', () => resolve('refused'));
    const hostVerifier = (key: Buffer) => !(expected instanceof Error) && key.equals(expected.getPublicSSH());
    client.connect({ host: '127.0.0.1', port, username: user, privateKey, hostVerifier, readyTimeout: 4_000 });
  });
}

/** `OpenSSH_9.2p1`: it says so when it is asked for something it does not know. */
function nameOf(program: string): string {
  const { stderr } = spawnSync(program, ['-V'], { encoding: 'utf8', timeout: 2_000 });
  return `${/OpenSSH_[\w.]+/.exec(stderr ?? '')?.[0] ?? 'OpenSSH'} (${program})`;
}

async function ended(server: ChildProcess): Promise<void> {
  if (server.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
  const gone = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGTERM');
  await gone;
}

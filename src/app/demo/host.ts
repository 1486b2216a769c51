/**
 * A host for the demo: a small web server, and OpenSSH's own server, or a small one of ours where that is missing, that lets the gateway in. Whatever it is
 * asked for goes through a list of two commands and into a log, so that a demo in which policy failed would harm nobody, and be seen.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as later } from 'node:timers/promises';
import ssh2 from 'ssh2';
import { shellWord } from '../../base/shell-word.ts';
import { LIST, RESTART } from './files.ts';
import { freePort } from './free-port.ts';
import { startOwnSshServer } from './host-own.ts';
import { startOpenSshServer } from './host-openssh.ts';
import type { HostAddress, HostParts, SshServer } from './host-parts.ts';

export interface DemoHost extends HostAddress {
  /** Which program it is, for the screen. */
  readonly server: string;
  /** Every command that reached it. */
  commands(): Promise<readonly string[]>;
  /** The number of the web server's process, as the web server itself says. */
  webProcess(): Promise<number>;
  stop(): Promise<void>;
}

/** The first of them that works lets the gateway in. */
const SERVERS: readonly StartServer[] = [startOpenSshServer, startOwnSshServer];

type StartServer = (parts: HostParts) => Promise<SshServer | undefined>;

export async function startDemoHost(folder: string, servers = SERVERS): Promise<DemoHost> {
  await mkdir(folder, { mode: 0o700 });
  const [port, webPort] = [await freePort(), await freePort()];
  const [host, account] = [newKey(), newKey()];
  const keyFile = join(folder, 'account_key');
  const gatekeeper = join(folder, 'gatekeeper');
  await writeFile(keyFile, account.private, { mode: 0o600 });
  await writeFile(join(folder, 'host_key'), host.private, { mode: 0o600 });
  await writeFile(gatekeeper, gatekeeperScript(folder));
  await chmod(gatekeeper, 0o700);
  const site = await startSite(join(folder, 'site'), webPort);
  const user = userInfo().username;
  const parts = { folder, port, user, gatekeeper, hostKey: host.private, accountKey: account.public };
  const address = { port, user, hostKey: host.public, keyFile };
  const server = await firstOf(servers, parts).catch(async (error: unknown) => {
    await site.stop();
    throw error;
  });
  const { name, stop } = server;
  return {
    ...address,
    server: name,
    commands: async () =>
      (await readFile(join(folder, 'commands.log'), 'utf8').catch(() => '')).split('\n').slice(0, -1),
    webProcess: site.processNumber,
    async stop() {
      await stop();
      await site.stop();
    },
  };
}

async function firstOf(servers: readonly StartServer[], parts: HostParts): Promise<SshServer> {
  for (const start of servers) {
    const server = await start(parts);
    if (server) return server;
  }
  throw new Error('no SSH server starts here');
}

/** Three in a thousand of the keys that the library makes are malformed: neither it nor OpenSSH reads them. */
export function newKey(): { readonly public: string; readonly private: string } {
  for (;;) {
    const key = ssh2.utils.generateKeyPairSync('ed25519');
    if (!(ssh2.utils.parseKey(key.private) instanceof Error)) return key;
  }
}

function gatekeeperScript(folder: string): string {
  const [site, log] = [join(folder, 'site'), join(folder, 'commands.log')].map(shellWord);
  const taken = [LIST, RESTART].map((words) => `'${words.join(' ')}'`).join(' | ');
  return [
    '#!/bin/sh',
    `printf '%s\\n' "$SSH_ORIGINAL_COMMAND" >> ${log}`,
    `cd ${site} || exit 1`,
    'case $SSH_ORIGINAL_COMMAND in',
    `  ${taken}) exec $SSH_ORIGINAL_COMMAND ;;`,
    "  *) echo 'this host takes two commands' >&2; exit 126 ;;",
    'esac',
    '',
  ].join('\n');
}

const WEB_SERVER = `import { createServer } from 'node:http';
createServer((_, response) => response.end(String(process.pid))).listen(Number(process.argv[2]), '127.0.0.1');
`;

/** A web server that says who it is, and the script that puts another in its place. */
async function startSite(folder: string, port: number) {
  await mkdir(folder, { mode: 0o700 });
  const start = [process.execPath, 'web.mjs', String(port)];
  await writeFile(join(folder, 'web.mjs'), WEB_SERVER);
  await writeFile(
    join(folder, 'restart'),
    [
      'old=$(cat pid)',
      'kill "$old"',
      'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do kill -0 "$old" 2>/dev/null || break; sleep 0.05; done',
      `${start.map(shellWord).join(' ')} > /dev/null 2>&1 < /dev/null &`,
      'echo $! > pid',
      'echo "restarted: $old is now $!"',
      '',
    ].join('\n'),
  );
  const first: ChildProcess = spawn(process.execPath, start.slice(1), { cwd: folder, stdio: 'ignore' });
  await writeFile(join(folder, 'pid'), `${first.pid}\n`);
  const ask = async () => Number(await (await fetch(`http://127.0.0.1:${port}/`)).text());
  return {
    async processNumber(): Promise<number> {
      for (let tries = 0; tries < 200; tries++) {
        const answer = await ask().catch(() => undefined);
        if (answer !== undefined) return answer;
        await later(50);
      }
      throw new Error('the web server of the host does not answer');
    },
    async stop(): Promise<void> {
      // Only what still answers as the one of this demo is ended: numbers of processes are used again.
      const [written, answering] = [
        Number(await readFile(join(folder, 'pid'), 'utf8').catch(() => '0')),
        await ask().catch(() => 0),
      ];
      if (answering > 0 && answering === written) process.kill(answering);
      first.kill();
    },
  };
}

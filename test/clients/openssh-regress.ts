/**
 * OpenSSH's own regression tests (Debian package openssh-tests) through the gateway: those in which a client talks to a server. Their `ssh` is a wrapper that
 * leads to a run's door; everything else is theirs. Not a part of `npm test`: `node test/clients/openssh-regress.ts [NAME…]` prints the table of docs/ssh.md.
 */
import { spawn } from 'node:child_process';
import { chmod, cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../src/app/demo/free-port.ts';
import { requireServer } from '../fakes/servers.ts';
import { type SshRun, startSshHouse } from '../fakes/ssh-house.ts';

const SUITE = '/usr/lib/openssh/regress';
const EACH_MS = 150_000;
const TESTS = [
  ...['connect', 'transfer', 'exit-status', 'exit-status-signal', 'stderr-data', 'stderr-after-eof', 'yes-head'],
  ...['broken-pipe', 'envpass', 'localcommand', 'host-expand', 'scp', 'scp-uri', 'sftp-uri'],
  ...['try-ciphers', 'kextype', 'rekey', 'multiplex', 'dynamic-forward'],
] as const;

/** What the suite does on the host, as the account there: it is the account's own folder. */
const POLICY = `version: 1
access:
  - { name: the-suite, subjects: { groups: [data-agents] }, targets: [web-1], effects: [read, write, delete, administer, execute, transfer, unknown] }
rules:
  - { name: all, targets: [web-1], when: { effects: [administer, execute, transfer, unknown] }, then: allow }
`;

requireServer('openssh-tests');
const chosen = process.argv.length > 2 ? process.argv.slice(2) : TESTS;
await using house = await startSshHouse({
  policy: POLICY,
  target: ['modes: [exec, shell]', "env: ['_XXX_TEST*', '_XXX_TEST']"],
  lines: ['AcceptEnv _XXX_TEST*'],
});
await using run = await house.run('dana');
const folder = await mkdtemp(join(tmpdir(), 'hoopctl-regress-'));
try {
  await cp(SUITE, folder, { recursive: true });
  // The suite writes as this account, the host as another.
  await chmod(folder, 0o777);
  const ssh = join(folder, 'ssh-through-hoopctl');
  await writeFile(ssh, wrapper(run), { mode: 0o755 });
  console.log('| test | result | seconds | what it said |\n| --- | --- | ---: | --- |');
  for (const name of chosen) {
    const began = Date.now();
    const { code, said } = await regress(name, ssh);
    const last = said
      .filter((line) => !/^(test |ok |failed |trace)/.test(line))
      .slice(0, 3)
      .join('; ');
    const result = code === 0 ? (said.some((line) => line.startsWith('SKIPPED')) ? 'skipped' : 'passes') : 'fails';
    console.log(`| ${name} | ${result} | ${((Date.now() - began) / 1000).toFixed(0)} | ${code === 0 ? '' : last} |`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** What is said on the command line comes before what the suite's files say. */
function wrapper({ endpoint, folder: files }: SshRun): string {
  const options = {
    ...{ ProxyCommand: 'none', HostName: endpoint.host, Port: endpoint.port, User: endpoint.user },
    ...{ IdentityFile: join(files, 'ssh_key_web-1'), HostKeyAlias: 'web-1' },
    ...{ UserKnownHostsFile: join(files, 'ssh_known_hosts'), HostKeyAlgorithms: 'ssh-ed25519' },
  };
  const said = Object.entries(options).map(([name, value]) => `-o '${name}=${value}'`);
  return `#!/bin/sh\nexec /usr/bin/ssh ${said.join(' ')} "$@"\n`;
}

async function regress(name: string, ssh: string): Promise<{ code: number; said: readonly string[] }> {
  const env = {
    ...{ PATH: `${folder}:/usr/sbin:/usr/bin:/sbin:/bin`, HOME: folder, USER: userInfo().username, LC_ALL: 'C' },
    ...{ OBJ: folder, BUILDDIR: folder, SRC: folder, PORT: String(await freePort()), TEST_SHELL: 'sh' },
    ...{ TEST_SSH_SSH: ssh, TEST_SSH_SFTPSERVER: '/usr/lib/openssh/sftp-server', TEST_SSH_UNSAFE_PERMISSIONS: '1' },
    ...{ TEST_SSH_SSHD: '/usr/sbin/sshd', TEST_SSH_SCP: '/usr/bin/scp', TEST_SSH_SFTP: '/usr/bin/sftp', SUDO: '' },
  };
  const child = spawn('sh', [join(folder, 'test-exec.sh'), folder, join(folder, `${name}.sh`)], {
    ...{ cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const late = setTimeout(() => {
    said += 'not at its end in time\n';
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  }, EACH_MS);
  const code = await new Promise<number>((resolve) => child.once('exit', (status) => resolve(status ?? 137)));
  clearTimeout(late);
  return {
    code,
    said: said
      .split('\n')
      .map((line) => line.trim().replaceAll('|', '/'))
      .filter(Boolean),
  };
}

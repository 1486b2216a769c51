/** Programs that people use with SSH hosts, unmodified, through the gateway to OpenSSH's own server; and what our own commands end with there. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  accessSync,
  chownSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import ssh2, { type Client, type ClientChannel } from 'ssh2';
import { packageRoot } from '../../src/base/entry.ts';
import { jsonError, newHome } from '../cli/cli.ts';
import { requireServer } from '../fakes/servers.ts';
import { type Ended, ended, type SshHouse, type SshRun, startSshHouse } from '../fakes/ssh-house.ts';
import { decide, until } from './clients.ts';

const POLICY = `version: 1
roles:
  admin: { groups: [db-owners] }
access:
  - name: operators
    subjects: { groups: [data-agents] }
    targets: [web-1]
    effects: [read, write, delete, administer, execute, transfer, unknown]
rules:
  - name: nothing-at-the-root
    targets: [web-1]
    when: { effects: [delete], resources: ['/'] }
    then: deny
    reason: nobody empties a host
  - name: some-deletes-need-a-person
    targets: [web-1]
    when: { effects: [delete], resources: ['/srv/kept/*'] }
    then: { hold: { approvers: { groups: [db-owners] }, within: 5m, wait: 60s, self: false, proof: login } }
  - name: the-rest
    targets: [web-1]
    when: { effects: [administer, execute, transfer, unknown] }
    then: allow
`;

let house: SshHouse;
let run: SshRun;
let login: Record<string, string>;
let echoPort = 0;
const echo = createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => {}).pipe(socket));

before(async () => {
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  echoPort = (echo.address() as { port: number }).port;
  house = await startSshHouse({
    policy: POLICY,
    target: ['modes: [argv, exec, shell]', `forwards: ['127.0.0.1:${echoPort}']`],
  });
  run = await house.run('dana');
  login = { HOOPCTL_GATEWAY: house.stack.gateway.url, HOOPCTL_TOKEN: await house.stack.token('dana') };
});

after(async () => {
  await run?.[Symbol.asyncDispose]();
  await house?.[Symbol.asyncDispose]();
  echo.close();
});

/** Where the account at the host may write. */
const there = (name: string) => join(house.sshd.folder, name);
const here = (name: string) => join(run.folder, name);
const hostKey = () => run.endpoint.shown?.['hostKey'] ?? '';
const keyFile = () => here('ssh_key_web-1');
const withSsh = (name: string) => `${name}=ssh -F ${run.config}`;

async function python(program: string, ...more: string[]): Promise<Record<string, unknown>> {
  const file = join(packageRoot(), 'test', 'e2e', 'ssh-clients', program);
  const { host, port } = run.endpoint;
  const args = ['-B', '-W', 'ignore', file, host, String(port), keyFile(), hostKey(), house.sshd.folder, ...more];
  const done = await ended('/usr/bin/python3', args);
  assert.equal(done.code, 0, done.stderr);
  return JSON.parse(done.stdout) as Record<string, unknown>;
}

describe('libraries', { concurrency: true }, () => {
  test('paramiko runs commands, moves files, and takes no other host key and no other key', async () => {
    requireServer('python3-paramiko');
    assert.deepEqual(await python('paramiko_client.py'), {
      fed: ['hello\n', '', 0],
      failed: ['', "ls: cannot access '/no/such/place': No such file or directory\n", 2],
      refused: [
        '',
        'hoop: HOOP_DENIED: rule "nothing-at-the-root": nobody empties a host hint: do not retry; ask the owner of the target, or do it another way\n',
        254,
      ],
      listed: ['renamed'],
      same: true,
      removed: 'FileNotFoundError',
      'another host key': 'BadHostKeyException',
      'another key': 'AuthenticationException',
    });
  });

  test('asyncssh has many commands, files and a connection further on, all on one connection', async () => {
    requireServer('python3-asyncssh');
    assert.deepEqual(await python('asyncssh_client.py', String(echoPort)), {
      fed: ['hello\n', 0],
      many: Array.from({ length: 12 }, (_, n) => `${n}\n`),
      size: 3,
      exists: false,
      echo: 'there and back',
    });
  });

  test('libssh2 (curl) sends and fetches files over sftp and scp, and checks the host key', async () => {
    requireServer('curl');
    writeFileSync(`${keyFile()}.pub`, (await ended('ssh-keygen', ['-y', '-f', keyFile()])).stdout);
    const blob = Buffer.from(hostKey().split(' ')[1] ?? '', 'base64');
    const digest = createHash('sha256').update(blob).digest('base64').replace(/=+$/, '');
    const url = (scheme: string, path: string) => `${scheme}://${run.endpoint.host}:${run.endpoint.port}${there(path)}`;
    const curl = (print: string, ...args: string[]) =>
      ended('curl', ['-sS', '-u', 'run:', '--key', keyFile(), '--hostpubsha256', print, ...args]);
    writeFileSync(here('curl.txt'), 'sent by curl\n');
    const sent = await curl(digest, '-T', here('curl.txt'), url('sftp', 'curl.txt'));
    assert.equal(sent.code, 0, sent.stderr);
    assert.equal(readFileSync(there('curl.txt'), 'utf8'), 'sent by curl\n');
    for (const scheme of ['sftp', 'scp'])
      assert.equal((await curl(digest, url(scheme, 'curl.txt'))).stdout, 'sent by curl\n', scheme);
    // 60: the peer's key is not the one.
    assert.equal((await curl(`A${digest.slice(1, -1)}A`, url('sftp', 'curl.txt'))).code, 60);
  });
});

describe('one connection with many channels, as editors use it', () => {
  let client: Client;

  before(async () => {
    client = new ssh2.Client();
    const { host, port, user } = run.endpoint;
    await new Promise<void>((resolve, reject) => {
      client.once('ready', () => resolve()).once('error', reject);
      const known = Buffer.from(hostKey().split(' ')[1] ?? '', 'base64');
      const hostVerifier = (key: Buffer) => key.equals(known);
      client.connect({ host, port, username: user, privateKey: readFileSync(keyFile()), hostVerifier });
    });
  });
  after(() => void client.end());

  type Open = (done: (error: Error | undefined, channel: ClientChannel) => void) => void;

  /** Listens at once: what a short command says may come together with the answer that it has started. */
  const told = (open: Open, input = '') =>
    new Promise<{ text: string; code: number | undefined }>((resolve, reject) =>
      open((error, channel) => {
        if (error) return reject(error);
        let text = '';
        let code: number | undefined;
        channel.on('data', (chunk: Buffer) => (text += chunk.toString()));
        channel.on('exit', (status: number) => (code = status));
        channel.once('close', () => resolve({ text, code }));
        channel.stderr.resume();
        channel.end(input);
      }),
    );

  test('commands, a script for a shell, a terminal, a forwarding and files go on side by side', async () => {
    const warnings: string[] = [];
    const warn = (warning: Error) => void warnings.push(warning.message);
    process.on('warning', warn);
    const commands = Array.from({ length: 20 }, (_, n) => told((done) => client.exec(`echo ${n} && exit ${n}`, done)));
    const script = told((done) => client.exec('bash', done), 'echo $((6 * 7))\n');
    const terminal = told((done) => client.shell({ term: 'xterm' }, done), 'stty size; exit 3\n');
    const place = ['127.0.0.1', 0, '127.0.0.1', echoPort] as const;
    const forwarded = told((done) => client.forwardOut(...place, done), 'over there');
    const files = new Promise<string[]>((resolve, reject) =>
      client.sftp((error, sftp) => {
        if (error) return reject(error);
        sftp.readdir(house.sshd.folder, (failed, list) =>
          failed ? reject(failed) : resolve(list.map(({ filename }) => filename)),
        );
      }),
    );
    assert.deepEqual(
      await Promise.all(commands),
      commands.map((_, n) => ({ text: `${n}\n`, code: n })),
    );
    assert.deepEqual(await script, { text: '42\n', code: 0 });
    const shown = await terminal;
    assert.match(shown.text, /24 80/);
    assert.equal(shown.code, 3);
    assert.equal((await forwarded).text, 'over there');
    assert.ok((await files).includes('authorized_keys'));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', warn);
    assert.deepEqual(warnings, []);
  });

  test('a channel that is refused leaves the others alone', async () => {
    const refused = await told((done) => client.exec('rm -rf /', done));
    assert.equal(refused.code, 254);
    assert.deepEqual(await told((done) => client.exec('echo on', done)), { text: 'on\n', code: 0 });
  });
});

test('a host that reads late is waited for: what a client sent meanwhile arrives whole', async () => {
  const done = await run.ssh(['web-1', 'sleep 1; wc -c'], { input: Buffer.alloc(12_000_000, 'x') });
  assert.deepEqual([done.code, done.stdout.trim()], [0, '12000000'], done.stderr);
});

test('many sessions at once each have their own, and large files beside them arrive whole', async () => {
  const bytes = Buffer.alloc(30_000_000, 'all work and no play makes a large file; ');
  writeFileSync(here('large'), bytes);
  const copied = (async () => {
    assert.equal((await run.program('scp', [here('large'), `web-1:${there('large')}`])).code, 0);
    assert.equal((await run.program('scp', [`web-1:${there('large')}`, here('back')])).code, 0);
  })();
  const said = await Promise.all(Array.from({ length: 12 }, (_, n) => run.ssh(['web-1', `echo ${n}`])));
  assert.deepEqual(
    said.map(({ stdout }) => stdout),
    said.map((_, n) => `${n}\n`),
  );
  await copied;
  assert.ok(readFileSync(here('back')).equals(bytes));
});

describe('programs that start ssh themselves', { concurrency: true }, () => {
  const succeeded = async (program: string, args: readonly string[]): Promise<Ended> => {
    const done = await ended(program, args);
    assert.equal(done.code, 0, `${program} ${args.join(' ')}: ${done.stderr}`);
    return done;
  };

  test('git clones, pushes and fetches', async () => {
    requireServer('git');
    const git = (...args: string[]) =>
      succeeded('env', [withSsh('GIT_SSH_COMMAND'), 'GIT_CONFIG_GLOBAL=/dev/null', 'git', ...args]);
    const [first, second] = [here('first'), here('second')];
    await succeeded('git', ['init', '-q', '--bare', '-b', 'main', there('app.git')]);
    await givenToAccount(there('app.git'));
    await git('clone', '-q', `web-1:${there('app.git')}`, first);
    const person = ['-c', 'user.name=dana', '-c', 'user.email=dana@example.test'];
    writeFileSync(join(first, 'file'), 'x'.repeat(100_000));
    await git('-C', first, 'add', 'file');
    await git('-C', first, ...person, 'commit', '-qm', 'one');
    await git('-C', first, 'push', '-q', 'origin', 'HEAD:main');
    await git('clone', '-q', '-b', 'main', `web-1:${there('app.git')}`, second);
    assert.equal(statSync(join(second, 'file')).size, 100_000);
    await git('-C', first, ...person, 'commit', '--allow-empty', '-qm', 'two');
    await git('-C', first, 'push', '-q', 'origin', 'HEAD:main');
    await git('-C', second, 'fetch', '-q');
    assert.equal((await git('-C', second, 'log', '-1', '--format=%s', 'origin/main')).stdout, 'two\n');
  });

  test('rsync makes a folder the same as the other, both ways, and takes away what is too many', async () => {
    requireServer('rsync');
    const rsync = (...args: string[]) => succeeded('rsync', ['-a', '-e', `ssh -F ${run.config}`, ...args]);
    mkdirSync(here('out/sub'), { recursive: true });
    writeFileSync(here('out/a'), 'a');
    writeFileSync(here('out/sub/b'), 'b');
    await rsync(`${here('out')}/`, `web-1:${there('tree')}/`);
    assert.equal(readFileSync(there('tree/sub/b'), 'utf8'), 'b');
    writeFileSync(here('out/c'), 'c');
    await ended('rm', [here('out/a')]);
    await rsync('--delete', `${here('out')}/`, `web-1:${there('tree')}/`);
    assert.deepEqual([existsSync(there('tree/a')), existsSync(there('tree/c'))], [false, true]);
    mkdirSync(here('in'));
    writeFileSync(here('in/stray'), 'x');
    await rsync('--delete', `web-1:${there('tree')}/`, `${here('in')}/`);
    assert.deepEqual([existsSync(here('in/stray')), readFileSync(here('in/c'), 'utf8')], [false, 'c']);
  });

  test('sshfs shows a folder of the host as one of this machine', async (t) => {
    if (!usable('/dev/fuse')) return t.skip('this machine has no FUSE: no file system can be mounted here');
    requireServer('sshfs');
    const [place, source] = [here('mounted'), there('shared')];
    mkdirSync(place);
    mkdirSync(source);
    await givenToAccount(source);
    await succeeded('sshfs', ['-o', `ssh_command=ssh -F ${run.config}`, `web-1:${source}`, place]);
    try {
      // The gateway is in this process: a call that waits for the file system would wait for itself.
      await writeFile(join(place, 'note'), 'written here');
      assert.equal(readFileSync(join(source, 'note'), 'utf8'), 'written here');
      await succeeded('mv', [join(place, 'note'), join(place, 'renamed')]);
      assert.deepEqual([existsSync(join(source, 'note')), existsSync(join(source, 'renamed'))], [false, true]);
      await succeeded('rm', [join(place, 'renamed')]);
    } finally {
      await ended('fusermount3', ['-u', '-z', place]);
    }
  });
});

describe('our own commands', { concurrency: 6 }, () => {
  type Case = readonly [
    what: string,
    args: readonly string[],
    code: number,
    error?: readonly [code: string, exit: number],
  ];
  const CASES: readonly Case[] = [
    ['a command that did what it should', ['exec', 'web-1', '--', 'true'], 0],
    ['one that did not', ['exec', 'web-1', '--', 'false'], 1],
    ['one that a signal ended', ['exec', 'web-1', '--', 'kill -TERM $$'], 143],
    ['one that is refused', ['exec', '--json', 'web-1', '--', 'rm -rf /'], 125, ['HOOP_DENIED', 4]],
    ['a target that is not known', ['exec', '--json', 'web-9', '--', 'true'], 4, ['TARGET_UNKNOWN', 4]],
    [
      'one that nobody approved in time',
      ['exec', '--json', '--wait', '1s', 'web-1', '--', 'rm /srv/kept/1'],
      125,
      ['HOOP_HELD', 5],
    ],
    [
      'one that took longer than it may',
      ['exec', '--json', '--max', '4s', 'web-1', '--', 'sleep 30'],
      9,
      ['HOOP_LIMIT', 9],
    ],
    ['ssh itself', ['connect', 'web-1', '--', 'exit 3'], 3],
    ['ssh that is refused a command', ['connect', 'web-1', '--', 'rm -rf /'], 254],
    ['ssh that took longer than it may', ['connect', '--max', '4s', 'web-1', '--', 'sleep 30'], 9],
    ['a tunnel to a target that is not known', ['tunnel', '--json', 'web-9'], 4, ['TARGET_UNKNOWN', 4]],
    ['a tunnel that was open as long as it may', ['tunnel', '--max', '4s', 'web-1'], 9],
  ];

  for (const [what, args, code, error] of CASES)
    test(`${what}: ${code}`, async (t) => {
      const done = await newHome(t).run(args, { env: login });
      assert.equal(done.code, code, done.stderr);
      if (error) assert.deepEqual([jsonError(done).code, jsonError(done).exit], error);
    });

  test('one that somebody denied: 125, and 5 in the error', async (t) => {
    const asked = newHome(t).start(['exec', '--json', 'web-1', '--', 'rm /srv/kept/2'], { env: login });
    const riley = await house.stack.client('riley');
    const request = await until('somebody is asked', async () =>
      (await riley.approvals()).find(({ text }) => text.includes('/srv/kept/2')),
    );
    await decide(house.stack, request.id, 'riley', 'deny', 'not today');
    const done = await asked.ended;
    assert.equal(done.code, 125, done.stderr);
    assert.equal(jsonError(done).exit, 5);
  });

  const REVOKED: readonly (readonly [verb: string, more: readonly string[]])[] = [
    ['exec', ['--', 'sleep 31.71']],
    ['connect', ['--', 'sleep 31.72']],
    ['tunnel', []],
  ];

  for (const [verb, more] of REVOKED)
    test(`${verb} that was revoked: 7`, async (t) => {
      const going = newHome(t).start([verb, '--agent', `cut-${verb}`, 'web-1', ...more], { env: login });
      const command = more[1];
      if (command === undefined) await going.says(/ssh -F/);
      else await until('it runs', async () => (await ended('pgrep', ['-f', `^${command}$`])).code === 0);
      const riley = await house.stack.client('riley');
      const scope = { kind: 'agent', name: `dana@example.test/cut-${verb}` } as const;
      await riley.revoke({ scope, reason: 'the test' });
      const done = await going.ended;
      assert.equal(done.code, 7, done.stderr);
    });
});

function usable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Root makes it, and the account at the host is another. */
async function givenToAccount(path: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(house.sshd.folder);
  chownSync(path, uid, gid);
  await ended('chown', ['-R', `${uid}:${gid}`, path]);
}

/** SSH from a person's own tools: the real command line, OpenSSH's own client, and the configuration that it includes. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { packageRoot } from '../../src/base/entry.ts';
import { newHome } from '../cli/cli.ts';
import { ended, type SshHouse, startSshHouse } from '../fakes/ssh-house.ts';

const POLICY = `version: 1
roles:
  admin: { groups: [db-owners] }
access:
  - { name: operators, subjects: { groups: [data-agents] }, targets: [web-1], effects: [read, write, delete, execute] }
rules:
  - name: nothing-at-the-root
    targets: [web-1]
    when: { effects: [delete], resources: ['/'] }
    then: deny
    reason: nobody empties a host
`;

let house: SshHouse;
let login: Record<string, string>;

before(async () => {
  house = await startSshHouse({ policy: POLICY });
  login = { HOOPCTL_GATEWAY: house.stack.gateway.url, HOOPCTL_TOKEN: await house.stack.token('dana') };
});

after(() => house?.[Symbol.asyncDispose]());

test('exec gives what a command wrote and its exit code, and feeds it', async (t) => {
  const home = newHome(t);
  const listed = await home.run(['exec', 'web-1', '--', 'ls', '/no/such/place'], { env: login });
  assert.deepEqual([listed.code, listed.stdout], [2, '']);
  assert.match(listed.stderr, /No such file/);
  const fed = await home.run(['exec', 'web-1', '--', 'cat'], { env: login, input: 'one\n' });
  assert.deepEqual(fed, { code: 0, stdout: 'one\n', stderr: '' });
});

test('exec says what was refused, and ends with the code of what never started', async (t) => {
  const home = newHome(t);
  const refused = await home.run(['exec', '--json', 'web-1', '--', 'rm', '-rf', '/'], { env: login });
  assert.deepEqual([refused.code, refused.stdout], [125, '']);
  const { code, message, exit } = JSON.parse(refused.stderr).error;
  assert.deepEqual([code, message, exit], ['HOOP_DENIED', 'rule "nothing-at-the-root": nobody empties a host', 4]);
});

test('ssh reaches a host through the included configuration, whatever else the user has set', async (t) => {
  const home = newHome(t);
  const { stdout } = await home.run(['targets', 'ssh-config'], { env: login });
  const config = join(home.dir, 'config');
  writeFileSync(
    config,
    `${stdout}Host *\n  ProxyJump nowhere.invalid\n  PasswordAuthentication yes\n  ForwardAgent yes\n`,
  );
  const done = await ended('env', [
    ...Object.entries({ ...home.env, ...login }).map(([name, value]) => `${name}=${value}`),
    ...['ssh', '-F', config, 'web-1', 'echo through the gateway'],
  ]);
  assert.deepEqual([done.code, done.stdout, done.stderr], [0, 'through the gateway\n', '']);
});

test('tunnel prints what to type, and that works', async (t) => {
  const home = newHome(t);
  const held = home.start(['tunnel', 'web-1', '--json'], { env: login });
  const said = await held.says(/"commands":.*\n/);
  const { commands, files } = JSON.parse(said.slice(said.indexOf('{'))) as {
    commands: [string, string];
    files: Record<string, string>;
  };
  assert.equal(commands[0], `ssh -F ${files['HOOP_SSH_CONFIG']} web-1`);
  const [program = '', ...args] = commands[0].split(' ');
  assert.deepEqual(await ended(program, [...args, 'echo typed']), { code: 0, stdout: 'typed\n', stderr: '' });
  held.kill('SIGTERM');
  await held.ended;
});

test('what a command writes is shown on a terminal, and not obeyed', async (t) => {
  const home = newHome(t);
  const file = join(house.sshd.folder, 'hostile');
  writeFileSync(file, 'a\x1b]0;title\x07b\n');
  const line = `${process.execPath} ${join(packageRoot(), 'bin', 'hoopctl.js')} exec web-1 -- cat ${file}`;
  const done = await ended('env', [
    ...Object.entries({ ...home.env, ...login }).map(([name, value]) => `${name}=${value}`),
    ...['script', '-qec', line, '/dev/null'],
  ]);
  assert.equal(done.code, 0, done.stdout);
  assert.match(done.stdout, /title/);
  assert.ok(!done.stdout.includes('\x1b]0;'));
});

test('an agent finds its hosts', async (t) => {
  const home = newHome(t);
  const done = await home.run(['run', '--', 'sh', '-c', 'ssh -F "$HOOP_SSH_CONFIG" web-1 echo from the agent'], {
    env: login,
  });
  assert.deepEqual([done.code, done.stdout], [0, 'from the agent\n']);
});

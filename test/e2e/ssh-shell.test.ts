/** Weaker modes of SSH, where a target and a rule allow them: any command line, and an interactive shell that is watched. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type SshHouse, type SshRun, startSshHouse } from '../fakes/ssh-house.ts';
import { until } from './clients.ts';

const POLICY = `version: 1
access:
  - name: operators
    subjects: { groups: [data-agents] }
    targets: [web-1]
    effects: [read, write, delete, administer, execute, transfer, unknown]
rules:
  - name: shells-and-more
    targets: [web-1]
    when: { effects: [unknown, execute, transfer, administer] }
    then: allow
  - name: no-reboot
    targets: [web-1]
    when: { resources: [reboot, shutdown] }
    then: deny
    reason: hosts are restarted by their owners
  - name: not-that-place
    targets: [web-1]
    when: { ssh.forward: '127.0.0.1:9' }
    then: deny
    reason: nothing is discarded
masks:
  - { name: mail, targets: ['*'], detect: [email], with: redact }
`;

let house: SshHouse;
let run: SshRun;
let echoPort = 0;
const echo = createServer((socket) => socket.pipe(socket));

before(async () => {
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  echoPort = (echo.address() as { port: number }).port;
  house = await startSshHouse({
    policy: POLICY,
    target: [
      'modes: [operations, argv, exec, shell]',
      `forwards: ['127.0.0.1:${echoPort}', '127.0.0.1:9']`,
      'operations:',
      '  greet: { argv: [echo, "hello {who}"], effects: [read], parameters: { who: { oneOf: [ann, bob] } } }',
    ],
  });
  run = await house.run('dana');
});

after(async () => {
  await run?.[Symbol.asyncDispose]();
  await house?.[Symbol.asyncDispose]();
  echo.close();
});

test('a line that is no single program goes as it stands, judged by all of its parts', async () => {
  const done = await run.ssh(['web-1', 'for i in 1 2 3; do echo "n$i"; done | tail -n 1']);
  assert.deepEqual(done, { code: 0, stdout: 'n3\n', stderr: '' });
  const denied = await run.ssh(['web-1', 'echo on; sudo reboot']);
  assert.equal(denied.code, 254);
  assert.match(denied.stderr, /no-reboot/);
});

test('commands on standard input are passed on where even what is unknown is allowed', async () => {
  const done = await run.ssh(['web-1', 'sh -s'], { input: 'echo from stdin\n' });
  assert.equal(done.stdout, 'from stdin\n');
});

test('an operation is named with its parameters, and nothing else of it is the client’s', async () => {
  assert.equal((await run.ssh(['web-1', 'greet who=ann'])).stdout, 'hello ann\n');
  for (const wrong of [
    'greet who=eve',
    'greet',
    'greet who=ann who=bob',
    'greet who=ann more=1',
    "greet 'who=ann;id'",
  ]) {
    const refused = await run.ssh(['web-1', wrong]);
    assert.equal(refused.code, 254, wrong);
    assert.match(refused.stderr, /operation greet: /, wrong);
  }
});

test('the end of a program by a signal is its end for the client', async () => {
  const done = await run.ssh(['web-1', 'kill -TERM $$']);
  assert.equal(done.code, 255);
  await until('it is recorded', async () =>
    (await house.events()).some(({ type, exit }) => type === 'outcome' && exit === 'SIGTERM'),
  );
});

test('a shell is shown as it is, and recorded with its window', async () => {
  const done = await run.ssh(['-tt', 'web-1'], { input: 'echo $((40+2)) dana.miller@example.test\nexit\n' });
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, /42/);
  assert.doesNotMatch(done.stdout.replace(/echo .*/g, ''), /dana\.miller@example\.test/);
  await until('it is recorded', async () => {
    const terminal = (await house.events()).filter(({ type, of }) => type === 'stream' && of === 'terminal');
    return terminal.some(({ size }) => size !== undefined) && terminal.some(({ data }) => String(data).includes('42'));
  });
});

test('a typed line that a rule denies ends the shell before it is run', async () => {
  const mark = join(house.sshd.folder, 'rebooted');
  const done = await run.ssh(['-tt', 'web-1'], { input: `reboot > ${mark}\necho survived > ${mark}\nexit\n` });
  assert.equal(done.code, 254);
  assert.match(done.stdout + done.stderr, /hoop: HOOP_DENIED: rule "no-reboot"/);
  assert.throws(() => readFileSync(mark));
});

test('what is typed and not shown is not in the record', async () => {
  const secret = 'hunter2-of-the-test';
  const done = await run.ssh(['-tt', 'web-1'], {
    types: [
      [/\$ $/, 'printf \'sec%s? \' ret; read -rs line; echo got $(printf %s "$line" | wc -c)\n'],
      [/secret\? /, `${secret}\n`],
      [/got \d+/, 'exit\n'],
    ],
  });
  assert.match(done.stdout, /got 19/, done.stdout);
  assert.ok(!JSON.stringify(await house.events()).includes(secret));
});

test('a connection is passed on to where the target and policy both say, and nowhere else', async () => {
  const passed = await run.ssh(['-W', `127.0.0.1:${echoPort}`, 'web-1'], { input: 'ping' });
  assert.equal(passed.stdout, 'ping');
  const denied = await run.ssh(['-W', '127.0.0.1:9', 'web-1'], { input: 'ping' });
  assert.equal(denied.stdout, '');
  const other = await run.ssh(['-W', '127.0.0.1:1', 'web-1'], { input: 'ping' });
  assert.equal(other.stdout, '');
  await until('each has its verdict', async () => {
    const verdicts = (await house.events()).flatMap(({ type, verdict, facts }) =>
      type === 'verdict' ? [`${(facts as Record<string, string>)['ssh.forward']} ${verdict}`] : [],
    );
    return ['127.0.0.1:9 deny', '127.0.0.1:1 deny', `127.0.0.1:${echoPort} allow`].every((one) =>
      verdicts.includes(one),
    );
  });
});

test('a slow reader is waited for, and the target with it', async () => {
  writeFileSync(join(run.folder, 'marker'), '');
  const done = await run.ssh(['web-1', 'head -c 20000000 /dev/zero | md5sum']);
  assert.match(done.stdout, /^[0-9a-f]{32}/);
});

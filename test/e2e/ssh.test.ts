/** SSH through the gateway: OpenSSH's own client and server, with everything real in between. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { keyFromSeed } from '../../src/protocols/ssh/keys.ts';
import { ended, type SshHouse, type SshRun, startSshHouse } from '../fakes/ssh-house.ts';
import { decide, openRequest, until } from './clients.ts';

const POLICY = `version: 1
roles:
  admin: { groups: [db-owners] }
access:
  - name: operators
    subjects: { groups: [data-agents] }
    targets: [web-1]
    effects: [read, write, delete, transfer, execute]
rules:
  - name: nothing-at-the-root
    targets: [web-1]
    when: { effects: [delete], resources: ['/'] }
    then: deny
    reason: nobody empties a host
  - name: transfers
    targets: [web-1]
    when: { effects: [transfer] }
    then: allow
  - name: deletes-need-a-person
    targets: [web-1]
    when: { effects: [delete] }
    then: { hold: { approvers: { groups: [db-owners] }, within: 5m, wait: 60s, self: false, proof: login } }
masks:
  - { name: mail, targets: ['*'], detect: [email], with: redact }
`;

let house: SshHouse;
let run: SshRun;

before(async () => {
  house = await startSshHouse({ policy: POLICY });
  run = await house.run('dana');
});

after(async () => {
  await run?.[Symbol.asyncDispose]();
  await house?.[Symbol.asyncDispose]();
});

test('a command runs at the target, with its output and its exit code', async () => {
  const done = await run.ssh(['web-1', 'echo hello']);
  assert.deepEqual(done, { code: 0, stdout: 'hello\n', stderr: '' });
  const failed = await run.ssh(['web-1', 'ls /no/such/place']);
  assert.equal(failed.code, 2);
  assert.match(failed.stderr, /No such file/);
});

test('what is denied is not started there: the client hears the rule, and the record has the refusal', async () => {
  for (const spelling of ['rm -rf /', 'rm -r -f /', '/bin/rm -fr //', "'r'm -rf /", 'rm -rf /tmp/..']) {
    const refused = await run.ssh(['web-1', spelling]);
    assert.equal(refused.code, 254, spelling);
    assert.match(refused.stderr, /^hoop: HOOP_DENIED: .*(nothing-at-the-root|HOOP_DENIED)/, spelling);
  }
  const denied = (await house.events()).filter((event) => event['type'] === 'verdict' && event['verdict'] === 'deny');
  assert.ok(denied.some((event) => (event['text'] as { text: string }).text === 'rm -rf /'));
  assert.doesNotMatch(await house.sshd.log(), /Starting session: command.*rm/);
});

test('where one program with literal words is wanted, anything else is refused with what it is', async () => {
  for (const text of [
    'ls; id',
    'ls | head',
    'ls $(id)',
    'ls `id`',
    'ls & id',
    'ls > /tmp/x',
    'echo $HOME',
    'X=1 ls',
    'ls\nid',
    'ls *',
  ]) {
    const refused = await run.ssh(['web-1', text]);
    assert.equal(refused.code, 254, text);
    assert.match(refused.stderr, /HOOP_DENIED/, text);
  }
});

test('words reach the program as they were judged, whatever a shell makes of them', async () => {
  const done = await run.ssh(['web-1', `echo 'a  b' "c'd" 'e;f' '$HOME' '*'`]);
  assert.equal(done.stdout, "a  b c'd e;f $HOME *\n");
});

test('a program that is not known is refused, and says so', async () => {
  const refused = await run.ssh(['web-1', 'frobnicate --all']);
  assert.equal(refused.code, 254);
  assert.match(refused.stderr, /HOOP_DENIED/);
});

test('standard input is read to its end, judged with the command, and given to it', async () => {
  const done = await run.ssh(['web-1', 'cat'], { input: 'one\ntwo\n' });
  assert.equal(done.stdout, 'one\ntwo\n');
  const long = await run.ssh(['web-1', 'cat'], { input: Buffer.alloc(1024 * 1024 + 1, 'x') });
  assert.equal(long.code, 254);
  assert.match(long.stderr, /longer than 1 MiB/);
  const verdict = (await house.events()).find(
    (event) => event['type'] === 'command' && JSON.stringify(event['params'] ?? '').includes('one\\ntwo'),
  );
  assert.ok(verdict);
});

test('a held command waits for a person, and then runs', async () => {
  const file = join(house.sshd.folder, 'held');
  writeFileSync(file, 'x');
  const asked = run.ssh(['web-1', `rm ${file}`]);
  const request = await openRequest(house.stack, run, `rm ${file}`);
  assert.ok(existsSync(file));
  assert.equal((await decide(house.stack, request.id, 'riley')).state, 'approved');
  const done = await asked;
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stderr, /^hoop: waiting for approval /);
  assert.ok(!existsSync(file));
});

test('a client that goes away withdraws what it waited for', async () => {
  const file = join(house.sshd.folder, 'withdrawn');
  writeFileSync(file, 'x');
  const gone = new AbortController();
  const seen = run.events.flatMap((event) => (event.type === 'held' ? [event.approval] : []));
  const asked = run.ssh(['web-1', `rm ${file}`], { signal: gone.signal });
  const request = await openRequest(house.stack, run, `rm ${file}`, seen);
  gone.abort();
  await asked;
  const riley = await house.stack.client('riley');
  await until('it is withdrawn', async () => (await riley.approval(request.id)).state === 'withdrawn');
  assert.ok(existsSync(file));
});

test('nothing is forwarded, in no direction, and each try is in the record', async () => {
  const forward = await run.ssh(['-o', 'ExitOnForwardFailure=yes', '-W', '127.0.0.1:1', 'web-1']);
  assert.notEqual(forward.code, 0);
  const remote = await run.ssh(['-o', 'ExitOnForwardFailure=yes', '-R', '0:127.0.0.1:1', 'web-1', 'echo on']);
  assert.notEqual(remote.code, 0);
  const requests = () =>
    house
      .events()
      .then((events) => new Set(events.map((event) => (event['facts'] as Record<string, string>)?.['ssh.request'])));
  await until('both are recorded', async () =>
    (await requests()).isSupersetOf(new Set(['direct-tcpip', 'tcpip-forward'])),
  );
});

test('no shell and no terminal where the target gives none', async () => {
  const shell = await run.ssh(['-tt', 'web-1'], { input: 'id\n' });
  assert.equal(shell.code, 254);
  assert.match(shell.stderr + shell.stdout, /opens no shell/);
});

test('variables that would change what a program is do not reach the target', async () => {
  const done = await run.ssh(['-o', 'SetEnv=LD_PRELOAD=/x.so LC_ALL=C.UTF-8 BASH_ENV=/x', 'web-1', 'env']);
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, /LC_ALL=C\.UTF-8/);
  assert.doesNotMatch(done.stdout, /LD_PRELOAD|BASH_ENV/);
});

test("only the run's own key opens the door", async () => {
  const other = join(run.folder, 'other_key');
  writeFileSync(other, keyFromSeed(randomBytes(32)).privateOpenSsh, { mode: 0o600 });
  const { host, port } = run.endpoint;
  const wrong = await ended('ssh', [
    '-i',
    other,
    '-o',
    'IdentitiesOnly=yes',
    '-o',
    'StrictHostKeyChecking=no',
    '-o',
    'UserKnownHostsFile=/dev/null',
    '-o',
    'BatchMode=yes',
    '-p',
    String(port),
    `run@${host}`,
    'echo in',
  ]);
  assert.equal(wrong.code, 255);
  assert.match(wrong.stderr, /Permission denied/);
  assert.equal(wrong.stdout, '');
});

test('what a detector finds is masked on its way, in pieces too', async () => {
  const done = await run.ssh(['web-1', 'echo write to dana.miller@example.test today']);
  assert.doesNotMatch(done.stdout, /dana\.miller/);
  assert.match(done.stdout, /write to .* today/);
  assert.ok(!JSON.stringify((await house.events()).filter(({ type }) => type === 'stream')).includes('dana.miller'));
});

test('files go both ways with scp and sftp, and are recorded by size and digest', async () => {
  const local = join(run.folder, 'up.bin');
  const remote = join(house.sshd.folder, 'up.bin');
  const bytes = randomBytes(3_000_000);
  writeFileSync(local, bytes);
  const up = await run.program('scp', [local, `web-1:${remote}`]);
  assert.equal(up.code, 0, up.stderr);
  assert.ok(readFileSync(remote).equals(bytes));
  const down = await run.program('scp', [`web-1:${remote}`, join(run.folder, 'down.bin')]);
  assert.equal(down.code, 0, down.stderr);
  assert.ok(readFileSync(join(run.folder, 'down.bin')).equals(bytes));
  const digest = createHash('sha256').update(bytes).digest('hex');
  await until(
    'the digest is recorded twice',
    async () => JSON.stringify(await house.events()).split(digest).length === 3,
  );
});

test("scp's older form and rsync are judged by their paths", async () => {
  const local = join(run.folder, 'old.txt');
  writeFileSync(local, 'old form');
  const remote = join(house.sshd.folder, 'old.txt');
  const old = await run.program('scp', ['-O', local, `web-1:${remote}`]);
  assert.equal(old.code, 0, old.stderr);
  assert.equal(readFileSync(remote, 'utf8'), 'old form');
  const synced = await ended('rsync', [
    '-e',
    `ssh -F ${run.config}`,
    local,
    `web-1:${join(house.sshd.folder, 'synced.txt')}`,
  ]);
  assert.equal(synced.code, 0, synced.stderr);
  assert.equal(readFileSync(join(house.sshd.folder, 'synced.txt'), 'utf8'), 'old form');
});

test('a revoked run is cut off, told why, and its program ends at the target', async () => {
  await using other = await house.run('dana');
  const mark = `${31_000 + Math.floor(Math.random() * 1000)}.5`;
  const asked = other.ssh(['web-1', `sleep ${mark}`]);
  await until('it runs', async () => (await ended('pgrep', ['-f', `^sleep ${mark}$`])).code === 0);
  const riley = await house.stack.client('riley');
  await riley.revoke({ scope: { kind: 'run', id: other.view.id }, reason: 'enough' });
  const done = await asked;
  assert.match(done.stderr, /HOOP_REVOKED: access was revoked: enough/);
  await until('it is gone there', async () => (await ended('pgrep', ['-f', `^sleep ${mark}$`])).code !== 0);
});

test('one of several clients on a connection that leaves withdraws its own request', async () => {
  const socket = join(run.folder, 'mux-held');
  const master = run.ssh(['-M', '-N', '-S', socket, 'web-1']);
  await until('the master listens', () => existsSync(socket));
  const file = join(house.sshd.folder, 'kept');
  writeFileSync(file, 'x');
  const seen = run.events.flatMap((event) => (event.type === 'held' ? [event.approval] : []));
  const gone = new AbortController();
  const asked = run.ssh(['-S', socket, 'web-1', `rm ${file}`], { signal: gone.signal });
  const request = await openRequest(house.stack, run, `rm ${file}`, seen);
  gone.abort();
  await asked;
  const riley = await house.stack.client('riley');
  await until('it is withdrawn', async () => (await riley.approval(request.id)).state === 'withdrawn');
  assert.equal((await run.ssh(['-S', socket, 'web-1', 'echo still here'])).stdout, 'still here\n');
  await ended('ssh', ['-S', socket, '-O', 'exit', 'web-1']);
  await master;
});

test('many commands at once on one connection each have their own record', async () => {
  const socket = join(run.folder, 'mux');
  const master = run.ssh(['-M', '-N', '-S', socket, '-o', 'ControlPersist=no', 'web-1']);
  await until('the master listens', () => existsSync(socket));
  const done = await Promise.all(
    Array.from({ length: 20 }, (_, n) => run.ssh(['-S', socket, 'web-1', `echo number ${n}`])),
  );
  for (const [n, one] of done.entries()) assert.deepEqual(one, { code: 0, stdout: `number ${n}\n`, stderr: '' });
  await ended('ssh', ['-S', socket, '-O', 'exit', 'web-1']);
  await master;
});

test('a megabyte of output comes whole, and a rekeying in between hurts nothing', async () => {
  const done = await run.ssh(['-o', 'RekeyLimit=256K', 'web-1', 'head -c 3000000 /dev/zero']);
  assert.equal(done.code, 0, done.stderr);
  assert.equal(done.stdout.length, 3_000_000);
});

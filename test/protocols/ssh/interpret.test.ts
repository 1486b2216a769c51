/** What a channel asks for, as the command that policy judges, and as what the target is given. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Around, type Asked, interpret } from '../../../src/protocols/ssh/interpret.ts';
import { keyFromSeed } from '../../../src/protocols/ssh/keys.ts';
import { type Mode, readSettings, type SshSettings } from '../../../src/protocols/ssh/settings.ts';

const AROUND: Around = { pty: false, env: {}, account: 'deploy' };

function settings(...modes: Mode[]): SshSettings {
  const read = readSettings({
    address: 'web-1',
    account: { user: 'deploy', password: { env: 'P' } },
    hostKey: keyFromSeed(Buffer.alloc(32, 7)).publicLine,
    ...(modes.length > 0 ? { modes } : {}),
    forwards: ['db.internal:5432'],
    ...(modes.includes('operations') ? { operations: { ls: { argv: ['ls', '-l', '/srv'], effects: ['read'] } } } : {}),
  });
  assert.ok(read.ok);
  return read.settings;
}

const exec = (text: string): Asked => ({ kind: 'exec', text });
const read = (text: string, around: Partial<Around> = {}, ...modes: Mode[]) =>
  interpret(exec(text), { ...AROUND, ...around }, settings(...modes));

test('words are quoted anew, and that is what is sent and shown', () => {
  const { way, command } = read(`ls "a b" '$HOME'`);
  assert.deepEqual(way, { kind: 'exec', sent: "ls 'a b' '$HOME'", stdin: 'none', copies: false });
  const { text, sent, effects, facts } = command();
  assert.deepEqual([text, sent, [...effects]], [`ls "a b" '$HOME'`, "ls 'a b' '$HOME'", ['read']]);
  assert.deepEqual(facts['ssh.argv'], ['ls', 'a b', '$HOME']);
  assert.equal(facts['ssh.mode'], 'argv');
});

test('input that is read to its end is part of what is judged and approved', () => {
  const { way, command } = read('tee /srv/x');
  assert.equal(way.kind === 'exec' && way.stdin, 'whole');
  const [one, other] = [command(Buffer.from('one')), command(Buffer.from('other'))];
  assert.notEqual(one.context, other.context);
  assert.deepEqual(
    one.parameters?.map(({ type, value }) => [type, value && Buffer.from(value).toString()]),
    [['stdin', 'one']],
  );
});

test('long input is shown by its digest, and still tells one from another', () => {
  const { command } = read('tee /srv/x');
  const [a, b] = ['a', 'b'].map((letter) => command(Buffer.alloc(20_000, letter)));
  assert.match(a!.parameters?.[0]?.type ?? '', /stdin sha256 of 20000 bytes/);
  assert.notEqual(a!.context, b!.context);
});

test('a terminal and variables are part of what is approved', () => {
  const plain = read('uptime').command().context;
  assert.notEqual(plain, read('uptime', { env: { LANG: 'C' } }).command().context);
  assert.notEqual(plain, read('uptime', { pty: true }, 'exec').command().context);
});

test('what argv mode cannot take goes as it stands where exec is allowed, and nowhere else', () => {
  assert.match(read('ls | head').command().impossible?.reason ?? '', /one program with literal words/);
  const { way, command } = read('ls | head', {}, 'argv', 'exec');
  assert.equal(way.kind === 'exec' && way.sent, 'ls | head');
  assert.equal(command().impossible, undefined);
  assert.equal(command().facts['ssh.argv'], null);
});

test('a terminal is for exec and shell alone', () => {
  assert.match(read('uptime', { pty: true }).command().impossible?.reason ?? '', /no terminal/);
  assert.equal(read('uptime', { pty: true }, 'argv', 'exec').command().facts['ssh.mode'], 'exec');
});

test('an operation hides a program of the same name, and takes nothing of the client’s but parameters', () => {
  const { way, command } = read('ls', {}, 'operations', 'argv');
  assert.equal(way.kind === 'exec' && way.sent, 'ls -l /srv');
  assert.equal(command().facts['ssh.operation'], 'ls');
  assert.match(read('ls -a', {}, 'operations', 'argv').command().impossible?.reason ?? '', /operation ls/);
});

test('where only operations are, nothing else is taken', () => {
  assert.match(read('uptime', {}, 'operations').command().impossible?.reason ?? '', /none but its operations/);
});

test('git and the servers of copies speak with their client, so their input flows', () => {
  for (const text of [
    'git-upload-pack /srv/app.git',
    'git-receive-pack /srv/app.git',
    'scp -t /srv/x',
    'rsync --server -e.LsfxCIvu . /srv/x',
  ]) {
    const { way } = read(text);
    assert.equal(way.kind === 'exec' && way.stdin, 'flow', text);
  }
});

test('a connection goes where the target names the place, and only with the effect transfer', () => {
  const forward = (host: string, port: number) => interpret({ kind: 'forward', host, port }, AROUND, settings());
  const allowed = forward('db.internal', 5432);
  assert.deepEqual([...allowed.command().effects], ['transfer']);
  assert.equal(allowed.command().facts['ssh.forward'], 'db.internal:5432');
  for (const [host, port] of [
    ['db.internal', 22],
    ['DB.internal', 5432],
    ['db.internal.', 5432],
    ['127.0.0.1', 5432],
    ['::1', 5432],
  ] as const)
    assert.ok(forward(host, port).command().impossible, `${host}:${port}`);
});

test('no subsystem but sftp, and no shell where none is allowed', () => {
  for (const name of ['netconf', 'sftp ', 'SFTP', 'sftp\0', ''])
    assert.ok(interpret({ kind: 'subsystem', name }, AROUND, settings()).command().impossible, name);
  assert.equal(interpret({ kind: 'subsystem', name: 'sftp' }, AROUND, settings()).command().impossible, undefined);
  assert.ok(interpret({ kind: 'shell' }, AROUND, settings('argv', 'exec')).command().impossible);
  assert.deepEqual([...interpret({ kind: 'shell' }, AROUND, settings('shell')).command().effects], ['unknown']);
});

test('a program nobody knows is unknown, and cannot be told to a rule', () => {
  const { effects, facts } = read('frobnicate --all').command();
  assert.deepEqual([...effects], ['unknown']);
  assert.equal(facts['ssh.program'], null);
});

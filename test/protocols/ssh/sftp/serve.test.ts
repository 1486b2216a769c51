/** SFTP against OpenSSH's own server, with a client that sends whatever packets it likes: what passes, what does not, and what is recorded of it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  existsSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeFileSync,
  mkdirSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { packet, STATUS, stringOf, TYPE } from '../../../../src/protocols/ssh/sftp/frames.ts';
import { openStage, type Stage, type StageOptions, statusOf } from './stage.ts';

const READ = 1;
const WRITE = 2;
const APPEND = 4;
const CREATE = 8;
const TRUNCATE = 16;

let stage: Stage;
async function begin(options?: StageOptions): Promise<Stage> {
  stage = openStage(options);
  await stage.client.hello();
  return stage;
}
afterEach(() => stage.close());

const sha256 = (text: string | Buffer) => createHash('sha256').update(text).digest('hex');
const lastVerdict = () => stage.events('verdict').at(-1);
const denied = [STATUS.PERMISSION_DENIED, /^HOOP_DENIED/] as const;

async function isDenied(answer: Promise<[number, string]>): Promise<void> {
  const [code, message] = await answer;
  assert.equal(code, denied[0], message);
  assert.match(message, denied[1]);
}

describe('what is shown and what is not', () => {
  test('only extensions that are judged are shown', async () => {
    stage = openStage();
    const shown = await stage.client.hello();
    assert.deepEqual([...shown.keys()].sort(), [
      'expand-path@openssh.com',
      'fstatvfs@openssh.com',
      'fsync@openssh.com',
      'hardlink@openssh.com',
      'home-directory',
      'limits@openssh.com',
      'lsetstat@openssh.com',
      'posix-rename@openssh.com',
      'statvfs@openssh.com',
      'users-groups-by-id@openssh.com',
    ]);
  });

  test('an extension that is not judged is not sent on', async () => {
    const { client } = await begin();
    const handle = await client.open('hello.txt', READ);
    const copy = await client.status(TYPE.EXTENDED, 'copy-data', stringOf(handle), 0n, 0n, stringOf(handle), 0n);
    assert.equal(copy[0], STATUS.OP_UNSUPPORTED);
    assert.equal((await client.status(TYPE.EXTENDED, 'run@example.test', 'rm -rf /'))[0], STATUS.OP_UNSUPPORTED);
    assert.equal((await client.status(77, 'x'))[0], STATUS.OP_UNSUPPORTED);
  });

  test('a client of a later version is spoken to in version 3', async () => {
    stage = openStage();
    await stage.client.hello(6);
    assert.equal((await stage.client.ask(TYPE.REALPATH, '.')).type, TYPE.NAME);
  });

  test('limits are the lesser of the target and of the gateway', async () => {
    const { client } = await begin({ limits: { handles: 7 } });
    const { fields } = await client.ask(TYPE.EXTENDED, 'limits@openssh.com');
    assert.deepEqual(
      [fields.uint64(), fields.uint64(), fields.uint64(), fields.uint64()],
      [262_144n, 261_120n, 261_120n, 7n],
    );
  });
});

describe('paths', () => {
  test('a file in scope is read, and its size and digest are recorded', async () => {
    const { client, app } = await begin();
    const handle = await client.open('hello.txt', READ);
    const data = await client.ask(TYPE.READ, stringOf(handle), 0n, 1000);
    assert.equal(data.fields.string().toString(), 'hello\n');
    assert.equal((await client.status(TYPE.READ, stringOf(handle), 6n, 1000))[0], STATUS.EOF);
    assert.deepEqual(await client.status(TYPE.CLOSE, stringOf(handle)), [STATUS.OK, 'Success']);

    const verdict = lastVerdict();
    assert.deepEqual(verdict?.effects, ['read', 'transfer']);
    assert.deepEqual(verdict?.facts, {
      'ssh.request': 'sftp',
      'ssh.sftp': 'open',
      'ssh.path': [`${app}/hello.txt`],
      'ssh.flags': ['read'],
    });
    assert.equal(verdict?.text.text, 'sftp open "hello.txt" (read)');
    assert.equal(stage.events('command').at(-1)?.sent.text, `sftp open "${app}/hello.txt" (read)`);
    const outcome = stage.events('outcome').at(-1);
    assert.deepEqual([outcome?.state, outcome?.bytes, outcome?.tag], ['completed', 6, 'read 6']);
    assert.equal(stage.events('result').at(-1)?.sha256, sha256('hello\n'));
  });

  test('.. leads out of scope and is refused', async () => {
    const { client, app, root } = await begin();
    for (const path of [
      '../secret/key.txt',
      `${app}/../secret/key.txt`,
      `${app}/./.././secret//key.txt`,
      `${root}/secret/key.txt`,
      '/etc/passwd',
      `${app}/../../../../../../etc/passwd`,
    ]) {
      await isDenied(client.status(TYPE.OPEN, path, READ, 0));
      await isDenied(client.status(TYPE.STAT, path));
      await isDenied(client.status(TYPE.REALPATH, path));
      await isDenied(client.status(TYPE.REMOVE, path));
    }
    assert.ok(existsSync(join(stage.secret, 'key.txt')));
  });

  test('a link in scope that leads out of it is judged by where it leads', async () => {
    const { client, app, secret } = await begin();
    symlinkSync(join(secret, 'key.txt'), join(app, 'link'));
    symlinkSync(secret, join(app, 'folder'));
    symlinkSync(join(secret, 'new.txt'), join(app, 'dangling'));
    for (const [path, flags] of [
      ['link', READ],
      ['folder/key.txt', READ],
      ['dangling', WRITE | CREATE],
      ['folder/new.txt', WRITE | CREATE],
    ] as const) {
      await isDenied(client.status(TYPE.OPEN, path, flags, 0));
    }
    await isDenied(client.status(TYPE.SETSTAT, 'link', 4, 0o777));
    await isDenied(client.status(TYPE.OPENDIR, 'folder'));
    await isDenied(client.status(TYPE.MKDIR, 'folder/new', 0));
    await isDenied(client.status(TYPE.REMOVE, 'folder/key.txt'));
    await isDenied(client.status(TYPE.RENAME, 'hello.txt', 'folder/hello.txt'));
    assert.ok(!existsSync(join(secret, 'new.txt')));
    assert.equal(lastVerdict()?.resources.find(({ name }) => name.includes('secret'))?.name, join(secret, 'hello.txt'));
  });

  test('what works on the link itself leaves alone what it leads to', async () => {
    const { client, app, secret } = await begin();
    symlinkSync(join(secret, 'key.txt'), join(app, 'link'));
    assert.equal((await client.ask(TYPE.LSTAT, 'link')).type, TYPE.ATTRS);
    assert.equal((await client.ask(TYPE.READLINK, 'link')).type, TYPE.NAME);
    assert.equal((await client.status(TYPE.REMOVE, 'link'))[0], STATUS.OK);
    assert.ok(!existsSync(join(app, 'link')));
    assert.ok(existsSync(join(secret, 'key.txt')));
  });

  test('a path that is no text, or is too long, is refused without being sent', async () => {
    const { client } = await begin();
    await isDenied(client.status(TYPE.OPEN, stringOf(Buffer.from([0x61, 0xff, 0xfe])), READ, 0));
    await isDenied(client.status(TYPE.OPEN, stringOf(Buffer.from('hello.txt\0.jpg')), READ, 0));
    await isDenied(client.status(TYPE.STAT, 'a'.repeat(5000)));
    for (const path of ['.', '..', '/', 'x/..', 'x/.']) await isDenied(client.status(TYPE.RMDIR, path));
  });

  test('whether something exists outside of the scope is not told', async () => {
    const { client, secret } = await begin();
    const there = await client.status(TYPE.STAT, join(secret, 'key.txt'));
    const away = await client.status(TYPE.STAT, join(secret, 'no.txt'));
    const deep = await client.status(TYPE.STAT, join(secret, 'no/no/no.txt'));
    const through = await client.status(TYPE.STAT, join(secret, 'key.txt/no.txt'));
    assert.deepEqual([away[0], deep[0], through[0]], [there[0], there[0], there[0]]);
    assert.equal(away[1].replace('no.txt', 'key.txt'), there[1]);
  });

  test("the target's own errors pass where the path may be known, and are recorded", async () => {
    const { client } = await begin();
    assert.deepEqual(await client.status(TYPE.STAT, 'no/such.txt'), [STATUS.NO_SUCH_FILE, 'No such file']);
    assert.equal(stage.events('outcome').at(-1)?.code, 'SSH_FX_NO_SUCH_FILE');
    assert.deepEqual(await client.status(TYPE.OPEN, 'gone.txt', READ, 0), [STATUS.NO_SUCH_FILE, 'No such file']);
    assert.equal(stage.events('outcome').at(-1)?.state, 'failed');
  });

  test("the account's home is told to anybody: every client asks for it first", async () => {
    const { client, app } = await begin();
    stage.gate.policy = (command) =>
      command.effects.has('control')
        ? { kind: 'allow', rules: [] }
        : { kind: 'deny', rules: [], rule: 'r', reason: 'no' };
    const { fields } = await client.ask(TYPE.REALPATH, '.');
    fields.uint32();
    assert.equal(fields.string().toString(), app);
    await isDenied(client.status(TYPE.REALPATH, app));
  });

  test('~ is expanded by the target and judged by where it leads', async () => {
    const { client } = await begin();
    await isDenied(client.status(TYPE.EXTENDED, 'expand-path@openssh.com', '~root/x'));
    await isDenied(client.status(TYPE.EXTENDED, 'home-directory', 'root'));
  });
});

describe('changes', () => {
  test('what is written is recorded with its digest', async () => {
    const { client, app } = await begin();
    const handle = await client.open('new.txt', WRITE | CREATE | TRUNCATE);
    assert.equal((await client.status(TYPE.WRITE, stringOf(handle), 0n, 'one '))[0], STATUS.OK);
    assert.equal((await client.status(TYPE.WRITE, stringOf(handle), 4n, 'two'))[0], STATUS.OK);
    await client.status(TYPE.CLOSE, stringOf(handle));
    assert.equal(readFileSync(join(app, 'new.txt'), 'utf8'), 'one two');
    assert.deepEqual(lastVerdict()?.effects, ['write', 'transfer']);
    assert.equal(stage.events('outcome').at(-1)?.tag, 'wrote 7');
    assert.equal(stage.events('result').at(-1)?.sha256, sha256('one two'));
  });

  test('writing here and there has no digest, and says so', async () => {
    const { client } = await begin();
    const handle = await client.open('new.txt', WRITE | CREATE);
    await client.status(TYPE.WRITE, stringOf(handle), 10n, 'later');
    await client.status(TYPE.WRITE, stringOf(handle), 0n, 'first');
    await client.status(TYPE.CLOSE, stringOf(handle));
    assert.equal(stage.events('outcome').at(-1)?.tag, 'wrote 10 (digest: none, random access)');
    assert.deepEqual(stage.events('result'), []);
  });

  test('appended content counts in the order it comes, wherever the client says it goes', async () => {
    const { client, app } = await begin();
    const handle = await client.open('hello.txt', WRITE | APPEND);
    await client.status(TYPE.WRITE, stringOf(handle), 0n, 'more');
    await client.status(TYPE.WRITE, stringOf(handle), 0n, ' and more');
    await client.status(TYPE.CLOSE, stringOf(handle));
    assert.equal(readFileSync(join(app, 'hello.txt'), 'utf8'), 'hello\nmore and more');
    assert.equal(stage.events('result').at(-1)?.sha256, sha256('more and more'));
  });

  test('truncating counts as writing, even where the file is opened for reading', async () => {
    const { client } = await begin({
      rules: '  - { name: no-writes, when: { effects: [write] }, then: deny, reason: read only }',
    });
    await isDenied(client.status(TYPE.OPEN, 'hello.txt', READ | TRUNCATE, 0));
    await isDenied(client.status(TYPE.OPEN, 'fresh.txt', READ | CREATE, 0));
    await isDenied(client.status(TYPE.OPEN, 'hello.txt', APPEND, 0));
    assert.equal(readFileSync(join(stage.app, 'hello.txt'), 'utf8'), 'hello\n');
  });

  test('flags that version 3 does not have are refused', async () => {
    const { client } = await begin();
    await isDenied(client.status(TYPE.OPEN, 'hello.txt', READ | 0x40, 0));
  });

  test('a file opened for reading is not written, nor its attributes set', async () => {
    const { client, app } = await begin();
    const handle = await client.open('hello.txt', READ);
    await isDenied(client.status(TYPE.WRITE, stringOf(handle), 0n, 'gone'));
    await isDenied(client.status(TYPE.FSETSTAT, stringOf(handle), 1, 0n));
    assert.equal(readFileSync(join(app, 'hello.txt'), 'utf8'), 'hello\n');
    const write = await client.open('hello.txt', WRITE);
    await isDenied(client.status(TYPE.READ, stringOf(write), 0n, 10));
    assert.equal((await client.status(TYPE.FSETSTAT, stringOf(write), 4, 0o600))[0], STATUS.OK);
    assert.equal(statSync(join(app, 'hello.txt')).mode & 0o777, 0o600);
    assert.deepEqual(lastVerdict()?.facts['ssh.attributes'], ['permissions']);
  });

  test('attributes by an open handle are judged as those by name', async () => {
    const { client } = await begin({
      rules:
        '  - { name: no-chmod, when: { ssh.attributes: { any: [permissions] }, ssh.sftp: setstat }, then: deny, reason: modes stay }',
    });
    const handle = await client.open('hello.txt', WRITE);
    await isDenied(client.status(TYPE.FSETSTAT, stringOf(handle), 4, 0o4777));
    await isDenied(client.status(TYPE.SETSTAT, 'hello.txt', 4, 0o4777));
    assert.equal((await client.status(TYPE.SETSTAT, 'hello.txt', 8, 0, 0))[0], STATUS.OK);
  });

  test('a rename that takes the place of another file is a delete', async () => {
    const { client, app } = await begin({
      rules: '  - { name: keep, when: { effects: [delete] }, then: deny, reason: nothing is deleted }',
    });
    writeFileSync(join(app, 'other.txt'), 'other');
    await isDenied(client.status(TYPE.EXTENDED, 'posix-rename@openssh.com', 'hello.txt', 'other.txt'));
    await isDenied(client.status(TYPE.RENAME, 'hello.txt', 'other.txt'));
    assert.equal(
      (await client.status(TYPE.EXTENDED, 'posix-rename@openssh.com', 'hello.txt', 'free.txt'))[0],
      STATUS.OK,
    );
    assert.equal(readFileSync(join(app, 'free.txt'), 'utf8'), 'hello\n');
    assert.equal(readFileSync(join(app, 'other.txt'), 'utf8'), 'other');
    assert.deepEqual(lastVerdict()?.facts['ssh.overwrites'], false);
  });

  test('a rename over a file is done where deleting is allowed', async () => {
    const { client, app } = await begin();
    writeFileSync(join(app, 'other.txt'), 'other');
    assert.equal(
      (await client.status(TYPE.EXTENDED, 'posix-rename@openssh.com', 'hello.txt', 'other.txt'))[0],
      STATUS.OK,
    );
    assert.equal(readFileSync(join(app, 'other.txt'), 'utf8'), 'hello\n');
    assert.deepEqual(lastVerdict()?.effects, ['write', 'delete']);
  });

  test('moving something out of scope, or into it from outside, is refused', async () => {
    const { client, root, secret } = await begin();
    await isDenied(client.status(TYPE.RENAME, 'hello.txt', join(root, 'hello.txt')));
    await isDenied(client.status(TYPE.EXTENDED, 'posix-rename@openssh.com', join(secret, 'key.txt'), 'key.txt'));
    assert.ok(existsSync(join(secret, 'key.txt')));
  });

  test('folders are made, listed and removed', async () => {
    const { client, app } = await begin();
    assert.equal((await client.status(TYPE.MKDIR, 'sub', 0))[0], STATUS.OK);
    writeFileSync(join(app, 'sub/a'), '');
    const opened = await client.ask(TYPE.OPENDIR, 'sub');
    const handle = opened.fields.string();
    const names = await client.ask(TYPE.READDIR, stringOf(handle));
    assert.equal(names.fields.uint32(), 3);
    assert.equal((await client.status(TYPE.READDIR, stringOf(handle)))[0], STATUS.EOF);
    await client.status(TYPE.CLOSE, stringOf(handle));
    assert.deepEqual([stage.events('outcome').at(-1)?.rows, stage.events('outcome').at(-1)?.tag], [3, 'listed 3']);
    assert.equal((await client.status(TYPE.RMDIR, 'sub'))[0], STATUS.FAILURE);
    assert.equal((await client.status(TYPE.REMOVE, 'sub/a'))[0], STATUS.OK);
    assert.equal((await client.status(TYPE.RMDIR, 'sub/'))[0], STATUS.OK);
    assert.ok(!existsSync(join(app, 'sub')));
  });
});

describe('links', () => {
  test('none is made unless a rule names it', async () => {
    const { client, app, secret } = await begin();
    await isDenied(client.status(TYPE.SYMLINK, 'hello.txt', 'link'));
    await isDenied(client.status(TYPE.EXTENDED, 'hardlink@openssh.com', 'hello.txt', 'link'));
    await isDenied(client.status(TYPE.EXTENDED, 'hardlink@openssh.com', join(secret, 'key.txt'), 'link'));
    assert.ok(!existsSync(join(app, 'link')));
    assert.deepEqual(lastVerdict()?.effects, ['write', 'unknown']);
  });

  const LINKS =
    '  - { name: links, when: { effects: [unknown], ssh.sftp: { any: [symlink, hardlink] } }, then: allow }';

  test('where a rule allows them, both names must lie in scope', async () => {
    const { client, app, secret } = await begin({ rules: LINKS });
    symlinkSync(join(secret, 'key.txt'), join(app, 'out'));
    for (const to of ['../secret/key.txt', join(secret, 'key.txt'), '/etc/passwd', 'out'])
      await isDenied(client.status(TYPE.SYMLINK, to, 'link'));
    await isDenied(client.status(TYPE.SYMLINK, 'hello.txt', '../secret/link'));
    await isDenied(client.status(TYPE.EXTENDED, 'hardlink@openssh.com', join(secret, 'key.txt'), 'link'));
    await isDenied(client.status(TYPE.EXTENDED, 'hardlink@openssh.com', 'out', 'link'));
    await isDenied(client.status(TYPE.EXTENDED, 'hardlink@openssh.com', 'hello.txt', '../secret/link'));
    assert.equal((await client.status(TYPE.SYMLINK, 'hello.txt', 'link'))[0], STATUS.OK);
    assert.equal(readlinkSync(join(app, 'link')), join(app, 'hello.txt'));
    assert.equal((await client.status(TYPE.EXTENDED, 'hardlink@openssh.com', 'hello.txt', 'hard'))[0], STATUS.OK);
  });

  test("what a link says is read from the link's own folder", async () => {
    const { client, app } = await begin({ rules: LINKS });
    mkdirSync(join(app, 'sub'));
    await isDenied(client.status(TYPE.SYMLINK, '../../secret/key.txt', 'sub/link'));
    assert.equal((await client.status(TYPE.SYMLINK, '../hello.txt', 'sub/link'))[0], STATUS.OK);
    assert.equal(readlinkSync(join(app, 'sub/link')), join(app, 'hello.txt'));
  });
});

describe('holds', () => {
  const HELD = `  - name: deletes
    when: { effects: [delete] }
    then: { hold: { approvers: { groups: [db-owners] } } }`;

  test('a held request waits, and everything behind it', async () => {
    const { client, gate, app } = await begin({ rules: HELD });
    const removed = client.status(TYPE.REMOVE, 'hello.txt');
    const behind = client.ask(TYPE.STAT, 'hello.txt');
    await until(() => gate.held.length === 1);
    assert.deepEqual(client.answers, []);
    assert.ok(existsSync(join(app, 'hello.txt')));
    gate.desk.approve('apr_1');
    assert.equal((await removed)[0], STATUS.OK);
    assert.equal(statusOf(await behind)[0], STATUS.NO_SUCH_FILE);
  });

  test('one that is not approved in time is told so as a failure', async () => {
    const { client, gate } = await begin({ rules: HELD });
    const removed = client.status(TYPE.REMOVE, 'hello.txt');
    await until(() => gate.held.length === 1);
    await gate.clock.advance(60_000);
    const [code, message] = await removed;
    assert.equal(code, STATUS.FAILURE);
    assert.match(message, /^HOOP_HELD: .*apr_1/);
  });

  test("the client's end withdraws it, and what stood behind it is not done", async () => {
    const { client, gate, app } = await begin({ rules: HELD });
    void client.ask(TYPE.REMOVE, 'hello.txt');
    void client.ask(TYPE.MKDIR, 'sub', 0);
    await until(() => gate.held.length === 1);
    client.stream.end();
    await stage.summary;
    assert.deepEqual(gate.desk.withdrawn, ['apr_1']);
    assert.ok(existsSync(join(app, 'hello.txt')));
    assert.ok(!existsSync(join(app, 'sub')));
  });

  test('a client that ended before it was held has nothing done either', async () => {
    const { client, gate, app } = await begin({ rules: HELD });
    client.stream.end(Buffer.concat([packet(TYPE.REMOVE, 1, 'hello.txt'), packet(TYPE.MKDIR, 2, 'sub', 0)]));
    await stage.summary;
    assert.deepEqual(gate.desk.withdrawn, ['apr_1']);
    assert.ok(!existsSync(join(app, 'sub')));
  });

  test('a client that goes with much unread behind a held request withdraws it too', async () => {
    const { client, gate } = await begin({ rules: HELD });
    void client.ask(TYPE.REMOVE, 'hello.txt');
    await until(() => gate.held.length === 1);
    for (let i = 0; i < 40; i++) client.send(packet(TYPE.STAT, 5000 + i, 'x'.repeat(30_000)));
    stage.cut();
    assert.equal((await stage.summary).end.kind, 'clientGone');
    await until(() => gate.desk.withdrawn.length === 1);
  });

  test('what was approved is not done to another file that took its place', async () => {
    const { client, gate, app, secret } = await begin({ rules: HELD });
    mkdirSync(join(app, 'sub'));
    writeFileSync(join(app, 'sub/key.txt'), 'mine');
    const removed = client.status(TYPE.REMOVE, 'sub/key.txt');
    await until(() => gate.held.length === 1);
    renameSync(join(app, 'sub'), join(app, 'moved'));
    symlinkSync(secret, join(app, 'sub'));
    gate.desk.approve('apr_1');
    const [code, message] = await removed;
    assert.equal(code, STATUS.FAILURE);
    assert.match(message, /leads elsewhere/);
    assert.ok(existsSync(join(secret, 'key.txt')));
    assert.equal(stage.events('outcome').at(-1)?.state, 'notForwarded');
  });
});

describe('a changed policy', () => {
  test('a file that may not be read any more ends at its next message', async () => {
    const { client, gate, app } = await begin();
    const handle = await client.open('hello.txt', READ);
    stage.rules('  - { name: no-transfer, when: { effects: [transfer] }, then: deny, reason: closed for today }');
    gate.basis = 'policy-2';
    await isDenied(client.status(TYPE.READ, stringOf(handle), 0n, 10));
    assert.equal((await client.status(TYPE.READ, stringOf(handle), 0n, 10))[0], STATUS.FAILURE);
    assert.equal((await client.status(TYPE.CLOSE, stringOf(handle)))[0], STATUS.OK);
    assert.equal(stage.events('outcome').at(-1)?.code, 'HOOP_DENIED');
    assert.ok(existsSync(join(app, 'hello.txt')));
  });

  test('a folder that may not be listed any more ends at its next message', async () => {
    const { client, gate, app } = await begin();
    const handle = stringOf((await client.ask(TYPE.OPENDIR, '.')).fields.string());
    stage.rules('  - { name: closed, when: { ssh.sftp: opendir }, then: deny, reason: closed for today }');
    gate.basis = 'policy-2';
    await isDenied(client.status(TYPE.READDIR, handle));
    assert.deepEqual(lastVerdict()?.facts['ssh.path'], [app]);
    stage.rules('');
    gate.basis = 'policy-3';
    const again = stringOf((await client.ask(TYPE.OPENDIR, '.')).fields.string());
    gate.basis = 'policy-4';
    assert.equal((await client.ask(TYPE.READDIR, again)).type, TYPE.NAME);
  });

  test('one that still may goes on, under the new one', async () => {
    const { client, gate } = await begin();
    const handle = await client.open('hello.txt', READ | WRITE);
    gate.basis = 'policy-2';
    const data = await client.ask(TYPE.READ, stringOf(handle), 0n, 10);
    assert.equal(data.fields.string().toString(), 'hello\n');
    gate.basis = 'policy-3';
    assert.equal((await client.status(TYPE.WRITE, stringOf(handle), 0n, 'HELLO'))[0], STATUS.OK);
    await client.status(TYPE.CLOSE, stringOf(handle));
    assert.deepEqual(
      stage.events('outcome').map(({ state }) => state),
      ['completed', 'completed', 'completed'],
    );
    assert.match(stage.events('outcome').at(-1)?.tag ?? '', /^read 6 \(sha256: .*\), wrote 5 \(sha256: /);
  });

  test('a byte limit stops a file in the middle', async () => {
    const { client, gate, app } = await begin();
    writeFileSync(join(app, 'big'), Buffer.alloc(100_000));
    gate.limits = [{ rule: 'small-files', bytesPerStatement: 50_000 }];
    const handle = await client.open('big', READ);
    assert.equal((await client.ask(TYPE.READ, stringOf(handle), 0n, 40_000)).type, TYPE.DATA);
    const [code, message] = await client.status(TYPE.READ, stringOf(handle), 40_000n, 40_000);
    assert.equal(code, STATUS.FAILURE);
    assert.match(message, /^HOOP_LIMIT: limit "small-files": bytesPerStatement is 50000/);
    assert.equal((await client.status(TYPE.READ, stringOf(handle), 0n, 1))[0], STATUS.FAILURE);
    await client.status(TYPE.CLOSE, stringOf(handle));
    assert.deepEqual(
      [stage.events('outcome').at(-1)?.code, stage.events('outcome').at(-1)?.bytes],
      ['HOOP_LIMIT', 40_000],
    );
  });
});

test('the end of the session ends the channel, and what was open is recorded as cut', async () => {
  const { client, gate } = await begin();
  await client.open('hello.txt', READ);
  gate.session.abort({ kind: 'revoked' });
  assert.deepEqual((await stage.summary).end, { kind: 'revoked' });
  await client.ended;
  assert.equal(stage.events('outcome').at(-1)?.state, 'cancelled');
});

test('nothing is forwarded when nothing can be recorded', async () => {
  const { client, gate, app } = await begin();
  gate.recorder.fail();
  const [code, message] = await client.status(TYPE.REMOVE, 'hello.txt');
  assert.equal(code, STATUS.FAILURE);
  assert.match(message, /^HOOP_UNAVAILABLE/);
  assert.ok(existsSync(join(app, 'hello.txt')));
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

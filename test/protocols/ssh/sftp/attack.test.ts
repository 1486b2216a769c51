/** Clients and targets that break the protocol, flood, or stop reading: each is bounded, and none is believed. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Duplex, duplexPair } from 'node:stream';
import { afterEach, describe, test } from 'node:test';
import {
  Fields,
  Inbox,
  packet,
  STATUS,
  statusPacket,
  stringOf,
  TYPE,
} from '../../../../src/protocols/ssh/sftp/frames.ts';
import { openStage, type Stage, type StageOptions, statusOf } from './stage.ts';

let stage: Stage;
async function begin(options?: StageOptions): Promise<Stage> {
  stage = openStage(options);
  if (options?.target) stage.gate.policy = () => ({ kind: 'allow', rules: [] });
  await stage.client.hello();
  return stage;
}
afterEach(() => stage.close());

const brokenBy = async (side: 'client' | 'target') => {
  const { end } = await stage.summary;
  assert.equal(end.kind === 'protocolError' && end.side, side);
  await stage.client.ended;
};

describe('a client', () => {
  test('that announces 4 GiB is cut off', async () => {
    const { client } = await begin();
    client.send(Buffer.from([0xff, 0xff, 0xff, 0xff, TYPE.OPEN, 0, 0, 0, 1]));
    await brokenBy('client');
  });

  test('that uses a number again before it is answered is cut off', async () => {
    const { client, gate, app } = await begin({
      rules: '  - { name: d, when: { effects: [delete] }, then: { hold: { approvers: { groups: [g] } } } }',
    });
    client.send(Buffer.concat([packet(TYPE.REMOVE, 7, 'hello.txt'), packet(TYPE.STAT, 7, 'hello.txt')]));
    while (gate.held.length === 0) await new Promise((resolve) => setImmediate(resolve));
    gate.desk.approve('apr_1');
    // The first is answered before the second is looked at: no two answers wait under one number.
    assert.equal(statusOf(await client.answerTo(7))[0], STATUS.OK);
    assert.ok(!existsSync(join(app, 'hello.txt')));

    const handle = stringOf(await client.open('big', 10));
    client.send(Buffer.concat([packet(TYPE.WRITE, 8, handle, 0n, 'a'), packet(TYPE.WRITE, 8, handle, 1n, 'b')]));
    await brokenBy('client');
  });

  test('that does not begin with INIT, or begins twice, is cut off', async () => {
    stage = openStage();
    stage.client.listen();
    stage.client.send(packet(TYPE.STAT, 1, 'hello.txt'));
    await brokenBy('client');
    await stage.close();

    await begin();
    stage.client.send(packet(TYPE.INIT, 3));
    await brokenBy('client');
  });

  test('that sends a cut-off packet and ends changes nothing', async () => {
    const { client, app } = await begin();
    client.send(packet(TYPE.REMOVE, 1, 'hello.txt').subarray(0, -1));
    client.stream.end();
    assert.deepEqual((await stage.summary).end, { kind: 'closed' });
    assert.ok(existsSync(join(app, 'hello.txt')));
  });

  test('that sends malformed requests is answered, and goes on', async () => {
    const { client } = await begin();
    assert.equal((await client.status(TYPE.REMOVE, 'hello.txt', 'x'))[0], STATUS.BAD_MESSAGE);
    assert.equal((await client.status(TYPE.OPEN, 'hello.txt'))[0], STATUS.BAD_MESSAGE);
    assert.equal((await client.ask(TYPE.STAT, 'hello.txt')).type, TYPE.ATTRS);
  });

  test('that guesses handles finds none: not the ones of the target, not those of another channel', async () => {
    const { client } = await begin();
    const other = openStage();
    await other.client.hello();
    await other.client.open('hello.txt', 3);
    for (const guess of [Buffer.alloc(4), Buffer.from([0, 0, 0, 1]), Buffer.alloc(0), Buffer.alloc(256)]) {
      const handle = stringOf(guess);
      assert.equal((await client.status(TYPE.READ, handle, 0n, 10))[0], STATUS.FAILURE);
      assert.equal((await client.status(TYPE.WRITE, handle, 0n, 'x'))[0], STATUS.FAILURE);
      assert.equal((await client.status(TYPE.FSETSTAT, handle, 0))[0], STATUS.FAILURE);
      assert.equal((await client.status(TYPE.READDIR, handle))[0], STATUS.FAILURE);
      assert.equal((await client.status(TYPE.CLOSE, handle))[0], STATUS.FAILURE);
    }
    assert.equal(readFileSync(join(other.app, 'hello.txt'), 'utf8'), 'hello\n');
    await other.close();
  });

  test('cannot use a handle that it closed, even for a file opened since', async () => {
    const { client } = await begin();
    const first = stringOf(await client.open('hello.txt', 1));
    await client.status(TYPE.CLOSE, first);
    const second = stringOf(await client.open('hello.txt', 1));
    assert.notDeepEqual(first, second);
    assert.equal((await client.status(TYPE.READ, first, 0n, 10))[0], STATUS.FAILURE);
  });

  test('opens no more files than it may', async () => {
    const { client } = await begin({ limits: { handles: 3 } });
    const handles = [];
    for (let i = 0; i < 3; i++) handles.push(stringOf(await client.open('hello.txt', 1)));
    assert.deepEqual(await client.status(TYPE.OPEN, 'hello.txt', 1, 0), [STATUS.FAILURE, 'too many files are open']);
    await client.status(TYPE.CLOSE, handles[0] as Buffer);
    await client.open('hello.txt', 1);
  });

  test('may send 100,000 requests at once, and gets 100,000 answers in order', async () => {
    const { client } = await begin();
    const handle = stringOf(await client.open('hello.txt', 1));
    client.answers.length = 0;
    const requests = [];
    for (let i = 0; i < 100_000; i++) requests.push(packet(TYPE.READ, 1000 + i, handle, 0n, 2));
    client.send(Buffer.concat(requests));
    await client.answerTo(100_999);
    assert.equal(client.answers.length, 100_000);
    assert.ok(client.answers.every(({ type, id }, i) => type === TYPE.DATA && id === 1000 + i));
  });

  test('that never reads stops being read, and costs no more than the bounds', async () => {
    const asked = { READ: 0 };
    const fake = fakeTarget((type, id, fields) => {
      if (type === TYPE.READ) asked.READ++;
      return type === TYPE.READ ? packet(TYPE.DATA, id, 'x'.repeat(32_768)) : answerTo(type, id, fields);
    });
    await begin({ target: fake.side });
    const { client } = stage;
    const handle = stringOf(await client.open('big', 1));
    client.stream.pause();
    client.stream.removeAllListeners('data');
    const request = (id: number) => packet(TYPE.READ, id, handle, BigInt(id) * 32_768n, 32_768);
    let sent = 0;
    // Writes until nobody takes more; 20,000 requests would make 640 MB of answers.
    while (sent < 20_000 && client.stream.writableLength < 64 * 1024) {
      client.send(request(10_000 + sent++));
      if (sent % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(sent < 20_000, 'it was read to the end');
    assert.ok(asked.READ <= 4096, `${asked.READ} requests without an answer taken`);
  });
});

describe('a target', () => {
  test('that answers what nobody asked is cut off', async () => {
    const fake = fakeTarget(answerTo);
    await begin({ target: fake.side });
    fake.send(statusPacket(77, STATUS.OK, ''));
    await brokenBy('target');
  });

  test('that answers with another kind of packet is cut off', async () => {
    const fake = fakeTarget((type, id, fields) =>
      type === TYPE.REMOVE ? packet(TYPE.HANDLE, id, 'h') : answerTo(type, id, fields),
    );
    await begin({ target: fake.side });
    void stage.client.ask(TYPE.REMOVE, '/srv/x');
    await brokenBy('target');
  });

  test('that sends more content than was asked for is cut off', async () => {
    const fake = fakeTarget((type, id, fields) =>
      type === TYPE.READ ? packet(TYPE.DATA, id, 'too much') : answerTo(type, id, fields),
    );
    await begin({ target: fake.side });
    const handle = stringOf(await stage.client.open('big', 1));
    void stage.client.ask(TYPE.READ, handle, 0n, 4);
    await brokenBy('target');
  });

  test('that does not speak version 3 is cut off', async () => {
    const fake = fakeTarget((type, id, fields) =>
      type === TYPE.INIT ? packet(TYPE.VERSION, 6) : answerTo(type, id, fields),
    );
    stage = openStage({ target: fake.side });
    stage.client.listen();
    await brokenBy('target');
  });

  test('that takes REALPATH for a matter of text does not get past a link', async () => {
    const links = new Set(['/home/app/link']);
    const fake = fakeTarget((type, id, fields) => {
      if (type !== TYPE.LSTAT) return answerTo(type, id, fields);
      const path = fields.string().toString();
      return packet(TYPE.ATTRS, id, 4, links.has(path) ? 0o120777 : 0o040755);
    });
    await begin({ target: fake.side });
    for (const path of ['link', 'link/etc/passwd', '/home/app/link/../x/../link/shadow']) {
      const [code, message] = await stage.client.status(TYPE.OPEN, path, 1, 0);
      assert.equal(code, STATUS.PERMISSION_DENIED);
      assert.match(message, /symbolic link/);
    }
    assert.ok(!fake.seen.includes(TYPE.OPEN));
  });

  test('whose REALPATH gives no canonical path is not believed', async () => {
    let found = 'relative/path';
    const fake = fakeTarget((type, id, fields) =>
      type === TYPE.REALPATH && fields.string().toString() !== '.'
        ? packet(TYPE.NAME, id, 1, found, '', 0)
        : answerTo(type, id, fields),
    );
    await begin({ target: fake.side });
    for (found of ['relative/path', '/srv/../etc', '/srv//x', '/srv/./x', '', '/srv/x\0']) {
      const [code, message] = await stage.client.status(TYPE.OPEN, 'x', 1, 0);
      assert.equal(code, STATUS.PERMISSION_DENIED, message);
    }
    assert.ok(!fake.seen.includes(TYPE.OPEN));
  });

  test('that is not known to have the names of a link in the usual order makes none', async () => {
    const fake = fakeTarget(answerTo);
    await begin({ target: fake.side });
    const [code, message] = await stage.client.status(TYPE.SYMLINK, 'a', 'b');
    assert.equal(code, STATUS.PERMISSION_DENIED);
    assert.match(message, /which of the two names/);
    assert.ok(!fake.seen.includes(TYPE.SYMLINK));
  });

  test('is sent a rename to a free name as the one that replaces nothing', async () => {
    const fake = fakeTarget((type, id, fields) => {
      const free = type === TYPE.LSTAT && fields.string().toString().endsWith('/free');
      return free ? statusPacket(id, STATUS.NO_SUCH_FILE, '') : answerTo(type, id, fields);
    });
    await begin({ target: fake.side });
    await stage.client.status(TYPE.EXTENDED, 'posix-rename@openssh.com', 'a', 'free');
    assert.equal(fake.seen.at(-1), TYPE.RENAME);
    await stage.client.status(TYPE.EXTENDED, 'posix-rename@openssh.com', 'a', 'taken');
    assert.equal(fake.seen.at(-1), TYPE.EXTENDED);
  });

  test('that ends ends the channel', async () => {
    const fake = fakeTarget(answerTo);
    await begin({ target: fake.side });
    fake.end();
    assert.equal((await stage.summary).end.kind, 'targetGone');
    await stage.client.ended;
  });

  test('gets the same path as was judged, whatever the client wrote', async () => {
    const paths: string[] = [];
    const fake = fakeTarget((type, id, fields) => {
      if (type === TYPE.OPEN) paths.push(fields.string().toString());
      return answerTo(type, id, fields);
    });
    await begin({ target: fake.side });
    await stage.client.open('./a//b/../c', 1);
    assert.deepEqual(paths, ['/home/app/a/c']);
    assert.deepEqual(stage.events('verdict').at(-1)?.facts['ssh.path'], paths);
  });
});

test('a file larger than what any side keeps passes whole, both ways', async () => {
  const { client, app } = await begin({ clientBuffer: 65_536 });
  const content = Buffer.alloc(3_000_000, 'all of it ');
  const handle = stringOf(await client.open('big', 2 | 8));
  const writes = [];
  for (let at = 0; at < content.length; at += 32_768)
    writes.push(client.status(TYPE.WRITE, handle, BigInt(at), stringOf(content.subarray(at, at + 32_768))));
  for (const [code] of await Promise.all(writes)) assert.equal(code, STATUS.OK);
  await client.status(TYPE.CLOSE, handle);
  assert.ok(readFileSync(join(app, 'big')).equals(content));

  const again = stringOf(await client.open('big', 1));
  const reads = [];
  for (let at = 0; at < content.length; at += 32_768) reads.push(client.ask(TYPE.READ, again, BigInt(at), 32_768));
  const parts = (await Promise.all(reads)).map(({ fields }) => fields.string());
  assert.ok(Buffer.concat(parts).equals(content));
  await client.status(TYPE.CLOSE, again);
  const [written, read] = stage.events('result').map(({ sha256 }) => sha256);
  assert.equal(written, read);
});

test('names are written as JSON in what is recorded', async () => {
  const { client, app } = await begin();
  writeFileSync(join(app, 'a "quoted"\n name'), '');
  await client.open('a "quoted"\n name', 1);
  assert.equal(stage.events('verdict').at(-1)?.text.text, 'sftp open "a \\"quoted\\"\\n name" (read)');
});

interface FakeTarget {
  readonly side: Duplex;
  /** Types of packets that reached it. */
  readonly seen: number[];
  send(bytes: Buffer): void;
  end(): void;
}

/** A server that says what it is told to. */
function fakeTarget(answer: (type: number, id: number, fields: Fields) => Buffer | undefined): FakeTarget {
  const [side, other] = duplexPair();
  const inbox = new Inbox(0 as never);
  const seen: number[] = [];
  other.on('error', () => {});
  other.on('data', (chunk: Buffer) => {
    inbox.add(chunk);
    for (let piece = inbox.next(); piece; piece = inbox.next()) {
      if (piece.kind !== 'packet') continue;
      seen.push(piece.type);
      const fields = new Fields(piece.body);
      const said = answer(piece.type, fields.uint32(), fields);
      if (said) other.write(said);
    }
  });
  return { side, seen, send: (bytes) => void other.write(bytes), end: () => void other.end() };
}

/** A server whose REALPATH is a matter of text, and where everything exists and is a folder. */
function answerTo(type: number, id: number, fields: Fields): Buffer | undefined {
  switch (type) {
    case TYPE.INIT:
      return packet(TYPE.VERSION, 3);
    case TYPE.REALPATH: {
      const path = join(
        '/home/app',
        fields
          .string()
          .toString()
          .replace(/^\/home\/app/, ''),
      );
      return packet(TYPE.NAME, id, 1, path.replace(/\/$/, ''), '', 0);
    }
    case TYPE.LSTAT:
      return packet(TYPE.ATTRS, id, 4, 0o040755);
    case TYPE.OPEN:
      return packet(TYPE.HANDLE, id, 'h');
    default:
      return statusPacket(id, STATUS.OK, 'Success');
  }
}

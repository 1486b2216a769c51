/** Packets are cut from any split of the bytes, and what is not a packet is seen at its first bytes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from '../../../property/drawn.ts';
import { isLink, readAttributes } from '../../../../src/protocols/ssh/sftp/attributes.ts';
import {
  Fields,
  Inbox,
  packet,
  type Piece,
  renumbered,
  stringOf,
  TYPE,
} from '../../../../src/protocols/ssh/sftp/frames.ts';
import { readRequest } from '../../../../src/protocols/ssh/sftp/requests.ts';

/** All pieces, with content put together again. */
function pieces(inbox: Inbox): unknown[] {
  const found: unknown[] = [];
  let content: Buffer[] = [];
  for (let piece = inbox.next(); piece; piece = inbox.next()) {
    if (piece.kind === 'bytes') content.push(piece.bytes);
    if (piece.kind === 'bytes' && piece.last) found.push(Buffer.concat(content).toString('hex'));
    if (piece.kind === 'content') content = [];
    if (piece.kind === 'content') found.push({ ...piece, head: piece.head.toString('hex') });
    if (piece.kind === 'packet') found.push({ ...piece, body: piece.body.toString('hex') });
    if (piece.kind === 'broken') return [...found, piece];
  }
  return found;
}

function cut(bytes: Buffer): unknown[] {
  const inbox = new Inbox(TYPE.WRITE);
  inbox.add(bytes);
  return pieces(inbox);
}

const STREAM = Buffer.concat([
  packet(TYPE.INIT, 3),
  packet(TYPE.OPEN, 1, '/srv/app/a', 26, 0),
  packet(TYPE.WRITE, 2, 'h', 0n, 'content that flows'),
  packet(TYPE.WRITE, 3, 'h', 18n, ''),
  packet(TYPE.CLOSE, 4, 'h'),
]);

describe('cutting', () => {
  test('any split of the bytes gives the same packets', () => {
    const whole = cut(STREAM);
    assert.equal(whole.length, 6);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: STREAM.length - 1 }), { maxLength: 20 }), (places) => {
        const inbox = new Inbox(TYPE.WRITE);
        const found: Piece[] = [];
        const at = [0, ...places.toSorted((a, b) => a - b), STREAM.length];
        for (let i = 1; i < at.length; i++) {
          inbox.add(STREAM.subarray(at[i - 1], at[i]));
          for (let piece = inbox.next(); piece; piece = inbox.next()) found.push(piece);
        }
        const text = (piece: Piece) => (piece.kind === 'bytes' ? piece.bytes.toString('hex') : '');
        assert.equal(found.map(text).join(''), Buffer.from('content that flows').toString('hex'));
        assert.equal(found.filter(({ kind }) => kind !== 'bytes').length, 5);
        assert.equal(inbox.size, 0);
      }),
    );
  });

  test('byte by byte it is the same', () => {
    const inbox = new Inbox(TYPE.WRITE);
    for (const byte of STREAM) inbox.add(Buffer.from([byte]));
    assert.deepEqual(pieces(inbox), cut(STREAM));
  });

  test('a length of 4 GiB is refused at its header', () => {
    const [broken] = cut(Buffer.from([0xff, 0xff, 0xff, 0xff, TYPE.WRITE])) as Piece[];
    assert.deepEqual(broken, { kind: 'broken', why: 'a packet of 4294967295 bytes' });
  });

  for (const [name, bytes] of [
    ['no length at all', Buffer.from([0, 0, 0, 0, 5])],
    ['one byte more than the longest', Buffer.from([0, 4, 0, 1, 5])],
    ['a WRITE too short for a handle', Buffer.from([0, 0, 0, 5, TYPE.WRITE, 0, 0, 0, 1])],
    ['a WRITE whose handle is longer than any', Buffer.from([0, 0, 4, 0, TYPE.WRITE, 0, 0, 0, 1, 0, 0, 1, 1])],
    ['a WRITE whose handle is longer than itself', Buffer.from([0, 0, 0, 20, TYPE.WRITE, 0, 0, 0, 1, 0, 0, 0, 200])],
    ['content shorter than it says', packet(TYPE.WRITE, 1, 'h', 0n, 5, Buffer.from('1234'))],
    ['content longer than it says', packet(TYPE.WRITE, 1, 'h', 0n, 3, Buffer.from('1234'))],
  ] as const) {
    test(`${name} breaks the stream`, () => {
      assert.equal((cut(bytes).at(-1) as Piece).kind, 'broken');
    });
  }

  test('random bytes never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(...Object.values(TYPE)), (random, type) => {
        const body = Buffer.from(random);
        cut(body);
        cut(renumbered(type, 7, Buffer.concat([Buffer.alloc(4), body])));
        isLink(new Fields(body));
        readAttributes(new Fields(body));
        const request = readRequest({ kind: 'packet', type, body: Buffer.concat([Buffer.from([0, 0, 0, 9]), body]) });
        assert.equal(request.id, 9);
      }),
    );
  });
});

describe('requests', () => {
  const kindOf = (bytes: Buffer) =>
    readRequest({ kind: 'packet', type: bytes[4] as number, body: bytes.subarray(5) }).kind;

  test('a request with something behind its end is malformed', () => {
    assert.equal(kindOf(packet(TYPE.REMOVE, 1, '/a')), 'path');
    assert.equal(kindOf(packet(TYPE.REMOVE, 1, '/a', '/etc/passwd')), 'malformed');
    assert.equal(kindOf(packet(TYPE.READ, 1, 'h', 0n)), 'malformed');
    assert.equal(kindOf(packet(TYPE.OPEN, 1, '/a', 1)), 'malformed');
    assert.equal(kindOf(packet(TYPE.EXTENDED, 1, 'fsync@openssh.com', 'h', 'more')), 'malformed');
  });

  test('a string longer than its packet is malformed', () => {
    assert.equal(kindOf(packet(TYPE.STAT, 1, 0xffff_ffff, Buffer.from('/a'))), 'malformed');
  });

  test('attributes with extensions or unknown bits are not let through', () => {
    const extended = Buffer.concat([
      Buffer.from([0x80, 0, 0, 0, 0, 0, 0, 1]),
      stringOf(Buffer.from('acl')),
      stringOf(Buffer.from('x')),
    ]);
    assert.equal(kindOf(packet(TYPE.SETSTAT, 1, '/a', extended)), 'unsupported');
    assert.equal(kindOf(packet(TYPE.SETSTAT, 1, '/a', 0x10)), 'unsupported');
    assert.equal(kindOf(packet(TYPE.SETSTAT, 1, '/a', 0xd, 0n, 0o644, 1, 2)), 'path');
  });
});

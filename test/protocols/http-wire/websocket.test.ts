import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  acceptOf,
  checkAccepted,
  closeFrame,
  createFrameReader,
  frameOf,
  type Happening,
  OPCODE,
  readOpening,
} from '../../../src/protocols/http-wire/websocket.ts';
import fc from '../../property/drawn.ts';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';
const MASK = Buffer.from([1, 2, 3, 250]);

describe('the opening handshake', () => {
  test('is answered as RFC 6455 shows', () => {
    assert.equal(acceptOf(KEY), ACCEPT);
    const opening = readOpening([
      ['Sec-WebSocket-Key', KEY],
      ['Sec-WebSocket-Version', '13'],
      ['Sec-WebSocket-Protocol', 'chat, superchat'],
      ['Sec-WebSocket-Extensions', 'permessage-deflate'],
    ]);
    assert.deepEqual(opening, { ok: true, key: KEY, protocols: ['chat', 'superchat'] });
  });

  for (const [name, headers, status] of [
    ['no version', [['Sec-WebSocket-Key', KEY]], 426],
    [
      'version 8',
      [
        ['Sec-WebSocket-Key', KEY],
        ['Sec-WebSocket-Version', '8'],
      ],
      426,
    ],
    [
      'two versions',
      [
        ['Sec-WebSocket-Key', KEY],
        ['Sec-WebSocket-Version', '13'],
        ['Sec-WebSocket-Version', '8'],
      ],
      426,
    ],
    ['no key', [['Sec-WebSocket-Version', '13']], 400],
    [
      'two keys',
      [
        ['Sec-WebSocket-Version', '13'],
        ['Sec-WebSocket-Key', KEY],
        ['Sec-WebSocket-Key', KEY],
      ],
      400,
    ],
    [
      'a short key',
      [
        ['Sec-WebSocket-Version', '13'],
        ['Sec-WebSocket-Key', 'abcd'],
      ],
      400,
    ],
    [
      'a key with bits too many',
      [
        ['Sec-WebSocket-Version', '13'],
        ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZR=='],
      ],
      400,
    ],
    [
      'a subprotocol twice',
      [
        ['Sec-WebSocket-Version', '13'],
        ['Sec-WebSocket-Key', KEY],
        ['Sec-WebSocket-Protocol', 'a, a'],
      ],
      400,
    ],
    [
      'an empty subprotocol',
      [
        ['Sec-WebSocket-Version', '13'],
        ['Sec-WebSocket-Key', KEY],
        ['Sec-WebSocket-Protocol', 'a,,b'],
      ],
      400,
    ],
  ] as const)
    test(`with ${name} is refused`, () => {
      const opening = readOpening(headers);
      assert.equal(opening.ok ? undefined : opening.status, status);
    });

  const accepted = [
    ['Upgrade', 'websocket'],
    ['Sec-WebSocket-Accept', ACCEPT],
  ] as const;
  test("a target's answer to it passes", () => {
    assert.equal(checkAccepted(accepted, KEY, []), undefined);
    assert.equal(checkAccepted([...accepted, ['Sec-WebSocket-Protocol', 'b']], KEY, ['a', 'b']), undefined);
  });
  for (const [name, headers] of [
    ['of another key', [accepted[0], ['Sec-WebSocket-Accept', acceptOf('x')]]],
    ['without proof', [accepted[0]]],
    ['twice', [...accepted, accepted[1]]],
    ['to another protocol', [['Upgrade', 'h2c'], accepted[1]]],
    ['with an extension', [...accepted, ['Sec-WebSocket-Extensions', 'permessage-deflate']]],
    ['with a subprotocol that was not offered', [...accepted, ['Sec-WebSocket-Protocol', 'c']]],
  ] as const)
    test(`an answer ${name} is none`, () => {
      assert.equal(typeof checkAccepted(headers, KEY, ['a', 'b']), 'string');
    });
});

function readAll(
  bytes: Buffer,
  from: 'client' | 'server' = 'client',
  size = bytes.length || 1,
  mostMessage = 1 << 20,
): Happening[] {
  const reader = createFrameReader({ from, mostMessage });
  const happenings: Happening[] = [];
  for (let at = 0; at < bytes.length; at += size)
    happenings.push(...reader.push(Buffer.from(bytes.subarray(at, at + size))));
  return happenings;
}

/** Pieces of a message joined, as a whole reader would tell them. */
function messages(happenings: readonly Happening[]): unknown[] {
  const told: unknown[] = [];
  let pieces: Buffer[] = [];
  for (const happening of happenings) {
    if (happening.kind !== 'data') {
      told.push(happening.kind === 'problem' ? happening.code : happening);
      continue;
    }
    assert.equal(happening.first, pieces.length === 0);
    pieces.push(happening.bytes);
    if (!happening.last) continue;
    told.push([happening.type, Buffer.concat(pieces).toString('latin1')]);
    pieces = [];
  }
  return told;
}

describe('frames', () => {
  const mask = { mask: MASK };
  const text = (value: string, options = {}) => frameOf(OPCODE.text, Buffer.from(value), { ...mask, ...options });

  test("are read as RFC 6455's examples", () => {
    assert.deepEqual(messages(readAll(Buffer.from('818537fa213d7f9f4d5158', 'hex'))), [['text', 'Hello']]);
    assert.deepEqual(messages(readAll(Buffer.from('010348656c80026c6f', 'hex'), 'server')), [['text', 'Hello']]);
    assert.deepEqual(messages(readAll(Buffer.from('890548656c6c6f', 'hex'), 'server')), [
      { kind: 'ping', bytes: Buffer.from('Hello') },
    ]);
  });

  test('in parts, with control frames between, are one message', () => {
    const bytes = Buffer.concat([
      text('a€'.slice(0, 1), { last: false }),
      frameOf(OPCODE.ping, Buffer.from('p'), mask),
      frameOf(OPCODE.continuation, Buffer.from('€').subarray(0, 2), { ...mask, last: false }),
      frameOf(OPCODE.pong, Buffer.alloc(0), mask),
      frameOf(OPCODE.continuation, Buffer.from('€').subarray(2), mask),
      closeFrame(1000, 'bye', mask),
      text('never'),
    ]);
    for (const size of [1, 2, 3, 7, bytes.length])
      assert.deepEqual(messages(readAll(bytes, 'client', size)), [
        { kind: 'ping', bytes: Buffer.from('p') },
        { kind: 'pong', bytes: Buffer.alloc(0) },
        ['text', Buffer.from('a€').toString('latin1')],
        { kind: 'close', code: 1000, reason: 'bye' },
      ]);
  });

  for (const [name, bytes, code] of [
    ['without a mask from a client', frameOf(OPCODE.text, Buffer.from('a')), 1002],
    ['with a reserved bit', Buffer.from([0xc1, 0x80, 0, 0, 0, 0]), 1002],
    ['of an unknown kind', Buffer.from([0x83, 0x80, 0, 0, 0, 0]), 1002],
    ['of an unknown control kind', Buffer.from([0x8b, 0x80, 0, 0, 0, 0]), 1002],
    ['that ping in parts', frameOf(OPCODE.ping, Buffer.alloc(0), { ...mask, last: false }), 1002],
    ['that ping with 126 bytes', frameOf(OPCODE.ping, Buffer.alloc(126), mask), 1002],
    ['that go on with nothing', frameOf(OPCODE.continuation, Buffer.alloc(0), mask), 1002],
    ['that begin inside a message', Buffer.concat([text('a', { last: false }), text('b')]), 1002],
    ['with 16 bits for a short length', Buffer.from([0x82, 0xfe, 0, 1, 0, 0, 0, 0, 0]), 1002],
    ['with 64 bits for a short length', Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]), 1002],
    ['with a length beyond 2^63', Buffer.from([0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 1002],
    ['that close with one byte', frameOf(OPCODE.close, Buffer.from([3]), mask), 1002],
    ['that close with 1005', closeFrame(1005, '', mask), 1002],
    ['that close with 999', closeFrame(999, '', mask), 1002],
    ['that close with words that are no UTF-8', frameOf(OPCODE.close, Buffer.from([3, 232, 0xff]), mask), 1002],
    ['of text that is no UTF-8', frameOf(OPCODE.text, Buffer.from([0xff]), mask), 1007],
    ['of text that is cut', frameOf(OPCODE.text, Buffer.from([0xe2, 0x82]), mask), 1007],
    ['of more than a message may have', frameOf(OPCODE.binary, Buffer.alloc((1 << 20) + 1), mask), 1009],
    [
      'of more than a message may have, in parts',
      Buffer.concat([
        frameOf(OPCODE.binary, Buffer.alloc(1 << 20), { ...mask, last: false }),
        frameOf(OPCODE.continuation, Buffer.alloc(1), mask),
      ]),
      1009,
    ],
  ] as const)
    test(`${name} are a problem, and the last thing told`, () => {
      assert.equal(messages(readAll(Buffer.concat([bytes, text('never')]))).at(-1), code);
    });

  test('with a mask from a server are a problem', () => {
    assert.deepEqual(messages(readAll(text('a'), 'server')), [1002]);
  });

  test("a close's reason is cut between characters", () => {
    const [happening] = readAll(closeFrame(1008, 'ä€'.repeat(60)), 'server');
    assert.equal(happening?.kind === 'close' && happening.reason, `${'ä€'.repeat(24)}ä`);
  });
});

const message = fc.record({
  opcode: fc.constantFrom(OPCODE.binary, OPCODE.ping, OPCODE.pong),
  payload: fc.oneof(
    { weight: 9, arbitrary: fc.uint8Array({ maxLength: 200 }) },
    { weight: 1, arbitrary: fc.uint8Array({ minLength: 60_000, maxLength: 70_000, size: 'max' }) },
  ),
  mask: fc.uint8Array({ minLength: 4, maxLength: 4 }),
});

test('what is written is read again, in any pieces', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 5 }), fc.integer({ min: 1, max: 5000 }), (drawn, size) => {
      const kept = drawn.map(({ opcode, payload, mask }) => ({
        opcode,
        mask: Buffer.from(mask),
        payload: Buffer.from(opcode === OPCODE.binary ? payload : payload.subarray(0, 125)),
      }));
      const bytes = Buffer.concat(kept.map(({ opcode, payload, mask }) => frameOf(opcode, payload, { mask })));
      const expected = kept.map(({ opcode, payload }) => [opcode, payload]);
      const ours = messages(readAll(bytes, 'client', size)).map((found) =>
        Array.isArray(found)
          ? [OPCODE.binary, Buffer.from(found[1], 'latin1')]
          : [OPCODE[(found as { kind: 'ping' | 'pong' }).kind], (found as { bytes: Buffer }).bytes],
      );
      assert.deepEqual(ours, expected);
    }),
    { numRuns: 60 },
  );
});

test('random bytes end in a problem at worst', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.constantFrom('client', 'server'), (bytes, from) => {
      messages(readAll(Buffer.from(bytes), from, 3));
    }),
    { numRuns: 2000 },
  );
});

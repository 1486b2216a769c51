/** A client's messages are read to the last byte, or not at all. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clientLimits, type Frame, FrameReader } from '../../../src/protocols/postgres/frames.ts';
import {
  errorResponse,
  int16,
  int32,
  message,
  parse,
  query,
  readClientMessage,
  readErrorFields,
  readRowDescription,
} from '../../../src/protocols/postgres/messages.ts';
import { bind, close, describe as describeMessage, execute, rowDescription } from './frontend.ts';

function read(bytes: Buffer): ReturnType<typeof readClientMessage> {
  const reader = new FrameReader(clientLimits);
  reader.push(bytes);
  return readClientMessage(reader.next() as Frame);
}

describe('a client message', () => {
  test('is read as what it says', () => {
    assert.deepEqual(read(query("select 'é'")), { kind: 'query', text: Buffer.from("select 'é'") });
    assert.deepEqual(read(parse('s', 'select $1', [23])), {
      kind: 'parse',
      statement: 's',
      text: Buffer.from('select $1'),
      types: [23],
    });
    assert.deepEqual(read(bind('p', 's', ['a', null], [1])), {
      ...{
        kind: 'bind',
        portal: 'p',
        statement: 's',
        formats: [],
        values: [Buffer.from('a'), null],
        resultFormats: [1],
      },
    });
    assert.deepEqual(read(describeMessage('P', 'p')), { kind: 'describe', what: 'portal', name: 'p' });
    assert.deepEqual(read(execute('p', 5)), { kind: 'execute', portal: 'p', maxRows: 5 });
    assert.deepEqual(read(close('S', 's')), { kind: 'close', what: 'statement', name: 's' });
  });

  const malformed: readonly [string, Buffer][] = [
    ['a query with a NUL inside', message('Q', Buffer.from('select 1\0; drop table audit\0'))],
    ['a query without its NUL', message('Q', Buffer.from('select 1'))],
    ['an empty query body', message('Q')],
    ['a Parse with bytes behind its types', message('P', 's', 'select 1', int16(0), Buffer.from([1]))],
    ['a Parse with a NUL in its text', message('P', 's', Buffer.from('select 1\0select 2\0'), int16(0))],
    ['a Parse that counts more types than it has', message('P', 's', 'select 1', int16(3), int32(23))],
    ['a Parse that counts fewer than none', message('P', 's', 'select 1', int16(-1))],
    [
      'a Bind whose value overruns it',
      message('B', '', '', int16(0), int16(1), int32(100), Buffer.from('a'), int16(0)),
    ],
    ['a Bind with a value of length -2', message('B', '', '', int16(0), int16(1), int32(-2), int16(0))],
    ['a Bind that counts values it does not have', message('B', '', '', int16(0), int16(30_000))],
    ['a Describe of nothing known', message('D', Buffer.from('X'), 'a')],
    ['a Describe without a name', message('D', Buffer.from('S'))],
    ['an Execute without its count', message('E', 'p')],
    ['a Close with a tail', message('C', Buffer.from('S'), 'a', Buffer.from('b'))],
    ['a name that is not UTF-8', message('D', Buffer.from('S'), Buffer.from([0xff, 0]))],
    ['a CopyFail without its NUL', message('f', Buffer.from('no'))],
  ];
  for (const [what, bytes] of malformed) {
    test(`is refused: ${what}`, () => {
      assert.equal(read(bytes).kind, 'malformed');
    });
  }

  test('keeps the bytes of a text that is not UTF-8, for its reader to refuse', () => {
    const text = Buffer.from([0x73, 0x95, 0x5c]);
    assert.deepEqual(read(message('Q', text, Buffer.from([0]))), { kind: 'query', text });
  });
});

describe('what a target says', () => {
  test('error fields survive being read and written', () => {
    const fields = new Map([
      ['S', 'ERROR'],
      ['C', '22012'],
      ['M', 'division by zero'],
    ]);
    assert.deepEqual(readErrorFields(errorResponse(fields).subarray(5)), fields);
  });

  test('an error without a code is still read', () => {
    assert.deepEqual(readErrorFields(Buffer.from('Mfoo\0\0')), new Map([['M', 'foo']]));
    assert.equal(readErrorFields(Buffer.from('Mfoo')), undefined);
  });

  test('a row description that does not add up is none', () => {
    const body = rowDescription({ name: 'a', table: 16_400, column: 2 }).subarray(5);
    assert.deepEqual(readRowDescription(body), [{ name: 'a', table: 16_400, column: 2, type: 25, format: 0 }]);
    assert.equal(readRowDescription(body.subarray(0, body.length - 1)), undefined);
    assert.equal(readRowDescription(Buffer.concat([body, Buffer.from([0])])), undefined);
  });
});

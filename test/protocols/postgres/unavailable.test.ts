import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { client } from '../../../src/protocols/postgres/client.ts';
import { readErrorFields } from '../../../src/protocols/postgres/messages.ts';

const SSL_REQUEST = packet(80877103);
const GSS_REQUEST = packet(80877104);
const STARTUP = packet(196608, 'user\0run\0database\0orders\0\0');

describe('a client whose connection cannot be opened', () => {
  for (const [kind, code] of [
    ['unreachable', '08006'],
    ['login', '28000'],
    ['refused', '08004'],
  ] as const) {
    test(`is told ${code} when it is ${kind}`, () => {
      const { answer, done } = client.unavailable?.({ kind, message: 'what to do' }, STARTUP) ?? assert.fail();
      assert.equal(done, true);
      assert.equal(answer[0], 'E'.charCodeAt(0));
      const fields = readErrorFields(Buffer.from(answer).subarray(5));
      assert.deepEqual([fields?.get('V'), fields?.get('C'), fields?.get('M')], ['FATAL', code, 'what to do']);
    });
  }

  test('is asked to go on in plain text first, however its bytes arrive', () => {
    const all = Buffer.concat([GSS_REQUEST, SSL_REQUEST, STARTUP]);
    let before = Buffer.alloc(0);
    for (let n = 0; n <= all.length; n++) {
      const { answer, done } =
        client.unavailable?.({ kind: 'login', message: 'x' }, all.subarray(0, n)) ?? assert.fail();
      assert.equal(done, n === all.length);
      // What was said stays said.
      assert.ok(Buffer.from(answer).subarray(0, before.length).equals(before));
      before = Buffer.from(answer);
    }
    assert.equal(before.subarray(0, 2).toString(), 'NN');
  });

  test('that only asked to cancel, or speaks no PostgreSQL, is told nothing', () => {
    const cancel = packet(80877102, '\0\0\0\x01\0\0\0\x02');
    for (const bytes of [cancel, Buffer.from('GET / HTTP/1.1\r\n')])
      assert.deepEqual(client.unavailable?.({ kind: 'login', message: 'x' }, bytes), {
        answer: Buffer.alloc(0),
        done: true,
      });
  });
});

function packet(code: number, rest = ''): Buffer {
  const body = Buffer.from(rest, 'latin1');
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + body.length, 0);
  head.writeUInt32BE(code, 4);
  return Buffer.concat([head, body]);
}

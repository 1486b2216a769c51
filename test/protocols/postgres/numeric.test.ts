/** Binary numbers become the digits PostgreSQL shows for them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { int16 } from '../../../src/protocols/postgres/messages.ts';
import { decodeNumeric } from '../../../src/protocols/postgres/numeric.ts';

// As `numeric_send` gives them: count of digits, weight, sign, scale, digits in base 10,000.
const CASES: readonly [string | undefined, readonly number[]][] = [
  ['0', [0, 0, 0, 0]],
  ['4111111111111111', [4, 3, 0, 0, 4111, 1111, 1111, 1111]],
  ['-12345.678', [3, 1, 0x4000, 3, 1, 2345, 6780]],
  ['0.0001', [1, -1, 0, 4, 1]],
  ['0.00000005', [1, -2, 0, 8, 5]],
  ['10000', [1, 1, 0, 0, 1]],
  ['1.50', [2, 0, 0, 2, 1, 5000]],
  [undefined, [0, 0, 0xc000, 0]],
  [undefined, [2, 0, 0, 0, 1]],
];

for (const [expected, words] of CASES) {
  test(`${expected ?? 'what is no number'} is read`, () => {
    assert.equal(decodeNumeric(Buffer.concat(words.map((word) => int16((word << 16) >> 16)))), expected);
  });
}

test('too few bytes are no number', () => {
  assert.equal(decodeNumeric(Buffer.alloc(3)), undefined);
});

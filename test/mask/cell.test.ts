/** A masked column's cell as a whole: what each way of masking shows, and what it does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MaskWith } from '../../src/domain/mask.ts';
import { type CellKind, maskCell } from '../../src/mask/index.ts';

const fingerprint = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex').padEnd(64, '0');
const masked = (how: MaskWith, cell: string | null, kind: CellKind = 'text') =>
  maskCell(how, cell === null ? null : Buffer.from(cell), kind, fingerprint)?.toString() ?? null;

test('redact, null and fixed do not even show whether there was a value', () => {
  for (const how of ['redact', 'null', { fixed: 'x' }] as const) assert.equal(masked(how, null), masked(how, 'value'));
});

test('last4 shows four characters of a value that is long enough, and NULL', () => {
  assert.equal(masked('last4', '4111111111111234'), '***1234');
  assert.equal(masked('last4', 'ßßßßwäöü'), '***wäöü');
  assert.equal(masked('last4', '1234'), '***');
  assert.equal(masked('last4', '1234567'), '***');
  assert.equal(masked('last4', null), null);
});

test('hash is equal for equal values only, and shows NULL', () => {
  assert.equal(masked('hash', 'a'), masked('hash', 'a'));
  assert.notEqual(masked('hash', 'a'), masked('hash', 'b'));
  assert.equal(masked('hash', 'a')?.length, 32);
  assert.equal(masked('hash', null), null);
});

test('a type that cannot hold text gets NULL, whatever the way', () => {
  for (const how of ['redact', 'null', 'last4', 'hash', { fixed: '0' }] as const)
    assert.equal(masked(how, '42', 'other'), null);
});

test('JSON stays JSON', () => {
  assert.equal(masked('redact', '{"a":1}', 'json'), '"***"');
  assert.equal(masked({ fixed: '"' }, '{"a":1}', 'json'), '"\\""');
});

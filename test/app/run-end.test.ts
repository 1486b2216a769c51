import assert from 'node:assert/strict';
import { test } from 'node:test';
import { overFrom } from '../../src/app/run-end.ts';
import { HoopError } from '../../src/base/error.ts';

for (const said of [
  'access was revoked: lost laptop (HOOP_REVOKED)',
  'HOOP_REVOKED: access was revoked: lost laptop',
  'HOOP_REVOKED: lost laptop',
])
  test(`"${said}" is over because of a lost laptop`, () =>
    assert.deepEqual(overFrom(new HoopError('X', said, { exit: 7 })), { kind: 'revoked', reason: 'lost laptop' }));

test('a revocation without a reason has none', () =>
  assert.deepEqual(overFrom(new HoopError('X', 'access was revoked (HOOP_REVOKED)', { exit: 7 })), {
    kind: 'revoked',
  }));

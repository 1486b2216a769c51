import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { TEST_SEED } from '../property/drawn.ts';
import { campaign } from './campaign.ts';

const TIMES = 12;

test('a gateway killed at any moment leaves no statement in the target without its record', {
  timeout: 600_000,
}, async (t) => {
  const seed = TEST_SEED === 'random' ? randomInt(2 ** 32) : Number(TEST_SEED);
  t.diagnostic(`again with: npm run test:kill -- --times ${TIMES} --seed ${seed}`);
  const { problems, refused, ...report } = await campaign({ times: TIMES, seed });
  t.diagnostic(JSON.stringify(report));
  assert.deepEqual(problems, []);
  assert.deepEqual(refused, []);
  assert.ok(report.marks > 0 && report.sessions > 0);
});

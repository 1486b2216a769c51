import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { campaign } from './campaign.ts';

const TIMES = 20;

test('a gateway killed at any moment leaves no statement in the target without its record', {
  timeout: 600_000,
}, async (t) => {
  const seed = randomInt(2 ** 32);
  t.diagnostic(`again with: npm run test:kill -- --times ${TIMES} --seed ${seed}`);
  const { problems, refused, ...report } = await campaign({ times: TIMES, seed });
  t.diagnostic(JSON.stringify(report));
  assert.deepEqual(problems, []);
  assert.deepEqual(refused, []);
  assert.ok(report.marks > 0 && report.sessions > 0);
});

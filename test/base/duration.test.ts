/** Durations are read strictly and told shortly. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration, parseDuration } from '../../src/base/duration.ts';

test('digits with units are durations', () => {
  assert.equal(parseDuration('90s'), 90_000);
  assert.equal(parseDuration('1h30m'), 5_400_000);
  assert.equal(parseDuration('250ms'), 250);
  assert.equal(parseDuration('7d'), 604_800_000);
});

test('anything else is none', () => {
  for (const text of ['', '5', '0s', '-5s', '1.5h', '5 s', '5sec', 's', '9999999999999d'])
    assert.equal(parseDuration(text), undefined, text);
});

test('two units at most are told', () => {
  assert.deepEqual([0, 400, 12_000, 65_000, 5_400_000, 90_061_000].map(formatDuration), [
    '0.0s',
    '0.4s',
    '12s',
    '1m 5s',
    '1h 30m',
    '1d 1h',
  ]);
});

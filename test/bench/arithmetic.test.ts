/** What the bench makes of its numbers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cpuOf, isNoisy, median, percentile, type Round, ratio, rotated, type Sample, spread } from './arithmetic.ts';

const sample = (value: number, more: Partial<Sample> = {}): Sample => ({
  ...{ value, cpu: {}, more: {}, others: 0 },
  ...more,
});

describe('figures', () => {
  test('the median is the middle one, and between two their mean', () => {
    assert.deepEqual([median([9, 1, 5]), median([4, 1, 3, 2]), median([7])], [5, 2.5, 7]);
    assert.ok(Number.isNaN(median([])));
  });

  test('sorting them leaves what was given as it was', () => {
    const given = [3, 1, 2];
    median(given);
    assert.deepEqual(given, [3, 1, 2]);
  });

  test('a spread tells the least and the most', () => {
    assert.deepEqual(spread([4, 8, 5]), { median: 5, min: 4, max: 8 });
  });

  test('a percentile is one of the values', () => {
    const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
    assert.deepEqual([percentile(hundred, 0.5), percentile(hundred, 0.99), percentile([3], 0.99)], [50, 99, 3]);
  });
});

describe('a ratio', () => {
  // The machine became half as fast; the ratio of the medians would be 90 / 100.
  const rounds: Round[] = [
    { a: sample(100), b: sample(200) },
    { a: sample(90), b: sample(100) },
    { a: sample(45), b: sample(90) },
  ];

  test('is taken within each round', () => {
    assert.deepEqual(ratio(rounds, 'a', 'b'), { median: 0.5, min: 0.5, max: 0.9 });
  });

  test('of a peer against itself is one', () => {
    assert.deepEqual(ratio(rounds, 'a', 'a'), { median: 1, min: 1, max: 1 });
  });

  test('is none against a peer that was not measured', () => {
    assert.equal(ratio(rounds, 'a', 'c'), undefined);
  });

  test('can be of the CPU spent', () => {
    const round = {
      a: sample(1, { cpu: { hoopctl: 30, gateway: 60 } }),
      b: sample(1, { cpu: { client: 20, server: 10 } }),
    };
    assert.deepEqual(ratio([round], 'a', 'b', cpuOf), { median: 3, min: 3, max: 3 });
  });

  test('against nothing at all is none', () => {
    assert.equal(ratio([{ a: sample(1), b: sample(0) }], 'a', 'b'), undefined);
  });
});

describe('a round', () => {
  test('is noisy when others were busy during one of its measurements', () => {
    assert.equal(isNoisy({ a: sample(1, { others: 0.05 }), b: sample(1) }), false);
    assert.equal(isNoisy({ a: sample(1, { others: 0.05 }), b: sample(1, { others: 0.3 }) }), true);
  });

  test('begins with another peer each time, in the same order around', () => {
    const orders = [0, 1, 2, 3].map((i) => rotated(['a', 'b', 'c'], i).join(''));
    assert.deepEqual(orders, ['abc', 'bca', 'cab', 'abc']);
    assert.deepEqual(rotated([], 2), []);
  });
});

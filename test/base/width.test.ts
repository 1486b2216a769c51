/** How much room text takes, and what is left of it when there is less. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutToWidth, displayWidth, startOf, wrapToWidth } from '../../src/base/width.ts';

test('wide characters take two columns, marks none', () => {
  assert.deepEqual(['abc', '名前', 'e\u0301', '🙂'].map(displayWidth), [3, 4, 1, 2]);
});

test('what is cut says so, and is never cut through a character', () => {
  assert.equal(cutToWidth('abcdef', 4), 'abc…');
  assert.equal(cutToWidth('名前名前', 4), '名…');
  assert.equal(cutToWidth('🙂🙂🙂', 4), '🙂…');
  assert.equal(startOf('🙂🙂', 3), '🙂');
  assert.equal(cutToWidth('abcd', 4), 'abcd');
});

test('wrapping breaks at spaces where there are some, within words where there are none, and loses no letter', () => {
  assert.deepEqual(wrapToWidth('the quick brown fox', 10), ['the quick', 'brown fox']);
  assert.deepEqual(wrapToWidth('abcdefghij', 4), ['abcd', 'efgh', 'ij']);
  assert.deepEqual(wrapToWidth('名前名前', 3), ['名', '前', '名', '前']);
  assert.deepEqual(wrapToWidth('', 3), ['']);
});

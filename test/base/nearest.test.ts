/** A slip of the hand finds the word that was meant; another word finds none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest } from '../../src/base/nearest.ts';

test('one edit, two edits in a longer word, and swapped letters are slips', () => {
  assert.equal(nearest('logn', ['login', 'logout', 'run']), 'login');
  assert.equal(nearest('order-db', ['orders-db', 'users-db']), 'orders-db');
  assert.equal(nearest('aprove', ['approve', 'approvals']), 'approve');
  assert.equal(nearest('rnu', ['run', 'url']), 'run');
});

test('a word that resembles none finds none', () => {
  assert.equal(nearest('frobnicate', ['login', 'run']), undefined);
  assert.equal(nearest('x', ['run']), undefined);
  assert.equal(nearest('run', []), undefined);
});

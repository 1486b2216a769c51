/** Who sits at a run's terminal: the one process that has the bits, and nobody who guesses them. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { createLauncher } from '../../src/gateway/launcher.ts';

const bits = randomBytes(32);
const nonce = bits.toString('base64url');
const key = createHash('sha256').update(bits).digest('base64url');
const other = randomBytes(32).toString('base64url');

describe('the launcher', () => {
  test('is known by the bits whose hash the run began with, as often as it shows them', () => {
    const launcher = createLauncher(key, 5);
    assert.deepEqual([launcher.check(nonce), launcher.check(nonce), launcher.state], ['right', 'right', 'present']);
  });

  test('is not known by the hash itself, by other bits, by more or fewer of them', () => {
    const launcher = createLauncher(key, 10);
    for (const wrong of [key, other, '', nonce.slice(0, -4), `${nonce}AAAA`])
      assert.equal(launcher.check(wrong), 'wrong', wrong);
  });

  test('decides nothing any more after too many wrong ones, with the right bits either', () => {
    const launcher = createLauncher(key, 2);
    assert.deepEqual([launcher.check(other), launcher.state], ['wrong', 'present']);
    assert.deepEqual([launcher.check(other), launcher.state], ['wrong', 'locked']);
    assert.deepEqual([launcher.check(nonce), launcher.check(other)], ['locked', 'locked']);
  });

  test('is absent where the run began without one', () => {
    const launcher = createLauncher(undefined, 5);
    assert.deepEqual([launcher.state, launcher.check(nonce), launcher.check('')], ['absent', 'absent', 'absent']);
  });

  test('a key that is no hash is met by nothing', () => {
    assert.equal(createLauncher('AAAA', 5).check('AAAA'), 'wrong');
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readKeys } from '../../../src/cli/live/keys.ts';

describe('what a terminal in raw mode sends', () => {
  const cases: readonly [string, string, ReturnType<typeof readKeys>][] = [
    ['a letter', 'a', { keys: [{ kind: 'char', char: 'a' }], signals: [] }],
    ['a letter of two bytes', 'é', { keys: [{ kind: 'char', char: 'é' }], signals: [] }],
    ['Enter', '\r', { keys: [{ kind: 'enter' }], signals: [] }],
    ['an arrow', '\x1b[A', { keys: [{ kind: 'up' }], signals: [] }],
    ['Escape', '\x1b', { keys: [{ kind: 'escape' }], signals: [] }],
    ['a key nobody knows', '\x1b[24~', { keys: [{ kind: 'other' }], signals: [] }],
    ['an arrow that is held down', '\x1b[B\x1b[B', { keys: [{ kind: 'down' }, { kind: 'down' }], signals: [] }],
    ['an arrow and something else', '\x1b[Ba', { keys: [{ kind: 'other' }], signals: [] }],
    ['letters that came together', 'aa', { keys: [{ kind: 'text', text: 'aa' }], signals: [] }],
    [
      'a pasted line',
      'no\tway\nnot\r',
      { keys: [{ kind: 'text', text: 'no way not' }, { kind: 'enter' }], signals: [] },
    ],
    ['Ctrl-C', '\x03', { keys: [], signals: ['SIGINT'] }],
    ['Ctrl-Z among letters', 'a\x1aa', { keys: [{ kind: 'text', text: 'aa' }], signals: ['SIGTSTP'] }],
  ];
  for (const [name, chunk, expected] of cases) test(name, () => assert.deepEqual(readKeys(chunk), expected));
});

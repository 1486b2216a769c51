import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { tame } from '../../../src/cli/live/tame.ts';

describe("an agent's lines while something is asked", () => {
  test('keep their colours, and end in none', () => {
    assert.equal(tame(Buffer.from('\x1b[31mred\nplain\n')), '\x1b[31mred\x1b[0m\nplain\n');
  });

  for (const [name, sequence] of [
    ['move the cursor', '\x1b[5A'],
    ['erase', '\x1b[2J'],
    ['set a scroll region', '\x1b[1;5r'],
    ['enter the alternate screen', '\x1b[?1049h'],
    ['set the clipboard', '\x1b]52;c;aGk=\x07'],
    ['set the title', '\x1b]0;x\x1b\\'],
    ['change the character set', '\x0e\x1b(0'],
    ['go back on the line', 'a\rb'],
    ['use C1', '\u009b2J'],
    ['reorder', '\u202e'],
    ['ask the terminal who it is', '\x1b[c\x1bP$qm\x1b\\'],
  ] as const)
    test(`cannot ${name}`, () => {
      const shown = tame(Buffer.from(`x${sequence}y\n`)).replaceAll('\x1b[0m', '');
      assert.match(shown, /^[ -~]+\n$/);
    });

  test('of a program that ends them with CR LF are as they were', () => {
    assert.equal(tame(Buffer.from('one\r\ntwo\r\n')), 'one\ntwo\n');
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { calm, PLAIN_TERMINAL, tame } from '../../../src/cli/live/tame.ts';

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

describe("an agent's lines while nothing is asked", () => {
  const calmed = (text: string) => Buffer.from(calm(Buffer.from(text))).toString();

  for (const [what, text] of [
    ['colours, over several lines', '\x1b[31mred\nstill red\x1b[0m\n'],
    ['progress on one line', '10%\r\x1b[K20%\b\b\x1b[3D\x1b[1G30%\n'],
    ['every script, and what joins emoji', 'šš 日本 ⚠\ufe0f 👩\u200d💻\n'],
    ['tabs and a bell', 'a\tb\x07\n'],
  ] as const)
    test(`are as they were: ${what}`, () => assert.equal(calmed(text), text));

  for (const [name, sequence] of [
    ['begin a string that swallows what comes after it', '\x1bP'],
    ['begin another one', '\x1b]0;'],
    ['begin one in C1', '\u0090'],
    ['move to another line', '\x1b[5A'],
    ['erase the screen', '\x1b[2J'],
    ['set a scroll region', '\x1b[1;5r'],
    ['enter the alternate screen', '\x1b[?1049h'],
    ['hold the screen back', '\x1b[?2026h'],
    ['make its text the colour of the ground', '\x1b]10;#ffffff\x07'],
    ['set the clipboard', '\x1b]52;c;aGk=\x07'],
    ['change the character set', '\x0e\x1b(0'],
    ['make the terminal type', '\x1b[6n\x1b[c\x05'],
    ['reset the terminal', '\x1bc'],
  ] as const)
    test(`cannot ${name}`, () => assert.match(calmed(`x${sequence}y\n`), /^x[ -~\x07]+y\n$/));
});

test('a string that was left open, and a screen that is held back, end before anything is asked', () => {
  assert.ok(PLAIN_TERMINAL.startsWith('\x1b\\\x1b[?2026l'));
});

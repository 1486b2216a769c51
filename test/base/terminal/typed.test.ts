/** What was typed, as a shell's own editing leaves it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createTypedLines } from '../../../src/base/terminal/typed.ts';

function typed(...chunks: (string | Buffer)[]): [text: string, sure: boolean][] {
  const lines = createTypedLines();
  return chunks.flatMap((chunk) => lines.push(Buffer.from(chunk))).map(({ text, sure }) => [text, sure]);
}

describe('keys that edit', () => {
  for (const [what, keys, line] of [
    ['letters', 'ls -l\r', 'ls -l'],
    ['backspace, both of them', 'lx\x7fs\bs é\x7f!\n', 'ls !'],
    ['more backspaces than there is', 'a\x7f\x7f\x7fb\r', 'b'],
    ['the line so far taken back', 'wrong\x15right\r', 'right'],
    ['a word taken back', 'rm -rf /tmp/x\x17/tmp/y\r', 'rm -rf /tmp/y'],
    ['a part of a word taken back', 'rm /tmp/x\x1b\x7fy\r', 'rm /tmp/y'],
    ['left and right', 'rm x\x1b[D\x1b[D\x1b[D-\x1b[C!\r', 'r-m! x'],
    ['left as keypads send it', 'ab\x1bODc\r', 'acb'],
    ['begin and end', 'b\x01a\x05c\x1b[Hx\x1b[Fy\x1b[1~1\x1b[4~2\r', '1xabcy2'],
    ['word by word', 'one two\x1bbX\x1b[1;5DY\x1bfZ\r', 'one YXtwoZ'],
    ['delete', 'abc\x01\x04\x1b[3~\r', 'c'],
    ['kill and yank', 'rm -rf\x01\x0becho \x19 x\r', 'echo rm -rf x'],
    ['abandoned', 'rm -rf /\x03ls\r', 'ls'],
    ['a control taken literally', 'a\x16\x03b\r', 'a\x03b'],
    ['pasted text with an end of line in it', '\x1b[200~one\rtwo\x1b[201~ three\r', 'one\ntwo three'],
    ['pasted controls', '\x1b[200~a\x15b\x1b[Dc\x1b[201~\r', 'a\x15bc'],
    ['the focus that comes and goes', 'a\x1b[I\x1b[Ob\r', 'ab'],
    ['nothing', '\r', ''],
  ] as const)
    test(what, () => assert.deepEqual(typed(keys), [[line, true]]));
});

describe('a line of which only the shell knows what it is', () => {
  for (const [what, keys] of [
    ['history', '\x1b[A\r'],
    ['completion', 'rm -rf /t\t\r'],
    ['search', '\x12rm\r'],
    ['the last argument', 'rm \x1b.\r'],
    ['too long', `${'x'.repeat(5_000)}\r`],
  ] as const)
    test(what, () =>
      assert.deepEqual(
        typed(`${keys}ls\r`).map(([, sure]) => sure),
        [false, true],
      ),
    );
});

test('wherever the bytes are cut', () => {
  const bytes = Buffer.from('é日x\x1b[1;5Dy\x1b[200~a\rb\x1b[201~\x1b[3~\r');
  const whole = typed(bytes);
  assert.equal(whole.length, 1);
  for (let at = 0; at <= bytes.length; at++)
    assert.deepEqual(typed(bytes.subarray(0, at), bytes.subarray(at)), whole, `cut at ${at}`);
});

test('a sequence without an end is forgotten', () => {
  assert.deepEqual(typed(`\x1b[${'1;'.repeat(40)}`, 'ls\r'), [['ls', true]]);
});

test('an escape key, and a sequence that breaks off, take nothing with them', () => {
  assert.deepEqual(typed('\x1b\x1b[Da\x1b[1\rb\x1b[<0;1;1M\r'), [
    ['a', false],
    ['b', false],
  ]);
});

test('lines that come at once', () =>
  assert.deepEqual(typed('a\rb\nc'), [
    ['a', true],
    ['b', true],
  ]));

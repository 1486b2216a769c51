/** What was recorded of one terminal draws on another and does nothing else to it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createSafeTerminal } from '../../../src/base/terminal/safe.ts';

function shown(...chunks: (string | Buffer)[]): string {
  const screen = createSafeTerminal();
  return chunks.map((chunk) => screen.push(Buffer.from(chunk))).join('');
}

function afterwards(text: string): string {
  const screen = createSafeTerminal();
  screen.push(Buffer.from(text));
  return screen.end();
}

describe('what draws passes', () => {
  for (const [what, text] of [
    ['text and its colours', 'a \x1b[1;31mred\x1b[0m \x1b[38;2;1;2;3mx\x1b[38:5:2my 日本 é 👩‍💻 ❤️\r\n'],
    ['the cursor', '\x1b[H\x1b[2;3H\x1b[A\x1b[12B\x1b[3C\x1b[D\x1b[5G\x1b[7d\x1b[s\x1b[u\x1b7\x1b8\b\t'],
    [
      'erasing and moving lines',
      '\x1b[J\x1b[2J\x1b[K\x1b[1K\x1b[3P\x1b[2@\x1b[4L\x1b[2M\x1b[5X\x1b[3S\x1b[2T\x1bM\x1bE',
    ],
    [
      'the second screen, the region, wrapping',
      '\x1b[?1049h\x1b[2;20r\x1b[?7l\x1b[?25l\x1b[4h\x1b[4l\x1b[?25h\x1b[?1049l',
    ],
    ['a private sign of a font', '\ue0b0 main'],
  ] as const)
    test(what, () => assert.equal(shown(text), text));

  test('line drawing, as what it draws', () => assert.equal(shown('\x1b(0lqk\x1b(Bq \x1b)0\x0ex\x0f.'), '┌─┐q │.'));

  test('a line feed alone, as moving down: no terminal adds a return to it', () =>
    assert.equal(shown('a\nb\r\nc'), 'a\x1bDb\r\nc'));

  test('a reset, as an empty screen', () => assert.equal(shown('\x1b[31mx\x1bc'), '\x1b[31mx\x1b[0m\x1b[2J\x1b[H'));
});

describe('what acts does not pass', () => {
  for (const [what, text] of [
    ['a title', '\x1b]0;title\x07'],
    ['a title ended by ST', '\x1b]2;title\x1b\\'],
    ['the clipboard', '\x1b]52;c;ZWNobyBoaQ==\x07'],
    ['a link', '\x1b]8;;http://x.example/\x1b\\\x1b]8;;\x1b\\'],
    ['a font', '\x1b]50;#1\x07'],
    ['a DCS question', '\x1bP$q"p\x1b\\'],
    ['a picture', '\x1bPq#0;2;0;0;0\x1b\\'],
    ['APC, PM and SOS', '\x1b_Gx\x1b\\\x1b^x\x1b\\\x1bXx\x1b\\'],
    ['where is the cursor', '\x1b[6n\x1b[?6n\x1b[5n'],
    ['who are you', '\x1b[c\x1b[0c\x1b[>c\x1b[=c\x1bZ\x05'],
    ['window operations', '\x1b[21t\x1b[20t\x1b[8;1;1t\x1b[18t'],
    ['a mode that is asked for', '\x1b[?2004$p\x1b[1$p'],
    ['keyboard and mouse', '\x1b[?1000h\x1b[?1006h\x1b[?2004h\x1b[?1h\x1b[>4;1m\x1b[>1u\x1b[?1004h\x1b=\x1b>'],
    ['132 columns', '\x1b[?3h\x1b[?40h'],
    ['erasing what the reader scrolled past', '\x1b[3J\x1b[03J'],
    ['tabs taken away', '\x1b[3g'],
    ['the bell and other controls', '\x07\x00\x01\x7f\x11\x13'],
    ['C1 as characters', '\u009b\u009d\u0090\u0085'],
    ['printing', '\x1b[5i\x1b[4i'],
    ['other charsets and alignment', '\x1b%G\x1b#8\x1b n'],
    ['very long sequences', `\x1b[${'1;'.repeat(200)}m`],
    ['moves by numbers nobody has', '\x1b[99999999C'],
    ['a character again and again', '\x1b[9999b'],
    ['numbers with something else in them', '\x1b[1?2H\x1b[<1H'],
  ] as const)
    test(what, () => assert.equal(shown(`[${text}]`), '[]'));

  test('wherever it is cut', () => {
    const text = Buffer.from('a\x1b]52;c;eA==\x07b\x1b[31mc\x1b[6nd\x1bP$q"p\x1b\\e\u202ef日');
    const whole = shown(text);
    assert.equal(whole, 'ab\x1b[31mcde\\u{202E}f日');
    for (let at = 0; at <= text.length; at++) assert.equal(shown(text.subarray(0, at), text.subarray(at)), whole);
  });

  test('one mode of several that may', () => assert.equal(shown('\x1b[?25;1000;7l'), '\x1b[?25l\x1b[?7l'));

  test('a sequence that begins in another, and one that is cancelled', () => {
    assert.equal(shown('\x1b[3\x1b[31mx'), '\x1b[31mx');
    assert.equal(shown('\x1b]0;abc\x1b[31mx'), '\x1b[31mx');
    assert.equal(shown('\x1b]0;abc\x18x\x1b[3\x1ay'), 'xy');
  });

  test('a title without an end hides 64 KiB and no more', () => {
    const text = shown(`\x1b]0;${'x'.repeat(64 * 1024 - 2)}`, 'xAFTER', ` ${'y'.repeat(10)}`);
    assert.equal(text, `AFTER ${'y'.repeat(10)}`);
  });
});

describe('what misleads is shown as it is', () => {
  for (const [what, text, as] of [
    ['direction', 'a\u202eb\u2066c\u200f', 'a\\u{202E}b\\u{2066}c\\u{200F}'],
    ['what is not drawn', 'a\u200bb\u00adc\u200dd\ufe0f\u3164', 'a\\u{200B}b\\u{AD}c\\u{200D}d\\u{FE0F}\\u{3164}'],
    ['separators of lines', 'a\u2028b', 'a\\u{2028}b'],
    ['tags', 'a\u{e0041}', 'a\\u{E0041}'],
  ] as const)
    test(what, () => assert.equal(shown(text), as));

  test('bytes that are no text', () =>
    assert.equal(shown(Buffer.from([0x61, 0xff, 0x9b, 0x33, 0x31, 0x6d])), 'a\ufffd\ufffd31m'));
});

test('afterwards the terminal is as it was', () => {
  assert.equal(afterwards('plain'), '');
  assert.equal(afterwards('\x1b[31m\x1b[?1049h\x1b[?25l\x1b[2;5r'), '\x1b[0m\x1b7\x1b[r\x1b8\x1b[?1049l\x1b[?25h');
  assert.equal(afterwards('\x1b[?1049h\x1b[?25l\x1b[?25h\x1b[?1049l'), '');
});

test('of random bytes nothing comes but what is on the list', () => {
  const pieces = fc.constantFrom(
    '\x1b',
    '[',
    ']',
    'P',
    '?',
    '>',
    '1049',
    '25',
    ';',
    'h',
    'n',
    'c',
    'm',
    '3',
    '\x07',
    '\\',
    '\x9c',
    '\u009b',
    'a',
    '\n',
  );
  const text = fc.oneof(
    fc.array(pieces, { maxLength: 40 }).map((parts) => Buffer.from(parts.join(''))),
    fc.uint8Array({ maxLength: 60 }),
  );
  fc.assert(
    fc.property(text, (bytes) => {
      const rest = shown(Buffer.from(bytes))
        .replace(/\x1b\[[0-9;:]*[A-HJ-MPSTXZ@`abdefmrsu]/g, '')
        .replace(/\x1b\[(?:\?(?:6|7|25|47|1047|1048|1049)|4)[hl]/g, '')
        .replace(/\x1b(?:[78DEM]|\[!p)/g, '');
      assert.doesNotMatch(rest, /[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]/);
    }),
    { seed: 20_261_122, numRuns: 2_000 },
  );
});

/** Text from outside can neither steer a terminal nor hide from the eye. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { escapeForDisplay, escapeLinesForDisplay, jsonForDisplay } from '../../src/base/shown.ts';

describe('text on one line', () => {
  const cases: [string, string, string][] = [
    ['plain text and letters of any script stay', "SELECT 'Zoë', '名前' FROM t", "SELECT 'Zoë', '名前' FROM t"],
    ['an ANSI sequence loses its escape', 'a\x1b[2Jb', 'a\\x1b[2Jb'],
    ['OSC 52 cannot reach the clipboard', '\x1b]52;c;aGk=\x07', '\\x1b]52;c;aGk=\\x07'],
    ['the 8-bit CSI is a control too', '\x9b2J', '\\u{9B}2J'],
    ['line breaks, tabs and returns are one line', 'a\nb\tc\rd', 'a\\nb\\tc\\rd'],
    ['bidi overrides and isolates show', 'x\u202e;--\u2066y', 'x\\u{202E};--\\u{2066}y'],
    ['zero-width characters show', 'us\u200bers\ufeff', 'us\\u{200B}ers\\u{FEFF}'],
    ['a soft hyphen and a variation selector show', 'a\u00adb\ufe0f', 'a\\u{AD}b\\u{FE0F}'],
    ['a no-break space is not a space', 'select\u00a01', 'select\\u{A0}1'],
    ['line and paragraph separators show', 'a\u2028b\u2029', 'a\\u{2028}b\\u{2029}'],
    ['tag characters show', 'a\u{e0041}', 'a\\u{E0041}'],
    ['a lone surrogate shows', 'a\ud800', 'a\\u{D800}'],
    ['NUL and DEL show', '\x00\x7f', '\\x00\\x7f'],
  ];
  for (const [name, given, shown] of cases) test(name, () => assert.equal(escapeForDisplay(given), shown));
});

test('text in lines keeps its own line breaks and nothing else', () => {
  assert.deepEqual(escapeLinesForDisplay('SELECT 1;\n\tDROP\x1b[1A\r\nx'), ['SELECT 1;', '    DROP\\x1b[1A\\r', 'x']);
});

test('JSON for display means the same and is inert', () => {
  const value = { 'k\u202e': ['\x9b2J', '\u200b', 'ok\n', '\u{e0041}'] };
  const json = jsonForDisplay(value);
  assert.deepEqual(JSON.parse(json), value);
  assert.match(json, /^[ -~]*$/);
});

/** What an approver could not judge by looking is found; what is merely foreign is not. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { unshowable } from '../../src/base/shown.ts';

describe('can not be shown', () => {
  const bidi = [0x061c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069];
  for (const code of bidi) {
    const name = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
    test(`bidi control ${name}`, () =>
      assert.equal(unshowable(`SELECT 1 /*${char(code)}*/`), `a bidi control ${name}`));
  }
  for (let code = 0; code < 0x20; code++) {
    if (code === 0x09 || code === 0x0a) continue;
    test(`C0 ${code}`, () => assert.match(unshowable(`a${char(code)}b`) ?? '', code === 0 ? /^a NUL/ : /^a control/));
  }
});

describe('can be shown', () => {
  for (const text of ['', 'SELECT\t1\n', 'naïve 日本語 emoji 🎉', "SELECT 'שלום'", '\u200b\x7f\x9b']) {
    test(JSON.stringify(text), () => assert.equal(unshowable(text), undefined));
  }
});

function char(code: number): string {
  return String.fromCodePoint(code);
}

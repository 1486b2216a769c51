/** Whatever mixture of spellings a target gives the credential back in, and however it is cut, it is found, and not let through. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prepareLeaks } from '../../src/protocols/http/leak.ts';
import { withhold } from '../../src/protocols/http/withheld.ts';
import fc from './drawn.ts';

const hex = (code: number, digits: number) => code.toString(16).padStart(digits, '0');

/** Ways to write one character that stand beside each other in one text. */
const WAYS: readonly ((character: string) => string)[] = [
  (one) => one,
  (one) => one,
  (one) => `%${hex(one.charCodeAt(0), 2)}`,
  (one) => `%${hex(one.charCodeAt(0), 2).toUpperCase()}`,
  (one) => `%25${hex(one.charCodeAt(0), 2)}`,
  (one) => `\\u${hex(one.charCodeAt(0), 4)}`,
  (one) => `\\\\\\u${hex(one.charCodeAt(0), 4).toUpperCase()}`,
  (one) => `\\x${hex(one.charCodeAt(0), 2)}`,
  (one) => `&#${one.charCodeAt(0)};`,
  (one) => `&#x0${hex(one.charCodeAt(0), 2)};`,
];

const secret = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 8,
  maxLength: 80,
});
const cuts = fc.array(fc.nat(2_000), { maxLength: 6 });
const around = fc.string({ maxLength: 30 });

/** @returns how many bytes went on before the credential was seen; undefined: it was not */
function passedBefore(secrets: readonly string[], stream: Buffer, at: readonly number[]): number | undefined {
  const withheld = withhold(prepareLeaks(secrets).search());
  let passed = 0;
  let from = 0;
  for (const to of [...at.filter((cut) => cut < stream.length).sort((a, b) => a - b), stream.length]) {
    const part = withheld.push(stream.subarray(from, to));
    if (part === 'leak') return passed;
    passed += part.length;
    from = to;
  }
  return undefined;
}

test('a credential in any mixture of spellings is found, wherever it is cut', () => {
  const ways = fc.array(fc.nat(WAYS.length - 1), { minLength: 80, maxLength: 80 });
  fc.assert(
    fc.property(secret, ways, around, around, cuts, (word, chosen, before, behind, at) => {
      const told = [...word].map((one, index) => WAYS[chosen[index]!]!(one)).join('');
      const start = Buffer.byteLength(before) + Buffer.byteLength(told) - Buffer.byteLength(tailOf(word, told, chosen));
      const passed = passedBefore([word], Buffer.from(before + told + behind), at);
      assert.ok(passed !== undefined && passed <= start, `${passed} of ${start}`);
    }),
    { numRuns: 300 },
  );
});

/** A long one is known by its last 64 characters. */
function tailOf(word: string, told: string, chosen: readonly number[]): string {
  const skipped = Math.max(0, word.length - 64);
  return told.slice(
    [...word].slice(0, skipped).reduce((sum, one, index) => sum + WAYS[chosen[index]!]!(one).length, 0),
  );
}

test('a credential in base64 is found, whatever stands before and behind it inside', () => {
  const bytes = fc.uint8Array({ maxLength: 20 });
  fc.assert(
    fc.property(
      secret,
      bytes,
      bytes,
      fc.constantFrom('base64', 'base64url', 'hex'),
      cuts,
      (word, head, tail, how, at) => {
        const inside = Buffer.concat([head, Buffer.from(word), tail]).toString(how as BufferEncoding);
        assert.notEqual(passedBefore([word], Buffer.from(`{"echo":"${inside}"}`), at), undefined);
      },
    ),
    { numRuns: 300 },
  );
});

test('bytes that hold no credential go on as they came', () => {
  fc.assert(
    fc.property(secret, fc.uint8Array({ maxLength: 2_000 }), cuts, (word, bytes, at) => {
      fc.pre(!Buffer.from(bytes).includes(word));
      assert.equal(passedBefore([word], Buffer.from(bytes), at), undefined);
    }),
    { numRuns: 200 },
  );
});

/** A stream masked in random pieces is the text masked at once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DETECTORS, type DetectorMask } from '../../src/domain/mask.ts';
import { createCellScanner, createStreamMasker } from '../../src/mask/index.ts';
import fc from './drawn.ts';

const MASKS: readonly DetectorMask[] = DETECTORS.map((detector) => ({
  rule: detector,
  detect: [detector],
  with: { fixed: `<${detector}>` },
  strict: false,
}));
const fingerprint = () => '';
const scanner = createCellScanner(MASKS, fingerprint);

const PIECES = [
  ...['4111111111111111', '4111 1111 1111 1111', '123-45-6789', 'dana@example.test', 'GB29 NWBK 6016 1331 9268 19'],
  ...['DE89370400440532013000', 'AKIAIOSFODNN7EXAMPLE', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln', 'eyJ', '.eyJ'],
  ...['-----BEGIN RSA PRIVATE KEY-----', '-----END RSA PRIVATE KEY-----', '-----BEGIN PRIVATE', ' KEY-----', '-----'],
  ...['\n', '\n', ' ', ' ', ',', '"', '\\', '\\n', '@', '.', '-', '_', '0', '1', '4', '12', '1234', 'a', 'Z', 'é', 'ж'],
  ...['AKIA', 'x@y', '/', '+', '=', '\0', '\x1b[0m', 'key: ', '\r\n'],
];
/** Digits and dashes in disguise. By themselves: one of them has the whole text of a cell looked at in another way. */
const ODD = [
  '４',
  '１',
  '\u200b',
  '–',
  '\\u0034',
  '\\u00',
  '“',
  '\u00a0',
  '4111111111111111',
  '1111',
  '@',
  'x',
  '\n',
  ',',
];

const texts = (pieces: readonly string[], maxLength: number) =>
  fc.array(fc.constantFrom(...pieces), { maxLength, size: 'max' }).map((parts) => Buffer.from(parts.join('')));
const cuts = fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 30 });

function streamed(text: Buffer, lengths: readonly number[], limit?: number): string {
  const stream = createStreamMasker(MASKS, fingerprint, limit === undefined ? {} : { limit });
  const parts: Buffer[] = [];
  for (let at = 0, i = 0; at < text.length; i++) {
    // Never zero for ever.
    const length = (lengths[i % lengths.length] ?? 0) + (i % lengths.length === 0 ? 1 : 0);
    parts.push(Buffer.from(stream.push(text.subarray(at, at + length))));
    at += length;
  }
  return Buffer.concat([...parts, stream.end()]).toString('latin1');
}

const options = { numRuns: 1_500 };

test('as the whole text in one cell', () => {
  fc.assert(
    fc.property(texts(PIECES, 60), cuts, (text, lengths) => {
      const whole = scanner.scan(text, 0, text.length, 'text') ?? text;
      assert.equal(streamed(text, lengths), whole.toString('latin1'));
    }),
    options,
  );
});

test('as the whole text in one chunk, where lines are longer than what is held back', () => {
  fc.assert(
    fc.property(texts([...PIECES, ...ODD, 'abcdefgh'.repeat(12), '.'.repeat(70)], 60), cuts, (text, lengths) => {
      assert.equal(streamed(text, lengths, 128), streamed(text, [text.length + 1], 128));
    }),
    options,
  );
});

test('as the whole text in one chunk, with characters in disguise', () => {
  fc.assert(
    fc.property(texts(ODD, 40), cuts, (text, lengths) => {
      assert.equal(streamed(text, lengths), streamed(text, [text.length + 1]));
    }),
    options,
  );
});

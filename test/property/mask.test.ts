/** What holds for every cell: steps grow with length only, disguises are known from Unicode itself, JSON stays JSON. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from './drawn.ts';
import { DETECTORS } from '../../src/domain/mask.ts';
import type { Codes } from '../../src/mask/codes.ts';
import { createFind, type Found } from '../../src/mask/find.ts';
import { createCellScanner } from '../../src/mask/index.ts';
import { isOdd } from '../../src/mask/odd.ts';

const scanner = createCellScanner([{ rule: 'it', detect: DETECTORS, with: 'redact', strict: false }], () =>
  'h'.repeat(64),
);
const scan = (text: string, kind: 'text' | 'json' = 'text') => {
  const cell = Buffer.from(text);
  return scanner.scan(cell, 0, cell.length, kind);
};

/** How many bytes are looked at until the whole cell is searched. */
function reads(cell: Buffer): number {
  let count = 0;
  const codes: Codes = new Proxy(cell, {
    get(target, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) count++;
      return Reflect.get(target, key);
    },
  });
  const find = createFind(new Set(DETECTORS));
  const found: Found = { start: 0, end: 0, detector: 'email' };
  let from = 0;
  while (from < cell.length && find(codes, from, 0, cell.length, found) === 'found') from = found.end;
  return count;
}

const HOSTILE = [
  '1',
  '1 ',
  '1-',
  '1_1.',
  '4',
  '4111 ',
  '123-45-678',
  '@',
  'a@',
  'a@b',
  'a@b.',
  'a.b@c-',
  'a@b.c.',
  '-',
  '-----BEGIN ',
  '-----BEGIN PRIVATE KEY----',
  '-----BEGIN A PRIVATE KEY-----',
  '-----END ',
  'eyJ',
  'eyJ.',
  'eyJeyJeyJ.',
  'AKIA',
  'AI',
  'DE89',
  'DE89 ',
  'aa11',
  '0f',
  'x',
];

for (const unit of HOSTILE) {
  test(`steps grow no faster than the cell: ${JSON.stringify(unit)} over and over`, () => {
    const of = (length: number) => reads(Buffer.from(unit.repeat(Math.ceil(length / unit.length))));
    const [short, long] = [of(2_000), of(8_000)];
    assert.ok(long <= short * 4.5, `${short} reads became ${long}`);
    assert.ok(long <= 8_000 * 120, `${long} reads for 8000 bytes`);
  });
}

test('steps stay bounded for any mixture of telling pieces', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...HOSTILE), { minLength: 200, maxLength: 400 }), (pieces) => {
      const cell = Buffer.from(pieces.join(''));
      assert.ok(reads(cell) <= cell.length * 120);
    }),
    { numRuns: 50 },
  );
});

test('every character that could be a digit, dash, space or nothing in disguise is told by its first two bytes', () => {
  const disguise = /[\p{Pd}\p{Zs}\p{Nd}\p{Default_Ignorable_Code_Point}\p{Cf}\u2212]/u;
  const LATIN_ONLY = new Set([0xc4, 0xc5, 0xc7, 0xca, 0xcb]);
  let seen = 0;
  for (let point = 0x80; point <= 0x10ffff; point++) {
    if (point >= 0xd800 && point <= 0xdfff) continue;
    const char = String.fromCodePoint(point);
    if (!disguise.test(char) && !/[\x21-\x7e]/.test(char.normalize('NFKC'))) continue;
    const [lead = 0, second = 0] = Buffer.from(char);
    seen++;
    assert.ok(LATIN_ONLY.has(lead) || isOdd(lead, second), `U+${point.toString(16)}`);
  }
  assert.ok(seen > 5_000);
});

test('any JSON with private values in it is still JSON afterwards, and holds none of them', () => {
  const secret = fc.constantFrom(
    '4111111111111111',
    '123-45-6789',
    'dana@example.test',
    '４１１１１１１１１１１１１１１１',
  );
  const text = fc
    .tuple(fc.string({ unit: 'binary' }), secret, fc.constantFrom('', ' ', '\n', '"', '\\', '\t'))
    .map(([a, b, c]) => a.replace(/[\d.@\p{N}\p{L}]+$/u, '') + c + b + c);
  const value = fc.oneof(
    text,
    fc.constant(4111111111111111),
    fc.array(text, { maxLength: 3 }),
    fc.dictionary(fc.string(), text, { maxKeys: 3 }),
  );
  fc.assert(
    fc.property(value, (held) => {
      const masked = scan(JSON.stringify(held), 'json');
      const left = masked === undefined ? JSON.stringify(held) : masked!.toString();
      JSON.parse(left);
      for (const gone of ['4111111111111111', '123-45-6789', 'dana@example.test', '４１１１１１１１１１１１１１１１'])
        assert.ok(!left.includes(gone), left);
    }),
    { numRuns: 300 },
  );
});

test('what is masked once has nothing left to mask', () => {
  const piece = fc.constantFrom(
    '4111111111111111',
    '123-45-6789',
    'a@b.co',
    'DE89370400440532013000',
    ' ',
    'x',
    '–',
    '\\u0034',
    '0',
    '-',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join(' | ');
      const masked = scan(text);
      if (masked) assert.equal(scan(masked.toString()), undefined, `${text} → ${masked}`);
    }),
  );
});

test('random bytes raise nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const cell = Buffer.from(bytes);
      for (const kind of ['text', 'json', 'other'] as const) scanner.scan(cell, 0, cell.length, kind);
    }),
    { numRuns: 500 },
  );
});

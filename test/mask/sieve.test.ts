/** The quick look lets nothing slip that the closer look would find. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from '../property/drawn.ts';
import type { Detector } from '../../src/domain/mask.ts';
import { createFind } from '../../src/mask/find.ts';
import { createSieve } from '../../src/mask/sieve.ts';

const DETECTORS: ReadonlySet<Detector> = new Set<Detector>(['email', 'credit_card', 'us_ssn']);
const holdsNothing = createSieve(DETECTORS);
const find = createFind(DETECTORS);

const isTold = (cell: Buffer, before = 0) => {
  // Somewhere in a chunk, between bytes that would be found.
  const chunk = Buffer.concat([Buffer.alloc(before, '4@'), cell, Buffer.from('@4')]);
  return holdsNothing(chunk, before, before + cell.length);
};
const holds = (cell: Buffer) => find(cell, 0, 0, cell.length, { start: 0, end: 0, detector: 'email' }) !== 'nothing';

describe('the sieve', () => {
  for (const text of [
    'a@b.cd',
    '4111111111111111',
    '4111 1111 1111 1111',
    '219-09-9999',
    'x219.09.9999',
    '\\u0034',
    '４',
  ])
    test(`calls for a closer look at ${text}, wherever it stands`, () => {
      for (let lead = 0; lead < 24; lead++)
        for (let before = 0; before < 5; before++) {
          const cell = Buffer.from(`${'x'.repeat(lead)} ${text}`);
          assert.equal(isTold(cell, before), false, `${lead} ${before}`);
        }
    });

  for (const text of ['', '1', 'the quick brown fox', '827ccb0eea8a706c4c34a16891f84e7b', '2026-11-22', '1234567890'])
    test(`is done with "${text}"`, () => {
      for (let before = 0; before < 5; before++) assert.equal(isTold(Buffer.from(text), before), true);
    });

  test('whatever a cell holds, nothing that is found passes', () => {
    const piece = fc.constantFrom(
      '4111',
      '1111',
      '219',
      '09',
      '9999',
      '-',
      ' ',
      '.',
      '@',
      'a',
      'x.yz',
      '\\u',
      'é',
      '\u200b',
      '１',
    );
    const cells = fc.oneof(
      fc.array(piece, { maxLength: 12 }).map((pieces) => Buffer.from(pieces.join(''))),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(cells, fc.nat(4), (cell, before) => {
        assert.ok(!holds(cell) || !isTold(cell, before));
      }),
      { seed: 42, numRuns: 5_000 },
    );
  });

  test('is not asked where detectors look for what it cannot tell', () => {
    assert.equal(createSieve(new Set<Detector>(['email', 'iban']))(Buffer.from('quiet'), 0, 5), false);
  });
});

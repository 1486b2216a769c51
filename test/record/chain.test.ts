/** A line is the same text whether its parts were written before or not: the verifier puts it together anew. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../property/drawn.ts';
import type { SessionEvent } from '../../src/domain/recording.ts';
import { canonicalJson, Chain } from '../../src/record/chain.ts';

const word = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('c1', 'allow', '\u0085', '\u2028', '"\\', ''),
);

test('a line holds the canonical form of its event, the first time and every time after', () => {
  const event = fc.record({
    type: fc.constantFrom('verdict', 'command', 'outcome', 'result', 'notice'),
    command: word,
    facts: fc.dictionary(word, fc.jsonValue()),
    sent: fc.record({ text: word, bytes: fc.integer(), sha256: fc.option(word, { nil: undefined }) }),
    rules: fc.array(word),
    params: fc.array(fc.record({ value: fc.option(word) })),
    durationMs: fc.double(),
    part: fc.option(word, { nil: undefined }),
    maskedCells: fc.integer(),
    truncated: fc.boolean(),
  });
  fc.assert(
    fc.property(event, (made) => {
      const chain = new Chain();
      for (const _ of [1, 2]) {
        const line = chain.line(made as unknown as SessionEvent, 'then');
        const from = line.indexOf('"at":"then",') + '"at":"then",'.length;
        assert.equal(`{${line.slice(from, line.lastIndexOf(',"prev":'))}}`, canonicalJson(made));
      }
    }),
    { numRuns: 500 },
  );
});

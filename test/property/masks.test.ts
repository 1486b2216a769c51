/** That two databases which differ only in masked values answer alike is worth something only where a broken protection would be seen: each part is taken out once. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { MUTANTS, mutated } from './masks/mutants.ts';
import { startTwins, type Twins } from './masks/twins.ts';

let twins: Twins;
before(async () => {
  twins = await startTwins();
});
after(() => twins[Symbol.asyncDispose]());

describe('two databases that differ only in masked values are told apart when', () => {
  for (const mutant of MUTANTS) {
    test(mutant.missing, async () => {
      await twins.ask(mutant.told);
      using broken = mutated(mutant);
      await assert.rejects(() => twins.ask(mutant.told, broken.reader), /the answers differ/);
    });
  }
});

/** `npm run test:masks -- --times 50000 [--seed N]`: made-up statements, until two databases that differ only in masked values answer one of them differently. */
import { randomInt } from 'node:crypto';
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { statements } from '../../languages/sql/grammar.ts';
import { ATTACKS, HONEST } from '../../languages/sql/questions.ts';
import { startTwins } from './twins.ts';

const { values } = parseArgs({ options: { times: { type: 'string', default: '50000' }, seed: { type: 'string' } } });
const times = Number(values.times);
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
if (!Number.isSafeInteger(times) || times < 1 || !Number.isSafeInteger(seed)) {
  console.error('usage: npm run test:masks -- [--times N] [--seed N]');
  process.exit(2);
}

console.log(`statements: ${times}, seed: ${seed}`);
const counts = { answered: 0, failed: 0, refused: 0 };
const started = Date.now();
await using twins = await startTwins();
for (const text of [...ATTACKS, ...HONEST]) await twins.ask(text);
const result = await fc.check(
  fc.asyncProperty(statements, async (text) => {
    const outcome = await twins.ask(text);
    const meant = outcome.kind === 'alike' ? await twins.meant(text) : undefined;
    if (meant !== undefined) assert.deepEqual(meant[0], meant[1], `through masks it means something else:\n  ${text}`);
    if (outcome.kind === 'refused') counts.refused += 1;
    else if ((outcome.answer as { code?: string }).code === undefined) counts.answered += 1;
    else counts.failed += 1;
    const done = counts.answered + counts.failed + counts.refused;
    if (done % 5000 === 0) console.log(`${done} after ${Math.round((Date.now() - started) / 1000)} s`);
  }),
  { numRuns: times, seed },
);
console.log({ ...counts, seconds: Math.round((Date.now() - started) / 1000) });
if (result.failed) {
  console.error(String(result.errorInstance));
  console.error(`FAILED; again with: npm run test:masks -- --times ${times} --seed ${seed}`);
  process.exitCode = 1;
} else console.log('no statement was answered differently');

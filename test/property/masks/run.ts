/**
 * `npm run test:masks -- --times 50000 [--seed N] [--server packaged]`: made-up statements, until two databases that differ only in masked values answer one of
 * them differently. `packaged` asks the later PostgreSQL that comes with the demo instead of the installed one.
 */
import { randomInt } from 'node:crypto';
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { statements } from '../../languages/sql/grammar.ts';
import { ATTACKS, HONEST } from '../../languages/sql/questions.ts';
import { startTwins } from './twins.ts';

const { values } = parseArgs({
  options: {
    times: { type: 'string', default: '50000' },
    seed: { type: 'string' },
    server: { type: 'string', default: 'installed' },
  },
});
const times = Number(values.times);
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
const { server } = values;
if (
  !Number.isSafeInteger(times) ||
  times < 1 ||
  !Number.isSafeInteger(seed) ||
  (server !== 'installed' && server !== 'packaged')
) {
  console.error('usage: npm run test:masks -- [--times N] [--seed N] [--server installed|packaged]');
  process.exit(2);
}

const counts = { answered: 0, failed: 0, refused: 0, meantTheSame: 0 };
const whys = new Map<string, number>();
const differences: string[] = [];
const ENOUGH = 10;
const started = Date.now();
const seconds = () => Math.round((Date.now() - started) / 1000);
await using twins = await startTwins(server);
console.log(`statements: ${times}, seed: ${seed}, PostgreSQL ${twins.version}`);
for (const text of [...ATTACKS, ...HONEST]) await twins.ask(text);
await fc.check(
  fc.asyncProperty(statements, async (text) => {
    try {
      await compare(text);
    } catch (error) {
      differences.push(text);
      console.error(String(error).slice(0, 4000));
      if (differences.length >= ENOUGH) throw error;
    }
    const done = counts.answered + counts.failed + counts.refused;
    if (done % 5000 === 0) console.log(`${done} after ${seconds()} s, differences: ${differences.length}`);
  }),
  // One that is found is not made smaller: there may be others.
  { numRuns: times, seed, endOnFailure: true },
);

async function compare(text: string): Promise<void> {
  const outcome = await twins.ask(text);
  const meant = outcome.kind === 'alike' ? await twins.meant(text) : undefined;
  if (outcome.kind === 'refused') {
    counts.refused += 1;
    const why = outcome.why.replace(/\w+\.\w+/g, '…');
    whys.set(why, (whys.get(why) ?? 0) + 1);
  } else if ((outcome.answer as { code?: string }).code === undefined) counts.answered += 1;
  else counts.failed += 1;
  if (meant === undefined) return;
  assert.deepEqual(meant[0], meant[1], `through masks it means something else:\n  ${text}`);
  counts.meantTheSame += 1;
}

const total = counts.answered + counts.failed + counts.refused;
const share = (count: number) => `${((100 * count) / total).toFixed(1)} %`;
console.log({ ...counts, seconds: seconds() });
console.log(`answered ${share(counts.answered)}, failed ${share(counts.failed)}, refused ${share(counts.refused)}`);
for (const [why, count] of [...whys].sort((a, b) => b[1] - a[1]).slice(0, 12)) console.log(`  ${count} ${why}`);
for (const text of differences) console.error(`differs: ${text}`);
if (differences.length > 0) {
  const rest = server === 'installed' ? '' : ` --server ${server}`;
  console.error(
    `${differences.length} differences; again with: npm run test:masks -- --times ${times} --seed ${seed}${rest}`,
  );
  process.exitCode = 1;
} else console.log('no statement was answered differently');

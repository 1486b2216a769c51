/** `npm run test:kill -- --times 200 [--seed N]` */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { campaign } from './campaign.ts';

const { values } = parseArgs({ options: { times: { type: 'string', default: '200' }, seed: { type: 'string' } } });
const times = Number(values.times);
const seed = values.seed === undefined ? randomInt(2 ** 32) : Number(values.seed);
if (!Number.isSafeInteger(times) || times < 1 || !Number.isSafeInteger(seed)) {
  console.error('usage: npm run test:kill -- [--times N] [--seed N]');
  process.exit(2);
}

console.log(`kills: ${times}, seed: ${seed}`);
const started = Date.now();
const { problems, refused, ...report } = await campaign({ times, seed, onKill: (line) => console.log(line) });
console.log({ ...report, seconds: Math.round((Date.now() - started) / 1000) });
for (const line of [...problems, ...refused.slice(0, 20)]) console.error(line);
const good = problems.length === 0 && refused.length === 0;
console.log(
  good
    ? "no statement in PostgreSQL's log is without its record"
    : `FAILED; again with: npm run test:kill -- --times ${times} --seed ${seed}`,
);
process.exit(good ? 0 : 1);

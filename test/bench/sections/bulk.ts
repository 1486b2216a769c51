/** Large answers, read by a client that only counts bytes: it is never the slowest. */
import { startClient } from '../client-process.ts';
import { DIRECT, HAPROXY, MAIN, PLAIN, startLadder } from '../ladder.ts';
import type { Case } from '../rounds.ts';
import type { Plan, Section } from './section.ts';

const MB = 1e6;
const PEERS = [...MAIN, PLAIN];

const ANSWERS: readonly [name: string, sql: string][] = [
  ['SELECT, 1,000,000 narrow rows', 'SELECT id, shop, amount FROM narrow'],
  ['SELECT, 100,000 rows of 1 KB', 'SELECT id, code, note, hash, remark FROM wide'],
  ['COPY TO STDOUT, 1,000,000 narrow rows', 'COPY narrow TO STDOUT'],
  ['COPY TO STDOUT, 100,000 rows of 1 KB', 'COPY wide TO STDOUT'],
  ['SELECT, 200,000 rows with an address to mask in each', 'SELECT id, email, note FROM contacts'],
];

export const bulk: Section = {
  name: 'bulk',
  title: 'Large answers',
  seconds: (plan) => 10 + ANSWERS.length * PEERS.length * plan.rounds * (msOf(plan) / 1000 + 0.9),
  async run({ world, plan, compare }) {
    await using ladder = await startLadder(world, MAIN);
    const cases = ANSWERS.map(
      ([name, sql]): Case => ({
        ...{ name, unit: 'MB/s', better: 'more', work: 'MB', peers: PEERS, against: [HAPROXY, DIRECT] },
        async measure(peer) {
          await using client = startClient();
          const { bytes, ms, answers } = await client.work({
            do: 'read',
            address: ladder.peer(peer).address,
            sql,
            ms: msOf(plan),
          });
          return { value: bytes / MB / (ms / 1000), work: bytes / MB, more: { bytesPerAnswer: bytes / answers } };
        },
      }),
    );
    await compare(cases, ladder);
  },
};

function msOf({ quick, seconds }: Plan): number {
  return quick ? 600 : seconds * 1000;
}

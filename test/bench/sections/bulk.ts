/** Large answers, read by a client that only counts bytes: it is never the slowest. */
import { workOnce } from '../client-process.ts';
import { DIRECT, HAPROXY, MAIN, PLAIN, PROCESS } from '../ladder.ts';
import type { Case } from '../rounds.ts';
import type { Plan, Section } from './section.ts';

const MB = 1e6;

interface Answer {
  readonly name: string;
  readonly sql: string;
  /** Masks change it. */
  readonly masked?: boolean;
}

const ANSWERS: readonly Answer[] = [
  { name: 'SELECT, 1,000,000 narrow rows', sql: 'SELECT id, shop, amount FROM narrow' },
  { name: 'SELECT, 100,000 rows of 1 KB', sql: 'SELECT id, code, note, hash, remark FROM wide' },
  { name: 'COPY TO STDOUT, 1,000,000 narrow rows', sql: 'COPY narrow TO STDOUT' },
  { name: 'COPY TO STDOUT, 100,000 rows of 1 KB', sql: 'COPY wide TO STDOUT' },
  {
    name: 'SELECT, 200,000 rows with an address to mask in each',
    sql: 'SELECT id, email, note FROM contacts',
    masked: true,
  },
];

export const bulk: Section = {
  name: 'bulk',
  title: 'Large answers',
  seconds: (plan) => answers(plan).length * peers(plan).length * plan.rounds * (msOf(plan) / 1000 + 0.7),
  async run({ ladders, plan, compare, note }) {
    const ladder = await ladders.get(started(plan));
    const cases = answers(plan).map(({ name, sql, masked = false }): Case => {
      const lengths: number[] = [];
      return {
        ...{ name, unit: 'MB/s', better: 'more', work: 'MB', peers: peers(plan), against: [HAPROXY, DIRECT] },
        async measure(peer) {
          const { address } = ladder.peer(peer);
          const { bytes, ms, answers } = await workOnce({ do: 'read', address, sql, ms: msOf(plan) });
          if (!masked) lengths.push(bytes / answers);
          checkLengths(name, lengths);
          return { value: bytes / MB / (ms / 1000), work: bytes / MB };
        },
      };
    });
    await compare(cases, ladder);
    note(`"${PLAIN}" are the same two processes with a target on which no mask and no detector lies.`);
  },
};

/** Detectors find a card number here and there in random digits; beyond that all answers are the same, or one of them was cut short. */
function checkLengths(name: string, lengths: readonly number[]): void {
  const [least, most] = [Math.min(...lengths), Math.max(...lengths)];
  if (most - least > most / 1000) throw new Error(`${name}: answers of ${least} and ${most} bytes`);
}

function started({ quick }: Plan) {
  return quick ? ([DIRECT, 'pgbouncer+stunnel', HAPROXY, PROCESS] as const) : MAIN;
}

function peers(plan: Plan): string[] {
  return [...started(plan), PLAIN];
}

function answers({ quick }: Plan): readonly Answer[] {
  return quick ? ANSWERS.slice(0, 3) : ANSWERS;
}

function msOf({ quick, seconds }: Plan): number {
  return quick ? 500 : seconds * 1000;
}

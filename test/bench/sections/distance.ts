/** The two ends far from each other: round trips, and what flow control makes of a long line. */
import { workOnce } from '../client-process.ts';
import { HAPROXY, OVER_TLS, PROCESS } from '../ladder.ts';
import { pgbench } from '../pgbench.ts';
import type { Case } from '../rounds.ts';
import type { Plan, Section } from './section.ts';

const MB = 1e6;
const LARGE = 'SELECT id, code, note, hash, remark FROM wide';

export const distance: Section = {
  name: 'distance',
  title: 'The two ends a round trip apart',
  seconds: (plan) => 10 + peersOf(plan).length * plan.rounds * (2 * msOf(plan) + 1_600 + plan.seconds * 1_000) * 0.001,
  async run({ ladders, plan, compare, note }) {
    const ladder = await ladders.get(peersOf(plan), plan.delay);
    const form = { peers: peersOf(plan), against: [HAPROXY] } as const;
    const read = (peer: string, how: 'read' | 'ask', sql: string) =>
      workOnce({ do: how, address: ladder.peer(peer).address, sql, ms: msOf(plan) });
    const cases: Case[] = [
      {
        ...{ ...form, name: 'SELECT 1, one after the other', unit: 'ms', better: 'less' },
        async measure(peer) {
          const { p50, p99 } = await read(peer, 'ask', 'SELECT 1');
          return { value: p50, more: { p99 } };
        },
      },
      {
        ...{ ...form, name: 'new connections, 8 clients', unit: 'conn/s', better: 'more', work: 'connection' },
        measure: (peer) =>
          pgbench(ladder.peer(peer).address, {
            ...{ script: ['-b', 'select-only'], protocol: 'simple', clients: 8, seconds: plan.seconds, connect: true },
          }),
      },
      {
        ...{ ...form, name: 'SELECT, 100,000 rows of 1 KB', unit: 'MB/s', better: 'more', work: 'MB' },
        async measure(peer) {
          const { bytes, ms } = await read(peer, 'read', LARGE);
          return { value: bytes / MB / (ms / 1000), work: bytes / MB };
        },
      },
    ];
    await compare(cases, ladder);
    note(
      `${plan.delay} ms there and back between the two ends, by the same small proxy for each peer; up to 6 MiB are under way at once.`,
    );
  },
};

function peersOf({ quick }: Plan) {
  return quick ? ([HAPROXY, PROCESS] as const) : OVER_TLS;
}

function msOf({ quick }: Plan): number {
  return quick ? 700 : 2_000;
}

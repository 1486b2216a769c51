/** A new connection, login and all, for each transaction. */
import { DIRECT, HAPROXY, MAIN, PROCESS } from '../ladder.ts';
import { pgbench } from '../pgbench.ts';
import type { Case } from '../rounds.ts';
import type { Plan, Section } from './section.ts';

export const connections: Section = {
  name: 'connections',
  title: 'New connections (pgbench -C, select-only)',
  seconds: (plan) => 5 + counts(plan).length * peersOf(plan).length * plan.rounds * (plan.seconds + 0.3),
  async run({ ladders, plan, compare }) {
    const peers = peersOf(plan);
    const ladder = await ladders.get(peers);
    const cases = counts(plan).map(
      (clients): Case => ({
        name: `${clients} client${clients === 1 ? '' : 's'}`,
        unit: 'conn/s',
        better: 'more',
        work: 'connection',
        peers,
        against: [HAPROXY, DIRECT],
        measure: (peer) =>
          pgbench(ladder.peer(peer).address, {
            ...{ script: ['-b', 'select-only'], protocol: 'simple', clients, seconds: plan.seconds, connect: true },
          }),
      }),
    );
    await compare(cases, ladder);
  },
};

function peersOf({ quick }: Plan) {
  return quick ? ([DIRECT, 'pgbouncer+stunnel', HAPROXY, PROCESS] as const) : MAIN;
}

function counts({ quick }: Plan): number[] {
  return quick ? [8] : [1, 8, 32];
}

/** A new connection, login and all, for each transaction. */
import { DIRECT, HAPROXY, MAIN } from '../ladder.ts';
import { pgbench } from '../pgbench.ts';
import type { Case } from '../rounds.ts';
import type { Plan, Section } from './section.ts';

export const connections: Section = {
  name: 'connections',
  title: 'New connections (pgbench -C, select-only)',
  seconds: (plan) => 5 + counts(plan).length * MAIN.length * plan.rounds * (plan.seconds + 0.3),
  async run({ ladders, plan, compare }) {
    const ladder = await ladders.get(MAIN);
    const cases = counts(plan).map(
      (clients): Case => ({
        name: `${clients} client${clients === 1 ? '' : 's'}`,
        unit: 'conn/s',
        better: 'more',
        work: 'connection',
        peers: MAIN,
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

function counts({ quick }: Plan): number[] {
  return quick ? [8] : [1, 8, 32];
}

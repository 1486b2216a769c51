/** pgbench's own scripts, one statement and seven, in each way of sending them, from one client to many. */
import { DIRECT, EVERYONE, HAPROXY, PROCESS } from '../ladder.ts';
import type { RunningPostgres } from '../../fakes/postgres.ts';
import type { Address } from '../peers/peer.ts';
import { type PgbenchOptions, pgbench } from '../pgbench.ts';
import type { Case } from '../rounds.ts';
import type { Plan, Section } from './section.ts';

type Cell = Pick<PgbenchOptions, 'protocol' | 'clients'> & { readonly script: 'select-only' | 'tpcb-like' };

export const transactions: Section = {
  name: 'transactions',
  title: 'Transactions (pgbench)',
  seconds: (plan) => 20 + cells(plan).length * peersOf(plan).length * plan.rounds * (plan.seconds + 0.3),
  async run({ world, ladders, plan, compare }) {
    const ladder = await ladders.get(peersOf(plan));
    await compare(
      cells(plan).map((cell) => caseOf(cell, plan, world.postgres, (name) => ladder.peer(name).address)),
      ladder,
    );
  },
};

function caseOf(
  { script, protocol, clients }: Cell,
  plan: Plan,
  postgres: RunningPostgres,
  address: (peer: string) => Address,
): Case {
  return {
    name: `${script}, ${protocol}, ${clients} client${clients === 1 ? '' : 's'}`,
    unit: 'tx/s',
    better: 'more',
    work: 'transaction',
    peers: peersOf(plan),
    against: [HAPROXY, DIRECT],
    async measure(peer) {
      if (script === 'tpcb-like') await cleanUp(postgres);
      return pgbench(address(peer), { script: ['-b', script], protocol, clients, seconds: plan.seconds });
    },
  };
}

/** As pgbench does by itself before each run of a person who may: updates leave old rows behind, and the next would pay for them. */
async function cleanUp(postgres: RunningPostgres): Promise<void> {
  await postgres.sql('VACUUM pgbench_branches, pgbench_tellers', 'bench');
  await postgres.sql('TRUNCATE pgbench_history', 'bench');
}

function peersOf({ quick }: Plan) {
  return quick ? ([DIRECT, 'pgbouncer+stunnel', HAPROXY, PROCESS] as const) : EVERYONE;
}

function cells({ quick }: Plan): Cell[] {
  const protocols = ['simple', 'extended', 'prepared'] as const;
  const grid = (script: Cell['script'], over: readonly Cell['protocol'][], counts: readonly number[]) =>
    over.flatMap((protocol) => counts.map((clients) => ({ script, protocol, clients })));
  if (!quick) return [...grid('select-only', protocols, [1, 8, 32]), ...grid('tpcb-like', protocols, [1, 8, 32])];
  return [
    ...grid('select-only', ['simple', 'extended'], [8]),
    ...grid('select-only', ['prepared'], [1, 8, 32]),
    ...grid('tpcb-like', ['simple'], [8]),
  ];
}

/** Small questions while a large answer goes through the same tunnel. */
import { startClient, workOnce } from '../client-process.ts';
import { DIRECT, HAPROXY, PROCESS } from '../ladder.ts';
import type { Case } from '../rounds.ts';
import type { Plan, Section } from './section.ts';

const PEERS = [DIRECT, 'pgbouncer+stunnel', HAPROXY, PROCESS] as const;
const SMALL = 'SELECT 1';
const LARGE = 'SELECT id, code, note, hash, remark FROM wide';

export const beside: Section = {
  name: 'beside',
  title: 'Small questions beside a large answer',
  seconds: (plan) => PEERS.length * plan.rounds * (2 * msOf(plan) * 0.001 + 1.2),
  async run({ ladders, plan, compare }) {
    const ladder = await ladders.get(PEERS);
    const form = { unit: 'ms', better: 'less', peers: PEERS, against: [HAPROXY, DIRECT] } as const;
    const ask = (peer: string) =>
      workOnce({ do: 'ask', address: ladder.peer(peer).address, sql: SMALL, ms: msOf(plan) });
    const alone: Case = {
      ...{ ...form, name: `${SMALL}, alone: median` },
      async measure(peer) {
        const { p50, p99 } = await ask(peer);
        return { value: p50, more: { p99 } };
      },
    };
    const together: Case = {
      ...{ ...form, name: `${SMALL}, beside a large answer in the same tunnel: median` },
      async measure(peer) {
        await using bulk = startClient();
        const { address } = ladder.peer(peer);
        // Begins before the questions and ends after them.
        const reading = bulk.work({ do: 'read', address, sql: LARGE, ms: msOf(plan) + 500 });
        const { p50, p99 } = await ask(peer);
        const { bytes, ms } = await reading;
        return { value: p50, more: { p99, 'MB/s beside': bytes / 1e6 / (ms / 1000) } };
      },
    };
    await compare([alone, together], ladder);
  },
};

function msOf({ quick }: Plan): number {
  return quick ? 700 : 3_000;
}

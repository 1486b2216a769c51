/**
 * Memory of connections that do nothing. Each has logged in, through to pgbouncer (transaction pooling, the same for all), since PostgreSQL would need
 * a process for each of them.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { startClient } from '../client-process.ts';
import { HAPROXY, PROCESS } from '../ladder.ts';
import { startHaproxy } from '../peers/haproxy.ts';
import { type HoopctlPeer, startHoopctl } from '../peers/hoopctl.ts';
import type { Address, Peer } from '../peers/peer.ts';
import { startPgbouncer } from '../peers/pgbouncer.ts';
import { residentBytes } from '../processes.ts';
import type { Case, Reading } from '../rounds.ts';
import type { World } from '../world.ts';
import type { Plan, Section } from './section.ts';

const PEERS = [HAPROXY, PROCESS] as const;
/** A gateway lets one run have so many sessions. */
const SESSIONS_PER_RUN = 2_000;
const SETTLE_MS = 3_000;
const FIRST = 20;

export const idle: Section = {
  name: 'idle',
  title: 'Memory of idle connections',
  seconds: (plan) => counts(plan).reduce((sum, count) => sum + PEERS.length * roundsOf(plan) * (8 + count / 200), 0),
  async run({ world, plan, compare, note }) {
    const cases = counts(plan).map(
      (count): Case => ({
        ...{ name: `${count.toLocaleString('en-US')} connections`, unit: 'KiB each', better: 'less' },
        ...{ peers: PEERS, against: [HAPROXY] },
        measure: (peer) => measure(world, peer, count),
      }),
    );
    await compare(cases, undefined, roundsOf(plan));
    note(
      `Resident memory of all processes of the peer, ${SETTLE_MS / 1000} s after the last login, less what ${FIRST} connections need, divided by the rest; garbage not yet collected is in it. ` +
        `More than ${SESSIONS_PER_RUN.toLocaleString('en-US')} are held by several hoopctl processes, each with a run of its own.`,
    );
  },
};

async function measure(world: World, name: string, count: number): Promise<Reading> {
  await using pooler = await startPgbouncer(world, { pooling: 'transaction', poolSize: 20 });
  const tunnels = Math.ceil((count + FIRST) / SESSIONS_PER_RUN);
  await using peer: Peer =
    name === HAPROXY
      ? await startHaproxy(world, 0, pooler.address)
      : await startHoopctl(world, { durability: 'process', target: pooler.address, tunnels });
  await using client = startClient();
  const addresses = doorsOf(peer);
  await client.work({ do: 'hold', addresses, count: FIRST });
  await pause(SETTLE_MS / 3);
  const before = memoryOf(peer);
  const { ms } = await client.work({ do: 'hold', addresses, count: count - FIRST });
  await pause(SETTLE_MS);
  const after = memoryOf(peer);
  const each = Object.keys(after).map(
    (role) => [role, ((after[role] ?? 0) - (before[role] ?? 0)) / 1024 / (count - FIRST)] as const,
  );
  const value = each.reduce((sum, [, kib]) => sum + kib, 0);
  return { value, more: { ...Object.fromEntries(each), 'logins/s': ((count - FIRST) * 1000) / ms } };
}

function doorsOf(peer: Peer): readonly Address[] {
  return (peer as Partial<HoopctlPeer>).doors ?? [peer.address];
}

function memoryOf({ processes }: Peer): Record<string, number> {
  return Object.fromEntries(
    Object.entries(processes).map(([role, pids]) => [role, pids.reduce((sum, pid) => sum + residentBytes(pid), 0)]),
  );
}

function counts({ quick }: Plan): number[] {
  return quick ? [1_000] : [1_000, 5_000];
}

/** Memory hardly differs from one time to the next. */
function roundsOf({ quick, rounds }: Plan): number {
  return Math.min(rounds, quick ? 1 : 3);
}

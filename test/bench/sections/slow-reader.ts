/** What is gathered on the way when the client reads a gigabyte at 1 MB a second. */
import { startClient } from '../client-process.ts';
import { HAPROXY, OVER_TLS, PROCESS } from '../ladder.ts';
import type { Peer } from '../peers/peer.ts';
import { residentBytes } from '../processes.ts';
import type { Case, Reading } from '../rounds.ts';
import type { Plan, Section } from './section.ts';

const GIGABYTE =
  'SELECT w.id, w.code, w.note, w.hash, w.remark FROM wide AS w CROSS JOIN (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)) AS ten (n)';
const BYTES_PER_SECOND = 1_000_000;
const LOOK_EVERY_MS = 100;
const MiB = 1024 * 1024;

export const slowReader: Section = {
  name: 'slow-reader',
  title: 'A slow reader: 1 MB/s of a gigabyte',
  seconds: (plan) => peersOf(plan).length * roundsOf(plan) * (msOf(plan) / 1000 + 2),
  async run({ ladders, plan, compare, note }) {
    const peers = peersOf(plan);
    const ladder = await ladders.get(peers);
    const one: Case = {
      ...{ name: 'most memory over what it was', unit: 'MiB', better: 'less', peers, against: [HAPROXY] },
      measure: (peer) => measure(ladder.peer(peer), msOf(plan)),
    };
    await compare([one], ladder, roundsOf(plan));
    note(
      'Resident memory of all processes of the peer, looked at ten times a second; the same answer was read at full speed before.',
    );
  },
};

async function measure(peer: Peer, ms: number): Promise<Reading> {
  const pids = Object.entries(peer.processes);
  const look = () => pids.map(([, own]) => own.reduce((sum, pid) => sum + residentBytes(pid), 0));
  await using client = startClient();
  const { address } = peer;
  await client.work({ do: 'read', address, sql: 'SELECT id, code, note, hash, remark FROM wide', ms: 0 });
  const before = look();
  const most = [...before];
  const timer = setInterval(() => {
    look().forEach((now, i) => {
      most[i] = Math.max(most[i] ?? 0, now);
    });
  }, LOOK_EVERY_MS);
  try {
    const { bytes } = await client.work({ do: 'sip', address, sql: GIGABYTE, ms, bytesPerSecond: BYTES_PER_SECOND });
    const grown = pids.map(([role], i) => [role, ((most[i] ?? 0) - (before[i] ?? 0)) / MiB] as const);
    const value = grown.reduce((sum, [, mib]) => sum + mib, 0);
    return { value, more: { ...Object.fromEntries(grown), 'MB read': bytes / 1e6 } };
  } finally {
    clearInterval(timer);
  }
}

function peersOf({ quick }: Plan) {
  return quick ? ([HAPROXY, PROCESS] as const) : OVER_TLS;
}

function msOf({ quick }: Plan): number {
  return quick ? 4_000 : 20_000;
}

function roundsOf({ quick, rounds }: Plan): number {
  return Math.min(rounds, quick ? 1 : 3);
}

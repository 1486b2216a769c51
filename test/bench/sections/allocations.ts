/**
 * What the result path allocates per row: a large answer of N rows and one of 2N go through hoopctl and the gateway under a sampling heap profiler;
 * what the second allocates beyond the first is divided by N.
 *
 * The smallest object takes 16 bytes (two words and its map), a promise more than 50: a function that allocates for each row cannot stay below that.
 * Of long rows only a few fit into a chunk, so there it is told per 16 KiB, which is what a chunk holds at most.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../../src/base/entry.ts';
import { workOnce } from '../client-process.ts';
import { type Allocation, bytesByFunction, growth, type ProfileNode } from '../heap-profile.ts';
import { type HoopctlPeer, startHoopctl } from '../peers/hoopctl.ts';
import type { Address } from '../peers/peer.ts';
import { figure } from '../report.ts';
import type { Section } from './section.ts';

const PROFILED = fileURLToPath(new URL('../profiled.ts', import.meta.url));
const SMALLEST_OBJECT = 16;
const SHOWN = 8;

interface Answer {
  readonly name: string;
  readonly rows: number;
  readonly sql: (rows: number) => string;
  readonly door: 'bench' | 'plain';
  /** Of what the bytes are told. */
  readonly per: 'row' | '16 KiB';
}

const NARROW = (rows: number) => `SELECT id, shop, amount FROM narrow LIMIT ${rows}`;
const WIDE = (rows: number) => `SELECT id, code, note, hash, remark FROM wide LIMIT ${rows}`;
const ROWS_OF_WIDE_IN_16_KIB = (16 * 1024) / 1057;

const ANSWERS: readonly Answer[] = [
  { name: 'narrow rows', rows: 500_000, sql: NARROW, door: 'bench', per: 'row' },
  { name: 'narrow rows, no masks', rows: 500_000, sql: NARROW, door: 'plain', per: 'row' },
  {
    name: 'COPY of narrow rows',
    rows: 500_000,
    sql: (rows) => `COPY (${NARROW(rows)}) TO STDOUT`,
    door: 'bench',
    per: 'row',
  },
  { name: 'rows of 1 KB', rows: 50_000, sql: WIDE, door: 'bench', per: '16 KiB' },
  { name: 'rows of 1 KB, no masks', rows: 50_000, sql: WIDE, door: 'plain', per: '16 KiB' },
  {
    name: 'rows with an address in each, which is masked',
    rows: 100_000,
    sql: (rows) => `SELECT id, email, note FROM contacts LIMIT ${rows}`,
    door: 'bench',
    per: 'row',
  },
];

export const allocations: Section = {
  name: 'allocations',
  title: 'What is allocated per row',
  seconds: () => 15 + ANSWERS.length * 10,
  async run({ world, signal, note }) {
    const folder = await world.place('profiles');
    const profiles = { hoopctl: join(folder, 'hoopctl.json'), gateway: join(folder, 'gateway.json') };
    await using peer = await startHoopctl(world, {
      durability: 'process',
      program: (role) => [PROFILED, profiles[role]],
    });
    for (const { name, rows, sql, door, per } of ANSWERS) {
      signal.throwIfAborted();
      const address = door === 'bench' ? peer.address : peer.plain;
      // Compiling, growing of pools and the like happens before.
      await readOnce(address, sql(rows * 2));
      const once = await profile(peer, profiles, () => readOnce(address, sql(rows)));
      const twice = await profile(peer, profiles, () => readOnce(address, sql(rows * 2)));
      for (const role of ['hoopctl', 'gateway'] as const)
        note(
          `${name}, ${role}:\n${tableOf(growth(once[role], twice[role], per === 'row' ? rows : rows / ROWS_OF_WIDE_IN_16_KIB), per)}`,
        );
    }
    note('JavaScript objects only; the memory behind buffers is not in the profile: chunks come from the sockets.');
  },
};

type Profiles = Readonly<Record<'hoopctl' | 'gateway', string>>;

async function profile(peer: HoopctlPeer, files: Profiles, act: () => Promise<unknown>) {
  const roles = ['hoopctl', 'gateway'] as const;
  const toggle = async (role: 'hoopctl' | 'gateway') => {
    await rm(files[role], { force: true });
    process.kill(peer.processes[role]?.[0] ?? 0, 'SIGUSR2');
    return await appeared(files[role]);
  };
  for (const role of roles) await toggle(role);
  await act();
  const [hoopctl, gateway] = [await toggle('hoopctl'), await toggle('gateway')];
  const read = (text: string) => bytesByFunction((JSON.parse(text) as { head: ProfileNode }).head, packageRoot());
  return { hoopctl: read(hoopctl), gateway: read(gateway) };
}

async function appeared(file: string): Promise<string> {
  for (;;) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (text !== '') return text;
    await pause(20);
  }
}

async function readOnce(address: Address, sql: string): Promise<void> {
  await workOnce({ do: 'read', address, sql, ms: 0 });
}

function tableOf(found: readonly Allocation[], per: Answer['per']): string {
  const total = found.reduce((sum, { bytes }) => sum + bytes, 0);
  const lines = found.slice(0, SHOWN).map(({ where, bytes }) => {
    const mark = per === 'row' && bytes >= SMALLEST_OBJECT ? '  <- for each row' : '';
    return `  ${figure(bytes).padStart(8)}  ${where}${mark}`;
  });
  return [`  ${figure(total).padStart(8)}  bytes per ${per} in all`, ...lines].join('\n');
}

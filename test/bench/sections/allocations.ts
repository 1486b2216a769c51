/**
 * What the result path allocates per row: a large answer of N rows and one of 2N go through hoopctl and the gateway under a sampling heap profiler;
 * what the second allocates beyond the first is divided by N.
 *
 * The smallest object takes 16 bytes (two words and its map), a promise more than 50: a function that allocates for each row cannot stay below that.
 * Of long rows only a few fit into a chunk, so there it is told per 16 KiB, which is what a chunk holds at most.
 */
import { packageRoot } from '../../../src/base/entry.ts';
import { workOnce } from '../client-process.ts';
import type { Address } from '../peers/peer.ts';
import { ROLES, startProfiled } from '../peers/profiled.ts';
import { bytesByFunction, growth, type HeapNode } from '../profiles.ts';
import { shareTable } from '../report.ts';
import type { Plan, Section } from './section.ts';

const SMALLEST_OBJECT = 16;

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
  seconds: (plan) => 5 + answers(plan).length * 5,
  async run({ world, plan, signal, note }) {
    await using peer = await startProfiled(world, 'heap');
    for (const { name, rows, sql, door, per } of answers(plan)) {
      signal.throwIfAborted();
      const address = door === 'bench' ? peer.address : peer.plain;
      const profile = (count: number) => peer.profile(() => readOnce(address, sql(count)));
      // Compiling, growing of pools and the like happens before.
      await readOnce(address, sql(rows * 2));
      const [once, twice] = [await profile(rows), await profile(rows * 2)];
      const units = per === 'row' ? rows : rows / ROWS_OF_WIDE_IN_16_KIB;
      for (const role of ROLES) {
        const found = growth(bytesOf(once[role]), bytesOf(twice[role]), units);
        const mark = (bytes: number) => (per === 'row' && bytes >= SMALLEST_OBJECT ? '  <- for each row' : '');
        note(`${name}, ${role}:\n${shareTable(found, `bytes per ${per}`, mark)}`);
      }
    }
    note('JavaScript objects only; the memory behind buffers is not in the profile: chunks come from the sockets.');
  },
};

function answers({ quick }: Plan): readonly Answer[] {
  return quick ? ANSWERS.filter(({ door }, i) => door === 'bench' && i < 3) : ANSWERS;
}

function bytesOf(profile: unknown): Map<string, number> {
  return bytesByFunction((profile as { head: HeapNode }).head, packageRoot());
}

async function readOnce(address: Address, sql: string): Promise<void> {
  await workOnce({ do: 'read', address, sql, ms: 0 });
}

/** Where hoopctl's two processes spend their time: a CPU profile of each, per transaction, MB or connection. */
import { packageRoot } from '../../../src/base/entry.ts';
import { workOnce } from '../client-process.ts';
import type { Address } from '../peers/peer.ts';
import { ROLES, startProfiled } from '../peers/profiled.ts';
import { pgbench } from '../pgbench.ts';
import { type CpuProfile, timeByFunction } from '../profiles.ts';
import { shareTable } from '../report.ts';
import type { Plan, Section } from './section.ts';

interface Work {
  readonly name: string;
  readonly unit: string;
  /** @returns how many units were done */
  act(address: Address, seconds: number): Promise<number>;
}

const MB = 1e6;

const WORKS: readonly Work[] = [
  script('select-only, prepared, 8 clients', { protocol: 'prepared' }),
  script('select-only, simple, 8 clients', { protocol: 'simple' }),
  { ...script('new connections, 8 clients', { protocol: 'simple', connect: true }), unit: 'connection' },
  answer('SELECT of narrow rows', 'SELECT id, shop, amount FROM narrow'),
  answer('SELECT of rows of 1 KB', 'SELECT id, code, note, hash, remark FROM wide'),
];

export const profile: Section = {
  name: 'profile',
  title: 'Where the time goes (under a profiler, from the sources)',
  seconds: (plan) => 8 + works(plan).length * 3 * plan.seconds,
  async run({ world, plan, signal, note }) {
    await using peer = await startProfiled(world, 'cpu');
    for (const { name, unit, act } of works(plan)) {
      signal.throwIfAborted();
      await act(peer.address, plan.seconds);
      let units = 0;
      const profiles = await peer.profile(async () => {
        units = await act(peer.address, plan.seconds);
      });
      for (const role of ROLES) {
        const shares = timeByFunction(profiles[role] as CpuProfile, units, packageRoot());
        note(`${name}, ${role}:\n${shareTable(shares, `µs per ${unit}, main thread`)}`);
      }
    }
  },
};

function script(name: string, how: { protocol: 'simple' | 'prepared'; connect?: boolean }): Work {
  return {
    ...{ name, unit: 'transaction' },
    async act(address, seconds) {
      const { work = 0 } = await pgbench(address, { script: ['-b', 'select-only'], clients: 8, seconds, ...how });
      return work;
    },
  };
}

function answer(name: string, sql: string): Work {
  return {
    ...{ name, unit: 'MB' },
    act: async (address, seconds) => (await workOnce({ do: 'read', address, sql, ms: seconds * 1000 })).bytes / MB,
  };
}

function works({ quick }: Plan): readonly Work[] {
  return quick ? WORKS.filter((_, i) => i === 0 || i === 3) : WORKS;
}

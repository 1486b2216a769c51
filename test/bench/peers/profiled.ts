/** hoopctl's two processes under a profiler. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { World } from '../world.ts';
import { type HoopctlPeer, startHoopctl } from './hoopctl.ts';

export const ROLES = ['hoopctl', 'gateway'] as const;
export type Role = (typeof ROLES)[number];

export interface ProfiledPeer extends HoopctlPeer {
  /** What the two did meanwhile. */
  profile(act: () => Promise<unknown>): Promise<Readonly<Record<Role, unknown>>>;
}

const ENTRY = fileURLToPath(new URL('../profiled.ts', import.meta.url));

export async function startProfiled(world: World, kind: 'heap' | 'cpu'): Promise<ProfiledPeer> {
  const folder = await world.place('profiles');
  const fileOf = (role: Role) => join(folder, `${role}.json`);
  const peer = await startHoopctl(world, { durability: 'process', program: (role) => [ENTRY, kind, fileOf(role)] });
  const toggle = async (role: Role): Promise<unknown> => {
    const file = fileOf(role);
    await rm(file, { force: true });
    process.kill(peer.processes[role]?.[0] ?? 0, 'SIGUSR2');
    return JSON.parse(await appeared(file));
  };
  return Object.assign(peer, {
    async profile(act: () => Promise<unknown>) {
      for (const role of ROLES) await toggle(role);
      await act();
      return { hoopctl: await toggle('hoopctl'), gateway: await toggle('gateway') };
    },
  });
}

async function appeared(file: string): Promise<string> {
  for (;;) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (text !== '') return text;
    await pause(20);
  }
}

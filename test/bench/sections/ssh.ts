/** SSH: how long a command takes, and how fast files and output go, with OpenSSH's own clients. */
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { median } from '../arithmetic.ts';
import { FORWARDED, GATEWAY, type SshPeer, STRAIGHT, startSshPeers } from '../peers/ssh.ts';
import { done } from '../processes.ts';
import type { Case } from '../rounds.ts';
import type { Plan, Section } from './section.ts';

const PEERS = [STRAIGHT, FORWARDED, GATEWAY] as const;
const MB = 1e6;

export const ssh: Section = {
  name: 'ssh',
  title: 'SSH',
  seconds: (plan) => 10 + plan.rounds * PEERS.length * (timesOf(plan) * 0.3 + (3 * megabytesOf(plan)) / 60),
  async run({ world, plan, compare, note }) {
    await using started = await startSshPeers(world);
    const place = await world.place('files');
    const [here, there] = [join(place, 'file'), join(started.folder, 'file')];
    await fill(here, megabytesOf(plan) * MB);
    const form = { peers: PEERS, against: [STRAIGHT, FORWARDED] } as const;
    const of = (peer: string) => started.peers.get(peer) as SshPeer;
    const size = `${megabytesOf(plan)} MB`;
    const quick = { ...form, unit: 'ms', better: 'less', work: 'command' } as const;
    const bulk = { ...form, unit: 'MB/s', better: 'more', work: 'MB' } as const;
    const cases: Case[] = [
      {
        ...{ ...quick, name: 'ssh HOST true, a new connection each' },
        measure: (peer) => timed(timesOf(plan), () => program('ssh', of(peer), ['web', 'true'])),
      },
      {
        ...{ ...quick, name: 'ssh HOST true, on one connection (ControlMaster)' },
        async measure(peer) {
          const socket = ['-S', join(place, 'm')];
          await program('ssh', of(peer), [
            ...socket,
            '-o',
            'ControlMaster=yes',
            '-o',
            'ControlPersist=60',
            'web',
            'true',
          ]);
          try {
            return await timed(timesOf(plan), () => program('ssh', of(peer), [...socket, 'web', 'true']));
          } finally {
            await program('ssh', of(peer), [...socket, '-O', 'exit', 'web']);
          }
        },
      },
      {
        ...{ ...bulk, name: `scp to the host, ${size}` },
        async measure(peer) {
          const reading = await speed(megabytesOf(plan), () => program('scp', of(peer), ['-q', here, `web:${there}`]));
          await rm(there, { force: true });
          return reading;
        },
      },
      {
        ...{ ...bulk, name: `scp from the host, ${size}` },
        measure: (peer) =>
          speed(megabytesOf(plan), () => program('scp', of(peer), ['-q', `web:${here}`, join(place, `from`)])),
      },
      {
        ...{ ...bulk, name: `what a command writes, ${size}` },
        measure: (peer) =>
          speed(megabytesOf(plan), () =>
            done('sh', [
              '-c',
              `ssh -F '${of(peer).config}' web head -c ${megabytesOf(plan) * MB} '${here}' > /dev/null`,
            ]),
          ),
      },
    ];
    await compare(cases, { peers: started.peers as never });
    note(
      'Medians of single commands. hoopctl masks what commands write with its detectors, records it up to its limit, and keeps the SHA-256 of every file; durability `process`.',
    );
  },
};

async function program(name: 'ssh' | 'scp', { config }: SshPeer, args: readonly string[]): Promise<void> {
  await done(name, ['-F', config, ...args]);
}

async function timed(times: number, once: () => Promise<unknown>) {
  const took: number[] = [];
  const from = performance.now();
  for (let i = 0; i < times; i++) {
    const began = performance.now();
    await once();
    took.push(performance.now() - began);
  }
  return { value: median(took), work: times, from, more: { quickest: Math.min(...took) } };
}

async function speed(megabytes: number, once: () => Promise<unknown>) {
  const from = performance.now();
  await once();
  return { value: megabytes / ((performance.now() - from) / 1000), work: megabytes, from };
}

/** Lines of a log: for detectors the ordinary case, and nothing that a disk or a line could make smaller matters here. */
async function fill(path: string, bytes: number): Promise<void> {
  const lines = Array.from(
    { length: 1000 },
    (_, i) =>
      `2026-01-01T00:00:${i % 60} web-1 request ${i * 7919} took ${(i * 31) % 977} ms, status ${200 + (i % 5)}\n`,
  );
  const block = Buffer.from(lines.join(''));
  await using file = await open(path, 'w', 0o644);
  for (let left = bytes; left > 0; left -= block.length)
    await file.write(block.subarray(0, Math.min(left, block.length)));
}

function timesOf({ quick }: Plan): number {
  return quick ? 7 : 25;
}

function megabytesOf({ quick }: Plan): number {
  return quick ? 50 : 400;
}

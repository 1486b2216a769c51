/** Finds and ends every process of a run: the agent's group, its descendants, and what left both but still carries the run's id. */
import { readdirSync, readFileSync } from 'node:fs';

/** Sends the signal to all of a run's processes. @returns how many there were */
export function signalAll(root: RunProcesses | undefined, signal: NodeJS.Signals): number {
  if (root === undefined) return 0;
  // 0 would be our own group, and the parent of all others.
  if (root.pid < 2) throw new Error(`${root.pid} is no agent`);
  const all = readAll();
  // Without /proc the group is all that can be known.
  if (all.length === 0) return root.group !== undefined && send(-root.group, signal) ? 1 : 0;
  return membersOf(root, all).filter((pid) => send(pid, signal)).length;
}

/** Ends them for good: looks again until nobody is left, because a process may fork while we look. */
export function killAll(root: RunProcesses | undefined): void {
  for (let round = 0; round < 10; round++) if (signalAll(root, 'SIGKILL') === 0) return;
}

export interface RunProcesses {
  /** HOOP_RUN_ID, which every descendant inherits unless it drops it. */
  readonly run: string;
  /** The agent's own process. */
  readonly pid: number;
  /** Its process group, when it has one of its own. */
  readonly group?: number;
}

function membersOf({ run, pid, group }: RunProcesses, all: readonly Seen[]): number[] {
  const wanted = new Set([pid]);
  for (const one of all) if (one.group === group) wanted.add(one.pid);
  // Children are listed after their parents only by chance: repeat until nothing is added.
  for (let size = 0; size !== wanted.size; ) {
    size = wanted.size;
    for (const one of all) if (wanted.has(one.parent)) wanted.add(one.pid);
  }
  const marker = `HOOP_RUN_ID=${run}`;
  for (const one of all) if (!wanted.has(one.pid) && carries(one.pid, marker)) wanted.add(one.pid);
  wanted.delete(process.pid);
  const alive = new Set(all.filter(({ state }) => state !== 'Z' && state !== 'X').map((one) => one.pid));
  return [...wanted].filter((one) => alive.has(one));
}

interface Seen {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly state: string;
}

// proc(5), /proc/pid/stat: `pid (comm) state ppid pgrp …`; comm may hold anything, so what follows its last parenthesis is read.
function readAll(): Seen[] {
  let entries: string[];
  try {
    entries = readdirSync('/proc');
  } catch {
    return [];
  }
  return entries
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      const stat = readOr(`/proc/${entry}/stat`);
      const [state = '', parent = '', group = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return parent === '' ? [] : [{ pid: Number(entry), parent: Number(parent), group: Number(group), state }];
    });
}

function carries(pid: number, marker: string): boolean {
  return readOr(`/proc/${pid}/environ`).split('\0').includes(marker);
}

// Processes end while we look, and those of others are not ours to read.
function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

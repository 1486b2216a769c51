/** Looks for secrets where a process could have them: its environment and its memory. Linux shows both in /proc. */
import { type FileHandle, open, readdir, readFile } from 'node:fs/promises';

export interface Searched {
  /** Processes that could be looked into. */
  readonly searched: number;
  /** Their memory is not shown to everybody. */
  readonly lookedInto: 'environment and memory' | 'environment';
  /** For each secret, in how many of them it is. */
  readonly found: readonly number[];
}

/** @param root the processes below it are searched, itself not */
export async function searchProcesses(root: number, secrets: readonly string[]): Promise<Searched> {
  const needles = secrets.map((secret) => Buffer.from(secret));
  const found = secrets.map(() => 0);
  let searched = 0;
  let memories = 0;
  for (const pid of await descendants(root)) {
    const environment = await readFile(`/proc/${pid}/environ`).catch(() => undefined);
    if (environment === undefined) continue;
    searched++;
    const missing = new Set(needles.keys());
    const look = (bytes: Buffer) => {
      for (const index of missing) if (bytes.includes(needles[index]!)) missing.delete(index);
    };
    look(environment);
    if (await lookThroughMemory(pid, look)) memories++;
    for (const index of needles.keys()) if (!missing.has(index)) found[index]!++;
  }
  return { searched, lookedInto: memories < searched ? 'environment' : 'environment and memory', found };
}

const CHUNK = 4 * 1024 * 1024;
/** A secret may lie across two pieces. */
const OVERLAP = 1024;

/** @returns whether that may be done */
async function lookThroughMemory(pid: number, look: (bytes: Buffer) => void): Promise<boolean> {
  const maps = await readFile(`/proc/${pid}/maps`, 'latin1').catch(() => '');
  const memory = await open(`/proc/${pid}/mem`, 'r').catch(() => undefined);
  if (memory === undefined) return false;
  try {
    // What can be written to: what is read only comes from files (proc(5)).
    for (const [, from, to] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw/gm))
      await lookThrough(memory, BigInt(`0x${from}`), BigInt(`0x${to}`), look);
    return true;
  } finally {
    await memory.close();
  }
}

async function lookThrough(memory: FileHandle, from: bigint, to: bigint, look: (bytes: Buffer) => void): Promise<void> {
  const chunk = Buffer.alloc(Number(to - from > CHUNK ? BigInt(CHUNK) : to - from));
  for (let at = from; at < to; ) {
    // What went away meanwhile, and what no memory stands behind, cannot be read.
    const read = await memory.read(chunk, 0, chunk.length, at).catch(() => undefined);
    if (read === undefined || read.bytesRead === 0) return;
    look(chunk.subarray(0, read.bytesRead));
    at += BigInt(
      read.bytesRead > OVERLAP && at + BigInt(read.bytesRead) < to ? read.bytesRead - OVERLAP : read.bytesRead,
    );
  }
}

async function descendants(root: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir('/proc').catch(() => [])) {
    const stat = /^\d+$/.test(name) ? await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '') : '';
    // The command's name stands in parentheses and may hold anything (proc(5)).
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    if (parent > 0) parents.set(Number(name), parent);
  }
  const below = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === root || below(parent));
  };
  return [...parents.keys()].filter(below);
}

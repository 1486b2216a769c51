/** The processes of one bench: started here, watched for an early end, measured through /proc, and all of them gone at the end. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';

export interface Program {
  readonly pid: number;
  /** Everything it wrote so far, the last of it. */
  said(): string;
  /** Resolves when it says something that matches. @throws when it ends before */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  readonly exited: Promise<number>;
  stop(): Promise<void>;
}

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

const KEPT = 64 * 1024;
const PATIENCE_MS = 5_000;
// USER_HZ is 100 on every Linux that Node runs on; /proc counts in it.
const TICK_MS = 10;

const folders = new Set<string>();

// Whatever happens: what was started below this process does not stay behind, whoever started it.
process.on('exit', () => {
  const { parents } = processTable();
  for (const pid of parents.keys()) if (pid !== process.pid && isOurs(pid, parents)) end(pid);
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

/** Removes the folder even where the bench is ended before its time. @returns forgets it, when it was removed in order */
export function leaveNothing(folder: string): () => void {
  folders.add(folder);
  return () => void folders.delete(folder);
}

/** PostgreSQL is asked to go at once: killed, it would leave its shared memory behind. */
function end(pid: number): void {
  try {
    process.kill(pid, read(`/proc/${pid}/comm`).trim() === 'postgres' ? 'SIGQUIT' : 'SIGKILL');
  } catch {
    // It is gone already.
  }
}

export function startProgram(file: string, args: readonly string[], options: ProgramOptions = {}): Program {
  const { env = {}, cwd, uid, gid } = options;
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', ...env },
    // A group of its own: Ctrl-C reaches the bench alone, which then ends everything in order.
    detached: true,
    ...(cwd === undefined ? {} : { cwd }),
    ...(uid === undefined || gid === undefined ? {} : { uid, gid }),
  });
  let text = '';
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-KEPT);
      for (const look of listeners) look();
    });
  const exited = new Promise<number>((resolve) => {
    child.once('error', (error) => {
      text += error.message;
      resolve(127);
    });
    child.once('close', (code) => resolve(code ?? 128));
  });
  return {
    pid: child.pid ?? 0,
    said: () => text,
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = pattern.exec(text);
          if (found === null) return;
          listeners.delete(look);
          resolve(found);
        };
        listeners.add(look);
        look();
        void exited.then((code) => reject(new Error(`${file} ended with ${code}:\n${text.slice(-2_000)}`)));
      }),
    exited,
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Runs a program to its end. @returns what it wrote to stdout @throws when it fails */
export async function done(file: string, args: readonly string[], options: ProgramOptions = {}): Promise<string> {
  const program = startProgram(file, args, options);
  const code = await program.exited;
  if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code}:\n${program.said().slice(-2_000)}`);
  return program.said();
}

/** CPU a process has used, all threads, user and kernel, ms. 0 for one that is gone. */
export function cpuMs(pid: number): number {
  const [user = 0, system = 0] = timesOf(pid);
  return (user + system) * TICK_MS;
}

/** Resident memory, bytes. */
export function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

/** How busy the machine was with others since the watch began. */
export interface Watch {
  /** A share of all cores, 0 to 1: other processes, and what the hypervisor took. */
  others(): number;
}

export function watchMachine(): Watch {
  const [began, ours] = [machineTicks(), treeTicks()];
  return {
    others() {
      const now = machineTicks();
      const total = now.total - began.total;
      const busy = now.busy - began.busy - (treeTicks() - ours);
      // Ticks of a process are counted when it is scheduled away: a little below zero is zero.
      return total <= 0 ? 0 : Math.max(0, busy / total);
    },
  };
}

// proc(5), /proc/stat: cpu user nice system idle iowait irq softirq steal …; what the hypervisor stole counts as busy with others.
function machineTicks(): { total: number; busy: number } {
  const fields = /^cpu\s+(.*)$/m.exec(read('/proc/stat'))?.[1]?.split(' ').map(Number) ?? [];
  const total = fields.slice(0, 8).reduce((sum, one) => sum + one, 0);
  return { total, busy: total - (fields[3] ?? 0) - (fields[4] ?? 0) };
}

/** The bench and all below it, with those that have ended: their time went to the parent that waited for them. */
function treeTicks(): number {
  const { parents, ticks } = processTable();
  return [...ticks].reduce((sum, [pid, count]) => sum + (isOurs(pid, parents) ? count : 0), 0);
}

interface ProcessTable {
  readonly parents: ReadonlyMap<number, number>;
  readonly ticks: ReadonlyMap<number, number>;
}

function processTable(): ProcessTable {
  const parents = new Map<number, number>();
  const ticks = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    if (stat === undefined) continue;
    parents.set(Number(name), Number(stat[1]));
    ticks.set(Number(name), ticksOf(stat));
  }
  return { parents, ticks };
}

function isOurs(pid: number, parents: ReadonlyMap<number, number>): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 0; at = parents.get(at))
    if (at === process.pid) return true;
  return false;
}

function ticksOf(stat: readonly string[]): number {
  return stat.slice(11, 15).reduce((sum, one) => sum + Number(one), 0);
}

function timesOf(pid: number): number[] {
  return statOf(pid)?.slice(11, 13).map(Number) ?? [];
}

/** proc(5), /proc/PID/stat from its third field on: state ppid … utime stime cutime cstime. The name before it may hold blanks and parentheses. */
function statOf(pid: number): string[] | undefined {
  const text = read(`/proc/${pid}/stat`);
  return text === '' ? undefined : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

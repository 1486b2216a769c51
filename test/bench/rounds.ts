/**
 * Measures a case: every peer once a round, each round beginning with another, with the CPU its processes spent and what else the machine did meanwhile.
 */
import { isNoisy, type Round, rotated, type Sample } from './arithmetic.ts';
import type { Peer } from './peers/peer.ts';
import { cpuMs, watchMachine } from './processes.ts';

/** What one measurement found. */
export interface Reading {
  readonly value: number;
  /** Units of work done, to divide CPU by; without it CPU is not told. */
  readonly work?: number;
  readonly more?: Readonly<Record<string, number>>;
}

export interface Case {
  readonly name: string;
  /** Of the value: `tx/s`, `MB/s`, `ms`, `KiB`. */
  readonly unit: string;
  readonly better: 'more' | 'less';
  /** Of CPU: a transaction, a MB. */
  readonly work?: string;
  readonly peers: readonly string[];
  /** Whom the others are measured against, first choice first. */
  readonly against: readonly string[];
  measure(peer: string, round: number): Promise<Reading>;
}

export interface CaseResult extends Omit<Case, 'measure'> {
  readonly section: string;
  readonly rounds: readonly Round[];
  readonly noisyRounds: number;
}

export interface RoundsOptions {
  readonly section: string;
  readonly rounds: number;
  /** Whose CPU is whose. */
  readonly processes: (peer: string) => Peer['processes'];
  readonly signal: AbortSignal;
  /** After each measurement. */
  readonly onSample?: (peer: string, round: number, sample: Sample) => void;
}

export async function measureCase(one: Case, options: RoundsOptions): Promise<CaseResult> {
  const rounds: Round[] = [];
  for (let i = 0; i < options.rounds; i++) {
    const round: Record<string, Sample> = {};
    for (const peer of rotated(one.peers, i)) {
      options.signal.throwIfAborted();
      const measure = () => unlessAborted(one.measure(peer, i), options.signal);
      const sample = await sampleOf(measure, options.processes(peer));
      round[peer] = sample;
      options.onSample?.(peer, i, sample);
    }
    rounds.push(round);
  }
  const { measure: _, ...form } = one;
  return { ...form, section: options.section, rounds, noisyRounds: rounds.filter(isNoisy).length };
}

async function sampleOf(measure: () => Promise<Reading>, processes: Peer['processes']): Promise<Sample> {
  const roles = Object.entries(processes);
  const spent = () => roles.map(([, pids]) => pids.reduce((sum, pid) => sum + cpuMs(pid), 0));
  const [watch, before] = [watchMachine(), spent()];
  const { value, work, more = {} } = await measure();
  const after = spent();
  const cpu = roles.flatMap(([role], i) =>
    work === undefined ? [] : [[role, ((after[i]! - before[i]!) * 1000) / work] as const],
  );
  return { value, cpu: Object.fromEntries(cpu), more, others: watch.others() };
}

/** A measurement may take minutes; whoever interrupts it does not wait for that. What it started ends with the bench. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  return Promise.race([work, aborted]);
}

/**
 * Measures a case: every peer once a round, each round beginning with another, with the CPU its processes spent and what else the machine did meanwhile.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { isNoisy, type Round, rotated, type Sample } from './arithmetic.ts';
import type { Peer } from './peers/peer.ts';
import { cpuMs, watchMachine } from './processes.ts';

/** What one measurement found. */
export interface Reading {
  readonly value: number;
  /** Units of work done, to divide CPU by; without it CPU is not told. */
  readonly work?: number;
  /** The moment from which that work was done, by `performance.now()`; before it clients logged in. */
  readonly from?: number;
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
  /** Whose CPU is measured, and who is tidied after; undefined where that has no meaning. */
  readonly peer: (name: string) => Pick<Peer, 'processes' | 'tidy'> | undefined;
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
      const sample = await sampleOf(measure, options.peer(peer));
      round[peer] = sample;
      options.onSample?.(peer, i, sample);
    }
    rounds.push(round);
  }
  const { measure: _, ...form } = one;
  return { ...form, section: options.section, rounds, noisyRounds: rounds.filter(isNoisy).length };
}

async function sampleOf(
  measure: () => Promise<Reading>,
  peer: Pick<Peer, 'processes' | 'tidy'> | undefined,
): Promise<Sample> {
  const roles = Object.entries(peer?.processes ?? {});
  const spent = () => roles.map(([, pids]) => pids.reduce((sum, pid) => sum + cpuMs(pid), 0));
  const timeline = watchSpent(spent);
  const watch = watchMachine();
  const { value, work, from = 0, more = {} } = await measure().finally(timeline.end);
  const others = watch.others();
  // What is put off till after the answers, such as compressing a recording, is a part of the price, and must not be paid by the next.
  await calm(() => spent().reduce((sum, one) => sum + one, 0));
  const [before, after] = [timeline.at(from), spent()];
  await peer?.tidy?.();
  const cpu = roles.flatMap(([role], i) =>
    work === undefined ? [] : [[role, ((after[i]! - before[i]!) * 1000) / work] as const],
  );
  return { value, cpu: Object.fromEntries(cpu), more, others };
}

/** What was spent when, to find out afterwards what had been spent at a moment that is known only then. */
function watchSpent(spent: () => number[]): { at(moment: number): number[]; end(): void } {
  const looks: { readonly moment: number; readonly spent: number[] }[] = [];
  const look = () => void looks.push({ moment: performance.now(), spent: spent() });
  look();
  const timer = setInterval(look, LOOK_MS / 2);
  return {
    at: (moment) => (looks.findLast((one) => one.moment <= moment) ?? looks[0]!).spent,
    end: () => clearInterval(timer),
  };
}

const LOOK_MS = 100;
const CALM_MS = 10;
const PATIENCE_MS = 60_000;

/** Resolves when hardly any CPU is spent any more. */
async function calm(spent: () => number): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  for (let before = spent(); before > 0 && performance.now() < until; ) {
    await pause(LOOK_MS);
    const now = spent();
    if (now - before <= CALM_MS) return;
    before = now;
  }
}

/** A measurement may take minutes; whoever interrupts it does not wait for that. What it started ends with the bench. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  return Promise.race([work, aborted]);
}

/** Where time comes from, so that tests can own it. */
import { readFileSync } from 'node:fs';

/** Stops a timer; harmless when it has fired. */
export type Cancel = () => void;

export interface Clock {
  /** Wall time, milliseconds since 1970-01-01 UTC. */
  now(): number;
  /** Milliseconds that never go backwards within one boot of the machine. */
  monotonic(): number;
  /** Names this boot of the machine; a changed id means `monotonic` started anew. */
  readonly bootId: string;
  /** Calls `fn` once after `ms`. The timer alone keeps no process alive. */
  after(ms: number, fn: () => void): Cancel;
}

/** RFC 3339 in UTC with milliseconds. */
export function timestamp(clock: Clock): string {
  return new Date(clock.now()).toISOString();
}

/** Resolves after `ms`, or rejects with the signal's reason. */
export function wait(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

// setTimeout overflows at 2^31-1 ms and would fire at once (Node, "Timers"): long waits are made of shorter ones.
const LONGEST_TIMER = 2 ** 31 - 1;

function after(ms: number, fn: () => void): Cancel {
  let timer: NodeJS.Timeout;
  const arm = (left: number) => {
    const step = Math.min(left, LONGEST_TIMER);
    timer = setTimeout(() => (left > step ? arm(left - step) : fn()), Math.max(0, step));
    timer.unref();
  };
  arm(ms);
  return () => clearTimeout(timer);
}

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // No such file outside Linux: the start of this process is then the best name for "since when monotonic counts".
    return `process-${process.pid}-${Math.round(Date.now() - performance.now())}`;
  }
}

let bootId: string | undefined;
/** From the start of the process back to the boot, ms. Both count by CLOCK_MONOTONIC; one of them makes no garbage. */
let startedAt: number | undefined;

function sinceBoot(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic() {
    // CLOCK_MONOTONIC: counts from the machine's boot on Linux, so it survives a restart of the process.
    startedAt ??= sinceBoot() - performance.now();
    return startedAt + performance.now();
  },
  get bootId() {
    bootId ??= readBootId();
    return bootId;
  },
  after,
};

/** Something a gateway does again and again beside its sessions: one at a time, later each time it fails, and never silently. */
import type { Cancel, Clock } from '../../base/clock.ts';

export interface Chore {
  /** Why it failed the last time; undefined when it did not. */
  readonly problem: string | undefined;
  /** When it is done next, epoch ms. */
  readonly nextAt: number | undefined;
  /** Does it now, after what is under way. Rejects with what went wrong. */
  now<T>(work: (signal: AbortSignal) => Promise<{ readonly next: number; readonly result: T }>): Promise<T>;
  /** Calls off what waits and what runs. */
  stop(): Promise<void>;
}

export interface ChoreParts {
  readonly clock: Clock;
  /** @returns how long until the next time, ms */
  readonly work: (signal: AbortSignal) => Promise<number>;
  readonly onFailure: (error: unknown, retryMs: number) => void;
}

const FIRST_RETRY = 10_000;
/** A retry, and a look at the clock of the wall, after a machine slept, at the latest. */
const LONGEST = 3_600_000;

/** Begins at once. */
export function startChore({ clock, work, onFailure }: ChoreParts): Chore {
  const over = new AbortController();
  let line: Promise<unknown> = Promise.resolve();
  let cancel: Cancel = () => {};
  let failures = 0;
  let problem: string | undefined;
  let nextAt: number | undefined;

  function schedule(ms: number): void {
    cancel();
    if (over.signal.aborted) return;
    const left = Math.min(LONGEST, Math.max(1_000, ms));
    nextAt = clock.now() + Math.max(1_000, ms);
    cancel = clock.after(left, () => void again());
  }

  function enter<T>(task: () => Promise<{ readonly next: number; readonly result: T }>): Promise<T> {
    const entered = line.then(async () => {
      over.signal.throwIfAborted();
      cancel();
      try {
        const { next, result } = await task();
        failures = 0;
        problem = undefined;
        schedule(next);
        return result;
      } catch (error) {
        if (over.signal.aborted) throw error;
        const retry = Math.min(LONGEST, FIRST_RETRY * 2 ** Math.min(failures++, 20));
        problem = error instanceof Error ? error.message : String(error);
        schedule(retry);
        onFailure(error, retry);
        throw error;
      }
    });
    line = entered.catch(() => {});
    return entered;
  }

  function again(): Promise<unknown> {
    return enter(async () => ({ next: await work(over.signal), result: undefined })).catch(() => {});
  }

  void again();
  return {
    get problem() {
      return problem;
    },
    get nextAt() {
      return nextAt;
    },
    now: (task) => enter(() => task(over.signal)),
    async stop() {
      over.abort();
      cancel();
      await line;
    },
  };
}

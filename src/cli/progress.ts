/**
 * What goes on while something takes time: one line on stderr that erases itself.
 *
 * Only on a terminal, not with --quiet and not with JSON; only after a second, so that what is quick shows nothing; and gone before anything else is
 * printed, which is why the voice of the command line owns it.
 */
import type { Cancel, Clock } from '../base/clock.ts';
import { escapeForDisplay } from '../base/shown.ts';
import { cutToWidth } from '../base/width.ts';
import { amount, grouped, seconds } from './wording.ts';

export interface Progress extends Disposable {
  /** Replaces what was told before; the line is drawn when its time comes. */
  tell(state: ProgressState): void;
  end(): void;
}

export interface ProgressState {
  /** What is being done: `waiting for the gateway`. Escaped here. */
  readonly what?: string;
  readonly rows?: number;
  /** What the rows are called, where they are no rows. */
  readonly unit?: string;
  readonly bytes?: number;
}

export type ProgressLine = ReturnType<typeof createProgressLine>;

const AFTER_MS = 1_000;
const EVERY_MS = 250;
const ERASE = '\r\x1b[2K';

export function createProgressLine(stderr: NodeJS.WriteStream, clock: Clock, enabled: boolean) {
  const under = new Set<{ state: ProgressState; since: number }>();
  let drawn = false;
  let lastSaid = Number.NEGATIVE_INFINITY;
  let paused = 0;
  let cancel: Cancel | undefined;

  function erase(): void {
    if (drawn) stderr.write(ERASE);
    drawn = false;
  }

  function tick(): void {
    cancel = under.size === 0 ? undefined : clock.after(EVERY_MS, tick);
    const now = clock.monotonic();
    // What began last is what is waited for.
    const task = [...under].at(-1);
    if (!task || paused > 0 || now - task.since < AFTER_MS || now - lastSaid < AFTER_MS) return;
    // One column stays free: a full line would wrap, and only half of it could be erased.
    const line = cutToWidth(lineOf(task.state, now - task.since), (stderr.columns || 80) - 1);
    stderr.write(`${ERASE}${line}`);
    drawn = true;
  }

  return {
    start(state: ProgressState): Progress {
      const task = { state, since: clock.monotonic() };
      const end = () => {
        under.delete(task);
        if (under.size > 0) return;
        cancel?.();
        cancel = undefined;
        erase();
      };
      if (enabled) {
        under.add(task);
        cancel ??= clock.after(EVERY_MS, tick);
      }
      return {
        tell: (next) => {
          task.state = { ...task.state, ...next };
        },
        end,
        [Symbol.dispose]: end,
      };
    },
    /** Something else is about to be printed on this terminal. */
    makeRoom(): void {
      if (under.size === 0) return;
      erase();
      lastSaid = clock.monotonic();
    },
    /** While a person is asked, nothing else is drawn. */
    async aside<T>(asking: () => Promise<T>): Promise<T> {
      erase();
      paused += 1;
      try {
        return await asking();
      } finally {
        paused -= 1;
        lastSaid = clock.monotonic();
      }
    },
  };
}

function lineOf({ what, rows, unit = 'rows', bytes }: ProgressState, elapsed: number): string {
  const parts = [
    what === undefined ? undefined : escapeForDisplay(what),
    rows === undefined ? undefined : `${grouped(rows)} ${unit}`,
    bytes === undefined ? undefined : amount(bytes),
    seconds(elapsed),
  ];
  return parts.filter((part) => part !== undefined).join(' · ');
}

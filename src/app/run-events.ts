/** `--events FILE`: what happens during a run, one JSON object a line, for programs that watch over an agent. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { type Clock, timestamp } from '../base/clock.ts';
import { errorTable } from '../base/error.ts';
import { jsonForDisplay } from '../base/shown.ts';
import type { LeaseEnd } from './run-lease.ts';
import type { RunHappening } from './run-open.ts';

const fail = errorTable({
  EVENTS_FILE: { exit: 2, hint: 'give a file that can be written' },
});

/** A line of the file, beside `at`. */
export type LauncherEvent =
  | {
      readonly type: 'ready';
      readonly run: string;
      readonly agent: string;
      readonly targets: readonly string[];
      readonly deadline: string;
    }
  | {
      readonly type: 'run.ended';
      readonly run: string;
      readonly why: LeaseEnd['kind'] | 'finished';
      readonly exit: number;
      readonly reason?: string;
    }
  | Exclude<RunHappening, { type: 'lease' | 'run.ended' }>;

export interface EventsFile {
  write(event: LauncherEvent): void;
  close(): void;
}

/** Written at once, line by line: whoever follows the file may act on it. @throws EVENTS_FILE */
export function openEventsFile(path: string | undefined, clock: Clock): EventsFile {
  if (path === undefined) return { write: () => undefined, close: () => undefined };
  let file: number;
  try {
    file = openSync(path, 'a', 0o600);
  } catch (cause) {
    throw fail('EVENTS_FILE', `${path} cannot be written: ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
  return {
    write(event) {
      try {
        writeSync(file, `${jsonForDisplay({ at: timestamp(clock), ...event })}\n`);
      } catch {
        // A watcher that went away, or a full disk, does not end the agent.
      }
    },
    close: () => closeSync(file),
  };
}

/** Removes recordings that are older than `recordings.keep`, an hour after an hour, and says what it did. */
import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.ts';
import type { GatewayConfig } from '../../config/index.ts';
import type { SessionStore } from '../../domain/store.ts';
import type { LocalRecordings } from '../../record/index.ts';
import { type Chore, startChore } from './chore.ts';

export interface RetentionChoreParts {
  readonly keep: number;
  readonly hold: NonNullable<GatewayConfig['recordings']['hold']>;
  readonly targets: readonly { readonly name: string; readonly labels: Readonly<Record<string, string>> }[];
  readonly recordings: Pick<LocalRecordings, 'retention'>;
  /** Where texts of sessions are found by: theirs go with their recordings. */
  readonly sessions: Pick<SessionStore, 'forgetTexts'>;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

const EVERY_MS = 3_600_000;

export function startRetention({ keep, hold, targets, recordings, sessions, clock, log }: RetentionChoreParts): Chore {
  const retention = recordings.retention(keep, ({ target }) => isHeld(target, hold, targets));
  let told = '';
  return startChore({
    clock,
    async work(signal) {
      const { removed, held, left } = await retention.sweep(signal);
      if (removed.length > 0) {
        const gone = removed.map(({ session }) => session);
        await sessions.forgetTexts(gone);
        log.info({ removed: gone.length, held, sessions: gone.slice(0, 100) }, 'old recordings were removed');
      }
      if (left.length > 0 && left.join() !== told) {
        log.warn(
          { recordings: left.slice(0, 100) },
          'old recordings that are not sealed and whole are kept: look at them',
        );
      }
      told = left.join();
      return EVERY_MS;
    },
    onFailure: (error, retryMs) => log.warn({ err: error, retryMs }, 'old recordings could not be removed'),
  });
}

/** What a hold is about may have gone from gateway.yaml since: then nobody can say that it is not held. */
export function isHeld(
  target: string,
  hold: RetentionChoreParts['hold'],
  targets: RetentionChoreParts['targets'],
): boolean {
  if (hold.length === 0) return false;
  const labels = targets.find(({ name }) => name === target)?.labels;
  return (
    labels === undefined ||
    hold.some(({ labels: wanted }) => Object.entries(wanted).every(([key, value]) => labels[key] === value))
  );
}

/** How often logins may be started by people whom nobody knows yet: each costs the issuer a request and us a place in memory. */
import type { Clock } from '../base/clock.ts';
import { errorTable } from '../base/error.ts';

const fail = errorTable({
  RATE_LIMITED: { exit: 1, hint: 'wait a minute and try again' },
});

const MINUTE = 60_000;

export interface StartLimit {
  /** @throws HoopError RATE_LIMITED */
  take(from: string, pending: number): void;
}

export function createStartLimit(
  clock: Clock,
  {
    perMinute = 60,
    perMinuteFrom = 10,
    pending: mostPending = 200,
  }: { perMinute?: number; perMinuteFrom?: number; pending?: number } = {},
): StartLimit {
  // No longer than `perMinute`: what is refused is not counted.
  let starts: { from: string; at: number }[] = [];
  return {
    take(from, pending) {
      const now = clock.monotonic();
      starts = starts.filter(({ at }) => now - at < MINUTE);
      const own = starts.filter((start) => start.from === from).length;
      if (own >= perMinuteFrom) throw fail('RATE_LIMITED', 'too many logins were started from this address');
      if (starts.length >= perMinute || pending >= mostPending)
        throw fail('RATE_LIMITED', 'too many logins are being started');
      starts.push({ from, at: now });
    },
  };
}

/**
 * A moment on both clocks. How long ago it was is the most that either says: setting the wall clock back gives nobody time, and neither does a machine
 * that sleeps, whose monotonic clock stands still meanwhile (clock_gettime(2), CLOCK_MONOTONIC).
 */
import type { Clock } from '../base/clock.ts';

export interface Moment {
  readonly wall: number;
  readonly monotonic: number;
}

export function momentOf(clock: Clock): Moment {
  return { wall: clock.now(), monotonic: clock.monotonic() };
}

/** ms since then. */
export function since(moment: Moment, clock: Clock): number {
  return Math.max(clock.now() - moment.wall, clock.monotonic() - moment.monotonic);
}

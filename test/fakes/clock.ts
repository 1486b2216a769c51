/** A clock that stands still until the test moves it. */
import type { Cancel, Clock } from '../../src/base/clock.ts';

export class FakeClock implements Clock {
  bootId = 'boot-1';
  #now = Date.parse('2026-11-21T18:00:00.000Z');
  #monotonic = 1_000;
  #timers: { at: number; fn: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  after(ms: number, fn: () => void): Cancel {
    const timer = { at: this.#monotonic + ms, fn };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Moves time forward and fires what falls due, in order. Lets pending promises settle between timers. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    for (;;) {
      const next = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#step(next.at - this.#monotonic);
      this.#timers = this.#timers.filter((timer) => timer !== next);
      next.fn();
      await settled();
    }
    this.#step(end - this.#monotonic);
    await settled();
  }

  /** Sets the wall clock alone, as a person or NTP would. */
  setWall(at: number): void {
    this.#now = at;
  }

  #step(ms: number): void {
    this.#monotonic += ms;
    this.#now += ms;
  }
}

/** Lets every promise that can settle do so. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

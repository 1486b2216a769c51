/** Chance that can be had again: the same seed throws the same numbers (mulberry32, public domain). */

export interface Dice {
  /** 0 … n-1 */
  below(n: number): number;
  pick<T>(list: readonly T[]): T;
  /** Dice of their own for somebody who throws at times of their own. */
  fork(): Dice;
}

export function dice(seed: number): Dice {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n: number) => Math.floor(next() * n);
  return {
    below,
    pick: (list) => list[below(list.length)] as (typeof list)[number],
    fork: () => dice(below(2 ** 32)),
  };
}

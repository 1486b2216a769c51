/** What the bench does with its numbers: medians, spreads, and ratios against a peer measured in the same round. Pure. */

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** One peer's answer in one round. */
export interface Sample {
  readonly value: number;
  /** Microseconds of CPU its processes spent per unit of work, by role (`hoopctl`, `gateway`); the kernel's share within. */
  readonly cpu: Readonly<Record<string, number>>;
  /** Further figures of the same measurement. */
  readonly more: Readonly<Record<string, number>>;
  /** The share of the machine that was busy with something that is not ours, 0 to 1. */
  readonly others: number;
}

/** One round: every peer once, one right after the other. */
export type Round = Readonly<Record<string, Sample>>;

/** The middle one; between two, their mean. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** The value below which this share of them lies (nearest rank). */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * share) - 1))] ?? Number.NaN;
}

/**
 * One peer against another: a ratio per round, then their median. Machines get faster and slower for minutes at a time, but hardly between two
 * measurements of one round; the ratio of two medians would mix rounds.
 */
export function ratio(
  rounds: readonly Round[],
  peer: string,
  against: string,
  of: (sample: Sample) => number = ({ value }) => value,
): Spread | undefined {
  const ratios = rounds.flatMap((round) => {
    const [one, base] = [round[peer], round[against]];
    if (one === undefined || base === undefined) return [];
    const result = of(one) / of(base);
    return Number.isFinite(result) ? [result] : [];
  });
  return ratios.length === 0 ? undefined : spread(ratios);
}

/** All processes of a peer together. */
export function cpuOf(sample: Sample): number {
  return Object.values(sample.cpu).reduce((sum, one) => sum + one, 0);
}

/** A round in which others had more of the machine than this is marked. */
export const NOISY = 0.1;

export function isNoisy(round: Round): boolean {
  return Object.values(round).some(({ others }) => others > NOISY);
}

/** Each round begins with another peer, so that nobody always runs after the same one. */
export function rotated<T>(items: readonly T[], by: number): T[] {
  const at = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}

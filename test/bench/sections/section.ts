/** One part of the bench: what it starts, what it compares, how long that takes. */
import type { Ladder, Ladders } from '../ladder.ts';
import type { Case } from '../rounds.ts';
import type { World } from '../world.ts';

export interface Plan {
  readonly quick: boolean;
  /** How often everything is measured. */
  readonly rounds: number;
  /** How long one run of pgbench lasts, seconds. */
  readonly seconds: number;
  /** The round trip of what stands behind a delay, ms. */
  readonly delay: number;
}

export interface Bench {
  readonly world: World;
  readonly ladders: Ladders;
  readonly plan: Plan;
  readonly signal: AbortSignal;
  /** Measures each of them, round by round. */
  compare(cases: readonly Case[], ladder?: Pick<Ladder, 'peers'>, rounds?: number): Promise<void>;
  /** Lines that stand below the section's table. */
  note(text: string): void;
}

export interface Section {
  readonly name: string;
  readonly title: string;
  /** About how long it takes, seconds. */
  seconds(plan: Plan): number;
  run(bench: Bench): Promise<void>;
}

/** What one run, and one person, may have of this gateway at a time: enough for any honest program, and an end for every other. */
import type { RunKind } from '../domain/run.ts';

export interface RunLimits {
  readonly openSessions: number;
  /** New streams; further ones wait. */
  readonly streamsPerSecond: number;
  /** Streams whose client has not shown the secret yet; further ones wait. */
  readonly atTheDoor: number;
  /** Streams that wait; further ones are cut. */
  readonly inLine: number;
  /** Over all sessions of the run; then the session that asks for more ends. An agent that only collects refusals is probing. */
  readonly refusalsPerMinute: number;
  /** Readers of its event stream: one launcher, and what it left behind on a broken line. */
  readonly listeners: number;
  /** Sessions its summary names: the latest. */
  readonly sessionsNamed: number;
  /** Wrong proofs of sitting at the run's terminal; then nothing is decided there any more. */
  readonly launcherTries: number;
  /** Runs one person has alive at a time. */
  readonly runsPerPerson: number;
  /** How often a launcher says that it lives, ms. */
  readonly heartbeatMs: number;
  /** Unheard for so long it is taken for gone, and its run is suspended. */
  readonly leaseMs: number;
  /** How long a suspended run may be resumed. */
  readonly resumableMs: Readonly<Record<RunKind, number>>;
}

const HOUR = 3_600_000;

export const RUN_LIMITS: RunLimits = {
  openSessions: 2_000,
  streamsPerSecond: 1_000,
  atTheDoor: 32,
  inLine: 5_000,
  refusalsPerMinute: 60,
  listeners: 32,
  sessionsNamed: 1_000,
  launcherTries: 5,
  runsPerPerson: 1_000,
  heartbeatMs: 5_000,
  leaseMs: 15_000,
  resumableMs: { run: HOUR / 4, exec: HOUR / 4, connect: HOUR / 4, tunnel: 12 * HOUR },
};

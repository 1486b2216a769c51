/** What one run, and one person, may have of this gateway at a time: enough for any honest program, and an end for every other. */

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
}

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
};

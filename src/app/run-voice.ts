/** What a run says to the person who started it: before the agent starts, while it runs, and when it is over. */
import type { RunSummary } from '../api/shapes.ts';
import type { HoopError } from '../base/error.ts';
import { type AgentEnvironment, credentialsInDotenv } from '../launcher/index.ts';
import type { Decided } from './run-approvals.ts';
import type { OpenRun, RunHappening } from './run-open.ts';
import { sentence } from './run-sentences.ts';

/** How a run speaks to the person who started it. */
export interface RunVoice {
  notice(text: string): void;
  warn(text: string): void;
  /** While the agent owns the terminal: something waits for a person. */
  bell(): void;
  /** The run is over. */
  summary(summary: RunReport): void;
}

export interface RunReport {
  readonly run: string;
  readonly exit: number;
  readonly targets: readonly string[];
  readonly sessions: readonly { readonly id: string; readonly target: string }[];
  /** Undefined where the gateway could not be asked any more. */
  readonly commands: number | undefined;
  readonly refused: number;
  readonly held: number;
  readonly maskedCells: number | undefined;
  /** What the person decided in this terminal; absent where they decided nothing. */
  readonly decided?: readonly Decided[];
  readonly ended?: HoopError;
}

export function warnOfDotenv(project: string, voice: RunVoice): void {
  const names = credentialsInDotenv(project);
  if (names.length === 0) return;
  voice.warn(
    `.env in ${project} holds what looks like a target's credential (${names.join(', ')}); an agent that loads it goes around the gateway`,
  );
}

const SHOWN_NAMES = 12;

export function tellEnvironment({ notPassed, missing, overruled }: AgentEnvironment, voice: RunVoice): void {
  if (notPassed.length > 0) {
    const more = notPassed.length > SHOWN_NAMES ? ', …' : '';
    const noun = notPassed.length === 1 ? 'variable' : 'variables';
    voice.notice(
      `${notPassed.length} ${noun} not passed: ${notPassed.slice(0, SHOWN_NAMES).join(', ')}${more} (--env NAME)`,
    );
  }
  if (missing.length > 0) voice.notice(`named but not set: ${missing.join(', ')}`);
  if (overruled.length > 0) voice.notice(`set to the tunnel's endpoint instead of your value: ${overruled.join(', ')}`);
}

export function tell(happening: RunHappening, terminal: boolean, voice: RunVoice): void {
  const attention = happening.type === 'held' || happening.type === 'loginRequired';
  if (terminal) {
    if (attention) voice.bell();
    return;
  }
  const text = sentence(happening);
  if (text !== undefined) voice.notice(text);
}

export function reportOf(
  opened: OpenRun,
  summary: RunSummary | undefined,
  exit: number,
  ended: HoopError | undefined,
  decided: readonly Decided[] = [],
): RunReport {
  const { seen } = opened;
  return {
    run: opened.view.id,
    exit,
    targets: opened.doors.map(({ target }) => target.name),
    sessions: summary?.sessions ?? seen.sessions,
    commands: summary?.commands,
    refused: summary?.refused ?? seen.refused,
    held: summary?.held ?? seen.held,
    maskedCells: summary?.maskedCells,
    ...(decided.length === 0 ? {} : { decided }),
    ...(ended === undefined ? {} : { ended }),
  };
}

/**
 * A run whose agent is a script in a terminal: what it prints goes through us, so that a line about the run, and what waits for the person, can stand
 * below it. The drawing is the stage's; what is drawn comes from here.
 */
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { GatewayClient } from '../api/client.ts';
import type { ApprovalView, RunView } from '../api/shapes.ts';
import { type Clock, wait } from '../base/clock.ts';
import { type OutputPipe, openOutputPipe, type RunFolder } from '../launcher/index.ts';
import { type Answer, type Decided, newLauncherKey, type RunApprovals, runApprovals } from './run-approvals.ts';
import type { OpenRun, RunHappening } from './run-open.ts';

/** A terminal, as the command line has it. */
export interface RunStage {
  /** A person is there who can answer, with a login of their own. */
  readonly decides: boolean;
  /** The agent's standard output goes to this same terminal. */
  readonly both: boolean;
  /** Colours may be shown on it. */
  readonly colour: boolean;
  show(play: StagePlay): void;
  /** What waits, or a count, is another. */
  changed(): void;
  /** What the agent printed. Resolves when more may come. */
  write(chunk: Buffer): Promise<void>;
  /** Everything is about to be stopped; at once. */
  suspend(): void;
  resume(): void;
  /** Nothing is asked any more, and the terminal's modes are as they were; at once. */
  over(): void;
  /** Resolves when all is on the screen. */
  close(): Promise<void>;
}

export interface StagePlay {
  readonly run: RunView;
  readonly targets: readonly string[];
  counts(): { readonly commands: number | undefined; readonly held: number; readonly refused: number };
  waiting(): readonly ApprovalView[];
  answer(shown: ApprovalView, answer: Answer): Promise<void>;
}

/** The stage in use for one run. */
export interface Beside {
  readonly stage: RunStage;
  readonly launcherKey: string | undefined;
  readonly pipe: { readonly to: OutputPipe; readonly both: boolean };
  readonly decided: readonly Decided[];
  /** The same client; the count of commands comes with its heartbeats. */
  counting(client: GatewayClient): GatewayClient;
  /** @returns whether the stage shows it, so that no line need tell of it */
  hear(happening: RunHappening): boolean;
  /** The agent runs. */
  begin(opened: OpenRun): void;
  /** It does no more: what it printed is shown to the end. */
  end(): Promise<void>;
}

/** What a process that got away from the run may still hold the output open. */
const LAST_OUTPUT_MS = 1_000;

/** @returns undefined where there is no stage, or no pipe can be had: the agent then has the terminal's outputs itself */
export function standBeside(
  stage: RunStage | undefined,
  folder: RunFolder,
  around: { readonly client: GatewayClient; readonly clock: Clock; say(text: string): void },
): Beside | undefined {
  const to = stage && openOutputPipe(join(folder.path, 'output'));
  if (stage === undefined || to === undefined) return undefined;
  const key = stage.decides ? newLauncherKey() : undefined;
  let commands: number | undefined;
  let approvals: RunApprovals | undefined;
  let printed: Promise<void> = Promise.resolve();
  return {
    stage,
    launcherKey: key?.key,
    pipe: { to, both: stage.both },
    get decided() {
      return approvals?.decided ?? [];
    },
    counting: (client) => ({
      ...client,
      async heartbeat(...args) {
        const beat = await client.heartbeat(...args);
        commands = beat.commands;
        stage.changed();
        return beat;
      },
    }),
    hear(happening) {
      const shown = approvals?.hear(happening) ?? false;
      stage.changed();
      return shown;
    },
    begin(opened) {
      const { view, seen, doors } = opened;
      const onChange = () => stage.changed();
      if (key !== undefined) approvals = runApprovals({ ...around, run: view.id, nonce: key.nonce, onChange });
      stage.show({
        run: view,
        targets: doors.map(({ target }) => target.name),
        counts: () => ({ commands, held: seen.held, refused: seen.refused }),
        waiting: () => approvals?.waiting ?? [],
        answer: async (shown, answer) => approvals?.answer(shown, answer),
      });
      printed = print(to.output, stage);
    },
    async end() {
      stage.over();
      approvals?.close();
      const late = new AbortController();
      await Promise.race([printed, wait(around.clock, LAST_OUTPUT_MS, late.signal).catch(() => undefined)]);
      late.abort();
      to.close();
      await stage.close();
    },
  };
}

/** One chunk after the other: what the terminal has not taken yet is not read from the agent either. */
async function print(output: Readable, stage: RunStage): Promise<void> {
  try {
    for await (const chunk of output) await stage.write(chunk as Buffer);
  } catch {
    // It was closed under us: the run is over.
  }
}

/** The proof that a turn may be forwarded. Only the gate mints one; the relay sends nothing without one. */
import type { Outcome, SessionEvent } from './recording.ts';
import type { Refusal, SubmitOptions } from './refusal.ts';
import type { Ask } from './verdict.ts';

declare const minted: unique symbol;

/** One statement of a permitted turn. */
export interface PermittedCommand {
  readonly id: string;
  readonly meter: Meter;
}

export interface Permit {
  readonly kind: 'permit';
  /** In the order of the submitted turn. */
  readonly commands: readonly PermittedCommand[];
  /**
   * Appends what became of one command, once each: `result` (masked rows) and `outcome`.
   * @param index position in `commands`
   */
  settle(
    index: number,
    outcome: Outcome,
    result?: Omit<Extract<SessionEvent, { type: 'result' }>, 'type' | 'command'>,
  ): void;
  /**
   * Asks people to let more of one command's result flow than a limit allows: it waits for them, as a held command does.
   * Resolves with undefined once the meter has more to give, and with what the client is told where it has not. Absent: every limit cuts.
   * @param index position in `commands`
   */
  more?(index: number, wanted: MoreWanted, options: SubmitOptions): Promise<Refusal | undefined>;
  readonly [minted]: true;
}

/** Rows and bytes left for one statement. Synchronous: called once per chunk, never per row. */
export interface Meter {
  /**
   * Takes from the budgets of the statement and of the run.
   * @returns the limit that is exceeded, or undefined. When exceeded, nothing more of this statement may flow.
   */
  take(rows: number, bytes: number): LimitReached | undefined;
  /** The limit that so much more would exceed; nothing is taken. One that cuts before one that asks people. */
  reached(rows: number, bytes: number): LimitReached | undefined;
  /**
   * Takes from the run's budgets of requests, tokens and spend: all of it, or, where that would exceed one, nothing. Negative amounts give back what a
   * reservation did not need; Infinity is what cannot be told, and exceeds every limit. `spent`: it happened already, and is taken even where that exceeds a budget.
   * @returns the limit that is exceeded, or undefined
   */
  count(uses: Uses, how?: 'reserve' | 'spent'): LimitReached | undefined;
  /** Goes on counting where the meter of an earlier piece of the same result stopped: a portal or cursor read in pieces is one statement. */
  continues?(earlier: Meter): void;
  /** Rows that may still flow under the tightest budget; Infinity without one. */
  readonly rowsLeft: number;
  readonly bytesLeft: number;
}

/** What is counted beside rows and bytes: whole requests and tokens, and money in the currency of a target's prices. */
export type Uses = { readonly [What in Use]?: number };

export type Use = 'requests' | 'tokens' | 'spend';

export interface LimitReached {
  readonly rule: string;
  readonly limit: FlowLimit | UseLimit;
  readonly allowed: number;
  /** People may allow more; absent where the limit cuts. */
  readonly ask?: LimitAsk;
}

/** Limits of what flows back: people may be asked for more of it. */
export type FlowLimit = 'rowsPerStatement' | 'bytesPerStatement' | 'rowsPerRun' | 'bytesPerRun';

/** Limits of what is asked for. */
export type UseLimit = `${Use}PerRun`;

export interface LimitAsk {
  readonly ask: Ask;
  /** Rows or bytes that flow further once people agree. */
  readonly more: number;
}

/** A result that has stopped at a limit in the middle, and what the client has of it so far. */
export interface MoreWanted {
  readonly reached: LimitReached;
  readonly rows: number;
  readonly bytes: number;
}

/** Called by gateway/gate.ts and by nobody else; a test holds that. */
export function mintPermit(parts: Pick<Permit, 'commands' | 'settle' | 'more'>): Permit {
  return { kind: 'permit', ...parts } as Permit;
}

/** The proof that a turn may be forwarded. Only the gate mints one; the relay sends nothing without one. */
import type { Outcome, SessionEvent } from './recording.ts';

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
  readonly [minted]: true;
}

/** Rows and bytes left for one statement. Synchronous: called once per chunk, never per row. */
export interface Meter {
  /**
   * Takes from the budgets of the statement and of the run.
   * @returns the limit that is exceeded, or undefined. When exceeded, nothing more of this statement may flow.
   */
  take(rows: number, bytes: number): LimitReached | undefined;
  /** Rows that may still flow under the tightest budget; Infinity without one. */
  readonly rowsLeft: number;
  readonly bytesLeft: number;
}

export interface LimitReached {
  readonly rule: string;
  readonly limit: 'rowsPerStatement' | 'bytesPerStatement' | 'rowsPerRun' | 'bytesPerRun';
  readonly allowed: number;
}

/** Called by gateway/gate.ts and by nobody else; a test holds that. */
export function mintPermit(parts: Pick<Permit, 'commands' | 'settle'>): Permit {
  return { kind: 'permit', ...parts } as Permit;
}

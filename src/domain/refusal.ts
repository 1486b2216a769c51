/** What a client is told when something does not pass, and how it is kept company while people think. */
import type { RefusalCode } from './command.ts';
import type { SessionEnd } from './end.ts';

/** What the client is told, in its own protocol. The message starts with the code's word. */
export interface Refusal {
  readonly kind: 'refusal';
  readonly code: RefusalCode;
  readonly message: string;
  readonly hint?: string;
  readonly rule?: string;
  /** The approval request's id, with HOOP_HELD. */
  readonly request?: string;
  /** The protocol's own error code, where what could not be read named one. */
  readonly protocolCode?: string;
  /** Where the reason is that the session ended, or cannot begin: how. */
  readonly end?: SessionEnd;
}

export interface SubmitOptions {
  /** Aborted when the client hangs up or asks to cancel while it waits: withdraws the approval request. */
  readonly gone?: AbortSignal;
  /** How long the client wants to wait for people at most, ms: 0 where it comes back for the answer. */
  readonly wait?: number;
  /** Lets the protocol speak while it waits: a NOTICE, a line on stderr. */
  onHold?(held: HoldNotice): void;
  /**
   * What the caller does about `Session.paused`. `pauses`: while it is paused it passes nothing on, either way. `inside`: the command is part of one that
   * does so. Absent: it can not stop what runs, and a command that has to be watched is refused.
   */
  readonly moderation?: 'pauses' | 'inside';
}

export interface HoldNotice {
  readonly request: string;
  readonly link: string;
  readonly rule: string;
  readonly waitMs: number;
  /** It is approved, and waits for somebody who watches: the session to be watched. */
  readonly watch?: string;
  readonly reason?: string;
}

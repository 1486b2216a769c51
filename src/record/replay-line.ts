/** One line of a replay. Text in it comes from outside and may hold anything. */

export interface ReplayLine {
  /** RFC 3339. */
  readonly at: string;
  /** ms since the session was opened. */
  readonly afterMs: number;
  readonly kind:
    | 'opened'
    /** What the client asked for, with the verdict. */
    | 'asked'
    | 'held'
    | 'decided'
    /** What was sent where it differs from what was asked, and the gateway's own statements. */
    | 'sent'
    | 'result'
    /** What a target answered to a request: head, body, trailers. */
    | 'answer'
    | 'outcome'
    /** Sent, and nothing is known about what became of it. */
    | 'unknown'
    /** What a command read or wrote, whole lines where it wrote some. */
    | 'stream'
    /** What came to a terminal or was typed there: bytes, for a player. */
    | 'terminal'
    | 'notice'
    | 'closed';
  readonly command?: string;
  /** Of what was asked. */
  readonly verdict?: 'allow' | 'hold' | 'deny';
  /** A statement of the gateway itself, not of who is in the session. */
  readonly own?: true;
  readonly text: string;
  readonly terminal?: TerminalPiece;
  /** Words beside the text: a verdict, rules, a state, counts. */
  readonly detail?: string;
  /** A result's rows; null is NULL. */
  readonly columns?: readonly string[];
  readonly rows?: readonly (readonly (string | null)[])[];
}

export interface TerminalPiece {
  readonly direction: 'in' | 'out';
  /** As the client saw them; may be none. */
  readonly bytes: Buffer;
  /** The window from now on. */
  readonly size?: { readonly columns: number; readonly rows: number };
}

export type Spoken = Omit<ReplayLine, 'at' | 'afterMs'>;

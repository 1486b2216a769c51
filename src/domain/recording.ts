/** The record of one session: its events, and the port that keeps them. */
import type { Effect, FactValue, RefusalCode, Resource } from './command.ts';
import type { SessionEnd } from './end.ts';
import type { WouldBe } from './verdict.ts';

/** Text as it may be kept: literals aimed at masked columns and the run's secrets struck out. */
export interface RecordedText {
  readonly text: string;
  readonly bytes: number;
  /** SHA-256 of the exact bytes, hex, where nothing was struck; else an HMAC of them under the gateway's own key. */
  readonly sha256?: string;
  readonly hmac?: string;
}

export interface RecordedParameter {
  readonly type: string;
  /** Text, or base64 for binary; null is NULL; absent when struck, and where another event of the command has it. */
  readonly value?: string | null;
  readonly format: 'text' | 'binary';
  readonly struck?: boolean;
  /** Of the whole value, where what is kept is another or its beginning. */
  readonly bytes?: number;
  /** SHA-256 of the whole value's bytes, hex, where its beginning is kept. */
  readonly sha256?: string;
  /** An HMAC of the exact bytes under the gateway's own key, hex, where it is struck, or something of it was replaced. */
  readonly hmac?: string;
  /** `value` is the beginning of it. */
  readonly truncated?: true;
  /** What is kept of the value stands in the command's verdict. */
  readonly sameAs?: 'verdict';
}

/** What a target answered to one request, as it went to the client: masked, and without what the client was not given. */
export interface RecordedReply {
  readonly status: number;
  /** In the order and spelling they had. */
  readonly head: readonly (readonly [name: string, value: string])[];
  /** Text, or base64 where `encoding` says so; its beginning where it is `truncated`; absent where none was kept. */
  readonly body?: string;
  readonly encoding?: 'base64';
  /** Of the whole body. */
  readonly bytes: number;
  readonly truncated?: true;
  readonly trailers?: readonly (readonly [name: string, value: string])[];
  readonly timing?: ReplyTiming;
}

/** Milliseconds. */
export interface ReplyTiming {
  /** Until there was a connection to the target; absent where one was there already. */
  readonly dialMs?: number;
  /** From the request's first byte to the answer's. */
  readonly firstByteMs: number;
  /** From the request's first byte to the answer's last. */
  readonly durationMs: number;
}

/** What a model took, as it said itself. */
export interface RecordedUsage {
  readonly model?: string;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  /** Of the input tokens, those that were read from a cache. */
  readonly cachedTokens?: number;
  /** Names of the tools that the answer calls. */
  readonly tools?: readonly string[];
  /** By the target's `prices`, in their currency. */
  readonly cost?: number;
}

export type OutcomeState = 'completed' | 'failed' | 'notForwarded' | 'cancelled' | 'unknown';

export interface Outcome {
  readonly state: OutcomeState;
  readonly rows?: number;
  readonly bytes?: number;
  readonly maskedCells?: number;
  /** The target's error code (SQLSTATE), or ours. */
  readonly code?: string;
  /** The target's completion word, such as `DELETE 3`. */
  readonly tag?: string;
  /** SSH: the program's exit status, or the signal that ended it. */
  readonly exit?: number | string;
  readonly durationMs: number;
}

/** What verdicts in a session rest on beside the commands and the policy: with these they can be judged again. */
export interface RecordedCircumstances {
  readonly groups: readonly string[];
  /** Those of the token that policy may look at; absent where there is none. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** The target's. */
  readonly labels?: Readonly<Record<string, string>>;
  /** What `--scope` narrowed the run to. */
  readonly narrowed?: Readonly<Record<string, readonly string[]>>;
  /** Columns under a mask in force: `schema.relation.column`. */
  readonly masks?: readonly string[];
}

/** What a session's recording holds, before `seq`, `at` and `prev` are added. Keys are only ever added. */
export type SessionEvent =
  | {
      readonly type: 'session.opened';
      readonly session: string;
      readonly run: string;
      readonly target: string;
      readonly protocol: string;
      readonly account: string;
      readonly principal: { readonly issuer: string; readonly subject: string; readonly name: string };
      readonly agent?: { readonly kind: 'registered' | 'claimed'; readonly name: string };
      readonly via: 'run' | 'person';
      readonly purpose?: string;
      /** W3C traceparent: the span of the run. */
      readonly trace?: string;
      readonly client?: string;
      readonly policy: string;
      readonly circumstances?: RecordedCircumstances;
      readonly gateway: string;
      /** Where lines are sealed: for whom, and the session's key wrapped for them (an age file, base64). */
      readonly encryption?: { readonly scheme: string; readonly recipients: readonly string[]; readonly key: string };
      /** `none` when gateway and agent run under one account. */
      readonly isolation?: 'none';
    }
  | {
      readonly type: 'verdict';
      readonly command: string;
      readonly verdict: 'allow' | 'hold' | 'deny';
      /** Where it is not the whole of the command: `Command.part`. Only what begins to run asks for its approvals. */
      readonly part?: 'prepare' | 'continue';
      readonly text: RecordedText;
      readonly params?: readonly RecordedParameter[];
      readonly effects: readonly Effect[];
      readonly resources: readonly Resource[];
      readonly facts: Readonly<Record<string, FactValue>>;
      readonly rules: readonly string[];
      readonly policy: string;
      /** Where it was not policy that refused: the text could not be read or made safe, or nothing may pass at this moment. */
      readonly code?: RefusalCode;
      readonly reason?: string;
      readonly wouldBe?: readonly WouldBe[];
    }
  | {
      readonly type: 'approval.requested';
      readonly command: string;
      readonly approval: string;
      readonly rule: string;
      readonly digest: string;
    }
  | {
      readonly type: 'approval.decided';
      readonly command: string;
      readonly approval: string;
      readonly decision: 'approved' | 'denied' | 'expired' | 'withdrawn';
      readonly by?: string;
      readonly reason?: string;
      readonly proof?: string;
    }
  | {
      readonly type: 'command';
      readonly command: string;
      readonly by: 'client' | 'gateway';
      readonly part?: 'prepare' | 'continue';
      readonly sent: RecordedText;
      readonly params?: readonly RecordedParameter[];
      readonly effects: readonly Effect[];
      readonly approvals?: readonly string[];
    }
  | {
      readonly type: 'result';
      readonly command: string;
      readonly columns?: readonly string[];
      /** Masked rows, as text, up to a limit. */
      readonly rows?: readonly (readonly (string | null)[])[];
      readonly truncated?: boolean;
      /** SHA-256 over all masked row bytes that went to the client, hex; of a reply, over all of its body. */
      readonly sha256?: string;
      /** Where what came back is an answer rather than rows. */
      readonly reply?: RecordedReply;
      readonly usage?: RecordedUsage;
    }
  | ({ readonly type: 'outcome'; readonly command: string } & Outcome)
  | {
      readonly type: 'stream';
      readonly direction: 'in' | 'out';
      /** Text; base64 where `encoding` says so. Masked as the client saw it. */
      readonly data: string;
      readonly encoding?: 'base64';
      /** A message ends with it; absent where what is said has no messages, or goes on. */
      readonly ends?: true;
      /** The command that it belongs to. */
      readonly command?: string;
      /** `terminal`: a shell's, where output and errors are one. */
      readonly of?: 'stdin' | 'stdout' | 'stderr' | 'terminal';
      /** The terminal's window, at its start and whenever it changes. */
      readonly size?: { readonly columns: number; readonly rows: number };
    }
  | { readonly type: 'notice'; readonly notice: string; readonly [detail: string]: unknown }
  | { readonly type: 'session.closed'; readonly end: SessionEnd };

export type SessionEventType = SessionEvent['type'] | 'checkpoint';

/**
 * How sure the caller must be before it goes on.
 * `intent`: effects other than a pure read (durable under `effects` and `strict`).
 * `read`: a pure read (durable under `strict`, written otherwise).
 * `note`: nothing waits for it; written, made durable with what follows.
 */
export type Weight = 'intent' | 'read' | 'note';

export interface Recorder {
  /** Appends in order. Resolves when the events are as safe as their weight asks. Rejects for good after a first failure. */
  append(events: readonly SessionEvent[], weight: Weight): Promise<void> | undefined;
  /** Seals the recording with `session.closed` and a signed checkpoint. */
  finish(end: SessionEnd): Promise<Checkpoint>;
  /** Aborted with the reason when the recording can no longer be written. */
  readonly failed: AbortSignal;
}

/** The gateway's side of all recordings. */
export interface Recordings {
  open(opened: Extract<SessionEvent, { type: 'session.opened' }>): Promise<Recorder>;
  /** HMAC of struck bytes under the gateway's own key, hex. */
  fingerprint(bytes: Uint8Array): string;
}

/** A signed statement that a recording had `size` events and ended with `root`. */
export interface Checkpoint {
  readonly session: string;
  readonly size: number;
  /** SHA-256 of the last line before the checkpoint, hex. */
  readonly root: string;
  readonly at: string;
  readonly key: string;
  /** Ed25519 over the canonical form of the fields above, base64. */
  readonly signature: string;
}

export type Grade = 'complete' | 'open' | 'crashed' | 'truncated' | 'tampered' | 'missing' | 'expired';

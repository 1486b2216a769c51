/** From a claim at the door to an admitted session: one principal, one target. What a protocol is handed. */
import type { ByteChannel } from '../base/channel.ts';
import type { Eventual } from '../base/eventual.ts';
import type { Secret } from '../base/secret.ts';
import type { Command } from './command.ts';
import type { SessionEnd } from './end.ts';
import type { MaskPlan, TrustedFunction } from './mask.ts';
import type { Permit } from './permit.ts';
import type { AgentIdentity, Principal } from './principal.ts';
import type { SessionEvent } from './recording.ts';
import type { Refusal, SubmitOptions } from './refusal.ts';
import type { Verifier } from './run.ts';
import type { Target } from './target.ts';
import type { Grant } from './verdict.ts';

export type { HoldNotice, Refusal, SubmitOptions } from './refusal.ts';

/** A connection whose stream is authorised by a run token, and whose client has not yet shown the tunnel's secret. */
export interface PendingSession<Settings = unknown> {
  /** The run's verifier for this target. */
  readonly verifier: Verifier;
  readonly target: Target<Settings>;
  /** Aborted when the run ends, the stream is cut, or the time for the login is over. */
  readonly signal: AbortSignal;
  /** Called once, after the client proved the secret. Opens the recording. */
  authorize(claim: Claim): Promise<Session<Settings> | Refusal>;
  /** Registers a cancel key of ours, so that a cancel request on another stream of the same run finds its session. */
  readonly cancels: CancelDesk;
}

/** What the client says at the door. Claimed, never trusted. */
export interface Claim {
  /** The client's own name for itself, such as application_name. */
  readonly client?: string;
}

/** Cancel requests arrive on connections of their own, without a login: the key is the only proof (PostgreSQL, "Canceling Requests in Progress"). */
export interface CancelDesk {
  /** @returns stops answering to this key. Keys are only found by streams of the same run and target. */
  register(key: Uint8Array, cancel: () => void): () => void;
  /** Looks up in constant time; a key that is not known does nothing. */
  request(key: Uint8Array): void;
}

export interface Session<Settings = unknown> {
  readonly id: string;
  readonly run: string;
  readonly principal: Principal;
  readonly agent?: AgentIdentity;
  readonly target: Target<Settings>;
  /** Carries every end of the session; `reason` is a SessionEnd. */
  readonly signal: AbortSignal;
  /** What is in force now. Read it anew for every turn: policy may change. */
  view(): SessionView;
  /** Opens a connection to the target; a further one for an out-of-band cancel. */
  dial(): Promise<ByteChannel>;
  /**
   * By the names the protocol's settings gave.
   * @param refused what the target did not take: asks for another, where there is one
   */
  secret(name: string, refused?: Secret): Promise<Secret>;
  /** When it ends at the latest, epoch ms. */
  deadline?(): number;
  /** Judges, holds if asked to, records, and mints. Nothing reaches the target without what this returns: at once, where nothing is waited for. */
  submit(turn: Turn, options?: SubmitOptions): Eventual<Permit | Refusal>;
  /** Records something that is not a command. */
  note(event: Extract<SessionEvent, { type: 'notice' } | { type: 'stream' }>): void;
  /** Whether nothing may pass either way for now: a moderated command runs, and who has to watch is away. Absent: never. */
  readonly paused?: Pause;
  /** Registers how to cancel the statement in flight at the target when the session is cut. Resolves with what became of it. */
  onCut(cancel: () => Promise<'cancelled' | 'completed' | 'unknown'>): void;
  /** Ends the session from the protocol's side. */
  end(end: SessionEnd): void;
}

export interface Pause {
  readonly now: boolean;
  /** Called with the new state, at once. @returns stops listening */
  onChange(listener: (paused: boolean) => void): () => void;
}

/** The part of policy a protocol needs to read commands by. */
export interface SessionView {
  /** Names this state of policy and grant. Submitting a turn read on an older basis is refused with HOOP_STALE. */
  readonly basis: string;
  readonly grant: Grant;
  readonly masks: MaskPlan;
  readonly trustedFunctions: readonly TrustedFunction[];
}

/** The client's messages up to the point where it waits for the target, judged whole. */
export interface Turn {
  readonly commands: readonly Command[];
  /** `SessionView.basis` under which the commands were read. */
  readonly basis: string;
  /** `gateway` for the gateway's own statements (catalog reads, pinned settings): recorded, not judged. */
  readonly by?: 'client' | 'gateway';
  /** Shortens the wait for approval inside a transaction to the target's `holdInTransaction`. */
  readonly inTransaction?: boolean;
}

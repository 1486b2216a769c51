/** Why a session ends. One AbortSignal per session carries it (`signal.reason`), and each protocol tells its client. */
import { exhaustive } from '../base/exhaustive.ts';

export type SessionEnd =
  | { readonly kind: 'revoked'; readonly revocation?: string; readonly reason?: string }
  | { readonly kind: 'killed'; readonly by: string; readonly reason?: string }
  /** A deadline: `run` (--max, runs.max) or `session` (session.max). */
  | { readonly kind: 'expired'; readonly deadline: 'run' | 'session' }
  | { readonly kind: 'idle' }
  /** A moderated command ran, and whoever had to watch was away for longer than the rule waits. */
  | { readonly kind: 'unwatched'; readonly rule: string; readonly waitedMs: number }
  /** A limit that ends the session, such as too many refusals a minute. */
  | { readonly kind: 'limit'; readonly limit: string }
  /** The launcher's lease lapsed or its login ran out: the run is suspended and may come back. */
  | { readonly kind: 'suspended'; readonly cause: 'lease' | 'login' }
  | { readonly kind: 'runEnded' }
  /** A new policy no longer grants it, or would judge a running stream otherwise. */
  | { readonly kind: 'policyChanged' }
  /** What was watched for came: a line typed in a shell that a rule denies. `message` is the refusal's, with its word. */
  | { readonly kind: 'denied'; readonly message: string }
  | { readonly kind: 'clientGone' }
  | { readonly kind: 'targetGone'; readonly message: string }
  /** The client or the target broke the protocol. */
  | { readonly kind: 'protocolError'; readonly side: 'client' | 'target'; readonly message: string }
  | { readonly kind: 'recorderFailed' }
  | { readonly kind: 'unconfirmed' }
  | { readonly kind: 'shutdown' }
  /** The gateway died; written by the next one, which closed the recording in its place. */
  | { readonly kind: 'crashed' }
  | { readonly kind: 'closed' };

/** What the client is told. The protocol adds its own codes. */
export function describeEnd(end: SessionEnd): string {
  switch (end.kind) {
    case 'revoked':
      return `HOOP_REVOKED: access was revoked${end.reason ? `: ${end.reason}` : ''}`;
    case 'killed':
      return `HOOP_REVOKED: this session was ended by ${end.by}${end.reason ? `: ${end.reason}` : ''}`;
    case 'expired':
      return `HOOP_LIMIT: the ${end.deadline}'s time is over`;
    case 'idle':
      return 'HOOP_LIMIT: this session was idle too long';
    case 'unwatched':
      return `HOOP_HELD: rule "${end.rule}" has this watched, and nobody watched for ${Math.round(end.waitedMs / 1000)} s`;
    case 'limit':
      return `HOOP_LIMIT: ${end.limit}`;
    case 'suspended':
      return end.cause === 'lease'
        ? 'the launcher lost touch with the gateway; the run is suspended'
        : 'the login ran out; run: hoopctl login';
    case 'runEnded':
      return 'the run has ended';
    case 'policyChanged':
      return 'HOOP_DENIED: the policy changed and no longer grants this';
    case 'denied':
      return end.message;
    case 'clientGone':
      return 'the client went away';
    case 'targetGone':
      return `the target went away: ${end.message}`;
    case 'protocolError':
      return `the ${end.side} broke the protocol: ${end.message}`;
    case 'recorderFailed':
      return 'HOOP_UNAVAILABLE: the recording cannot be written, so nothing is forwarded';
    case 'unconfirmed':
      return 'HOOP_UNAVAILABLE: this gateway cannot confirm that access still stands';
    case 'shutdown':
      return 'the gateway is shutting down';
    case 'crashed':
      return 'the gateway stopped without closing this session';
    case 'closed':
      return 'the session is closed';
    default:
      return exhaustive(end);
  }
}

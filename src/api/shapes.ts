/** The JSON that crosses the gateway's HTTP API. Types only: the CLI imports them for free; `schemas.ts` checks them on the way in. */
import type { ApprovalState } from '../domain/approval.ts';
import type { Effect, Resource } from '../domain/command.ts';
import type { SessionEnd } from '../domain/end.ts';
import type { RunKind, RunState, Verifier } from '../domain/run.ts';

/** Every error: HTTP status plus this. `exit` is what the CLI exits with. */
export interface ApiErrorBody {
  error: { code: string; message: string; hint?: string; exit?: number };
}

/** GET /v1/config: what a CLI needs before it has a token. */
export interface ConfigView {
  gateway: string;
  version: string;
  publicUrl: string;
  local: boolean;
  issuers: { issuer: string; clientId: string; scopes: string[]; audience: string; use: 'accessToken' | 'idToken' }[];
  /** The evidence key, for pinning at first login: PEM (SPKI, Ed25519). */
  evidenceKey: { id: string; pem: string };
  /** Keys of the witnesses that sign heads of the log of sessions (c2sp.org/signed-note). */
  witnesses?: string[];
}

/** GET /v1/me */
export interface MeView {
  issuer: string;
  subject: string;
  name: string;
  groups: string[];
  roles: ('admin' | 'auditor')[];
  local: boolean;
  isolation?: 'none';
  expiresAt?: string;
}

/** GET /v1/health: how the gateway is, for `doctor`. What names rules, files and disks is for roles alone. */
export interface HealthView {
  version: string;
  /** Whether it records and lets commands through now. */
  ok: boolean;
  /** What keeps it from that; empty without the role admin or auditor. */
  problems: string[];
  policy: {
    /** `lastGood`: the files as they are now do not load, and the policy before them stays in force. */
    state: 'inForce' | 'lastGood';
    digest: string;
    /** Why they do not load; with the role admin or auditor. */
    problem?: string;
  };
  /** Targets whose account may be more than it should (`requireLeastPrivilege: false`), of those the caller sees. */
  leastPrivilegeOff: string[];
  /** Accounts the gateway looks after, of targets the caller sees; absent from an older gateway. */
  accounts?: AccountView[];
}

/** An account whose password the gateway changes, or that it makes for each session. */
export interface AccountView {
  target: string;
  account: string;
  kind: 'rotate' | 'dynamic';
  state: 'ok' | 'failing';
  /** When its password was changed last. */
  changedAt?: string;
  nextAt?: string;
  /** What goes wrong; with the role admin or auditor. */
  problem?: string;
}

/** POST /v1/targets/:name/rotate */
export interface RotatedView {
  target: string;
  account: string;
  changedAt: string;
  nextAt: string;
}

/** POST /v1/targets/:name/refresh */
export interface RefreshedView {
  target: string;
  /** Open ones, which read the catalog anew before their next statement. */
  sessions: number;
}

/** GET /v1/targets */
export interface TargetView {
  name: string;
  protocol: string;
  effects: Effect[];
  labels: Record<string, string>;
  /** Postgres: the database clients name. */
  database?: string;
  /** What a client has to know of the gateway's end beforehand, by the protocol's own names. SSH: `hostKey`. */
  shown?: Record<string, string>;
  scope?: Record<string, string[]>;
}

/** POST /v1/runs (user token) */
export interface RunRequest {
  kind: RunKind;
  agent?: string;
  purpose?: string;
  /** Verifiers of the per-target secrets; the secrets themselves never travel. */
  targets: { name: string; verifier: Verifier }[];
  /** KEY=VALUE narrowing, such as schema. */
  scope?: Record<string, string[]>;
  /** ms */
  max?: number;
  /** ms; replaces a rule's `wait`, at most `within`. */
  wait?: number;
  /** SHA-256, base64url, of 256 random bits that only the launching process has: with them it decides what a rule with `proof: launcher` holds. */
  launcherKey?: string;
  /** W3C traceparent: the run's span. Sessions and their spans hang below it. */
  trace?: string;
}

export interface RunView {
  id: string;
  kind: RunKind;
  state: RunState;
  principal: string;
  agent: string;
  agentKind: 'registered' | 'claimed' | 'none';
  purpose?: string;
  targets: TargetView[];
  startedAt: string;
  deadline: string;
}

export interface RunCreated {
  run: RunView;
  /** 256 random bits, base64url. Opens this run's tunnels, stream, heartbeat and end; nothing else. */
  token: string;
  heartbeatMs: number;
  leaseMs: number;
}

/** POST /v1/runs/:id/heartbeat (run token) */
export interface HeartbeatView {
  /** When the lease would lapse. */
  until: string;
  /** Commands that were let through so far. */
  commands?: number;
}

/** POST /v1/runs/:id/end (run token): what the summary shows. */
export interface RunSummary {
  run: string;
  sessions: { id: string; target: string }[];
  commands: number;
  refused: number;
  held: number;
  maskedCells: number;
}

/** GET /v1/runs/:id/stream (run token): SSE, one of these per `data:` line, `event:` is `type`. */
export type RunEvent =
  | { type: 'lease'; until: string }
  | { type: 'session.opened'; session: string; target: string }
  | { type: 'session.closed'; session: string; target: string; end: SessionEnd }
  | {
      type: 'held';
      approval: string;
      link: string;
      rule: string;
      session: string;
      target: string;
      within: number;
      wait: number;
      /** The launcher decides it, with `launcherProof`. */
      decide?: 'launcher';
    }
  | {
      type: 'decided';
      approval: string;
      decision: 'approved' | 'denied' | 'expired' | 'withdrawn';
      by?: string;
      reason?: string;
    }
  | { type: 'refused'; session: string; target: string; code: string; rule?: string; message: string }
  | { type: 'loginRequired'; by: string }
  | { type: 'run.ended'; state: RunState; reason?: string; exit?: number };

/** GET /v1/approvals, /v1/approvals/:id, items of /v1/approvals/stream (SSE). Text is exact: whoever shows it escapes it. */
export interface ApprovalView {
  id: string;
  state: ApprovalState;
  rule: string;
  digest: string;
  run: string;
  session: string;
  target: string;
  protocol: string;
  account: string;
  requester: string;
  agent?: { kind: 'registered' | 'claimed'; name: string };
  purpose?: string;
  client?: string;
  text: string;
  bytes: number;
  sent?: string;
  /** `statement`, from 1, where there are several: each counts its parameters anew. */
  parameters?: { type: string; text: string | null; statement?: number }[];
  effects: Effect[];
  resources: Resource[];
  /** What approving it takes: a sign-in made for it, any login, or a key press in the terminal that launched the run. */
  proof: 'fresh' | 'login' | 'launcher';
  reason?: string;
  self: boolean;
  /** Approved, it runs only while somebody who may approve it follows its session. */
  moderated?: true;
  /** Whether the caller may decide it. */
  mayDecide: boolean;
  requestedAt: string;
  expiresAt: string;
  decidedAt?: string;
  decidedBy?: string;
  decisionReason?: string;
  link: string;
}

/** POST /v1/approvals/:id/decision (approval token; user token where the rule says `proof: login`, or with `launcherProof` where it says `launcher`) */
export interface DecisionRequest {
  decision: 'approve' | 'deny';
  reason?: string;
  /** What the approver saw; refused when the request differs. */
  digest: string;
  /** The bits whose hash was the run's `launcherKey`, base64url. Counts with the launcher's own login, where the rule says `proof: launcher`. */
  launcherProof?: string;
}

/** POST /v1/approval-logins: the gateway starts a device login for one request and keeps the device code. */
export interface ApprovalLoginStarted {
  id: string;
  verificationUri: string;
  verificationUriComplete?: string;
  userCode: string;
  expiresIn: number;
  interval: number;
}

/** POST /v1/approval-logins/:id/poll */
export type ApprovalLoginState =
  | { state: 'pending'; interval: number }
  | { state: 'done'; token: string; name: string; expiresIn: number }
  | { state: 'failed'; code: string; message: string };

/** GET /v1/sessions */
export interface SessionView {
  id: string;
  run: string;
  target: string;
  protocol: string;
  account: string;
  principal: string;
  agent?: { kind: 'registered' | 'claimed'; name: string };
  via: 'run' | 'person';
  purpose?: string;
  client?: string;
  state: 'live' | 'closed';
  /** It runs what is watched, or asked for that, and the caller is one who may watch: following it counts. */
  moderated?: true;
  openedAt: string;
  closedAt?: string;
  end?: SessionEnd;
  commands: number;
  refused: number;
  held: number;
  rows: number;
  maskedCells: number;
  wouldBe: number;
  /** Full names, as far as they are indexed; only where they were asked for. */
  tables?: string[];
}

/** POST /v1/sessions/reindex: one a line, the last one `done`. */
export interface ReindexView {
  /** Recordings that were read so far, and how many there are. */
  read: number;
  of: number;
  /** Sessions that were not in the list. */
  restored: number;
  /** Recordings that could not be read, by session; at the end. */
  unreadable: string[];
  /** Listed sessions whose recording is not there any more. */
  gone: number;
  done: boolean;
}

/** GET /v1/agents[/:name] */
export interface AgentView {
  name: string;
  kind: 'registered' | 'claimed';
  owners?: { users?: string[]; groups?: string[] };
  targets?: string[];
  runs: number;
  live: number;
  lastRunAt?: string;
  revoked: boolean;
}

/** GET /v1/people[/:who] */
export interface PersonView {
  name: string;
  issuer: string;
  subject: string;
  groups: string[];
  lastSeenAt?: string;
  live: number;
  agents: string[];
  revoked: boolean;
}

export type RevocationScope =
  | { kind: 'user'; who: string }
  | { kind: 'agent'; name: string }
  | { kind: 'run'; id: string }
  | { kind: 'session'; id: string }
  | { kind: 'all' };

/** POST /v1/revocations */
export interface RevocationRequest {
  scope: RevocationScope;
  reason?: string;
  /** RFC 3339; a revocation without it lasts until it is lifted. */
  until?: string;
  dryRun?: boolean;
}

export interface RevocationView {
  id: string;
  scope: RevocationScope;
  reason?: string;
  by: string;
  at: string;
  until?: string;
  liftedAt?: string;
  liftedBy?: string;
  liftReason?: string;
}

/** What was cut, when, and what became of the statements in flight. */
export interface RevocationReceipt {
  revocation: RevocationView;
  receivedAt: string;
  finishedAt: string;
  gateways: { id: string; state: 'confirmed' | 'unconfirmed' }[];
  runs: string[];
  sessions: {
    id: string;
    run: string;
    target: string;
    cutAt: string;
    inFlight: { command: string; state: 'cancelled' | 'completed' | 'unknown' }[];
  }[];
  approvalsWithdrawn: string[];
}

/** POST /v1/policy/explain */
export interface ExplainRequest {
  target: string;
  text: string;
  as?: string;
  groups?: string[];
  agent?: string;
  via?: 'run' | 'person';
}

export interface ExplainView {
  verdict: 'allow' | 'hold' | 'deny';
  rules: string[];
  reason?: string;
  hint?: string;
  statements: {
    text: string;
    effects: Effect[];
    resources: Resource[];
    facts: Record<string, unknown>;
    verdict: 'allow' | 'hold' | 'deny';
    rules: string[];
    reason?: string;
    /** Rules that have it watched while it runs. */
    moderated?: string[];
    rewritten?: string;
    masked?: string[];
  }[];
}

/** What the HTTP API needs from the gateway. The app wires it; tests fake it. */
import type { ServerHttp2Stream } from 'node:http2';
import type { Principal } from '../domain/principal.ts';
import type { Presence } from './presence.ts';
import type {
  AgentView,
  ApprovalLoginStarted,
  ApprovalLoginState,
  ApprovalView,
  ConfigView,
  DecisionRequest,
  ExplainRequest,
  ExplainView,
  HealthView,
  HeartbeatView,
  MeView,
  PersonView,
  RefreshedView,
  RevocationReceipt,
  RevocationRequest,
  RevocationView,
  RotatedView,
  RunCreated,
  RunEvent,
  RunRequest,
  RunSummary,
  RunView,
  SessionView,
  TargetView,
} from './shapes.ts';

/** Whoever a token stands for. The kinds never stand in for one another. */
export type Caller = UserCaller | RunCaller | ApprovalCaller;

export interface UserCaller {
  readonly kind: 'user';
  readonly principal: Principal;
  /** Epoch ms at which the token was issued. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly roles: readonly ('admin' | 'auditor')[];
}

/** A run's token: its own tunnels, stream, heartbeat and end. Nothing else. */
export interface RunCaller {
  readonly kind: 'run';
  readonly run: string;
}

/** A login made for one approval request. */
export interface ApprovalCaller {
  readonly kind: 'approval';
  readonly principal: Principal;
  readonly token: string;
}

export type Authentication =
  | { readonly ok: true; readonly caller: Caller }
  | {
      readonly ok: false;
      readonly code: string;
      readonly message: string;
      readonly hint?: string;
      readonly exit?: number;
    };

export interface SessionFilter {
  /** Name, subject, or ISSUER#SUBJECT. */
  readonly user?: string;
  /** Opened then or later, and before; epoch ms. */
  readonly since?: number;
  readonly until?: number;
  /** With a command of any of these verdicts. */
  readonly verdicts?: readonly ('allowed' | 'held' | 'denied')[];
  readonly table?: string;
  /** What occurs in a statement. */
  readonly text?: string;
  /** Those of which the index does not hold everything that was said. */
  readonly partlyIndexed?: boolean;
  /** The id of the last session of the page before. */
  readonly after?: string;
  readonly run?: string;
  readonly target?: string;
  readonly agent?: string;
  readonly live?: boolean;
  readonly wouldBe?: boolean;
  readonly limit?: number;
  /** Not a filter: each row comes with the tables it touched. */
  readonly withTables?: boolean;
}

export interface Services {
  authenticate(token: string): Promise<Authentication>;
  config(): ConfigView;
  me(caller: UserCaller): MeView;
  targets(caller: UserCaller): readonly TargetView[];
  /** Admins alone, as `rotateTarget`. */
  refreshTarget(caller: UserCaller, name: string): RefreshedView;
  rotateTarget(caller: UserCaller, name: string): Promise<RotatedView>;

  startRun(caller: UserCaller, request: RunRequest): Promise<RunCreated>;
  renewRun(caller: UserCaller, id: string): Promise<RunView>;
  resumeRun(caller: UserCaller, id: string): Promise<RunView>;
  /** @returns stops the events */
  runEvents(run: string, listener: (event: RunEvent) => void): () => void;
  heartbeat(run: string): HeartbeatView;
  endRun(run: string, reason: string | undefined): Promise<RunSummary>;
  /** Takes the stream over, or says why not. Unknown and forbidden targets read alike. */
  openTunnel(run: string, target: string, stream: ServerHttp2Stream): 'opened' | 'unknown';

  approvals(caller: UserCaller, states: readonly string[] | undefined): Promise<readonly ApprovalView[]>;
  approval(caller: UserCaller | ApprovalCaller, id: string): Promise<ApprovalView | undefined>;
  /**
   * @param end called when the caller may not hear more: revoked, or known for too long by an old token
   * @returns stops the changes
   */
  approvalChanges(caller: UserCaller, listener: (approval: ApprovalView) => void, end: () => void): () => void;
  decide(caller: UserCaller | ApprovalCaller, id: string, decision: DecisionRequest): Promise<ApprovalView>;
  startApprovalLogin(approval: string, from: string): Promise<ApprovalLoginStarted>;
  pollApprovalLogin(id: string): Promise<ApprovalLoginState>;

  sessions(caller: UserCaller, filter: SessionFilter): Promise<readonly SessionView[]>;
  session(caller: UserCaller, id: string): Promise<SessionView | undefined>;
  /** Admins alone. JSON, one object a line, until it is done. */
  reindexSessions(caller: UserCaller): Promise<AsyncIterable<string>>;
  /** The recording's lines as they are on disk, without their newlines. */
  sessionEvents(caller: UserCaller, id: string): Promise<AsyncIterable<string> | undefined>;
  /** The same from one line on, or from the last there is, and what is still written; an empty one now and then while nothing is. */
  sessionTail(
    caller: UserCaller,
    id: string,
    from: number | 'last',
    /** Who follows counts as watching, where something has to be watched. Absent: they do not. */
    presence?: Presence,
  ): Promise<AsyncIterable<string> | undefined>;
  /** A file of the log of sessions by its name: `checkpoint`, `witnessed`, `tile/…`. */
  auditFile(caller: UserCaller, name: string): Promise<Uint8Array | undefined>;
  killSession(
    caller: UserCaller,
    id: string,
    reason: string | undefined,
  ): Promise<RevocationReceipt['sessions'][number]>;

  agents(caller: UserCaller): Promise<readonly AgentView[]>;
  people(caller: UserCaller): Promise<readonly PersonView[]>;

  revoke(caller: UserCaller, request: RevocationRequest): Promise<RevocationReceipt>;
  revocations(caller: UserCaller): Promise<readonly RevocationView[]>;
  lift(caller: UserCaller, id: string, reason: string): Promise<RevocationView>;

  explain(caller: UserCaller, request: ExplainRequest): Promise<ExplainView>;
  health(caller: UserCaller): Promise<HealthView>;
}

/** The typed client for the gateway's HTTP API: what the command line and the launcher speak to a gateway with. */
import { createHttp2Link, type Http2Link, type Http2LinkOptions } from '../base/http2-link.ts';
import type { Token } from '../base/secret.ts';
import { type Call, createTransport } from './client-transport.ts';
import type {
  AgentView,
  ApprovalLoginStarted,
  ApprovalLoginState,
  ApprovalView,
  ConfigView,
  DecisionRequest,
  ExplainRequest,
  ExplainView,
  MeView,
  PersonView,
  RevocationReceipt,
  RevocationRequest,
  RevocationView,
  RunCreated,
  RunEvent,
  RunRequest,
  RunSummary,
  RunView,
  SessionView,
  TargetView,
} from './shapes.ts';

export interface GatewayClientOptions extends Partial<Http2LinkOptions> {
  /** An open link to share (its owner closes it), instead of `url`, `ca`, `env` and `clock`. */
  readonly link?: Http2Link;
  /** The user's token, asked for at each call, so that a fresh one is used. Without it only what needs no token works. */
  readonly token?: (() => Promise<string>) | undefined;
}

export interface SessionQuery {
  readonly run?: string;
  readonly target?: string;
  readonly agent?: string;
  readonly live?: boolean;
  readonly wouldBe?: boolean;
  readonly limit?: number;
}

/** One run, held by its own token. */
export interface RunHandle {
  readonly id: string;
  readonly token: Token;
}

/**
 * Every method throws HoopError: the gateway's own (`ApiErrorBody`), exit 3 where the token is missing or not accepted, exit 6 where the gateway cannot
 * be reached. Streams end quietly when their signal aborts or the gateway ends them, and throw (exit 6) when they are cut.
 */
export type GatewayClient = ReturnType<typeof createGatewayClient>;

export function createGatewayClient(options: GatewayClientOptions) {
  const link = options.link ?? createHttp2Link({ ...options, url: options.url ?? '' });
  const { call, events, lines } = createTransport(link, options.token);
  const get = <T>(path: string): Promise<T> => call<T>({ method: 'GET', path });
  const post = <T>(path: string, body?: unknown, more: Partial<Call> = {}): Promise<T> =>
    call<T>({ method: 'POST', path, body, ...more });

  return {
    /** The link underneath, for tunnels to share. */
    link,
    /** Closes the connection, unless it was given. */
    close: () => (options.link === undefined ? link.close() : undefined),

    config: () => call<ConfigView>({ method: 'GET', path: '/v1/config', as: 'nobody' }),
    me: () => get<MeView>('/v1/me'),

    targets: () => get<TargetView[]>('/v1/targets'),
    refreshTarget: (name: string) => post<TargetView>(`/v1/targets/${part(name)}/refresh`),
    rotateTarget: (name: string) => post<TargetView>(`/v1/targets/${part(name)}/rotate`),

    startRun: (request: RunRequest) => post<RunCreated>('/v1/runs', request),
    renewRun: (id: string) => post<RunView>(`/v1/runs/${part(id)}/renew`),
    /** Renews, and brings a suspended run back. Harmless while it lives. */
    resumeRun: (id: string) => post<RunView>(`/v1/runs/${part(id)}/resume`),
    runEvents: (run: RunHandle, signal?: AbortSignal) =>
      events<RunEvent>({ method: 'GET', path: `/v1/runs/${part(run.id)}/stream`, as: run.token, signal }),
    /** Keeps the lease; `until` is when it would lapse. */
    heartbeat: (run: RunHandle, signal?: AbortSignal) =>
      post<{ until: string }>(`/v1/runs/${part(run.id)}/heartbeat`, undefined, { as: run.token, signal }),
    endRun: (run: RunHandle, reason?: string) =>
      post<RunSummary>(`/v1/runs/${part(run.id)}/end`, reason === undefined ? {} : { reason }, { as: run.token }),

    approvals: (states: readonly ApprovalView['state'][] = []) =>
      get<ApprovalView[]>(`/v1/approvals${query({ state: states.length > 0 ? states.join(',') : undefined })}`),
    /** @param as an approval token, instead of the user's */
    approval: (id: string, as?: Token) => call<ApprovalView>({ method: 'GET', path: `/v1/approvals/${part(id)}`, as }),
    approvalChanges: (signal?: AbortSignal) =>
      events<ApprovalView>({ method: 'GET', path: '/v1/approvals/stream', signal }),
    /** @param as an approval token; the user's own only where the rule says `proof: login` */
    decide: (id: string, decision: DecisionRequest, as?: Token) =>
      post<ApprovalView>(`/v1/approvals/${part(id)}/decision`, decision, { as }),
    startApprovalLogin: (approval: string) =>
      post<ApprovalLoginStarted>('/v1/approval-logins', { approval }, { as: 'nobody' }),
    pollApprovalLogin: (id: string, signal?: AbortSignal) =>
      post<ApprovalLoginState>(`/v1/approval-logins/${part(id)}/poll`, undefined, { as: 'nobody', signal }),

    sessions: (filter: SessionQuery = {}) => get<SessionView[]>(`/v1/sessions${query(filter)}`),
    session: (id: string) => get<SessionView>(`/v1/sessions/${part(id)}`),
    /** The recording's lines exactly as they are kept: what is hashed is the line. */
    sessionEvents: (id: string, signal?: AbortSignal) =>
      lines({ method: 'GET', path: `/v1/sessions/${part(id)}/events`, signal }),
    killSession: (id: string, reason?: string) =>
      post<RevocationReceipt['sessions'][number]>(
        `/v1/sessions/${part(id)}/kill`,
        reason === undefined ? {} : { reason },
      ),

    agents: () => get<AgentView[]>('/v1/agents'),
    // A claimed agent's name holds a slash, `dana@example.test/report`, and the route takes it as it is.
    agent: (name: string) => get<AgentView>(`/v1/agents/${name.split('/').map(part).join('/')}`),
    people: () => get<PersonView[]>('/v1/people'),
    person: (who: string) => get<PersonView>(`/v1/people/${part(who)}`),

    revocations: () => get<RevocationView[]>('/v1/revocations'),
    /** Waits until every live gateway has answered or is named unconfirmed. */
    revoke: (request: RevocationRequest) => post<RevocationReceipt>('/v1/revocations', request),
    liftRevocation: (id: string, reason: string) =>
      call<RevocationView>({ method: 'DELETE', path: `/v1/revocations/${part(id)}`, body: { reason } }),

    explain: (request: ExplainRequest) => post<ExplainView>('/v1/policy/explain', request),

    auditCheckpoint: () => call<string>({ method: 'GET', path: '/v1/audit/checkpoint', answer: 'text' }),
    auditTile: (path: string) =>
      call<Buffer>({ method: 'GET', path: `/v1/audit/tile/${path.split('/').map(part).join('/')}`, answer: 'bytes' }),
  };
}

const part = encodeURIComponent;

function query(values: object): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== undefined) params.set(name, String(value));
  return params.size === 0 ? '' : `?${params}`;
}

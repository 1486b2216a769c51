/** The typed client for the gateway's HTTP API: what the command line and the launcher speak to a gateway with. */
import { createHttp2Link, type Http2Link, type Http2LinkOptions, type OneConnection } from '../base/http2-link.ts';
import type { Token } from '../base/secret.ts';
import { createTransport } from './client-transport.ts';
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
  ReindexView,
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

export interface GatewayClientOptions extends Partial<Http2LinkOptions> {
  /** An open link to share (its owner closes it), instead of `url`, `ca`, `env` and `clock`. */
  readonly link?: Http2Link;
  /** The user's token, asked for at each call, so that a fresh one is used. Without it only what needs no token works. */
  readonly token?: ((signal?: AbortSignal) => Promise<string | Token>) | undefined;
}

export interface SessionQuery {
  readonly user?: string;
  /** RFC 3339. */
  readonly since?: string;
  readonly until?: string;
  /** `allowed`, `held`, `denied`, with commas between. */
  readonly verdict?: string;
  readonly table?: string;
  readonly text?: string;
  readonly partlyIndexed?: boolean;
  /** The id of the last session of the page before. */
  readonly after?: string;
  readonly run?: string;
  readonly target?: string;
  readonly agent?: string;
  readonly live?: boolean;
  readonly wouldBe?: boolean;
  readonly limit?: number;
  /** Each comes with the tables it touched. */
  readonly withTables?: boolean;
}

/** How an approval is asked for or decided. */
export interface ApprovalCall {
  /** An approval token; without it the user's own, which decides only where the rule says `proof: login`. */
  readonly token?: Token;
  readonly signal?: AbortSignal;
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
  const get = <T>(path: string, signal?: AbortSignal): Promise<T> => call<T>({ method: 'GET', path, signal });
  const post = <T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> =>
    call<T>({ method: 'POST', path, body, signal });

  return {
    /** The link underneath, for tunnels to share. */
    link,
    /** Closes the connection, unless it was given. */
    close: () => (options.link === undefined ? link.close() : undefined),

    config: (signal?: AbortSignal) => call<ConfigView>({ method: 'GET', path: '/v1/config', as: 'nobody', signal }),
    me: (signal?: AbortSignal) => get<MeView>('/v1/me', signal),
    health: (signal?: AbortSignal) => get<HealthView>('/v1/health', signal),

    targets: (signal?: AbortSignal) => get<TargetView[]>('/v1/targets', signal),
    refreshTarget: (name: string, signal?: AbortSignal) =>
      post<RefreshedView>(`/v1/targets/${part(name)}/refresh`, undefined, signal),
    rotateTarget: (name: string, signal?: AbortSignal) =>
      post<RotatedView>(`/v1/targets/${part(name)}/rotate`, undefined, signal),

    startRun: (request: RunRequest, signal?: AbortSignal) => post<RunCreated>('/v1/runs', request, signal),
    renewRun: (id: string, signal?: AbortSignal) => post<RunView>(`/v1/runs/${part(id)}/renew`, undefined, signal),
    /** Renews, and brings a suspended run back. Harmless while it lives. */
    resumeRun: (id: string, signal?: AbortSignal) => post<RunView>(`/v1/runs/${part(id)}/resume`, undefined, signal),
    runEvents: (run: RunHandle, signal?: AbortSignal) =>
      events<RunEvent>({ method: 'GET', path: `/v1/runs/${part(run.id)}/stream`, as: run.token, signal }),
    /** Keeps the lease. */
    heartbeat: (run: RunHandle, signal?: AbortSignal) =>
      call<HeartbeatView>({ method: 'POST', path: `/v1/runs/${part(run.id)}/heartbeat`, as: run.token, signal }),
    endRun: (run: RunHandle, reason?: string, signal?: AbortSignal) =>
      call<RunSummary>({
        method: 'POST',
        path: `/v1/runs/${part(run.id)}/end`,
        body: reason === undefined ? {} : { reason },
        as: run.token,
        signal,
      }),

    approvals: (filter: { state?: ApprovalView['state'] } = {}, signal?: AbortSignal) =>
      get<ApprovalView[]>(`/v1/approvals${query(filter)}`, signal),
    approvalStream: (signal?: AbortSignal) =>
      events<ApprovalView>({ method: 'GET', path: '/v1/approvals/stream', signal }),
    approval: (id: string, how: ApprovalCall = {}) =>
      call<ApprovalView>({ method: 'GET', path: `/v1/approvals/${part(id)}`, as: how.token, signal: how.signal }),
    decide: (id: string, body: DecisionRequest, how: ApprovalCall = {}) =>
      call<ApprovalView>({
        method: 'POST',
        path: `/v1/approvals/${part(id)}/decision`,
        body,
        as: how.token,
        signal: how.signal,
      }),
    startApprovalLogin: (approval: string, signal?: AbortSignal) =>
      call<ApprovalLoginStarted>({
        method: 'POST',
        path: '/v1/approval-logins',
        body: { approval },
        as: 'nobody',
        signal,
      }),
    pollApprovalLogin: (id: string, signal?: AbortSignal) =>
      call<ApprovalLoginState>({
        method: 'POST',
        path: `/v1/approval-logins/${part(id)}/poll`,
        as: 'nobody',
        signal,
      }),

    sessions: (filter: SessionQuery = {}, signal?: AbortSignal) =>
      get<SessionView[]>(`/v1/sessions${query(filter)}`, signal),
    /** All of a list, page by page: what opens meanwhile is not in it. */
    allSessions: (filter: SessionQuery = {}, signal?: AbortSignal) =>
      pages(filter, (page) => get<SessionView[]>(`/v1/sessions${query(page)}`, signal)),
    /** Admins alone. The last one is `done`. */
    reindexSessions: (signal?: AbortSignal) =>
      parsed<ReindexView>(lines({ method: 'POST', path: '/v1/sessions/reindex', signal })),
    session: (id: string, signal?: AbortSignal) => get<SessionView>(`/v1/sessions/${part(id)}`, signal),
    /** The recording's lines exactly as they are kept: what is hashed is the line. */
    sessionEvents: (id: string, signal?: AbortSignal) =>
      lines({ method: 'GET', path: `/v1/sessions/${part(id)}/events`, signal }),
    /** The same from line `from` on, or from the last there is, and then as they are written; the empty ones are left out. */
    followSession: (id: string, from: number | 'last', signal?: AbortSignal) =>
      withoutEmpty(
        lines({ method: 'GET', path: `/v1/sessions/${part(id)}/events${query({ follow: true, from })}`, signal }),
      ),
    /** A file of the gateway's log of sessions, such as `checkpoint` or `tile/0/000`. */
    auditFile: (name: string, signal?: AbortSignal) =>
      call<Buffer>({ method: 'GET', path: `/v1/audit/${name}`, answer: 'bytes', signal }),
    killSession: (id: string, reason?: string, signal?: AbortSignal) =>
      post<RevocationReceipt['sessions'][number]>(
        `/v1/sessions/${part(id)}/kill`,
        reason === undefined ? {} : { reason },
        signal,
      ),

    agents: (signal?: AbortSignal) => get<AgentView[]>('/v1/agents', signal),
    // A claimed agent's name holds a slash, `dana@example.test/report`, and the route takes it as it is.
    agent: (name: string, signal?: AbortSignal) =>
      get<AgentView>(`/v1/agents/${name.split('/').map(part).join('/')}`, signal),
    people: (signal?: AbortSignal) => get<PersonView[]>('/v1/people', signal),
    person: (who: string, signal?: AbortSignal) => get<PersonView>(`/v1/people/${part(who)}`, signal),

    revocations: (signal?: AbortSignal) => get<RevocationView[]>('/v1/revocations', signal),
    /** Waits until every live gateway has answered or is named unconfirmed. */
    revoke: (request: RevocationRequest, signal?: AbortSignal) =>
      post<RevocationReceipt>('/v1/revocations', request, signal),
    unrevoke: (id: string, reason: string, signal?: AbortSignal) =>
      call<RevocationView>({ method: 'DELETE', path: `/v1/revocations/${part(id)}`, body: { reason }, signal }),

    explain: (request: ExplainRequest, signal?: AbortSignal) =>
      post<ExplainView>('/v1/policy/explain', request, signal),
  };
}

/** What the gateway at the other end of this one connection says of itself. Shows it no token. */
export function configOver(connection: OneConnection, signal?: AbortSignal): Promise<ConfigView> {
  return createTransport(connection, undefined).call<ConfigView>({
    method: 'GET',
    path: '/v1/config',
    as: 'nobody',
    signal,
  });
}

const part = encodeURIComponent;

async function* withoutEmpty(lines: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  for await (const line of lines) if (line !== '') yield line;
}

const PAGE = 500;

async function* pages(
  { limit = Number.POSITIVE_INFINITY, ...filter }: SessionQuery,
  get: (page: SessionQuery) => Promise<readonly SessionView[]>,
): AsyncGenerator<SessionView, void, undefined> {
  let left = limit;
  for (let after = filter.after; left > 0; ) {
    const wanted = Math.min(PAGE, left);
    const page = await get({ ...filter, limit: wanted, ...(after === undefined ? {} : { after }) });
    yield* page;
    if (page.length < wanted) return;
    left -= page.length;
    after = page.at(-1)?.id;
  }
}

async function* parsed<T>(lines: AsyncIterable<string>): AsyncGenerator<T, void, undefined> {
  for await (const line of lines) if (line !== '') yield JSON.parse(line) as T;
}

function query(values: object): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== undefined) params.set(name, String(value));
  return params.size === 0 ? '' : `?${params}`;
}

/**
 * A gateway as a launcher meets it: starts runs, holds their event streams, opens tunnels to an echo that asks for the run's secret first. What the
 * real one decides by policy, the test decides here.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { createGatewayClient, type GatewayClient } from '../../src/api/client.ts';
import type {
  ApprovalView,
  DecisionRequest,
  RunEvent,
  RunRequest,
  RunSummary,
  RunView,
  TargetView,
} from '../../src/api/shapes.ts';
import type { ByteChannel } from '../../src/base/channel.ts';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { acceptTunnel, TUNNEL_SERVER_OPTIONS } from '../../src/tunnel/index.ts';

export const ORDERS: TargetView = {
  name: 'orders-db',
  protocol: 'lines',
  effects: ['read', 'delete'],
  labels: {},
  database: 'orders',
};
export const STOCK: TargetView = {
  name: 'stock-db',
  protocol: 'lines',
  effects: ['read'],
  labels: {},
  scope: { schemas: ['public'] },
};

export interface StartedRun {
  readonly id: string;
  readonly token: string;
  readonly request: RunRequest;
  state: 'live' | 'suspended' | 'ended' | 'revoked';
  beats: number;
  streams: number;
  renewed: number;
  resumed: number;
  readonly tunnels: Set<ByteChannel>;
  readonly listeners: Set<ServerHttp2Stream>;
}

export interface RunGateway {
  readonly url: string;
  readonly client: GatewayClient;
  readonly runs: StartedRun[];
  readonly sessions: Set<ServerHttp2Session>;
  /** Paths that were asked for with a token. */
  readonly asked: string[];
  targets: TargetView[];
  /** What a tunnel does once the client showed the secret; `rest` is what it said with it. */
  serve: (channel: ByteChannel, rest: Buffer, run: StartedRun) => void;
  /** Serves a tunnel whose verifier is a key (base64): its client proves the key there. */
  serveKey?: (channel: ByteChannel, key: string) => void;
  /** Serves a tunnel whose client shows the secret in each request, in place of `serve`. */
  serveBearer?: (channel: ByteChannel, digest: string) => void;
  /** Answers renew and resume of the launcher's login instead. */
  loginExpired: boolean;
  /** The launcher's login is somebody else's now. */
  otherLogin: boolean;
  /** Which gateway it says it is. */
  keyId: string;
  /** How far ahead a run's deadline is. */
  lifeMs: number;
  /** What people may decide. */
  readonly approvals: Map<string, ApprovalView>;
  readonly decisions: ({ id: string } & DecisionRequest)[];
  /** Holds a command for that request, and tells the runs. */
  hold(view: ApprovalView, decide?: 'launcher' | 'others'): void;
  tell(event: RunEvent): void;
  revoke(): void;
  suspend(): void;
  /** Resolves when the condition holds; looked at after every request. */
  until(condition: () => boolean): Promise<void>;
  /** Cuts all connections, as a restart or a bad line does. */
  cut(): void;
  stop(): Promise<void>;
  start(): Promise<void>;
}

export async function startRunGateway(t: TestContext, clock: Clock = systemClock): Promise<RunGateway> {
  const runs: StartedRun[] = [];
  const sessions = new Set<ServerHttp2Session>();
  const waiting: { condition: () => boolean; resolve: () => void }[] = [];
  let port = 0;
  let server = create();

  function create() {
    const created = createServer(TUNNEL_SERVER_OPTIONS);
    created.on('session', (session) => {
      sessions.add(session.on('error', () => undefined));
      session.once('close', () => sessions.delete(session));
    });
    created.on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      answer(stream, String(headers[':method']), String(headers[':path']), String(headers.authorization ?? '')).then(
        settle,
        settle,
      );
    });
    return created;
  }

  function settle(): void {
    for (const one of [...waiting]) {
      if (!one.condition()) continue;
      waiting.splice(waiting.indexOf(one), 1);
      one.resolve();
    }
  }

  async function answer(stream: ServerHttp2Stream, method: string, path: string, authorization: string): Promise<void> {
    const [, , , id = '', what = '', target = ''] = path.split('/');
    if (authorization !== '') gateway.asked.push(path);
    const user = authorization === 'Bearer user-token';
    const run = runs.find((one) => one.id === id);
    const own =
      run !== undefined &&
      authorization === `Bearer ${run.token}` &&
      (run.state === 'live' || run.state === 'suspended');
    if (path === '/v1/config') return void json(stream, 200, { evidenceKey: { id: gateway.keyId, pem: '' } });
    if (path === '/v1/targets' && user) return void json(stream, 200, gateway.targets);
    if (path === '/v1/me' && user)
      return void json(stream, 200, {
        issuer: 'https://idp.test',
        subject: 'dana',
        name: 'dana@example.test',
        groups: [],
        roles: [],
        local: false,
      });
    if (method === 'POST' && path === '/v1/runs' && user) return startRun(stream, JSON.parse(await text(stream)));
    if (path.startsWith('/v1/approvals') && user)
      return approval(stream, id, what === 'decision' ? await text(stream) : undefined);
    if (what === 'renew' || what === 'resume') return back(stream, what, run);
    if (!own) return void refuse(stream, 401, 'TOKEN_REFUSED', 3);
    if (what === 'heartbeat') {
      if (run.state === 'suspended') return void refuse(stream, 409, 'RUN_SUSPENDED', 1);
      run.beats += 1;
      return void json(stream, 200, { until: 'later' });
    }
    if (what === 'end') {
      run.state = 'ended';
      return void json(stream, 200, summaryOf(run));
    }
    if (what === 'stream') return listen(stream, run);
    if (what === 'targets') return tunnel(stream, run, target);
    refuse(stream, 404, 'NOT_FOUND', 4);
  }

  function approval(stream: ServerHttp2Stream, id: string, decision: string | undefined): void {
    if (id.startsWith('?') || id === '') return void json(stream, 200, [...gateway.approvals.values()]);
    const view = gateway.approvals.get(id);
    if (view === undefined) return void refuse(stream, 404, 'APPROVAL_UNKNOWN', 4);
    if (decision === undefined) return void json(stream, 200, view);
    const body: DecisionRequest = JSON.parse(decision);
    gateway.decisions.push({ id, ...body });
    if (view.state !== 'open' || body.digest !== view.digest) return void refuse(stream, 403, 'APPROVAL_REFUSED', 4);
    const decided: ApprovalView = { ...view, state: body.decision === 'approve' ? 'approved' : 'denied' };
    gateway.approvals.set(id, decided);
    json(stream, 200, decided);
    const by = 'dana@example.test';
    gateway.tell({ type: 'decided', approval: id, decision: decided.state === 'approved' ? 'approved' : 'denied', by });
  }

  function startRun(stream: ServerHttp2Stream, request: RunRequest): void {
    const n = runs.length + 1;
    const run: StartedRun = {
      // Unlike any other test's: what carries a run's id is killed when the run ends.
      id: `run_${randomBytes(6).toString('hex')}`,
      token: `token-${n}`,
      request,
      state: 'live',
      beats: 0,
      streams: 0,
      renewed: 0,
      resumed: 0,
      tunnels: new Set(),
      listeners: new Set(),
    };
    runs.push(run);
    json(stream, 200, { run: viewOf(run), token: run.token, heartbeatMs: 5_000, leaseMs: 15_000 });
  }

  function back(stream: ServerHttp2Stream, what: 'renew' | 'resume', run: StartedRun | undefined): void {
    if (gateway.otherLogin) return void refuse(stream, 404, 'RUN_UNKNOWN', 4);
    if (gateway.loginExpired) return void refuse(stream, 401, 'TOKEN_REFUSED', 3);
    if (run?.state === 'revoked') return void refuse(stream, 403, 'REVOKED', 7);
    if (run === undefined || run.state === 'ended') return void refuse(stream, 410, 'RUN_ENDED', 3);
    if (what === 'renew') run.renewed += 1;
    else run.resumed += 1;
    if (what === 'resume') run.state = 'live';
    json(stream, 200, viewOf(run));
  }

  function listen(stream: ServerHttp2Stream, run: StartedRun): void {
    stream.respond({ ':status': 200, 'content-type': 'text/event-stream' });
    run.streams += 1;
    run.listeners.add(stream);
    stream.once('close', () => {
      run.listeners.delete(stream);
      settle();
    });
  }

  function tunnel(stream: ServerHttp2Stream, run: StartedRun, target: string): void {
    if (run.state !== 'live') return void refuse(stream, 409, 'RUN_SUSPENDED', 6);
    const wanted = run.request.targets.find(({ name }) => name === target)?.verifier;
    const byKey = wanted?.kind === 'ssh-public-key' && gateway.serveKey !== undefined;
    if (wanted?.kind !== 'sha-256' && !byKey) return void refuse(stream, 404, 'TARGET_UNKNOWN', 4);
    const channel = acceptTunnel(stream);
    run.tunnels.add(channel);
    channel.gone.addEventListener('abort', () => run.tunnels.delete(channel));
    if (wanted.kind === 'ssh-public-key') gateway.serveKey?.(channel, wanted.key);
    else if (gateway.serveBearer !== undefined) gateway.serveBearer(channel, wanted.digest);
    else if (wanted.kind === 'sha-256') afterLogin(channel, wanted.digest, (rest) => gateway.serve(channel, rest, run));
    settle();
  }

  function viewOf(run: StartedRun): RunView {
    const { kind, agent = '', purpose, targets } = run.request;
    return {
      id: run.id,
      kind,
      state: run.state,
      principal: 'dana@example.test',
      agent: agent ? `dana@example.test/${agent}` : '',
      agentKind: agent ? 'claimed' : 'none',
      targets: gateway.targets.filter(({ name }) => targets.some((one) => one.name === name)),
      startedAt: new Date(clock.now()).toISOString(),
      deadline: new Date(clock.now() + gateway.lifeMs).toISOString(),
      ...(purpose === undefined ? {} : { purpose }),
    };
  }

  const gateway: RunGateway = {
    url: '',
    client: undefined as unknown as GatewayClient,
    runs,
    sessions,
    asked: [],
    targets: [ORDERS],
    serve: echoLines,
    loginExpired: false,
    otherLogin: false,
    keyId: 'key-1',
    lifeMs: 3_600_000,
    approvals: new Map(),
    decisions: [],
    hold(view, decide = 'launcher') {
      const { id, rule, session, target, link } = view;
      gateway.approvals.set(id, view);
      gateway.tell({
        type: 'held',
        approval: id,
        link,
        rule,
        session,
        target,
        within: 60_000,
        wait: 60_000,
        ...(decide === 'launcher' ? { decide } : {}),
      });
    },
    tell(event) {
      for (const run of runs)
        for (const stream of run.listeners) stream.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    },
    revoke() {
      gateway.tell({ type: 'run.ended', state: 'revoked', reason: 'lost laptop', exit: 7 });
      for (const run of runs) {
        run.state = 'revoked';
        for (const channel of run.tunnels) channel.abort(new Error('revoked'));
      }
    },
    suspend() {
      for (const run of runs) if (run.state === 'live') run.state = 'suspended';
    },
    until(condition) {
      if (condition()) return Promise.resolve();
      return new Promise((resolve) => waiting.push({ condition, resolve }));
    },
    cut() {
      for (const session of sessions) session.destroy();
    },
    stop() {
      const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
      gateway.cut();
      return stopped;
    },
    async start() {
      server = create();
      await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
      port = (server.address() as AddressInfo).port;
    },
  };
  await gateway.start();
  const url = `http://127.0.0.1:${port}`;
  const client = createGatewayClient({ url, clock, token: async () => 'user-token' });
  t.after(async () => {
    client.close();
    if (server.listening) await gateway.stop();
  });
  return Object.assign(gateway, { url, client });
}

/** The first line is the secret; a wrong one is the end. */
function afterLogin(channel: ByteChannel, digest: string, welcome: (rest: Buffer) => void): void {
  let first = '';
  channel.read({
    onBytes(chunk) {
      if (first.includes('\n')) return;
      first += chunk;
      if (!first.includes('\n')) return;
      const secret = first.slice(0, first.indexOf('\n'));
      if (createHash('sha256').update(secret).digest('hex') !== digest)
        return void channel.abort(new Error('wrong secret'));
      channel.write(Buffer.from('welcome\n'));
      welcome(Buffer.from(first.slice(first.indexOf('\n') + 1)));
    },
    onEnd: () => (first.includes('\n') ? undefined : channel.end()),
  });
}

function echoLines(channel: ByteChannel, rest: Buffer): void {
  channel.write(rest);
  channel.read({ onBytes: (chunk) => void channel.write(chunk), onEnd: () => channel.end() });
}

function summaryOf(run: StartedRun): RunSummary {
  return {
    run: run.id,
    sessions: [{ id: 'ses_1', target: 'orders-db' }],
    commands: 3,
    refused: 1,
    held: 0,
    maskedCells: 7,
  };
}

function json(stream: ServerHttp2Stream, status: number, body: unknown): void {
  stream.respond({ ':status': status, 'content-type': 'application/json' });
  stream.end(JSON.stringify(body));
}

function refuse(stream: ServerHttp2Stream, status: number, code: string, exit: number): void {
  json(stream, status, { error: { code, message: `${code}: said the gateway`, exit } });
}

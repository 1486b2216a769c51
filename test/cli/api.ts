/** A gateway's API as the command line sees it, answering with what a test gives it. Plain HTTP/2 on loopback. */
import { createServer, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type {
  AgentView,
  ApprovalView,
  ConfigView,
  MeView,
  PersonView,
  RevocationReceipt,
  RevocationView,
  SessionView,
  TargetView,
} from '../../src/api/shapes.ts';

/** What a terminal would obey and an eye would not see: CSI, OSC 52, 8-bit CSI, BEL, bidi, zero-width, line breaks that pose as ours. */
export const HOSTILE = 'x\x1b[2J\x1b]52;c;aGk=\x07\x9b31m\u202edesrever\u2066\u200b\r\nhoopctl: hint: run rm\u2028';

/** A reply: JSON, or several lines of it, or server-sent events, or an error. */
export type Reply =
  | { readonly json: unknown; readonly status?: number }
  | { readonly lines: readonly unknown[] }
  | { readonly events: readonly unknown[] };

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly token: string | undefined;
  readonly body: unknown;
}

export interface FakeApi {
  readonly url: string;
  readonly asked: Asked[];
  /** Sets or replaces what is answered: `api.on('GET /v1/me', { json: … })`; a function is asked each time. */
  on(route: string, reply: Reply | ((asked: Asked) => Reply)): void;
}

export async function startApi(t: TestContext): Promise<FakeApi> {
  const routes = new Map<string, Reply | ((asked: Asked) => Reply)>();
  const asked: Asked[] = [];
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  t.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });

  async function answer(request: Http2ServerRequest, response: Http2ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString('utf8');
    const one: Asked = {
      method: request.method ?? '',
      path: request.url ?? '',
      token: request.headers.authorization?.replace(/^Bearer /, ''),
      body: text === '' ? undefined : JSON.parse(text),
    };
    asked.push(one);
    const found = routes.get(`${one.method} ${one.path}`) ?? routes.get(`${one.method} ${one.path.split('?')[0]}`);
    const reply =
      typeof found === 'function' ? found(one) : (found ?? refusal(404, 'NOT_FOUND', `no route ${one.path}`, 4));
    if ('json' in reply) {
      response.writeHead(reply.status ?? 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(reply.json));
    } else if ('lines' in reply) {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.end(reply.lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    } else {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const event of reply.events) response.write(`data: ${JSON.stringify(event)}\n\n`);
    }
  }

  const api: FakeApi = { url, asked, on: (route, reply) => void routes.set(route, reply) };
  api.on('GET /v1/config', { json: configView(url) });
  api.on('GET /v1/me', { json: meView() });
  return api;
}

export function refusal(status: number, code: string, message: string, exit: number, hint?: string): Reply {
  return { status, json: { error: { code, message, exit, ...(hint === undefined ? {} : { hint }) } } };
}

export function configView(url: string, issuer = 'https://idp.invalid'): ConfigView {
  return {
    gateway: 'gw-1',
    version: '0.1.0',
    publicUrl: url,
    local: false,
    issuers: [
      {
        issuer,
        clientId: 'hoopctl',
        scopes: ['openid', 'offline_access'],
        audience: 'hoop-gateway',
        use: 'accessToken',
      },
    ],
    evidenceKey: {
      id: 'key-1',
      pem: '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n',
    },
  };
}

export function meView(): MeView {
  return {
    issuer: 'https://idp.invalid',
    subject: 's-1',
    name: 'dana@example.test',
    groups: ['data-agents'],
    roles: [],
    local: false,
  };
}

export function targetView(text = 'orders-db'): TargetView {
  return {
    name: text,
    protocol: text,
    effects: ['read'],
    labels: { [text]: text },
    database: text,
    scope: { schemas: [text] },
  };
}

export function approvalView(text = 'plain', change: Partial<ApprovalView> = {}): ApprovalView {
  return {
    id: 'apr_1',
    state: 'open',
    rule: text,
    digest: 'd'.repeat(64),
    run: text,
    session: text,
    target: text,
    protocol: text,
    account: text,
    requester: text,
    agent: { kind: 'claimed', name: text },
    purpose: text,
    client: text,
    text: `DELETE FROM orders ${text}`,
    bytes: 20,
    sent: text,
    parameters: [{ type: text, text }],
    effects: ['delete'],
    resources: [{ kind: text, name: text, access: 'delete' }],
    proof: 'fresh',
    reason: text,
    self: false,
    mayDecide: true,
    requestedAt: '2026-11-21T18:00:00.000Z',
    expiresAt: '2099-11-21T18:10:00.000Z',
    link: `http://127.0.0.1/approvals/apr_1`,
    ...change,
  };
}

export function sessionView(text = 'plain', change: Partial<SessionView> = {}): SessionView {
  return {
    id: 'ses_1',
    run: text,
    target: text,
    protocol: text,
    account: text,
    principal: text,
    agent: { kind: 'claimed', name: text },
    via: 'run',
    purpose: text,
    client: text,
    state: 'closed',
    openedAt: '2026-11-21T18:00:00.000Z',
    closedAt: '2026-11-21T18:01:00.000Z',
    end: { kind: 'targetGone', message: text },
    commands: 3,
    refused: 1,
    held: 0,
    rows: 12,
    maskedCells: 2,
    wouldBe: 0,
    ...change,
  };
}

export function agentView(text = 'plain'): AgentView {
  return {
    name: text,
    kind: 'registered',
    owners: { users: [text], groups: [text] },
    targets: [text],
    runs: 1,
    live: 0,
    revoked: false,
  };
}

export function personView(text = 'plain'): PersonView {
  return { name: text, issuer: text, subject: text, groups: [text], live: 0, agents: [text], revoked: false };
}

export function revocationView(text = 'plain'): RevocationView {
  return {
    id: 'rev_1',
    scope: { kind: 'user', who: text },
    reason: text,
    by: text,
    at: '2026-11-21T18:00:00.000Z',
  };
}

export function receipt(text = 'plain', change: Partial<RevocationReceipt> = {}): RevocationReceipt {
  return {
    revocation: revocationView(text),
    receivedAt: '2026-11-21T18:00:00.000Z',
    finishedAt: '2026-11-21T18:00:00.400Z',
    gateways: [{ id: text, state: 'confirmed' }],
    runs: [text],
    sessions: [
      {
        id: text,
        run: text,
        target: text,
        cutAt: '2026-11-21T18:00:00.300Z',
        inFlight: [{ command: text, state: 'cancelled' }],
      },
    ],
    approvalsWithdrawn: [text],
    ...change,
  };
}

/**
 * The gateway's HTTP server: HTTP/2 and HTTP/1.1 on one port, every route from one table. A token is checked before a handler
 * runs, and a handler asks for the kind of caller it was promised.
 */
import type { IncomingMessage } from 'node:http';
import { constants, type Http2ServerRequest } from 'node:http2';
import type { AddressInfo, Server, Socket } from 'node:net';
import fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
} from 'fastify';
import { type Cancel, type Clock, systemClock } from '../base/clock.ts';
import { createBrowserGuard } from './browser-guard.ts';
import { fail, sendError } from './errors.ts';
import { createListener, type Handler } from './listener.ts';
import { openapi } from './openapi.ts';
import { approvalPage } from './page.ts';
import { createRateLimit } from './rate-limit.ts';
import type { Exchange, Route, TokenKind } from './route.ts';
import { approvalRoutes } from './routes/approvals.ts';
import { auditRoutes } from './routes/audit.ts';
import { peopleRoutes } from './routes/people.ts';
import { runRoutes } from './routes/runs.ts';
import { sessionRoutes } from './routes/sessions.ts';
import { targetRoutes } from './routes/targets.ts';
import type { ApprovalCaller, Caller, RunCaller, Services, UserCaller } from './services.ts';

export interface ApiServerOptions {
  readonly services: Services;
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
  /** By which name others reach it. */
  readonly publicUrl?: string;
  readonly version: string;
  readonly log: FastifyBaseLogger;
  readonly clock?: Clock;
}

export interface ApiServer {
  readonly host: string;
  readonly port: number;
  /** What answers here, as `GET /v1/me`. */
  readonly served: readonly string[];
  /** Stops accepting; streams that are open go on until they end or `destroy` is called. */
  close(): Promise<void>;
  destroy(): void;
}

/** Every route there is, in the order of the documentation. */
export const ROUTES: readonly Route[] = [
  ...peopleRoutes,
  ...targetRoutes,
  ...runRoutes,
  ...approvalRoutes,
  ...sessionRoutes,
  ...auditRoutes,
];

const BODY_BYTES = 16 * 1024;
/** A body that has not come by then does not come. */
const BODY_MS = 10_000;

export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { services, log, tls, publicUrl, clock = systemClock } = options;
  const sockets = new Set<Socket>();
  let listening: Server | undefined;
  // Both versions come through Node's one request and response API, which is what fastify's own types describe.
  const settings = {
    http2: true,
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_BYTES,
    routerOptions: { maxParamLength: 1000 },
    exposeHeadRoutes: false,
    serverFactory: (handle: unknown) => {
      listening = createListener({ tls, handler: handle as Handler, clock });
      listening.on('connection', (socket) => {
        sockets.add(socket);
        socket.setNoDelay(true);
        socket.once('close', () => sockets.delete(socket));
      });
      return listening as never;
    },
  };
  const app: FastifyInstance = fastify(settings as FastifyServerOptions);

  app.setErrorHandler(sendError);
  app.setNotFoundHandler((request, reply) =>
    sendError(fail('NOT_FOUND', `no route ${request.method} ${request.url.split('?')[0]}`), request, reply),
  );
  const guard = createBrowserGuard({ plain: !tls, publicUrl });
  const served: string[] = [];
  app.addHook('onRoute', ({ method, url }) => void served.push(`${method} ${url}`));
  app.addHook('onRequest', async (request) => guard(request.method, request.headers));
  limitBodyTime(app, clock);
  app.addHook('onSend', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
    reply.header('cache-control', 'no-store');
  });
  // A tunnel has no content type and its body is not ours to read; other bodies are JSON.
  app.removeContentTypeParser('text/plain');

  for (const route of ROUTES) install(app, route, services);
  const document = openapi(ROUTES, options.version);
  app.get('/openapi.json', () => document);
  app.get('/healthz', (_request, reply) => reply.send({ ok: true }));
  app.get('/approvals/:id', (_request, reply) => approvalPage(reply));

  await app.listen({ host: options.host, port: options.port });
  const { port } = (listening as unknown as Server).address() as AddressInfo;
  return {
    host: options.host,
    port,
    served,
    close: () => new Promise((resolve) => void listening?.close(() => resolve())),
    destroy: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function install(app: FastifyInstance, route: Route, services: Services): void {
  const { perMinute, limitedBy, raw = false, tokens } = route;
  const limit = perMinute === undefined ? undefined : createRateLimit(perMinute);
  const callers = new WeakMap<FastifyRequest, Caller | undefined>();
  app.route({
    method: route.method,
    url: route.path,
    bodyLimit: route.bodyBytes ?? BODY_BYTES,
    // Before the body: nobody makes us collect one without a token that opens the route.
    async onRequest(request) {
      callers.set(request, await callerOf(request, tokens, services));
      if (raw) refuseFramed(request);
    },
    async handler(request, reply) {
      const exchange = exchangeOf(route, request, reply, services, callers.get(request));
      const key = [request.ip, limitedBy?.(exchange.body, exchange.params)].join(' ');
      if (limit && !limit(key)) throw fail('RATE_LIMITED', `at most ${perMinute} of these a minute`);
      const result = await route.handle(exchange);
      if (!reply.sent && result !== undefined) return reply.send(result);
      return reply;
    },
  });
}

/** What has a type or a length is a request's body, and would be read as one. */
function refuseFramed({ headers }: FastifyRequest): void {
  if (FRAMING.every((name) => headers[name] === undefined)) return;
  throw fail('BODY_INVALID', 'a tunnel is a two-way HTTP/2 stream without content type or length');
}

const FRAMING = ['content-type', 'content-length', 'transfer-encoding'] as const;

/** HTTP/2 has no time limit of its own for a request's body (Node, "http2.createServer"). */
function limitBodyTime(app: FastifyInstance, clock: Clock): void {
  const late = new WeakMap<FastifyRequest, Cancel>();
  const came = async (request: FastifyRequest) => late.get(request)?.();
  app.addHook('preParsing', async (request) => {
    late.set(
      request,
      clock.after(BODY_MS, () => cut(request)),
    );
  });
  app.addHook('preValidation', came);
  app.addHook('onResponse', came);
  app.addHook('onRequestAbort', came);
}

// Over HTTP/2 the request is no more than a view of its stream.
function cut({ raw }: FastifyRequest): void {
  const { stream } = raw as IncomingMessage & Partial<Http2ServerRequest>;
  if (stream) stream.close(constants.NGHTTP2_CANCEL);
  else raw.destroy();
}

async function callerOf(
  request: FastifyRequest,
  tokens: readonly TokenKind[],
  services: Services,
): Promise<Caller | undefined> {
  if (tokens.length === 0) return undefined;
  const [, token] = /^Bearer ([A-Za-z0-9._~+/=-]{1,16384})$/.exec(request.headers.authorization ?? '') ?? [];
  if (token === undefined) throw fail('TOKEN_MISSING', 'this needs a token');
  const answer = await services.authenticate(token);
  if (!answer.ok) {
    const { code, message, hint, exit } = answer;
    throw fail('TOKEN_REFUSED', `${message} (${code})`, { hint, ...(exit === undefined ? {} : { exit: exit as 3 }) });
  }
  if (!tokens.includes(answer.caller.kind))
    throw fail('TOKEN_KIND', `a ${answer.caller.kind}'s token does not do this`);
  return answer.caller;
}

function exchangeOf(
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
  services: Services,
  caller: Caller | undefined,
): Exchange {
  const of = <C extends Caller>(...kinds: C['kind'][]): C => {
    if (!caller || !kinds.includes(caller.kind as C['kind']))
      throw fail('TOKEN_KIND', 'another kind of token is needed');
    return caller as C;
  };
  return {
    services,
    request,
    reply,
    params: request.params as Record<string, string>,
    query: queryOf(route, request),
    body: bodyOf(route, request),
    user: () => of<UserCaller>('user'),
    run: () => of<RunCaller>('run'),
    decider: () => of<UserCaller | ApprovalCaller>('user', 'approval'),
  };
}

function bodyOf({ body }: Route, request: FastifyRequest): unknown {
  if (!body) return undefined;
  const parsed = body.safeParse(request.body ?? {});
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`);
  throw fail('BODY_INVALID', problems.join('; '));
}

function queryOf({ query = [] }: Route, request: FastifyRequest): Record<string, string> {
  const given = request.query as Record<string, unknown>;
  for (const [name, value] of Object.entries(given)) {
    if (!query.includes(name)) throw fail('QUERY_INVALID', `unknown parameter "${name}"`);
    if (typeof value !== 'string') throw fail('QUERY_INVALID', `"${name}" is given twice`);
  }
  return given as Record<string, string>;
}

/**
 * The gateway's HTTP server: HTTP/2 and HTTP/1.1 on one port, every route from one table. A token is checked before a handler
 * runs, and a handler asks for the kind of caller it was promised.
 */
import { createServer as createHttp1, type IncomingMessage, type ServerResponse } from 'node:http';
import { createSecureServer, createServer as createHttp2, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { createServer as createTcp, type AddressInfo, type Server, type Socket } from 'node:net';
import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance, type FastifyReply, type FastifyRequest, type FastifyServerOptions } from 'fastify';
import { type Clock, systemClock } from '../base/clock.ts';
import { HTTP2_SESSION, keepSession } from '../base/http2-session.ts';
import { fail, sendError } from './errors.ts';
import { openapi } from './openapi.ts';
import { approvalPage } from './page.ts';
import { createRateLimit } from './rate-limit.ts';
import type { Exchange, Route, TokenKind } from './route.ts';
import { approvalRoutes } from './routes/approvals.ts';
import { peopleRoutes } from './routes/people.ts';
import { runRoutes } from './routes/runs.ts';
import { sessionRoutes } from './routes/sessions.ts';
import type { ApprovalCaller, Caller, RunCaller, Services, UserCaller } from './services.ts';

export interface ApiServerOptions {
  readonly services: Services;
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
  readonly version: string;
  readonly log: FastifyBaseLogger;
  readonly clock?: Clock;
  /** Requests that are none of ours, such as a built-in issuer's below its own path. @returns whether it took the request */
  readonly elsewhere?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

export interface ApiServer {
  readonly host: string;
  readonly port: number;
  /** Stops accepting; streams that are open go on until they end or `destroy` is called. */
  close(): Promise<void>;
  destroy(): void;
}

/** Every route there is, in the order of the documentation. */
export const ROUTES: readonly Route[] = [...peopleRoutes, ...runRoutes, ...approvalRoutes, ...sessionRoutes];

const BODY_BYTES = 2 * 1024 * 1024;

export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { services, log, tls, elsewhere } = options;
  const sockets = new Set<Socket>();
  let listening: Server | undefined;
  // Both versions come through Node's one request and response API, which is what fastify's own types describe.
  const settings = {
    http2: true,
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_BYTES,
    routerOptions: { maxParamLength: 1000 },
    serverFactory: (handle: unknown) => {
      type Handle = (request: Http2ServerRequest & IncomingMessage, response: Http2ServerResponse & ServerResponse) => void;
      const handler: Handle = (request, response) => {
        if (!elsewhere?.(request, response)) (handle as Handle)(request, response);
      };
      listening = tls ? secureServer(tls, handler, options.clock) : plainServer(handler, options.clock);
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
    close: () => new Promise((resolve) => void listening?.close(() => resolve())),
    destroy: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function install(app: FastifyInstance, route: Route, services: Services): void {
  const limit = route.perMinute === undefined ? undefined : createRateLimit(route.perMinute);
  app.route({
    method: route.method,
    url: route.path,
    async handler(request, reply) {
      if (limit && !limit(request.ip)) throw fail('RATE_LIMITED', `at most ${route.perMinute} of these a minute`);
      const caller = await callerOf(request, route.tokens, services);
      const result = await route.handle(exchangeOf(route, request, reply, services, caller));
      if (!reply.sent && result !== undefined) return reply.send(result);
      return reply;
    },
  });
}

async function callerOf(request: FastifyRequest, tokens: readonly TokenKind[], services: Services): Promise<Caller | undefined> {
  if (tokens.length === 0) return undefined;
  const [, token] = /^Bearer ([A-Za-z0-9._~+/=-]{1,16384})$/.exec(request.headers.authorization ?? '') ?? [];
  if (token === undefined) throw fail('TOKEN_MISSING', 'this needs a token');
  const answer = await services.authenticate(token);
  if (!answer.ok) {
    const { code, message, hint, exit } = answer;
    throw fail('TOKEN_REFUSED', `${message} (${code})`, { hint, ...(exit === undefined ? {} : { exit: exit as 3 }) });
  }
  if (!tokens.includes(answer.caller.kind)) throw fail('TOKEN_KIND', `a ${answer.caller.kind}'s token does not do this`);
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
    if (!caller || !kinds.includes(caller.kind as C['kind'])) throw fail('TOKEN_KIND', 'another kind of token is needed');
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

type Handler = (request: Http2ServerRequest & IncomingMessage, response: Http2ServerResponse & ServerResponse) => void;

function secureServer({ cert, key }: { cert: Buffer; key: Buffer }, handler: Handler, clock: Clock = systemClock): Server {
  const server = createSecureServer({ ...HTTP2_SESSION, cert, key, allowHTTP1: true, minVersion: 'TLSv1.2' }, handler as never);
  server.on('session', (session) => keep(session, clock));
  return server as unknown as Server;
}

// Without TLS there is no ALPN to tell the two versions apart: the first bytes do (RFC 9113 section 3.4, the connection preface).
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n');

function plainServer(handler: Handler, clock: Clock = systemClock): Server {
  const http1 = createHttp1(handler as never);
  const http2 = createHttp2({ ...HTTP2_SESSION }, handler as never);
  http2.on('session', (session) => keep(session, clock));
  const server = createTcp((socket) => {
    socket.on('error', () => {});
    socket.setTimeout(10_000, () => socket.destroy());
    socket.once('data', (first) => {
      socket.setTimeout(0);
      socket.pause();
      socket.unshift(first);
      const two = PREFACE.subarray(0, first.length).equals(first.subarray(0, PREFACE.length));
      (two ? http2 : http1).emit('connection', socket);
      if (!two) socket.resume();
    });
  });
  server.on('close', () => {
    http1.close();
    http2.close();
  });
  return server;
}

function keep(session: Parameters<typeof keepSession>[0] & { setTimeout(ms: number): void }, clock: Clock): void {
  session.setTimeout(0);
  session.on('error', () => {});
  keepSession(session, clock);
}

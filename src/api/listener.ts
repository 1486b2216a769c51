/**
 * The port: HTTP/2 and HTTP/1.1 side by side, with or without TLS, and an end for every connection that costs something and says nothing.
 */
import { createServer as createHttp1, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createSecureServer,
  createServer as createHttp2,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2';
import { createServer as createTcp, type Server, type Socket } from 'node:net';
import type { Cancel, Clock } from '../base/clock.ts';
import { HTTP2_SESSION, keepSession } from '../base/http2-session.ts';

export type Handler = (
  request: Http2ServerRequest & IncomingMessage,
  response: Http2ServerResponse & ServerResponse,
) => void;

export interface ListenerOptions {
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly handler: Handler;
  readonly clock: Clock;
  readonly patience?: Patience;
}

export interface Patience {
  /** ms from the first byte to the last of a TLS handshake, of what tells the versions apart, and of an HTTP/1.1 request's headers. */
  readonly greeting: number;
  /** ms from the first byte to the last of an HTTP/1.1 request. */
  readonly request: number;
  /** ms between two looks for HTTP/1.1 requests that take longer. */
  readonly look: number;
  /** ms after which an HTTP/2 connection on which nothing is asked for is closed; clients open another when they need one. */
  readonly idle: number;
}

const PATIENCE: Patience = { greeting: 10_000, request: 30_000, look: 2_000, idle: 60_000 };
const CONNECTIONS = 10_000;

/** A server that has yet to listen. */
export function createListener(options: ListenerOptions): Server {
  const server = options.tls ? secureServer(options, options.tls) : plainServer(options);
  server.maxConnections = CONNECTIONS;
  return server;
}

function secureServer(options: ListenerOptions, { cert, key }: NonNullable<ListenerOptions['tls']>): Server {
  const { handler, patience = PATIENCE } = options;
  const protection = { cert, key, minVersion: 'TLSv1.2', handshakeTimeout: patience.greeting } as const;
  const server = createSecureServer({ ...HTTP2_SESSION, ...protection, allowHTTP1: true }, handler as never);
  // With `allowHTTP1` it has these of its own, with other defaults, and no option for them.
  Object.assign(server, http1Limits(patience));
  server.on('session', (session) => keep(session, options));
  return server as unknown as Server;
}

function http1Limits({ greeting, request, look }: Patience) {
  return {
    headersTimeout: greeting,
    requestTimeout: request,
    keepAliveTimeout: 5_000,
    connectionsCheckingInterval: look,
  };
}

// Without TLS there is no ALPN to tell the two versions apart: the first bytes do (RFC 9113 section 3.4, the connection preface).
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n');

function plainServer(options: ListenerOptions): Server {
  const { handler, patience = PATIENCE } = options;
  const http1 = createHttp1(http1Limits(patience), handler as never);
  const http2 = createHttp2({ ...HTTP2_SESSION }, handler as never);
  http2.on('session', (session) => keep(session, options));
  const server = createTcp((socket) => {
    socket.on('error', () => {});
    tellApart(socket, options, (two) => (two ? http2 : http1).emit('connection', socket));
  });
  // Node looks for HTTP/1.1 requests that take too long only once a server listens; this one is handed its connections.
  http1.emit('listening');
  server.on('close', () => {
    http1.close();
    http2.close();
  });
  return server;
}

/** Reads until the first bytes are the preface or cannot be any more; one byte may be all that a segment brings. */
function tellApart(
  socket: Socket,
  { clock, patience = PATIENCE }: ListenerOptions,
  decided: (two: boolean) => void,
): void {
  const late = clock.after(patience.greeting, () => socket.destroy());
  socket.once('close', late);
  let seen = Buffer.alloc(0);
  const look = (chunk: Buffer) => {
    seen = Buffer.concat([seen, chunk]);
    const begins = PREFACE.subarray(0, seen.length).equals(seen.subarray(0, PREFACE.length));
    if (begins && seen.length < PREFACE.length) return;
    late();
    socket.off('data', look);
    socket.pause();
    socket.unshift(seen);
    decided(begins);
    if (!begins) socket.resume();
  };
  socket.on('data', look);
}

function keep(
  session: ServerHttp2Session & { setLocalWindowSize(size: number): void },
  { clock, patience = PATIENCE }: ListenerOptions,
): void {
  session.setTimeout(0);
  session.on('error', () => {});
  keepSession(session, clock);
  closeWhenIdle(session, () => clock.after(patience.idle, () => session.close()));
}

function closeWhenIdle(session: ServerHttp2Session, wait: () => Cancel): void {
  let streams = 0;
  let idle = wait();
  session.on('stream', (stream) => {
    streams++;
    idle();
    stream.once('close', () => {
      if (--streams === 0 && !session.closed) idle = wait();
    });
  });
  session.once('close', () => idle());
}

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

export type Handler = (request: Http2ServerRequest & IncomingMessage, response: Http2ServerResponse & ServerResponse) => void;

export interface ListenerOptions {
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly handler: Handler;
  readonly clock: Clock;
}

/** From the first byte to the last of a TLS handshake, of what tells the versions apart, and of an HTTP/1.1 request's headers. */
const GREETING_MS = 10_000;
/** From the first byte to the last of an HTTP/1.1 request. */
const REQUEST_MS = 30_000;
const LOOK_EVERY_MS = 2_000;
/** An HTTP/2 connection on which nothing is asked for is closed; clients open another when they need one. */
const IDLE_MS = 60_000;
const CONNECTIONS = 10_000;
const HTTP1 = {
  headersTimeout: GREETING_MS,
  requestTimeout: REQUEST_MS,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: LOOK_EVERY_MS,
} as const;

/** A server that has yet to listen. */
export function createListener({ tls, handler, clock }: ListenerOptions): Server {
  const server = tls ? secureServer(tls, handler, clock) : plainServer(handler, clock);
  server.maxConnections = CONNECTIONS;
  return server;
}

function secureServer({ cert, key }: NonNullable<ListenerOptions['tls']>, handler: Handler, clock: Clock): Server {
  const options = { ...HTTP2_SESSION, cert, key, allowHTTP1: true, minVersion: 'TLSv1.2', handshakeTimeout: GREETING_MS } as const;
  const server = createSecureServer(options, handler as never);
  // With `allowHTTP1` it has these of its own, with other defaults, and no option for them.
  Object.assign(server, HTTP1);
  server.on('session', (session) => keep(session, clock));
  return server as unknown as Server;
}

// Without TLS there is no ALPN to tell the two versions apart: the first bytes do (RFC 9113 section 3.4, the connection preface).
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n');

function plainServer(handler: Handler, clock: Clock): Server {
  const http1 = createHttp1(HTTP1, handler as never);
  const http2 = createHttp2({ ...HTTP2_SESSION }, handler as never);
  http2.on('session', (session) => keep(session, clock));
  const server = createTcp((socket) => {
    socket.on('error', () => {});
    tellApart(socket, clock, (two) => (two ? http2 : http1).emit('connection', socket));
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
function tellApart(socket: Socket, clock: Clock, decided: (two: boolean) => void): void {
  const late = clock.after(GREETING_MS, () => socket.destroy());
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

function keep(session: ServerHttp2Session & { setLocalWindowSize(size: number): void }, clock: Clock): void {
  session.setTimeout(0);
  session.on('error', () => {});
  keepSession(session, clock);
  closeWhenIdle(session, clock);
}

function closeWhenIdle(session: ServerHttp2Session, clock: Clock): void {
  const wait = (): Cancel => clock.after(IDLE_MS, () => session.close());
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

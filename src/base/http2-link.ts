/**
 * One HTTP/2 connection to one server, kept alive and replaced when it dies: what the tunnels and the API client share.
 *
 * After a GOAWAY new streams go to a new connection while old ones live on. A server that cannot be reached is not dialled again at once: waiting
 * callers share one attempt, and later ones get its error until a growing pause is over.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  connect as http2Connect,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { type Clock, systemClock } from './clock.ts';
import type { HoopError } from './error.ts';
import { type DialOptions, dial, explainDial, parseGatewayUrl } from './http2-dial.ts';
import { HTTP2_SESSION, keepSession } from './http2-session.ts';

export interface Http2LinkOptions extends DialOptions {
  readonly url: string;
  readonly clock?: Clock | undefined;
}

export interface Http2Link {
  /** scheme, host and port. */
  readonly origin: string;
  /** Begins a request, connecting first where needed. Throws HoopError (exit 6) when the server cannot be reached. */
  request(headers: OutgoingHttpHeaders, options?: { endStream?: boolean }): Promise<ClientHttp2Stream>;
  /** Forgets the pause after a failed attempt: somebody has reason to think that it works now. */
  retryNow(): void;
  /** What begins from now on goes over a new connection: the old one is in doubt. Its streams live on as long as it does. */
  renew(): void;
  /** From now on every new connection is shown to `check` first; what that throws is why it is not used. */
  guard(check: (connection: OneConnection) => Promise<void>): void;
  /** Streams are reset. */
  close(): void;
}

/** One connection and no other: what a guard asks. */
export type OneConnection = Pick<Http2Link, 'origin' | 'request'>;

const PAUSES_MS = [250, 500, 1_000, 2_000, 5_000];

export function createHttp2Link(options: Http2LinkOptions): Http2Link {
  const url = parseGatewayUrl(options.url);
  const clock = options.clock ?? systemClock;
  const sessions = new Set<ClientHttp2Session>();
  let current: ClientHttp2Session | undefined;
  let connecting: Promise<ClientHttp2Session> | undefined;
  let failure: { error: HoopError; until: number; count: number } | undefined;
  let closed = false;
  let check: ((connection: OneConnection) => Promise<void>) | undefined;

  async function open(): Promise<ClientHttp2Session> {
    try {
      const session = await startSession(url, options, clock);
      await inspect(session);
      if (!isOpen(session)) throw new Error('the server closed the connection');
      if (closed) throw new Error('it was closed meanwhile', { cause: session.destroy() });
      failure = undefined;
      current = session;
      sessions.add(session);
      session.once('goaway', () => forget(session));
      session.once('close', () => {
        forget(session);
        sessions.delete(session);
      });
      return session;
    } catch (cause) {
      const error = explainDial(cause, url);
      const count = (failure?.count ?? 0) + 1;
      const pause = PAUSES_MS[Math.min(count, PAUSES_MS.length) - 1] ?? 0;
      failure = { error, count, until: clock.monotonic() + pause };
      throw error;
    }
  }

  async function inspect(session: ClientHttp2Session): Promise<void> {
    if (check === undefined) return;
    try {
      await check({ origin: url.origin, request: async (headers, how = {}) => begin(session, headers, how) });
    } catch (error) {
      session.destroy();
      throw error;
    }
  }

  function forget(session: ClientHttp2Session): void {
    if (current === session) current = undefined;
  }

  function session(): ClientHttp2Session | Promise<ClientHttp2Session> {
    if (current && isOpen(current)) return current;
    if (failure && clock.monotonic() < failure.until) throw failure.error;
    connecting ??= open().finally(() => {
      connecting = undefined;
    });
    return connecting;
  }

  return {
    origin: url.origin,
    async request(headers, requestOptions = {}) {
      for (;;) {
        const held = session();
        const ready = held instanceof Promise ? await held : held;
        try {
          return begin(ready, headers, requestOptions);
        } catch (error) {
          // It closed between the look and the call (a GOAWAY just came): ask again, on a new one.
          if (isOpen(ready)) throw error;
          forget(ready);
        }
      }
    },
    retryNow() {
      if (failure) failure = { ...failure, until: 0 };
    },
    renew() {
      const old = current;
      current = undefined;
      if (old !== undefined) closeWithLast(old);
      if (failure) failure = { ...failure, until: 0 };
    },
    guard(next) {
      check = next;
    },
    close() {
      closed = true;
      for (const open of sessions) open.destroy(undefined, constants.NGHTTP2_CANCEL);
    },
  };
}

async function startSession(url: URL, options: Http2LinkOptions, clock: Clock): Promise<ClientHttp2Session> {
  const socket = await dial(url, options);
  const session = http2Connect(url.origin, {
    ...HTTP2_SESSION,
    // Until the server's own settings arrive Node would hold back more than 100 streams.
    peerMaxConcurrentStreams: 100_000,
    createConnection: () => socket,
  });
  await new Promise<void>((resolve, reject) => {
    session.once('connect', () => resolve());
    session.once('close', () => reject(new Error('the server closed the connection')));
    // Streams hear of it themselves; without a listener the process would end.
    session.on('error', reject);
  });
  keepSession(session, clock);
  session.unref();
  return session;
}

const closing = new WeakSet<ClientHttp2Session>();

/** Nothing new begins on it. A GOAWAY now would refuse what has just begun and is not sent yet. */
function closeWithLast(session: ClientHttp2Session): void {
  if ((streamCounts.get(session) ?? 0) === 0) session.close();
  else closing.add(session);
}

const streamCounts = new WeakMap<ClientHttp2Session, number>();

// A request under way keeps the process alive, an idle connection does not.
function begin(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  options: { endStream?: boolean },
): ClientHttp2Stream {
  const stream = session.request(headers, options);
  count(session, 1);
  stream.once('close', () => count(session, -1));
  return stream;
}

function count(session: ClientHttp2Session, change: 1 | -1): void {
  const open = (streamCounts.get(session) ?? 0) + change;
  streamCounts.set(session, open);
  if (session.destroyed) return;
  if (open === 0 && closing.has(session)) session.close();
  if (open === 0) session.unref();
  else if (open === 1 && change === 1) session.ref();
}

function isOpen(session: ClientHttp2Session): boolean {
  return !session.closed && !session.destroyed;
}

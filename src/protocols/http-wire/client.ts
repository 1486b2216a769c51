/**
 * Sends requests to one target on behalf of one session. Connections are kept for that session's further requests and shared with no other; one on which
 * anything was strange is not used again. Knows no credential: whoever calls has put it where it belongs.
 */
import type { Duplex } from 'node:stream';
import type { ByteChannel } from '../../base/channel.ts';
import type { Clock } from '../../base/clock.ts';
import { duplexOf } from '../duplex.ts';
import { sendHttp1 } from './send-http1.ts';
import { connectHttp2, type Http2Connection } from './send-http2.ts';
import { createIdleConnections } from './idle.ts';
import { openChannel, type Spoken, type TargetTls } from './open.ts';
import { fail, failureOf, type HttpClient, type OutgoingRequest, sentOf, type UpstreamResponse } from './outgoing.ts';

export type { TargetTls } from './open.ts';
export type { HttpClient, OutgoingHeaders, OutgoingRequest, Sent, UpstreamResponse } from './outgoing.ts';
export { sentOf } from './outgoing.ts';

export interface HttpClientParts {
  dial(): Promise<ByteChannel>;
  /** TLS is spoken where this is given. */
  readonly tls?: TargetTls | undefined;
  /** Without TLS, `auto` is HTTP/1.1 and `2` is HTTP/2 by prior knowledge. */
  readonly versions: 'auto' | '1.1' | '2';
  /** `host` or `host:port`, as the target knows itself. */
  readonly authority: string;
  readonly clock: Clock;
  /** How long the target may take for the head of its answer, ms. Default: 15 minutes, for models think long. */
  readonly headWithin?: number | undefined;
}

const HEAD_WITHIN_MS = 15 * 60_000;
/** Connections that one request is begun on, each ended by the target before it looked at it. */
const MOST_TRIES = 4;

export function createHttpClient(parts: HttpClientParts): HttpClient {
  const { clock, authority, versions } = parts;
  const idle = createIdleConnections(clock);
  const open = new Set<Duplex>();
  /** Whether HTTP/1.1 alone is spoken: asked for, or all that the target knows. */
  let plain = versions === '1.1' || (versions === 'auto' && parts.tls === undefined);
  let http2: Http2Connection | undefined;
  let connecting: Promise<unknown> | undefined;
  let closed = false;

  function track(channel: ByteChannel): Duplex {
    const socket = duplexOf(channel);
    open.add(socket);
    // A request hears of it by itself; between two of them nobody has to.
    socket.on('error', () => {});
    socket.once('close', () => open.delete(socket));
    if (closed) socket.destroy();
    return socket;
  }

  async function connectHttp1({ signal }: OutgoingRequest): Promise<Duplex> {
    return track((await openChannel(parts, ['http/1.1'], signal)).channel);
  }

  async function overHttp1(request: OutgoingRequest): Promise<UpstreamResponse> {
    const began = clock.monotonic();
    const kept = idle.take();
    const socket = kept ?? (await connectHttp1(request));
    return onHttp1(socket, request, kept === undefined ? clock.monotonic() - began : undefined);
  }

  function onHttp1(socket: Duplex, request: OutgoingRequest, dialMs?: number): Promise<UpstreamResponse> {
    const began = clock.monotonic() - (dialMs ?? 0);
    const dialled = dialMs === undefined ? {} : { dialMs };
    return sendHttp1(request, {
      ...{ socket, authority },
      timing: () => ({ ...dialled, firstByteMs: clock.monotonic() - began }),
      done(left, headers) {
        if (left === 'fit') idle.keep(socket, headers);
        else if (left === 'spent') socket.destroy();
      },
    });
  }

  function onHttp2(connection: Http2Connection, request: OutgoingRequest, dialMs?: number): Promise<UpstreamResponse> {
    const began = clock.monotonic() - (dialMs ?? 0);
    const dialled = dialMs === undefined ? {} : { dialMs };
    return connection.send(request, () => ({ ...dialled, firstByteMs: clock.monotonic() - began }));
  }

  /** What a new connection speaks, where that is not settled; requests that come meanwhile wait for it. */
  async function connectEither({ signal }: OutgoingRequest): Promise<Http2Connection | Duplex> {
    const offered: readonly Spoken[] = versions === '2' ? ['h2'] : ['h2', 'http/1.1'];
    const { channel, spoken } = await openChannel(parts, offered, signal);
    const socket = track(channel);
    if (spoken === 'http/1.1') {
      plain = true;
      return socket;
    }
    http2 = connectHttp2({ socket, authority, scheme: parts.tls ? 'https' : 'http' });
    return http2;
  }

  async function send(request: OutgoingRequest, tries = MOST_TRIES): Promise<UpstreamResponse> {
    if (plain || request.upgrade !== undefined) return overHttp1(request);
    while (connecting !== undefined) await connecting.catch(() => {});
    if (plain) return overHttp1(request);
    if (http2?.usable) return orOnNext(http2, onHttp2(http2, request), request, tries);
    const began = clock.monotonic();
    const made = connectEither(request);
    connecting = made;
    const connection = await made.finally(() => {
      connecting = undefined;
    });
    const dialMs = clock.monotonic() - began;
    return 'usable' in connection
      ? orOnNext(connection, onHttp2(connection, request, dialMs), request, tries)
      : onHttp1(connection, request, dialMs);
  }

  /** A target that ends its connection says which requests it has not looked at (RFC 9113, section 6.8): those go on the next one. */
  async function orOnNext(
    connection: Http2Connection,
    answer: Promise<UpstreamResponse>,
    request: OutgoingRequest,
    tries: number,
  ): Promise<UpstreamResponse> {
    try {
      return await answer;
    } catch (error) {
      const repeatable = request.body === undefined || Buffer.isBuffer(request.body);
      if (connection.usable || sentOf(error) !== 'nothing' || !repeatable || tries <= 1 || closed) throw error;
      request.signal.throwIfAborted();
      return send(request, tries - 1);
    }
  }

  return {
    async send(request) {
      const { signal, late, heard, forget } = within(request.signal, clock, parts.headWithin ?? HEAD_WITHIN_MS);
      try {
        const answer = await send({ ...request, signal });
        answer.body.once('close', forget);
        return answer;
      } catch (error) {
        forget();
        if (!late()) throw failureOf(error, 'nothing');
        throw fail('TARGET_TIMEOUT', 'the target did not answer in time', {
          details: failureOf(error, 'nothing').details,
        });
      } finally {
        heard();
      }
    },
    close() {
      closed = true;
      http2?.close();
      for (const socket of open) socket.destroy();
    },
  };
}

interface Within {
  readonly signal: AbortSignal;
  /** Whether the time ran out. */
  late(): boolean;
  /** The head is there: the time does not run any more. */
  heard(): void;
  /** The other signal matters no more. */
  forget(): void;
}

/** Given up with another signal, or when the time runs out. Not `AbortSignal.any`: Node keeps what listens to one of those for ever. */
function within(other: AbortSignal, clock: Clock, ms: number): Within {
  const given = new AbortController();
  let late = false;
  const follow = () => given.abort();
  const heard = clock.after(ms, () => {
    late = true;
    given.abort();
  });
  if (other.aborted) given.abort();
  else other.addEventListener('abort', follow, { once: true });
  return {
    signal: given.signal,
    late: () => late,
    heard,
    forget: () => other.removeEventListener('abort', follow),
  };
}

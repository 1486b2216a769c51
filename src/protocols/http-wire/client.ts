/**
 * Sends requests to one target on behalf of one session. Connections are kept for that session's further requests and shared with no other; one on which
 * anything was strange is not used again. Knows no credential: whoever calls has put it where it belongs.
 */
import type { Duplex } from 'node:stream';
import type { ByteChannel } from '../../base/channel.ts';
import type { Clock } from '../../base/clock.ts';
import { duplexOf } from '../duplex.ts';
import { sendHttp1 } from './send-http1.ts';
import { createIdleConnections } from './idle.ts';
import { openChannel, type TargetTls } from './open.ts';
import { fail, failureOf, type HttpClient, type OutgoingRequest, type UpstreamResponse } from './outgoing.ts';

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

export function createHttpClient(parts: HttpClientParts): HttpClient {
  const { clock, authority } = parts;
  const idle = createIdleConnections(clock);
  const open = new Set<Duplex>();
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

  async function send(request: OutgoingRequest): Promise<UpstreamResponse> {
    const began = clock.monotonic();
    const kept = idle.take();
    const socket = kept ?? (await connectHttp1(request));
    const dialled = kept === undefined ? { dialMs: clock.monotonic() - began } : {};
    return sendHttp1(request, {
      ...{ socket, authority },
      timing: () => ({ ...dialled, firstByteMs: clock.monotonic() - began }),
      done(left, headers) {
        if (left === 'fit') idle.keep(socket, headers);
        else if (left === 'spent') socket.destroy();
      },
    });
  }

  return {
    async send(request) {
      const late = new AbortController();
      const cancel = clock.after(parts.headWithin ?? HEAD_WITHIN_MS, () => late.abort());
      const signal = AbortSignal.any([request.signal, late.signal]);
      try {
        return await send({ ...request, signal });
      } catch (error) {
        if (!late.signal.aborted) throw failureOf(error, 'nothing');
        throw fail('TARGET_TIMEOUT', 'the target did not answer in time', {
          details: failureOf(error, 'nothing').details,
        });
      } finally {
        cancel();
      }
    },
    close() {
      closed = true;
      for (const socket of open) socket.destroy();
    },
  };
}

/** What is asked of a target over HTTP, what it answers, and how that can fail: the words that both versions of HTTP share. */
import type { Duplex, Readable } from 'node:stream';
import { errorTable, HoopError } from '../../base/error.ts';
import type { HeaderList } from './head.ts';

/** Names as they are sent or were received, each with one value, in order. */
export type OutgoingHeaders = HeaderList;

export interface OutgoingRequest {
  readonly method: string;
  /** Origin-form, sent exactly as it stands: it never goes through `new URL`. */
  readonly target: string;
  /** Without host, framing and hop-by-hop names: those are written here. */
  readonly headers: OutgoingHeaders;
  /** A stream is sent in chunks, unless `length` says how long it is. */
  readonly body: Readable | Buffer | undefined;
  /** Bytes of a streamed body: it is sent with that content-length, and the request is cut where the stream has another length. */
  readonly length?: number | undefined;
  /** Asked for when the streamed body has ended. */
  trailers?(): OutgoingHeaders;
  /** The protocol asked for in `Upgrade`. HTTP/1.1 is spoken then. */
  readonly upgrade?: string | undefined;
  readonly signal: AbortSignal;
  /** An answer that is not the final one (1xx), but for 101. */
  onInformational?(status: number, headers: OutgoingHeaders): void;
}

export interface UpstreamResponse {
  readonly version: '1.1' | '2';
  readonly status: number;
  readonly headers: OutgoingHeaders;
  /** Fails with a HoopError where the target breaks off. Destroy it to have the rest never read: the connection goes then. */
  readonly body: Readable;
  /** Empty until the body has ended. */
  trailers(): OutgoingHeaders;
  /** What speaks the other protocol, after 101. */
  readonly upgraded?: Duplex;
  /** Whether the target has been sent all of the request by now. */
  readonly sentWhole: boolean;
  /** Bytes of the request's body handed to the connection. */
  bytesSent(): number;
  readonly timing: { readonly dialMs?: number; readonly firstByteMs: number };
}

export interface HttpClient {
  /** @throws HoopError TARGET_UNREACHABLE, TARGET_TLS, TARGET_PROTOCOL, TARGET_TIMEOUT; `sentOf(error)` says how much the target may have seen */
  send(request: OutgoingRequest): Promise<UpstreamResponse>;
  /** Cuts what is open. */
  close(): void;
}

export const fail = errorTable({
  TARGET_UNREACHABLE: { exit: 6, hint: 'check the address, the network and that the server runs' },
  TARGET_TLS: {
    exit: 6,
    hint: 'check the certificate of the target: it must be for this host name; `tls: { ca: { file } }` names a private authority',
  },
  TARGET_PROTOCOL: {
    exit: 6,
    hint: 'check that the address is an HTTP server, and what stands between it and the gateway',
  },
  TARGET_TIMEOUT: {
    exit: 6,
    hint: 'check that the target is not overloaded; what it was sent may still have an effect there',
  },
});

/** How much of a request the target may have seen when it failed. */
export type Sent = 'nothing' | 'part' | 'whole';

export function sentOf(error: unknown): Sent | undefined {
  const sent = error instanceof HoopError ? error.details?.['sent'] : undefined;
  return sent === 'nothing' || sent === 'part' || sent === 'whole' ? sent : undefined;
}

/** At most that many answers before the answer. */
export const MOST_INFORMATIONAL = 8;
export const MOST_HEAD_BYTES = 32 * 1024;
export const MOST_HEADERS = 200;

/** Names of a request's head that only the connection decides on, and never who asks. */
const OF_THE_CONNECTION = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export function withoutFraming(headers: OutgoingHeaders): OutgoingHeaders {
  return headers.filter(([name]) => !OF_THE_CONNECTION.has(name.toLowerCase()));
}

export function valuesOf(headers: OutgoingHeaders, name: string): readonly string[] {
  return headers.filter(([known]) => known.toLowerCase() === name).map(([, value]) => value);
}

/** A failure of a connection in our words. Nothing that the target sent is in it: it may hold what must not be seen. */
export function failureOf(error: unknown, sent: Sent): HoopError {
  if (error instanceof HoopError) return sentOf(error) ? error : withSent(error, sent);
  const { code = '' } = error as NodeJS.ErrnoException;
  const details = { sent };
  if (code === 'HPE_HEADER_OVERFLOW' || code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW')
    return fail('TARGET_PROTOCOL', `the head of the target's answer is larger than ${MOST_HEAD_BYTES / 1024} KiB`, {
      details,
    });
  if (code.startsWith('HPE_') || code.startsWith('ERR_HTTP'))
    return fail('TARGET_PROTOCOL', `the target's answer is no valid HTTP: ${code}`, { details });
  if (code === 'ABORT_ERR') return fail('TARGET_UNREACHABLE', 'the request was given up', { details });
  return fail('TARGET_UNREACHABLE', `the connection to the target failed${code === '' ? '' : `: ${code}`}`, {
    details,
  });
}

function withSent(error: HoopError, sent: Sent): HoopError {
  const { code, message, hint, exit, cause, details } = error;
  return new HoopError(code, message, { hint, exit, cause, details: { ...details, sent } });
}

export function malformed(why: string): HoopError {
  return fail('TARGET_PROTOCOL', `the target's answer is no valid HTTP: ${why}`);
}

/** The request's own side failed: its end must not look like one. */
export function cutBody(why: string): HoopError {
  return fail('TARGET_UNREACHABLE', `the request was given up while it was sent: ${why}`, {
    details: { sent: 'part' },
  });
}

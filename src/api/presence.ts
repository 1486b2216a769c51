/**
 * Whether whoever reads a long answer is still there, as far as the connection tells: it answers pings, and takes what it is sent.
 *
 * A connection that was cut says so at once; one whose other end is asleep, or whose line is dead, says nothing at all (RFC 9113, section 6.7).
 */
import type { ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';

export interface Presence {
  /** Aborted once nobody is there any more. */
  readonly gone: AbortSignal;
  /** Ends the answer: a reader that is there after all comes back. */
  cut(): void;
}

const PING_MS = 1_000;
/** A ping is answered, and something of what waits is taken, within this time. */
const SILENT_MS = 3_500;

/** @returns undefined over HTTP/1.1, which has no pings: whether somebody is there cannot be told */
export function presenceOf(response: ServerResponse): Presence | undefined {
  const { stream } = response as ServerResponse & { stream?: ServerHttp2Stream };
  if (!stream?.session) return undefined;
  const { session } = stream;
  const gone = new AbortController();
  let waits = { bytes: 0, since: performance.now() };
  let asked: { readonly since: number; sent: boolean } | undefined;
  const leave = () => {
    clearInterval(timer);
    gone.abort();
  };
  const timer = setInterval(() => {
    const now = performance.now();
    const bytes = stream.writableLength;
    if (bytes === 0 || bytes !== waits.bytes) waits = { bytes, since: now };
    asked ??= { since: now, sent: false };
    if (session.destroyed || now - waits.since > SILENT_MS || now - asked.since > SILENT_MS) return leave();
    // Where as many pings as there may be are under way already, the next look tries again.
    const asking = asked;
    asking.sent ||= session.ping((error) => {
      if (error === null && asking === asked) asked = undefined;
    });
  }, PING_MS);
  timer.unref();
  stream.once('close', leave);
  if (stream.destroyed) leave();
  return { gone: gone.signal, cut: () => void response.destroy() };
}

/**
 * What an HTTP client is told whose connection cannot be opened now: the same answer as the gateway's own refusals, in the version of HTTP that it speaks.
 * (For a connection that is cut later: client-parting.ts.)
 */
import type { RefusalCode } from '../../domain/command.ts';
import type { Unavailable } from '../../domain/protocol.ts';
import {
  ERROR_CODE,
  FLAG,
  FRAME,
  FRAME_HEAD_BYTES,
  frame,
  goAway,
  literalHeaders,
  PREFACE,
  readFrameHead,
} from './client-frames.ts';
import { type Answer, refusalAnswer } from './refuse.ts';

/** Whoever sends a longer head is answered within it. */
const ENOUGH = 8 * 1024;
const NOTHING = Buffer.alloc(0);

export function unavailable(reason: Unavailable, received: Uint8Array): { answer: Uint8Array; done: boolean } {
  const bytes = Buffer.from(received.buffer, received.byteOffset, received.byteLength);
  const compared = Math.min(bytes.length, PREFACE.length);
  if (PREFACE.subarray(0, compared).equals(bytes.subarray(0, compared)))
    return compared < PREFACE.length ? { answer: NOTHING, done: false } : inFrames(reason, bytes);
  if (bytes.length < ENOUGH && !bytes.includes('\r\n\r\n')) return { answer: NOTHING, done: false };
  const method = bytes.toString('latin1', 0, bytes.indexOf(' '));
  return { answer: asText(answerFor(reason, reason.kind === 'unreachable'), method !== 'HEAD'), done: true };
}

/** To who was cut off in the middle of an exchange: nothing says whether the target heard it. */
export function answerWhenCut(reason: Unavailable): Buffer {
  return asText(answerFor(reason, false), true);
}

/** One line, as it may be looked at in a log. */
export function plain(message: string): string {
  return message.replace(/\p{C}+/gu, ' ');
}

const CODES: ReadonlySet<string> = new Set<RefusalCode>([
  ...(['HOOP_DENIED', 'HOOP_HELD', 'HOOP_LIMIT'] as const),
  ...(['HOOP_REVOKED', 'HOOP_UNAVAILABLE', 'HOOP_STALE'] as const),
]);

/** @param again whether a client that tries again by itself does no harm */
function answerFor({ message }: Unavailable, again: boolean): Answer {
  const word = /^(HOOP_[A-Z]+): /.exec(message)?.[1] ?? '';
  const known = CODES.has(word);
  const code = known ? (word as RefusalCode) : 'HOOP_UNAVAILABLE';
  const text = plain(known ? message : `${code}: ${message}`);
  const { status, headers, body } = refusalAnswer({ kind: 'refusal', code, message: text });
  // The clients of OpenAI and Anthropic send a request again after a 503, unless this says no.
  const never = headers.filter(([name]) => name !== 'retry-after' && name !== 'x-should-retry');
  return { status, headers: again ? headers : [...never, ['x-should-retry', 'false']], body };
}

const PHRASES: ReadonlyMap<number, string> = new Map([
  [403, 'Forbidden'],
  [409, 'Conflict'],
  [429, 'Too Many Requests'],
  [503, 'Service Unavailable'],
]);

function asText({ status, headers, body }: Answer, withBody: boolean): Buffer {
  const lines = [`HTTP/1.1 ${status} ${PHRASES.get(status) ?? ''}`, ...headers.map((pair) => pair.join(': '))];
  const head = Buffer.from([...lines, 'connection: close', '', ''].join('\r\n'));
  return withBody ? Buffer.concat([head, body]) : head;
}

/** The first stream gets the answer, and the connection ends (RFC 9113, section 6.8). */
function inFrames(reason: Unavailable, bytes: Buffer): { answer: Uint8Array; done: boolean } {
  const said = [frame(FRAME.settings, 0, 0)];
  const answer = (done: boolean) => ({ answer: Buffer.concat(said), done });
  for (let at = PREFACE.length; bytes.length >= at + FRAME_HEAD_BYTES; ) {
    const { length, type, flags, stream } = readFrameHead(bytes, at);
    at += FRAME_HEAD_BYTES + length;
    if (type === FRAME.headers) {
      const { status, headers, body } = answerFor(reason, reason.kind === 'unreachable');
      said.push(
        frame(FRAME.headers, FLAG.endHeaders, stream, literalHeaders([[':status', String(status)], ...headers])),
      );
      said.push(frame(FRAME.data, FLAG.endStream, stream, body), goAway(stream, ERROR_CODE.none, ''));
      return answer(true);
    }
    if (type === FRAME.settings && (flags & FLAG.ack) === 0) said.push(frame(FRAME.settings, FLAG.ack, 0));
  }
  return answer(false);
}

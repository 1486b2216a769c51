/**
 * Last words at the local end of a tunnel: what an HTTP client is told when the gateway is gone without having said anything.
 *
 * An answer within another one would be read as part of it, so it is said only where no head has begun. To know that, the gateway's answers are followed
 * by their lengths (RFC 9112, section 6.3), not read. What was asked is not seen here, and the answer to a HEAD has a length but no body: where the next
 * answer seems to begin in a body, nothing is said any more.
 */
import type { Parting, Unavailable } from '../../domain/protocol.ts';
import { answerWhenCut, plain } from './client-away.ts';
import { ERROR_CODE, FLAG, FRAME, FRAME_HEAD_BYTES, goAway, readFrameHead } from './client-frames.ts';

const NOTHING = Buffer.alloc(0);
const LONGEST_HEAD = 64 * 1024;
const LONGEST_LINE = 1024;
const LINE_FEED = 0x0a;
const BEGINNING = Buffer.from('HTTP/1.');
/** Section 6.8 of RFC 9113: nothing is known of which streams were acted on. */
const ANY_STREAM = 0x7fff_ffff;

/** Where in the gateway's words we are. */
type Place =
  /** Nothing of an answer was heard, or not since the last one ended. */
  | { readonly kind: 'between'; readonly first: boolean }
  | { readonly kind: 'head'; text: string }
  /** `like`: how much of it looks like the beginning of another answer; undefined once it does not. */
  | { readonly kind: 'body'; left: number; like: number | undefined }
  /** Of a chunk's size, and of the trailers after the last. */
  | { readonly kind: 'line'; readonly trailers: boolean; text: string }
  | { readonly kind: 'chunk'; left: number }
  | { readonly kind: 'frameHead'; head: Buffer; readonly inBlock: boolean }
  | { readonly kind: 'frame'; left: number; readonly inBlock: boolean }
  /** The client was told that the connection ends, by the gateway. */
  | { readonly kind: 'parted' }
  /** Nobody but the gateway can say anything. */
  | { readonly kind: 'lost' };

/** What comes after the answer that has just ended. */
type Afterwards = 'between' | 'parted';

export function createParting(): Parting {
  let place: Place = { kind: 'between', first: true };
  let afterwards: Afterwards = 'between';
  const ended = (): Place => (afterwards === 'parted' ? { kind: 'parted' } : { kind: 'between', first: false });

  /** @returns how many bytes of the chunk from there on were taken */
  const take = (chunk: Buffer, at: number): number => {
    switch (place.kind) {
      case 'between':
        place = beginningWith(chunk[at] as number, place.first);
        return 0;
      case 'head': {
        const { taken, whole } = until('\r\n\r\n', place, chunk, at, LONGEST_HEAD);
        if (whole === undefined) place = { kind: 'lost' };
        else if (whole) {
          const framing = framingOf(place.text);
          if (framing.kind !== 'interim') afterwards = framing.last ? 'parted' : 'between';
          place = framing.place ?? ended();
        }
        return taken;
      }
      case 'body': {
        const taken = Math.min(place.left, chunk.length - at);
        place.like = likeBeginning(place.like, chunk.subarray(at, at + taken));
        place.left -= taken;
        if (place.like === BEGINNING.length || (place.left === 0 && place.like !== undefined)) place = { kind: 'lost' };
        else if (place.left === 0) place = ended();
        return taken;
      }
      case 'line': {
        const { taken, whole } = until('\r\n', place, chunk, at, place.trailers ? LONGEST_HEAD : LONGEST_LINE);
        if (whole === undefined) place = { kind: 'lost' };
        else if (whole) place = afterLine(place.text, place.trailers) ?? ended();
        return taken;
      }
      case 'chunk': {
        const taken = Math.min(place.left, chunk.length - at);
        place.left -= taken;
        if (place.left === 0) place = { kind: 'line', trailers: false, text: '' };
        return taken;
      }
      case 'frameHead': {
        const taken = Math.min(FRAME_HEAD_BYTES - place.head.length, chunk.length - at);
        place.head = Buffer.concat([place.head, chunk.subarray(at, at + taken)]);
        if (place.head.length === FRAME_HEAD_BYTES) place = afterFrameHead(place.head, place.inBlock);
        return taken;
      }
      case 'frame': {
        const taken = Math.min(place.left, chunk.length - at);
        place.left -= taken;
        if (place.left === 0) place = { kind: 'frameHead', head: NOTHING, inBlock: place.inBlock };
        return taken;
      }
      default:
        return chunk.length - at;
    }
  };

  return {
    heard(bytes) {
      const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let at = 0; at < chunk.length; ) at += take(chunk, at);
    },
    words: (reason) => wordsAt(place, reason),
  };
}

function wordsAt(place: Place, reason: Unavailable): Uint8Array | undefined {
  switch (place.kind) {
    case 'between':
      return answerWhenCut(reason);
    case 'frameHead':
      return place.head.length > 0 || place.inBlock
        ? undefined
        : goAway(ANY_STREAM, ERROR_CODE.internal, plain(reason.message));
    case 'parted':
      return NOTHING;
    default:
      return undefined;
  }
}

/** A gateway that speaks HTTP/2 begins with SETTINGS, whose length has no third byte. */
function beginningWith(byte: number, first: boolean): Place {
  if (byte === BEGINNING[0]) return { kind: 'head', text: '' };
  return first && byte === 0 ? { kind: 'frameHead', head: NOTHING, inBlock: false } : { kind: 'lost' };
}

/** Collects up to the end mark; `whole` is undefined when there is more before it than can be. */
function until(end: string, place: { text: string }, chunk: Buffer, at: number, most: number) {
  for (let to = at; to < chunk.length; ) {
    const feed = chunk.indexOf(LINE_FEED, to);
    const next = feed < 0 ? chunk.length : feed + 1;
    place.text += chunk.toString('latin1', to, next);
    to = next;
    if (place.text.length > most) return { taken: to - at, whole: undefined };
    if (place.text.endsWith(end)) return { taken: to - at, whole: true };
  }
  return { taken: chunk.length - at, whole: false };
}

/** `place` is undefined where there is no body. */
type Framing =
  | { readonly kind: 'interim'; readonly place: Place }
  | { readonly kind: 'final'; readonly place: Place | undefined; readonly last: boolean };

/** RFC 9112, section 6.3. */
function framingOf(head: string): Framing {
  const [, digits] = /^HTTP\/1\.[01] (\d{3})/.exec(head) ?? [];
  const status = Number(digits ?? 0);
  if (status > 101 && status < 200) return { kind: 'interim', place: { kind: 'between', first: false } };
  if (status === 100) return { kind: 'interim', place: { kind: 'between', first: false } };
  if (status < 200) return { kind: 'interim', place: { kind: 'lost' } };
  const last = /\r\nconnection:[^\r]*\bclose\b/i.test(head);
  const final = (place: Place | undefined): Framing => ({ kind: 'final', place, last });
  if (status === 204 || status === 304) return final(undefined);
  if (/\r\ntransfer-encoding:/i.test(head)) return final({ kind: 'line', trailers: false, text: '' });
  const length = /\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r\n/i.exec(head)?.[1];
  if (length === undefined) return final({ kind: 'lost' });
  return final(Number(length) === 0 ? undefined : { kind: 'body', left: Number(length), like: 0 });
}

function likeBeginning(like: number | undefined, bytes: Buffer): number | undefined {
  if (like === undefined) return undefined;
  const compared = Math.min(BEGINNING.length - like, bytes.length);
  return BEGINNING.subarray(like, like + compared).equals(bytes.subarray(0, compared)) ? like + compared : undefined;
}

/** @returns undefined at the end of the answer */
function afterLine(line: string, trailers: boolean): Place | undefined {
  if (trailers) return line === '\r\n' ? undefined : { kind: 'line', trailers: true, text: '' };
  const size = /^([0-9a-f]{1,12})(?:[ \t;]|\r\n$)/i.exec(line)?.[1];
  if (size === undefined) return { kind: 'lost' };
  const left = Number.parseInt(size, 16);
  // A chunk's data ends with a line break of its own.
  return left === 0 ? { kind: 'line', trailers: true, text: '' } : { kind: 'chunk', left: left + 2 };
}

/** No frame may come between a HEADERS and the CONTINUATIONs of its block (RFC 9113, section 6.10). */
function afterFrameHead(head: Buffer, wasInBlock: boolean): Place {
  const { length, type, flags } = readFrameHead(head, 0);
  if (type === FRAME.goAway) return { kind: 'parted' };
  const ofBlock = type === FRAME.headers || type === FRAME.continuation;
  const inBlock = ofBlock ? (flags & FLAG.endHeaders) === 0 : wasInBlock;
  return length === 0 ? { kind: 'frameHead', head: NOTHING, inBlock } : { kind: 'frame', left: length, inBlock };
}

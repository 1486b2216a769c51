/**
 * Masks a stream of bytes as it flows: a value that is cut anywhere between chunks is found as if it had come in one.
 *
 * Every value but a private key stands between two bytes of which none can be part of one (a line's end, a quote, a comma: a *barrier*). So what flows at once
 * is all up to the last barrier, and only the stretch behind it is held back until one comes, until nothing comes for a while (`idle`), or until it is longer
 * than the limit. What is found depends on the bytes alone, never on how they were cut into chunks:
 *
 * - a stretch is looked at whole; one longer than the limit in windows that overlap, cut where no value stands;
 * - a private key is taken from its first line to its last, or as much as the limit where that does not come. A token longer than the limit is not found.
 *
 * Quiet binary data and text pass in the caller's own memory. Masks that only count (`mode: shadow`) get a masker of their own, whose bytes nobody uses.
 */
import type { Detector, DetectorMask } from '../domain/mask.ts';
import { type Fingerprint, standIn } from './cell.ts';
import { isAlphanumeric, isDigit, isDomain, isLocal, isSeparator } from './codes.ts';
import { createFind, type Found } from './find.ts';
import { matchesIn, strictestByDetector } from './scanner.ts';
import { createSieve } from './sieve.ts';
import { openFrom, openToken } from './stream-open.ts';
import { createStretch } from './stretch.ts';

export interface StreamMasker {
  /** Takes what came, gives what may flow now: maybe part of the chunk itself, which is not to be written to afterwards. */
  push(chunk: Buffer): Buffer;
  /**
   * Nothing came for a while (some 100 ms): gives what is held back, but for what looks like the beginning of a value. Asked again before anything came,
   * it gives that too: only a private key is held until its end. Parts of a value that flowed so are not masked, nor is the rest of it.
   */
  idle(): Buffer;
  /** Nothing more comes: gives the rest. */
  end(): Buffer;
  /** Bytes held back: while there are any, `idle` wants to be asked. At most the limit, beside what one chunk brought. */
  readonly held: number;
  /** Values replaced so far. */
  readonly masked: number;
  /** The same by the rule that asked for it. */
  readonly rules: ReadonlyMap<string, number>;
}

export interface StreamMaskerOptions {
  /** Bytes that are held back at most; 32 KiB unless told. The longest private key in use is half of it. */
  readonly limit?: number;
}

const LIMIT = 32 * 1024;
/** Windows over a long stretch overlap by so much: more than any value but a token is long, escapes and all. */
const OVERLAP = 4 * 1024;
const NOTHING = Buffer.alloc(0);
const NO_MATCHES: readonly Found[] = [];
const REDACTED = '***';

const BARRIERS = Uint8Array.from({ length: 256 }, (_, byte) => {
  const ofValue = isAlphanumeric(byte) || isLocal(byte) || isDomain(byte) || isSeparator(byte);
  return ofValue || byte === 0x40 || byte === 0x5c ? 0 : 1;
});

/** @param fingerprint what `with: hash` puts there */
export function createStreamMasker(
  masks: readonly DetectorMask[],
  fingerprint: Fingerprint,
  { limit = LIMIT }: StreamMaskerOptions = {},
): StreamMasker {
  const rules = strictestByDetector(masks);
  const detectors = new Set(rules.keys());
  const find = createFind(detectors);
  const holdsNothing = createSieve(detectors);
  const keys = detectors.has('private_key');
  const found: Found = { start: 0, end: 0, detector: 'email' };
  const overlap = Math.min(OVERLAP, limit >> 1);

  const stretch = createStretch();
  const counts = new Map<string, number>();
  let masked = 0;
  let quiet = 0;
  /** What is held begins with a private key. */
  let inKey = false;
  /** What may be the first line of one, with a barrier in it, has not come whole. */
  let atMarker = false;
  /** So many of the bytes that are held hold no barrier, or no end of the key. */
  let looked = 0;
  let out: Buffer[] = [];

  function flow(final: boolean): void {
    for (;;) {
      if (inKey) {
        const to = keyEnd(final);
        if (to === undefined) return;
        replace(stretch.pos, to, 'private_key', to - stretch.pos >= limit);
        inKey = false;
        stretch.pos = to;
        looked = 0;
      }
      const safe = final ? stretch.end : lastBarrier();
      if (safe > stretch.pos) stretch.pos = scan(stretch.pos, safe);
      while (!inKey && !atMarker && stretch.end - stretch.pos > limit) {
        looked = 0;
        stretch.pos = flowWindow(stretch.pos);
        if (!inKey) looked = stretch.end - stretch.pos;
      }
      if (!inKey) return;
    }
  }

  /** Where what came may be cut: no value reaches over it. */
  function lastBarrier(): number {
    const { bytes, pos, end } = stretch;
    const least = pos + looked;
    let safe = end;
    while (safe > least && BARRIERS[bytes[safe - 1]!] === 0) safe--;
    looked = end - pos;
    atMarker = false;
    if (safe === least) return pos;
    const beside = keys ? besideMarker(bytes, pos, safe, end) : safe;
    atMarker = beside < safe;
    looked = atMarker ? 0 : Math.max(0, end - beside);
    return beside;
  }

  /** Gives bytes [from, to), masked. @returns `to`, or where a private key begins */
  function scan(from: number, to: number): number {
    const { bytes } = stretch;
    if (holdsNothing(bytes, from, to)) return give(from, to);
    let kept = from;
    for (;;) {
      const outcome = find(bytes, afterDigits(kept, to), stretch.base, to, found);
      if (outcome === 'nothing') return give(kept, to);
      if (outcome === 'found' && found.detector === 'private_key') return enterKey(give(kept, found.start));
      let first = Math.max(kept, found.start);
      while (first > kept && BARRIERS[bytes[first - 1]!] === 0) first--;
      let last = found.start;
      while (last < to && BARRIERS[bytes[last]!] === 0) last++;
      kept = flowStretch(give(kept, first), last);
      if (inKey) return kept;
    }
  }

  /** A stretch without a barrier. */
  function flowStretch(from: number, to: number): number {
    let at = from;
    while (!inKey && to - at > limit) at = flowWindow(at);
    return inKey ? at : flowPiece(at, to, () => to);
  }

  /** As much of a stretch that is longer than the limit as can be told by now. */
  function flowWindow(from: number): number {
    const to = from + limit;
    return flowPiece(from, to, (matches) => {
      const cut = to - overlap;
      const across = matches.find(({ start, end }) => start < cut && end > cut);
      if (across) return across.start > from ? across.start : across.end;
      const token = detectors.has('jwt') ? openToken(stretch.bytes, from, to) : to;
      if (token > from && token < cut) return token;
      return betweenCharacters(stretch.bytes, from, cut);
    });
  }

  /** Looks at [from, to), and gives what stands before the cut. */
  function flowPiece(from: number, to: number, cutOf: (matches: readonly Found[]) => number): number {
    const matches = holdsNothing(stretch.bytes, from, to)
      ? NO_MATCHES
      : matchesIn(find, stretch.bytes, afterDigits(from, to), stretch.base, to, found);
    const key = matches.find(({ detector }) => detector === 'private_key');
    const cut = cutOf(key ? matches.slice(0, matches.indexOf(key)) : matches);
    let kept = from;
    for (const match of matches) {
      if (match.start >= cut) break;
      give(kept, match.start);
      if (match === key) return enterKey(match.start);
      replace(match.start, match.end, match.detector, false);
      kept = match.end;
    }
    return give(kept, cut);
  }

  // A number is looked for at the first digit of a row alone: where one was cut, what is left of it is no beginning.
  function afterDigits(from: number, to: number): number {
    const { bytes, base } = stretch;
    let at = from;
    if (from > base && isDigit(bytes[from - 1])) while (at < to && isDigit(bytes[at])) at++;
    return at;
  }

  function enterKey(at: number): number {
    inKey = true;
    looked = 0;
    return at;
  }

  /** Where the private key that is held ends; undefined where that may be told later. */
  function keyEnd(final: boolean): number | undefined {
    const { bytes, pos } = stretch;
    const most = Math.min(stretch.end, pos + limit);
    const late = final || most === pos + limit;
    const body = endOfMarker(bytes, pos + BEGIN.length, most) ?? pos + 1;
    const at = bytes.subarray(0, most).indexOf(END, Math.max(body, pos + looked - END.length), 'latin1');
    looked = (at < 0 ? most : at) - pos;
    const to = at < 0 ? undefined : endOfMarker(bytes, at + END.length, most);
    return to ?? (late ? most : undefined);
  }

  function give(from: number, to: number): number {
    if (to > from) out.push(stretch.part(from, to));
    return to;
  }

  function replace(from: number, to: number, detector: Detector, cut: boolean): void {
    const { rule, with: how } = rules.get(detector)!;
    masked++;
    counts.set(rule, (counts.get(rule) ?? 0) + 1);
    // There is no NULL in a stream, and of what was not seen whole neither end nor hash can be told.
    if (how === 'null') return;
    const partial = cut && (how === 'last4' || how === 'hash');
    out.push(Buffer.from(partial ? REDACTED : standIn(how, stretch.bytes.subarray(from, to), fingerprint)));
  }

  function given(): Buffer {
    const parts = out;
    out = [];
    if (clean()) stretch.clear();
    else stretch.keep();
    return parts.length === 0 ? NOTHING : parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  function clean(): boolean {
    return stretch.pos === stretch.end && (stretch.end === 0 || BARRIERS[stretch.bytes[stretch.end - 1]!] === 1);
  }

  return {
    push(chunk) {
      if (detectors.size === 0 || chunk.length === 0) return chunk;
      quiet = 0;
      // What is held is done with at the chunk's first barrier; the rest of the chunk is looked at where it lies.
      const head = inKey || stretch.end === 0 ? 0 : afterBarrier(chunk);
      if (head > 0) {
        stretch.add(chunk.subarray(0, head));
        flow(false);
        if (clean()) stretch.clear();
      }
      if (head < chunk.length) {
        stretch.add(chunk.subarray(head));
        flow(false);
      }
      return given();
    },
    idle() {
      const { bytes, pos, end } = stretch;
      if (inKey || pos === end) return NOTHING;
      const open = quiet++ === 0 ? openFrom(detectors, bytes, pos, end) : end;
      stretch.pos = flowPiece(pos, end, (matches) => {
        const last = matches.at(-1);
        return open < end && last !== undefined && last.end > open ? Math.min(open, last.start) : open;
      });
      // A key's first line may have come, and its last.
      if (inKey) flow(false);
      else looked = stretch.end - stretch.pos;
      return given();
    },
    end() {
      if (stretch.end > stretch.pos) flow(true);
      return given();
    },
    get held() {
      return stretch.end - stretch.pos;
    },
    get masked() {
      return masked;
    },
    rules: counts,
  };
}

/** Behind the first barrier of a chunk; 0 where there is none. */
function afterBarrier(chunk: Buffer): number {
  for (let at = 0; at < chunk.length; at++) if (BARRIERS[chunk[at]!] === 1) return at + 1;
  return 0;
}

const BEGIN = '-----BEGIN ';
const END = '-----END ';
const LONGEST_LABEL = 40;

/** A private key's first line, which alone may hold a barrier, is not cut: where to cut instead of at `safe`. */
function besideMarker(bytes: Buffer, from: number, safe: number, end: number): number {
  const least = Math.max(from, safe - BEGIN.length - LONGEST_LABEL - 5);
  const at = bytes.subarray(least, safe).lastIndexOf(BEGIN, undefined, 'latin1');
  if (at < 0) return safe;
  const label = least + at + BEGIN.length;
  const to = endOfMarker(bytes, label, end);
  if (to !== undefined) return to > safe && bytes.toString('latin1', to - 16, to - 5) === 'PRIVATE KEY' ? to : safe;
  if (end >= label + LONGEST_LABEL + 5) return safe;
  // What stands before the marker may reach into it.
  let cut = least + at;
  while (cut > from && BARRIERS[bytes[cut - 1]!] === 0) cut--;
  return cut;
}

/** Behind the five dashes that end a label; undefined where they are not there, or not yet. As `privateKeyEnd` has it. */
function endOfMarker(bytes: Buffer, label: number, end: number): number | undefined {
  const dashes = bytes.subarray(0, Math.min(end, label + LONGEST_LABEL)).indexOf(0x2d, label);
  if (dashes < 0 || dashes + 5 > end) return undefined;
  return bytes.toString('latin1', dashes, dashes + 5) === '-----' ? dashes + 5 : undefined;
}

/** Not within a character of UTF-8 or its escape. */
function betweenCharacters(bytes: Buffer, from: number, at: number): number {
  for (let back = 1; back <= 5; back++) if (at - back > from && bytes[at - back] === 0x5c) return at - back;
  let cut = at;
  while (cut > at - 3 && cut - 1 > from && (bytes[cut]! & 0xc0) === 0x80) cut--;
  return cut;
}

/** What a recording keeps of a WebSocket: messages as they went out, up to a bound, and the digests of all of them. */
import { createHash } from 'node:crypto';
import type { FieldMask, MaskPlan } from '../../domain/mask.ts';
import type { SessionEvent } from '../../domain/recording.ts';
import { createMessageMasker, type Fingerprint, masksOf } from '../../mask/index.ts';
import { recordable } from './kept.ts';
import type { Content } from './settings.ts';
import { createCollector, type Piece } from './websocket-flow.ts';

export type Direction = 'in' | 'out';

export interface MessageLog {
  take(direction: Direction, piece: Piece): void;
  /** Counts and digests, once. */
  end(closed: Readonly<Record<string, unknown>>): void;
}

export interface LogParts {
  readonly content: Content;
  /** What is written where a field is masked is in no record, whichever way the mask is meant. */
  readonly plan: MaskPlan;
  readonly fingerprint: Fingerprint;
  readonly command: string;
  note(event: Extract<SessionEvent, { type: 'stream' | 'notice' }>): void;
}

/** Of each direction. */
const MOST = 10 * 1024 * 1024;
/** A message is written in parts of that size. */
const PART = 64 * 1024;

export function createMessageLog(parts: LogParts): MessageLog {
  const ways = { in: createWay('in', parts), out: createWay('out', parts) };
  return {
    take: (direction, piece) => ways[direction].take(piece),
    end(closed) {
      const { command, note } = parts;
      const [sent, received] = [ways.in.end(), ways.out.end()];
      note({ type: 'notice', notice: 'websocket.closed', command, in: sent, out: received, ...closed });
    },
  };
}

function createWay(direction: Direction, parts: LogParts) {
  const { content, command, note, fingerprint } = parts;
  const hash = createHash('sha256');
  const writer = createWriter(direction, parts);
  const hiding = createHiding(direction, parts);
  let messages = 0;
  let bytes = 0;
  let truncated = false;
  return {
    take(piece: Piece): void {
      hash.update(piece.bytes);
      bytes += piece.bytes.length;
      if (piece.last) messages++;
      if (content === 'none' || truncated) return;
      for (const one of hiding?.push(piece) ?? [piece]) writer.write(one);
      if (bytes < MOST) return;
      truncated = true;
      note({ type: 'notice', notice: 'stream.truncated', command, direction, bytes });
    },
    end() {
      for (const one of hiding?.end() ?? []) writer.write(one);
      writer.end();
      const digest = hash.digest();
      // A digest of what is not to be read tells whoever guesses it.
      const told = content === 'full' && !hiding ? { sha256: digest.toString('hex') } : { hmac: fingerprint(digest) };
      return { messages, bytes, ...told, ...(hiding?.struck ? { struck: hiding.struck } : {}) };
    },
  };
}

function createWriter(direction: Direction, { content, fingerprint, command, note }: LogParts) {
  let begun: Buffer[] = [];
  let size = 0;

  function write(ends: boolean): void {
    const all = Buffer.concat(begun);
    // A character that is not whole yet goes with what follows.
    const cut = ends ? all.length : all.length - unfinished(all);
    const data = recordable(all.subarray(0, cut), content, fingerprint);
    begun = [Buffer.from(all.subarray(cut))];
    size = all.length - cut;
    note({ type: 'stream', direction, command, ...textOf(data), ...(ends ? { ends: true as const } : {}) });
  }

  return {
    write({ bytes, last }: Pick<Piece, 'bytes' | 'last'>): void {
      // A copy: it may be part of a much larger piece of memory, and waits for the rest of its message.
      begun.push(last ? bytes : Buffer.from(bytes));
      size += bytes.length;
      if (last || size >= PART) write(last);
    },
    end() {
      if (size > 0) write(false);
    },
  };
}

/** Takes out what masks of the other direction name. What cannot be looked into for that is counted, and not kept. */
function createHiding(direction: Direction, { plan, fingerprint }: LogParts) {
  const applied: readonly FieldMask[] = masksOf(plan, direction === 'in' ? 'request' : 'response').fields;
  const others = plan.fields.filter((mask) => !applied.includes(mask));
  if (others.length === 0) return undefined;
  const fields = others.map((mask) => ({ ...mask, direction: 'both' as const }));
  const masker = createMessageMasker({ fields, detectors: [] }, fingerprint);
  const whole = createCollector();
  const ended = (messages: readonly Buffer[]) => messages.map((bytes) => ({ bytes, last: true }));
  return {
    struck: 0,
    push(piece: Piece) {
      if (!piece.last && piece.type === 'binary') return [];
      const message = piece.type === 'text' ? whole.push(piece) : undefined;
      const shown = Buffer.isBuffer(message) ? masker.push(message) : [];
      // From what cannot be read on, nothing is kept.
      if (piece.last && (!Buffer.isBuffer(message) || masker.failed !== undefined)) this.struck++;
      return ended(shown);
    },
    end: () => ended(masker.end()),
  };
}

function textOf(chunk: Buffer): { readonly data: string; readonly encoding?: 'base64' } {
  const text = chunk.toString('utf8');
  return Buffer.from(text).equals(chunk) ? { data: text } : { data: chunk.toString('base64'), encoding: 'base64' };
}

/** Bytes at the end that begin a character of UTF-8 without ending it. */
function unfinished(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

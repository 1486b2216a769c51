/** What a recording keeps of a WebSocket: messages as they went out, up to a bound, and the digests of all of them. */
import { createHash } from 'node:crypto';
import type { SessionEvent } from '../../domain/recording.ts';
import type { Fingerprint } from '../../mask/index.ts';
import { recordable } from './kept.ts';
import type { Content } from './settings.ts';
import type { Piece } from './websocket-flow.ts';

export type Direction = 'in' | 'out';

export interface MessageLog {
  take(direction: Direction, piece: Piece): void;
  /** Counts and digests, once. */
  end(closed: Readonly<Record<string, unknown>>): void;
}

export interface LogParts {
  readonly content: Content;
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

function createWay(direction: Direction, { content, fingerprint, command, note }: LogParts) {
  const hash = createHash('sha256');
  let messages = 0;
  let bytes = 0;
  let truncated = false;
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
    take({ bytes: piece, last }: Piece): void {
      hash.update(piece);
      bytes += piece.length;
      if (last) messages++;
      if (content === 'none' || truncated) return;
      // A copy: it may be part of a much larger piece of memory, and waits for the rest of its message.
      begun.push(last ? piece : Buffer.from(piece));
      size += piece.length;
      if (last || size >= PART) write(last);
      if (bytes < MOST) return;
      truncated = true;
      note({ type: 'notice', notice: 'stream.truncated', command, direction, bytes });
    },
    end() {
      if (size > 0) write(false);
      return { messages, bytes, sha256: hash.digest('hex') };
    },
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

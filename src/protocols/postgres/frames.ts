/** Cuts a client's PostgreSQL byte stream into frames. Knows types and lengths, not meanings. */

export interface Frame {
  /** ASCII code of the message type. */
  readonly type: number;
  /** Without type and length. */
  readonly body: Buffer;
  /** With type and length, as it came. */
  readonly bytes: Buffer;
}

/** The stream is no PostgreSQL, or a message is larger than its type may be. Nothing after it can be trusted. */
export interface FrameProblem {
  readonly problem: string;
  readonly code: '08P01' | '54000';
}

/** The largest length field accepted for a type; undefined for a type that does not belong here. */
export type FrameLimits = (type: number) => number | undefined;

const KiB = 1024;
const MiB = 1024 * KiB;

/** The parser's own limit for one text, and a little for names and types around it. */
const TEXT_LIMIT = MiB + 64 * KiB;

const CLIENT_LIMITS: ReadonlyMap<number, number> = new Map(
  Object.entries({
    Q: TEXT_LIMIT,
    P: TEXT_LIMIT,
    B: 16 * MiB,
    D: 64 * KiB,
    E: 64 * KiB,
    C: 64 * KiB,
    S: 4,
    H: 4,
    X: 4,
    // A function call has no text to be judged: its frame is read only to be refused.
    F: 64 * KiB,
    d: 16 * MiB,
    c: 4,
    f: 64 * KiB,
  }).map(([type, limit]) => [type.charCodeAt(0), limit]),
);

/** What a client may send once it is logged in (PostgreSQL, "Message Formats"). */
export const clientLimits: FrameLimits = (type) => CLIENT_LIMITS.get(type);

/** What a client may send while it logs in: answers to authentication requests. */
export const loginLimits: FrameLimits = (type) => (type === 0x70 ? 8 * KiB : undefined);

/** What a target may send while we log in; a result needs another reader, which does not gather whole messages. */
export const upstreamLimits: FrameLimits = (type) =>
  'RSKZENTDC123ntIs'.includes(String.fromCharCode(type)) ? MiB : undefined;

/** Gathers chunks and gives whole frames. A frame above its limit is refused at its header, before its body is awaited. */
export class FrameReader {
  readonly #limits: FrameLimits;
  #chunks: Buffer[] = [];
  #size = 0;
  #problem: FrameProblem | undefined;

  constructor(limits: FrameLimits) {
    this.#limits = limits;
  }

  /** Bytes that wait here. */
  get size(): number {
    return this.#size;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#size += chunk.length;
  }

  /** Puts a frame back before everything else. */
  unshift(bytes: Buffer): void {
    this.#chunks.unshift(bytes);
    this.#size += bytes.length;
  }

  /** The next whole frame; undefined until more bytes come. After a problem there is nothing but that problem. */
  next(): Frame | FrameProblem | undefined {
    if (this.#problem) return this.#problem;
    if (this.#size === 0) return undefined;
    const type = this.#peek(0);
    const limit = this.#limits(type);
    if (limit === undefined) return this.#refuse(`unexpected message type ${nameOf(type)}`, '08P01');
    if (this.#size < 5) return undefined;
    const length = this.#peek(1) * 0x1000000 + (this.#peek(2) << 16) + (this.#peek(3) << 8) + this.#peek(4);
    if (length < 4) return this.#refuse(`invalid length of message ${nameOf(type)}`, '08P01');
    if (length > limit)
      return this.#refuse(`message ${nameOf(type)} of ${length} bytes is above the limit of ${limit}`, '54000');
    if (this.#size < length + 1) return undefined;
    const bytes = this.#take(length + 1);
    return { type, bytes, body: bytes.subarray(5) };
  }

  #refuse(problem: string, code: FrameProblem['code']): FrameProblem {
    this.#problem = { problem, code };
    this.#chunks = [];
    this.#size = 0;
    return this.#problem;
  }

  #peek(index: number): number {
    let at = index;
    for (const chunk of this.#chunks) {
      if (at < chunk.length) return chunk[at] as number;
      at -= chunk.length;
    }
    return 0;
  }

  #take(count: number): Buffer {
    let first = this.#chunks[0] as Buffer;
    if (first.length < count) {
      first = Buffer.concat(this.#chunks);
      this.#chunks = [first];
    }
    this.#size -= count;
    if (first.length === count) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(count);
    return first.subarray(0, count);
  }
}

export function isProblem(read: Frame | FrameProblem): read is FrameProblem {
  return 'problem' in read;
}

/** `Q`, or `0x00` for what is no letter. */
export function nameOf(type: number): string {
  return type > 0x20 && type < 0x7f ? `"${String.fromCharCode(type)}"` : `0x${type.toString(16).padStart(2, '0')}`;
}

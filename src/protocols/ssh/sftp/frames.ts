/**
 * The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02, section 3): cut from a byte stream, and put together again. What a file's content travels in
 * (WRITE one way, DATA the other) is not gathered: its head comes first, then its bytes as they arrive. Knows lengths, not meanings.
 */

/** Packet types, section 3 and section 8 of the draft. */
export const TYPE = {
  INIT: 1,
  VERSION: 2,
  OPEN: 3,
  CLOSE: 4,
  READ: 5,
  WRITE: 6,
  LSTAT: 7,
  FSTAT: 8,
  SETSTAT: 9,
  FSETSTAT: 10,
  OPENDIR: 11,
  READDIR: 12,
  REMOVE: 13,
  MKDIR: 14,
  RMDIR: 15,
  REALPATH: 16,
  STAT: 17,
  RENAME: 18,
  READLINK: 19,
  SYMLINK: 20,
  STATUS: 101,
  HANDLE: 102,
  DATA: 103,
  NAME: 104,
  ATTRS: 105,
  EXTENDED: 200,
  EXTENDED_REPLY: 201,
} as const;

/** Section 7 of the draft. */
export const STATUS = {
  OK: 0,
  EOF: 1,
  NO_SUCH_FILE: 2,
  PERMISSION_DENIED: 3,
  FAILURE: 4,
  BAD_MESSAGE: 5,
  NO_CONNECTION: 6,
  CONNECTION_LOST: 7,
  OP_UNSUPPORTED: 8,
} as const;

const STATUS_NAMES = new Map<number, string>(Object.entries(STATUS).map(([name, code]) => [code, `SSH_FX_${name}`]));

export function statusName(code: number): string {
  return STATUS_NAMES.get(code) ?? `SSH_FX_${code}`;
}

/** What OpenSSH takes at most (sftp-common.h, SFTP_MAX_MSG_LENGTH). The draft wants 34,000 at least. */
export const LONGEST_PACKET = 256 * 1024;
/** Section 4 of the draft: "arbitrary" strings of at most 256 bytes. */
export const LONGEST_HANDLE = 256;

/** One step of a stream. A malformed stream cannot be followed any further. */
export type Piece =
  /** A whole packet but its length and type. */
  | { readonly kind: 'packet'; readonly type: number; readonly body: Buffer }
  /** The beginning of a WRITE or DATA: everything before the content. */
  | { readonly kind: 'content'; readonly type: number; readonly head: Buffer; readonly length: number }
  /** Some of the content; `last` when nothing of it is left. */
  | { readonly kind: 'bytes'; readonly bytes: Buffer; readonly last: boolean }
  | { readonly kind: 'broken'; readonly why: string };

/** Bytes as they came, taken out piece by piece: whoever cannot go on just takes nothing more. */
export class Inbox {
  #chunks: Buffer[] = [];
  #size = 0;
  #contentLeft = 0;
  /** Of the packet whose content flows, all that has to follow its head. */
  readonly #content: number;

  /** @param content the packet type whose content is not gathered */
  constructor(content: typeof TYPE.WRITE | typeof TYPE.DATA) {
    this.#content = content;
  }

  /** Bytes that wait. */
  get size(): number {
    return this.#size;
  }

  add(chunk: Buffer): void {
    if (chunk.length === 0) return;
    // A peer that sends byte by byte must not make us keep an object for each.
    if (this.#chunks.length >= MANY_CHUNKS) this.#chunks = [Buffer.concat(this.#chunks)];
    this.#chunks.push(chunk);
    this.#size += chunk.length;
  }

  clear(): void {
    this.#chunks = [];
    this.#size = 0;
  }

  /** @returns undefined until more has come */
  next(): Piece | undefined {
    if (this.#contentLeft > 0) return this.#bytes();
    if (this.#size < 5) return undefined;
    const start = this.#peek(5);
    const length = start.readUInt32BE(0);
    const type = start[4] as number;
    // At the header: whatever is announced above the limit is never waited for.
    if (length === 0 || length > LONGEST_PACKET) return { kind: 'broken', why: `a packet of ${length} bytes` };
    if (type === this.#content) return this.#head(type, length);
    if (this.#size < 4 + length) return undefined;
    this.#take(5);
    return { kind: 'packet', type, body: this.#take(length - 1) };
  }

  #head(type: number, length: number): Piece | undefined {
    const size = this.#headLength(type, length);
    if (typeof size !== 'number') return size;
    const head = this.#take(5 + size).subarray(5);
    const content = head.readUInt32BE(size - 4);
    if (content !== length - 1 - size)
      return { kind: 'broken', why: 'a packet whose content is not as long as it says' };
    this.#contentLeft = content;
    return { kind: 'content', type, head, length: content };
  }

  /** DATA: id, length. WRITE: id, handle, offset, length (sections 6.4 and 7). */
  #headLength(type: number, length: number): number | Piece | undefined {
    const short: Piece = { kind: 'broken', why: 'a packet that ends too early' };
    let size = 8;
    if (type === TYPE.WRITE) {
      if (length < 1 + 8) return short;
      if (this.#size < 5 + 8) return undefined;
      const handle = this.#peek(13).readUInt32BE(9);
      if (handle > LONGEST_HANDLE) return { kind: 'broken', why: `a handle of ${handle} bytes` };
      size = 8 + handle + 12;
    }
    if (length < 1 + size) return short;
    return this.#size < 5 + size ? undefined : size;
  }

  #bytes(): Piece | undefined {
    const chunk = this.#chunks[0];
    if (chunk === undefined) return undefined;
    const bytes = this.#take(Math.min(chunk.length, this.#contentLeft));
    this.#contentLeft -= bytes.length;
    return { kind: 'bytes', bytes, last: this.#contentLeft === 0 };
  }

  /** The first bytes, at least so many, left where they are. */
  #peek(length: number): Buffer {
    const first = this.#chunks[0] as Buffer;
    if (first.length >= length) return first;
    let gathered = 0;
    let count = 0;
    while (gathered < length) gathered += (this.#chunks[count++] as Buffer).length;
    const joined = Buffer.concat(this.#chunks.splice(0, count));
    this.#chunks.unshift(joined);
    return joined;
  }

  #take(length: number): Buffer {
    if (length === 0) return EMPTY;
    const first = this.#peek(length);
    if (first.length === length) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(length);
    this.#size -= length;
    return first.subarray(0, length);
  }
}

const EMPTY = Buffer.alloc(0);
const MANY_CHUNKS = 64;

/** Reads the fields of a packet in order. What is not there makes it `broken`, for good. */
export class Fields {
  readonly #bytes: Buffer;
  #at = 0;
  broken = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  uint32(): number {
    if (!this.#has(4)) return 0;
    this.#at += 4;
    return this.#bytes.readUInt32BE(this.#at - 4);
  }

  uint64(): bigint {
    if (!this.#has(8)) return 0n;
    this.#at += 8;
    return this.#bytes.readBigUInt64BE(this.#at - 8);
  }

  string(): Buffer {
    const length = this.uint32();
    if (!this.#has(length)) return EMPTY;
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** What `read` went over, as it stands in the packet. */
  span(read: () => void): Buffer {
    const start = this.#at;
    read();
    return this.#bytes.subarray(start, this.#at);
  }

  /** Whether all of it was read, and nothing stands behind it. */
  get whole(): boolean {
    return !this.broken && this.#at === this.#bytes.length;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  #has(length: number): boolean {
    if (!this.broken && this.left >= length) return true;
    this.broken = true;
    return false;
  }
}

/** A packet of a type and its fields: numbers are uint32, bigints uint64, texts strings, bytes stand for themselves. */
export function packet(type: number, ...fields: readonly (number | bigint | string | Buffer)[]): Buffer {
  const parts = fields.map(field);
  const length = parts.reduce((sum, part) => sum + part.length, 1);
  const head = Buffer.allocUnsafe(5);
  head.writeUInt32BE(length, 0);
  head[4] = type;
  return Buffer.concat([head, ...parts], 4 + length);
}

/** A string of bytes that are no text. */
export function stringOf(bytes: Buffer): Buffer {
  return Buffer.concat([field(bytes.length), bytes]);
}

function field(value: number | bigint | string | Buffer): Buffer {
  if (typeof value === 'object') return value;
  if (typeof value === 'string') return stringOf(Buffer.from(value));
  const bytes = Buffer.allocUnsafe(typeof value === 'number' ? 4 : 8);
  if (typeof value === 'number') bytes.writeUInt32BE(value);
  else bytes.writeBigUInt64BE(value);
  return bytes;
}

export function statusPacket(id: number, code: number, message: string): Buffer {
  return packet(TYPE.STATUS, id, code, message, 'en');
}

/** The same packet under another id. */
export function renumbered(type: number, id: number, body: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(5 + body.length);
  bytes.writeUInt32BE(1 + body.length, 0);
  bytes[4] = type;
  body.copy(bytes, 5);
  bytes.writeUInt32BE(id, 5);
  return bytes;
}

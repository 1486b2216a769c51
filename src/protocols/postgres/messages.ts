/**
 * What a client's messages say (PostgreSQL, "Message Formats"), read to the last byte: a body that is too short, too long, or has a NUL where
 * none belongs is no message. And the few messages the gateway writes to either side.
 */
import { isUtf8 } from 'node:buffer';
import type { Frame } from './frames.ts';

export type ClientMessage =
  | { readonly kind: 'query'; readonly text: Buffer }
  | { readonly kind: 'parse'; readonly statement: string; readonly text: Buffer; readonly types: readonly number[] }
  | {
      readonly kind: 'bind';
      readonly portal: string;
      readonly statement: string;
      readonly formats: readonly number[];
      readonly values: readonly (Buffer | null)[];
      readonly resultFormats: readonly number[];
    }
  | { readonly kind: 'describe'; readonly what: 'statement' | 'portal'; readonly name: string }
  | { readonly kind: 'execute'; readonly portal: string; readonly maxRows: number }
  | { readonly kind: 'close'; readonly what: 'statement' | 'portal'; readonly name: string }
  | { readonly kind: 'sync' }
  | { readonly kind: 'flush' }
  | { readonly kind: 'terminate' }
  | { readonly kind: 'functionCall' }
  | { readonly kind: 'copyData' }
  | { readonly kind: 'copyDone' }
  | { readonly kind: 'copyFail' };

export type Malformed = { readonly kind: 'malformed'; readonly problem: string };

/** A frame that the client reader has let through, read exactly. */
export function readClientMessage(frame: Frame): ClientMessage | Malformed {
  const read = READERS.get(frame.type);
  if (!read) return malformed(frame);
  const body = new BodyReader(frame.body);
  const message = read(body);
  return body.done ? message : malformed(frame);
}

function malformed(frame: Frame): Malformed {
  return { kind: 'malformed', problem: `invalid message format: "${String.fromCharCode(frame.type)}"` };
}

/** Reads within bounds; the first failure sticks, and `done` is false. */
class BodyReader {
  readonly #body: Buffer;
  #at = 0;
  #failed = false;

  constructor(body: Buffer) {
    this.#body = body;
  }

  get done(): boolean {
    return !this.#failed && this.#at === this.#body.length;
  }

  byte(): number {
    return this.#take(1)?.[0] ?? 0;
  }

  int16(): number {
    return this.#take(2)?.readInt16BE(0) ?? 0;
  }

  int32(): number {
    return this.#take(4)?.readInt32BE(0) ?? 0;
  }

  uint32(): number {
    return this.#take(4)?.readUInt32BE(0) ?? 0;
  }

  /** Up to a NUL, as bytes: whether a statement is UTF-8 is for its reader to say. */
  text(): Buffer {
    const end = this.#failed ? -1 : this.#body.indexOf(0, this.#at);
    if (end < 0) return this.#fail();
    const text = this.#body.subarray(this.#at, end);
    this.#at = end + 1;
    return text;
  }

  name(): string {
    const name = this.text();
    // No replacement characters: two names that differ must stay two.
    return isUtf8(name) ? name.toString('utf8') : this.#fail().toString();
  }

  /** A counted list; stops at the first failure, so a wrong count costs nothing. */
  list<T>(count: number, item: () => T): T[] {
    const items: T[] = [];
    if (count < 0) this.#fail();
    while (items.length < count && !this.#failed) items.push(item());
    return items;
  }

  value(): Buffer | null {
    const length = this.int32();
    if (length === -1) return null;
    if (length < 0) return this.#fail();
    return this.#take(length) ?? this.#fail();
  }

  rest(): void {
    this.#at = this.#body.length;
  }

  #take(count: number): Buffer | undefined {
    if (this.#failed || this.#at + count > this.#body.length) {
      this.#fail();
      return undefined;
    }
    this.#at += count;
    return this.#body.subarray(this.#at - count, this.#at);
  }

  #fail(): Buffer {
    this.#failed = true;
    return EMPTY;
  }
}

const EMPTY = Buffer.alloc(0);

function whatOf(body: BodyReader): 'statement' | 'portal' {
  const what = body.byte();
  if (what === 0x50) return 'portal';
  // Anything but S is no message; reading an impossible list makes the reader fail.
  if (what !== 0x53) body.list(-1, () => 0);
  return 'statement';
}

type ReadBody = (body: BodyReader) => ClientMessage;

const BY_LETTER: readonly (readonly [string, ReadBody])[] = [
  ['Q', (body) => ({ kind: 'query', text: body.text() })],
  [
    'P',
    (body) => ({
      kind: 'parse',
      statement: body.name(),
      text: body.text(),
      types: body.list(body.int16(), () => body.uint32()),
    }),
  ],
  [
    'B',
    (body) => ({
      kind: 'bind',
      portal: body.name(),
      statement: body.name(),
      formats: body.list(body.int16(), () => body.int16()),
      values: body.list(body.int16(), () => body.value()),
      resultFormats: body.list(body.int16(), () => body.int16()),
    }),
  ],
  ['D', (body) => ({ kind: 'describe', what: whatOf(body), name: body.name() })],
  ['E', (body) => ({ kind: 'execute', portal: body.name(), maxRows: body.int32() })],
  ['C', (body) => ({ kind: 'close', what: whatOf(body), name: body.name() })],
  ['S', () => ({ kind: 'sync' })],
  ['H', () => ({ kind: 'flush' })],
  ['X', () => ({ kind: 'terminate' })],
  [
    'F',
    (body) => {
      body.rest();
      return { kind: 'functionCall' };
    },
  ],
  [
    'd',
    (body) => {
      body.rest();
      return { kind: 'copyData' };
    },
  ],
  ['c', () => ({ kind: 'copyDone' })],
  [
    'f',
    (body) => {
      body.text();
      return { kind: 'copyFail' };
    },
  ],
];

const READERS: ReadonlyMap<number, ReadBody> = new Map(BY_LETTER.map(([letter, read]) => [letter.charCodeAt(0), read]));

/** A message of one type around its parts. Strings end with NUL; numbers are given as buffers by `int16` and `int32`. */
export function message(type: string, ...parts: readonly (string | Uint8Array)[]): Buffer {
  const buffers = parts.map((part) => (typeof part === 'string' ? Buffer.from(`${part}\0`) : part));
  const length = buffers.reduce((sum, part) => sum + part.length, 4);
  const header = Buffer.allocUnsafe(type.length + 4);
  header.write(type, 'latin1');
  header.writeUInt32BE(length, type.length);
  return Buffer.concat([header, ...buffers]);
}

export function int16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeInt16BE(value);
  return bytes;
}

export function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(value | 0);
  return bytes;
}

export const SYNC = message('S');
export const FLUSH = message('H');
export const TERMINATE = message('X');
export const DESCRIBE_UNNAMED_PORTAL = message('D', Buffer.from('P'), '');

/** Requests that stand where a startup message would (PostgreSQL, "SSL Session Encryption", "Canceling Requests"). */
export const SSL_REQUEST_CODE = 80877103;
export const GSS_REQUEST_CODE = 80877104;
export const CANCEL_REQUEST_CODE = 80877102;

export function query(text: string): Buffer {
  return message('Q', text);
}

export function parse(statement: string, text: string, types: readonly number[]): Buffer {
  return message('P', statement, text, int16(types.length), ...types.map(int32));
}

export function describePortal(name: string): Buffer {
  return message('D', Buffer.from('P'), name);
}

export function describeStatement(name: string): Buffer {
  return message('D', Buffer.from('S'), name);
}

export function execute(portal: string, maxRows: number): Buffer {
  return message('E', portal, int32(maxRows));
}

export function readyForQuery(status: TransactionStatus): Buffer {
  return message('Z', Buffer.from(status));
}

export function parameterStatus(name: string, value: string): Buffer {
  return message('S', name, value);
}

/** `I`: in no transaction block, `T`: in one, `E`: in one that failed. */
export type TransactionStatus = 'I' | 'T' | 'E';

export function isTransactionStatus(status: string): status is TransactionStatus {
  return status === 'I' || status === 'T' || status === 'E';
}

/** The fields of an ErrorResponse or NoticeResponse by their codes (PostgreSQL, "Error and Notice Message Fields"). */
export type ErrorFields = ReadonlyMap<string, string>;

export function errorResponse(fields: ErrorFields, type: 'E' | 'N' = 'E'): Buffer {
  return message(type, ...[...fields].map(([code, text]) => `${code}${text.replaceAll('\0', '')}`), Buffer.from([0]));
}

/** @returns undefined when the body is no list of fields */
export function readErrorFields(body: Buffer): ErrorFields | undefined {
  const fields = new Map<string, string>();
  let at = 0;
  while (at < body.length && body[at] !== 0) {
    const end = body.indexOf(0, at + 1);
    if (end < 0) return undefined;
    fields.set(String.fromCharCode(body[at] as number), body.toString('utf8', at + 1, end));
    at = end + 1;
  }
  return at === body.length - 1 ? fields : undefined;
}

/** A NUL-terminated text at the start of a body, where a body is nothing else. */
export function readText(body: Buffer): string | undefined {
  return body.length > 0 && body.indexOf(0) === body.length - 1 ? body.toString('utf8', 0, body.length - 1) : undefined;
}

export function readParameterStatus(body: Buffer): { readonly name: string; readonly value: string } | undefined {
  const end = body.indexOf(0);
  const value = end < 0 ? undefined : readText(body.subarray(end + 1));
  return value === undefined ? undefined : { name: body.toString('utf8', 0, end), value };
}

/** One column of a RowDescription. */
export interface Field {
  readonly name: string;
  /** OID of the table and number of the column it comes from; 0 where it is computed. */
  readonly table: number;
  readonly column: number;
  readonly type: number;
  readonly format: 0 | 1;
  /** It holds digests of a column that is masked by its hash (`digests.ts`). */
  readonly digest?: boolean;
}

/** @returns undefined when the body is no RowDescription */
export function readRowDescription(body: Buffer): readonly Field[] | undefined {
  if (body.length < 2) return undefined;
  const fields: Field[] = [];
  let at = 2;
  for (let left = body.readUInt16BE(0); left > 0; left--) {
    const end = body.indexOf(0, at);
    if (end < 0 || end + 19 > body.length) return undefined;
    fields.push({
      name: body.toString('utf8', at, end),
      table: body.readUInt32BE(end + 1),
      column: body.readInt16BE(end + 5),
      type: body.readUInt32BE(end + 7),
      format: body.readInt16BE(end + 17) === 1 ? 1 : 0,
    });
    at = end + 19;
  }
  return at === body.length ? fields : undefined;
}

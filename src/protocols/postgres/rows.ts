/**
 * Looks at rows inside the chunks they came in: which cells a detector must see, how each is read, what is put in its place, and what of it all the
 * recording keeps. Bytes are replaced where they stand; nothing is allocated for a row that passes.
 */
import { createHash, type Hash } from 'node:crypto';
import type { CellKind, CellScanner } from '../../mask/index.ts';
import type { Result } from '../conversation.ts';
import type { Hashing } from './digests.ts';
import type { Field } from './messages.ts';
import { decodeNumeric } from './numeric.ts';
import type { Spoken } from './scrub.ts';

/** Looks at rows on their way to the client. */
export interface RowScan {
  /**
   * Looks at one DataRow or CopyData message in chunk[start, end), and splices what must stand in place of what it finds.
   * @returns how many cells were masked; -1 when the cells do not add up to the message's length
   */
  row(chunk: Buffer, start: number, end: number, out: Splice): number;
  /** Rules in shadow that would have masked something, so far. */
  readonly wouldBe: ReadonlySet<string>;
}

/** Where replacements go. Positions never go back. */
export interface Splice {
  replace(start: number, end: number, bytes: Buffer): void;
}

/** The detectors in force and those in shadow; at least one of them. */
export interface Detectors {
  readonly enforced: CellScanner | undefined;
  readonly shadow: CellScanner | undefined;
}

/** The same detectors on what the target says in words. Undefined where nothing is enforced. */
export function spokenScan(detectors: Detectors | undefined): Spoken | undefined {
  const scanner = detectors?.enforced;
  if (!scanner) return undefined;
  return (text) => {
    const bytes = Buffer.from(text);
    const found = scanner.scan(bytes, 0, bytes.length, 'text');
    if (found === undefined) return text;
    return found === null ? '***' : found.toString('utf8');
  };
}

/** How the cells of one column are looked at; in the last four a hit can only become NULL, or needs decoding first. */
type Look = 'skip' | 'digest' | CellKind | 'jsonb' | 'int8' | 'numeric' | 'opaque';

/** Whether some column has room for what detectors look for, or has to be looked at anyway. */
export function isWorthScanning(fields: readonly Field[]): boolean {
  return fields.some((field) => lookOf(field) !== 'skip');
}

/**
 * @param hashing where columns are masked by their hash: their digests become hashes
 * @returns the name of a column that cannot be scanned, where a rule wants that refused
 */
export function rowScan(
  fields: readonly Field[],
  detectors: Detectors,
  hashing?: Hashing,
): RowScan | { readonly unscannable: string } {
  const looks = fields.map((field) => lookOf(field));
  const refused = fields.find((_, i) => looks[i] === 'opaque');
  if (refused && detectors.enforced?.strict) return { unscannable: refused.name };
  const wouldBe = new Set<string>();
  const looking: Looking = { looks, detectors, hashing, wouldBe };
  return { wouldBe, row: (chunk, start, end, out) => scanRow(looking, chunk, start, end, out) };
}

interface Looking {
  readonly looks: readonly Look[];
  readonly detectors: Detectors;
  readonly hashing: Hashing | undefined;
  readonly wouldBe: Set<string>;
}

function scanRow(looking: Looking, chunk: Buffer, start: number, end: number, out: Splice): number {
  const { looks, detectors, hashing, wouldBe } = looking;
  const { enforced, shadow } = detectors;
  let at = start + 7;
  let masked = 0;
  let growth = 0;
  for (let i = 0, count = chunk.readUInt16BE(start + 5); i < count; i++) {
    if (at + 4 > end) return -1;
    const length = chunk.readInt32BE(at);
    const cell = at + 4;
    at = cell + Math.max(0, length);
    if (length < -1 || at > end) return -1;
    const look = looks[i] ?? 'opaque';
    if (look === 'digest') {
      if (length >= 0 && hashing?.hash(chunk, cell, at) !== true) return -1;
      continue;
    }
    if (length <= 0 || look === 'skip') continue;
    if (shadow) noteShadow(shadow, wouldBe, look, chunk, cell, at);
    const found = enforced && scanCell(enforced, look, chunk, cell, at);
    if (found === undefined) continue;
    masked++;
    const from = look === 'jsonb' && found !== null ? cell + 1 : cell;
    const size = found === null ? 0 : found.length + from - cell;
    // The headers stand before what is spliced: they are corrected in place.
    chunk.writeInt32BE(found === null ? -1 : size, cell - 4);
    out.replace(from, at, found ?? EMPTY);
    growth += size - length;
  }
  if (at !== end) return -1;
  if (growth !== 0) chunk.writeUInt32BE(end - start - 1 + growth, start + 1);
  return masked;
}

const EMPTY = Buffer.alloc(0);

function scanCell(
  scanner: CellScanner,
  look: Look,
  chunk: Buffer,
  start: number,
  end: number,
): Buffer | null | undefined {
  switch (look) {
    case 'text':
    case 'json':
    case 'other':
      return scanner.scan(chunk, start, end, look);
    case 'jsonb':
      // The binary form is the text behind a version number.
      return scanner.scan(chunk, start + 1, end, 'json');
    default: {
      const text = decoded(look, chunk, start, end);
      return text && scanner.scan(text, 0, text.length, 'other');
    }
  }
}

function noteShadow(
  scanner: CellScanner,
  wouldBe: Set<string>,
  look: Look,
  chunk: Buffer,
  start: number,
  end: number,
): void {
  const text = look === 'int8' || look === 'numeric' ? decoded(look, chunk, start, end) : undefined;
  const rule = text ? scanner.find(text, 0, text.length) : scanner.find(chunk, start, end);
  if (rule !== undefined) wouldBe.add(rule);
}

/** A binary number as its digits; any other binary form as it is: what it holds as plain text is found. */
function decoded(look: Look, chunk: Buffer, start: number, end: number): Buffer | undefined {
  if (look === 'int8')
    return end - start === 8 ? Buffer.from(String(chunk.readBigInt64BE(start)), 'latin1') : undefined;
  if (look !== 'numeric') return chunk.subarray(start, end);
  const text = decodeNumeric(chunk.subarray(start, end));
  return text === undefined ? undefined : Buffer.from(text, 'latin1');
}

// OIDs of the server's own types (pg_type.dat); they never change.
const TEXT_TYPES: ReadonlySet<number> = new Set([18, 19, 25, 142, 705, 1042, 1043, 2275]);
const JSON_TYPE = 114;
const JSONB_TYPE = 3802;
const BYTEA_TYPE = 17;
const INT8_TYPE = 20;
const NUMERIC_TYPE = 1700;
/** bool, int2, int4, oid, date, time, timestamp, timestamptz, interval, timetz, uuid, void: no room for what detectors look for. */
const PLAIN_TYPES: ReadonlySet<number> = new Set([16, 21, 23, 26, 1082, 1083, 1114, 1184, 1186, 1266, 2950, 2278]);

function lookOf({ type, format, digest }: Field): Look {
  if (digest === true) return 'digest';
  if (PLAIN_TYPES.has(type)) return 'skip';
  if (TEXT_TYPES.has(type)) return 'text';
  if (type === JSON_TYPE) return 'json';
  if (type === BYTEA_TYPE) return 'opaque';
  if (type === JSONB_TYPE) return format === 0 ? 'json' : 'jsonb';
  if (format === 0) return 'other';
  if (type === INT8_TYPE) return 'int8';
  return type === NUMERIC_TYPE ? 'numeric' : 'opaque';
}

/** Scans the lines of COPY … TO STDOUT in text or CSV, value by value. */
export function copyScan(format: 'text' | 'csv', { enforced, shadow }: Detectors): RowScan {
  const separators = format === 'text' ? TEXT_SEPARATORS : CSV_SEPARATORS;
  const asNull = Buffer.from(format === 'text' ? '\\N' : '');
  const wouldBe = new Set<string>();
  const row: RowScan['row'] = (chunk, start, end, out) => {
    // What stands between two values is a part of nothing that is looked for: a line that holds nothing has no value that does.
    if (!enforced?.mayHold(chunk, start + 5, end) && !shadow?.mayHold(chunk, start + 5, end)) return 0;
    let masked = 0;
    let growth = 0;
    for (let cell = start + 5, at = cell; at <= end; at++) {
      if (at < end && separators[chunk[at] as number] === 0) continue;
      const rule = shadow && at > cell ? shadow.find(chunk, cell, at) : undefined;
      if (rule !== undefined) wouldBe.add(rule);
      const found = enforced && at > cell ? enforced.scan(chunk, cell, at, 'text') : undefined;
      if (found !== undefined) {
        const instead = found ?? asNull;
        masked++;
        growth += instead.length - (at - cell);
        out.replace(cell, at, instead);
      }
      cell = at + 1;
    }
    if (growth !== 0) chunk.writeUInt32BE(end - start - 1 + growth, start + 1);
    return masked;
  };
  return { wouldBe, row };
}

const TEXT_SEPARATORS = byteTable('\t\n');
/** Any delimiter people choose: a value cut into pieces is scanned in pieces, and what is put in one never breaks the line. */
const CSV_SEPARATORS = byteTable(',"\n\r\t;|\'');

/** 1 for each of these bytes: a look into a table costs a fraction of one into a set, and every byte is looked at. */
function byteTable(bytes: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const byte of Buffer.from(bytes)) table[byte] = 1;
  return table;
}

/** How much of one result is kept as it was, in bytes on the wire. */
const SAMPLE = 64 * 1024;

/** What the recording keeps of one result: its first rows, and for a longer one a digest over all of it. */
export class Sample {
  #kept: Buffer[] = [];
  /** What of `#kept` the digest begins with. */
  #digested: readonly Buffer[] = this.#kept;
  #size = 0;
  #hash: Hash | undefined;

  /** While true, rows must come whole. */
  get open(): boolean {
    return this.#hash === undefined;
  }

  /** How many bytes may still be kept. */
  get room(): number {
    return SAMPLE - this.#size;
  }

  /** Rows as they go to the client, whole while open, in any pieces afterwards. */
  absorb(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (!this.#hash && this.#size + bytes.length <= SAMPLE) {
      this.#kept.push(bytes);
      this.#size += bytes.length;
      return;
    }
    if (!this.#hash) this.#keepWhole(bytes);
    this.close().update(bytes);
  }

  /** No more whole rows from here on. */
  close(): Hash {
    this.#hash ??= this.#digested.reduce((hash, kept) => hash.update(kept), createHash('sha256'));
    return this.#hash;
  }

  /** The last rows there is room for. They are not digested as such: all of `bytes` is. */
  #keepWhole(bytes: Buffer): void {
    this.#digested = [...this.#kept];
    let end = 0;
    while (end + 5 <= bytes.length) {
      const next = end + 1 + bytes.readUInt32BE(end + 1);
      if (next > bytes.length || this.#size + next > SAMPLE) break;
      end = next;
    }
    if (end > 0) this.#kept.push(bytes.subarray(0, end));
  }

  result(fields: readonly Field[] | undefined): Result | undefined {
    if (!this.#hash && this.#size === 0)
      return fields ? { columns: fields.map(({ name }) => name), rows: [] } : undefined;
    return {
      ...(fields ? { columns: fields.map(({ name }) => name) } : {}),
      rows: this.#kept.flatMap((kept) => decodeRows(kept, fields)),
      ...(this.#hash ? { truncated: true, sha256: this.#hash.digest('hex') } : {}),
    };
  }
}

/** DataRow and CopyData messages as text; binary values as hexadecimal with PostgreSQL's own prefix for it. */
function decodeRows(bytes: Buffer, fields: readonly Field[] | undefined): (string | null)[][] {
  const rows: (string | null)[][] = [];
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 1 + bytes.readUInt32BE(at + 1);
    rows.push(
      bytes[at] === 0x44 ? decodeRow(bytes.subarray(at + 5, end), fields) : [bytes.toString('utf8', at + 5, end)],
    );
    at = end;
  }
  return rows;
}

export function decodeRow(body: Buffer, fields: readonly Field[] | undefined): (string | null)[] {
  const cells: (string | null)[] = [];
  let at = 2;
  for (let i = body.readUInt16BE(0); i > 0 && at + 4 <= body.length; i--) {
    const length = body.readInt32BE(at);
    at += 4;
    const binary = fields?.[cells.length]?.format === 1;
    cells.push(
      length < 0
        ? null
        : binary
          ? `\\x${body.toString('hex', at, at + length)}`
          : body.toString('utf8', at, at + length),
    );
    at += Math.max(0, length);
  }
  return cells;
}

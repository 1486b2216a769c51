/**
 * Cuts a target's byte stream into messages and rows. Messages are handed over whole, one by one; runs of rows are counted and passed on in the chunk
 * they came in, and a large row flows on before it has arrived as a whole, unless someone must look at it.
 */
import type { LimitReached, Meter } from '../../domain/permit.ts';
import type { Refusal } from '../../domain/session.ts';
import { nameOf } from './frames.ts';
import type { RowScan, Sample, Splice } from './rows.ts';

/** What a statement's rows go through. One for each statement that gives rows. */
export interface RowFlow {
  readonly meter: Meter;
  readonly scan: RowScan | undefined;
  readonly sample: Sample;
  rows: number;
  bytes: number;
  maskedCells: number;
  /** Set when nothing more of this result may flow: what still comes is dropped. */
  stopped: Stopped | undefined;
}

/** A limit that cuts; what people said, who were asked for more; the client's own cancel, while they were asked; a value that cannot be scanned. */
export type Stopped = LimitReached | Refusal | 'cancelled' | 'withheld';

/** A result that waits in the middle: the next row goes over a limit, and people may allow it. */
export interface Held {
  readonly flow: RowFlow;
  readonly reached: LimitReached;
}

/** What a chunk became for the client. */
export interface ReadOut {
  readonly out: readonly Buffer[];
  readonly problem?: string;
  /** Nothing more is read until `resume`. */
  readonly held?: Held;
}

/** What the client gets of a message: it as it is, nothing, something else; or nothing ever more, because the target broke the rules. */
export type Passed = 'pass' | 'drop' | Buffer | { readonly problem: string };

export interface ResultHandler {
  /** One message that is no row. */
  message(type: number, body: Buffer): Passed;
  /** Where rows of this type go at the moment; undefined when none may come. */
  flow(type: number): RowFlow | undefined;
}

/** Overwrites credentials in place, and says what of the end may be the beginning of one. */
export interface Strike {
  strike(bytes: Buffer): void;
  unfinished(bytes: Buffer): number;
}

const DATA_ROW = 0x44;
const COPY_DATA = 0x64;
const HEADER = 5;

const MiB = 1024 * 1024;
/** A row that must be looked at as a whole is gathered up to here. */
const LARGEST_WHOLE_ROW = 64 * MiB;
const LARGEST_ROW = 0x3fffffff + HEADER;
const LARGEST_MESSAGE = 16 * MiB;
/** Only these may be larger than a short status (PostgreSQL, VALID_LONG_MESSAGE_TYPE in libpq), and `t`: up to 65,535 parameters. */
const LONG_MESSAGES: ReadonlySet<number> = new Set(Buffer.from('TDdVENASt'));
const LARGEST_SHORT = 30_000;

export class ResultReader {
  readonly #handler: ResultHandler;
  readonly #strike: Strike;
  /** Parts of a frame that must be whole and is not yet. */
  #parts: Buffer[] = [];
  #partsSize = 0;
  #wanted = HEADER;
  /** Bytes of a row that has begun to flow, or to be dropped. */
  #left = 0;
  #leftFlow: RowFlow | undefined;
  #held: Held | undefined;
  #problem: string | undefined;

  constructor(handler: ResultHandler, strike: Strike) {
    this.#handler = handler;
    this.#strike = strike;
  }

  /** @returns the pieces for the client, in order; after a problem nothing more is read. */
  push(chunk: Buffer): ReadOut {
    if (this.#problem !== undefined) return { out: [], problem: this.#problem };
    const whole = this.#gather(chunk);
    return whole ? this.#readOut(whole) : NOTHING;
  }

  /** Goes on where it was held: the meter has more to give, or the flow was stopped. */
  resume(): ReadOut {
    if (!this.#held) return NOTHING;
    this.#held = undefined;
    const whole = Buffer.concat(this.#parts, this.#partsSize);
    this.#parts = [];
    this.#partsSize = 0;
    return this.#readOut(whole);
  }

  #readOut(whole: Buffer): ReadOut {
    this.#strike.strike(whole);
    const out = new Pieces(whole);
    this.#read(whole, out);
    if (this.#problem !== undefined) return { out: out.pieces, problem: this.#problem };
    return this.#held ? { out: out.pieces, held: this.#held } : { out: out.pieces };
  }

  /** Puts a chunk behind what is waiting, as soon as that is enough to go on. */
  #gather(chunk: Buffer): Buffer | undefined {
    if (this.#partsSize === 0 && !this.#held) return chunk;
    this.#parts.push(chunk);
    this.#partsSize += chunk.length;
    if (this.#held || this.#partsSize < this.#wanted) return undefined;
    const whole = Buffer.concat(this.#parts, this.#partsSize);
    this.#parts = [];
    this.#partsSize = 0;
    return whole;
  }

  #wait(rest: Buffer, wanted: number): void {
    this.#wanted = wanted;
    if (rest.length === 0) return;
    this.#parts = [rest];
    this.#partsSize = rest.length;
  }

  #read(chunk: Buffer, out: Pieces): void {
    let at = this.#goOn(chunk, out);
    while (at >= 0 && at + HEADER <= chunk.length && this.#problem === undefined) {
      const type = chunk[at] as number;
      at =
        type === DATA_ROW || type === COPY_DATA
          ? this.#rows(chunk, at, type, out)
          : this.#message(chunk, at, type, out);
    }
    // -1: the rest was taken care of.
    if (at < 0) return;
    out.end(at);
    if (this.#partsSize === 0) this.#wait(chunk.subarray(at), HEADER);
  }

  /** The rest of a row that began in an earlier chunk. */
  #goOn(chunk: Buffer, out: Pieces): number {
    if (this.#left === 0) return 0;
    const flow = this.#leftFlow as RowFlow;
    const end = Math.min(this.#left, chunk.length);
    return this.#stream(chunk, 0, end, flow, out);
  }

  /** Lets the part of a row flow that is here. */
  #stream(chunk: Buffer, start: number, end: number, flow: RowFlow, out: Pieces): number {
    const unfinished =
      end === chunk.length && this.#left > end - start ? this.#strike.unfinished(chunk.subarray(start, end)) : 0;
    const sure = end - unfinished;
    this.#left -= sure - start;
    if (flow.stopped) out.drop(start, sure);
    else flow.sample.absorb(chunk.subarray(start, sure));
    if (unfinished === 0) return end;
    out.end(sure);
    this.#wait(chunk.subarray(sure), unfinished + 1);
    return -1;
  }

  #message(chunk: Buffer, at: number, type: number, out: Pieces): number {
    const length = chunk.readUInt32BE(at + 1);
    const limit = LONG_MESSAGES.has(type) ? LARGEST_MESSAGE : LARGEST_SHORT;
    if (length < 4 || length > limit) return this.#fail(`invalid length of message ${nameOf(type)}`, at);
    const end = at + 1 + length;
    if (end > chunk.length) return this.#incomplete(chunk, at, length + 1, out);
    const passed = this.#handler.message(type, chunk.subarray(at + HEADER, end));
    if (passed === 'drop') out.drop(at, end);
    else if (Buffer.isBuffer(passed)) out.replace(at, end, passed);
    else if (passed !== 'pass') return this.#fail(passed.problem, at);
    return end;
  }

  #incomplete(chunk: Buffer, at: number, wanted: number, out: Pieces): number {
    out.end(at);
    this.#wait(chunk.subarray(at), wanted);
    return -1;
  }

  /** A run of rows, one after the other, as far as the chunk goes. Charged once, at its end. */
  #rows(chunk: Buffer, from: number, type: number, out: Pieces): number {
    const flow = this.#handler.flow(type);
    if (!flow) return this.#fail('a row came that nobody asked for', from);
    const head = type === DATA_ROW ? HEADER + 2 : HEADER;
    const { rowsLeft, bytesLeft } = flow.stopped ? UNBOUND : flow.meter;
    let rows = 0;
    let bytes = 0;
    let at = from;
    let begun = from;
    if (flow.scan) out.mark(from);
    while (at + head <= chunk.length && chunk[at] === type) {
      const length = chunk.readUInt32BE(at + 1);
      const value = type === DATA_ROW ? length - 6 - 4 * chunk.readUInt16BE(at + HEADER) : length - 4;
      if (value < 0 || length > LARGEST_ROW) {
        at = this.#fail('malformed row', at);
        break;
      }
      if (!flow.stopped && (rows + 1 > rowsLeft || bytes + value > bytesLeft)) {
        this.#absorb(flow, chunk, begun, at, out);
        this.#charge(flow, rows, bytes);
        rows = 0;
        bytes = 0;
        begun = at;
        const reached = flow.meter.reached(1, value);
        if (reached?.ask) {
          this.#held = { flow, reached };
          return this.#incomplete(chunk, at, HEADER, out);
        }
        flow.stopped = reached ?? 'withheld';
      }
      const end = at + 1 + length;
      if (end > chunk.length) {
        if (!flow.stopped && (flow.scan || (flow.sample.open && length < flow.sample.room))) {
          if (length > LARGEST_WHOLE_ROW) at = this.#fail('a row is too large to be looked at', at);
          break;
        }
        return this.#begin({ chunk, at, end, flow, out, rows: rows + 1, bytes: bytes + value, begun });
      }
      if (flow.stopped) out.drop(at, end);
      else {
        rows++;
        bytes += value;
        if (flow.scan) {
          const masked = flow.scan.row(chunk, at, end, out);
          if (masked < 0) {
            at = this.#fail('malformed row', at);
            break;
          }
          flow.maskedCells += masked;
        }
      }
      at = end;
      if (flow.stopped) begun = at;
    }
    if (!flow.stopped) {
      this.#absorb(flow, chunk, begun, at, out);
      this.#charge(flow, rows, bytes);
    }
    if (at >= chunk.length || chunk[at] !== type) return at;
    // Incomplete: with its header here we know how much to wait for.
    const wanted = at + HEADER <= chunk.length ? 1 + chunk.readUInt32BE(at + 1) : HEADER;
    return this.#problem === undefined ? this.#incomplete(chunk, at, Math.max(wanted, head), out) : at;
  }

  /** A row of which only the beginning is here, and which nobody needs whole. */
  #begin(row: {
    chunk: Buffer;
    at: number;
    end: number;
    flow: RowFlow;
    out: Pieces;
    rows: number;
    bytes: number;
    begun: number;
  }): number {
    const { chunk, at, end, flow, out, rows, bytes, begun } = row;
    if (!flow.stopped) {
      this.#absorb(flow, chunk, begun, at, out);
      this.#charge(flow, rows, bytes);
      flow.sample.close();
    }
    this.#left = end - at;
    this.#leftFlow = flow;
    return this.#stream(chunk, at, chunk.length, flow, out);
  }

  #absorb(flow: RowFlow, chunk: Buffer, start: number, end: number, out: Pieces): void {
    if (end > start) flow.sample.absorb(flow.scan ? out.since(start, end) : chunk.subarray(start, end));
  }

  #charge(flow: RowFlow, rows: number, bytes: number): void {
    flow.rows += rows;
    flow.bytes += bytes;
    const reached = rows > 0 ? flow.meter.take(rows, bytes) : undefined;
    if (reached) flow.stopped = reached;
  }

  #fail(problem: string, at: number): number {
    this.#problem = problem;
    return at;
  }
}

const NOTHING: ReadOut = { out: [] };

const UNBOUND = { rowsLeft: Infinity, bytesLeft: Infinity };

/** What a chunk becomes: itself, unless something in it is dropped or replaced. */
class Pieces implements Splice {
  readonly pieces: Buffer[] = [];
  readonly #chunk: Buffer;
  #start = 0;
  #marked = 0;

  constructor(chunk: Buffer) {
    this.#chunk = chunk;
  }

  replace(start: number, end: number, bytes: Buffer): void {
    this.#until(start);
    if (bytes.length > 0) this.pieces.push(bytes);
    this.#start = end;
  }

  drop(start: number, end: number): void {
    this.#until(start);
    this.#start = end;
  }

  end(at: number): void {
    this.#until(at);
    this.#start = at;
  }

  /** From here on, `since` can say what the bytes became. */
  mark(at: number): void {
    this.#until(at);
    this.#marked = this.pieces.length;
  }

  /** What chunk[start, end) became since the mark. */
  since(start: number, end: number): Buffer {
    if (this.pieces.length === this.#marked) return this.#chunk.subarray(start, end);
    this.#until(end);
    return Buffer.concat(this.pieces.slice(this.#marked));
  }

  #until(at: number): void {
    if (at > this.#start) this.pieces.push(this.#chunk.subarray(this.#start, at));
    this.#start = Math.max(this.#start, at);
  }
}

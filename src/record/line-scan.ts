/**
 * Proves of a line, byte by byte, that it is written the one way the recorder writes, and takes from it what `Verifier` looks at: a third of what
 * parsing it and writing it anew costs. It only ever says yes: of what is rare or odd it says nothing, and `JSON` itself is asked.
 */
import { isUtf8 } from 'node:buffer';
import type { RawEvent } from './order.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPENS_OBJECT = 0x7b;
const CLOSES_OBJECT = 0x7d;
const OPENS_ARRAY = 0x5b;
const CLOSES_ARRAY = 0x5d;

/** `session.opened`, `session.closed`, `session.continued` and `checkpoint` are few, and all of them is looked at. */
const TYPES = [
  'verdict',
  'command',
  'outcome',
  'result',
  'stream',
  'notice',
  'approval.requested',
  'approval.decided',
].map((type) => ({ type, bytes: Buffer.from(`${type}"`) }));

const TIME_LENGTH = 24;
const PREV_LENGTH = 64;
const BEFORE_SEQ = Buffer.from('{"seq":');
const BEFORE_AT = Buffer.from(',"at":"');
const BEFORE_TYPE = Buffer.from('","type":"');
const BEFORE_PREV = Buffer.from(',"prev":"');
const END = Buffer.from('"}');
const TAIL_LENGTH = BEFORE_PREV.length + PREV_LENGTH + END.length;

const DEEPEST = 32;
const MOST_KEYS = 256;
/** Above it not every number has one spelling. */
const MOST_DIGITS = 15;

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');

/** Where it could not be proven. */
const UNSURE = -1;

export class LineScan {
  #line: Buffer = Buffer.alloc(0);
  #words: DataView = new DataView(new ArrayBuffer(0));
  #beyondAscii = false;
  /** Hashes of the keys of the objects that are open, one object behind the other. Two that are equal are two equal keys, or a doubt. */
  readonly #keys = new Int32Array(MOST_KEYS);
  /** For each value that is open: where the keys of the object around it begin, inverted where that value stands in a list. */
  readonly #outer = new Int32Array(DEEPEST);
  /** What each field last was: mostly it is the same again, and comparing costs less than making a text. */
  readonly #last = {
    at: remembered(),
    command: remembered(),
    verdict: remembered(),
    by: remembered(),
    decision: remembered(),
  };

  /**
   * @param root what `prev` most likely is
   * @returns the fields that a verifier looks at; undefined where it is not sure
   */
  read(bytes: Uint8Array, root: string): RawEvent | undefined {
    this.#line = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#beyondAscii = false;
    const event = this.#event(root);
    return event && (!this.#beyondAscii || isUtf8(bytes)) ? event : undefined;
  }

  #event(root: string): RawEvent | undefined {
    const line = this.#line;
    const number = BEFORE_SEQ.length;
    const afterNumber = isAt(line, 0, BEFORE_SEQ) ? this.#number(number) : UNSURE;
    const seq = this.#integer(number, afterNumber);
    if (seq === undefined || !isAt(line, afterNumber, BEFORE_AT)) return undefined;
    const time = afterNumber + BEFORE_AT.length;
    const at = this.#text(time, time + TIME_LENGTH, this.#last.at);
    if (at === undefined || !isAt(line, time + TIME_LENGTH, BEFORE_TYPE)) return undefined;
    const from = time + TIME_LENGTH + BEFORE_TYPE.length;
    const type = typeAt(line, from);
    const tail = line.length - TAIL_LENGTH;
    if (!type || !isAt(line, tail, BEFORE_PREV) || !isAt(line, line.length - END.length, END)) return undefined;
    const prev = this.#plain(tail + BEFORE_PREV.length, line.length - END.length, root);
    if (prev === undefined) return undefined;
    const event: Scanned = {
      seq,
      at,
      type: type.type,
      prev,
      command: undefined,
      verdict: undefined,
      by: undefined,
      decision: undefined,
    };
    return this.#fields(from + type.bytes.length, tail, event) ? event : undefined;
  }

  /**
   * The fields between `type` and `prev`. One loop with everything at hand: with a function for each form of value it took twice its time.
   *
   * @param from the comma before the first
   */
  #fields(from: number, end: number, event: Scanned): boolean {
    const line = this.#line;
    const keys = this.#keys;
    const outer = this.#outer;
    const last = line.length - 1;
    const lastFour = line.length - 4;
    const words = this.#wordsOf(line);
    const offset = line.byteOffset;
    for (let k = 0; k < TAKEN.length; k += 1) keys[k] = TAKEN[k] as number;
    let top = TAKEN.length;
    let base = 0;
    let depth = 0;
    let inObject = true;
    let wanted: Wanted | undefined;
    let i = from;
    if (i === end) return true;
    if (line[i] !== COMMA) return false;
    for (;;) {
      i += 1;
      if (inObject) {
        const key = i + 1;
        // Keys that are numbers come first, wherever they stood, when JavaScript writes an object.
        if (line[i] !== QUOTE || isDigit(line[key])) return false;
        let hash = 0;
        let byte = line[key] as number;
        for (i = key; i < last && isPlain(byte); byte = line[i] as number) {
          hash = stirred(hash, byte);
          i += 1;
        }
        if (byte !== QUOTE || line[i + 1] !== COLON || top === MOST_KEYS) return false;
        for (let k = base; k < top; k += 1) if (keys[k] === hash) return false;
        keys[top] = hash;
        top += 1;
        if (depth === 0) {
          wanted = wantedBy(hash);
          if (wanted !== undefined && (i - key !== wanted.bytes.length || !isAt(line, key, wanted.bytes))) return false;
        }
        i += 2;
      }
      const value = i;
      const begin = line[i];
      if (begin === QUOTE) {
        i += 1;
        while (i < lastFour && arePlain(words.getInt32(offset + i))) i += 4;
        while (i < last && isPlain(line[i] as number)) i += 1;
        i = line[i] === QUOTE ? i + 1 : this.#string(i);
      } else if (begin === OPENS_OBJECT || begin === OPENS_ARRAY) {
        if (line[i + 1] === begin + 2) i += 2;
        else {
          if (depth === DEEPEST || wanted !== undefined) return false;
          outer[depth] = inObject ? base : ~base;
          depth += 1;
          inObject = begin === OPENS_OBJECT;
          if (inObject) base = top;
          continue;
        }
      } else i = isDigit(begin) ? this.#number(i) : this.#word(i);
      if (i < 0) return false;
      if (wanted !== undefined) {
        if (begin !== QUOTE || !this.#take(wanted.field, value + 1, i - 1, event)) return false;
        wanted = undefined;
      }
      while (depth > 0 && line[i] === (inObject ? CLOSES_OBJECT : CLOSES_ARRAY)) {
        i += 1;
        if (inObject) top = base;
        depth -= 1;
        const was = outer[depth] as number;
        inObject = was >= 0;
        base = inObject ? was : ~was;
      }
      if (depth === 0 && i >= end) return i === end;
      if (line[i] !== COMMA) return false;
    }
  }

  #take(field: Field, from: number, end: number, event: Scanned): boolean {
    event[field] = this.#text(from, end, this.#last[field]);
    return event[field] !== undefined;
  }

  /** Lines of one chunk share what they lie in. */
  #wordsOf(line: Buffer): DataView {
    if (this.#words.buffer !== line.buffer) this.#words = new DataView(line.buffer);
    return this.#words;
  }

  /** From within a string on, where it is not plain. */
  #string(from: number): number {
    const line = this.#line;
    for (let i = from; ; ) {
      const byte = line[i];
      if (byte === undefined) return UNSURE;
      if (byte === QUOTE) return i + 1;
      if (byte === BACKSLASH) {
        i = escapeEnd(line, i + 1);
        if (i < 0) return UNSURE;
      } else if (byte >= 0x80) {
        if (isEscapedAt(line, i)) return UNSURE;
        this.#beyondAscii = true;
        i += 1;
      } else if (isPlain(byte)) i += 1;
      else return UNSURE;
    }
  }

  #word(i: number): number {
    const line = this.#line;
    if (isAt(line, i, TRUE) || isAt(line, i, NULL)) return i + 4;
    return isAt(line, i, FALSE) ? i + 5 : this.#number(i);
  }

  #number(from: number): number {
    const line = this.#line;
    const first = line[from] === 0x2d ? from + 1 : from;
    let i = first;
    while (isDigit(line[i])) i += 1;
    const isPlain = i > first && i - first <= MOST_DIGITS && !isOfNumber(line[i]);
    // A zero stands alone, and has no sign.
    if (isPlain && (line[first] !== 0x30 || (i === from + 1 && first === from))) return i;
    while (isOfNumber(line[i])) i += 1;
    const text = line.toString('latin1', from, i);
    return i > from && String(Number(text)) === text ? i : UNSURE;
  }

  #integer(from: number, end: number): number | undefined {
    let value = 0;
    if (end < from || end - from > MOST_DIGITS) return undefined;
    for (let i = from; i < end; i += 1) {
      if (!isDigit(this.#line[i])) return undefined;
      value = value * 10 + (this.#line[i] as number) - 0x30;
    }
    return value;
  }

  /** Only what needs no escape. */
  #text(from: number, end: number, last: Remembered): string | undefined {
    if (end - from === last.bytes.length && isAt(this.#line, from, last.bytes)) return last.text;
    const text = this.#plain(from, end, '');
    if (text === undefined) return undefined;
    last.text = text;
    last.bytes = Buffer.from(text);
    return text;
  }

  /** @param guess what is known to need no escape */
  #plain(from: number, end: number, guess: string): string | undefined {
    const line = this.#line;
    const text = line.toString('latin1', from, end);
    if (text === guess) return text;
    for (let i = from; i < end; i += 1) if (!isPlain(line[i] as number)) return undefined;
    return text;
  }
}

interface Remembered {
  text: string;
  bytes: Uint8Array;
}

function remembered(): Remembered {
  return { text: '', bytes: new Uint8Array(0) };
}

function typeAt(line: Uint8Array, from: number) {
  for (const type of TYPES) if (isAt(line, from, type.bytes)) return type;
  return undefined;
}

/** Stands in a string as it is, and is ASCII. */
function isPlain(byte: number): boolean {
  return byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH && byte < 0x7f;
}

/** The same of four bytes at once; sometimes false where it could be true (as in Hacker's Delight, 6-1: a byte is zero, or less than another). */
function arePlain(four: number): boolean {
  const quotes = four ^ 0x22222222;
  const backslashes = four ^ 0x5c5c5c5c;
  const bad =
    four |
    (four + 0x01010101) |
    ((four - 0x20202020) & ~four) |
    ((quotes - 0x01010101) & ~quotes) |
    ((backslashes - 0x01010101) & ~backslashes);
  return (bad & 0x80808080) === 0;
}

function stirred(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0;
}

function hashOf(key: string): number {
  return Buffer.from(key).reduce(stirred, 0);
}

const TAKEN = ['seq', 'at', 'type', 'prev'].map(hashOf);

type Field = 'command' | 'verdict' | 'by' | 'decision';

interface Wanted {
  readonly field: Field;
  readonly bytes: Uint8Array;
  readonly hash: number;
}

const [COMMAND, VERDICT, BY, DECISION] = (['command', 'verdict', 'by', 'decision'] as const).map(
  (field): Wanted => ({ field, bytes: Buffer.from(field), hash: hashOf(field) }),
) as [Wanted, Wanted, Wanted, Wanted];

function wantedBy(hash: number): Wanted | undefined {
  if (hash === COMMAND.hash) return COMMAND;
  if (hash === VERDICT.hash) return VERDICT;
  if (hash === BY.hash) return BY;
  return hash === DECISION.hash ? DECISION : undefined;
}

type Scanned = { seq: number; at: string; type: string; prev: string } & { [F in Field]: string | undefined };

function isAt(line: Uint8Array, from: number, bytes: Uint8Array): boolean {
  if (from + bytes.length > line.length) return false;
  for (let i = 0; i < bytes.length; i += 1) if (line[from + i] !== bytes[i]) return false;
  return true;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/** A digit, or one of `+-.Ee`. */
function isOfNumber(byte: number | undefined): boolean {
  return isDigit(byte) || byte === 0x2e || byte === 0x65 || byte === 0x45 || byte === 0x2b || byte === 0x2d;
}

const SHORT_ESCAPES: ReadonlySet<number> = new Set(Buffer.from('"\\bfnrt'));
const HAVE_SHORT: ReadonlySet<number> = new Set(Buffer.from('\b\f\n\r\t'));

/** @param i behind the backslash */
function escapeEnd(line: Buffer, i: number): number {
  if (SHORT_ESCAPES.has(line[i] ?? 0)) return i + 1;
  if (line[i] !== 0x75) return UNSURE;
  const digits = line.toString('latin1', i + 1, i + 5);
  if (!/^[0-9a-f]{4}$/.test(digits)) return UNSURE;
  const code = Number.parseInt(digits, 16);
  return (code < 0x20 && !HAVE_SHORT.has(code)) || isEscaped(code) ? i + 5 : UNSURE;
}

/** What `canonicalJson` escapes beyond what JSON does. */
function isEscaped(code: number): boolean {
  return (
    (code >= 0x7f && code <= 0x9f) ||
    code === 0x61c ||
    code === 0x200e ||
    code === 0x200f ||
    (code >= 0x2028 && code <= 0x202e) ||
    (code >= 0x2066 && code <= 0x2069) ||
    code === 0xfeff
  );
}

/** Whether one of those stands here, as UTF-8 has it: two bytes, or three. */
function isEscapedAt(line: Uint8Array, i: number): boolean {
  const [first = 0, second = 0, third = 0] = [line[i], line[i + 1], line[i + 2]];
  if (first < 0xe0) return isEscaped(((first & 0x1f) << 6) | (second & 0x3f));
  return isEscaped(((first & 0x0f) << 12) | ((second & 0x3f) << 6) | (third & 0x3f));
}

/**
 * Cuts JSON (RFC 8259) into tokens as it comes in. Knows the grammar, not what the tokens mean.
 *
 * Strict, because what two readers read differently hides values: no comments, no trailing commas, no control characters in strings, nothing but UTF-8.
 * Several documents may follow each other (NDJSON, concatenated JSON); where one of two is no object or array, a line's end must stand between them, or
 * `4111 1111 1111 1111` were four documents.
 */
import { isUtf8 } from 'node:buffer';

/** Told of tokens in [start, end) of `bytes`, which are not to be kept. Strings come with their quotes. */
export interface TokenReader {
  key(bytes: Buffer, start: number, end: number, marks: number): void;
  string(bytes: Buffer, start: number, end: number, marks: number): void;
  number(bytes: Buffer, start: number, end: number): void;
  /** `true`, `false` or `null`. */
  word(bytes: Buffer, start: number, end: number): void;
  open(bytes: Buffer, at: number, object: boolean): void;
  /** The container's last byte is the one before `end`. */
  close(bytes: Buffer, end: number): void;
}

export interface Tokenizer {
  /**
   * Reads bytes [at, end), of which the first `looked` were read before without coming to a token's end.
   * @returns where the token begins that has not come whole; `end` where none does
   */
  read(bytes: Buffer, at: number, end: number, final: boolean): number;
  /** What a token holds cannot be read: nothing is read any more. */
  fail(why: string): void;
  /** Begins anew. */
  reset(): void;
  readonly failed: string | undefined;
  /** All that was begun has ended. */
  readonly whole: boolean;
}

/** In `marks`: the string holds an escape, or bytes beyond ASCII. Other bits are those that `tells` gave for its bytes. */
export const ESCAPED = 0x20;
export const BEYOND = 0x10;
/** From here on a byte ends the quick look at a string. */
const STOP = 0x40;

/** What may be told of a byte. */
export const MOST_TELLING = 0x0f;

const DEEPEST = 512;
const LONGEST_NUMBER = 1_024;

const TOP = 0;
const VALUE = 1;
const VALUE_OR_END = 2;
const KEY = 3;
const KEY_OR_END = 4;
const COLON = 5;
const COMMA = 6;

/** The string goes on, or cannot be one. */
const PART = -1;
const WRONG = -2;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

const OF_NUMBER = new Uint8Array(256);
for (const char of '0123456789+-.eE') OF_NUMBER[char.charCodeAt(0)] = 1;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const BOM = [0xef, 0xbb, 0xbf];

/**
 * @param tells by byte: bits up to MOST_TELLING that `marks` of a string gather
 * @param single one document alone. `longest`: bytes of a string, however it is cut
 */
export function createTokenizer(
  reader: TokenReader,
  tells: Uint8Array,
  { single = false, longest = Number.POSITIVE_INFINITY }: { single?: boolean; longest?: number } = {},
): Tokenizer {
  const classes = classesOf(tells);
  const tooLong = `a string in it is longer than ${longest} bytes`;
  /** 1 for an object. */
  const kinds = new Uint8Array(DEEPEST);
  let depth = 0;
  let expect = TOP;
  let failed: string | undefined;
  let begun = false;
  /** At the top: whether what came before was a document, and whether it was closed by a bracket; and a line's end after it. */
  let before: 'none' | 'closed' | 'scalar' = 'none';
  let lineEnded = false;
  /** Of the token that has not come whole: how far it was looked at, and what was seen. */
  let looked = 0;
  let seen = 0;

  function fail(why: string, at: number): number {
    failed = why;
    return at;
  }

  /** A value has ended, at `at`. @returns where to go on: behind the comma that nearly always stands there */
  function done(scalar: boolean, bytes: Buffer, at: number, end: number): number {
    if (depth > 0) {
      if (at === end || bytes[at] !== 0x2c) {
        expect = COMMA;
        return at;
      }
      expect = kinds[depth - 1] === 1 ? KEY : VALUE;
      return at + 1;
    }
    expect = TOP;
    before = scalar ? 'scalar' : 'closed';
    lineEnded = false;
    return at;
  }

  /** Where the string that begins at `at` ends, looked at from `from` on; PART or WRONG. What was seen is in `seen`. */
  function stringEnd(bytes: Buffer, at: number, end: number, from: number): number {
    let marks = seen;
    let to = from;
    for (;;) {
      let kind = 0;
      for (; to < end; to++) {
        kind = classes[bytes[to]!]!;
        if (kind >= STOP) break;
        marks |= kind;
      }
      // What is escaped may not have come.
      const escaping = to < end && bytes[to] === BACKSLASH;
      if (to >= end || (escaping && to + 1 >= end)) {
        seen = escaping ? marks | ESCAPED : marks;
        looked = to - at;
        return PART;
      }
      if (!escaping) {
        seen = marks;
        return bytes[to] === QUOTE ? to + 1 : WRONG;
      }
      marks |= ESCAPED;
      to += 2;
    }
  }

  function mayBegin(scalar: boolean): boolean {
    if (depth > 0 || before === 'none') return true;
    return !single && (lineEnded || (before === 'closed' && !scalar));
  }

  function read(bytes: Buffer, from: number, end: number, final: boolean): number {
    let at = from;
    if (!begun) {
      // A byte order mark flows, as it means nothing.
      for (let i = 0; i < BOM.length && bytes[at] === BOM[0]; i++) {
        if (at + i >= end) return final ? fail('it ends within a byte order mark', at) : at;
        if (bytes[at + i] !== BOM[i]) return fail('it does not begin as JSON', at);
        if (i === BOM.length - 1) at += BOM.length;
      }
      begun = at > from || at < end;
    }
    while (at < end) {
      const byte = bytes[at]!;
      if (byte <= 0x20) {
        if (byte === 0x0a) lineEnded = true;
        else if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return fail('a control character stands in it', at);
        at++;
        continue;
      }
      switch (expect) {
        case COLON:
          if (byte !== 0x3a) return fail('a key has no value', at);
          expect = VALUE;
          at++;
          continue;
        case COMMA: {
          const object = kinds[depth - 1] === 1;
          if (byte === 0x2c) {
            expect = object ? KEY : VALUE;
            at++;
            continue;
          }
          if (byte !== (object ? 0x7d : 0x5d)) return fail('a comma or bracket is missing', at);
          depth--;
          reader.close(bytes, ++at);
          at = done(false, bytes, at, end);
          continue;
        }
        case KEY_OR_END:
        case VALUE_OR_END:
          if (byte === (expect === KEY_OR_END ? 0x7d : 0x5d)) {
            depth--;
            reader.close(bytes, ++at);
            at = done(false, bytes, at, end);
            continue;
          }
          expect = expect === KEY_OR_END ? KEY : VALUE;
          break;
      }
      if (byte === QUOTE) {
        const to = stringEnd(bytes, at, end, looked === 0 ? at + 1 : at + looked);
        if (to < 0) {
          if (to === WRONG) return fail('a control character stands in a string', at);
          if (final) return fail('it ends within a string', at);
          return looked > longest ? fail(tooLong, at) : at;
        }
        const marks = seen;
        looked = 0;
        seen = 0;
        if (to - at > longest) return fail(tooLong, at);
        if ((marks & BEYOND) !== 0 && !isUtf8(bytes.subarray(at, to))) return fail('it is not UTF-8', at);
        if (expect === KEY) {
          reader.key(bytes, at, to, marks);
          // Nearly always it stands right behind.
          const colon = to < end && bytes[to] === 0x3a;
          expect = colon ? VALUE : COLON;
          at = colon ? to + 1 : to;
        } else {
          if (!mayBegin(true)) return fail('something stands behind its end', at);
          reader.string(bytes, at, to, marks);
          at = done(true, bytes, to, end);
        }
        // Only what is decoded can turn out wrong.
        if ((marks & ESCAPED) !== 0 && failed !== undefined) return at;
        continue;
      }
      if (expect === KEY) return fail('a key is missing', at);
      if (byte === 0x7b || byte === 0x5b) {
        if (depth === DEEPEST) return fail(`it is nested deeper than ${DEEPEST}`, at);
        if (!mayBegin(false)) return fail('something stands behind its end', at);
        const object = byte === 0x7b;
        kinds[depth++] = object ? 1 : 0;
        expect = object ? KEY_OR_END : VALUE_OR_END;
        reader.open(bytes, at++, object);
        continue;
      }
      let i = at + looked;
      if (OF_NUMBER[byte] === 1) while (i < end && OF_NUMBER[bytes[i]!] === 1) i++;
      else while (i < end && bytes[i]! >= 0x61 && bytes[i]! <= 0x7a) i++;
      if (i === end && !final) {
        if (i - at > LONGEST_NUMBER) return fail('a number in it is too long', at);
        looked = i - at;
        return at;
      }
      looked = 0;
      if (!mayBegin(true)) return fail('something stands behind its end', at);
      if (OF_NUMBER[byte] === 1) {
        if (i - at > LONGEST_NUMBER) return fail('a number in it is too long', at);
        if (!isNumber(bytes, at, i)) return fail('a number is written wrong', at);
        reader.number(bytes, at, i);
      } else {
        if (!isWord(bytes, at, i)) return fail('it is not JSON', at);
        reader.word(bytes, at, i);
      }
      at = done(true, bytes, i, end);
    }
    if (final && !(depth === 0 && expect === TOP)) return fail('it ends before it is whole', at);
    return at;
  }

  return {
    read: (bytes, at, end, final) => (failed === undefined ? read(bytes, at, end, final) : at),
    fail(why) {
      failed ??= why;
    },
    reset() {
      depth = 0;
      expect = TOP;
      failed = undefined;
      begun = false;
      before = 'none';
      lineEnded = false;
      looked = 0;
      seen = 0;
    },
    get failed() {
      return failed;
    },
    get whole() {
      return depth === 0 && expect === TOP && looked === 0 && before !== 'none';
    },
  };
}

function isNumber(bytes: Buffer, from: number, to: number): boolean {
  const first = bytes[from]!;
  // Nearly all: digits alone.
  if (first >= 0x31 && first <= 0x39) {
    let at = from + 1;
    while (at < to && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
    if (at === to) return true;
  }
  return NUMBER.test(bytes.toString('latin1', from, to));
}

function isWord(bytes: Buffer, from: number, to: number): boolean {
  if (to - from > 5) return false;
  const word = bytes.toString('latin1', from, to);
  return word === 'true' || word === 'false' || word === 'null';
}

const CLASSES = new WeakMap<Uint8Array, Uint8Array>();

/** What a byte is within a string. Made once for what many documents are told by. */
function classesOf(tells: Uint8Array): Uint8Array {
  const known = CLASSES.get(tells);
  if (known) return known;
  const classes = Uint8Array.from({ length: 256 }, (_, byte) => {
    if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH) return STOP;
    return (tells[byte]! & MOST_TELLING) | (byte >= 0x80 ? BEYOND : 0);
  });
  CLASSES.set(tells, classes);
  return classes;
}

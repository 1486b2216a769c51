/**
 * Tells most cells that hold nothing from the rest, four bytes at a time: in hexadecimal text every second byte begins or ends a run of digits, and
 * a processor guesses wrong at each. What is not told apart here gets the closer look of find.ts.
 */
import type { Detector } from '../domain/mask.ts';
import { isDigit, isSeparator } from './codes.ts';

/** @returns true where no detector can find anything in bytes [start, end); false says nothing */
export type Sieve = (bytes: Buffer, start: number, end: number) => boolean;

/** What can be told by these two: an `@`, or a long row of digits with what separates them. */
const TOLD: ReadonlySet<Detector> = new Set(['email', 'credit_card', 'us_ssn']);

/** Bytes of the shortest number that is looked for, its separators with it: a social security number. */
const SHORTEST_NUMBER = 11;

const AT_SIGNS = 0x40404040;
const BACKSLASHES = 0x5c5c5c5c;
const ONES = 0x01010101;
const HIGH_BITS = 0x80808080;

const IN_NUMBERS = Uint8Array.from({ length: 256 }, (_, byte) => (isDigit(byte) || isSeparator(byte) ? 1 : 0));

export function createSieve(detectors: ReadonlySet<Detector>): Sieve {
  if ([...detectors].some((name) => !TOLD.has(name))) return () => false;
  const words = new Words();
  return (bytes, start, end) => isQuiet(bytes, start, end, words.of(bytes)) && !hasLongRow(bytes, start, end);
}

/** ASCII without `@` and backslash: other characters may be digits in disguise, `\u0039` may be one too. */
function isQuiet(bytes: Buffer, start: number, end: number, words: DataView): boolean {
  const first = bytes.byteOffset;
  let seen = 0;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const word = words.getInt32(first + at, true);
    const at4 = word ^ AT_SIGNS;
    const back4 = word ^ BACKSLASHES;
    // The high bit of a byte is set where it is zero in one of the two, or was set in the word (Bit Twiddling Hacks, "Determine if a word has a zero byte").
    seen |= word | ((at4 - ONES) & ~at4) | ((back4 - ONES) & ~back4);
  }
  for (; at < end; at++) {
    const byte = bytes[at]!;
    if (byte === 0x40 || byte === 0x5c) return false;
    seen |= byte;
  }
  return (seen & HIGH_BITS) === 0;
}

/** Looks at every eleventh byte: a row of eleven holds one of them. */
function hasLongRow(bytes: Buffer, start: number, end: number): boolean {
  let at = start + SHORTEST_NUMBER - 1;
  while (at < end) {
    const least = at - SHORTEST_NUMBER;
    let from = at;
    while (from > least && IN_NUMBERS[bytes[from]!] === 1) from--;
    if (from === least) return true;
    at = from + SHORTEST_NUMBER;
  }
  return false;
}

/** One view for each chunk, not for each cell. */
class Words {
  #buffer: ArrayBufferLike | undefined;
  #view: DataView = new DataView(new ArrayBuffer(0));

  of({ buffer }: Buffer): DataView {
    if (buffer !== this.#buffer) {
      this.#buffer = buffer;
      this.#view = new DataView(buffer);
    }
    return this.#view;
  }
}

/**
 * Where a value may begin of which the rest has not come yet, erring towards holding back: any word may become an address, any digit a number.
 *
 * `openFrom` is its sibling for when nothing came for a while, and errs the other way.
 */
import type { Detector } from '../domain/mask.ts';
import { isDigit, isDomain, isLocal, isSeparator } from './codes.ts';
import { openFrom } from './stream-open.ts';

/** An address, or another word. RFC 5321 section 4.5.3.1: 64 octets, an `@`, 255. */
const LONGEST_WORD = 320;
/** Nineteen digits with a separator each, in four bytes of UTF-8 or six of an escape. */
const LONGEST_ROW = 240;
const BACKSLASH = 0x5c;
const AT = 0x40;
const DASH = 0x2d;

const OF_WORDS: readonly Detector[] = ['email', 'iban', 'aws_key', 'jwt'];
const OF_ROWS: readonly Detector[] = ['credit_card', 'us_ssn', 'iban'];

/** @returns `end` where nothing in bytes [from, end) may be the beginning of a value */
export function holdFrom(detectors: ReadonlySet<Detector>, bytes: Buffer, from: number, end: number): number {
  let first = openFrom(detectors, bytes, from, end);
  const word = wordStart(bytes, from, end);
  // What is no ASCII, or an escape, may be a digit in disguise.
  if (OF_WORDS.some((name) => detectors.has(name)) || isDisguised(bytes, word, end)) first = Math.min(first, word);
  if (OF_ROWS.some((name) => detectors.has(name))) first = Math.min(first, rowStart(bytes, from, end));
  return detectors.has('private_key') ? Math.min(first, dashesStart(bytes, from, end)) : first;
}

function wordStart(bytes: Buffer, from: number, end: number): number {
  const least = Math.max(from, end - LONGEST_WORD);
  let at = end;
  while (at > least && isOfWord(bytes[at - 1]!)) at--;
  return at;
}

function isOfWord(byte: number): boolean {
  return isLocal(byte) || isDomain(byte) || byte === AT || byte === BACKSLASH;
}

function isDisguised(bytes: Buffer, from: number, end: number): boolean {
  for (let at = from; at < end; at++) if (bytes[at]! >= 0x80 || bytes[at] === BACKSLASH) return true;
  return false;
}

/** Digits and what separates them, as they are or in disguise. */
function rowStart(bytes: Buffer, from: number, end: number): number {
  const least = Math.max(from, end - LONGEST_ROW);
  let first = end;
  for (let at = end; at > least; ) {
    const escaped = escapeBefore(bytes, least, at, end);
    const byte = bytes[at - 1]!;
    if (escaped < at) first = at = escaped;
    else if (isDigit(byte) || byte >= 0x80) first = --at;
    else if (isSeparator(byte)) at--;
    else break;
  }
  return first;
}

/** Where the `\u0039` begins that ends at `at`; behind the last of them it may be a part. */
function escapeBefore(bytes: Buffer, from: number, at: number, end: number): number {
  const least = Math.max(from, at - 6);
  const back = bytes.subarray(least, at).lastIndexOf(BACKSLASH) + least;
  if (back < least) return at;
  return at - back === 6 || at === end ? back : at;
}

function dashesStart(bytes: Buffer, from: number, end: number): number {
  let at = end;
  while (at > from && end - at < 5 && bytes[at - 1] === DASH) at--;
  return at;
}

/**
 * Where a value may begin of which the rest has not come yet, at the end of what a stream has brought so far.
 *
 * Asked when nothing came for a while: what stands before it may flow. A guess that errs towards flowing (a word may be the beginning of an address, and
 * is let go), so it decides nothing while bytes keep coming.
 */
import type { Detector } from '../domain/mask.ts';
import { isAlphanumeric, isBase64url, isDigit, isDomain, isLetter, isLocal, isSeparator, startsWith } from './codes.ts';
import { localStart } from './pattern.ts';

/** Digits that make a row look like a number of somebody's. */
const TELLING_DIGITS = 4;
const LONGEST_ADDRESS = 320;
const LONGEST_ROW = 68;
const AWS_LENGTH = 20;
const DOT = 0x2e;
const SPACE = 0x20;
const AT = 0x40;

/** What must be there of a marker to hold it back, and the most that may stand behind that. */
const KEY_MARKER = '-----BEGIN ';
const LONGEST_MARKER = KEY_MARKER.length + 40 + 5;

type Opens = (bytes: Buffer, from: number, end: number) => number;

const OPENS: Readonly<Record<Detector, Opens>> = {
  credit_card: openNumber,
  us_ssn: openNumber,
  iban: openAccount,
  email: openAddress,
  aws_key: openAccessKey,
  jwt: openToken,
  private_key: openMarker,
};

/** @returns `end` where nothing is open in bytes [from, end) */
export function openFrom(detectors: ReadonlySet<Detector>, bytes: Buffer, from: number, end: number): number {
  let first = end;
  for (const detector of detectors) first = Math.min(first, OPENS[detector](bytes, from, end));
  return first;
}

function openNumber(bytes: Buffer, from: number, end: number): number {
  const least = Math.max(from, end - LONGEST_ROW);
  let first = end;
  let digits = 0;
  for (let at = end - 1; at >= least && (isDigit(bytes[at]) || isSeparator(bytes[at])); at--) {
    if (!isDigit(bytes[at])) continue;
    digits++;
    first = at;
  }
  return digits >= TELLING_DIGITS ? first : end;
}

/** Two letters and two digits, and nothing but letters, digits and spaces behind them. */
function openAccount(bytes: Buffer, from: number, end: number): number {
  const least = Math.max(from, end - LONGEST_ROW);
  let first = end;
  for (let at = end - 1; at >= least && (isAlphanumeric(bytes[at]) || bytes[at] === SPACE); at--) {
    const begins = at === from || !isAlphanumeric(bytes[at - 1]);
    if (begins && at + 4 <= end && isLetter(bytes[at]) && isLetter(bytes[at + 1]) && isDigit(bytes[at + 2])) first = at;
  }
  return first;
}

function openAddress(bytes: Buffer, from: number, end: number): number {
  const least = Math.max(from, end - LONGEST_ADDRESS);
  let at = end - 1;
  while (at >= least && isDomain(bytes[at])) at--;
  if (at < least || bytes[at] !== AT) return end;
  const first = localStart(bytes, at, from);
  return first < at && isLocal(bytes[first]) ? first : end;
}

function openAccessKey(bytes: Buffer, from: number, end: number): number {
  const least = Math.max(from, end - AWS_LENGTH - 1);
  let first = end;
  while (first > least && isAlphanumeric(bytes[first - 1])) first--;
  return /^A(?:KIA|SIA|BIA|CCA)/.test(bytes.toString('latin1', first, Math.min(end, first + 4))) ? first : end;
}

/** Where a JSON Web Token may begin whose header or payload reaches to the end. Goes back over two segments at most. */
export function openToken(bytes: Buffer, from: number, end: number): number {
  let first = end;
  let at = end;
  for (let segments = 0; segments < 3; segments++) {
    while (at > from && isBase64url(bytes[at - 1])) at--;
    if (startsWith(bytes, at, end, 'eyJ')) first = at;
    if (at === from || bytes[at - 1] !== DOT) break;
    at--;
  }
  return first;
}

function openMarker(bytes: Buffer, from: number, end: number): number {
  const at = bytes.subarray(0, end).lastIndexOf('-----B', end, 'latin1');
  return at >= from && end - at < LONGEST_MARKER ? at : end;
}

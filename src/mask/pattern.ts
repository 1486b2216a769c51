/** The other things that are found: each from one telling character, in a number of steps bounded by its own length. */
import {
  type Codes,
  isAlphanumeric,
  isBase64url,
  isDigit,
  isDomain,
  isLetter,
  isLocal,
  isSeparator,
  startsWith,
} from './codes.ts';

const DOT = 0x2e;
const DASH = 0x2d;
const SPACE = 0x20;

/**
 * Where a US social security number that begins at `from` ends: 3-2-4 digits with the same separator twice.
 *
 * Areas 000 and 666, group 00 and serial 0000 are never issued. Areas from 900 are taxpayer numbers: as private, so found too.
 */
export function ssnEnd(codes: Codes, from: number, end: number): number {
  const to = from + 11;
  if (to > end || (to < end && isDigit(codes[to]))) return -1;
  const separator = codes[from + 3];
  if (!isSeparator(separator) || codes[from + 6] !== separator) return -1;
  const area = numberAt(codes, from, 3);
  const group = numberAt(codes, from + 4, 2);
  const serial = numberAt(codes, from + 7, 4);
  return area > 0 && area !== 666 && group > 0 && serial > 0 ? to : -1;
}

/** The number of so many digits; -1 when one is not a digit. */
function numberAt(codes: Codes, from: number, length: number): number {
  let number = 0;
  for (let i = 0; i < length; i++) {
    const code = codes[from + i];
    if (!isDigit(code)) return -1;
    number = number * 10 + code! - 0x30;
  }
  return number;
}

/** Where the local part before an `@` begins; `at` when there is none. RFC 5321 section 4.5.3.1: at most 64 octets. */
export function localStart(codes: Codes, at: number, start: number): number {
  let from = at;
  const least = Math.max(start, at - 64);
  while (from > least && isLocal(codes[from - 1])) from--;
  return from;
}

/** Where the domain behind an `@` ends; -1 when it is none: labels with a dot, the last of two letters or more. */
export function domainEnd(codes: Codes, at: number, end: number): number {
  const last = Math.min(end, at + 1 + 255);
  let to = at + 1;
  let labelFrom = to;
  let labels = 0;
  let found = -1;
  for (; to <= last; to++) {
    const code = to < last ? codes[to]! : 0;
    if (isDomain(code) && code !== DOT) continue;
    if (to === labelFrom) break;
    labels++;
    if (labels > 1 && to - labelFrom >= 2 && isLetter(codes[labelFrom])) found = to;
    if (code !== DOT) break;
    labelFrom = to + 1;
  }
  return found;
}

/** Lengths of account numbers by country (SWIFT, IBAN registry). */
const IBAN_LENGTHS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    15: 'NO',
    16: 'BE',
    18: 'DK FI FO GL NL SD',
    19: 'MK SI',
    20: 'AT BA EE KZ LT LU XK',
    21: 'CH HR LI LV',
    22: 'BG BH CR DE GB GE IE ME RS VA',
    23: 'AE GI IL IQ OM SO TL',
    24: 'AD CZ ES MD PK RO SA SE SK TN VG',
    25: 'LY PT ST',
    26: 'IS TR',
    27: 'BI DJ FR GR IT MC MR SM',
    28: 'AL AZ BY CY DO GT HU LB NI PL SV',
    29: 'BR EG PS QA UA',
    30: 'JO KW MU YE',
    31: 'MT SC',
    32: 'LC',
    33: 'RU',
  }).flatMap(([length, countries]) =>
    countries.split(' ').map((country): [string, number] => [country, Number(length)]),
  ),
);

/** Where the account number whose check digits begin at `digit` ends; -1 when it is none. Its country stands in the two letters before. */
export function ibanEnd(codes: Codes, digit: number, start: number, end: number): number {
  const from = digit - 2;
  if (from < start || !isLetter(codes[from]) || !isLetter(codes[from + 1])) return -1;
  if (from > start && isAlphanumeric(codes[from - 1])) return -1;
  const country = String.fromCharCode(codes[from]! & 0xdf, codes[from + 1]! & 0xdf);
  const length = IBAN_LENGTHS.get(country);
  if (length === undefined) return -1;
  // ISO 7064 MOD 97-10 over the number with its first four characters moved to the end.
  let head = 0;
  let rest = 0;
  let at = from;
  for (let i = 0; i < length; i++) {
    if (i > 0 && at + 1 < end && codes[at] === SPACE) at++;
    const code = codes[at];
    if (at >= end || code === undefined || code >= 0x80 || !isAlphanumeric(code)) return -1;
    const value = isDigit(code) ? code - 0x30 : (code & 0xdf) - 0x37;
    if (i < 4) head = (head * (value > 9 ? 100 : 10) + value) % 97;
    else rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
    at++;
  }
  if (at < end && isAlphanumeric(codes[at])) return -1;
  // The head is four characters: two letters (two digits each) and two digits, six digits when moved behind the rest.
  return (((rest * 10 ** 6) % 97) + head) % 97 === 1 ? at : -1;
}

const AWS_PREFIXES = ['AKIA', 'ASIA', 'ABIA', 'ACCA'];
const AWS_LENGTH = 20;

/** Where the access key id that begins at `from` ends. */
export function awsKeyEnd(codes: Codes, from: number, start: number, end: number): number {
  const to = from + AWS_LENGTH;
  if (from < start || to > end || !AWS_PREFIXES.some((prefix) => startsWith(codes, from, end, prefix))) return -1;
  if (from > start && isAlphanumeric(codes[from - 1])) return -1;
  if (to < end && isAlphanumeric(codes[to])) return -1;
  for (let at = from; at < to; at++) if (!isDigit(codes[at]) && !isUpper(codes[at]!)) return -1;
  return to;
}

function isUpper(code: number): boolean {
  return code >= 0x41 && code <= 0x5a;
}

const BEGIN = '-----BEGIN ';
const END = '-----END ';
const LONGEST_LABEL = 40;

/** Where the PEM private key that begins at `from` ends: behind its last line, or with the cell when that is missing (RFC 7468). */
export function privateKeyEnd(codes: Codes, from: number, end: number): number {
  if (!startsWith(codes, from, end, BEGIN)) return -1;
  const label = from + BEGIN.length;
  const dashes = nextDashes(codes, label, Math.min(end, label + LONGEST_LABEL));
  if (dashes < 0 || !startsWith(codes, dashes - 'PRIVATE KEY'.length, end, 'PRIVATE KEY')) return -1;
  for (let at = dashes + 5; at < end; at++) {
    if (codes[at] !== DASH || !startsWith(codes, at, end, END)) continue;
    const last = nextDashes(codes, at + END.length, Math.min(end, at + END.length + LONGEST_LABEL));
    return last < 0 ? end : Math.min(end, last + 5);
  }
  return end;
}

function nextDashes(codes: Codes, from: number, end: number): number {
  for (let at = from; at < end; at++) if (codes[at] === DASH) return startsWith(codes, at, end + 5, '-----') ? at : -1;
  return -1;
}

/** Where the JSON Web Token that begins at `from` ends (RFC 7519): two segments that are JSON objects, and a signature or none. */
export function jwtEnd(codes: Codes, from: number, start: number, end: number): number {
  if (from < start || (from > start && isBase64url(codes[from - 1]))) return -1;
  const header = segmentEnd(codes, from, end);
  if (header - from < 8 || header >= end || codes[header] !== DOT || !startsWith(codes, header + 1, end, 'eyJ'))
    return -1;
  const payload = segmentEnd(codes, header + 1, end);
  if (payload >= end || codes[payload] !== DOT) return -1;
  return segmentEnd(codes, payload + 1, end);
}

function segmentEnd(codes: Codes, from: number, end: number): number {
  let at = from;
  while (at < end && isBase64url(codes[at])) at++;
  return at;
}

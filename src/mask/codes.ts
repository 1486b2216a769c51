/** What the detectors read: one byte for each character, and its class. Bytes from 0x80 on are letters of some other script. */

/** Bytes of a cell, or the codes of its normal form. Only indexed, so that a test can count what is read. */
export interface Codes {
  readonly [index: number]: number;
}

const DIGIT = 1;
const LETTER = 2;
const LOCAL = 4;
const DOMAIN = 8;
const BASE64URL = 16;
const SEPARATOR = 32;

const CLASSES = new Uint8Array(256);
const put = (chars: string, bits: number) => {
  for (const char of chars) CLASSES[char.charCodeAt(0)]! |= bits;
};
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
put('0123456789', DIGIT | LOCAL | DOMAIN | BASE64URL);
put(LETTERS, LETTER | LOCAL | DOMAIN | BASE64URL);
put("!#$%&'*+/=?^_`{|}~-.", LOCAL); // RFC 5322, "atext", and the dot
put('-.', DOMAIN);
put('-_', BASE64URL);
put(' -._', SEPARATOR);
CLASSES.fill(LETTER | LOCAL | DOMAIN, 0x80);

// Plain functions, one table each look: these run for every digit and every telling byte of a result.

export function isDigit(code: number | undefined): boolean {
  return code !== undefined && code >= 0x30 && code <= 0x39;
}

export function isLetter(code: number | undefined): boolean {
  return code !== undefined && (CLASSES[code]! & LETTER) !== 0;
}

export function isAlphanumeric(code: number | undefined): boolean {
  return code !== undefined && (CLASSES[code]! & (DIGIT | LETTER)) !== 0;
}

/** May stand in the local part of an address. */
export function isLocal(code: number | undefined): boolean {
  return code !== undefined && (CLASSES[code]! & LOCAL) !== 0;
}

/** May stand in a host name. */
export function isDomain(code: number | undefined): boolean {
  return code !== undefined && (CLASSES[code]! & DOMAIN) !== 0;
}

export function isBase64url(code: number | undefined): boolean {
  return code !== undefined && (CLASSES[code]! & BASE64URL) !== 0;
}

/** What people put between groups of digits. */
export function isSeparator(code: number | undefined): boolean {
  return code !== undefined && (CLASSES[code]! & SEPARATOR) !== 0;
}

/** Reads as `text`, whose letters are ASCII, at `at`. */
export function startsWith(codes: Codes, at: number, end: number, text: string): boolean {
  if (at < 0 || at + text.length > end) return false;
  for (let i = 0; i < text.length; i++) if (codes[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

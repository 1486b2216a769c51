/** Numbers as JSON may write them, written as people do: `4.111111111111111e15` is a card's number too. */

import { isDigit } from './codes.ts';

/** Digits of the shortest number that is looked for. */
export const SHORTEST = 12;
/** A number with fewer digits that count is one by chance: a third of all `4.2e15` have a right checksum. */
const LEAST_DIGITS = 10;
const LONGEST = 40;
const PARTS = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
const NONE: readonly Buffer[] = [];

/**
 * The whole numbers that readers may make of one: as it is, cut off, and the nearest in floating point. Digits behind a point are none of anybody's numbers:
 * one of a hundred fractions would look like a card's.
 */
export function wholeNumbers(bytes: Buffer, from: number, to: number): readonly Buffer[] {
  const first = bytes[from] === 0x2d ? from + 1 : from;
  let at = first;
  while (at < to && isDigit(bytes[at])) at++;
  if (at === to) return [bytes.subarray(first, to)];
  // Most fractions: few digits before the point, and no exponent.
  if (at - first < SHORTEST && !hasExponent(bytes, at, to)) return NONE;
  return writtenOut(bytes.toString('latin1', from, to));
}

function hasExponent(bytes: Buffer, from: number, to: number): boolean {
  for (let at = to - 1; at >= from; at--) if ((bytes[at]! | 0x20) === 0x65) return true;
  return false;
}

function writtenOut(text: string): readonly Buffer[] {
  const [, whole = '', fraction = '', exponent = '0'] = PARTS.exec(text) ?? [];
  const digits = withoutZeros(whole + fraction);
  if (digits.text.length < LEAST_DIGITS) return NONE;
  const point = whole.length + Number(exponent) - digits.leading;
  if (!(point >= SHORTEST && point <= LONGEST)) return NONE;
  const cut = digits.text.slice(0, point).padEnd(point, '0');
  const nearest = Math.round(Math.abs(Number(text)));
  return [...new Set([cut, nearest < 1e21 ? String(nearest) : cut])].map((form) => Buffer.from(form));
}

function withoutZeros(digits: string): { readonly text: string; readonly leading: number } {
  let from = 0;
  let to = digits.length;
  while (from < to && digits[from] === '0') from++;
  while (to > from && digits[to - 1] === '0') to--;
  return { text: digits.slice(from, to), leading: from };
}

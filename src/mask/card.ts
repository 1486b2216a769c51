/** Card numbers: digits in one piece or in groups, of a length and with a beginning that a brand uses, whose Luhn sum is right. */
import { type Codes, isDigit, isSeparator } from './codes.ts';

const LONGEST = 19;
/** Digits of the shortest card number. */
export const SHORTEST_CARD = 13;
const DOT = 0x2e;

/** First digits, from and to, and the lengths such numbers have (ISO/IEC 7812 issuer ranges as the brands publish them). */
const BRANDS: readonly { from: number; to: number; lengths: readonly number[] }[] = [
  { from: 4000, to: 4999, lengths: [13, 16, 19] },
  { from: 5100, to: 5599, lengths: [16] },
  { from: 2221, to: 2720, lengths: [16] },
  { from: 3400, to: 3499, lengths: [15] },
  { from: 3700, to: 3799, lengths: [15] },
  { from: 3000, to: 3059, lengths: [14, 16] },
  { from: 3095, to: 3095, lengths: [14, 16] },
  { from: 3600, to: 3699, lengths: [14, 15, 16, 17, 18, 19] },
  { from: 3800, to: 3999, lengths: [14, 16, 17, 18, 19] },
  { from: 3528, to: 3589, lengths: [16, 17, 18, 19] },
  { from: 6011, to: 6011, lengths: [16, 17, 18, 19] },
  { from: 6440, to: 6599, lengths: [16, 17, 18, 19] },
  { from: 6200, to: 6299, lengths: [16, 17, 18, 19] },
  { from: 8100, to: 8199, lengths: [16, 17, 18, 19] },
  { from: 5018, to: 5038, lengths: [13, 14, 15, 16, 17, 18, 19] },
  { from: 5893, to: 5893, lengths: [13, 14, 15, 16, 17, 18, 19] },
  { from: 6304, to: 6304, lengths: [13, 14, 15, 16, 17, 18, 19] },
  { from: 6759, to: 6763, lengths: [13, 14, 15, 16, 17, 18, 19] },
];

/** Filled anew for every candidate, and never read beyond what was filled. */
const digits = new Uint8Array(LONGEST);

/**
 * Where the card number that begins at `from` ends; -1 when none does. `from` is the first digit of its group.
 *
 * One kind of separator, at most one between two digits. A single separator is not a grouped number but something like 4.123456789012345.
 */
export function cardEnd(codes: Codes, from: number, start: number, end: number): number {
  let found = -1;
  let count = 0;
  let separator = 0;
  let separators = 0;
  let at = from;
  for (;;) {
    while (at < end && isDigit(codes[at])) {
      if (count === LONGEST) return found;
      digits[count++] = codes[at++]! - 0x30;
    }
    const grouped = separators === 0 ? !isFraction(codes, from, start) : separators >= 2;
    if (count >= SHORTEST_CARD && grouped && isCard(count)) found = at;
    const next = at < end ? codes[at]! : 0;
    if (!isSeparator(next) || (separator !== 0 && separator !== next)) return found;
    if (at + 1 >= end || !isDigit(codes[at + 1])) return found;
    separator = next;
    separators++;
    at++;
  }
}

/** Digits behind `0.` are a fraction. */
function isFraction(codes: Codes, from: number, start: number): boolean {
  return from - 2 >= start && codes[from - 1] === DOT && isDigit(codes[from - 2]);
}

function isCard(count: number): boolean {
  const first = digits[0]! * 1000 + digits[1]! * 100 + digits[2]! * 10 + digits[3]!;
  const fits = BRANDS.some(({ from, to, lengths }) => first >= from && first <= to && lengths.includes(count));
  return fits && luhn(count);
}

// ISO/IEC 7812-1, annex B: from the right, every second digit doubled, the digits of all summed.
function luhn(count: number): boolean {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const digit = digits[count - 1 - i]!;
    const weighed = i % 2 === 1 ? digit * 2 : digit;
    sum += weighed > 9 ? weighed - 9 : weighed;
  }
  return sum % 10 === 0;
}

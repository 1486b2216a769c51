/** Numbers as JSON may write them, written as people do: `4.111111111111111e15` is a card's number too. */

/** A number with fewer digits that count is one by chance: a third of all `4.2e15` have a right checksum. */
const LEAST_DIGITS = 10;
const LONGEST = 40;
const PARTS = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** @returns whole numbers that readers may make of it: cut off, and as nearest in floating point. None for what is written as one already */
export function writtenOut(bytes: Buffer, from: number, to: number): readonly Buffer[] {
  const text = bytes.toString('latin1', from, to);
  const [, whole = '', fraction, exponent] = PARTS.exec(text) ?? [];
  if (fraction === undefined && exponent === undefined) return [];
  const all = whole + (fraction ?? '');
  const digits = withoutZeros(all);
  if (digits.text.length < LEAST_DIGITS) return [];
  const point = whole.length + Number(exponent ?? 0) - digits.leading;
  if (!(point > 0 && point <= LONGEST)) return [];
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

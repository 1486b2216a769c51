/** The binary form of `numeric`: digits in base 10,000 (PostgreSQL, src/backend/utils/adt/numeric.c, numeric_send). */

/** @returns undefined for what is no number, such as NaN, and for a value that is malformed */
export function decodeNumeric(bytes: Buffer): string | undefined {
  if (bytes.length < 8) return undefined;
  const count = bytes.readUInt16BE(0);
  const weight = bytes.readInt16BE(2);
  const sign = bytes.readUInt16BE(4);
  const scale = bytes.readUInt16BE(6);
  if (bytes.length !== 8 + 2 * count || (sign !== POSITIVE && sign !== NEGATIVE)) return undefined;
  const digit = (index: number) =>
    index >= 0 && index < count ? String(bytes.readUInt16BE(8 + 2 * index)).padStart(4, '0') : '0000';
  let whole = '';
  for (let i = 0; i <= weight; i++) whole += digit(i);
  let fraction = '';
  for (let i = weight + 1; fraction.length < scale; i++) fraction += digit(i);
  const text = whole.replace(/^0+(?=\d)/, '') || '0';
  return `${sign === NEGATIVE ? '-' : ''}${text}${scale > 0 ? `.${fraction.slice(0, scale)}` : ''}`;
}

const POSITIVE = 0x0000;
const NEGATIVE = 0x4000;

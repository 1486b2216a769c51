/**
 * A cell as an eye would read it: fullwidth and other digits as digits, every dash as `-`, every space as one, what is not drawn left out,
 * `\u0039` as the character it stands for. Each code remembers where it came from, so that a match can be cut out of the original.
 */
import type { Codes } from './codes.ts';

export interface NormalForm {
  /** ASCII; 0x80 stands for any other character, 0x01 for a backslash. */
  readonly codes: Codes;
  readonly length: number;
  /** Byte offset of the first byte of what became the code at `index`. */
  startOf(index: number): number;
  /** Byte offset behind the last byte of it. */
  endOf(index: number): number;
}

const OTHER = 0x80;
const SPENT_BACKSLASH = 0x01;

/** Offsets are into `bytes`, as `start` and `end` are. */
export function normalForm(bytes: Uint8Array, start: number, end: number): NormalForm {
  const codes: number[] = [];
  const starts: number[] = [];
  const ends: number[] = [];
  for (let at = start; at < end; ) {
    const { point, width } = escapeAt(bytes, at, end) ?? characterAt(bytes, at, end);
    for (const code of readAs(point)) {
      codes.push(code);
      starts.push(at);
      ends.push(at + width);
    }
    at += width;
  }
  return {
    codes: Uint8Array.from(codes),
    length: codes.length,
    startOf: (index) => starts[index] ?? end,
    endOf: (index) => ends[index] ?? end,
  };
}

interface Character {
  readonly point: number;
  readonly width: number;
}

/** `\u0039`, as JSON writes characters. */
function escapeAt(bytes: Uint8Array, at: number, end: number): Character | undefined {
  if (bytes[at] !== 0x5c || bytes[at + 1] !== 0x75 || at + 6 > end) return undefined;
  const hex = String.fromCharCode(...bytes.subarray(at + 2, at + 6));
  return /^[0-9a-fA-F]{4}$/.test(hex) ? { point: Number.parseInt(hex, 16), width: 6 } : undefined;
}

/** One character of UTF-8; a byte that begins none is one of some other kind. */
function characterAt(bytes: Uint8Array, at: number, end: number): Character {
  const lead = bytes[at]!;
  if (lead < 0x80) return { point: lead, width: 1 };
  const width = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  let point = lead & (0xff >> (width + 1));
  for (let i = 1; i < width; i++) {
    const next = at + i < end ? bytes[at + i]! : 0;
    if ((next & 0xc0) !== 0x80) return { point: 0xfffd, width: 1 };
    point = (point << 6) | (next & 0x3f);
  }
  return lead >= 0xc2 && lead < 0xf5 && point <= 0x10ffff ? { point, width } : { point: 0xfffd, width: 1 };
}

/** What was read before: a text uses few characters, and asking Unicode for one takes a microsecond. */
const known = new Map<number, readonly number[]>();
const MOST_KNOWN = 4_096;

/** None for what is not drawn. */
function readAs(point: number): readonly number[] {
  const before = known.get(point);
  if (before) return before;
  const codes = lookUp(point);
  if (known.size < MOST_KNOWN) known.set(point, codes);
  return codes;
}

function lookUp(point: number): readonly number[] {
  if (point === 0x5c) return [SPENT_BACKSLASH];
  if (point < 0x80) return [point];
  const char = String.fromCodePoint(point);
  if (/[\p{Default_Ignorable_Code_Point}\p{Cf}]/u.test(char)) return [];
  if (/[\p{Pd}\u2212]/u.test(char)) return [0x2d];
  if (/\p{Zs}/u.test(char)) return [0x20];
  if (isDecimal(point)) return [0x30 + digitValue(point)];
  const folded = char.normalize('NFKC');
  return folded === char ? [OTHER] : Array.from(folded, (part) => asciiOrOther(part.charCodeAt(0)));
}

function asciiOrOther(code: number): number {
  if (code === 0x5c) return SPENT_BACKSLASH;
  return code < 0x80 ? code : OTHER;
}

// Decimal digits lie in runs of ten, zero first, and some runs follow each other directly (Unicode, section 4.6).
function digitValue(point: number): number {
  let zero = point;
  while (point - zero < 50 && isDecimal(zero - 1)) zero--;
  return (point - zero) % 10;
}

function isDecimal(point: number): boolean {
  return point >= 0x80 && /\p{Nd}/u.test(String.fromCodePoint(point));
}

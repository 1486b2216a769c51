/** Lays cells out in columns that fit the terminal. Cells are already escaped. */
import type { Part } from './part.ts';

const GAP = '  ';
const LEAST = 8;

/**
 * @param whole columns that are never shortened
 * @param width of the terminal; undefined: as wide as it is
 */
export function layOut(rows: readonly (readonly Part[])[], whole: readonly boolean[], width?: number): Part[][] {
  const widths = whole.map((_, column) => Math.max(...rows.map((row) => widthOf(textOf(row[column])))));
  if (width !== undefined) shrink(widths, whole, width);
  return rows.map((row) => row.map((cell, column) => fit(cell, widths[column] ?? 0, column === row.length - 1)));
}

/** Takes from the widest column that may be shortened until the row fits, or nothing is left to take. */
function shrink(widths: number[], whole: readonly boolean[], width: number): void {
  let excess = widths.reduce((sum, each) => sum + each, GAP.length * (widths.length - 1)) - width;
  while (excess > 0) {
    const candidates = widths.map((each, column) => (whole[column] ? 0 : each));
    const widest = Math.max(...candidates);
    if (widest <= LEAST) return;
    widths[candidates.indexOf(widest)] = widest - 1;
    excess--;
  }
}

function fit(cell: Part, width: number, last: boolean): Part {
  const text = cut(textOf(cell), width);
  const padded = last ? text : text + ' '.repeat(Math.max(0, width - widthOf(text))) + GAP;
  return typeof cell === 'string' ? padded : { ...cell, text: padded };
}

function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = '';
  let used = 0;
  for (const char of text) {
    const next = widthOf(char);
    if (used + next > width - 1) break;
    kept += char;
    used += next;
  }
  return `${kept}…`;
}

function textOf(part: Part | undefined): string {
  return typeof part === 'string' ? part : (part?.text ?? '');
}

// Wide in a terminal (UAX #11, roughly): CJK, Hangul, kana, fullwidth forms and emoji. Marks take no place of their own.
const WIDE =
  /[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;
const MARK = /\p{M}/u;

function widthOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  let width = 0;
  for (const char of text) width += MARK.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
  return width;
}

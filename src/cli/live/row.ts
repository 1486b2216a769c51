/** Rows of a screen: escaped, measured, and never wider than it. */
import { styleText } from 'node:util';
import { escapeForDisplay } from '../../base/shown.ts';
import { cutToWidth, displayWidth } from '../../base/width.ts';
import type { Part } from '../part.ts';

export type Row = readonly Part[];

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** As the terminal gets it. Escaped here too, whoever made the row: escaping what is safe changes nothing. */
export function renderRow(row: Row, colour: boolean): string {
  return row
    .map((part) => {
      const text = escapeForDisplay(typeof part === 'string' ? part : part.text);
      return colour && typeof part !== 'string' ? styleText(part.style, text, { validateStream: false }) : text;
    })
    .join('');
}

/** Cuts what is too wide, and says so with `…`. For what is ours to shorten; never for the text that is decided upon. */
export function fitRow(row: Row, columns: number): Row {
  const fitted: Part[] = [];
  let left = columns;
  for (const part of row) {
    const text = escapeForDisplay(typeof part === 'string' ? part : part.text);
    const kept = cutToWidth(text, left);
    fitted.push(typeof part === 'string' ? kept : { ...part, text: kept });
    left -= displayWidth(kept);
    if (kept !== text || left <= 0) break;
  }
  return fitted;
}

/** Every character of it, in pieces of at most `columns`: nothing is left out at the breaks, not even a space. */
export function hardWrap(escaped: string, columns: number): string[] {
  const room = Math.max(1, columns);
  if (PLAIN.test(escaped)) {
    const pieces = Math.max(1, Math.ceil(escaped.length / room));
    return Array.from({ length: pieces }, (_, at) => escaped.slice(at * room, (at + 1) * room));
  }
  const pieces: string[] = [];
  let piece = '';
  let used = 0;
  for (const char of escaped) {
    const width = displayWidth(char);
    if (used + width > room && piece !== '') {
      pieces.push(piece);
      piece = '';
      used = 0;
    }
    piece += char;
    used += width;
  }
  return [...pieces, piece];
}

const PLAIN = /^[ -~]*$/;

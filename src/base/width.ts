/**
 * How much room text takes on a terminal, and how it is cut and wrapped to fit. For text that is escaped already: what is left then has a width.
 */

// Wide in a terminal (UAX #11, roughly): CJK, Hangul, kana, fullwidth forms and emoji. Marks take no place of their own.
const WIDE =
  /[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;
const MARK = /\p{M}/u;
const PLAIN = /^[ -~]*$/;

/** Columns that the text takes. */
export function displayWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const char of text) width += charWidth(char);
  return width;
}

/** As much of the text as fits, and `…` where some is missing. Never half of a character. */
export function cutToWidth(text: string, width: number): string {
  return displayWidth(text) <= width ? text : `${startOf(text, width - 1)}…`;
}

/** The text in lines of at most `width` columns, broken at spaces where there are some, within words where there are none. */
export function wrapToWidth(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  const room = Math.max(2, width);
  while (displayWidth(rest) > room) {
    const most = startOf(rest, room);
    // A space near the end: further back, what is cut there looks like an end.
    const space = most.lastIndexOf(' ');
    const taken = space > most.length / 2 ? most.slice(0, space) : most;
    lines.push(taken);
    rest = rest.slice(taken.length + (taken === most ? 0 : 1));
  }
  lines.push(rest);
  return lines;
}

/** As much of the text as fits. Never half of a character. */
export function startOf(text: string, width: number): string {
  if (PLAIN.test(text)) return text.slice(0, Math.max(0, width));
  let used = 0;
  let kept = '';
  for (const char of text) {
    used += charWidth(char);
    if (used > width) break;
    kept += char;
  }
  return kept;
}

function charWidth(char: string): number {
  return MARK.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
}

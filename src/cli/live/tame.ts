/**
 * An agent's output beside what hoopctl draws: readable, and unable to touch what stands below it. Whatever else a terminal would obey (cursor, erase, scroll
 * region, title, clipboard, palette, queries) is shown instead of done.
 *
 * Always, not only while something is asked: a string that is begun before (DCS, OSC) swallows what is drawn after it, and a request that nobody sees would be
 * decided by a key that was pressed for something else.
 */
import { escapeForDisplay, escapeLinesForDisplay } from '../../base/shown.ts';

// ECMA-48 8.3.117, SGR: `CSI … m`.
const COLOUR = /(\x1b\[[0-9;:]*m)/;
const RESET = '\x1b[0m';

/** While a person is asked something. @param bytes whole lines */
export function tame(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes);
  return text.split('\n').map(tameLine).join('\n');
}

/** While nobody is asked anything: colours over several lines, and what redraws the line that it is on, as progress does; text in any script as it is. */
export function calm(bytes: Uint8Array): string | Uint8Array {
  if (bytes.every(isPlain)) return bytes;
  return new TextDecoder()
    .decode(bytes)
    .replace(OBEYED, (found) => (WITHIN_A_LINE.test(found) ? found : escapeForDisplay(found)));
}

const isPlain = (byte: number) => (byte >= 0x20 && byte < 0x7f) || (byte >= 0x07 && byte <= 0x0a) || byte === 0x0d;

/** A sequence as far as it may be one of ours, else the one code: C0 but BEL BS HT LF CR, DEL, C1. */
const OBEYED = /\x1b\[[0-9;:]*[A-Za-z]|[\x00-\x06\x0b\x0c\x0e-\x1f\x7f-\x9f]/g;
/** SGR; EL, CUF, CUB, CHA (ECMA-48 8.3). */
const WITHIN_A_LINE = /^\x1b\[(?:[0-9;:]*m|[0-9]*[KCDG])$/;

function tameLine(line: string): string {
  if (!line.includes('\x1b')) return shown(withoutReturn(line));
  const parts = withoutReturn(line).split(COLOUR);
  // Each line ends in plain: neither a colour nor hidden text (SGR 8) may reach what follows.
  return `${parts.map((part, at) => (at % 2 === 1 ? part : shown(part))).join('')}${RESET}`;
}

/** Many programs end their lines with both. */
function withoutReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}

function shown(text: string): string {
  return escapeLinesForDisplay(text).join('');
}

/**
 * Undoes what was left behind before, by whomever: a string that has not ended and would swallow us (ST), a screen that is held back (mode 2026), margins,
 * character sets, insert mode, origin, hidden or coloured text (DECSTR, VT510 manual), and wrapping on again, which some terminals take DECSTR to switch off.
 * The cursor stays where it is, and nothing stands below it that could pass for ours (ED).
 */
export const PLAIN_TERMINAL = '\x1b\\\x1b[?2026l\x1b[!p\x1b[?7h\x1b(B\x0f\x1b[0m\x1b[J';

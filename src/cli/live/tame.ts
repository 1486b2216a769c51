/**
 * An agent's output while a person is asked something: readable, and unable to touch what stands below it. Colours stay; whatever else a terminal would
 * obey (cursor, erase, scroll region, title, clipboard) is shown instead of done.
 */
import { escapeLinesForDisplay } from '../../base/shown.ts';

// ECMA-48 8.3.117, SGR: `CSI … m`.
const COLOUR = /(\x1b\[[0-9;:]*m)/;
const RESET = '\x1b[0m';

/** @param bytes whole lines */
export function tame(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes);
  return text.split('\n').map(tameLine).join('\n');
}

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
 * Undoes what was left behind before: margins, character sets, insert mode, origin, hidden or coloured text (DECSTR, VT510 manual), and wrapping on again,
 * which some terminals take DECSTR to switch off. The cursor stays where it is.
 */
export const PLAIN_TERMINAL = '\x1b[!p\x1b[?7h\x1b(B\x0f\x1b[0m';

/**
 * Breaks a line that is wider than the terminal, so that what follows is set in: left to the terminal, the rest of a long text from outside would begin
 * at the margin, where only our own lines begin.
 */
import { displayWidth, startOf } from '../base/width.ts';
import type { Part } from './part.ts';

const LINK = /^https?:\/\//;

/**
 * @param parts escaped
 * @param indent columns by which the further lines are set in
 */
export function wrapParts(parts: readonly Part[], width: number, indent: number): readonly (readonly Part[])[] {
  const total = parts.reduce((sum, part) => sum + displayWidth(textOf(part)), 0);
  if (total <= width || width < indent + 8) return [parts];
  const lines: Part[][] = [[]];
  let column = 0;
  const put = (part: Part, text: string, wide: number) => {
    if (text !== '') lines.at(-1)?.push(typeof part === 'string' ? text : { ...part, text });
    column += wide;
  };
  const next = () => {
    lines.push([' '.repeat(indent)]);
    column = indent;
  };
  for (const part of parts) {
    for (const word of textOf(part).split(/(?<= )(?=[^ ])/)) {
      const bare = word.trimEnd();
      if (column > indent && column + displayWidth(bare) > width) next();
      // A link that is cut in two is no link; nothing stands after it on its line.
      if (LINK.test(bare)) {
        put(part, displayWidth(bare) > width - column ? bare : word, displayWidth(word));
        continue;
      }
      const spaced = column + displayWidth(word) <= width;
      let rest = spaced ? word : bare;
      while (column + displayWidth(rest) > width) {
        const taken = startOf(rest, width - column) || ([...rest][0] ?? '');
        put(part, taken, displayWidth(taken));
        rest = rest.slice(taken.length);
        next();
      }
      put(part, rest, displayWidth(rest));
      // Spaces that found no room: what follows them begins a new line.
      if (!spaced && bare !== word) column = width;
    }
  }
  return lines;
}

function textOf(part: Part): string {
  return typeof part === 'string' ? part : part.text;
}

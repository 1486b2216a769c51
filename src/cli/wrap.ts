/** Breaks our own sentences into lines that fit: help, topics, what `doctor` advises. */

/** @param first what the first line begins with; `rest`: what the others do */
export function wrap(text: string, width: number, first = '', rest = first): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/ +/)) {
    const prefix = lines.length === 0 ? first : rest;
    if (line !== '' && prefix.length + line.length + 1 + word.length > width) {
      lines.push(prefix + line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, (lines.length === 0 ? first : rest) + line];
}

export type Pair = readonly [name: string, meaning: string];

/** Names in a column of their own, what they mean beside it. A name that is wider than `most` has a line for itself. */
export function pairs(rows: readonly Pair[], width: number, most = 26): string[] {
  const column = Math.min(most, Math.max(0, ...rows.map(([name]) => name.length)));
  const indent = ' '.repeat(column + 4);
  return rows.flatMap(([name, meaning]) =>
    name.length > column
      ? [`  ${name}`, ...wrap(meaning, width, indent)]
      : wrap(meaning, width, `  ${name.padEnd(column)}  `, indent),
  );
}

/** What a page is laid out for: the terminal's width, though no wider than is good to read; 80 where there is none. */
export function pageWidth(stream: { readonly isTTY?: boolean; readonly columns?: number }): number {
  return Math.max(40, Math.min(stream.isTTY ? (stream.columns ?? 80) : 80, 110));
}

/** A table for people: its columns are as wide as the first rows ask for, because nobody waits for the last one to see the first. */
import { escapeForDisplay } from '../base/shown.ts';
import { cutToWidth, displayWidth } from '../base/width.ts';
import type { ExecColumn } from '../domain/protocol.ts';
import type { FormatOptions, Row, RowWriter } from './exec-rows.ts';

const MEASURED_ROWS = 200;
const LEAST = 6;
const WIDEST = 60;

export function tableWriter(columns: readonly ExecColumn[], { header, width }: FormatOptions): RowWriter {
  let held: string[][] | undefined = [];
  let widths: readonly number[] = [];
  const titles = columns.map(({ name }) => escapeForDisplay(name));
  const release = () => {
    const rows = held ?? [];
    held = undefined;
    widths = measure(titles, rows, width);
    const top = header && columns.length > 0 ? [titles, widths.map((each) => '─'.repeat(each))] : [];
    return [...top, ...rows].map(line).join('');
  };
  const line = (cells: readonly string[]) => `${cells.map(fit).join('  ').trimEnd()}\n`;
  const fit = (cell: string, at: number) => {
    const room = widths[at] ?? 0;
    const free = room - displayWidth(cell);
    if (free >= 0) return columns[at]?.type === 'number' ? ' '.repeat(free) + cell : cell + ' '.repeat(free);
    return width === undefined ? cell : cutToWidth(cell, room);
  };
  return {
    head: () => '',
    rows(batch) {
      const shown = batch.map(cellsOf);
      if (held === undefined) return shown.map(line).join('');
      held.push(...shown);
      return held.length >= MEASURED_ROWS ? release() : '';
    },
    foot: () => (held === undefined ? '' : release()),
  };
}

function cellsOf(row: Row): string[] {
  return row.map((value) => (value === null ? 'NULL' : escapeForDisplay(value)));
}

/** Takes from the widest until the row fits the terminal. */
function measure(titles: readonly string[], rows: readonly (readonly string[])[], width: number | undefined): number[] {
  const widths = titles.map((title, at) =>
    rows.reduce((most, row) => Math.max(most, displayWidth(row[at] ?? '')), displayWidth(title)),
  );
  if (width === undefined) return widths.map((each) => Math.min(each, WIDEST));
  for (;;) {
    const total = widths.reduce((sum, each) => sum + each, 2 * (widths.length - 1));
    const widest = Math.max(...widths);
    if (total <= width || widest <= LEAST) return widths;
    widths[widths.indexOf(widest)] = Math.max(LEAST, widest - Math.max(1, Math.floor((total - width) / 2)));
  }
}

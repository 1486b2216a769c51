/**
 * Lays cells out in columns that fit the terminal. Cells are already escaped.
 *
 * Where the room is short, text is shortened first, then columns that can be spared go, and where even that is not enough each row becomes a small
 * list of its own. Ids and numbers are never shortened: they are copied and compared.
 */
import { cutToWidth, displayWidth, wrapToWidth } from '../base/width.ts';
import type { Part } from './part.ts';

export interface ColumnShape {
  readonly title: string;
  /** Never shortened to fit the terminal: ids that are copied. */
  readonly whole?: boolean | undefined;
  /** Numbers: on the right, and never shortened. */
  readonly right?: boolean | undefined;
  /** Shortened last: what the table is looked at for. */
  readonly keen?: boolean | undefined;
  /** May be left out where the terminal is narrow; the highest number goes first. */
  readonly spare?: number | undefined;
}

export interface LaidOut {
  readonly lines: readonly (readonly Part[])[];
  /** Titles of the columns there was no room for. */
  readonly leftOut: readonly string[];
}

const GAP = '  ';
/** Text that is shortened further tells nobody anything. */
const LEAST = 8;
/** The same of a column that is `keen`. */
const LEAST_KEEN = 16;
/** What other columns come down to before one that is `keen` gives anything; more where the terminal is wide. */
const MODEST = 14;
const SHARE = 8;

/** @param width of the terminal; undefined: as wide as it is */
export function layOut(
  columns: readonly ColumnShape[],
  rows: readonly (readonly Part[])[],
  width?: number | undefined,
): LaidOut {
  const natural = columns.map(({ title }, at) =>
    rows.reduce((most, row) => Math.max(most, widthOf(row[at])), displayWidth(title)),
  );
  const shown = width === undefined ? columns.map((_, at) => at) : whatFits(columns, natural, width);
  if (shown === undefined) return { lines: asLists(columns, rows, width ?? 0), leftOut: [] };
  const widths = shown.map((at) => natural[at] ?? 0);
  const kept = shown.flatMap((at) => columns[at] ?? []);
  if (width !== undefined) shrink(widths, kept, width);
  const line = (cells: readonly Part[]) => cells.map((cell, at) => fit(cell, widths[at] ?? 0, kept[at], at));
  const last = (parts: Part[]) => [...parts.slice(0, -1), trimmed(parts.at(-1) ?? '')];
  const titles = kept.map(({ title }): Part => ({ text: title, style: 'dim' }));
  return {
    lines: [titles, ...rows.map((row) => shown.map((at) => row[at] ?? ''))].map((cells) => last(line(cells))),
    leftOut: columns.flatMap(({ title }, at) => (shown.includes(at) ? [] : [title])),
  };
}

/** Indexes of the columns that have room when all text is as short as it may be; undefined when not even those do that must be there. */
function whatFits(columns: readonly ColumnShape[], natural: readonly number[], width: number): number[] | undefined {
  const least = columns.map(
    (column, at) => (isFirm(column) ? natural[at] : Math.min(natural[at] ?? 0, leastOf(column))) ?? 0,
  );
  let shown = columns.map((_, at) => at);
  for (;;) {
    const needed = shown.reduce((sum, at) => sum + (least[at] ?? 0), GAP.length * (shown.length - 1));
    if (needed <= width) return shown;
    const spared = shown.reduce((most, at) => Math.max(most, columns[at]?.spare ?? 0), 0);
    if (spared === 0) return undefined;
    shown = shown.filter((at) => columns[at]?.spare !== spared);
  }
}

/** Takes from the widest column that may be shortened until the row fits. */
function shrink(widths: number[], columns: readonly ColumnShape[], width: number): void {
  const excess = widths.reduce((sum, each) => sum + each, GAP.length * (widths.length - 1)) - width;
  const modest = Math.max(MODEST, Math.floor(width / SHARE));
  const keen = columns.some((column) => column.keen);
  const left = keen ? take(excess, (column) => (column.keen ? Number.POSITIVE_INFINITY : modest)) : excess;
  take(left, leastOf);

  function take(much: number, least: (column: ColumnShape) => number): number {
    let left = much;
    while (left > 0) {
      const candidates = columns.map((column, at) => {
        const each = widths[at] ?? 0;
        return isFirm(column) || each <= least(column) ? 0 : each;
      });
      const widest = Math.max(...candidates);
      if (widest === 0) return left;
      const at = candidates.indexOf(widest);
      // Down to the next widest at once: a cell of a megabyte is no million steps.
      const floor = least(columns[at] as ColumnShape);
      const next = Math.max(floor, ...candidates.filter((each) => each < widest));
      const taken = Math.min(left, widest - next);
      widths[at] = widest - taken;
      left -= taken;
    }
    return left;
  }
}

function leastOf({ keen }: ColumnShape): number {
  return keen ? LEAST_KEEN : LEAST;
}

function isFirm(column: ColumnShape | undefined): boolean {
  return column?.whole === true || column?.right === true;
}

function fit(cell: Part, width: number, column: ColumnShape | undefined, at: number): Part {
  const text = cutToWidth(textOf(cell), width);
  const pad = ' '.repeat(Math.max(0, width - displayWidth(text)));
  const placed = (at === 0 ? '' : GAP) + (column?.right ? pad + text : text + pad);
  return typeof cell === 'string' ? placed : { ...cell, text: placed };
}

/** Each row under its first cell, one value a line, wrapped beside its title. */
function asLists(
  columns: readonly ColumnShape[],
  rows: readonly (readonly Part[])[],
  width: number,
): readonly (readonly Part[])[] {
  const room = Math.max(...columns.map(({ title }) => displayWidth(title)));
  const head = GAP.length * 2 + room;
  return rows.flatMap((row) => [
    [row[0] ?? ''],
    ...columns.slice(1).flatMap(({ title }, at): Part[][] => {
      const cell = row[at + 1] ?? '';
      const pieces = wrapToWidth(textOf(cell), Math.max(LEAST, width - head));
      return pieces.map((piece, line) => [
        { text: `${GAP}${(line === 0 ? title : '').padEnd(room)}${GAP}`, style: 'dim' },
        typeof cell === 'string' ? piece : { ...cell, text: piece },
      ]);
    }),
  ]);
}

function trimmed(cell: Part): Part {
  return typeof cell === 'string' ? cell.trimEnd() : { ...cell, text: cell.text.trimEnd() };
}

function widthOf(part: Part | undefined): number {
  return displayWidth(textOf(part));
}

function textOf(part: Part | undefined): string {
  return typeof part === 'string' ? part : (part?.text ?? '');
}

/** What stood on a terminal's screen, as text: enough of a terminal to read along, without colours. Bounded by the size of its screen. */
import { createCharsets } from '../../base/terminal/charset.ts';
import { type ControlSequence, createTerminalParser } from '../../base/terminal/parser.ts';
import { displayWidth } from '../../base/width.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Screen {
  push(bytes: Uint8Array): void;
  resize(size: Size): void;
  /** Rows, without spaces at their ends and empty rows at the end. */
  rows(): string[];
  /** A program draws the whole screen: an editor, a pager. */
  readonly full: boolean;
  /** What stands where the cursor is. */
  readonly onRow: string;
}

export interface ScreenParts {
  /** A line was left by a line feed: what stood on it, however many rows that took. */
  onLine?(text: string): void;
  /** A program stopped drawing the whole screen: what stood there last. */
  onLeave?(rows: string[]): void;
}

export const USUAL_SIZE: Size = { columns: 80, rows: 24 };
const MOST_COLUMNS = 500;
const MOST_ROWS = 200;

interface Row {
  /** A character takes its cell; of a wide one the second is empty. */
  cells: string[];
  /** The row below goes on with its text. */
  wrapped: boolean;
}

const emptyRow = (): Row => ({ cells: [], wrapped: false });
const textOf = ({ cells }: Row): string => Array.from(cells, (cell) => cell ?? ' ').join('');

export function createScreen(size: Size = USUAL_SIZE, { onLine, onLeave }: ScreenParts = {}): Screen {
  let { columns, rows: height } = bounded(size);
  let grid = blank();
  let behind: { grid: Row[]; x: number; y: number } | undefined;
  let x = 0;
  let y = 0;
  let saved = { x: 0, y: 0 };
  let top = 0;
  let bottom = height - 1;
  let last = ' ';
  const charsets = createCharsets();
  const parser = createTerminalParser({ print, control, csi, escape: afterEscape });

  function blank(): Row[] {
    return Array.from({ length: height }, emptyRow);
  }

  function print(text: string): void {
    for (const char of charsets.drawn(text)) put(char);
  }

  function put(char: string): void {
    const width = displayWidth(char);
    if (width === 0) {
      const { cells } = grid[y]!;
      if (x > 0 && (cells[x - 1]?.length ?? 0) < 16) cells[x - 1] = (cells[x - 1] ?? ' ') + char;
      return;
    }
    if (x + width > columns) {
      grid[y]!.wrapped = true;
      down();
      x = 0;
    }
    const { cells } = grid[y]!;
    while (cells.length < x) cells.push(' ');
    cells[x] = char;
    if (width === 2) cells[x + 1] = '';
    x += width;
    last = char;
  }

  function control(code: number): void {
    if (code === 0x0d) x = 0;
    else if (code === 0x08) x = Math.max(0, Math.min(x, columns) - 1);
    else if (code === 0x09) x = Math.min(columns - 1, (x & ~7) + 8);
    else if (code >= 0x0a && code <= 0x0c) feed();
    else if (code === 0x0e || code === 0x0f) charsets.shift(code === 0x0e);
  }

  function feed(): void {
    if (!behind) onLine?.(lineAt(y));
    grid[y]!.wrapped = false;
    down();
  }

  /** The whole line that ends on this row, which may have begun rows above. */
  function lineAt(row: number): string {
    let first = row;
    while (first > 0 && grid[first - 1]!.wrapped) first--;
    const rows = grid.slice(first, row + 1);
    return rows.map(textOf).join('').trimEnd();
  }

  function down(): void {
    if (y === bottom) scroll(1);
    else if (y < height - 1) y++;
  }

  /** Up where positive. */
  function scroll(by: number): void {
    const count = Math.min(Math.abs(by), bottom - top + 1);
    for (let i = 0; i < count; i++) {
      grid.splice(by > 0 ? top : bottom, 1);
      grid.splice(by > 0 ? bottom : top, 0, emptyRow());
    }
  }

  function csi({ prefix, params, intermediates, final }: ControlSequence): void {
    if (intermediates !== '') return;
    const numbers = params.split(';').map((text) => Math.min(9_999, Number.parseInt(text, 10) || 0));
    if (prefix === '?') {
      if (final === 'h' || final === 'l') for (const mode of numbers) switchTo(mode, final === 'h');
      return;
    }
    if (prefix === '') ACTS[final]?.(numbers[0] ?? 0, numbers[1] ?? 0);
  }

  function switchTo(mode: number, on: boolean): void {
    if (mode !== 1049 && mode !== 1047 && mode !== 47) return;
    if (on && !behind) {
      behind = { grid, x, y };
      grid = blank();
    } else if (!on && behind) {
      onLeave?.(shown());
      ({ grid, x, y } = behind);
      behind = undefined;
      fit();
    }
  }

  const to = (column: number, row: number) => {
    x = Math.max(0, Math.min(columns - 1, column));
    y = Math.max(0, Math.min(height - 1, row));
  };
  const erase = (row: Row, from: number, until: number) => {
    if (until >= row.cells.length) row.cells.length = Math.min(row.cells.length, from);
    else row.cells.fill(' ', from, until);
  };
  const one = (number: number) => Math.max(1, number);

  const ACTS: Readonly<Record<string, (n: number, m: number) => void>> = {
    A: (n) => to(x, y - one(n)),
    B: (n) => to(x, y + one(n)),
    e: (n) => to(x, y + one(n)),
    C: (n) => to(x + one(n), y),
    a: (n) => to(x + one(n), y),
    D: (n) => to(x - one(n), y),
    E: (n) => to(0, y + one(n)),
    F: (n) => to(0, y - one(n)),
    G: (n) => to(n - 1, y),
    '`': (n) => to(n - 1, y),
    d: (n) => to(x, n - 1),
    H: (n, m) => to(m - 1, n - 1),
    f: (n, m) => to(m - 1, n - 1),
    J: (n) => {
      // 3 is about what was scrolled past, which is not kept here.
      if (n > 2) return;
      if (n === 0) erase(grid[y]!, x, columns);
      if (n === 1) erase(grid[y]!, 0, x + 1);
      const [from, until] = n === 0 ? [y + 1, height] : n === 1 ? [0, y] : [0, height];
      for (let row = from; row < until; row++) grid[row] = emptyRow();
    },
    K: (n) => erase(grid[y]!, n === 0 ? x : 0, n === 1 ? x + 1 : columns),
    X: (n) => erase(grid[y]!, x, x + one(n)),
    '@': (n) => {
      const { cells } = grid[y]!;
      if (x < cells.length) cells.splice(x, 0, ...Array(Math.min(one(n), columns)).fill(' '));
      cells.length = Math.min(cells.length, columns);
    },
    P: (n) => void grid[y]!.cells.splice(x, one(n)),
    L: (n) => within(() => scroll(-one(n))),
    M: (n) => within(() => scroll(one(n))),
    S: (n) => scroll(one(n)),
    T: (n) => scroll(-one(n)),
    b: (n) => print(last.repeat(Math.min(one(n), columns))),
    r: (n, m) => {
      const [first, until] = [one(n) - 1, m === 0 ? height - 1 : Math.min(m, height) - 1];
      if (first >= until) return;
      top = first;
      bottom = until;
      to(0, 0);
    },
    s: () => {
      saved = { x, y };
    },
    u: () => to(saved.x, saved.y),
  };

  /** Inserting and deleting lines scrolls what stands below the cursor. */
  function within(act: () => void): void {
    if (y < top || y > bottom) return;
    const before = top;
    top = y;
    act();
    top = before;
  }

  function afterEscape(intermediates: string, final: string): void {
    if (intermediates !== '') return charsets.designate(intermediates, final);
    if (final === '7') saved = { x, y };
    else if (final === '8') to(saved.x, saved.y);
    else if (final === 'D') feed();
    else if (final === 'E') {
      feed();
      x = 0;
    } else if (final === 'M') {
      if (y === top) scroll(-1);
      else to(x, y - 1);
    } else if (final === 'c') {
      charsets.reset();
      grid = blank();
      to(0, 0);
    }
  }

  /** After the size changed: rows go at the top where the cursor would not fit. */
  function fit(): void {
    while (grid.length > height) {
      if (y < height && grid.length - 1 > y) grid.pop();
      else {
        grid.shift();
        y--;
      }
    }
    while (grid.length < height) grid.push(emptyRow());
    top = 0;
    bottom = height - 1;
    to(x, y);
  }

  function shown(): string[] {
    const texts = grid.map((row) => textOf(row).trimEnd());
    while (texts.at(-1) === '') texts.pop();
    return texts;
  }

  return {
    push: (bytes) => parser.push(bytes),
    resize(next) {
      ({ columns, rows: height } = bounded(next));
      fit();
    },
    rows: shown,
    get full() {
      return behind !== undefined;
    },
    get onRow() {
      return lineAt(y);
    },
  };
}

function bounded({ columns, rows }: Size): Size {
  const within = (number: number, usual: number, most: number) =>
    Number.isInteger(number) && number > 0 ? Math.min(number, most) : usual;
  return {
    columns: within(columns, USUAL_SIZE.columns, MOST_COLUMNS),
    rows: within(rows, USUAL_SIZE.rows, MOST_ROWS),
  };
}

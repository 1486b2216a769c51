/** The files of one queue: segments of whole lines, and a cursor that says how far they were delivered. */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
} from 'node:fs';
import { type FileHandle, open, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Place {
  readonly segment: number;
  readonly offset: number;
}

export interface Cursor extends Place {
  /** Events before this place that were dropped, of which nobody was told yet. */
  readonly dropped: number;
  /** How many such gaps there were before: with it each has a name. */
  readonly gaps: number;
}

const NAME = /^(\d{10})\.ndjson$/;
const MODE = 0o600;
const NEWLINE = 0x0a;
const CHUNK = 64 * 1024;

/** What the queue asks of the disk; tests put one in its place that fails. */
export interface QueueDisk {
  open(path: string): Promise<FileHandle>;
}

export const realQueueDisk: QueueDisk = {
  open: (path) => open(path, constants.O_RDWR | constants.O_CREAT, MODE),
};

/** Segments there are, with their sizes: of the last one the torn line at its end is cut off. */
export function openSegments(dir: string): { readonly sizes: Map<number, number>; readonly cursor: Cursor } {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const numbers = readdirSync(dir)
    .flatMap((name) => NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  const sizes = new Map(numbers.map((number) => [number, wholeLines(pathOf(dir, number))]));
  const read = readCursor(dir);
  const first = numbers[0] ?? read.segment;
  const size = sizes.get(read.segment);
  // A cursor that points nowhere came from a disk that lost more than it: from the first line there is, then.
  const cursor = size === undefined || read.offset > size ? { ...read, segment: first, offset: 0 } : read;
  return { sizes, cursor };
}

export function pathOf(dir: string, segment: number): string {
  return join(dir, `${String(segment).padStart(10, '0')}.ndjson`);
}

export async function removeSegment(dir: string, segment: number): Promise<void> {
  await rm(pathOf(dir, segment), { force: true });
}

export async function writeCursor(dir: string, cursor: Cursor): Promise<void> {
  const draft = join(dir, 'cursor.new');
  await writeFile(draft, JSON.stringify(cursor), { mode: MODE });
  await rename(draft, join(dir, 'cursor'));
}

function readCursor(dir: string): Cursor {
  const none: Cursor = { segment: 0, offset: 0, dropped: 0, gaps: 0 };
  try {
    const value: unknown = JSON.parse(readFileSync(join(dir, 'cursor'), 'utf8'));
    const held = value as Partial<Record<keyof Cursor, unknown>>;
    const count = (name: keyof Cursor): number =>
      Number.isSafeInteger(held[name]) ? Math.max(0, held[name] as number) : 0;
    return { segment: count('segment'), offset: count('offset'), dropped: count('dropped'), gaps: count('gaps') };
  } catch {
    return none;
  }
}

/** @returns the size up to the last newline, to which the file is cut */
function wholeLines(path: string): number {
  const fd = openSync(path, constants.O_RDWR);
  try {
    const { size } = fstatSync(fd);
    const end = lastLineEnd(fd, size);
    if (end < size) ftruncateSync(fd, end);
    return end;
  } finally {
    closeSync(fd);
  }
}

function lastLineEnd(fd: number, size: number): number {
  const chunk = Buffer.alloc(CHUNK);
  for (let end = size; end > 0; ) {
    const from = Math.max(0, end - CHUNK);
    const read = readSync(fd, chunk, 0, end - from, from);
    const at = chunk.subarray(0, read).lastIndexOf(NEWLINE);
    if (at >= 0) return from + at + 1;
    end = from;
  }
  return 0;
}

/** How many lines there are from `offset` on. */
export async function countLines(path: string, offset: number): Promise<number> {
  const file = await open(path, 'r').catch(() => undefined);
  if (!file) return 0;
  let lines = 0;
  try {
    for await (const chunk of file.createReadStream({ start: offset, autoClose: false })) {
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) lines += 1;
    }
  } finally {
    await file.close();
  }
  return lines;
}

export interface Piece {
  readonly from: number;
  /** Where the last whole line there is ends. */
  readonly to: number;
  readonly bytes: number;
  readonly lines: number;
}

/** Whole lines, so many and so many bytes of them at most, but one at least. */
export async function readLines(
  path: string,
  { from, to, bytes, lines: most }: Piece,
): Promise<{ readonly lines: readonly string[]; readonly end: number }> {
  const file = await open(path, 'r');
  try {
    for (let wanted = Math.min(bytes, to - from); ; wanted = Math.min(wanted * 4, to - from)) {
      const buffer = Buffer.alloc(wanted);
      const { bytesRead } = await file.read(buffer, 0, wanted, from);
      const lines: string[] = [];
      let start = 0;
      for (let at = buffer.indexOf(NEWLINE); at >= 0 && at < bytesRead && lines.length < most; ) {
        lines.push(buffer.toString('utf8', start, at));
        start = at + 1;
        at = buffer.indexOf(NEWLINE, start);
      }
      if (lines.length > 0) return { lines, end: from + start };
      if (wanted === to - from) return { lines, end: to };
    }
  } finally {
    await file.close();
  }
}

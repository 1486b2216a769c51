/**
 * What waits for one receiver: on disk, bounded, and delivered at least once.
 *
 * Whoever puts something in waits for nothing and is told nothing. Lines are appended to segments and made durable in groups; a cursor moves on when a
 * receiver has them. What is more than the queue may hold goes from its old end, and what comes next begins with how many went. A disk that cannot be
 * written keeps a bounded part in memory, from where it is delivered too.
 */
import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Cancel, Clock } from '../../../base/clock.ts';
import {
  countLines,
  openSegments,
  pathOf,
  type QueueDisk,
  readLines,
  realQueueDisk,
  removeSegment,
  writeCursor,
} from './segments.ts';

export interface EventQueue {
  /** Lines without their newlines. */
  put(lines: readonly string[]): void;
  /** Resolves when there is something, or with undefined when the queue is closed. Nothing further is given before it was taken or given back. */
  next(): Promise<Batch | undefined>;
  /** Writes what waits in memory. Rejects never. */
  flush(): Promise<void>;
  /** Resolves when nothing waits. */
  drained(): Promise<void>;
  readonly state: QueueState;
  close(): Promise<void>;
}

export interface Batch {
  readonly lines: readonly string[];
  /** They are the receiver's now. */
  taken(): Promise<void>;
  /** They come again. */
  giveBack(): void;
}

export interface QueueState {
  /** Lines that wait, as far as they are counted: those that an earlier life left are counted when it opens. */
  readonly queued: number;
  readonly dropped: number;
  /** Why the disk cannot be written. */
  readonly problem: string | undefined;
}

export interface QueueParts {
  readonly dir: string;
  /** Bytes on disk. */
  readonly limit: number;
  readonly clock: Clock;
  /** The line that stands for `dropped` others. */
  gap(dropped: number, id: string): string;
  onProblem(problem: string | undefined): void;
  readonly disk?: QueueDisk;
}

const FLUSH_MS = 250;
/** After a failure of the disk. */
const AGAIN_MS = 1_000;
/** What waits for the disk in memory. */
const MEMORY_BYTES = 8 * 1024 * 1024;
const SEGMENT_BYTES = 8 * 1024 * 1024;
/** What is delivered at once. */
const BATCH_BYTES = 512 * 1024;
const BATCH_LINES = 500;

export async function openQueue(parts: QueueParts): Promise<EventQueue> {
  const { dir, limit, clock, gap, onProblem, disk = realQueueDisk } = parts;
  const { sizes, cursor: stored } = openSegments(dir);
  let cursor = stored;
  let waiting: string[] = [];
  let waitingBytes = 0;
  let current: { readonly segment: number; readonly file: FileHandle } | undefined;
  let queued = await countAll();
  let dropped = 0;
  let problem: string | undefined;
  let closed = false;
  let flushing: Promise<void> | undefined;
  let armed: Cancel | undefined;
  let wake = (): void => {};
  let onDrained = (): void => {};

  async function countAll(): Promise<number> {
    let lines = 0;
    for (const segment of sizes.keys())
      if (segment >= cursor.segment)
        lines += await countLines(pathOf(dir, segment), segment === cursor.segment ? cursor.offset : 0);
    return lines;
  }

  function lose(lines: number): void {
    if (lines === 0) return;
    dropped += lines;
    queued -= lines;
    cursor = { ...cursor, dropped: cursor.dropped + lines };
  }

  function told(now: string | undefined): void {
    if (now === problem) return;
    problem = now;
    onProblem(now);
  }

  function arm(ms: number): void {
    if (!closed) armed ??= clock.after(ms, () => void flush());
  }

  function flush(): Promise<void> {
    armed?.();
    armed = undefined;
    flushing ??= writeAll().finally(() => {
      flushing = undefined;
      if (waiting.length > 0) arm(AGAIN_MS);
      wake();
    });
    return flushing;
  }

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const writing = waiting;
      waiting = [];
      waitingBytes = 0;
      try {
        await write(Buffer.from(writing.map((line) => `${line}\n`).join('')));
        told(undefined);
        await trim();
      } catch (error) {
        told(codeOf(error));
        putBack(writing);
        return;
      }
      wake();
    }
  }

  async function write(bytes: Buffer): Promise<void> {
    const { segment, file } = await segmentFor(bytes.length);
    const at = sizes.get(segment) ?? 0;
    // At its place: what a failed attempt left there is written over.
    for (let done = 0; done < bytes.length; )
      done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
    await file.datasync();
    sizes.set(segment, at + bytes.length);
  }

  async function segmentFor(bytes: number): Promise<{ segment: number; file: FileHandle }> {
    const most = Math.min(SEGMENT_BYTES, Math.ceil(limit / 4));
    const size = current && (sizes.get(current.segment) ?? 0);
    if (current && size !== undefined && size > 0 && size + bytes > most) {
      const { file } = current;
      current = undefined;
      await file.close();
    }
    if (!current) {
      // Never a number that was used: the cursor may still stand in that one.
      const segment = Math.max(cursor.segment, ...sizes.keys()) + 1;
      current = { segment, file: await disk.open(pathOf(dir, segment)) };
      sizes.set(segment, 0);
    }
    return current;
  }

  function putBack(lines: readonly string[]): void {
    waiting = [...lines, ...waiting];
    waitingBytes = waiting.reduce((sum, line) => sum + line.length, 0);
    keepWithin();
  }

  /** Of what waits in memory the oldest goes. */
  function keepWithin(): void {
    let over = 0;
    for (; waitingBytes > MEMORY_BYTES && over < waiting.length - 1; over += 1)
      waitingBytes -= waiting[over]?.length ?? 0;
    if (over === 0) return;
    waiting.splice(0, over);
    lose(over);
  }

  /** Drops whole segments from the old end until the rest fits. */
  async function trim(): Promise<void> {
    for (;;) {
      const total = sizes.values().reduce((sum, size) => sum + size, 0);
      const oldest = sizes.keys().next().value;
      if (total <= limit || oldest === undefined || oldest === current?.segment) return;
      if (oldest >= cursor.segment) {
        const lines = await countLines(pathOf(dir, oldest), oldest === cursor.segment ? cursor.offset : 0);
        lose(lines);
        cursor = { ...cursor, segment: oldest + 1, offset: 0 };
      }
      sizes.delete(oldest);
      await writeCursor(dir, cursor);
      await removeSegment(dir, oldest);
    }
  }

  async function read(): Promise<Batch | undefined> {
    for (;;) {
      const { segment, offset } = cursor;
      const size = sizes.get(segment);
      if (size !== undefined && offset < size) return fromDisk(size);
      const later = sizes.keys().find((other) => other > segment);
      if (later === undefined) break;
      cursor = { ...cursor, segment: later, offset: 0 };
    }
    if (problem !== undefined && waiting.length > 0) return fromMemory();
    return cursor.dropped > 0 ? batchOf([], async () => {}) : undefined;
  }

  async function fromDisk(size: number): Promise<Batch> {
    const { segment, offset } = cursor;
    const found = await readLines(pathOf(dir, segment), {
      from: offset,
      to: size,
      bytes: BATCH_BYTES,
      lines: BATCH_LINES,
    });
    // A crash of the machine may leave a page of nothing between two lines.
    const lines = found.lines.filter(isWhole);
    return batchOf(lines, async () => {
      // Dropped meanwhile, and counted so.
      if (cursor.segment !== segment || cursor.offset !== offset) return;
      queued -= lines.length;
      lose(found.lines.length - lines.length);
      cursor = { ...cursor, offset: found.end };
      for (const old of [...sizes.keys()]) {
        const done = old < segment || (old === segment && found.end === sizes.get(old) && old !== current?.segment);
        if (!done) break;
        sizes.delete(old);
        await removeSegment(dir, old);
      }
    });
  }

  function fromMemory(): Batch {
    const lines = waiting.splice(0, BATCH_LINES);
    for (const line of lines) waitingBytes -= line.length;
    const taken = async () => {
      queued -= lines.length;
    };
    return batchOf(lines, taken, () => putBack(lines));
  }

  function batchOf(lines: readonly string[], taken: () => Promise<void>, giveBack = () => {}): Batch {
    const { dropped: gone, gaps } = cursor;
    return {
      lines: gone === 0 ? lines : [gap(gone, `${basename(dir)}:gap:${gaps}`), ...lines],
      async taken() {
        if (gone > 0) cursor = { ...cursor, dropped: cursor.dropped - gone, gaps: gaps + 1 };
        try {
          await taken();
          await writeCursor(dir, cursor);
        } catch (error) {
          // What is not remembered is delivered again, which is allowed.
          told(codeOf(error));
        }
        if (queued <= 0) onDrained();
      },
      giveBack,
    };
  }

  return {
    put(lines) {
      if (closed || lines.length === 0) return;
      for (const line of lines) {
        waiting.push(line);
        waitingBytes += line.length;
      }
      queued += lines.length;
      keepWithin();
      arm(FLUSH_MS);
    },
    async next() {
      while (!closed) {
        const woken = new Promise<void>((resolve) => {
          wake = resolve;
        });
        try {
          const found = await read();
          if (found) return found;
        } catch (error) {
          told(codeOf(error));
          arm(AGAIN_MS);
        }
        await woken;
      }
      return undefined;
    },
    flush,
    drained: () =>
      new Promise((resolve) => {
        if (queued <= 0) return resolve();
        onDrained = resolve;
      }),
    get state() {
      return { queued, dropped, problem };
    },
    async close() {
      if (closed) return;
      closed = true;
      await flushing;
      await flush();
      armed?.();
      await current?.file.close();
      current = undefined;
      wake();
    },
  };
}

function isWhole(line: string): boolean {
  try {
    return typeof JSON.parse(line) === 'object';
  } catch {
    return false;
  }
}

function codeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}

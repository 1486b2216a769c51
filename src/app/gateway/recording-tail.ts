/**
 * A recording's lines as they are written, until the session is over.
 *
 * The file is the queue: whoever reads slowly is simply further back in it, so nothing is kept for them in memory.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import { recordingLines } from './recording-lines.ts';

/** Of a recording that is being written here. */
export interface Written {
  /** Nothing more will be written. */
  readonly over: boolean;
  stop(): void;
}

export interface TailParts {
  /** The path as it is now. */
  find(): string | undefined;
  /** Calls back when the recording grew or is over; undefined when it is not being written here. */
  watch(onChange: () => void): Written | undefined;
  readonly clock: Clock;
}

/** The number of the first line wanted, or the last line there is now and what follows. */
export type TailFrom = number | 'last';

/** How often somebody who waits is looked after while nothing is written. */
const LOOK_MS = 1_000;
const CHUNK = 64 * 1024;
const NEWLINE = 0x0a;

/** @returns lines, and undefined now and then while there are none; undefined when there is no recording */
export async function recordingTail(
  parts: TailParts,
  from: TailFrom,
): Promise<AsyncIterable<string | undefined> | undefined> {
  const growth = signal();
  // Before the file is opened: what is written between the two is in the file.
  const written = parts.watch(growth.raise);
  const path = parts.find();
  const file = written && path?.endsWith('.ndjson') ? await openNow(path) : undefined;
  if (written && file) return growing(file, written, growth, parts.clock, from);
  written?.stop();
  const lines = await recordingLines(parts.find);
  return lines && (from === 'last' ? lastOf(lines) : after(lines, from));
}

async function* growing(
  file: FileHandle,
  written: Written,
  growth: ReturnType<typeof signal>,
  clock: Clock,
  from: TailFrom,
): AsyncGenerator<string | undefined> {
  const chunk = Buffer.allocUnsafe(CHUNK);
  let rest: Buffer = Buffer.alloc(0);
  try {
    let position = from === 'last' ? await startOfLastLine(file) : 0;
    let skip = from === 'last' ? 0 : from;
    for (;;) {
      // Looked at before the end is reached: what was written until then is read below.
      const { over } = written;
      growth.lower();
      for (;;) {
        const { bytesRead } = await file.read(chunk, 0, CHUNK, position);
        if (bytesRead === 0) break;
        position += bytesRead;
        const bytes = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
        let start = 0;
        for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
          if (skip > 0) skip -= 1;
          else yield bytes.toString('utf8', start, end);
          start = end + 1;
        }
        rest = bytes.subarray(start);
      }
      if (over) return;
      if (!(await growth.raised(clock, LOOK_MS))) yield undefined;
    }
  } finally {
    written.stop();
    await file.close();
  }
}

/** A flag that can be waited for. */
function signal() {
  let up = false;
  let wake: (() => void) | undefined;
  return {
    raise(): void {
      up = true;
      wake?.();
    },
    lower(): void {
      up = false;
    },
    /** @returns false when it was not raised in time */
    async raised(clock: Clock, ms: number): Promise<boolean> {
      if (!up)
        await new Promise<void>((resolve) => {
          const cancel = clock.after(ms, resolve);
          wake = () => {
            cancel();
            resolve();
          };
        });
      wake = undefined;
      return up;
    },
  };
}

/** Where the last whole line begins. */
async function startOfLastLine(file: FileHandle): Promise<number> {
  const { size } = await file.stat();
  const chunk = Buffer.allocUnsafe(CHUNK);
  let newlines = 0;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - CHUNK);
    const { bytesRead } = await file.read(chunk, 0, end - start, start);
    for (let at = bytesRead - 1; at >= 0; at--) if (chunk[at] === NEWLINE && ++newlines === 2) return start + at + 1;
    end = start;
  }
  return 0;
}

async function* after(lines: AsyncIterable<string>, from: number): AsyncGenerator<string> {
  let number = 0;
  for await (const line of lines) if (number++ >= from) yield line;
}

async function* lastOf(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let last: string | undefined;
  for await (const line of lines) last = line;
  if (last !== undefined) yield last;
}

async function openNow(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

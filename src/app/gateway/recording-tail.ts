/**
 * A recording's lines as they are written, until the session is over.
 *
 * The file is the queue: whoever reads slowly is simply further back in it, so nothing is kept for them in memory.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import { lastPart, namedBy, partFile, readPart, whereIs } from '../../record/index.ts';
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
  if (written && path !== undefined) {
    const part = from === 'last' ? lastPart(path) : 1;
    const file = await openNow(partFile(path, part));
    // The first part of a long recording may be packed while the session goes on.
    if (file || part < lastPart(path)) return growing(path, part, file, written, growth, parts.clock, from);
  }
  written?.stop();
  const lines = await recordingLines(parts.find);
  return lines && (from === 'last' ? lastOf(lines) : after(lines, from));
}

async function* growing(
  first: string,
  from: number,
  opened: FileHandle | undefined,
  written: Written,
  growth: ReturnType<typeof signal>,
  clock: Clock,
  line: TailFrom,
): AsyncGenerator<string | undefined> {
  const start = { skip: line === 'last' ? 0 : line, atLast: line === 'last' };
  let file = opened;
  try {
    for (let part = from; ; part += 1) {
      const path = partFile(first, part);
      file ??= await openNow(path);
      // Packed since: then it is whole.
      const lines = file ? follow(file, path, written, growth, clock, start) : whole(path);
      for await (const text of lines) {
        if (text !== undefined && start.skip > 0) start.skip -= 1;
        else yield text;
      }
      await file?.close();
      file = undefined;
      if (whereIs(partFile(first, part + 1)) === undefined) return;
    }
  } finally {
    written.stop();
    await file?.close();
  }
}

/** One part, until the next one begins or nothing more comes. */
async function* follow(
  file: FileHandle,
  path: string,
  written: Written,
  growth: ReturnType<typeof signal>,
  clock: Clock,
  start: { atLast: boolean },
): AsyncGenerator<string | undefined> {
  const next = followerOf(path);
  const chunk = Buffer.allocUnsafe(CHUNK);
  let rest: Buffer = Buffer.alloc(0);
  let position = start.atLast ? await startOfLastLine(file) : 0;
  start.atLast = false;
  for (;;) {
    // Looked at before the end is reached: what was written until then is read below.
    const over = written.over || whereIs(next) !== undefined;
    growth.lower();
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, CHUNK, position);
      if (bytesRead === 0) break;
      position += bytesRead;
      const bytes = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
      let from = 0;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
        yield bytes.toString('utf8', from, end);
        from = end + 1;
      }
      rest = bytes.subarray(from);
    }
    if (over) return;
    if (!(await growth.raised(clock, LOOK_MS))) yield undefined;
  }
}

async function* whole(path: string): AsyncGenerator<string> {
  const batches = readPart(path);
  try {
    for (let next = await batches.next(); !next.done; next = await batches.next())
      for (const line of next.value.lines) yield line.toString('utf8');
  } finally {
    await batches.return({ kind: 'whole' });
  }
}

function followerOf(path: string): string {
  return partFile(path, (namedBy(path)?.part ?? 1) + 1);
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

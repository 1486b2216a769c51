/** Finds how far a recording is whole, and what of its journal and of the rest of the file follows. Changes nothing. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { LONGEST_LINE } from './chain.ts';
import { readPart } from './lines.ts';
import type { Verifier } from './verifier.ts';

export function linesBySequence(lines: readonly string[]): Map<number, string> {
  return new Map(lines.map((line) => [Number(/^\{"seq":(\d+),/.exec(line)?.[1] ?? Number.NaN), line]));
}

export interface Scan {
  /** Where the good lines end. */
  readonly offset: number;
  /** What comes after them. */
  readonly rest: Buffer;
}

/**
 * Reads the lines of one file that follow one another.
 *
 * @param verifier has seen the parts before it; sees the good lines and no others
 * @returns why the file is not ours to mend, when a crash cannot have made it so
 */
export async function scan(
  path: string,
  verifier: Verifier,
  known: ReadonlyMap<number, string>,
  limit: number,
): Promise<Scan | string> {
  if (!existsSync(path)) return { offset: 0, rest: Buffer.alloc(0) };
  let offset = 0;
  const batches = readPart(path);
  try {
    for (let next = await batches.next(); !next.done; next = await batches.next()) {
      for (const line of next.value.lines) {
        if (verifier.events === limit || !continues(line, verifier)) {
          return { offset, rest: readFrom(path, offset) };
        }
        const journaled = known.get(verifier.events);
        if (journaled !== undefined && !line.equals(Buffer.from(journaled))) {
          return `line ${verifier.events + 1} differs from what the journal holds`;
        }
        if (!verifier.line(line)) return verifier.problems[0]?.message ?? 'a line is wrong';
        offset += line.length + 1;
      }
    }
  } finally {
    await batches.return({ kind: 'whole' });
  }
  return { offset, rest: readFrom(path, offset) };
}

function continues(line: Buffer, { events, root }: Verifier): boolean {
  const head = `{"seq":${events},`;
  const tail = `,"prev":"${root}"}`;
  return (
    line.length > head.length + tail.length &&
    line.toString('latin1', 0, head.length) === head &&
    line.toString('latin1', line.length - tail.length) === tail
  );
}

export interface Continuation {
  readonly lines: readonly string[];
  readonly replayed: number;
  /** Bytes of the rest that were found to belong. */
  readonly fromRest: number;
}

/**
 * Goes on after the good lines with what the journal holds, then with lines of the rest that follow. The rest may hold lines that came back from the
 * journal, zeros where the file system had not written yet, and a torn last line; anything else is nothing a crash does.
 */
export function continuation(
  verifier: Verifier,
  known: ReadonlyMap<number, string>,
  rest: Buffer,
  limit: number,
): Continuation | string {
  const pieces = rest.toString('utf8').split('\n');
  const torn = pieces.pop() ?? '';
  const follows = linesBySequence(pieces);
  const open = new Set(pieces);
  const lines: string[] = [];
  let replayed = 0;
  let fromRest = 0;
  for (;;) {
    const line = known.get(verifier.events) ?? follows.get(verifier.events);
    if (line === undefined || !continues(Buffer.from(line), verifier)) break;
    const kept = open.delete(line);
    if (verifier.events === limit) break;
    if (!verifier.line(Buffer.from(line))) return verifier.problems[0]?.message ?? 'a line is wrong';
    if (kept) fromRest += Buffer.byteLength(line) + 1;
    else replayed += 1;
    lines.push(line);
  }
  const strange = [...open].find((piece) => !piece.includes('\0'));
  if (strange !== undefined) return `after line ${verifier.events} there are lines that do not follow`;
  if (torn.length > LONGEST_LINE) return 'its last line is longer than any of ours';
  return { lines, replayed, fromRest };
}

// What does not follow the good lines is small after a crash; where it is not, somebody else was here and the verifier will say so.
const LARGEST_REST = 256 * 1024 * 1024;

function readFrom(path: string, offset: number): Buffer {
  const fd = openSync(path, 'r');
  try {
    const parts: Buffer[] = [];
    for (let at = offset; at - offset < LARGEST_REST; ) {
      const part = Buffer.alloc(1024 * 1024);
      const length = readSync(fd, part, 0, part.length, at);
      if (length === 0) break;
      parts.push(part.subarray(0, length));
      at += length;
    }
    return Buffer.concat(parts);
  } finally {
    closeSync(fd);
  }
}

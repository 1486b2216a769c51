/** Reads back what a journal's segments say, as far as it is provably the gateway's own. */
import { readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { FRAME_HEAD_BYTES, frameHead, MAC_BYTES, segmentName } from './journal.ts';

export interface JournalContents {
  /** By recording (`2026/11/21/<session>`): its lines without newlines, in the order written. */
  readonly lines: ReadonlyMap<string, readonly string[]>;
  /** Numbers of the segments found. */
  readonly segments: readonly number[];
  readonly problems: readonly string[];
}

const SEGMENT = /^(\d{12})\.journal$/;

export function readJournal(folder: string, mac: (bytes: Uint8Array) => string): JournalContents {
  const segments = readdirSync(folder).flatMap((name) => (SEGMENT.test(name) ? [Number(name.slice(0, 12))] : []));
  segments.sort((a, b) => a - b);
  const lines = new Map<string, string[]>();
  const problems: string[] = [];
  for (const number of segments) {
    const path = join(folder, segmentName(number));
    const bytes = readSegment(path, problems);
    if (!bytes) continue;
    const end = readFrames(bytes, number, mac, (payload) => readRecords(payload, lines));
    // Only a write that a crash tore leaves an unfinished frame, and nobody was told it was safe: it can be at the end alone.
    if (end === 0 && bytes.length >= FRAME_HEAD_BYTES + MAC_BYTES + 1) {
      problems.push(`${path} is not under this gateway's key`);
    } else if (hasFrameAfter(bytes, end, number)) {
      problems.push(`${path} is damaged at byte ${end}`);
    }
  }
  return { lines, segments, problems };
}

// One damaged segment does not take the others with it.
function readSegment(path: string, problems: string[]): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    problems.push(`${path} cannot be read: ${(error as Error).message}`);
    return undefined;
  }
}

/** The highest number among kept and present segments, so that no name is used twice. */
export function lastSegmentNumber(folder: string): number {
  const numbers = readdirSync(folder).flatMap((name) => {
    const match = /^(\d{12})\.journal(\.kept)?$/.exec(name);
    return match ? [Number(match[1])] : [];
  });
  return Math.max(0, ...numbers);
}

/** Sets segments aside that recovery could not make sense of: they are evidence, and a person decides. */
export function keepSegment(folder: string, number: number, problems: string[]): void {
  const path = join(folder, segmentName(number));
  try {
    renameSync(path, `${path}.kept`);
  } catch (error) {
    problems.push(`${path} cannot be set aside: ${(error as Error).message}`);
  }
}

/** @returns where the last good frame ends */
function readFrames(
  bytes: Buffer,
  segment: number,
  mac: (bytes: Uint8Array) => string,
  take: (payload: Buffer) => void,
): number {
  let at = 0;
  for (;;) {
    const length = Number(bytes.toString('latin1', at + FRAME_HEAD_BYTES - 11, at + FRAME_HEAD_BYTES - 1));
    const payloadEnd = at + FRAME_HEAD_BYTES + length;
    const end = payloadEnd + MAC_BYTES + 1;
    if (!Number.isInteger(length) || end > bytes.length) return at;
    const head = bytes.toString('latin1', at, at + FRAME_HEAD_BYTES);
    const tail = bytes.toString('latin1', payloadEnd, end);
    if (head !== frameHead(segment, at, length) || tail !== `${mac(bytes.subarray(at, payloadEnd))}\n`) return at;
    take(bytes.subarray(at + FRAME_HEAD_BYTES, payloadEnd));
    at = end;
  }
}

function hasFrameAfter(bytes: Buffer, from: number, segment: number): boolean {
  const start = Buffer.from(`hoopj1 ${String(segment).padStart(12, '0')} `);
  return bytes.indexOf(start, from + 1) >= 0;
}

function readRecords(payload: Buffer, into: Map<string, string[]>): void {
  let at = 0;
  while (at < payload.length) {
    const headEnd = payload.indexOf(0x0a, at);
    const [path = '', size = ''] = payload.toString('latin1', at, headEnd).split(' ');
    const end = headEnd + 1 + Number(size);
    const text = payload.toString('utf8', headEnd + 1, end - 1);
    const lines = into.get(path) ?? [];
    for (const line of text.split('\n')) lines.push(line);
    into.set(path, lines);
    at = end;
  }
}

/**
 * What a gateway does about its last life: every recording of its own that was not sealed is made whole, closed and signed as `crashed`.
 *
 * Lines the disk lost come back from the journal; a torn last line goes, for nobody was told it was safe. Whatever a crash cannot have done is left
 * exactly as it is found and named as a problem: closing it would put our signature under somebody else's edit. Other gateways' files are not touched.
 */
import { createHash } from 'node:crypto';
import { closeSync, type Dirent, existsSync, openSync, readdirSync, readSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { Chain } from './chain.ts';
import type { Compressor } from './compress.ts';
import type { Disk } from './disk.ts';
import { keepSegment, readJournal } from './journal-read.ts';
import { segmentName } from './journal.ts';
import type { RecordingKeys } from './keys.ts';
import { isDraftOf, LIVE, recordingsBelow, sealedCopyOf, sessionOf } from './layout.ts';
import { continuation, linesBySequence, scan } from './mend.ts';
import type { Verifier } from './verifier.ts';
import { verifyRecording } from './verify.ts';

export interface RecoveryParts {
  readonly recordings: string;
  readonly journal: string;
  readonly gateway: string;
  readonly keys: RecordingKeys;
  readonly disk: Disk;
  readonly compressor: Compressor;
  readonly now: () => string;
}

/** What recovery did about one recording. */
export interface Recovered {
  readonly session: string;
  /** Lines that came back from the journal. */
  readonly replayed: number;
  /** Bytes of the file that were no whole line. */
  readonly droppedBytes: number;
  /** `sealed`: its end was already written and signed. */
  readonly as: 'crashed' | 'sealed';
}

export interface Recovery {
  readonly recovered: readonly Recovered[];
  /** Recordings and journal segments that were left as they are; each needs a person. */
  readonly problems: readonly string[];
}

export async function recover(parts: RecoveryParts): Promise<Recovery> {
  removeDrafts(parts.recordings, parts.gateway);
  const journal = readJournal(parts.journal, parts.keys.journalMac);
  const problems = [...journal.problems];
  const recovered: Recovered[] = [];
  const compressing: Promise<void>[] = [];
  for (const { path, lines } of unfinished(parts, journal.lines, problems)) {
    const result = await restore(path, lines, parts).catch(
      (error) => `${path} is left as it is: ${(error as Error).message}`,
    );
    if (typeof result === 'string') problems.push(result);
    else recovered.push(result);
    if (typeof result !== 'string' && existsSync(path)) compressing.push(parts.compressor.compress(path));
  }
  for (const { status, ...rest } of await Promise.allSettled(compressing)) {
    // Sealed, and not on the disk for certain: the journal stays.
    if (status === 'rejected') problems.push((rest as PromiseRejectedResult).reason.message);
  }
  // Only now is everything the journal knew on the disk in the recordings themselves.
  for (const number of journal.segments) {
    if (problems.length > 0) keepSegment(parts.journal, number, problems);
    else parts.disk.remove(join(parts.journal, segmentName(number)));
  }
  return { recovered, problems };
}

/** This gateway's recordings that are not sealed and compressed, from the folder and from the journal. */
function* unfinished(
  { recordings, gateway }: RecoveryParts,
  journal: ReadonlyMap<string, readonly string[]>,
  problems: string[],
): Generator<{ path: string; lines: readonly string[] }> {
  const seen = new Set<string>();
  const unread = (folder: string, error: Error) => problems.push(`${folder} cannot be read: ${error.message}`);
  for (const { path, sealed } of recordingsBelow(recordings, unread)) {
    if (sealed) continue;
    const name = relative(recordings, path).slice(0, -LIVE.length);
    const lines = journal.get(name);
    if (!lines && gatewayOf(path) !== gateway) continue;
    seen.add(name);
    yield { path, lines: lines ?? [] };
  }
  for (const [name, lines] of journal) {
    const path = join(recordings, name + LIVE);
    if (!seen.has(name) && !sealedCopyOf(path)) yield { path, lines };
  }
}

/**
 * @param limit lines to keep at most
 * @returns what was done, or why nothing was
 */
async function restore(
  path: string,
  journaled: readonly string[],
  parts: RecoveryParts,
  limit = Number.POSITIVE_INFINITY,
): Promise<Recovered | string> {
  const session = sessionOf(path) ?? '';
  const copy = sealedCopyOf(path);
  if (copy !== undefined) return removeTwin(path, copy, session, parts);
  const known = linesBySequence(journaled);
  const found = await scan(path, known, parts.keys.trusted, limit);
  if (typeof found === 'string') return `${path} is left as it is: ${found}`;
  const { verifier, offset, rest } = found;
  if (offset === 0 && !known.has(0)) return `${path} is gone, or lost its beginning, and the journal does not hold it`;

  const added = continuation(verifier, known, rest, limit);
  if (typeof added === 'string') return `${path} is left as it is: ${added}`;
  // An end that nobody signed is not taken for one: anybody could have written it.
  if (verifier.closed && !verifier.sealed) return restore(path, journaled, parts, verifier.events - 1);
  const dropped = rest.length - added.fromRest;
  if (dropped === 0 && added.lines.length === 0 && verifier.sealed) {
    return { session, replayed: 0, droppedBytes: 0, as: 'sealed' };
  }
  const closing = verifier.sealed ? '' : closingOf(verifier, session, added.replayed, rest, dropped, parts);
  await rewrite(path, offset, added.lines.map((line) => `${line}\n`).join('') + closing, parts.disk);
  return { session, replayed: added.replayed, droppedBytes: dropped, as: closing ? 'crashed' : 'sealed' };
}

// The crash came between naming the compressed copy and removing its source: the copy is on the disk, it was synced before it was named.
async function removeTwin(
  path: string,
  copy: string,
  session: string,
  { keys, disk }: RecoveryParts,
): Promise<Recovered | string> {
  const { grade } = await verifyRecording(copy, { keys: keys.trusted });
  if (grade !== 'complete' && grade !== 'crashed')
    return `${path} and its compressed copy are left: the copy is ${grade}`;
  disk.remove(path);
  return { session, replayed: 0, droppedBytes: 0, as: 'sealed' };
}

/** Notice, the outcomes nobody knows, `session.closed` and checkpoint, in the name of the gateway that died. */
function closingOf(
  verifier: Verifier,
  session: string,
  replayed: number,
  rest: Buffer,
  dropped: number,
  { keys, now }: RecoveryParts,
): string {
  const chain = new Chain({ size: verifier.events, root: verifier.root, at: verifier.at });
  const at = chain.time(now());
  const notice = chain.line(
    {
      type: 'notice',
      notice: 'recovered',
      replayed,
      // Lines before this number were signed while the session ran; the others only now.
      signedUpTo: verifier.signedUpTo,
      // The tail is everything after the good lines, as it was found.
      ...(dropped > 0 ? { droppedBytes: dropped, tailSha256: createHash('sha256').update(rest).digest('hex') } : {}),
    },
    at,
  );
  // Whether the target ran them nobody here can say.
  const unknown = verifier.inFlight.map((command) =>
    chain.line({ type: 'outcome', command, state: 'unknown', durationMs: 0 }, at),
  );
  const closed = chain.line({ type: 'session.closed', end: { kind: 'crashed' } }, at);
  const checkpoint = keys.signer.sign({ session, size: chain.size, root: chain.root, at });
  return notice + unknown.join('') + closed + chain.line({ type: 'checkpoint', ...checkpoint }, at);
}

async function rewrite(path: string, offset: number, text: string, disk: Disk): Promise<void> {
  const existed = existsSync(path);
  if (!existed) makeFolders(dirname(path), disk);
  const fd = existed ? disk.reopen(path) : disk.create(path);
  try {
    disk.truncate(fd, offset);
    disk.write(fd, Buffer.from(text));
    await disk.sync(fd);
  } finally {
    disk.close(fd);
  }
  await disk.syncFolder(dirname(path));
}

// YYYY, MM and DD below the recordings' own folder.
function makeFolders(day: string, disk: Disk): void {
  for (const folder of [dirname(dirname(day)), dirname(day), day]) disk.makeFolder(folder);
}

function gatewayOf(path: string): string | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    const head = Buffer.alloc(64 * 1024);
    const length = readSync(fd, head, 0, head.length, 0);
    const end = head.subarray(0, length).indexOf(0x0a);
    if (end < 0) return undefined;
    const opened: unknown = JSON.parse(head.toString('utf8', 0, end));
    return (opened as { gateway?: string } | null)?.gateway;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function removeDrafts(folder: string, gateway: string): void {
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !entry.name.startsWith('.')) removeDrafts(path, gateway);
    else if (entry.isFile() && isDraftOf(entry.name, gateway)) rmSync(path);
  }
}

// What cannot be read is told where its recordings are looked for.
function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

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
import { filesByFolder, filesOf, isDraftOf, LIVE, lastPart, namedBy, partFile, sealedCopyOf } from './layout.ts';
import { contentOf, readPart } from './lines.ts';
import { continuation, linesBySequence, scan } from './mend.ts';
import { Verifier } from './verifier.ts';

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
  for (const one of unfinished(parts, journal.lines, problems)) {
    const result = await restore(one, parts).catch(
      (error) => `${one.path} is left as it is: ${(error as Error).message}`,
    );
    if (typeof result === 'string') problems.push(result);
    else recovered.push(result);
    if (typeof result !== 'string')
      for (const path of filesOf(one.path)) if (path.endsWith(LIVE)) compressing.push(parts.compressor.compress(path));
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

/** A recording that is to be looked at. */
interface Unfinished {
  /** `….ndjson` of its first part, whether that is there or not. */
  readonly path: string;
  readonly session: string;
  /** By part: what the journal holds of it. */
  readonly journaled: ReadonlyMap<number, readonly string[]>;
  /** The highest part there is. */
  readonly last: number;
}

/** This gateway's recordings of which a part is not packed, from the folder and from the journal. */
function* unfinished(
  { recordings, gateway }: RecoveryParts,
  journal: ReadonlyMap<string, readonly string[]>,
  problems: string[],
): Generator<Unfinished> {
  const found = new Map<string, { session: string; journaled: Map<number, readonly string[]>; last: number }>();
  const take = (file: string, lines: readonly string[] | undefined): void => {
    const { session, part } = namedBy(file) ?? { session: '', part: 1 };
    const first = partFile(file, 1);
    const one = found.get(first) ?? { session, journaled: new Map<number, readonly string[]>(), last: lastPart(first) };
    found.set(first, one);
    one.last = Math.max(one.last, part);
    if (lines) one.journaled.set(part, lines);
  };
  const unread = (folder: string, error: Error) => problems.push(`${folder} cannot be read: ${error.message}`);
  for (const files of filesByFolder(recordings, unread))
    for (const { path, packed } of files) {
      if (packed) continue;
      const lines = journal.get(relative(recordings, path).slice(0, -LIVE.length));
      if (lines || gatewayOf(path) === gateway) take(path, lines);
    }
  for (const [name, lines] of journal) {
    const path = join(recordings, name + LIVE);
    if (existsSync(path) || sealedCopyOf(path)) continue;
    take(path, lines);
  }
  for (const [path, one] of found) yield { path, ...one };
}

/** What is to be done to one part's file. */
interface Mended {
  readonly path: string;
  /** Where its good lines end. */
  readonly offset: number;
  text: string;
}

/**
 * @param limit lines to keep at most
 * @returns what was done, or why nothing was
 */
async function restore(
  one: Unfinished,
  parts: RecoveryParts,
  limit = Number.POSITIVE_INFINITY,
): Promise<Recovered | string> {
  const { session, last } = one;
  const verifier = new Verifier(parts.keys.trusted, session);
  const mended: Mended[] = [];
  const twins: string[] = [];
  let replayed = 0;
  let dropped = 0;
  let rest: Buffer = Buffer.alloc(0);
  for (let part = 1; part <= last; part += 1) {
    const path = partFile(one.path, part);
    if (part > 1) verifier.beginPart(part);
    const copy = sealedCopyOf(path);
    if (copy !== undefined) {
      const wrong = await takePacked(copy, verifier);
      if (wrong !== undefined) return `${path} and its compressed copy are left: ${wrong}`;
      if (existsSync(path)) {
        // A copy that ends earlier is none of ours: what is missing in it must not go.
        if (!verifier.sealed && (await contentOf(path)) !== (await contentOf(copy)))
          return `${path} and its compressed copy are left: they differ`;
        twins.push(path);
      }
      continue;
    }
    const known = linesBySequence(one.journaled.get(part) ?? []);
    const found = await scan(path, verifier, known, limit);
    if (typeof found === 'string') return `${path} is left as it is: ${found}`;
    if (verifier.events === 0 && !known.has(0))
      return `${path} is gone, or lost its beginning, and the journal does not hold it`;
    const added = continuation(verifier, known, found.rest, limit);
    if (typeof added === 'string') return `${path} is left as it is: ${added}`;
    // An end that nobody signed is not taken for one: anybody could have written it.
    if (verifier.closed && !verifier.sealed) return restore(one, parts, verifier.events - 1);
    if (part < last && !verifier.mayBreak)
      return `${path} is left as it is: it is not whole, and part ${part + 1} follows it`;
    replayed += added.replayed;
    dropped += found.rest.length - added.fromRest;
    rest = Buffer.concat([rest, found.rest]);
    const text = added.lines.map((line) => `${line}\n`).join('');
    if (part === last || text !== '' || found.rest.length > 0) mended.push({ path, offset: found.offset, text });
  }
  if (!verifier.sealed) {
    const place = placeToClose(one, mended);
    if (place.begins !== undefined && !verifier.mayBreak)
      return `${one.path} is left as it is: its part ${last} does not end with a checkpoint`;
    place.mended.text += closingOf(verifier, session, { replayed, rest, dropped, begins: place.begins }, parts);
  }
  const closed = !verifier.sealed;
  if (closed || replayed > 0 || dropped > 0)
    for (const { path, offset, text } of mended) await rewrite(path, offset, text, parts.disk);
  // The crash came between naming a packed copy and removing its source: the copy is on the disk, it was synced before it was named.
  for (const path of twins) parts.disk.remove(path);
  return { session, replayed, droppedBytes: dropped, as: closed ? 'crashed' : 'sealed' };
}

/** The last part's file; where it has not one good line, or is packed already, the closing begins a part. */
function placeToClose({ path, last }: Unfinished, mended: Mended[]): { mended: Mended; begins: number | undefined } {
  const tail = mended.at(-1);
  if (tail?.path === partFile(path, last)) {
    return { mended: tail, begins: tail.offset > 0 || tail.text !== '' ? undefined : last };
  }
  const next: Mended = { path: partFile(path, last + 1), offset: 0, text: '' };
  mended.push(next);
  return { mended: next, begins: last + 1 };
}

/** @returns what is wrong with it */
async function takePacked(copy: string, verifier: Verifier): Promise<string | undefined> {
  const batches = readPart(copy);
  try {
    for (let next = await batches.next(); ; next = await batches.next()) {
      if (next.done) {
        if (next.value.kind === 'damaged') return `the copy is tampered: ${next.value.message}`;
        return next.value.kind === 'whole' && verifier.mayBreak ? undefined : 'the copy is truncated';
      }
      for (const line of next.value.lines)
        if (!verifier.line(line)) return `the copy is tampered: ${verifier.problems[0]?.message}`;
    }
  } finally {
    await batches.return({ kind: 'whole' });
  }
}

interface Found {
  readonly replayed: number;
  readonly rest: Buffer;
  readonly dropped: number;
  /** The part that begins with the closing. */
  readonly begins: number | undefined;
}

/** Notice, the outcomes nobody knows, `session.closed` and checkpoint, in the name of the gateway that died. */
function closingOf(
  verifier: Verifier,
  session: string,
  { replayed, rest, dropped, begins }: Found,
  { keys, now, gateway }: RecoveryParts,
): string {
  const chain = new Chain({ size: verifier.events, root: verifier.root, at: verifier.at });
  const at = chain.time(now());
  const head =
    begins === undefined ? '' : chain.line({ type: 'session.continued', session, part: begins, gateway }, at);
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
  return head + notice + unknown.join('') + closed + chain.line({ type: 'checkpoint', ...checkpoint }, at);
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

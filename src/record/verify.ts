/**
 * Says of a recording, or of a folder of them, how much of it is proven. Needs the public keys and nothing else, and never takes a key from what it
 * verifies.
 *
 * Without the log of sessions it cannot tell that a whole session is gone: the grades `missing` and `expired` are not given.
 */
import { existsSync, statSync } from 'node:fs';
import type { Checkpoint, Grade } from '../domain/recording.ts';
import type { PublicKeys } from './checkpoint.ts';
import { fail } from './errors.ts';
import { namedBy, partBehindGap, partFile, recordingsBelow, sealedCopyOf, sessionOf, whereIs } from './layout.ts';
import { HASH_LENGTH, type Hashes, LineHashes } from './line-hashes.ts';
import { contentOf, type LineBatch, readLines, type Source, type SourceEnd } from './lines.ts';
import { type Described, type Problem, Verifier } from './verifier.ts';

export interface VerifyOptions {
  readonly keys: PublicKeys;
  /** Whether the gateway of this session says that it is still running. */
  readonly isLive?: (session: string) => boolean;
  /** Takes every unsealed recording for a running one. */
  readonly allowOpen?: boolean;
  /** The session it must be, where the source does not say so by its name. */
  readonly session?: string;
}

export interface VerifyReport extends Described {
  readonly path?: string;
  readonly grade: Grade;
  /** Whole lines. */
  readonly events: number;
  /** How many of them the last good checkpoint proves. */
  readonly signedUpTo: number;
  /** Lines after it: chained, but not signed yet. */
  readonly unsignedTail: number;
  readonly checkpoint?: Checkpoint;
  /** SHA-256 of the first line, hex. */
  readonly first?: string;
  /** `session.closed` and its checkpoint are the last lines. */
  readonly sealed: boolean;
  /** What no honest recording has; not empty exactly when the grade is `tampered`. At most 16 are kept. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  /** What a reader should know and nobody need have done. */
  readonly notices: readonly string[];
}

/**
 * All parts of a recording, where it has several: they are one chain.
 *
 * @param source the path of the first part, or bytes; a file's name says which session it must be of
 */
export async function verifyRecording(source: Source, options: VerifyOptions): Promise<VerifyReport> {
  refuseWithoutKeys(options.keys);
  const path = typeof source === 'string' ? source : undefined;
  const verifier = new Verifier(options.keys, options.session ?? (path && sessionOf(path)));
  const end = await feed(source, verifier);
  const notices = noticesOf(end, verifier);
  return {
    ...(path === undefined ? {} : { path }),
    ...verifier.described,
    grade: gradeOf(verifier, end, options),
    events: verifier.events,
    signedUpTo: verifier.signedUpTo,
    unsignedTail: verifier.events - verifier.signedUpTo,
    ...(verifier.checkpoint ? { checkpoint: verifier.checkpoint } : {}),
    ...(verifier.first === undefined ? {} : { first: verifier.first }),
    sealed: verifier.sealed,
    problems: verifier.problems,
    problemCount: verifier.problemCount,
    notices,
  };
}

/** A file, or every recording below a folder, one report each. @throws RECORDING_NOT_FOUND when there is none at all */
export async function* verifyAll(path: string, options: VerifyOptions): AsyncGenerator<VerifyReport> {
  refuseWithoutKeys(options.keys);
  if (!isFolder(path)) {
    yield await verifyRecording(firstPart(path), options);
    return;
  }
  let found = false;
  const seals = new Map<string, string>();
  for (const { path: file, part } of recordingsBelow(path)) {
    found = true;
    const report = await verifyRecording(whereNow(file), options);
    const kept = part === 1 ? withTwin(report, seals) : report;
    if (kept) yield kept;
  }
  if (!found) throw fail('RECORDING_NOT_FOUND', `there is no recording below ${path}`);
}

/** While a batch is looked at the next one is read, and some are hashed. */
const BATCHES_AHEAD = 4;

async function feed(source: Source, verifier: Verifier): Promise<SourceEnd> {
  await using hashes = new LineHashes();
  const batches = readLines(source);
  const ahead: Hashed[] = [];
  let part = typeof source === 'string' ? (namedBy(source)?.part ?? 1) : 1;
  const take = async (batch: Hashed | undefined) => {
    if (!batch) return;
    if (batch.part !== part) verifier.beginPart(batch.part);
    part = batch.part;
    takeLines(batch.lines, await batch.hashes, verifier);
  };
  for (let coming = batches.next(); ; ) {
    const next = await coming;
    if (next.done) {
      while (ahead.length > 0) await take(ahead.shift());
      if (typeof source === 'string') await compareFiles(source, part, verifier);
      return next.value;
    }
    ahead.push({ ...next.value, hashes: hashes.of(next.value.lines) });
    coming = batches.next();
    if (ahead.length > BATCHES_AHEAD) await take(ahead.shift());
  }
}

interface Hashed extends LineBatch {
  readonly hashes: Hashes | Promise<Hashes>;
}

function takeLines(lines: readonly Buffer[], hashes: Hashes, verifier: Verifier): void {
  let at = 0;
  for (const line of lines) {
    verifier.line(line, hashes?.slice(at, at + HASH_LENGTH));
    at += HASH_LENGTH;
  }
}

/** What lies beside a recording that was read: parts behind one that is missing, and packed copies that say something else. */
async function compareFiles(path: string, last: number, verifier: Verifier): Promise<void> {
  if (!namedBy(path)) return;
  const behind = verifier.sealed ? undefined : partBehindGap(path, last);
  if (behind !== undefined) verifier.add('sequence', `part ${last + 1} is not there, and part ${behind} is`);
  for (let part = 1; part <= last; part += 1) {
    const live = partFile(path, part);
    const copy = existsSync(live) ? sealedCopyOf(live) : undefined;
    if (copy !== undefined && (await contentOf(live)) !== (await contentOf(copy))) {
      verifier.add('twice', `session ${sessionOf(path)} has another recording that differs: ${copy}`);
    }
  }
}

/** Who names a later part means the recording it belongs to. */
function firstPart(path: string): string {
  return (namedBy(path)?.part ?? 1) === 1 ? path : (whereIs(partFile(path, 1)) ?? path);
}

function noticesOf(end: SourceEnd, verifier: Verifier): string[] {
  const notices: string[] = [];
  if (end.kind === 'damaged') verifier.add('gzip', end.message);
  if (end.kind === 'cut') notices.push(end.message);
  if (end.kind === 'torn' && verifier.sealed) verifier.add('sealed', 'there are bytes after the seal');
  else if (end.kind === 'torn') notices.push(`the last line is torn: ${end.rest.length} bytes`);
  if (verifier.events === 0) notices.push('there is no event');
  const tail = verifier.events - verifier.signedUpTo;
  if (tail > 0 && verifier.problemCount === 0) notices.push(`the last ${tail} events are not signed`);
  if (verifier.described.end?.kind === 'crashed') notices.push('closed by the gateway after it had crashed');
  return notices;
}

function gradeOf(verifier: Verifier, sourceEnd: SourceEnd, { isLive, allowOpen }: VerifyOptions): Grade {
  const { session, end } = verifier.described;
  if (verifier.problemCount > 0) return 'tampered';
  // Only a sealed recording is ever compressed: one that stops short was cut, even if all its lines came out.
  if (sourceEnd.kind === 'cut') return 'truncated';
  if (verifier.sealed) return end?.kind === 'crashed' ? 'crashed' : 'complete';
  if (session === undefined) return 'truncated';
  return allowOpen || isLive?.(session) ? 'open' : 'truncated';
}

// Two days' folders may hold copies of one. Two that differ are somebody's doing.
function withTwin(report: VerifyReport, seals: Map<string, string>): VerifyReport | undefined {
  const { session, checkpoint } = report;
  if (session === undefined) return report;
  const seal = `${report.grade} ${checkpoint?.size} ${checkpoint?.root}`;
  const twin = seals.get(session);
  seals.set(session, seal);
  if (twin === undefined) return report;
  if (twin === seal && (report.grade === 'complete' || report.grade === 'crashed')) return undefined;
  const problem: Problem = { code: 'twice', message: `session ${session} has another recording that differs` };
  return {
    ...report,
    grade: 'tampered',
    problems: [...report.problems, problem],
    problemCount: report.problemCount + 1,
  };
}

// A running gateway may have put the compressed copy in the place of the file since the folder was listed.
function whereNow(path: string): string {
  return existsSync(path) ? path : (sealedCopyOf(path) ?? path);
}

function isFolder(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats) throw fail('RECORDING_NOT_FOUND', `${path} does not exist`);
  return stats.isDirectory();
}

function refuseWithoutKeys(keys: PublicKeys): void {
  if (keys.size === 0) throw fail('KEY_MISSING', 'there is no key to verify with');
}

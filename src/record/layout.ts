/**
 * Where a recording lies: `<recordings>/YYYY/MM/DD/<session>.ndjson`, `.ndjson.gz` or `.ndjson.zst` once packed. A long one goes on in parts beside it:
 * `<session>.2.ndjson` and so on. Names that begin with a dot are not recordings.
 */
import { type Dirent, existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { CODECS } from './codecs.ts';
import { fail } from './errors.ts';

export const LIVE = '.ndjson';
/** The usual one first. */
export const SEALED: readonly string[] = Object.values(CODECS).map(({ ending }) => ending);

const SESSION_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;
const GATEWAY_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Ids become file names. */
export function checkSessionId(id: string): void {
  if (!SESSION_ID.test(id)) throw fail('SESSION_ID_INVALID', `the session id ${JSON.stringify(id)} cannot name a file`);
}

export function checkGatewayId(id: string): void {
  if (!GATEWAY_ID.test(id)) throw fail('GATEWAY_ID_INVALID', `the gateway id ${JSON.stringify(id)} cannot name a file`);
}

/** `2026/11/21` of an RFC 3339 time in UTC. */
export function dayOf(at: string): string {
  return at.slice(0, 10).replaceAll('-', '/');
}

/** What the name of a recording's file says. */
export interface Named {
  readonly session: string;
  /** 1 is the first, and the only one of most. */
  readonly part: number;
  readonly packed: boolean;
}

const PART = /^([A-Za-z0-9][A-Za-z0-9_-]{0,127})\.([2-9]|[1-9]\d{1,5})$/;

/** @returns undefined for what is no recording's file */
export function namedBy(path: string): Named | undefined {
  const name = basename(path);
  const ending = [...SEALED, LIVE].find((end) => name.endsWith(end));
  if (!ending || name.startsWith('.')) return undefined;
  const stem = name.slice(0, -ending.length);
  const [, session = stem, part = 1] = PART.exec(stem) ?? [];
  return { session, part: Number(part), packed: ending !== LIVE };
}

/** The session a recording's file name promises; undefined when it is not a recording. */
export function sessionOf(path: string): string | undefined {
  return namedBy(path)?.session;
}

/** `<session>`, `<session>.2` and so on. */
export function partName(session: string, part: number): string {
  return part === 1 ? session : `${session}.${part}`;
}

/** Another part of the same recording, as it is called while it is written. @param path of any of its files */
export function partFile(path: string, part: number): string {
  return join(dirname(path), partName(sessionOf(path) ?? basename(path), part) + LIVE);
}

/** Where a part is now: plain, or packed. @param live `….ndjson` */
export function whereIs(live: string): string | undefined {
  return isFile(live) ? live : sealedCopyOf(live);
}

export interface RecordingFile extends Named {
  readonly path: string;
}

/**
 * Every recording below a folder by its first part, oldest day first; and parts whose recording lacks what comes before them. Links are not followed.
 *
 * @param unread told of a folder that cannot be read; without it, that throws
 */
export function* recordingsBelow(
  folder: string,
  unread?: (folder: string, error: Error) => void,
): Generator<RecordingFile> {
  for (const files of filesByFolder(folder, unread)) {
    const names = new Set<string>();
    const first = new Map<string, RecordingFile>();
    for (const file of files) {
      const name = partName(file.session, file.part);
      names.add(name);
      // While it is being packed there are two files of one part: the plain one is the first by name.
      if (!first.has(name)) first.set(name, file);
    }
    for (const file of first.values()) {
      if (file.part === 1 || !names.has(partName(file.session, file.part - 1))) yield file;
    }
  }
}

/** The files of every recording below a folder, folder by folder. */
export function* filesByFolder(
  folder: string,
  unread?: (folder: string, error: Error) => void,
): Generator<RecordingFile[]> {
  const entries = entriesOf(folder, unread)
    .filter(({ name }) => !name.startsWith('.'))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) if (entry.isDirectory()) yield* filesByFolder(join(folder, entry.name), unread);
  yield entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    const named = entry.isFile() ? namedBy(path) : undefined;
    return named ? [{ path, ...named }] : [];
  });
}

/** Every file of one recording, the last part first. @param path of any of them */
export function filesOf(path: string): string[] {
  const files: string[] = [];
  for (let part = 1; ; part += 1) {
    const live = partFile(path, part);
    const bare = live.slice(0, -LIVE.length);
    const here = [LIVE, ...SEALED].map((ending) => bare + ending).filter((file) => existsSync(file));
    if (here.length === 0) return files;
    files.unshift(...here);
  }
}

/** The number of the last part there is. @param path of any */
export function lastPart(path: string): number {
  let part = 1;
  while (whereIs(partFile(path, part + 1)) !== undefined) part += 1;
  return part;
}

/** The number of the next part that is there behind one that is missing. @param part the last one before the gap */
export function partBehindGap(path: string, part: number): number | undefined {
  const session = sessionOf(path);
  const numbers = readdirSync(dirname(path)).flatMap((name) => {
    const named = namedBy(name);
    return named && named.session === session && named.part > part ? [named.part] : [];
  });
  return numbers.length === 0 ? undefined : Math.min(...numbers);
}

/** The packed copy of a recording, where there is one. @param live `….ndjson` */
export function sealedCopyOf(live: string): string | undefined {
  const bare = live.slice(0, -LIVE.length);
  return SEALED.map((ending) => bare + ending).find(isFile);
}

/** Folders and pipes of a recording's name are none. */
function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

function entriesOf(folder: string, unread: ((folder: string, error: Error) => void) | undefined): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (!unread) throw error;
    unread(folder, error as Error);
    return [];
  }
}

/**
 * The file that holds a session's recording. While a sealed one is being compressed there are two; the plain one is as good.
 *
 * @param openedAt when known, RFC 3339: saves looking through every day
 */
export function findRecording(recordings: string, session: string, openedAt?: string): string | undefined {
  checkSessionId(session);
  const days = openedAt === undefined ? daysBelow(recordings) : [dayOf(openedAt)];
  for (const day of days) {
    for (const ending of [LIVE, ...SEALED]) {
      const path = join(recordings, day, session + ending);
      if (isFile(path)) return path;
    }
  }
  return undefined;
}

// Newest first: people ask for recent sessions.
function daysBelow(recordings: string): string[] {
  const below = (folder: string, name: RegExp) =>
    existsSync(folder)
      ? readdirSync(folder)
          .filter((entry) => name.test(entry))
          .sort()
          .reverse()
      : [];
  return below(recordings, /^\d{4}$/).flatMap((year) =>
    below(join(recordings, year), /^\d\d$/).flatMap((month) =>
      below(join(recordings, year, month), /^\d\d$/).map((day) => `${year}/${month}/${day}`),
    ),
  );
}

/** A file that has not got its name yet. It names its gateway, which removes its own after a crash. */
export function draftName(gateway: string, name: string): string {
  return `.${gateway}~${name}`;
}

export function isDraftOf(name: string, gateway: string): boolean {
  return name.startsWith(draftName(gateway, ''));
}

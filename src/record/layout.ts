/**
 * Where a recording lies: `<recordings>/YYYY/MM/DD/<session>.ndjson`, `.ndjson.gz` or `.ndjson.zst` once sealed. Names that begin with a dot are not recordings.
 */
import { type Dirent, existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
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

/** The session a recording's file name promises; undefined when it is not a recording. */
export function sessionOf(path: string): string | undefined {
  const name = basename(path);
  const ending = [...SEALED, LIVE].find((end) => name.endsWith(end));
  if (!ending || name.startsWith('.')) return undefined;
  return name.slice(0, -ending.length);
}

export interface RecordingFile {
  readonly path: string;
  readonly session: string;
  readonly sealed: boolean;
}

/**
 * Every recording below a folder, oldest day first. Links are not followed.
 *
 * @param unread told of a folder that cannot be read; without it, that throws
 */
export function* recordingsBelow(
  folder: string,
  unread?: (folder: string, error: Error) => void,
): Generator<RecordingFile> {
  const entries = entriesOf(folder, unread).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) yield* recordingsBelow(path, unread);
    const session = entry.isFile() ? sessionOf(path) : undefined;
    if (session !== undefined) yield { path, session, sealed: !path.endsWith(LIVE) };
  }
}

/** The packed copy of a recording, where there is one. @param live `….ndjson` */
export function sealedCopyOf(live: string): string | undefined {
  const bare = live.slice(0, -LIVE.length);
  return SEALED.map((ending) => bare + ending).find((path) => existsSync(path));
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
      if (existsSync(path)) return path;
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

/** What the log still lacks of a gateway's last life: the seals of sessions that its end came between. */
import { filesOf, findRecording } from '../layout.ts';
import { verifyRecording } from '../verify.ts';
import type { PublicKeys } from '../checkpoint.ts';
import type { Disk } from '../disk.ts';
import { decodeLeaf, type LogLeaf, type LoggedLeaf } from './leaf.ts';
import { decodeEntries, readTile, TILE_WIDTH, type TileReader, wholeBefore } from './tiles.ts';

export interface LastLifeParts {
  readonly recordings: string;
  readonly read: TileReader;
  /** Leaves in the log. */
  readonly size: number;
  readonly trusted: PublicKeys;
  /** Sessions whose recordings were made whole just now. */
  readonly recovered: readonly string[];
  readonly warn: (message: string, error: unknown) => void;
}

/**
 * Every start of a gateway is a leaf, after these: so nothing before the last such leaf is open. A session that was recorded but whose opening did not
 * get here had no permit; it is logged all the same, so that every recording has its leaf.
 */
export async function lastLife(parts: LastLifeParts): Promise<LogLeaf[]> {
  const { open, seen } = await openSessions(parts);
  const leaves: LogLeaf[] = [];
  for (const session of [...open.keys(), ...parts.recovered.filter((id) => !seen.has(id))]) {
    leaves.push(...(await closing(session, open.get(session), parts)));
  }
  return leaves;
}

type Opened = Extract<LoggedLeaf, { type: 'session.opened' }>;

/** The session whose recording was being removed last: a crash may have come in between, and its log says that it goes. */
export async function removing({ read, size }: Pick<LastLifeParts, 'read' | 'size'>): Promise<string | undefined> {
  for await (const leaf of backwards(read, size)) {
    if (leaf.type === 'gateway.started') return undefined;
    if (leaf.type === 'recording.expired') return leaf.session;
  }
  return undefined;
}

/** Removes what is left of it. */
export function finishRemoving(recordings: string, session: string, disk: Pick<Disk, 'remove'>): void {
  const left = findRecording(recordings, session);
  if (left !== undefined) for (const file of filesOf(left)) disk.remove(file);
}

async function openSessions({ read, size }: LastLifeParts) {
  const open = new Map<string, Opened>();
  const seen = new Set<string>();
  for await (const leaf of backwards(read, size)) {
    if (leaf.type === 'gateway.started') break;
    if (leaf.type === 'session.sealed') seen.add(leaf.session);
    if (leaf.type === 'session.opened' && !seen.has(leaf.session)) {
      seen.add(leaf.session);
      open.set(leaf.session, leaf);
    }
  }
  return { open, seen };
}

async function* backwards(read: TileReader, size: number): AsyncGenerator<LoggedLeaf> {
  if (size === 0) return;
  for (let base = wholeBefore(size); base >= 0; base -= TILE_WIDTH) {
    const bundle = await readTile(read, 'entries', base / TILE_WIDTH, size);
    const entries = (bundle && decodeEntries(bundle)) ?? [];
    for (const entry of entries.slice(0, size - base).reverse()) {
      const leaf = decodeLeaf(entry);
      if (leaf) yield leaf;
    }
  }
}

async function closing(
  session: string,
  opened: Opened | undefined,
  { recordings, trusted, warn }: LastLifeParts,
): Promise<LogLeaf[]> {
  const file = findRecording(recordings, session);
  if (file === undefined) {
    warn(`session ${session} is in the log, and its recording is gone`, undefined);
    return [];
  }
  const report = await verifyRecording(file, { keys: trusted });
  const { first, openedAt, checkpoint, sealed, grade, end } = report;
  const isWhole = sealed && (grade === 'complete' || grade === 'crashed');
  if (!isWhole || first === undefined || openedAt === undefined || !checkpoint || (opened && opened.first !== first)) {
    warn(`the recording of session ${session} is ${grade}: its seal does not get into the log`, undefined);
    return [];
  }
  const which = { session, path: opened?.path ?? pathOf(file, session), first };
  return [
    ...(opened ? [] : [{ type: 'session.opened', ...which } as const]),
    { type: 'session.sealed', ...which, size: checkpoint.size, root: checkpoint.root, end: end?.kind ?? 'crashed' },
  ];
}

/** `2026/11/21/<session>`. */
function pathOf(file: string, session: string): string {
  return [...file.split('/').slice(-4, -1), session].join('/');
}

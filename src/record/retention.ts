/**
 * Removes a gateway's recordings when they are as old as they need to be kept.
 *
 * Only what is sealed and whole goes, and only after it is written down that it went: what does not verify is evidence of something else, and stays until
 * a person has looked at it. Recordings under legal hold stay as long as the hold stands.
 */
import { rmdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { PublicKeys } from './checkpoint.ts';
import type { Disk } from './disk.ts';
import { fail } from './errors.ts';
import { dayOf, filesOf, recordingsBelow } from './layout.ts';
import { readEvents, type RecordedEvent } from './read.ts';
import { verifyRecording } from './verify.ts';

/** A recording that is about to be removed. */
export interface Expired {
  readonly session: string;
  /** Of its seal. */
  readonly root: string;
  /** RFC 3339. */
  readonly openedAt: string;
  readonly closedAt: string;
}

export type OpenedEvent = Extract<RecordedEvent, { type: 'session.opened' }>;

export interface RetentionParts {
  readonly recordings: string;
  readonly gateway: string;
  readonly trusted: PublicKeys;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly keepMs: number;
  /** Whether this session's recording must stay. */
  readonly held: (opened: OpenedEvent) => boolean;
  /** Writes down that it goes, so that its absence is not taken for a loss. Nothing is removed where it rejects. */
  readonly onExpired: (expired: Expired) => Promise<void>;
}

export interface Swept {
  readonly removed: readonly Expired[];
  /** Old enough, and under legal hold. */
  readonly held: number;
  /** Old enough, and not sealed and whole: paths with their grades. */
  readonly left: readonly string[];
}

export interface Retention {
  /** @throws CLOCK_JUMPED */
  sweep(signal?: AbortSignal): Promise<Swept>;
}

/** More than any NTP corrects. A clock that was set wrong must not take years of evidence with it. */
const JUMP_MS = 3_600_000;

export function createRetention(parts: RetentionParts): Retention {
  const { clock, keepMs } = parts;
  const began = { wall: clock.now(), monotonic: clock.monotonic() };

  return {
    async sweep(signal) {
      const now = clock.now();
      const jumped = now - began.wall - (clock.monotonic() - began.monotonic);
      if (Math.abs(jumped) > JUMP_MS) {
        throw fail(
          'CLOCK_JUMPED',
          `the clock was set by ${Math.round(jumped / 60_000)} minutes since the gateway began`,
        );
      }
      return sweep(parts, new Date(now - keepMs).toISOString(), signal);
    },
  };
}

async function sweep(parts: RetentionParts, before: string, signal: AbortSignal | undefined): Promise<Swept> {
  const swept = { removed: [] as Expired[], held: 0, left: [] as string[] };
  const folders = new Set<string>();
  for (const { path, session } of recordingsBelow(parts.recordings, () => {})) {
    signal?.throwIfAborted();
    // By the folder alone: nothing of younger ones is read.
    if (relative(parts.recordings, dirname(path)).slice(0, 10) > dayOf(before)) break;
    const opened = await openedOf(path);
    if (!opened) swept.left.push(`${path}: cannot be read`);
    if (opened?.gateway !== parts.gateway || opened.at >= before) continue;
    if (parts.held(opened)) {
      swept.held += 1;
      continue;
    }
    const expired = await expiredAt(path, session, parts.trusted).catch((error: NodeJS.ErrnoException) =>
      // Its packed copy has just taken its place: the next time.
      error.code === 'ENOENT' ? undefined : error.message,
    );
    if (expired === undefined) continue;
    if (typeof expired === 'string') swept.left.push(`${path}: ${expired}`);
    else if (expired.closedAt < before) {
      await parts.onExpired(expired);
      // From the last part on: what a crash leaves of it is finished at the next start, because the log says that it goes.
      for (const file of filesOf(path)) parts.disk.remove(file);
      folders.add(dirname(path));
      swept.removed.push(expired);
    }
  }
  for (const folder of folders) await tidy(folder, parts);
  return swept;
}

async function openedOf(path: string): Promise<OpenedEvent | undefined> {
  try {
    for await (const event of readEvents(path)) return event.type === 'session.opened' ? event : undefined;
  } catch {
    // Whose it is cannot be told.
  }
  return undefined;
}

/** @returns the grade, where it is not one to remove */
async function expiredAt(path: string, session: string, keys: PublicKeys): Promise<Expired | string> {
  const { grade, checkpoint, openedAt, closedAt } = await verifyRecording(path, { keys, session });
  const whole = grade === 'complete' || grade === 'crashed';
  if (!whole || !checkpoint || openedAt === undefined || closedAt === undefined) return grade;
  return { session, root: checkpoint.root, openedAt, closedAt };
}

// The day, its month and its year, as far as they are empty. Other gateways may share them.
async function tidy(day: string, { disk, recordings }: RetentionParts): Promise<void> {
  await disk.syncFolder(day);
  for (let folder = day; folder !== recordings && folder.startsWith(join(recordings, '/')); folder = dirname(folder)) {
    try {
      rmdirSync(folder);
    } catch {
      return;
    }
  }
}

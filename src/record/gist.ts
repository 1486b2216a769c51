/** What of a recording sessions are searched by: counts of verdicts, tables, and texts as they were recorded. Taken while it is written, or read back. */
import { createHash } from 'node:crypto';
import type { RecordedText, SessionEvent } from '../domain/recording.ts';
import type { SessionIndexEntry } from '../domain/store.ts';
import { readLines, type Source } from './lines.ts';

export type GistParts = Pick<SessionIndexEntry, 'allowed' | 'denied' | 'tables' | 'texts' | 'partial'>;

export interface Gist {
  take(events: readonly SessionEvent[]): void;
  /** What came since it was last asked for; undefined where nothing did. */
  drain(): GistParts | undefined;
  /** It could not be kept: it comes again. */
  giveBack(parts: GistParts): void;
}

export interface GistOptions {
  /** Texts and tables are left out where recordings are encrypted: what only their reader shall know stands nowhere else. */
  readonly texts: boolean;
}

// Bounds for one session: an agent that never says the same twice must not fill the store. What is beyond is in the recording alone.
const MOST_TEXTS = 2_000;
const LONGEST_TEXT = 16 * 1024;
const MOST_CHARACTERS = 2 * 1024 * 1024;
const MOST_TABLES = 2_000;
const TABLES: ReadonlySet<string> = new Set(['table', 'view', 'materialized view', 'foreign table']);
/** Hexadecimal digits that name a text: 128 bits of its SHA-256. */
const DIGITS = 32;

type Verdict = Extract<SessionEvent, { type: 'verdict' }>;

/** @param digestOf what names a text; unless told, the digest its recorder gave it */
export function createGist({ texts: withTexts }: GistOptions, digestOf = recordedDigest): Gist {
  const counts = { allowed: 0, denied: 0 };
  const tables = new Set<string>();
  const digests = new Set<string>();
  let newTables: string[] = [];
  let newTexts: { digest: string; text: string }[] = [];
  let characters = 0;
  let partial = !withTexts;
  /** From the beginning: that nothing was said is known too. */
  let changed = true;
  let lastRead: unknown;

  function verdict(event: Verdict): void {
    changed = true;
    if (event.verdict === 'allow') counts.allowed += 1;
    else if (event.verdict === 'deny') counts.denied += 1;
    if (!withTexts) return;
    // Read back from an encrypted recording there is neither.
    if (event.resources === undefined || event.text === undefined) {
      partial = true;
      return;
    }
    // The same statement again is read once, and what is known of it is the same object.
    if (event.resources !== lastRead) for (const { kind, name } of event.resources) if (TABLES.has(kind)) table(name);
    lastRead = event.resources;
    said(event.text);
  }

  function table(name: string): void {
    if (tables.has(name)) return;
    if (tables.size >= MOST_TABLES) {
      partial = true;
      return;
    }
    tables.add(name);
    newTables.push(name);
  }

  function said(recorded: RecordedText): void {
    const digest = digestOf(recorded);
    if (digests.has(digest)) return;
    const text = recorded.text.slice(0, LONGEST_TEXT);
    if (text.length < recorded.text.length) partial = true;
    if (digests.size >= MOST_TEXTS || characters + text.length > MOST_CHARACTERS) {
      partial = true;
      return;
    }
    digests.add(digest);
    characters += text.length;
    newTexts.push({ digest, text });
  }

  return {
    take(events) {
      for (const event of events) if (event.type === 'verdict') verdict(event);
    },
    drain() {
      if (!changed) return undefined;
      const parts = { ...counts, tables: newTables, texts: newTexts, partial };
      newTables = [];
      newTexts = [];
      changed = false;
      return parts;
    },
    giveBack(parts) {
      newTables = [...parts.tables, ...newTables];
      newTexts = [...parts.texts, ...newTexts];
      changed = true;
    },
  };
}

// Where something was struck the HMAC is of what stood there: two that differ only in that read alike here.
function recordedDigest(recorded: RecordedText): string {
  return recorded.sha256?.slice(0, DIGITS) ?? ownDigest(recorded);
}

function ownDigest({ text }: RecordedText): string {
  return createHash('sha256').update(text).digest('hex').slice(0, DIGITS);
}

/** A whole recording, for a store that lost its row. */
export interface ReadGist extends GistParts {
  readonly opened: Extract<SessionEvent, { type: 'session.opened' }> & { readonly at: string };
  readonly closed: (Extract<SessionEvent, { type: 'session.closed' }> & { readonly at: string }) | undefined;
  /** Of the last line. */
  readonly lastAt: string;
  readonly commands: number;
  readonly refused: number;
  readonly held: number;
  readonly rows: number;
  readonly maskedCells: number;
  readonly wouldBe: number;
}

/** Events that say nothing here, some of them long: they are not parsed. */
const SKIPPED = ['"type":"result"', '"type":"checkpoint"', '"type":"stream"'].map((text) => Buffer.from(text));
/** `{"seq":…,"at":"…","type":"…"`: within these bytes stands what a line is. */
const HEAD_BYTES = 96;

/**
 * Reads a recording's gist back. Proves nothing: that is for `verify`.
 *
 * @returns undefined where it does not say whose it is: encrypted, damaged at its beginning, or of another session than its name says
 */
export async function readGist(source: Source, session: string, options: GistOptions): Promise<ReadGist | undefined> {
  // A file may say anything: a text that calls itself another would be found as that one.
  const gist = createGist(options, ownDigest);
  const counts = { commands: 0, refused: 0, held: 0, rows: 0, maskedCells: 0, wouldBe: 0 };
  let opened: ReadGist['opened'] | undefined;
  let closed: ReadGist['closed'];
  let lastAt = '';
  let whole = true;
  const batches = readLines(source);
  for (let next = await batches.next(); ; next = await batches.next()) {
    if (next.done) {
      whole &&= next.value.kind !== 'damaged';
      break;
    }
    for (const line of next.value.lines) {
      const event = eventOf(line);
      if (event === 'skipped') continue;
      if (event === undefined) {
        whole = false;
        continue;
      }
      lastAt = event.at;
      if (event.type === 'session.opened') opened = event;
      else if (event.type === 'session.closed') closed = event;
      else count(counts, event);
      gist.take([event]);
    }
  }
  if (opened?.session !== session) return undefined;
  const said = gist.drain() as GistParts; // there is always a first
  return { opened, closed, lastAt, ...counts, ...said, partial: said.partial || !whole };
}

function eventOf(line: Buffer): (SessionEvent & { readonly at: string }) | 'skipped' | undefined {
  const head = line.subarray(0, HEAD_BYTES);
  if (SKIPPED.some((type) => head.includes(type))) return 'skipped';
  try {
    const event = JSON.parse(line.toString('utf8'));
    return typeof event?.type === 'string' && typeof event.at === 'string' ? event : undefined;
  } catch {
    return undefined;
  }
}

type Counts = Record<'commands' | 'refused' | 'held' | 'rows' | 'maskedCells' | 'wouldBe', number>;

/** As a session counts itself while it lives. */
function count(counts: Counts, event: SessionEvent): void {
  switch (event.type) {
    case 'verdict':
      if (event.verdict === 'deny') counts.refused += 1;
      counts.wouldBe += event.wouldBe?.length ?? 0;
      break;
    case 'approval.requested':
      counts.held += 1;
      break;
    case 'approval.decided':
      if (event.decision !== 'approved') counts.refused += 1;
      break;
    case 'command':
      if (event.by === 'client') counts.commands += 1;
      break;
    case 'outcome':
      counts.rows += event.rows ?? 0;
      counts.maskedCells += event.maskedCells ?? 0;
      break;
    default:
    // Nothing of the others is counted.
  }
}

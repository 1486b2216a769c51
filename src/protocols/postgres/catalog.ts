/**
 * Keeps what is known of each target's catalog, at most half a minute old, for all its sessions.
 *
 * Where masks or a scope apply, nothing is judged by less than that: while the catalog cannot be read, statements are refused and each one tries again.
 * Elsewhere what was read last goes on to be used for a while, and the session's recording and the metrics say so.
 */
import type { Clock } from '../../base/clock.ts';
import {
  bindMasks,
  type CatalogSnapshot,
  isSettled,
  isWhole,
  type SqlMask,
  withDefinitionsOf,
} from '../../languages/sql/index.ts';
import { type CatalogRead, type CatalogReader, readCatalog } from './catalog-read.ts';

export interface Snapshot extends CatalogRead {
  /** Gives each mask the numbers its names had when the gateway first saw them. */
  bind(masks: readonly SqlMask[]): readonly SqlMask[];
}

export interface CatalogAsker extends CatalogReader {
  /** Whether masks or a scope rest on what is known. */
  guarded(): boolean;
  /** Told when it is given what was read before, since it cannot be read now. */
  outdated(notice: Outdated): void;
}

export interface Outdated {
  readonly reason: string;
  readonly ageMs: number;
  /** Of the reading that is used: the same one need not be told of twice. */
  readonly readAt: number;
}

export interface Catalogs {
  /** @param key names target, account and, behind the last NUL, the database */
  current(key: string, asker: CatalogAsker): Promise<Snapshot> | Snapshot;
  /** What the last one to ask was told, however long ago; asks nothing. */
  known(key: string): Snapshot | undefined;
  /** How old that is, and whether it is less than what is there now: it could not be read again, or not whole. */
  state(key: string): { readonly ageMs: number; readonly outdated: boolean } | undefined;
  /** Definitions changed: what is known of that database is no longer enough, whoever asks. */
  forget(key: string): void;
  /** The target spoke of tables or types by these numbers, and they are not known. Those that stay unknown, such as temporary ones, are not asked for again. */
  strange(key: string, oids: readonly number[]): void;
}

/** SEMANTICS: a snapshot is at most this old. */
const OLDEST = 30_000;
/** One that lacks what was locked is looked at again so soon. */
const LACKING = 1_000;
/** After a reading that failed, those who can do without wait so long for the next. */
const PAUSE = 1_000;
/** And do without for so long. */
const OUTDATED_AT_MOST = 5 * 60_000;
/** Numbers that are remembered as unknown. */
const STRANGERS = 10_000;

interface Entry {
  snapshot?: Snapshot;
  /** Nothing was left out of it. */
  whole: boolean;
  /** And nobody seemed about to change something. */
  settled: boolean;
  /** When the snapshot was last known to be what is there, and when the whole of it was. */
  readAt: number;
  wholeAt: number;
  /** Something happened since it was read. */
  forgotten: boolean;
  loading?: Promise<Snapshot>;
  failed?: { readonly at: number; readonly reason: string };
  /** First bindings of masks, by name: a later rename is noticed. */
  readonly bindings: Map<string, { readonly oid: number; readonly attnum: number }>;
  readonly strangers: Set<number>;
}

/** @param read for tests: another way to a catalog */
export function createCatalogs(clock: Clock, read = readCatalog): Catalogs {
  const entries = new Map<string, Entry>();

  function entryOf(key: string): Entry {
    const entry = entries.get(key) ?? {
      ...{ whole: true, settled: true, readAt: -Infinity, wholeAt: -Infinity, forgotten: false },
      ...{ bindings: new Map(), strangers: new Set<number>() },
    };
    entries.set(key, entry);
    return entry;
  }

  function isFresh(entry: Entry): boolean {
    return !entry.forgotten && clock.monotonic() - entry.readAt < (entry.settled ? OLDEST : LACKING);
  }

  function load(entry: Entry, asker: CatalogAsker): Promise<Snapshot> {
    const startedAt = clock.monotonic();
    const loading: Promise<Snapshot> = read(asker, entry.whole ? entry.snapshot : undefined).then(
      (found) => {
        const snapshot = snapshotOf(entry, found, startedAt);
        // Something changed while it was read: it is for those who asked before, and for nobody else.
        if (entry.loading === loading) store(entry, snapshot, startedAt, found.catalog);
        return snapshot;
      },
      (error: unknown) => {
        if (entry.loading === loading) {
          delete entry.loading;
          entry.failed = { at: clock.monotonic(), reason: error instanceof Error ? error.message : 'no reason given' };
        }
        throw error;
      },
    );
    entry.loading = loading;
    return loading;
  }

  function snapshotOf(entry: Entry, read: CatalogRead, now: number): Snapshot {
    const { bindings, snapshot } = entry;
    const lacks = snapshot && !isWhole(read.catalog) && now - entry.wholeAt < OUTDATED_AT_MOST;
    const catalog = lacks ? withDefinitionsOf(snapshot.catalog, read.catalog) : read.catalog;
    return { ...read, catalog, bind: (masks) => bind(masks, catalog, bindings) };
  }

  function store(entry: Entry, snapshot: Snapshot, at: number, found: CatalogSnapshot): void {
    delete entry.loading;
    delete entry.failed;
    Object.assign(entry, { snapshot, readAt: at, settled: isSettled(found), whole: isWhole(found), forgotten: false });
    if (entry.whole) entry.wholeAt = at;
  }

  /** What can be done without another reading, by those it is good enough for. */
  function lastOne(entry: Entry, asker: CatalogAsker, failed: NonNullable<Entry['failed']>): Snapshot | undefined {
    const ageMs = clock.monotonic() - entry.readAt;
    if (!entry.snapshot || asker.guarded() || ageMs >= OUTDATED_AT_MOST) return undefined;
    asker.outdated({ reason: failed.reason, ageMs, readAt: entry.readAt });
    return entry.snapshot;
  }

  return {
    current(key, asker) {
      const entry = entryOf(key);
      if (entry.snapshot && isFresh(entry)) return entry.snapshot;
      const { failed } = entry;
      const early = failed && clock.monotonic() - failed.at < PAUSE ? lastOne(entry, asker, failed) : undefined;
      if (early) return early;
      // One that another session began may fail for what is that session's alone, such as its end.
      const reading = entry.loading?.catch(() => entry.loading ?? load(entry, asker)) ?? load(entry, asker);
      return reading.catch((error: unknown) => {
        const last = entry.failed && !isOther(error) ? lastOne(entry, asker, entry.failed) : undefined;
        if (last) return last;
        throw error;
      });
    },
    known: (key) => entries.get(key)?.snapshot,
    state(key) {
      const entry = entries.get(key);
      if (!entry?.snapshot) return undefined;
      return { ageMs: clock.monotonic() - entry.readAt, outdated: entry.failed !== undefined || !entry.whole };
    },
    forget(key) {
      const place = placeOf(key);
      for (const [other, entry] of entries) if (placeOf(other) === place) forgetEntry(entry);
    },
    strange(key, oids) {
      const entry = entryOf(key);
      const added = oids.filter((oid) => !entry.strangers.has(oid));
      if (added.length === 0 || entry.strangers.size > STRANGERS) return;
      for (const oid of added) entry.strangers.add(oid);
      forgetEntry(entry);
    },
  };
}

/** Several targets and accounts may lead to one database. */
function placeOf(key: string): string {
  return key.slice(key.lastIndexOf('\0') + 1);
}

function forgetEntry(entry: Entry): void {
  entry.forgotten = true;
  // One that began before the change may have missed it.
  delete entry.loading;
}

/** Another server than it was: nothing that was known of it holds. */
function isOther(error: unknown): boolean {
  return (error as { code?: string } | undefined)?.code === 'TARGET_NOT_SUPPORTED';
}

function bind(masks: readonly SqlMask[], catalog: CatalogSnapshot, bindings: Entry['bindings']): readonly SqlMask[] {
  const known = masks.map((mask) => ({ ...mask, ...bindings.get(`${mask.relation}.${mask.column}`) }));
  const bound = bindMasks(catalog, known);
  for (const { relation, column, oid, attnum } of bound) {
    if (oid !== undefined && attnum !== undefined) bindings.set(`${relation}.${column}`, { oid, attnum });
  }
  return bound;
}

/**
 * Finds sessions by what was said in them, in steps: SQLite answers on the thread that serves everybody.
 *
 * First the latest sessions are looked through, which is all there is to do where the text is a common one. Then the distinct texts, which are few beside
 * sessions: where few of them match, each is followed to its latest sessions; where many do, the sessions are looked through to the end.
 */
import { sql } from 'kysely';
import type { SessionFilter, SessionRow } from '../domain/store.ts';
import type { Database } from './open.ts';
import { sessionFromRow } from './rows.ts';
import { matching } from './session-filter.ts';

/** Matching texts beyond which sessions are looked through instead. */
const FEW = 500;
/** Sessions, and texts, that are looked through at once. */
const PAGE = 250;
const SLICE = 4_096;
/** Pages of the latest sessions that are looked through before anything else. */
const FIRST_PAGES = 2;

export async function searchTexts(
  db: Database,
  text: string,
  filter: SessionFilter,
  signal?: AbortSignal,
): Promise<readonly SessionRow[]> {
  const limit = filter.limit ?? Number.MAX_SAFE_INTEGER;
  const search: Search = { db, filter, limit, signal, pattern: `%${text.toLowerCase().replace(/[\\%_]/g, '\\$&')}%` };
  const first = await among(search, filter.after, FIRST_PAGES);
  if (first.next === undefined) return byId(db, first.ids);
  const rest: Search = { ...search, filter: { ...filter, after: first.next }, limit: limit - first.ids.length };
  const texts = await matchingTexts(rest);
  const more = texts.length <= FEW ? await ofTexts(rest, texts) : (await among(rest, first.next)).ids;
  return byId(db, [...first.ids, ...more]);
}

interface Search {
  readonly db: Database;
  readonly filter: SessionFilter;
  readonly limit: number;
  /** For LIKE, in lower case. */
  readonly pattern: string;
  readonly signal: AbortSignal | undefined;
}

interface Place {
  readonly id: string;
  readonly openedAt: number;
}

/** Looks through sessions, the latest first. @returns `next` where there may be more */
async function among(
  { db, filter, limit, pattern, signal }: Search,
  from: Place | undefined,
  pages = Number.POSITIVE_INFINITY,
): Promise<{ ids: readonly string[]; next: Place | undefined }> {
  const ids: string[] = [];
  let after = from;
  for (let i = 0; i < pages; i++) {
    const page = await db
      .selectFrom('sessions')
      .select(['sessions.id', 'sessions.opened_at'])
      .where((eb) => matching(eb, after === undefined ? filter : { ...filter, after }))
      .orderBy('sessions.opened_at', 'desc')
      .orderBy('sessions.id')
      .limit(PAGE)
      .execute();
    const last = page.at(-1);
    if (last === undefined) return { ids, next: undefined };
    const hits = await saying(
      db,
      page.map(({ id }) => id),
      pattern,
    );
    for (const { id } of page) {
      if (hits.has(id)) ids.push(id);
      if (ids.length === limit) return { ids, next: undefined };
    }
    if (page.length < PAGE) return { ids, next: undefined };
    after = { id: last.id, openedAt: Number(last.opened_at) };
    await others(signal);
  }
  return { ids, next: after };
}

async function saying(db: Database, ids: readonly string[], pattern: string): Promise<ReadonlySet<string>> {
  const rows = await db
    .selectFrom('session_texts')
    .innerJoin('recorded_texts', 'recorded_texts.id', 'session_texts.text_id')
    .select('session_texts.session')
    .distinct()
    .where('session_texts.session', 'in', ids)
    .where(sql<boolean>`lower(recorded_texts.text) like ${pattern} escape '\\'`)
    .execute();
  return new Set(rows.map(({ session }) => session));
}

async function matchingTexts({ db, pattern, signal }: Search): Promise<readonly number[]> {
  const { last } = await db
    .selectFrom('recorded_texts')
    .select((eb) => eb.fn.max('id').as('last'))
    .executeTakeFirstOrThrow();
  const found: number[] = [];
  for (let from = 0; from <= (last ?? -1); from += SLICE) {
    const rows = await db
      .selectFrom('recorded_texts')
      .select('id')
      .where('id', '>=', from)
      .where('id', '<', from + SLICE)
      .where(sql<boolean>`lower(text) like ${pattern} escape '\\'`)
      .execute();
    for (const { id } of rows) found.push(id);
    // More than few need no counting.
    if (found.length > FEW) return found;
    await others(signal);
  }
  return found;
}

/** The latest sessions of each text, and of those the latest. */
async function ofTexts({ db, filter, limit, signal }: Search, texts: readonly number[]): Promise<readonly string[]> {
  let best: Place[] = [];
  for (const text of texts) {
    const oldest = best.length >= limit ? best.at(-1)?.openedAt : undefined;
    let query = db
      .selectFrom('session_texts')
      .innerJoin('sessions', 'sessions.id', 'session_texts.session')
      .select(['session_texts.session as id', 'session_texts.opened_at as openedAt'])
      .where('session_texts.text_id', '=', text)
      .where((eb) => matching(eb, filter))
      .orderBy('session_texts.opened_at', 'desc')
      .orderBy('session_texts.session');
    if (oldest !== undefined) query = query.where('session_texts.opened_at', '>=', oldest);
    if (filter.limit !== undefined) query = query.limit(limit);
    const more = (await query.execute()).map(({ id, openedAt }) => ({ id, openedAt: Number(openedAt) }));
    if (more.length > 0) best = latest([...best, ...more], limit);
    await others(signal);
  }
  return best.map(({ id }) => id);
}

function latest(places: readonly Place[], limit: number): Place[] {
  const distinct = [...new Map(places.map((place) => [place.id, place])).values()];
  return distinct.sort((a, b) => b.openedAt - a.openedAt || (a.id < b.id ? -1 : 1)).slice(0, limit);
}

async function byId(db: Database, ids: readonly string[]): Promise<readonly SessionRow[]> {
  const rows = new Map<string, SessionRow>();
  for (let at = 0; at < ids.length; at += PAGE) {
    const some = await db
      .selectFrom('sessions')
      .selectAll()
      .where('id', 'in', ids.slice(at, at + PAGE))
      .execute();
    for (const row of some) rows.set(row.id, sessionFromRow(row));
  }
  return ids.flatMap((id) => rows.get(id) ?? []);
}

/** Whoever waits meanwhile is served. */
async function others(signal: AbortSignal | undefined): Promise<void> {
  await new Promise(setImmediate);
  signal?.throwIfAborted();
}

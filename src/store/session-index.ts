/** Writes what sessions are searched by. Nothing here waits for the disk: it is made from recordings, which are safe by themselves. */
import { sql } from 'kysely';
import type { SessionIndexEntry } from '../domain/store.ts';
import type { Database } from './open.ts';

/** Rows of one statement: SQLite runs it in one go, and others wait. */
const AT_ONCE = 50;

/** @returns false where there is no such session */
export async function indexSession(db: Database, entry: SessionIndexEntry): Promise<boolean> {
  const { id, allowed, denied, partial, at } = entry;
  const row = await db.selectFrom('sessions').select('opened_at').where('id', '=', id).executeTakeFirst();
  if (!row) return false;
  const about = { opened_at: Number(row.opened_at), session: id };
  await db
    .updateTable('sessions')
    .set({ allowed, denied, partly_indexed: partial ? 1 : 0, indexed_at: at })
    .where('id', '=', id)
    .execute();
  const names = [...new Set(entry.tables.flatMap(namesOf))];
  for (const some of batches(names))
    await db
      .insertInto('session_tables')
      .values(some.map((name) => ({ name, ...about })))
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  for (const some of batches(entry.texts)) await addTexts(db, some);
  for (const some of batches(entry.texts))
    await db
      .insertInto('session_texts')
      .columns(['text_id', 'opened_at', 'session'])
      .expression(
        db
          .selectFrom('recorded_texts')
          .select([
            'id as text_id',
            sql<number>`cast(${about.opened_at} as bigint)`.as('opened_at'),
            sql<string>`cast(${id} as text)`.as('session'),
          ])
          .where(
            'digest',
            'in',
            some.map(({ digest }) => digest),
          ),
      )
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  return true;
}

// Most are known. In two steps: of the two the second alone would use up numbers, and look for the last one each time. Many at once: a client that puts
// its values into its texts has a new one for every statement, and each statement here would cost as much as one of its own.
async function addTexts(db: Database, texts: SessionIndexEntry['texts']): Promise<void> {
  const digests = texts.map(({ digest }) => digest);
  const rows = await db.selectFrom('recorded_texts').select('digest').where('digest', 'in', digests).execute();
  const known = new Set(rows.map(({ digest }) => digest));
  const fresh = texts.filter(({ digest }) => !known.has(digest));
  if (fresh.length === 0) return;
  await db
    .insertInto('recorded_texts')
    .values(
      fresh.map(({ digest, text }, i) => ({
        id: db.selectFrom('recorded_texts').select(sql<number>`coalesce(max(id), 0) + ${sql.lit(i + 1)}`.as('id')),
        digest,
        // PostgreSQL's text holds no NUL.
        text: text.replaceAll('\0', '\u{fffd}'),
      })),
    )
    .onConflict((conflict) => conflict.column('digest').doNothing())
    .execute();
}

export async function forgetTexts(db: Database, ids: readonly string[]): Promise<void> {
  for (const some of batches(ids)) {
    const gone = await db.deleteFrom('session_texts').where('session', 'in', some).returning('text_id').execute();
    // What somebody else said too stays.
    for (const texts of batches([...new Set(gone.map((row) => row.text_id))]))
      await db
        .deleteFrom('recorded_texts')
        .where('id', 'in', texts)
        .where('id', 'not in', db.selectFrom('session_texts').select('text_id').where('text_id', 'in', texts))
        .execute();
    await db.updateTable('sessions').set({ partly_indexed: 1 }).where('id', 'in', some).execute();
  }
}

/** @returns nothing for a session of which no table is known */
export async function tablesOf(db: Database, ids: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, string[]>();
  for (const some of batches(ids)) {
    const rows = await db
      .selectFrom('session_tables')
      .select(['session', 'name'])
      .where('session', 'in', some)
      .orderBy('session')
      .orderBy('name')
      .execute();
    for (const { session, name } of rows) {
      const names = found.get(session) ?? [];
      if (names.length === 0) found.set(session, names);
      names.push(name);
    }
  }
  for (const [session, names] of found) {
    const alsoFull = new Set(names.flatMap((name) => namesOf(name).slice(1)));
    found.set(
      session,
      names.filter((name) => !alsoFull.has(name)),
    );
  }
  return found;
}

/** `public.orders` is found as `orders` too. */
function namesOf(table: string): string[] {
  const name = table.toLowerCase();
  const bare = name.slice(name.lastIndexOf('.') + 1);
  return bare === name || bare === '' ? [name] : [name, bare];
}

function* batches<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += AT_ONCE) yield items.slice(at, at + AT_ONCE);
}

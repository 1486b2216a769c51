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
  for (const { digest, text } of entry.texts) await addText(db, digest, text);
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

// Most are known. In two steps: of the two the second alone would use up numbers, and look for the last one each time.
async function addText(db: Database, digest: string, text: string): Promise<void> {
  const known = await db.selectFrom('recorded_texts').select('id').where('digest', '=', digest).executeTakeFirst();
  if (known) return;
  const next = db.selectFrom('recorded_texts').select(sql<number>`coalesce(max(id), 0) + 1`.as('id'));
  await db
    .insertInto('recorded_texts')
    // PostgreSQL's text holds no NUL.
    .values({ id: next, digest, text: text.replaceAll('\0', '\u{fffd}') })
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

/** `public.orders` is found as `orders` too. */
function namesOf(table: string): string[] {
  const name = table.toLowerCase();
  const bare = name.slice(name.lastIndexOf('.') + 1);
  return bare === name || bare === '' ? [name] : [name, bare];
}

function* batches<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += AT_ONCE) yield items.slice(at, at + AT_ONCE);
}

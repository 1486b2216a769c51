/** People type the first characters of an id. Fewer than six, or characters that begin several ids, name nothing. */
import { type Selectable, sql } from 'kysely';
import type { Database } from './open.ts';
import type { Tables } from './schema.ts';

const SHORTEST_PREFIX = 6;

type WithId = 'runs' | 'sessions' | 'approvals' | 'revocations';

/** The row with this id, or the only one whose id starts so. */
export async function findById<T extends WithId>(
  db: Database,
  table: T,
  id: string,
): Promise<Selectable<Tables[T]> | undefined> {
  // The four tables share the column; kysely cannot type a query over a union of them.
  const from = db.selectFrom(table as 'runs').selectAll();
  const exact = await from.where('id', '=', id).executeTakeFirst();
  if (exact) return exact as Selectable<Tables[T]>;
  if (id.length < SHORTEST_PREFIX) return undefined;
  // Not LIKE: an id may hold `_` and `%`, and SQLite's LIKE takes upper for lower case.
  const rows = await from.where(sql`substr(id, 1, ${id.length})`, '=', id).limit(2).execute();
  return rows.length === 1 ? (rows[0] as Selectable<Tables[T]>) : undefined;
}

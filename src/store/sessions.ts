/** Sessions as lists show them, and what lists are searched by. What was said in one is in its recording; the index holds enough of it to find it. */
import type { SessionFilter, SessionRow, SessionStore } from '../domain/store.ts';
import { findById } from './find.ts';
import type { Database } from './open.ts';
import { sessionChange, sessionFromRow, sessionToRow } from './rows.ts';
import { matching } from './session-filter.ts';
import { forgetTexts, indexSession, tablesOf } from './session-index.ts';
import { searchTexts } from './session-search.ts';

/** More than there can be. */
const ALL = 2 ** 31 - 1;

export function sessionStore(db: Database): SessionStore {
  return {
    async insert(session) {
      await db.insertInto('sessions').values(sessionToRow(session)).execute();
    },
    async update(id, change) {
      const columns = sessionChange(change);
      if (Object.keys(columns).length === 0) return;
      await db.updateTable('sessions').set(columns).where('id', '=', id).execute();
    },
    async find(id) {
      const row = await findById(db, 'sessions', id);
      return row && sessionFromRow(row);
    },
    list: (filter) => listSessions(db, filter),
    tables: (ids) => tablesOf(db, ids),
    index: (entry) => indexSession(db, entry),
    search: (text, filter, signal) => searchTexts(db, text, filter, signal),
    forgetTexts: (ids) => forgetTexts(db, ids),
  };
}

async function listSessions(db: Database, filter: SessionFilter): Promise<readonly SessionRow[]> {
  const { table, limit = ALL } = filter;
  const rows =
    table === undefined
      ? await db
          .selectFrom('sessions')
          .selectAll()
          .where((eb) => matching(eb, filter))
          .orderBy('sessions.opened_at', 'desc')
          .orderBy('sessions.id')
          .limit(limit)
          .execute()
      : // From the table's side, whose index is in the list's order: a table that nobody touched is found out at once.
        await db
          .selectFrom('session_tables')
          .innerJoin('sessions', 'sessions.id', 'session_tables.session')
          .selectAll('sessions')
          .where('session_tables.name', '=', table.toLowerCase())
          .where((eb) => matching(eb, filter))
          .orderBy('session_tables.opened_at', 'desc')
          .orderBy('session_tables.session')
          .limit(limit)
          .execute();
  return rows.map(sessionFromRow);
}

/** Sessions as lists show them. What was said in one is in its recording, not here. */
import type { SessionStore } from '../domain/store.ts';
import { findById } from './find.ts';
import type { Database } from './open.ts';
import { sessionChange, sessionFromRow, sessionToRow } from './rows.ts';

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
    async list({ principalKey, run, target, agent, live, wouldBe, limit, before }) {
      let query = db.selectFrom('sessions').selectAll().orderBy('opened_at', 'desc').orderBy('id');
      if (principalKey !== undefined) query = query.where('principal_key', '=', principalKey);
      if (run !== undefined) query = query.where('run', '=', run);
      if (target !== undefined) query = query.where('target', '=', target);
      if (agent !== undefined) query = query.where('agent_name', '=', agent);
      if (live !== undefined) query = query.where('closed_at', live ? 'is' : 'is not', null);
      if (wouldBe !== undefined) query = query.where('would_be', wouldBe ? '>' : '=', 0);
      if (before !== undefined) query = query.where('opened_at', '<', before);
      if (limit !== undefined) query = query.limit(limit);
      return (await query.execute()).map(sessionFromRow);
    },
  };
}

/** Runs, kept for as long as their evidence is. */
import type { RunStore } from '../domain/store.ts';
import { findById } from './find.ts';
import type { Database } from './open.ts';
import { runChange, runFromRow, runToRow } from './rows.ts';

export function runStore(db: Database): RunStore {
  return {
    async insert(run) {
      await db.insertInto('runs').values(runToRow(run)).execute();
    },
    async byTokenDigest(digest) {
      const row = await db.selectFrom('runs').selectAll().where('token_digest', '=', digest).executeTakeFirst();
      return row && runFromRow(row);
    },
    async find(id) {
      const row = await findById(db, 'runs', id);
      return row && runFromRow(row);
    },
    async list({ principalKey, agent, states, limit }) {
      let query = db.selectFrom('runs').selectAll().orderBy('started_at', 'desc').orderBy('id');
      if (principalKey !== undefined) query = query.where('principal_key', '=', principalKey);
      if (agent !== undefined) query = query.where('agent_name', '=', agent);
      if (states !== undefined) query = query.where('state', 'in', [...states]);
      if (limit !== undefined) query = query.limit(limit);
      return (await query.execute()).map(runFromRow);
    },
    async update(id, change) {
      const columns = runChange(change);
      if (Object.keys(columns).length === 0) return;
      await db.updateTable('runs').set(columns).where('id', '=', id).execute();
    },
    async spent(entries) {
      await db.transaction().execute(async (tx) => {
        for (const { id, spent } of entries)
          await tx
            .updateTable('runs')
            .set({ spent: JSON.stringify(spent) })
            .where('id', '=', id)
            .execute();
      });
    },
  };
}

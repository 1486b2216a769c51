/** Revocations and the epoch that says how many there have been. The epoch and the row that moved it change together or not at all. */
import type { RevocationStore } from '../domain/store.ts';
import type { Database } from './open.ts';
import { revocationFromRow, revocationToRow } from './rows.ts';

export function revocationStore(db: Database): RevocationStore {
  return {
    epoch: () => readEpoch(db),
    add(row) {
      return db.transaction().execute(async (tx) => {
        const added = { ...row, epoch: await nextEpoch(tx) };
        await tx.insertInto('revocations').values(revocationToRow(added)).execute();
        return added;
      });
    },
    lift(id, lifted) {
      return db.transaction().execute(async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable('revocations')
          .set({ lifted: JSON.stringify(lifted) })
          .where('id', '=', id)
          .where('lifted', 'is', null)
          .executeTakeFirstOrThrow();
        if (numUpdatedRows !== 1n) return false;
        await nextEpoch(tx);
        return true;
      });
    },
    async list() {
      const rows = await db.selectFrom('revocations').selectAll().orderBy('epoch').execute();
      return rows.map(revocationFromRow);
    },
  };
}

async function readEpoch(db: Database): Promise<number> {
  const query = db.selectFrom('counters').select('value').where('name', '=', 'epoch');
  return Number((await query.executeTakeFirstOrThrow()).value);
}

// An UPDATE takes the row's lock in PostgreSQL too, so two gateways cannot draw the same number.
async function nextEpoch(db: Database): Promise<number> {
  const { value } = await db
    .updateTable('counters')
    .set((eb) => ({ value: eb('value', '+', 1) }))
    .where('name', '=', 'epoch')
    .returning('value')
    .executeTakeFirstOrThrow();
  return Number(value);
}

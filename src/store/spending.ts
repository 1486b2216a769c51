/** What agents and subjects have taken of budgets that count over all their runs. */
import type { SpendingStore, SpentSlot } from '../domain/store.ts';
import type { Database } from './open.ts';

export function spendingStore(db: Database): SpendingStore {
  return {
    async list() {
      const rows = await db.selectFrom('spending').selectAll().orderBy('key').execute();
      return rows.map(({ key, slots }) => ({ key, slots: JSON.parse(slots) as SpentSlot[] }));
    },
    async save(rows) {
      await db.transaction().execute(async (tx) => {
        for (const { key, slots } of rows) {
          if (slots.length === 0) {
            await tx.deleteFrom('spending').where('key', '=', key).execute();
            continue;
          }
          const text = JSON.stringify(slots);
          await tx
            .insertInto('spending')
            .values({ key, slots: text })
            .onConflict((conflict) => conflict.column('key').doUpdateSet({ slots: text }))
            .execute();
        }
      });
    },
  };
}

/** Passwords that the gateway gives to accounts itself, sealed before they get here. */
import type { CredentialRow, CredentialStore } from '../domain/store.ts';
import type { Database } from './open.ts';
import type { CredentialsTable } from './schema.ts';

export function credentialStore(db: Database): CredentialStore {
  return {
    async find(key) {
      const row = await db.selectFrom('credentials').selectAll().where('key', '=', key).executeTakeFirst();
      return row && fromRow(row);
    },
    async save(row) {
      const columns = toRow(row);
      if (row.version === 0) {
        const made = await db
          .insertInto('credentials')
          .values(columns)
          .onConflict((conflict) => conflict.column('key').doNothing())
          .executeTakeFirst();
        return Number(made.numInsertedOrUpdatedRows ?? 0) > 0;
      }
      const written = await db
        .updateTable('credentials')
        .set(columns)
        .where('key', '=', row.key)
        .where('version', '=', row.version)
        .executeTakeFirst();
      return Number(written.numUpdatedRows) > 0;
    },
  };
}

function toRow({ key, current, pending, changedAt, claim, version }: CredentialRow): CredentialsTable {
  return {
    key,
    current: current ?? null,
    pending: pending ?? null,
    changed_at: changedAt ?? null,
    claimed_by: claim?.by ?? null,
    claimed_until: claim?.until ?? null,
    version: version + 1,
  };
}

function fromRow(row: CredentialsTable): CredentialRow {
  return {
    key: row.key,
    ...(row.current === null ? {} : { current: row.current }),
    ...(row.pending === null ? {} : { pending: row.pending }),
    ...(row.changed_at === null ? {} : { changedAt: Number(row.changed_at) }),
    ...(row.claimed_by === null || row.claimed_until === null
      ? {}
      : { claim: { by: row.claimed_by, until: Number(row.claimed_until) } }),
    version: Number(row.version),
  };
}

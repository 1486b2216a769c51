/** Opens the store's database and brings its schema up to date. Forward only: a newer schema than this version knows is refused. */
import type { Clock } from '../base/clock.ts';
import { Kysely } from 'kysely';
import { fail } from './errors.ts';
import { MIGRATIONS, type Tables } from './schema.ts';
import { sqliteDialect } from './sqlite.ts';

export type Database = Kysely<Tables>;

/** @param url `sqlite:<path>`, as in gateway.yaml; a relative path is the caller's to resolve */
export async function openDatabase(url: string, clock: Clock, migrations = MIGRATIONS): Promise<Database> {
  const db = new Kysely<Tables>({ dialect: sqliteDialect(fileOf(url)) });
  try {
    await migrate(db, clock, migrations);
  } catch (error) {
    await db.destroy();
    throw explain(error, url);
  }
  return db;
}

function fileOf(url: string): string {
  if (url.startsWith('sqlite:') && url.length > 'sqlite:'.length) return url.slice('sqlite:'.length);
  const scheme = /^[a-z0-9+]+(?=:)/i.exec(url)?.[0] ?? url;
  throw fail('STORE_UNSUPPORTED', `this version keeps its store in SQLite only, not in "${scheme}"`);
}

/**
 * Exported for the test that runs the same schema on PostgreSQL. One transaction for all of it: another process that opens the same file meanwhile
 * waits and then finds the work done.
 */
export async function migrate(db: Database, clock: Clock, migrations = MIGRATIONS): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await tx.schema
      .createTable('migrations')
      .ifNotExists()
      .addColumn('version', 'integer', (c) => c.primaryKey())
      .addColumn('at', 'bigint', (c) => c.notNull())
      .execute();
    const done = await tx.selectFrom('migrations').select('version').execute();
    const newest = Math.max(0, ...done.map((row) => Number(row.version)));
    const known = migrations.at(-1)?.version ?? 0;
    if (newest > known) {
      throw fail('STORE_NEWER', `the store has schema ${newest}; this version of hoopctl knows up to ${known}`);
    }
    for (const migration of migrations) {
      if (migration.version <= newest) continue;
      await migration.up(tx);
      await tx.insertInto('migrations').values({ version: migration.version, at: clock.now() }).execute();
    }
  });
}

function explain(error: unknown, url: string): unknown {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'ERR_SQLITE_ERROR') return error;
  return fail('STORE_UNREADABLE', `${url} cannot be opened: ${error.message}`, { cause: error });
}

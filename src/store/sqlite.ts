/**
 * Kysely over Node's own SQLite: one file, one connection, transactions that take the write lock at their start.
 *
 * Kysely's SqliteDialect is written for better-sqlite3, whose statements know whether they return rows and take their parameters as an array.
 */
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';

/** @param file a path, or `:memory:` */
export function sqliteDialect(file: string): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => driver(file),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

function driver(file: string): Driver {
  let open: { db: DatabaseSync; connection: DatabaseConnection } | undefined;
  const run = (connection: DatabaseConnection, sql: string) => connection.executeQuery(CompiledQuery.raw(sql));
  return {
    init() {
      const db = openFile(file);
      open = { db, connection: connectionOf(db) };
      return Promise.resolve();
    },
    acquireConnection() {
      if (!open) return Promise.reject(new Error('the store is closed'));
      return Promise.resolve(open.connection);
    },
    // A transaction that reads first and writes later fails at once when another process wrote in between (SQLITE_BUSY_SNAPSHOT, which no
    // timeout waits for), so every one takes the write lock before it reads.
    async beginTransaction(connection) {
      await run(connection, 'begin immediate');
    },
    async commitTransaction(connection) {
      await run(connection, 'commit');
    },
    async rollbackTransaction(connection) {
      await run(connection, 'rollback');
    },
    releaseConnection: () => Promise.resolve(),
    destroy() {
      open?.db.close();
      open = undefined;
      return Promise.resolve();
    },
  };
}

function openFile(file: string): DatabaseSync {
  if (file !== ':memory:') makePrivate(file);
  const db = new DatabaseSync(file, { timeout: BUSY_TIMEOUT, enableForeignKeyConstraints: true });
  // FULL: what was answered as done must be there after the machine's crash, not only after ours. secure_delete: struck text is overwritten,
  // not left in free pages (SQLite, "PRAGMA statements").
  db.exec(
    'pragma journal_mode = wal; pragma synchronous = full; pragma secure_delete = on; pragma trusted_schema = off',
  );
  return db;
}

/** How long a statement waits for another process's write, ms. It blocks this one meanwhile, so it is short. */
const BUSY_TIMEOUT = 2_000;

// The -wal and -shm files get the permissions of the file itself (SQLite, os_unix.c, findCreateFileMode).
function makePrivate(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
}

function connectionOf(db: DatabaseSync): DatabaseConnection {
  const prepared = new Map<string, StatementSync>();

  function prepare(sql: string): StatementSync {
    const known = prepared.get(sql);
    if (known) return known;
    if (prepared.size >= MOST_PREPARED) prepared.clear();
    const statement = db.prepare(sql);
    prepared.set(sql, statement);
    return statement;
  }

  function unhurried<T>(write: () => T): T {
    db.exec('pragma synchronous = normal');
    try {
      return write();
    } finally {
      db.exec('pragma synchronous = full');
    }
  }

  return {
    executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
      try {
        const statement = prepare(sql);
        const values = parameters.map(toSqlite);
        if (statement.columns().length > 0) return Promise.resolve({ rows: statement.all(...values) as R[] });
        const { changes } =
          INDEX.test(sql) && !db.isTransaction ? unhurried(() => statement.run(...values)) : statement.run(...values);
        return Promise.resolve({ rows: [], numAffectedRows: BigInt(changes) });
      } catch (error) {
        return Promise.reject(error);
      }
    },
    // biome-ignore lint/correctness/useYield: a generator by its signature alone
    async *streamQuery(): AsyncGenerator<never> {
      throw new Error('streaming from the store is not used');
    },
  };
}

/**
 * A session's row is an index of its recording, which is made safe by itself: what a crash of the machine takes of the row is in there. Waiting for
 * the disk here, with everything else waiting too, was most of what a new connection cost. A crash of the gateway takes nothing. What sessions are
 * searched by is made from the recordings too, and made again from them (`sessions reindex`).
 */
const INDEX = /^(?:insert into|update|delete from) "(?:sessions|session_tables|session_texts|recorded_texts)" /;

/** Our statements are few; the bound only guards against one that grows with its values. */
const MOST_PREPARED = 200;

function toSqlite(value: unknown): SQLInputValue {
  if (typeof value === 'boolean') return value ? 1 : 0;
  return (value ?? null) as SQLInputValue;
}

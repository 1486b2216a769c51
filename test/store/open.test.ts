/** The schema moves forward, whole, and only where it is understood. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';
import { HoopError } from '../../src/base/error.ts';
import { createStore } from '../../src/store/index.ts';
import { openDatabase } from '../../src/store/open.ts';
import { MIGRATIONS, type Migration, type Tables } from '../../src/store/schema.ts';
import { FakeClock } from '../fakes/clock.ts';

const clock = new FakeClock();
const NOW = MIGRATIONS.length;
const LATER: Migration = {
  version: NOW + 1,
  up: (db) => db.schema.alterTable('people').addColumn('nickname', 'text').execute(),
};

test('an older file becomes what this version wants, once', async () => {
  await using folder = temporary();
  await (await openDatabase(folder.url, clock)).destroy();
  await (await openDatabase(folder.url, clock, [...MIGRATIONS, LATER])).destroy();
  const db = await openDatabase(folder.url, clock, [...MIGRATIONS, LATER]);
  const versions = await db.selectFrom('migrations').select('version').orderBy('version').execute();
  assert.deepEqual(
    versions.map((row) => row.version),
    [...MIGRATIONS.map(({ version }) => version), LATER.version],
  );
  await db.destroy();
});

test('a file that a newer version wrote is refused and left alone', async () => {
  await using folder = temporary();
  await (await openDatabase(folder.url, clock, [...MIGRATIONS, LATER])).destroy();
  await assert.rejects(
    createStore({ url: folder.url, clock }),
    hoopError('STORE_NEWER', new RegExp(`schema ${NOW + 1}.*up to ${NOW}`)),
  );
});

test('a migration that fails leaves the file as it was', async () => {
  await using folder = temporary();
  const broken: Migration = {
    version: NOW + 1,
    async up(db) {
      await LATER.up(db);
      throw new Error('half way');
    },
  };
  await assert.rejects(openDatabase(folder.url, clock, [...MIGRATIONS, broken]), /half way/);
  await (await openDatabase(folder.url, clock, [...MIGRATIONS, LATER])).destroy();
});

test('versions grow by one', () => {
  assert.deepEqual(
    MIGRATIONS.map((migration) => migration.version),
    MIGRATIONS.map((_, i) => i + 1),
  );
});

test('a file that is no database is named, with what to do', async () => {
  await using folder = temporary();
  writeFileSync(join(folder.path, 'hoop.db'), 'this is not a database, however long it may be'.repeat(100));
  await assert.rejects(createStore({ url: folder.url, clock }), hoopError('STORE_UNREADABLE', /hoop\.db/));
});

for (const url of ['postgres://db.internal/hoop', 'postgresql://x', 'sqlite:', 'mysql://x', '', './data/hoop.db']) {
  test(`a store this version does not keep is refused: "${url}"`, async () => {
    await assert.rejects(createStore({ url, clock }), hoopError('STORE_UNSUPPORTED', /SQLite/));
  });
}

test('a password in the address of a store is not repeated', async () => {
  await assert.rejects(createStore({ url: 'postgres://hoop:canary@db/hoop', clock }), (error: HoopError) => {
    assert.ok(!error.message.includes('canary'));
    return true;
  });
});

test('every column has a type that PostgreSQL knows as well', async () => {
  const statements: string[] = [];
  const db = new Kysely<Tables>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (it) => new PostgresIntrospector(it),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
    log: (event) => void statements.push(event.query.sql),
  });
  for (const migration of MIGRATIONS) await migration.up(db);
  await db.destroy();
  const tables = statements.filter((sql) => sql.startsWith('create table'));
  const types = tables.flatMap((sql) =>
    sql
      .slice(sql.indexOf('(') + 1)
      .split(', ')
      .map(typeOf),
  );
  assert.deepEqual([...new Set(types)].sort(), ['bigint', 'double precision', 'integer', 'text']);
});

function typeOf(column: string): string {
  return column.replace(/^"\w+" /, '').replace(/ (not null|primary key|unique|references).*|\)$/, '');
}

function hoopError(code: string, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof HoopError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.ok(error.hint);
    return true;
  };
}

function temporary() {
  const path = mkdtempSync(join(tmpdir(), 'hoopctl-store-'));
  return {
    path,
    url: `sqlite:${path}/hoop.db`,
    [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true, force: true }),
  };
}

/** Knex, Drizzle and Prisma reading a schema, each as its own command does it. */
import assert from 'node:assert/strict';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import knex from 'knex';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import { type ClientUnderTest, type Place, tryAll } from './client.ts';
import { environment, run } from './external.ts';
import { versionOf } from './node-postgres.ts';

const MODULES = join(import.meta.dirname, '..', '..', '..', 'node_modules');

const urlOf = ({ run: { connection } }: Place) =>
  `postgres://${connection.user}:${connection.password}@${connection.host}:${connection.port}/${connection.database}`;

export const knexClient: ClientUnderTest = {
  name: 'Knex',
  tier: 'test',
  version: async () => versionOf('knex'),
  async try(place) {
    const db = knex({ client: 'pg', connection: place.run.connection, pool: { min: 0, max: 3 } });
    try {
      return await tryAll({
        introspection: async () => {
          assert.equal(await db.schema.hasTable('people'), true);
          assert.equal(await db.schema.hasColumn('people', 'ssn'), true);
          assert.equal(((await db('people').columnInfo()) as Record<string, { type: string }>)['id']?.type, 'integer');
        },
        'builder and batch insert': async () => {
          await db.batchInsert(
            'numbered',
            Array.from({ length: 2000 }, (_, n) => ({ n, word: 'w' })),
            1000,
          );
          assert.equal((await db('numbered').where('n', '<', 10).update({ word: 'x' }).returning('n')).length, 10);
          assert.equal(await db('numbered').del(), 2000);
        },
        transactions: () =>
          db.transaction(async (tx) => {
            await tx('numbered').insert({ n: 1, word: 'a' }).onConflict('n').ignore();
            await tx.transaction((inner) => inner('numbered').where({ n: 1 }).del());
          }),
        ...(place.kind === 'open'
          ? {
              migrations: async () => {
                const migrations = [
                  {
                    name: 'one',
                    up: (one: knex.Knex) =>
                      one.schema.createTable('made', (table) => void table.increments('id').primary()),
                    down: (one: knex.Knex) => one.schema.dropTable('made'),
                  },
                ];
                const migrationSource = {
                  getMigrations: async () => migrations,
                  getMigrationName: (one: { name: string }) => one.name,
                  getMigration: async (one: (typeof migrations)[number]) => one,
                };
                await db.migrate.latest({ migrationSource });
                await db.migrate.rollback({ migrationSource });
                await db.schema.dropTable('knex_migrations').dropTable('knex_migrations_lock');
              },
            }
          : {
              'masked values': async () =>
                assert.deepEqual(await db('people').where({ id: 1 }).select('ssn', 'card'), [
                  { ssn: '***', card: '***' },
                ]),
            }),
      });
    } finally {
      await db.destroy();
    }
  },
};

export const drizzleKit: ClientUnderTest = {
  name: 'Drizzle (drizzle-kit)',
  tier: 'clients',
  version: async () => versionOf('drizzle-kit'),
  try: (place) =>
    tryAll({
      introspection: async () => {
        const config = join(place.folder, 'drizzle.config.json');
        await writeFile(
          config,
          JSON.stringify({ dialect: 'postgresql', out: place.folder, dbCredentials: { url: urlOf(place) } }),
        );
        const ran = await run(
          [process.execPath, join(MODULES, 'drizzle-kit', 'bin.cjs'), 'introspect', `--config=${config}`],
          { ...environment(place), PATH: process.env.PATH ?? '' },
          { cwd: place.folder },
        );
        const schema = await readFile(join(place.folder, 'schema.ts'), 'utf8').catch(() => '');
        assert.match(
          schema,
          /pgTable\("people"/,
          ran.stdout.slice(-1500) + ran.stderr.slice(-500) + (await readdir(place.folder)).join(),
        );
      },
    }),
};

export const prismaEngine: ClientUnderTest = {
  name: 'Prisma (schema engine)',
  tier: 'test',
  version: async () => versionOf('@prisma/schema-engine-wasm').slice(0, 12),
  async try(place) {
    return tryAll({ introspection: () => prismaIntrospects(place) });
  },
};

async function prismaIntrospects(place: Place): Promise<void> {
  const { SchemaEngine } = await prismaModule();
  const schema = 'datasource db {\n  provider = "postgresql"\n}\n';
  const adapter = new PrismaPg({ connectionString: urlOf(place) });
  const connect = adapter.connect.bind(adapter);
  // The engine reads the catalog's one-byte columns as text; the adapter of an earlier release calls them characters.
  adapter.connect = async () => {
    const connection = await connect();
    const ask = connection.queryRaw.bind(connection);
    connection.queryRaw = async (query) => {
      const answer = await ask(query);
      return {
        ...answer,
        columnTypes: answer.columnTypes.map((type) => (type === ColumnTypeEnum.Character ? ColumnTypeEnum.Text : type)),
      };
    };
    return connection;
  };
  const engine = await SchemaEngine.new(
    { datamodels: [['schema.prisma', schema]] },
    () => {},
    bindMigrationAwareSqlAdapterFactory(adapter),
  );
  const read = await engine.introspect({
    schema: { files: [{ path: 'schema.prisma', content: schema }] },
    baseDirectoryPath: place.folder,
    force: true,
    compositeTypeDepth: 0,
    namespaces: null,
  });
  const text = read.schema.files.map(({ content }) => content).join('\n');
  assert.match(text, /model people/);
  assert.match(text, /ssn\s+String\?/);
}

interface Engine {
  introspect(params: unknown): Promise<{ schema: { files: readonly { content: string }[] } }>;
}

/** The little of it that is used; the types of Node leave it to those of a browser. */
interface Wasm {
  compile(bytes: Buffer): Promise<object>;
  instantiate(compiled: object, imports: object): Promise<{ exports: Record<string, unknown> }>;
}

/** The module as a bundler would put it together: Node imports no WebAssembly by itself. */
async function prismaModule(): Promise<{ SchemaEngine: { new: (...args: unknown[]) => Promise<Engine> } }> {
  const home = join(MODULES, '@prisma', 'schema-engine-wasm');
  const glue = (await import(join(home, 'schema_engine_bg.js'))) as Record<string, unknown> & {
    __wbg_set_wasm(exports: unknown): void;
  };
  const { WebAssembly: wasm } = globalThis as unknown as { WebAssembly: Wasm };
  const compiled = await wasm.compile(await readFile(join(home, 'schema_engine_bg.wasm')));
  const instance = await wasm.instantiate(compiled, { './schema_engine_bg.js': glue });
  glue.__wbg_set_wasm(instance.exports);
  (instance.exports['__wbindgen_start'] as () => void)();
  return glue as never;
}

/** Knex and Drizzle reading a schema, each as its own command does it; and what Prisma sends its statements through. */
import assert from 'node:assert/strict';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import knex from 'knex';
import { PrismaPg } from '@prisma/adapter-pg';
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

export const prismaAdapter: ClientUnderTest = {
  name: 'Prisma (adapter-pg)',
  tier: 'test',
  version: async () => versionOf('@prisma/adapter-pg'),
  async try(place) {
    const adapter = await new PrismaPg({ connectionString: urlOf(place) }).connect();
    const asked = (sql: string, args: unknown[] = []) =>
      adapter.queryRaw({ sql, args, argTypes: args.map(() => ({ scalarType: 'int', arity: 'scalar' })) });
    try {
      return await tryAll({
        values: async () => assert.deepEqual((await asked('SELECT $1::int4 + 1 AS n', [41])).rows, [[42]]),
        scripts: () => adapter.executeScript('SELECT 1; SELECT 2'),
        transactions: async () => {
          const transaction = await adapter.startTransaction('SERIALIZABLE');
          await transaction.executeRaw({ sql: "INSERT INTO numbered VALUES (1, 'a')", args: [], argTypes: [] });
          await transaction.rollback();
        },
        ...(place.kind === 'masked'
          ? {
              'masked values': async () =>
                assert.deepEqual((await asked('SELECT ssn, card FROM people WHERE id = $1', [1])).rows, [
                  ['***', '***'],
                ]),
            }
          : {}),
      });
    } finally {
      await adapter.dispose();
    }
  },
};

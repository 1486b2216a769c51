/** node-postgres, with its cursors, streams, pool, and queries sent without waiting. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import pg from 'pg';
// @ts-expect-error: it brings no types, and needs few
import Cursor from 'pg-cursor';
import QueryStream from 'pg-query-stream';
import { cancel, refused } from '../clients.ts';
import { type ClientUnderTest, type Place, tryAll } from './client.ts';
import { ENDLESS, again, idList } from './sayings.ts';

export const nodePostgres: ClientUnderTest = {
  name: 'node-postgres',
  tier: 'test',
  version: async () => versionOf('pg'),
  async try(place) {
    const client = new pg.Client(place.run.connection);
    // The run ends before the client when a check fails.
    client.on('error', () => {});
    await client.connect();
    const one = async (text: string, values: unknown[] = []) =>
      (await client.query(text, values)).rows[0] as Record<string, unknown>;
    try {
      return await tryAll({
        values: async () => {
          const given = [7, 'é日本', '12.50', [1, 2], true, Buffer.from([0, 255]), null, { a: 1 }];
          const got = await one(
            'SELECT $1::int a, $2::text b, $3::numeric c, $4::int[] d, $5::bool e, $6::bytea f, $7::text g, $8::jsonb h',
            given,
          );
          assert.deepEqual(Object.values(got), given);
        },
        'prepared statements': async () => {
          for (const id of [1, 2, 3])
            assert.equal(
              (await client.query({ name: 'by-id', text: 'SELECT name FROM people WHERE id = $1', values: [id] }))
                .rows[0].name,
              `name ${id}`,
            );
        },
        transactions: async () => {
          await client.query('BEGIN');
          await client.query("INSERT INTO numbered VALUES (1, 'a')");
          await client.query('SAVEPOINT s');
          assert.equal((await refused(client.query("INSERT INTO numbered VALUES (1, 'b')"))).code, '23505');
          await client.query('ROLLBACK TO s');
          await client.query('ROLLBACK');
        },
        pipelining: async () => {
          const sent = Array.from({ length: 200 }, (_, i) => client.query('SELECT $1::int + 1 AS n', [i]));
          assert.deepEqual(
            (await Promise.all(sent)).map(({ rows }) => rows[0].n),
            Array.from({ length: 200 }, (_, i) => i + 1),
          );
        },
        cursors: async () => {
          const cursor = client.query(new Cursor('SELECT id FROM purchases ORDER BY id'));
          assert.equal((await cursor.read(3)).length, 3);
          assert.equal((await cursor.read(500)).length, 197);
          await cursor.close();
        },
        streams: async () => {
          let count = 0;
          for await (const _ of client.query(
            new QueryStream('SELECT generate_series(1, 5000)', [], { batchSize: 100 }),
          ))
            count++;
          assert.equal(count, 5000);
        },
        'binary results': async () => {
          const { rows } = await client.query({
            text: 'SELECT id, name FROM people WHERE id = 1',
            binary: true,
            queryMode: 'extended',
          } as pg.QueryConfig);
          assert.deepEqual(rows, [{ id: 1, name: 'name 1' }]);
        },
        errors: async () => {
          assert.equal((await refused(client.query('SELECT 1/0'))).code, '22012');
          assert.equal((await refused(client.query('SELECT * FROM nosuch'))).code, '42P01');
          assert.equal((await one('SELECT 1 AS n'))['n'], 1);
        },
        '20,000 values': async () => {
          const { text, values } = idList(20_000);
          assert.equal((await one(text, values))['n'], 20_000);
        },
        'cancel running': () => again(client.query(ENDLESS), () => cancel(place.run, client)),
        'cancel held': () => again(client.query('DELETE FROM held'), () => cancel(place.run, client)),
        pool: async () => {
          const pool = new pg.Pool({ ...place.run.connection, max: 5 });
          const got = await Promise.all(Array.from({ length: 50 }, (_, i) => pool.query('SELECT $1::int AS n', [i])));
          assert.deepEqual(
            got.map(({ rows }) => rows[0].n),
            Array.from({ length: 50 }, (_, i) => i),
          );
          await pool.end();
        },
        ...(place.kind === 'open' ? openOnly(place, client) : { 'masked values': () => hidden(client) }),
      });
    } finally {
      await client.end();
    }
  },
};

function openOnly(place: Place, client: pg.Client): Record<string, () => Promise<unknown>> {
  return {
    'DDL and functions': async () => {
      await client.query("CREATE TABLE made (id serial PRIMARY KEY, h text); INSERT INTO made (h) VALUES ('x')");
      assert.equal((await client.query('SELECT twice($1) AS n', [4])).rows[0].n, 8);
      await client.query('DROP TABLE made');
    },
    LISTEN: async () => {
      const listener = new pg.Client(place.run.connection);
      await listener.connect();
      const heard = new Promise<string | undefined>((resolve) =>
        listener.once('notification', ({ payload }) => resolve(payload)),
      );
      await listener.query('LISTEN news');
      await client.query("SELECT pg_notify('news', $1)", ['hello']);
      assert.equal(await heard, 'hello');
      await listener.end();
    },
  };
}

async function hidden(client: pg.Client): Promise<void> {
  const text = 'SELECT ssn, card, upper(ssn) AS s FROM people WHERE id = $1';
  const wanted = [{ ssn: '***', card: '***', s: '***' }];
  assert.deepEqual((await client.query(text, [1])).rows, wanted);
  assert.deepEqual((await client.query({ text, values: [1], binary: true } as pg.QueryConfig)).rows, wanted);
  const cursor = client.query(new Cursor('SELECT ssn FROM people'));
  assert.deepEqual(await cursor.read(2), [{ ssn: '***' }, { ssn: '***' }]);
  await cursor.close();
}

export function versionOf(name: string): string {
  const here = createRequire(import.meta.url);
  return (here(`../../../node_modules/${name}/package.json`) as { version: string }).version;
}

/** postgres.js: pipelines by itself, describes what it prepares, and looks array types up in the catalog when it connects. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import postgres from 'postgres';
import { refused } from '../clients.ts';
import { type ClientUnderTest, type Place, tryAll } from './client.ts';
import { versionOf } from './node-postgres.ts';
import { again, ENDLESS, idList } from './sayings.ts';

export const postgresJs: ClientUnderTest = {
  name: 'postgres.js',
  tier: 'test',
  version: async () => versionOf('postgres'),
  async try(place) {
    const { user, ...rest } = place.run.connection;
    const sql = postgres({ ...rest, username: user, max: 4, onnotice: () => {} });
    try {
      return await tryAll({
        values: async () => {
          const given = [7, 'é日本', '12.50', [1, 2], true, Buffer.from([0, 255]), null];
          const [row] = await sql.unsafe(
            'SELECT $1::int a, $2::text b, $3::numeric c, $4::int[] d, $5::bool e, $6::bytea f, $7::text g',
            given as never[],
          );
          assert.deepEqual(Object.values(row as object), given);
          const [json] = await sql`SELECT ${sql.json({ a: 1 })}::jsonb AS j`;
          assert.deepEqual(json?.['j'], { a: 1 });
        },
        'array types lookup': async () => {
          const [row] = await sql`SELECT tags FROM purchases LIMIT 1`;
          assert.deepEqual(row?.['tags'], []);
        },
        transactions: () =>
          sql.begin(async (tx) => {
            await tx`INSERT INTO numbered ${tx([
              { n: 1, word: 'a' },
              { n: 2, word: 'b' },
            ])}`;
            await tx.savepoint((sp) => sp`INSERT INTO numbered VALUES (1, 'c')`).catch(() => {});
            assert.equal((await tx`DELETE FROM numbered`).count, 2);
          }),
        pipelining: async () => {
          const got = await Promise.all(Array.from({ length: 200 }, (_, i) => sql`SELECT ${i}::int + 1 AS n`));
          assert.deepEqual(
            got.map(([row]) => row?.['n']),
            Array.from({ length: 200 }, (_, i) => i + 1),
          );
        },
        cursors: async () => {
          let count = 0;
          for await (const rows of sql`SELECT id FROM purchases`.cursor(30)) count += rows.length;
          assert.equal(count, 200);
        },
        'COPY in and out': async () => {
          await pipeline(Readable.from(['1\tone\n2\ttwo\n']), await sql`COPY numbered FROM STDIN`.writable());
          let text = '';
          for await (const chunk of await sql`COPY (SELECT n, word FROM numbered ORDER BY n) TO STDOUT`.readable())
            text += chunk;
          assert.equal(text, '1\tone\n2\ttwo\n');
          await sql`DELETE FROM numbered`;
        },
        errors: async () => {
          assert.equal((await refused(sql`SELECT 1/0`)).code, '22012');
          assert.equal((await sql`SELECT 1 AS n`)[0]?.['n'], 1);
        },
        'simple protocol': async () => assert.equal((await sql`SELECT 1 AS a; SELECT 2 AS b`.simple()).length, 2),
        'statement description': async () =>
          assert.equal((await sql`SELECT id FROM people WHERE id = ${1}`.describe()).columns.length, 1),
        '20,000 values': async () => {
          const { text, values } = idList(20_000);
          assert.equal((await sql.unsafe(text, values))[0]?.['n'], 20_000);
        },
        'cancel running': () => cancelled(sql.unsafe(ENDLESS)),
        'cancel held': () => cancelled(sql.unsafe('DELETE FROM held')),
        ...(place.kind === 'open' ? openOnly(sql, place) : { 'masked values': () => hidden(sql) }),
      });
    } finally {
      await sql.end({ timeout: 5 });
    }
  },
};

function cancelled(query: postgres.PendingQuery<postgres.Row[]>): Promise<unknown> {
  return again(query.execute(), () => query.cancel());
}

function openOnly(sql: postgres.Sql, _place: Place): Record<string, () => Promise<unknown>> {
  return {
    'DDL and functions': async () => {
      await sql`CREATE TABLE made (id serial PRIMARY KEY, h text)`;
      assert.equal((await sql`SELECT twice(${4}) AS n`)[0]?.['n'], 8);
      await sql`DROP TABLE made`;
    },
    LISTEN: async () => {
      let hear: (payload: string) => void = () => {};
      const heard = new Promise<string>((resolve) => {
        hear = resolve;
      });
      const { unlisten } = await sql.listen('news', hear);
      await sql.notify('news', 'hello');
      assert.equal(await heard, 'hello');
      await unlisten();
    },
  };
}

async function hidden(sql: postgres.Sql): Promise<void> {
  const [row] = await sql`SELECT ssn, card, upper(ssn) AS s FROM people WHERE id = ${1}`;
  assert.deepEqual({ ...row }, { ssn: '***', card: '***', s: '***' });
  for await (const rows of sql`SELECT ssn FROM people`.cursor(20))
    for (const one of rows) assert.equal(one['ssn'], '***');
}

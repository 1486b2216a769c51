/** Programs' drivers through the gateway, against a real PostgreSQL: node-postgres with all it can do, pgbench in its three modes, and our own exec. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, type ClientConfig, Pool, type QueryConfig } from 'pg';
// @ts-expect-error: it brings no types, and needs few
import Cursor from 'pg-cursor';
import QueryStream from 'pg-query-stream';
import type { MaskPlan } from '../../src/domain/mask.ts';
import type { Refusal } from '../../src/domain/session.ts';
import { client as hoopClient } from '../../src/protocols/postgres/client.ts';
import { type RunningPostgres, startPostgres } from '../fakes/postgres.ts';
import { requireServer } from '../fakes/servers.ts';
import {
  ACCOUNT,
  ACCOUNT_PASSWORD,
  clientEnvironment,
  closeReader,
  openHouse,
  prepareDatabase,
  type RealHouse,
  RUN_SECRET,
  runClient,
} from './postgres-house.ts';

let pg: RunningPostgres;
before(async () => {
  pg = await startPostgres();
  await prepareDatabase(pg);
});
after(async () => {
  await pg.stop();
  await closeReader();
});

const DENIED: Refusal = { kind: 'refusal', code: 'HOOP_DENIED', message: 'HOOP_DENIED: no deletes' };

async function connected<T>(
  house: RealHouse,
  body: (client: Client) => Promise<T>,
  options: ClientConfig = {},
): Promise<T> {
  const client = new Client({ connectionString: house.url, ...options });
  await client.connect();
  try {
    return await body(client);
  } finally {
    await client.end();
  }
}

async function inHouse(
  body: (house: RealHouse) => Promise<void>,
  options: Parameters<typeof openHouse>[1] = {},
): Promise<void> {
  const house = await openHouse(pg, options);
  try {
    await body(house);
  } finally {
    await house.close();
  }
}

describe('node-postgres', () => {
  test('binds values of every kind and reads them back', () =>
    inHouse((house) =>
      connected(house, async (client) => {
        const { rows } = await client.query(
          'SELECT $1::int AS i, $2::text AS t, $3::jsonb AS j, $4::timestamptz AS d, $5::bytea AS b, $6::text[] AS a, $7::numeric AS n',
          [...[7, 'é日本', { a: 1 }, new Date('2026-11-21T18:00:00Z'), Buffer.from([0, 1, 255]), ['x', 'y'], '12.50']],
        );
        assert.deepEqual(rows, [
          {
            i: 7,
            t: 'é日本',
            j: { a: 1 },
            d: new Date('2026-11-21T18:00:00Z'),
            b: Buffer.from([0, 1, 255]),
            a: ['x', 'y'],
            n: '12.50',
          },
        ]);
        const parameters = house.turns[0]?.commands[0]?.parameters;
        assert.equal(parameters?.length, 7);
        assert.equal(Buffer.from(parameters?.[1]?.value ?? []).toString(), 'é日本');
      }),
    ));

  test('reuses a named statement with other values, each judged anew', () =>
    inHouse(async (house) => {
      await connected(house, async (client) => {
        for (const id of [1, 2, 3]) {
          const { rows } = await client.query({
            name: 'by-id',
            text: 'SELECT name FROM customers WHERE id = $1',
            values: [id],
          });
          assert.deepEqual(rows, [{ name: `name ${id}` }]);
        }
      });
      assert.deepEqual(
        house.turns.map(({ commands }) =>
          commands.map(({ text, parameters }) => [text, Buffer.from(parameters?.[0]?.value ?? []).toString()]),
        ),
        ['1', '2', '3'].map((id) => [['SELECT name FROM customers WHERE id = $1', id]]),
      );
      assert.equal(
        new Set(house.turns.map(({ commands }) => commands[0]?.reading)).size,
        1,
        'equal text shares one reading',
      );
    }));

  test('reads with a cursor, piece by piece', () =>
    inHouse(async (house) => {
      await connected(house, async (client) => {
        const cursor = client.query(new Cursor('SELECT id FROM orders ORDER BY id'));
        assert.deepEqual(await cursor.read(2), [{ id: 1 }, { id: 2 }]);
        assert.deepEqual(await cursor.read(1), [{ id: 3 }]);
        await cursor.close();
        assert.deepEqual((await client.query('SELECT 1 AS one')).rows, [{ one: 1 }]);
      });
      assert.deepEqual(house.turns.flatMap(({ commands }) => commands.map(({ part }) => part)).slice(0, 3), [
        'prepare',
        undefined,
        'continue',
      ]);
    }));

  test('streams a query', () =>
    inHouse((house) =>
      connected(house, async (client) => {
        let sum = 0;
        for await (const row of client.query(
          new QueryStream('SELECT i FROM generate_series(1, 5000) i', [], { batchSize: 100 }),
        ))
          sum += (row as { i: number }).i;
        assert.equal(sum, 12_502_500);
      }),
    ));

  test("gets the server's errors with their codes, and ours with theirs, and goes on", () =>
    inHouse(
      (house) =>
        connected(house, async (client) => {
          await assert.rejects(client.query('SELECT 1/0'), { code: '22012' });
          await assert.rejects(client.query('SELECT * FROM nosuch'), { code: '42P01' });
          await assert.rejects(client.query('SELEC 1'), { code: '42601', position: '1' });
          await assert.rejects(client.query('DELETE FROM orders WHERE id = $1', [1]), {
            code: '42501',
            message: 'HOOP_DENIED: no deletes',
          });
          await assert.rejects(client.query({ name: 'd', text: 'DELETE FROM orders WHERE id = $1', values: [1] }), {
            code: '42501',
          });
          await client.query('BEGIN');
          await assert.rejects(client.query('DELETE FROM orders'), { code: '42501' });
          await assert.rejects(client.query('SELECT 1'), { code: '25P02' });
          assert.equal((await client.query('COMMIT')).command, 'ROLLBACK');
          assert.equal((await client.query('SELECT count(*)::int AS n FROM orders')).rows[0].n, 200);
        }),
      { judge: (turn) => (turn.commands.some(({ effects }) => effects.has('delete')) ? DENIED : 'permit') },
    ));

  test('works in a pool of many', () =>
    inHouse(async (house) => {
      const pool = new Pool({ connectionString: house.url, max: 10 });
      const sums = await Promise.all(Array.from({ length: 100 }, (_, i) => pool.query('SELECT $1::int + 1 AS n', [i])));
      assert.deepEqual(
        sums.map(({ rows }) => rows[0].n),
        Array.from({ length: 100 }, (_, i) => i + 1),
      );
      await pool.end();
      await house.ended(10);
      assert.deepEqual(new Set(house.ends.map(({ kind }) => kind)), new Set(['closed']));
    }));

  test('takes binary results', () =>
    inHouse((house) =>
      connected(house, async (client) => {
        const { rows } = await client.query({
          text: "SELECT 5::int4 AS i, 'x'::text AS t",
          binary: true,
          queryMode: 'extended',
        } as QueryConfig);
        assert.deepEqual(rows, [{ i: 5, t: 'x' }]);
      }),
    ));
});

const CARDS: MaskPlan = {
  columns: [],
  detectors: [{ rule: 'cards', detect: ['credit_card'], with: 'redact', strict: false }],
  fields: [],
  shadow: { columns: [], detectors: [], fields: [] },
};
const STRICT: MaskPlan = {
  ...CARDS,
  detectors: [{ rule: 'cards', detect: ['credit_card'], with: 'redact', strict: true }],
};
const COLUMNS: MaskPlan = {
  columns: [{ rule: 'pii', relation: 'public.customers', column: 'ssn', with: 'redact' }],
  detectors: [],
  fields: [],
  shadow: { columns: [], detectors: [], fields: [] },
};
const SHADOW: MaskPlan = {
  columns: [],
  detectors: [],
  fields: [],
  shadow: { columns: [], detectors: CARDS.detectors, fields: [] },
};

describe('masks', () => {
  test('replace what a detector finds, in text and in binary, and count it', () =>
    inHouse(
      async (house) => {
        await connected(house, async (client) => {
          const text = await client.query(
            'SELECT id, card, jsonb_build_object($$c$$, card) AS j, card::numeric AS n FROM (SELECT id, replace(card, $$ $$, $$$$) AS card FROM customers) c WHERE id = 1',
          );
          assert.deepEqual(text.rows[0], { id: 1, card: '***', j: { c: '***' }, n: null });
          const binary = await client.query({
            text: "SELECT id, card, replace(card, ' ', '')::int8 AS n, replace(card, ' ', '')::numeric AS m FROM customers WHERE id = 1",
            binary: true,
            queryMode: 'extended',
          } as QueryConfig);
          assert.doesNotMatch(JSON.stringify(binary.rows), /4111/);
          assert.equal(binary.rows[0].card, '***');
          assert.equal(binary.rows[0].n, null);
        });
        assert.equal(house.settled[0]?.outcome.maskedCells, 3);
        assert.doesNotMatch(JSON.stringify(house.settled.map(({ result }) => result)), /4111/);
      },
      { view: () => ({ masks: CARDS }) },
    ));

  test('reach COPY too, and refuse what cannot be scanned', () =>
    inHouse(
      async (house) => {
        const { stdout } = await house.psql(
          '-c',
          '\\copy (SELECT id, card FROM customers ORDER BY id LIMIT 2) TO STDOUT',
        );
        assert.equal(stdout, '1\t***\n2\t***\n');
        const csv = await house.psql('-c', '\\copy (SELECT id, card FROM customers ORDER BY id LIMIT 1) TO STDOUT CSV');
        assert.equal(csv.stdout, '1,***\n');
        const binary = await house.psql('-c', '\\copy (SELECT id, card FROM customers) TO STDOUT BINARY');
        assert.match(binary.stderr, /cannot be scanned/);
        assert.doesNotMatch(binary.stdout, /4111/);
      },
      { view: () => ({ masks: CARDS }) },
    ));

  test('that are strict refuse a result that cannot be scanned, before its first row', () =>
    inHouse(
      (house) =>
        connected(house, async (client) => {
          await assert.rejects(client.query("SELECT '\\x34313131'::bytea AS b"), { code: '0A000' });
          await assert.rejects(
            client.query({
              text: "SELECT ARRAY['4111 1111 1111 1111'] AS a",
              binary: true,
              queryMode: 'extended',
            } as QueryConfig),
            { code: '0A000' },
          );
          assert.deepEqual((await client.query('SELECT 1 AS one')).rows, [{ one: 1 }]);
        }),
      { view: () => ({ masks: STRICT }) },
    ));

  test('in shadow show what they would have done', () =>
    inHouse(
      async (house) => {
        await connected(house, async (client) => {
          assert.equal(
            (await client.query('SELECT card FROM customers WHERE id = 1')).rows[0].card,
            '4111 1111 1111 1111',
          );
        });
        assert.ok(house.notes.some((note) => note.type === 'notice' && note.notice === 'wouldBe'));
      },
      { view: () => ({ masks: SHADOW }) },
    ));

  const guarded = { entries: ['all'], effects: ['read', 'write', 'delete', 'control'] as const, guarded: true };

  // Each as psql sends it; three customers, of whom the ssn is hidden.
  const counted: readonly (readonly [string, number])[] = [
    ['SELECT name, ssn FROM customers WHERE id <= 3', 3],
    ['SELECT * FROM customers WHERE id <= 3', 3],
    ['SELECT ssn, ssn AS again FROM customers WHERE id <= 3', 6],
    ['SELECT c.x FROM (SELECT ssn AS x FROM customers WHERE id <= 3) c', 3],
    ['SELECT b FROM (SELECT id, ssn FROM customers WHERE id <= 3) c (a, b)', 3],
    ['WITH c (a, b) AS (SELECT id, ssn FROM customers WHERE id <= 3) SELECT b AS d FROM c', 3],
    ['SELECT * FROM customers c (a, b, c, d) WHERE a <= 3', 3],
    ['SELECT ssn FROM customers WHERE id = 1 UNION ALL SELECT name FROM customers WHERE id = 2', 2],
    ['UPDATE customers SET name = name WHERE id <= 3 RETURNING ssn AS shown', 3],
    ['UPDATE customers SET name = name WHERE id <= 3 RETURNING *', 3],
    ['COPY (SELECT id, ssn FROM customers WHERE id <= 3) TO STDOUT', 3],
    ['SELECT name AS other FROM customers WHERE id <= 3', 0],
    ['SELECT count(ssn) FROM customers', 0],
    ['SELECT id FROM customers WHERE ssn IS NULL', 0],
    ['SELECT ssn FROM customers WHERE id < 0', 0],
  ];
  test('on columns count the cells they hide, by whatever name they are shown', () =>
    inHouse(
      async (house) => {
        for (const [text] of counted) {
          const { code, stderr } = await house.psql('-c', text);
          assert.equal(code, 0, `${text}: ${stderr}`);
        }
        assert.deepEqual(
          house.settled.map(({ outcome }, i) => [counted[i]?.[0], outcome.maskedCells ?? 0]),
          counted,
        );
      },
      { view: () => ({ masks: COLUMNS, grant: guarded }) },
    ));

  test('on columns count them for what was prepared, fetched bit by bit, and run by name too', () =>
    inHouse(
      (house) =>
        connected(house, async (client) => {
          const text = 'SELECT ssn FROM customers WHERE id <= $1';
          await client.query({ name: 'p', text, values: [3] });
          await client.query({ name: 'p', text, values: [2] });
          const cursor = client.query(new Cursor('SELECT id, ssn FROM customers WHERE id <= 3'));
          while ((await cursor.read(2)).length > 0);
          await cursor.close();
          await client.query('BEGIN');
          await client.query('DECLARE c CURSOR FOR SELECT ssn AS x FROM customers');
          await client.query('FETCH 4 FROM c');
          await client.query('COMMIT');
          await client.query('PREPARE q AS SELECT ssn FROM customers WHERE id = 5');
          await client.query('EXECUTE q');
          const counts = house.settled.flatMap(({ outcome: { maskedCells = 0 } }) =>
            maskedCells > 0 ? [maskedCells] : [],
          );
          assert.deepEqual(counts, [3, 2, 2, 1, 4, 1]);
        }),
      { view: () => ({ masks: COLUMNS, grant: guarded }) },
    ));

  test('on columns reach the result by rewriting, in the simple and the extended protocol, by name, alias and cursor', () =>
    inHouse(
      (house) =>
        connected(house, async (client) => {
          assert.deepEqual((await client.query('SELECT name, ssn FROM customers WHERE id = 1')).rows, [
            { name: 'name 1', ssn: '***' },
          ]);
          assert.deepEqual(
            (await client.query('SELECT ssn AS name, name AS ssn FROM customers c WHERE id = $1', [1])).rows,
            [{ name: '***', ssn: 'name 1' }],
          );
          const cursor = client.query(new Cursor('SELECT upper(ssn) AS s FROM customers WHERE id < $1', [3]));
          assert.deepEqual(await cursor.read(10), [{ s: '***' }, { s: '***' }]);
          await cursor.close();
          assert.equal(
            (await client.query("SELECT count(*)::int AS n FROM customers WHERE ssn LIKE '919%'")).rows[0].n,
            0,
          );
          await client.query('BEGIN');
          await client.query('DECLARE c CURSOR FOR SELECT ssn FROM customers');
          assert.deepEqual((await client.query('FETCH 1 FROM c')).rows, [{ ssn: '***' }]);
          await client.query('COMMIT');
          await client.query('PREPARE p AS SELECT ssn FROM customers WHERE id = $1');
          assert.deepEqual((await client.query('EXECUTE p(1)')).rows, [{ ssn: '***' }]);
          const error = await client
            .query('SELECT ssn::int FROM customers')
            .catch((failure: Error & { code?: string }) => failure);
          assert.match((error as Error).message, /withheld/);
          assert.doesNotMatch(JSON.stringify(error), /919/);
        }),
      { view: () => ({ masks: COLUMNS, grant: guarded }) },
    ));

  test('on columns that were put in force after a statement was prepared make it be prepared again', () => {
    let masks: MaskPlan = SHADOW;
    let basis = 'policy-1';
    return inHouse(
      (house) =>
        connected(house, async (client) => {
          const query = { name: 'q', text: 'SELECT ssn FROM customers WHERE id = $1', values: [1] };
          assert.deepEqual((await client.query(query)).rows, [{ ssn: '919-01-0001' }]);
          masks = COLUMNS;
          basis = 'policy-2';
          await assert.rejects(client.query(query), { code: '0A000', message: /prepared/ });
          assert.deepEqual((await client.query('SELECT ssn FROM customers WHERE id = 1')).rows, [{ ssn: '***' }]);
        }),
      { view: () => ({ masks, basis, grant: guarded }) },
    );
  });
});

describe('an account that could step around a mask', () => {
  test('is refused, and says what it may do too much', async () => {
    await pg.sql(
      `CREATE ROLE too_much LOGIN PASSWORD '${ACCOUNT_PASSWORD}' CREATEROLE BYPASSRLS; GRANT pg_read_server_files TO too_much; GRANT CREATE ON DATABASE shop TO too_much`,
    );
    const settings = { account: { user: 'too_much', password: { env: 'UNUSED' } } };
    const view = () => ({ masks: COLUMNS, grant: { entries: [], effects: ['read'] as const, guarded: true } });
    await inHouse(
      async (house) => {
        const { stderr, code } = await house.psql('-c', 'SELECT 1');
        assert.equal(code, 2);
        assert.match(
          stderr,
          /bypasses row security, may create roles, may reach files or programs of the server, may create schemas/,
        );
      },
      { settings, view },
    );
    await inHouse(
      async (house) => {
        assert.equal((await house.psql('-c', 'SELECT 1')).code, 0);
        assert.ok(house.notes.some((note) => note.type === 'notice' && note.notice === 'leastPrivilege.overridden'));
      },
      { settings: { ...settings, requireLeastPrivilege: false }, view },
    );
    await inHouse(async (house) => assert.equal((await house.psql('-c', 'SELECT 1')).code, 0), { settings });
  });
});

describe('pgbench', () => {
  test('runs in all three modes', async () => {
    const { pgbench = '' } = requireServer('postgresql');
    await pg.sql(`GRANT CREATE ON SCHEMA public TO ${ACCOUNT}`, 'shop');
    await inHouse(async (house) => {
      const initialised = await runClient(pgbench, ['-i', '-q', '-s', '1'], clientEnvironment(house.port));
      assert.equal(initialised.code, 0, initialised.stderr);
      for (const mode of ['simple', 'extended', 'prepared']) {
        const ran = await runClient(pgbench, ['-n', '-M', mode, '-c', '4', '-t', '25'], clientEnvironment(house.port));
        assert.match(ran.stdout, /actually processed: 100\/100/, `${mode}: ${ran.stderr}`);
        assert.match(ran.stdout, /number of failed transactions: 0/, mode);
      }
      assert.equal(await pg.sql('SELECT count(*) FROM pgbench_history', 'shop'), '300');
    });
    await pg.sql(`REVOKE CREATE ON SCHEMA public FROM ${ACCOUNT}`, 'shop');
  });
});

describe('exec', () => {
  const endpoint = (house: RealHouse) => ({
    target: 'shop',
    host: '127.0.0.1',
    port: house.port,
    user: 'run',
    secret: RUN_SECRET,
    database: 'shop',
  });

  test('streams rows in batches, with the types JSON needs, tags and notices', () =>
    inHouse(async (house) => {
      const seen: unknown[] = [];
      const sink = {
        columns: (columns: unknown) => void seen.push(columns),
        rows: (rows: unknown) => void seen.push(rows),
        tag: (tag: string, rows: number | undefined) => void seen.push([tag, rows]),
        notice: () => {},
      };
      const result = await hoopClient.execute(
        endpoint(house),
        "SELECT 1 AS i, 2::int8 AS l, 'x' AS t, true AS b, NULL AS n, '{}'::json AS j, '\\x00ff'::bytea AS y, 1.5::numeric AS m; DELETE FROM orders WHERE id = -1",
        sink,
        AbortSignal.timeout(30_000),
      );
      assert.deepEqual(result, { ok: true });
      assert.deepEqual(seen, [
        [
          ...[
            { name: 'i', type: 'number' },
            { name: 'l', type: 'string' },
            { name: 't', type: 'string' },
            { name: 'b', type: 'boolean' },
          ],
          ...[
            { name: 'n', type: 'string' },
            { name: 'j', type: 'json' },
            { name: 'y', type: 'bytes' },
            { name: 'm', type: 'string' },
          ],
        ],
        [['1', '2', 'x', 't', null, '{}', '\\x00ff', '1.5']],
        ['SELECT 1', 1],
        ['DELETE 0', 0],
      ]);
    }));

  test('gives errors as results, and does not believe a stranger', () =>
    inHouse(async (house) => {
      const sink = { columns() {}, rows() {}, tag() {}, notice() {} };
      const failed = await hoopClient.execute(endpoint(house), 'SELECT 1/0', sink, AbortSignal.timeout(30_000));
      assert.deepEqual(failed, { ok: false, code: '22012', message: 'division by zero' });
      const wrong = await hoopClient.execute(
        { ...endpoint(house), secret: 'wrong' },
        'SELECT 1',
        sink,
        AbortSignal.timeout(30_000),
      );
      assert.equal(!wrong.ok && wrong.code, '28P01');
      await assert.rejects(
        hoopClient.execute({ ...endpoint(house), port: 1 }, 'SELECT 1', sink, AbortSignal.timeout(30_000)),
        { code: 'TUNNEL_UNREACHABLE' },
      );
    }));

  test('stops at the target when it is aborted', () =>
    inHouse(async (house) => {
      const stop = new AbortController();
      const sink = { columns: () => stop.abort(), rows() {}, tag() {}, notice() {} };
      const result = await hoopClient.execute(
        endpoint(house),
        'SELECT i, pg_sleep(0.01) FROM generate_series(1, 100000) i',
        sink,
        stop.signal,
      );
      assert.equal(!result.ok && result.code, '57014');
      assert.equal(house.settled[0]?.outcome.state, 'cancelled');
    }));
});

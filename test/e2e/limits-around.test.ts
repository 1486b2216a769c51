/** Who wants more than a limit gives, and looks for a road around it: other connections, pieces, other messages, other runs' keys. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
// @ts-expect-error: it brings no types, and needs few
import UntypedCursor from 'pg-cursor';
import { copyOut } from '../fakes/pg-copy.ts';
import { rawClient } from '../fakes/pg-client.ts';
import { type Stack, type StackRun, startStack } from '../fakes/stack.ts';
import { cancel, type Connected, connected, later, refused, until } from './clients.ts';

const POLICY = `version: 1
access:
  - { name: all, subjects: { groups: [data-agents] }, targets: [shop], effects: [read, write, delete], scope: { schemas: [public] } }
  - { name: code, subjects: { users: [noisy@example.test] }, targets: [shop], effects: [read, execute] }
rules:
  - { name: run-it, targets: [shop], when: { effects: [execute] }, then: allow }
limits:
  - { name: bytes-of-code, subjects: { users: [noisy@example.test] }, bytesPerStatement: 4KiB }
  - { name: rows-of-one, subjects: { users: [one@example.test] }, rowsPerStatement: 150 }
  - { name: rows-of-all, subjects: { users: [all@example.test] }, rowsPerStatement: none, rowsPerRun: 300 }
  - { name: bytes-of-one, subjects: { users: [few@example.test] }, bytesPerStatement: 2KiB }
  - { name: bytes-of-all, subjects: { users: [sum@example.test] }, bytesPerStatement: none, bytesPerRun: 20KiB }
  - { name: requests, subjects: { users: [asks@example.test] }, requestsPerRun: 20 }
`;

const users = ['one', 'all', 'few', 'sum', 'asks', 'noisy'].map((name) => ({
  email: `${name}@example.test`,
  groups: name === 'noisy' ? [] : ['data-agents'],
}));

let stack: Stack;
before(async () => {
  stack = await startStack({ policy: POLICY, users });
});
after(() => stack[Symbol.asyncDispose]());

const Cursor = UntypedCursor as new (text: string) => pg.Submittable & { read(rows: number): Promise<unknown[]> };

/** The shop has 400 orders. */
const ALL = 'SELECT id FROM orders';

async function open(who: string): Promise<{ run: StackRun; client: Connected } & AsyncDisposable> {
  const run = await stack.run(who);
  const client = await connected(run);
  return {
    run,
    client,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await run[Symbol.asyncDispose]();
    },
  };
}

const isLimit = (told: { code: string | undefined; message: string }) => {
  assert.equal(told.code, '53400', told.message);
  assert.match(told.message, /^HOOP_LIMIT: limit "[\w-]+": \w+ is \d+/);
};

/** Rows heard on a connection of its own that says these words, up to ReadyForQuery of each. */
async function heard(run: StackRun, ...said: string[]): Promise<{ rows: number; errors: string[]; words: string[] }> {
  const client = await rawClient(run.connection.port);
  await client.login({
    user: run.connection.user,
    secret: run.connection.password,
    parameters: { database: run.connection.database },
  });
  const words: string[] = [];
  for (const one of said) words.push(...(await client.ask(one)));
  client.close();
  return {
    words,
    rows: words.filter((word) => word.startsWith('D ')).length,
    errors: words.flatMap((word) => /^E (\w{5})/.exec(word)?.[1] ?? []),
  };
}

describe('the rows of one statement', () => {
  for (const [road, texts] of Object.entries({
    'as they are': [ALL],
    'as a simple query beside another': [`SELECT 1; ${ALL}`],
    'by a cursor at once': ['BEGIN', `DECLARE c CURSOR FOR ${ALL}`, 'FETCH ALL FROM c'],
    'by a cursor in pieces': [
      'BEGIN',
      `DECLARE c CURSOR FOR ${ALL}`,
      ...Array<string>(5).fill('FETCH FORWARD 80 FROM c'),
    ],
    'by a cursor back and forth': [
      'BEGIN',
      `DECLARE c SCROLL CURSOR FOR ${ALL}`,
      'FETCH 100 FROM c',
      'FETCH BACKWARD ALL FROM c',
    ],
    'by a prepared statement': [`PREPARE p AS ${ALL}`, 'EXECUTE p'],
    'returned by a change': ['UPDATE orders SET id = id RETURNING id'],
    'explained row by row': [`EXPLAIN (ANALYZE, FORMAT TEXT) ${ALL}`],
  }))
    test(`${road} come no further than the limit`, async () => {
      await using here = await open('one');
      const { rows, errors } = await heard(here.run, ...texts.map((text) => `Q ${text}`));
      assert.ok(rows <= 151, `${rows} rows`);
      if (road !== 'explained row by row') assert.ok(errors.includes('53400'), String(errors));
    });

  test('as a portal in pieces come no further than the limit, however the pieces are cut', async () => {
    await using here = await open('one');
    const cursor = here.client.query(new Cursor(ALL));
    let rows = 0;
    const told = await refused(
      (async () => {
        for (let more = 1; more > 0; rows += more) more = (await cursor.read(70)).length;
      })(),
    );
    isLimit(told);
    assert.ok(rows <= 150, `${rows} rows`);
  });

  test('as one portal executed again and again in one pipeline come no further than the limit', async () => {
    await using here = await open('one');
    const { rows, errors } = await heard(
      here.run,
      `P - ${ALL} | B - - | ${Array<string>(8).fill('E - 50').join(' | ')} | S`,
    );
    assert.ok(rows <= 150, `${rows} rows`);
    assert.deepEqual(errors, ['53400']);
  });

  test('as COPY come no further than the limit', async () => {
    await using here = await open('one');
    const { data, error } = await copyOut(here.client, 'COPY orders (id) TO STDOUT');
    assert.ok(error);
    assert.ok(data.split('\n').length <= 151);
  });
});

describe('the rows of a run', () => {
  test('are one sum over statements of one text, a pipeline, another connection and a new one', async () => {
    await using here = await open('all');
    const hundred = `${ALL} LIMIT 100`;
    const first = await heard(here.run, `Q ${hundred}; ${hundred}`);
    assert.deepEqual([first.rows, first.errors], [200, []]);
    const second = await heard(here.run, `P - ${hundred} | B - - | E - | B - - | E - | S`);
    assert.deepEqual([second.rows, second.errors], [100, ['53400']]);
    isLimit(await refused(here.client.query(ALL)));
    await using other = await connected(here.run);
    isLimit(await refused(other.query(hundred)));
    assert.equal((await other.query('DELETE FROM orders WHERE id < 0')).rowCount, 0);
  });

  test('are no more by eight connections that take them at the same moment, in pieces', async () => {
    await using here = await open('all');
    const clients = await Promise.all(Array.from({ length: 8 }, () => connected(here.run)));
    let rows = 0;
    await Promise.all(
      clients.map(async (client) => {
        const cursor = client.query(new Cursor(ALL));
        for (let more = 1; more > 0; rows += more) {
          const read = await later(cursor.read(7));
          more = read.ok ? read.value.length : 0;
        }
      }),
    );
    assert.ok(rows <= 300 && rows > 200, `${rows} rows`);
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
  });
});

describe('the bytes of one statement', () => {
  for (const [road, text] of Object.entries({
    'in a value': "SELECT repeat('x', 100000)",
    'in many columns': `SELECT ${Array<string>(100).fill("repeat('x', 1000)").join(', ')}`,
    'in an error that quotes a value': "SELECT repeat('x', 100000)::int",
    'in an error that quotes a row': "SELECT json_agg(repeat('x', 1000))::text::int FROM generate_series(1, 100)",
  }))
    test(`${road} come no further than the limit`, async () => {
      await using here = await open('few');
      const told = await refused(here.client.query(text));
      const { detail = '', where = '' } = told as { detail?: string; where?: string };
      const bytes = told.message.length + detail.length + where.length;
      assert.ok(bytes < 4096, `${bytes} bytes of ${told.code}`);
      assert.match(told.message, /^HOOP_LIMIT: limit "bytes-of-one": bytesPerStatement is 2048/);
      assert.equal(told.code, text.endsWith('int') || text.includes('::int ') ? '22P02' : '53400');
    });

  test('is enough for an ordinary error, as it is', async () => {
    await using here = await open('few');
    assert.deepEqual(await refused(here.client.query("SELECT 'x'::int")), {
      ...{ code: '22P02', message: 'invalid input syntax for type integer: "x"', hint: undefined },
    });
  });

  test('in notices come no further than the limit', async () => {
    await using here = await open('noisy');
    const loud = "DO $$ BEGIN FOR i IN 1..100 LOOP RAISE NOTICE '%', repeat('x', 500); END LOOP; END $$";
    await here.client.query(loud);
    const bytes = here.client.notices.reduce((sum, { message }) => sum + message.length, 0);
    assert.ok(bytes > 1000 && bytes <= 4096, `${bytes} bytes`);
  });

  test('of all errors of a run are no more than the run may have', async () => {
    await using here = await open('sum');
    let bytes = 0;
    for (let i = 0; i < 40; i++)
      bytes += (await refused(here.client.query(`SELECT repeat('${'ab'[i % 2]}', 1900)::int`))).message.length;
    assert.ok(bytes <= 24 * 1024, `${bytes} bytes`);
  });
});

describe('the requests of a run', () => {
  test('are no more by eight connections that ask at the same moment, however they ask', async () => {
    await using here = await open('asks');
    const asks = ['Q SELECT 1', 'Q SELECT 1; SELECT 2', 'P - SELECT 1 | B - - | E - 0 | S', 'Q DROP TABLE orders'];
    const all = await Promise.all(Array.from({ length: 8 }, () => heard(here.run, ...asks, ...asks)));
    const rows = all.reduce((sum, one) => sum + one.rows, 0);
    assert.ok(rows >= 19 && rows <= 20, `${rows} statements ran`);
    const errors = new Set(all.flatMap((one) => one.errors));
    assert.deepEqual([...errors].toSorted(), ['42501', '53400']);
    isLimit(await refused(here.client.query('SELECT 1; SELECT 2')));
  });
});

describe('a cancel request', () => {
  const SLOW = 'SELECT count(*) FROM generate_series(1, 1000000000000)';

  test("with the key of another run's connection, or a target's own, does nothing; through another connection of the same run it works", async () => {
    await using here = await open('one');
    await using theirs = await open('one');
    const running = later(here.client.query(SLOW));
    await until(
      'it runs',
      async () =>
        (await stack.sql(
          "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%1000000000000)' AND pid <> pg_backend_pid()",
        )) === '1',
    );
    await cancel(theirs.run, here.client);
    // The key the target gave, to who could see its processes.
    const pid = Number(
      await stack.sql(
        "SELECT pid FROM pg_stat_activity WHERE query LIKE '%1000000000000)' AND pid <> pg_backend_pid()",
      ),
    );
    await cancel(here.run, { processID: pid, secretKey: 1 } as unknown as pg.Client);
    assert.equal(
      await stack.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%1000000000000)' AND state = 'active' AND pid <> pg_backend_pid()",
      ),
      '1',
    );
    await cancel(here.run, here.client);
    const told = await running;
    assert.ok(!told.ok && told.told.code === '57014');
    assert.equal((await here.client.query('SELECT 1 AS one')).rows[0].one, 1);
  });
});

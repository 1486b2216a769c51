/** A scope, attacked through everything: whatever lies in another schema is not read, drawn from or changed, by whatever road; tools still find their way. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { demoPolicyYaml } from '../../src/app/demo/files.ts';
import { type Stack, type StackRun, startStack } from '../fakes/stack.ts';
import { cancel, type Connected, connected, holdUp, later, refused, SLOW } from './clients.ts';

const exec = promisify(execFile);

const HR = `
CREATE SCHEMA hr;
CREATE TABLE hr.employees (id int PRIMARY KEY, name text UNIQUE, salary int);
INSERT INTO hr.employees SELECT i, 'hidden-' || i, 77700000 + i FROM generate_series(1, 50) i;
CREATE SEQUENCE hr.tickets START 77781234;
SELECT nextval('hr.tickets');
CREATE VIEW hr.pay AS SELECT name, salary FROM hr.employees;
CREATE VIEW shown AS SELECT id, salary FROM hr.employees;
CREATE FUNCTION hr.secret() RETURNS int LANGUAGE sql AS $$ SELECT max(salary) FROM hr.employees $$;
CREATE FUNCTION reaches() RETURNS int LANGUAGE sql AS $$ SELECT max(salary) FROM hr.employees $$;
CREATE TYPE hr.mood AS ENUM ('hidden-mood');
CREATE TABLE notes (id serial PRIMARY KEY, employee int REFERENCES hr.employees, note text);
INSERT INTO notes (employee, note) VALUES (1, 'a');
CREATE TABLE hr.kept (id int REFERENCES notes);
INSERT INTO hr.kept SELECT min(id) FROM notes;
GRANT USAGE ON SCHEMA hr TO shop_agent;
GRANT ALL ON ALL TABLES IN SCHEMA hr, public TO shop_agent;
GRANT ALL ON ALL SEQUENCES IN SCHEMA hr, public TO shop_agent;
ALTER ROLE shop_agent SET search_path = hr, public;
ANALYZE;
${SLOW}`;

let stack: Stack;
let run: StackRun;
let client: Connected;
before(async () => {
  stack = await startStack({ sql: HR, policy: demoPolicyYaml() });
  run = await stack.run('dana');
  client = await connected(run);
});
after(async () => {
  await client[Symbol.asyncDispose]();
  await run[Symbol.asyncDispose]();
  await stack[Symbol.asyncDispose]();
});

describe('what lies outside is refused', () => {
  for (const text of [
    'SELECT * FROM hr.employees',
    'TABLE hr.pay',
    'SELECT * FROM shown',
    'EXPLAIN ANALYZE SELECT * FROM shown',
    'WITH e AS (SELECT * FROM hr.employees) SELECT count(*) FROM e',
    'SELECT hr.secret()',
    'SELECT reaches()',
    "SELECT nextval('hr.tickets')",
    `SELECT nextval('"hr".tickets'::regclass)`,
    "SELECT currval('hr.tickets')",
    "SELECT setval('hr.tickets', 5)",
    "SELECT setval((SELECT oid FROM pg_class WHERE relname = 'tickets'), 5)",
    "SELECT nextval('hr.' || 'tickets')",
    'SELECT last_value FROM hr.tickets',
    "SELECT pg_sequence_last_value('hr.tickets')",
    'SELECT pg_sequence_last_value(seqrelid) FROM pg_sequence',
    "SELECT 'hidden-mood'::hr.mood",
    'SELECT enum_range(NULL::hr.mood)',
    "SELECT json_populate_record(NULL::hr.employees, '{}')",
    'SELECT (NULL::hr.employees).name',
    "SELECT * FROM pg_stats WHERE schemaname = 'hr'",
    'SELECT stavalues1 FROM pg_statistic',
    "SELECT table_to_xml('hr.employees', true, true, '')",
    "SELECT query_to_xml('SELECT * FROM hr.employees', true, true, '')",
    'LOCK TABLE hr.employees IN ACCESS SHARE MODE',
    'COPY hr.employees TO STDOUT',
    'INSERT INTO hr.employees VALUES (99)',
    'INSERT INTO notes (employee, note) SELECT id, name FROM hr.employees',
    'UPDATE notes SET note = name FROM hr.employees e WHERE e.id = notes.employee',
    'DELETE FROM notes USING hr.employees e WHERE e.id = employee AND salary > 77700010',
    'SET search_path TO hr',
    "SELECT set_config('search_path', 'hr', false)",
    "COMMENT ON TABLE hr.employees IS 'mine'",
  ])
    test(text, async () => {
      const told = await refused(client.query(text));
      assert.equal(told.code, '42501', told.message);
      assert.match(told.message, /^HOOP_DENIED: /);
    });

  test('a name that search_path does not lead to is unknown, whatever schema has one', async () => {
    assert.equal((await refused(client.query('SELECT * FROM employees'))).code, '42P01');
  });

  test('the search_path of the account too', async () => {
    const own = await connected(run);
    for (const text of [
      'SELECT current_schemas(false)::text',
      'RESET search_path; SELECT current_schemas(false)::text',
    ])
      assert.match(JSON.stringify([await own.query(text)].flat().at(-1)?.rows), /"\{public\}"/);
    const { rows } = await own.query<{ search_path: string }>('SHOW search_path');
    assert.equal(rows[0]?.search_path, '"public"');
    assert.deepEqual((await own.query("SELECT 'employees'::regclass AS one")).rows, [{ one: null }]);
    await own.end();
  });

  test('by parameters too', async () => {
    const told = await refused(client.query({ text: 'SELECT nextval($1)', values: ['hr.tickets'] }));
    assert.equal(told.code, '42501');
    assert.equal(await stack.sql('SELECT last_value FROM hr.tickets'), '77781234');
  });
});

describe('what lies inside is answered', () => {
  for (const text of [
    'SELECT count(*) FROM orders',
    "SELECT nextval('notes_id_seq')",
    "SELECT currval('public.notes_id_seq'::regclass)",
    'SELECT lastval()',
    "INSERT INTO notes (note) VALUES ('b') RETURNING id",
    "SELECT to_regclass('orders')::text",
    "SELECT 'orders'::regclass::text",
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'",
    "SELECT column_name FROM information_schema.columns WHERE table_name = 'orders'",
    'SELECT relname FROM pg_class WHERE pg_table_is_visible(oid)',
    "SELECT pg_size_pretty(pg_total_relation_size(oid)) FROM pg_class WHERE relname = 'orders'",
    "SELECT obj_description('orders'::regclass)",
    "SELECT last_value FROM pg_sequences WHERE schemaname = 'public'",
  ])
    test(text, async () => assert.ok((await client.query(text)).rows.length > 0));

  for (const command of [
    '\\d',
    '\\dt+',
    '\\d orders',
    '\\d+ notes',
    '\\ds',
    '\\d notes_id_seq',
    '\\dn',
    '\\df',
    '\\dT',
    '\\dv',
    '\\l',
    '\\dp',
  ])
    test(`psql ${command}`, async () => {
      const { stdout, stderr } = await exec('psql', ['-X', '-c', command], { env: run.libpq });
      assert.equal(stderr, '');
      assert.doesNotMatch(stdout, /\bhr\b(?!\.employees)|hidden|salary|tickets|secret|mood/);
    });
});

describe('of what lies outside', () => {
  test('an error that would name it tells its code alone', async () => {
    await using fresh = await stack.run('dana');
    await using writer = await connected(fresh);
    const told = await refused(writer.query('UPDATE notes SET id = id + 1000'));
    assert.equal(told.code, '23503');
    assert.doesNotMatch(JSON.stringify(told), /kept/);
  });

  test('no parameter looks a name up by its type', async () => {
    const parse = { text: 'SELECT $1', types: [2205], values: ['hr.employees'] };
    assert.equal((await refused(client.query(parse as never))).code, '42501');
  });
});

describe('a run narrowed by who starts it', () => {
  test('to reading does not write, whatever policy grants', async () => {
    await using narrow = await stack.run('dana', { scope: { effects: ['read'] } });
    await using reader = await connected(narrow);
    assert.equal((await reader.query('SELECT 1 AS one')).rows[0].one, 1);
    await reader.query('BEGIN');
    await reader.query('ROLLBACK');
    for (const text of ["UPDATE notes SET note = 'x'", 'DELETE FROM notes', "SELECT nextval('notes_id_seq')"]) {
      const told = await refused(reader.query(text));
      assert.equal(told.code, '42501');
      assert.match(told.message, /narrowed to read/);
    }
  });

  test('to a schema that policy does not grant reaches neither that nor the one it grants', async () => {
    await using narrow = await stack.run('dana', { scope: { schema: ['hr'] } });
    await using reader = await connected(narrow);
    assert.equal((await refused(reader.query('SELECT * FROM hr.employees'))).code, '42501');
    assert.equal((await refused(reader.query('SELECT * FROM public.orders'))).code, '42501');
    assert.equal((await refused(reader.query('SELECT * FROM orders'))).code, '42P01');
    assert.deepEqual((await reader.query("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'")).rows, [
      { nspname: 'information_schema' },
    ]);
  });

  test('by what there is not does not begin', async () => {
    await assert.rejects(stack.run('dana', { scope: { effects: ['reed'] } }), /"reed", which is no effect/);
    await assert.rejects(stack.run('dana', { scope: { tenant: ['7'] } }), /cannot be narrowed by "tenant"/);
  });
});

describe('a cancel request', () => {
  test('through another connection of the same run stops what runs there, at the target too', async () => {
    await using slow = await holdUp(stack);
    const running = later(client.query('SELECT * FROM slow'));
    await slow.waiting(1);
    await cancel(run, client);
    const told = await running;
    assert.ok(!told.ok && told.told.code === '57014', JSON.stringify(told));
    await slow.waiting(0);
    assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
  });

  test('with another key, or through the door of another run, stops nothing', async () => {
    const slow = await holdUp(stack);
    await using stranger = await stack.run('dana');
    await using own = await connected(stranger);
    const running = later(client.query('SELECT * FROM slow'));
    await slow.waiting(1);
    await cancel(stranger, client);
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
    await cancel(run, { processID, secretKey: secretKey ^ 1 } as never);
    await own.query('SELECT 1');
    await slow.waiting(1);
    await slow[Symbol.asyncDispose]();
    const told = await running;
    assert.ok(told.ok, JSON.stringify(told));
  });

  test('for a session that runs nothing does nothing, now or to what comes next', async () => {
    await cancel(run, client);
    assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
  });

  test('with the key of a session that is over does nothing to those that are not', async () => {
    const gone = await connected(run);
    await gone.end();
    await using slow = await holdUp(stack);
    const running = later(client.query('SELECT * FROM slow'));
    await slow.waiting(1);
    await cancel(run, gone);
    await slow.waiting(1);
    await slow[Symbol.asyncDispose]();
    assert.ok((await running).ok);
  });
});

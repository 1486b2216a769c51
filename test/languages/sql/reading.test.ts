import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { POSTGRES_FACTS, resolveIndirect } from '../../../src/languages/sql/index.ts';
import { MASKED, OPEN, one, read, SCOPED } from './bench.ts';

const names = (sql: string, basis = OPEN) =>
  one(sql, basis).resources.map(({ kind, name, access }) => `${kind} ${name} ${access}`);

describe('what a statement touches', () => {
  const rows: readonly (readonly [sql: string, resources: readonly string[]])[] = [
    ['SELECT * FROM orders', ['table public.orders read']],
    [
      'DELETE FROM orders WHERE id IN (SELECT id FROM hr.employees)',
      ['table public.orders delete', 'table hr.employees read'],
    ],
    ['SELECT * FROM recent', ['view public.recent read', 'table public.orders read']],
    ['UPDATE recent SET id = 1', ['view public.recent write', 'table public.orders write']],
    ['SELECT * FROM orders FOR UPDATE', ['table public.orders write']],
    ['WITH orders AS (SELECT 1) SELECT * FROM orders', []],
    ['WITH orders AS (SELECT * FROM orders) SELECT * FROM orders', ['table public.orders read']],
    ['WITH RECURSIVE orders AS (SELECT * FROM orders) SELECT * FROM orders', []],
    ['WITH a AS (SELECT 1), b AS (SELECT * FROM a) SELECT * FROM b, a, orders', ['table public.orders read']],
    ['SELECT (WITH orders AS (SELECT 1 AS x) SELECT x FROM orders), id FROM orders', ['table public.orders read']],
    [
      'WITH orders AS (SELECT 1 AS id) DELETE FROM orders WHERE id IN (SELECT id FROM orders)',
      ['table public.orders delete'],
    ],
    ['SELECT purge()', ['function public.purge execute']],
    ["SELECT 'a'::mood", ['type public.mood read']],
    ['COPY orders TO STDOUT', ['table public.orders read']],
    ['COPY orders FROM STDIN', ['table public.orders write']],
    ['TRUNCATE orders, hr.employees', ['table public.orders delete', 'table hr.employees delete']],
    ['SELECT * FROM far', ['foreign table public.far read', 'foreign table public.far transfer']],
    ['SELECT last_value FROM orders_id_seq', ['sequence public.orders_id_seq read']],
    ["SELECT nextval('orders_id_seq')", ['sequence public.orders_id_seq write']],
    ['SELECT * FROM pg_class', ['catalog pg_catalog.pg_class read']],
    ['SELECT * FROM pg_shadow', ['catalog pg_catalog.pg_shadow administer']],
    ['SELECT * FROM nowhere', ['relation-unknown nowhere read']],
    ['CREATE TABLE fresh (id int REFERENCES orders)', ['table public.fresh define', 'table public.orders define']],
    ['DROP TABLE orders, hr.employees', ['table orders define', 'table hr.employees define']],
    ['CREATE SCHEMA s', ['schema s define']],
  ];
  for (const [sql, expected] of rows)
    test(`${sql}: ${expected.join(', ') || 'nothing'}`, () => assert.deepEqual(names(sql), expected));

  test('is qualified by the first schema of the search path that has the name', () => {
    assert.deepEqual(names('SELECT * FROM employees', { ...OPEN, searchPath: ['hr', 'public'] }), [
      'table hr.employees read',
    ]);
    assert.deepEqual(names('SELECT * FROM employees', { ...OPEN, searchPath: [] }), [
      'relation-unknown employees read',
    ]);
  });

  test('is bound by number for approvals', () => {
    assert.deepEqual(one('SELECT purge() FROM orders').objects, [
      'function 21001 public.purge()',
      'table 20001 public.orders',
    ]);
  });
});

describe('the schemas a scope looks at', () => {
  const rows: readonly (readonly [sql: string, schemas: readonly string[] | null])[] = [
    ['SELECT 1', []],
    ['SELECT * FROM orders', ['public']],
    ['SELECT * FROM orders, hr.employees', ['hr', 'public']],
    ['SELECT * FROM pg_class', []],
    ["SELECT ext.similarity('a', 'b')", []],
    ['SELECT purge()', ['public']],
    ['SELECT hr.nothing()', ['hr']],
    ['SELECT * FROM recent', ['public']],
    ['SELECT * FROM nowhere', null],
    ['SELECT * FROM elsewhere.nowhere', ['elsewhere']],
    ['CREATE TABLE t (LIKE hr.employees)', ['hr', 'public']],
    ['CREATE TABLE hr.t (id int)', ['hr']],
    ['DROP TABLE hr.employees', ['hr']],
    ['DROP TABLE employees', null],
    ['CREATE SCHEMA other', ['other']],
    ['DROP SCHEMA other', ['other']],
    ['CREATE FUNCTION hr.g() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$', ['hr']],
    ['DO $$ BEGIN END $$', null],
    ['CREATE EXTENSION x', null],
    ['CREATE ROLE r', null],
    ['VACUUM', null],
    ["SELECT nextval('orders_id_seq')", ['public']],
    ["SELECT nextval('public.orders_id_seq'::regclass)", ['public']],
    [`SELECT setval(' Public . "orders_id_seq" ', 5)`, ['public']],
    ["SELECT pg_catalog.currval('orders_id_seq'::text)", ['public']],
    ["SELECT nextval('hr.employees')", ['hr']],
    ["SELECT nextval('nowhere')", null],
    ["SELECT nextval('elsewhere.nowhere')", null],
    ["SELECT nextval('20006')", null],
    ['SELECT nextval(20006)', null],
    ["SELECT nextval('x' || 'y')", null],
    ['SELECT nextval($1)', null],
    ["SELECT nextval(regclass => 'orders_id_seq')", null],
    ["SELECT nextval('shop.public.orders_id_seq')", null],
    [`SELECT nextval('"Orders_id_seq"')`, null],
    ['SELECT pg_sequence_last_value(oid) FROM pg_class', null],
    ['SELECT lastval()', []],
    ['SELECT * FROM pg_sequences', null],
    ['SELECT * FROM pg_sequence', []],
    ['BEGIN', []],
    ['SET application_name = x', []],
    ['ALTER TABLE orders SET SCHEMA hr', null],
  ];
  for (const [sql, expected] of rows)
    test(`${sql}: ${JSON.stringify(expected)}`, () => assert.deepEqual(one(sql).schemas, expected));
});

describe('facts', () => {
  const fact = (sql: string, name: keyof typeof POSTGRES_FACTS) => one(sql).facts[name];

  test('say what runs, for EXPLAIN, PREPARE and DECLARE the statement they carry', () => {
    const rows = [
      ['delete from orders', 'delete'],
      ['EXPLAIN ANALYZE DELETE FROM orders', 'delete'],
      ['PREPARE p AS UPDATE orders SET id = 1', 'update'],
      ['DECLARE c CURSOR FOR SELECT 1', 'select'],
      ['EXPLAIN EXECUTE p', 'execute'],
      ['start transaction', 'begin'],
      ['SET x = 1', 'set'],
      ['RESET x', 'reset'],
      ['CREATE TABLE a AS SELECT 1', 'create table as'],
      ['COPY orders TO STDOUT', 'copy'],
    ];
    for (const [sql, expected] of rows) assert.equal(fact(sql as string, 'postgres.statement'), expected, sql);
  });

  test('say whether an UPDATE or DELETE anywhere lacks a WHERE', () => {
    const rows: readonly (readonly [string, boolean | undefined])[] = [
      ['DELETE FROM orders', false],
      ['DELETE FROM orders WHERE true', true],
      ['UPDATE orders SET id = 1 WHERE id = 2', true],
      ['WITH d AS (DELETE FROM orders) UPDATE orders SET id = 1 WHERE id = 2', false],
      ['EXPLAIN DELETE FROM orders', false],
      ['PREPARE p AS DELETE FROM orders', false],
      ['COPY (DELETE FROM orders RETURNING id) TO STDOUT', false],
      ['SELECT 1', undefined],
      ['INSERT INTO orders (id) VALUES (1)', undefined],
    ];
    for (const [sql, expected] of rows) assert.equal(fact(sql, 'postgres.where'), expected, sql);
  });

  test('list tables, columns written, functions and statements', () => {
    const { facts } = one(
      'WITH d AS (DELETE FROM orders RETURNING id) INSERT INTO hr.employees (id, salary) SELECT id, count(*) FROM d GROUP BY 1',
    );
    assert.deepEqual(facts['postgres.tables'], ['hr.employees', 'public.orders']);
    assert.deepEqual(facts['postgres.columns'], ['hr.employees.id', 'hr.employees.salary']);
    assert.deepEqual(facts['postgres.functions'], ['count']);
    assert.deepEqual(facts['postgres.kinds'], ['delete', 'insert', 'select']);
    assert.equal(facts['postgres.returning'], true);
  });

  test('are only those of the closed list, with its types', () => {
    const texts = [
      'SELECT 1 LIMIT 1',
      'DELETE FROM orders',
      'SET x = 1',
      'SHOW x',
      'COPY orders FROM STDIN',
      'SELECT * FROM nowhere',
      'DO $$ $$',
    ];
    for (const text of texts) {
      for (const [name, value] of Object.entries(one(text).facts)) {
        const type = POSTGRES_FACTS[name as keyof typeof POSTGRES_FACTS];
        assert.ok(
          value === null || (Array.isArray(value) ? 'list' : typeof value) === type,
          `${text}: ${name} = ${JSON.stringify(value)}`,
        );
      }
    }
  });
});

describe('several statements in one text', () => {
  test('are cut at exact bytes, whatever characters stand before them', () => {
    const text = "select 'é日本😀'; /* ü */ delete from orders ;; \n select 3";
    const analysis = read(text);
    assert.ok(analysis.ok);
    const bytes = Buffer.from(text);
    const slices = analysis.statements.map(({ start, length }) =>
      bytes
        .subarray(start, start + length)
        .toString()
        .trim(),
    );
    assert.deepEqual(slices, ["select 'é日本😀'", 'delete from orders', 'select 3']);
    assert.deepEqual(
      analysis.statements.map(({ effects }) => effects.join()),
      ['read', 'delete', 'read'],
    );
  });

  test('empty texts and comments have none', () => {
    for (const text of ['', ' \n', '-- x', '/* a /* b */ */', ';;'])
      assert.deepEqual(read(text), { ok: true, statements: [] }, text);
  });
});

describe('literals aimed at masked columns', () => {
  const cut = (sql: string, spans: readonly { start: number; end: number }[]) =>
    spans.map(({ start, end }) => Buffer.from(sql).subarray(start, end).toString());
  const rows: readonly (readonly [sql: string, struck: readonly string[], parameters?: readonly number[]])[] = [
    ["INSERT INTO customers (id, ssn) VALUES (1, '123'), (2, 'é456')", ["'123'", "'é456'"]],
    ["INSERT INTO customers VALUES (1, 'clear', '123', '4111')", ["'123'", "'4111'"]],
    ["INSERT INTO customers (name, ssn) VALUES ('clear', 'a' || 'b')", ["'a'", "'b'"]],
    ['INSERT INTO customers (id, ssn, card) VALUES ($1, $2, $3)', [], [2, 3]],
    ["INSERT INTO customers (id, ssn) SELECT 1, 'x'", ['1', "'x'"]],
    ["UPDATE customers SET ssn = '123', name = 'clear' WHERE id = 7", ["'123'"]],
    ['UPDATE customers SET card = $2 WHERE id = $1', [], [2]],
    ["SELECT * FROM customers WHERE name = 'clear' AND ssn = '123'", ["'123'"]],
    ["SELECT * FROM customers WHERE name = 'clear' OR NOT (ssn LIKE '9%' OR id = 5)", ["'9%'"]],
    ["SELECT * FROM customers WHERE ssn IN ('1', $1, E'2\\n')", ["'1'", "E'2\\n'"], [1]],
    ["SELECT * FROM customers WHERE ssn BETWEEN '1' AND '2'", ["'1'", "'2'"]],
    ["SELECT position('1' IN ssn), 'clear' FROM customers", ["'1'"]],
    ["SELECT CASE ssn WHEN '1' THEN 'a' END FROM customers", ["'1'", "'a'"]],
    ['SELECT * FROM customers c WHERE c.card = $$4111$$', ['$$4111$$']],
    ["SELECT * FROM customers c JOIN (VALUES ('1')) v (x) ON v.x = c.ssn", ["'1'"]],
    ["SELECT * FROM customers WHERE ssn = 'a' AND name = 'é' AND card = U&'\\0061'", ["'a'", "U&'\\0061'"]],
    ['SELECT * FROM customers WHERE length(ssn) > -5', ['-5']],
    ["SELECT * FROM customers WHERE name = 'clear'", []],
    ["SELECT * FROM (SELECT id, ssn AS s FROM customers) x WHERE s = '123' AND id = 4", ["'123'"]],
    ["WITH x (a, b) AS (SELECT id, ssn FROM customers) SELECT a FROM x WHERE x.b = '123'", ["'123'"]],
    ["SELECT * FROM (SELECT upper(ssn) FROM customers) x WHERE upper = 'A'", ["'A'"]],
    ["SELECT * FROM customers u (a, b, c, d) WHERE c = '123'", ["'123'"]],
    ["SELECT id FROM customers c WHERE to_jsonb(c) ->> 'ssn' = '123'", ["'ssn'", "'123'"]],
    ["SELECT id FROM (SELECT * FROM customers) x WHERE (x).ssn = '123'", ["'123'"]],
    ["SELECT * FROM orders WHERE note = '123'", []],
    ["CREATE ROLE r LOGIN PASSWORD 'hunter2'", ["'hunter2'"]],
    ["ALTER USER r PASSWORD 'hunter2'", ["'hunter2'"]],
    ["CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'a', password 'b')", ["'a'", "'b'"]],
    ["CREATE SUBSCRIPTION s CONNECTION 'password=x' PUBLICATION p", ["'password=x'"]],
  ];
  for (const [sql, struck, parameters] of rows) {
    test(`are found in ${sql}`, () => {
      const statement = one(sql, MASKED);
      assert.deepEqual(cut(sql, statement.struck), struck);
      assert.deepEqual(statement.struckParameters, parameters ?? []);
    });
  }

  test('are found again in what is sent instead', () => {
    const { rewrite } = one("SELECT id FROM customers WHERE name = 'é' AND ssn = '123-45'", MASKED);
    assert.deepEqual(cut(rewrite?.text ?? '', rewrite?.struck ?? []), ["'123-45'"]);
  });

  test('are found in a second statement of the text', () => {
    const text = "SELECT 'é'; UPDATE customers SET ssn = '1' WHERE id = 1";
    const analysis = read(text, MASKED);
    assert.ok(analysis.ok);
    assert.deepEqual(cut(text, analysis.statements[1]?.struck ?? []), ["'1'"]);
  });

  test('of COPY are told by their position', () => {
    assert.deepEqual(one('COPY customers (card, id, ssn) FROM STDIN', MASKED).copy, {
      direction: 'in',
      format: 'text',
      masked: [0, 2],
    });
    assert.deepEqual(one('COPY customers FROM STDIN CSV', MASKED).copy, {
      direction: 'in',
      format: 'csv',
      masked: [2, 3],
    });
  });
});

describe('names for later', () => {
  test('of prepared statements and cursors', () => {
    assert.deepEqual(one('PREPARE p AS SELECT 1').prepared, { op: 'prepare', name: 'p' });
    assert.deepEqual(one('DEALLOCATE "P q"').prepared, { op: 'deallocate', name: 'P q' });
    assert.deepEqual(one('DEALLOCATE ALL').prepared, { op: 'deallocate' });
    assert.deepEqual(one('DECLARE c BINARY SCROLL CURSOR WITH HOLD FOR SELECT 1').cursor, {
      op: 'declare',
      name: 'c',
      binary: true,
      hold: true,
      scroll: true,
    });
    assert.deepEqual(one('DECLARE c CURSOR FOR SELECT 1').cursor, {
      op: 'declare',
      name: 'c',
      binary: false,
      hold: false,
      scroll: false,
    });
    assert.deepEqual(one('FETCH c').cursor, { op: 'fetch', name: 'c' });
    assert.deepEqual(one('MOVE 3 IN c').cursor, { op: 'move', name: 'c' });
    assert.deepEqual(one('CLOSE ALL').cursor, { op: 'close' });
  });

  test('EXECUTE joined with what was prepared does what that does, and strikes its arguments', () => {
    const text = "EXECUTE p ('clear', '123-45')";
    const execute = one(text, MASKED);
    const prepared = one('PREPARE p AS UPDATE customers SET ssn = $2 WHERE name = $1', MASKED);
    const joined = resolveIndirect(execute, prepared);
    assert.deepEqual(joined.effects, ['write']);
    assert.equal(joined.touchesMasked, true);
    assert.deepEqual(joined.resources, prepared.resources);
    assert.deepEqual(
      joined.struck.map(({ start, end }) => text.slice(start, end)),
      ["'123-45'"],
    );
  });

  test('EXECUTE keeps what its own arguments do', () => {
    const joined = resolveIndirect(one('EXECUTE p (purge())'), one('PREPARE p AS SELECT $1'));
    assert.deepEqual([...joined.effects].sort(), ['execute', 'read']);
  });

  test('FETCH joined with its cursor reads what the cursor reads', () => {
    const joined = resolveIndirect(one('FETCH c', SCOPED), one('DECLARE c CURSOR FOR SELECT * FROM orders', SCOPED));
    assert.deepEqual(joined.effects, ['read']);
    assert.deepEqual(joined.schemas, ['public']);
  });
});

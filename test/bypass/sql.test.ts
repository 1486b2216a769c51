/** Inputs that got past a reader of SQL somewhere, and what must come of them here. Rows are added, never removed. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { refusedParameterType } from '../../src/languages/sql/index.ts';
import { catalogOf, MASKED, one, OPEN, read, SCOPED } from '../languages/sql/bench.ts';

const reach = (text: string) => {
  const analysis = read(text, OPEN);
  assert.ok(analysis.ok, JSON.stringify(analysis));
  return [...new Set(analysis.statements.flatMap(({ effects }) => effects))].sort().join(' ');
};

describe('a second statement is not hidden by', () => {
  const rows = [
    ['a semicolon', 'select 1; delete from orders'],
    ['a comment and empty statements', 'select 1; -- c\n;;DELETE FROM orders'],
    ['characters of several bytes before it', "select 'é日本'; delete from orders"],
    ['a dollar-quoted body that looks open', 'select $a$ $b$ $a$; delete from orders; select $b$ $b$'],
    ['a nested comment', '/* /* */ select 1; */ select 2; delete from orders'],
    ['a string that ends in a backslash', "select '\\'; delete from orders --'"],
    ['an escape string', "select E'\\'' ; delete from orders; --'"],
    ['a line feed inside a string continuation', "select 'a'\n'b'; delete from orders"],
    ['a quoted identifier with quotes in it', 'select 1 as "a""; x"; delete from orders'],
  ];
  for (const [by, text] of rows) test(by as string, () => assert.match(reach(text as string), /delete/));
});

describe('text that only looks like a statement does nothing', () => {
  const rows = [
    "select 'delete from orders'",
    'select $$; delete from orders;$$',
    'select 1 /* ; delete from orders; */',
    'select 1 -- ; delete from orders',
    'select 1 as "delete from orders"',
  ];
  for (const text of rows) test(text, () => assert.equal(reach(text), 'read'));
});

describe('a name means what PostgreSQL takes it for', () => {
  const resources = (text: string) => one(text, OPEN).resources.map(({ name }) => name);
  const rows: readonly (readonly [text: string, names: readonly string[]])[] = [
    ['sElEcT/*/**/x*/id\fFROM\vcustomers', ['public.customers']],
    ['DELETE/**/FROM"orders"', ['public.orders']],
    ['SELECT U&"\\0073sn" FROM U&"c!0075stomers" UESCAPE \'!\'', ['public.customers']],
    ['SELECT id FROM CUSTOMERS', ['public.customers']],
    ['SELECT id FROM "CUSTOMERS"', ['CUSTOMERS']],
    ['SELECT id FROM "public"."customers"', ['public.customers']],
    ['SELECT id FROM anything.public.customers', ['public.customers']],
    ['SELECT id FROM ｃustomers', ['ｃustomers']],
    ['SELECT id FROM c\u200bustomers', ['c\u200bustomers']],
    ['SELECT id FROM \u212austomers', ['\u212austomers']],
    ['TABLE customers', ['public.customers']],
  ];
  for (const [text, names] of rows) test(JSON.stringify(text), () => assert.deepEqual(resources(text), names));

  test('a no-break space is no space', () => assert.equal(read('select\u00a01 from orders').ok, false));
});

describe('a call is not hidden by', () => {
  const rows = [
    ['attribute notation on a table', 'SELECT c.risk FROM customers c', 'execute'],
    ['attribute notation on a value', 'SELECT (c).risk FROM customers c', 'execute'],
    ['attribute notation on a literal', "SELECT ('/etc/passwd'::text).pg_read_file", 'transfer'],
    ['attribute notation on a sub-query', 'SELECT (SELECT c FROM customers c LIMIT 1).risk', 'execute'],
    ['attribute notation after a subscript', "SELECT ((ARRAY['/etc'])[1]).pg_ls_dir", 'transfer'],
    ['a column of the same name elsewhere', "SELECT ('x'::text).lo_import FROM (SELECT 1 AS lo_import) x", 'transfer'],
    ['an operator', 'SELECT 1 ### 2', 'execute'],
    ['a qualified operator', 'SELECT 1 OPERATOR(public.###) 2', 'execute'],
    ['an operator over a sub-query', 'SELECT 1 ### ANY (SELECT 2)', 'execute'],
    ['ORDER BY USING', 'SELECT id FROM orders ORDER BY id USING ###', 'execute'],
    ['a view', 'SELECT * FROM calling', 'execute'],
    ['a default argument of a table function', 'SELECT * FROM ROWS FROM (purge()) x', 'execute'],
    ['FILTER', 'SELECT count(*) FILTER (WHERE purge() > 0) FROM orders', 'execute'],
    [
      'a window frame',
      'SELECT sum(id) OVER (ORDER BY id ROWS BETWEEN purge() PRECEDING AND CURRENT ROW) FROM orders',
      'execute',
    ],
    ['LIMIT', 'SELECT 1 LIMIT purge()', 'execute'],
    ['a grouping set', 'SELECT 1 FROM orders GROUP BY GROUPING SETS ((purge()), ())', 'execute'],
    [
      'a MERGE action',
      'MERGE INTO orders o USING customers c ON c.id = o.id WHEN MATCHED THEN UPDATE SET id = purge()',
      'execute',
    ],
    ['ON CONFLICT', 'INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = purge()', 'execute'],
    ['RETURNING', 'DELETE FROM orders RETURNING purge()', 'execute'],
    ['a JSON constructor', "SELECT json_object('a': purge())", 'execute'],
    ['JSON_TABLE', "SELECT * FROM json_table(purge()::text::json, '$' COLUMNS (a int PATH '$.a'))", 'execute'],
    ['XMLTABLE', "SELECT * FROM xmltable('/a' PASSING (purge()::text::xml) COLUMNS b int)", 'execute'],
    ['CREATE TABLE AS', 'CREATE TABLE t AS SELECT purge()', 'execute'],
    ['EXECUTE', 'EXECUTE p (purge())', 'execute'],
    ['COPY … WHERE', 'COPY orders FROM STDIN WHERE purge() > 0', 'execute'],
    ['TABLESAMPLE', 'SELECT * FROM orders TABLESAMPLE system (purge())', 'execute'],
    ['a method of TABLESAMPLE', 'SELECT * FROM orders TABLESAMPLE purge (1)', 'unknown'],
    ['an unqualified name that hides the server’s own', 'SELECT lower(1)', 'execute'],
    ['quotes', 'SELECT "purge"()', 'execute'],
    ['Unicode escapes', 'SELECT U&"\\0070urge"()', 'execute'],
    ['VARIADIC', 'SELECT purge(VARIADIC ARRAY[1])', 'unknown'],
  ];
  for (const [by, text, effect] of rows)
    test(by as string, () => assert.match(reach(text as string), new RegExp(effect as string)));
});

describe('a function of the server is not called as a mere read where it', () => {
  const rows: Readonly<Record<string, readonly string[]>> = {
    'reads files of the server': [
      ...["pg_read_file('x')", "pg_read_binary_file('x')", "pg_ls_dir('x')", "pg_stat_file('x')", 'pg_ls_waldir()'],
      ...["lo_import('x')", 'lo_get(1)', 'loread(1, 1)', 'pg_ls_tmpdir()', 'pg_ls_logdir()'],
    ],
    'writes files of the server': [
      "lo_export(1, 'x')",
      "pg_file_write('x', 'y', false)",
      "pg_file_unlink('x')",
      "lo_put(1, 0, 'x')",
    ],
    'speaks to other servers, or to this one as another': [
      "dblink('a', 'b')",
      "dblink_connect('a')",
      "dblink_exec('a', 'b')",
    ],
    'runs a query that it is given as text': [
      ...["query_to_xml('a', true, true, '')", "table_to_xml('a', true, true, '')", "database_to_xml(true, true, '')"],
      ...[
        "schema_to_xml('a', true, true, '')",
        "cursor_to_xml('a', 1, true, true, '')",
        "ts_stat('a')",
        "ts_rewrite('a', 'b')",
      ],
    ],
    'follows what others change': [
      ...["pg_logical_slot_get_changes('a', NULL, NULL)", "pg_create_logical_replication_slot('a', 'b')"],
      ...["pg_create_physical_replication_slot('a')", "pg_logical_slot_peek_changes('a', NULL, NULL)"],
    ],
    'reaches other sessions, or the whole server': [
      ...['pg_terminate_backend(1)', 'pg_cancel_backend(1)', 'pg_reload_conf()', 'pg_switch_wal()', 'pg_promote()'],
      ...[
        "pg_create_restore_point('a')",
        'pg_stat_reset()',
        'pg_rotate_logfile()',
        'pg_log_backend_memory_contexts(1)',
      ],
      ...["pg_notify('a', 'b')", "pg_logical_emit_message(true, 'a', 'b')", 'pg_export_snapshot()'],
    ],
    'changes what statements mean': ["set_config('role', 'x', false)", "set_config('search_path', 'x', true)"],
    'takes numbers, locks or time': [
      ...["nextval('orders_id_seq')", "setval('orders_id_seq', 1)", 'txid_current()', 'pg_current_xact_id()'],
      ...['pg_advisory_lock(1)', 'pg_try_advisory_xact_lock(1)', 'pg_sleep(1)', "pg_sleep_for('1s')"],
    ],
    'is of no list': ['no_such_function(1)', 'pg_of_the_future(1)', 'citext(1)'],
  };
  for (const [what, calls] of Object.entries(rows)) {
    test(what, () => {
      for (const call of calls)
        for (const text of [
          `SELECT ${call}`,
          `SELECT * FROM ${call} x`,
          `SELECT 1 FROM orders WHERE pg_catalog.${call} IS NULL`,
        ])
          assert.notEqual(reach(text), 'read', text);
    });
  }
});

describe('a keyword of late is a call of the user’s function on servers that do not know it', () => {
  const catalog = catalogOf({
    functions: [
      'json_value',
      'json_exists',
      'json_query',
      'json_object',
      'json_array',
      'json_arrayagg',
      'json',
      'json_scalar',
      'json_serialize',
      'json_table',
    ].map((name, index) => [
      ...[21_201 + index, 'public', name, `public.${name}(text)`, [25], 1, 0, false, 'f', 'sql', null, 'a'.repeat(64)],
    ]),
  });
  const rows = [
    [
      "SELECT json_value('a', 'b')",
      "SELECT json_exists('a', 'b')",
      "SELECT json_query('a', 'b')",
      "SELECT json_object('a': 1)",
      'SELECT json_array(1)',
      'SELECT json_arrayagg(1)',
    ],
    [
      "SELECT json('a')",
      "SELECT json_scalar('a')",
      "SELECT json_serialize('a')",
      "SELECT * FROM json_table('a', '$' COLUMNS (b int PATH '$.c'))",
    ],
  ].flat();
  for (const text of rows) test(text, () => assert.ok(one(text, { ...OPEN, catalog }).effects.includes('execute')));
});

describe('a partitioned table is not read past', () => {
  const column = [[1, 'id', 23, 'integer', '', '', false]];
  const relations = [
    [20201, 'public', 'parts', 'p', 'p', false, false, null, column],
    [20202, 'public', 'part_a', 'r', 'p', false, true, null, column],
    [20203, 'public', 'part_b', 'f', 'p', false, true, null, column],
  ];
  const inherits = [[20202, 20201]];

  test('a foreign table among its partitions', () => {
    const catalog = catalogOf({ relations, inherits: [...inherits, [20203, 20201]] });
    assert.equal(one('SELECT * FROM parts', { ...SCOPED, catalog }).refused?.code, 'MASK_REACHED');
    assert.equal(
      one('SELECT * FROM parts', { ...SCOPED, catalog: catalogOf({ relations, inherits }) }).refused,
      undefined,
    );
  });

  test('a trigger on one of its partitions', () => {
    const catalog = catalogOf({
      relations,
      inherits,
      triggers: [[20202, 't', 4, 21001]],
      functions: [[21001, 'public', 'purge', 'public.purge()', [], 0, 0, false, 'f', 'plpgsql', null, 'a'.repeat(64)]],
    });
    assert.equal(one('INSERT INTO parts VALUES (1)', { ...SCOPED, catalog }).refused?.code, 'USER_CODE');
    assert.equal(one('SELECT * FROM parts', { ...SCOPED, catalog }).refused, undefined);
  });
});

describe('the type of a parameter', () => {
  test('of the server or an enumeration passes, any other type does not where something is guarded', () => {
    assert.equal(refusedParameterType(MASKED, [0, 25, 23, 22011]), undefined);
    for (const oid of [22010, 22002, 99999])
      assert.equal(refusedParameterType(MASKED, [25, oid])?.code, 'USER_CODE', String(oid));
    assert.equal(refusedParameterType(OPEN, [22010]), undefined);
  });
});

describe('a masked column does not come through', () => {
  const refusedOrMasked = (text: string) => {
    const { refused, rewrite } = one(text, MASKED);
    if (refused === undefined) assert.match(rewrite?.text ?? '', /'\*\*\*'|public\.customers AS m/, text);
    assert.doesNotMatch(
      rewrite?.text.replaceAll(/public\.customers AS m|^DELETE FROM public\.customers/g, '') ?? '',
      /FROM public\.customers/,
      text,
    );
  };
  const rows = [
    'SELECT ssn AS name, name AS ssn FROM customers',
    'SELECT c FROM customers c',
    'SELECT customers FROM customers',
    'SELECT (customers).ssn FROM customers',
    'SELECT * FROM customers AS c (a, b, d, e)',
    'WITH customers AS (SELECT * FROM customers) SELECT * FROM customers',
    'WITH x AS (WITH customers AS (SELECT 1 AS ssn) SELECT * FROM customers) SELECT * FROM x, customers',
    'SELECT (SELECT (SELECT ssn FROM customers LIMIT 1))',
    'SELECT * FROM orders o, LATERAL (SELECT ssn FROM customers WHERE id = o.id) x',
    'SELECT * FROM ((customers JOIN orders USING (id)) JOIN orders o2 USING (id))',
    'SELECT ssn FROM ONLY (customers)',
    'SELECT ssn FROM customers *',
    'DELETE FROM customers RETURNING *',
    "DELETE FROM customers WHERE customers.to_json::text LIKE '%1%'",
    "UPDATE customers SET name = 'x' WHERE (customers).ssn = '1'",
    'INSERT INTO orders (note) SELECT ssn FROM customers',
    'INSERT INTO orders (note) TABLE customers',
    'UPDATE orders SET (note, amount) = (SELECT ssn, 1 FROM customers LIMIT 1)',
    'SELECT id, ssn INTO copied FROM customers',
    'CREATE TABLE copied AS TABLE customers',
    'COPY customers TO STDOUT',
    'COPY (TABLE customers) TO STDOUT',
    'EXPLAIN ANALYZE TABLE customers',
    'PREPARE p AS TABLE customers',
    'SELECT * FROM customers FOR UPDATE OF customers',
    'CREATE TRIGGER t BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION purge()',
    'CREATE POLICY p ON customers USING (true)',
    'CREATE STATISTICS s ON ssn, card FROM customers',
    'CREATE PUBLICATION p FOR TABLE customers',
    'ALTER TABLE orders ADD FOREIGN KEY (note) REFERENCES customers (ssn)',
    'ALTER TABLE customers SET SCHEMA hr',
    'ALTER TABLE customers ATTACH PARTITION orders DEFAULT',
    'CREATE TABLE child () INHERITS (customers)',
  ];
  for (const text of rows) test(text, () => refusedOrMasked(text));
});

describe('a scope is not left by', () => {
  const rows: readonly (readonly [by: string, text: string])[] = [
    ['a qualified name', 'SELECT * FROM hr.employees'],
    ['quotes', 'SELECT * FROM "hr"."employees"'],
    ['a sub-query', 'SELECT (SELECT max(salary) FROM hr.employees)'],
    ['LIKE in CREATE TABLE', 'CREATE TABLE t (LIKE hr.employees)'],
    ['a foreign key', 'CREATE TABLE t (id int REFERENCES hr.employees)'],
    ['a write', 'INSERT INTO hr.employees VALUES (1)'],
    ['COPY', 'COPY hr.employees TO STDOUT'],
    ['DDL on a schema', 'DROP SCHEMA hr CASCADE'],
  ];
  for (const [by, text] of rows)
    test(by, () => assert.ok(one(text, SCOPED).schemas?.includes('hr'), JSON.stringify(one(text, SCOPED).schemas)));

  test('what cannot be placed', () => {
    for (const text of [
      'DO $$ BEGIN END $$',
      'CREATE EXTENSION x',
      'DROP TABLE employees',
      'CREATE CAST (text AS int) WITH INOUT',
      'REASSIGN OWNED BY a TO b',
    ]) {
      assert.equal(one(text, SCOPED).schemas, null, text);
    }
  });
});

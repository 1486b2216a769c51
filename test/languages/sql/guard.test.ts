import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bindMasks, maskedOrigins, type SqlBasis } from '../../../src/languages/sql/index.ts';
import { catalogOf, MASKED, OPEN, one, SCOPED, SMALL } from './bench.ts';

const refusal = (sql: string, basis: SqlBasis = MASKED) => one(sql, basis).refused;
const sent = (sql: string, basis: SqlBasis = MASKED) => {
  const { refused, rewrite } = one(sql, basis);
  assert.equal(refused, undefined, `${sql}: ${refused?.reason}`);
  return rewrite?.text;
};

const STAND_IN =
  "( SELECT m.id, m.name, CAST('***' AS pg_catalog.text) AS ssn, " +
  "CAST(CASE WHEN m.tableoid OPERATOR(pg_catalog.<>) 0 AND pg_catalog.char_length(CAST(m.card AS pg_catalog.text)) OPERATOR(pg_catalog.>) 4 THEN CAST('***' AS pg_catalog.text) OPERATOR(pg_catalog.||) " +
  "pg_catalog.right(CAST(m.card AS pg_catalog.text), 4) ELSE CAST('***' AS pg_catalog.text) END AS pg_catalog.text) AS card FROM public.customers AS m )";

describe('a read of a masked table', () => {
  test('reads a sub-query that yields the masks instead', () => {
    assert.equal(sent('SELECT * FROM customers'), `SELECT * FROM ${STAND_IN} AS customers`);
    assert.equal(
      sent('SELECT c.ssn FROM public.customers c'),
      "SELECT c.ssn FROM ( SELECT CAST('***' AS pg_catalog.text) AS ssn FROM public.customers AS m ) AS c",
    );
    assert.equal(sent('SELECT x FROM customers AS c (a, b, x)'), `SELECT x FROM ${STAND_IN} AS c(a, b, x)`);
    assert.equal(
      sent('SELECT public.customers.id FROM public.customers'),
      'SELECT customers.id FROM ( SELECT m.id FROM public.customers AS m ) AS customers',
    );
    assert.equal(
      sent('SELECT public.customers.* FROM public.customers'),
      `SELECT customers.* FROM ${STAND_IN} AS customers`,
    );
  });

  test('yields no column that the statement cannot look at', () => {
    const rows: readonly (readonly [sql: string, columns: string])[] = [
      ['SELECT count(*) FROM customers', 'm.id'],
      ['SELECT name FROM customers WHERE id = 1', 'm.id, m.name'],
      ['SELECT o.id FROM customers c JOIN orders o ON o.customer_id = c.id ORDER BY c.name', 'm.id, m.name'],
      ['SELECT 1 FROM customers c JOIN orders USING (id)', 'm.id'],
      ["SELECT 1 FROM customers WHERE ssn = 'x'", "CAST('***' AS pg_catalog.text) AS ssn"],
    ];
    for (const [sql, columns] of rows) {
      assert.ok(sent(sql)?.includes(`( SELECT ${columns} FROM public.customers AS m )`), `${sql}: ${sent(sql)}`);
    }
    for (const sql of [
      'SELECT c FROM customers c',
      'SELECT * FROM customers NATURAL JOIN orders',
      'SELECT row_to_json(customers) FROM customers',
      'SELECT o.* FROM customers c, (SELECT * FROM customers) o',
    ]) {
      assert.ok(sent(sql)?.includes(STAND_IN), `${sql}: ${sent(sql)}`);
    }
  });

  test('is replaced wherever it stands', () => {
    const places = [
      'SELECT (SELECT max(ssn) FROM customers)',
      'SELECT 1 WHERE EXISTS (TABLE customers)',
      'WITH x AS (SELECT * FROM customers) SELECT * FROM x',
      'SELECT 1 UNION SELECT id FROM customers',
      'SELECT * FROM orders o LEFT JOIN LATERAL (SELECT * FROM customers) c ON true',
      'SELECT array(SELECT ssn FROM customers)',
      'SELECT 1 ORDER BY (SELECT ssn FROM customers LIMIT 1)',
      'SELECT count(*) FILTER (WHERE 1 IN (SELECT id FROM customers)) FROM orders',
      'VALUES ((SELECT ssn FROM customers LIMIT 1))',
      'COPY (SELECT ssn FROM customers) TO STDOUT',
      'EXPLAIN SELECT ssn FROM customers',
      'PREPARE p AS SELECT ssn FROM customers',
      'DECLARE c CURSOR FOR SELECT ssn FROM customers',
      'SELECT * FROM orders LIMIT (SELECT id FROM customers LIMIT 1)',
      'SELECT * FROM generate_series(1, (SELECT id FROM customers LIMIT 1))',
    ];
    for (const sql of places) {
      const text = sent(sql) ?? '';
      assert.match(text, /public\.customers AS m/, sql);
      assert.doesNotMatch(text.replaceAll('public.customers AS m', ''), /public\.customers/, sql);
    }
  });

  test('is left alone when the name is that of a CTE', () => {
    assert.equal(
      sent('WITH customers AS (SELECT 1 AS ssn) SELECT ssn FROM customers'),
      'WITH customers AS (SELECT 1 AS ssn) SELECT ssn FROM customers',
    );
    assert.match(sent('WITH customers AS (SELECT ssn FROM customers) SELECT ssn FROM customers') ?? '', /'\*\*\*'/);
  });

  test('marks the statement', () => {
    assert.equal(one('SELECT id FROM customers', MASKED).touchesMasked, true);
    assert.equal(one('SELECT id FROM orders', MASKED).touchesMasked, false);
  });
});

describe('on a guarded target', () => {
  test('names are sent with their schemas', () => {
    const rows = [
      [
        "SELECT upper(note), count(*) FROM orders WHERE note LIKE 'a' AND amount = 1 GROUP BY 1",
        "SELECT pg_catalog.upper(note), pg_catalog.count(*) FROM public.orders WHERE note OPERATOR(pg_catalog.~~) 'a' AND amount OPERATOR(pg_catalog.=) 1 GROUP BY 1",
      ],
      [
        "SELECT '1'::int, note::text, 'a'::mood FROM orders",
        "SELECT CAST('1' AS pg_catalog.int4), CAST(note AS pg_catalog.text), CAST('a' AS public.mood) FROM public.orders",
      ],
      ['SELECT relname FROM pg_class', 'SELECT relname FROM pg_catalog.pg_class'],
      ['DELETE FROM orders WHERE id = ANY ($1)', 'DELETE FROM public.orders WHERE id OPERATOR(pg_catalog.=) ANY ($1)'],
      [
        "INSERT INTO orders (note) VALUES ('a') RETURNING id",
        "INSERT INTO public.orders (note) VALUES ('a') RETURNING id",
      ],
      ['TRUNCATE orders', 'TRUNCATE public.orders'],
      ['COPY orders (id) TO STDOUT', 'COPY public.orders (id) TO STDOUT'],
      [
        'SELECT id FROM orders WHERE amount > ALL (SELECT salary FROM hr.employees)',
        'SELECT id FROM public.orders WHERE amount OPERATOR(pg_catalog.>) ALL (SELECT salary FROM hr.employees)',
      ],
    ];
    for (const [sql, expected] of rows) assert.equal(sent(sql as string, SCOPED), expected);
  });

  test('statements that only steer the session are sent as they are', () => {
    for (const sql of [
      'BEGIN',
      'COMMIT',
      'SET application_name = x',
      'SHOW search_path',
      'DEALLOCATE p',
      'CLOSE c',
      'FETCH c',
      'DISCARD ALL',
      'DROP TABLE orders',
    ]) {
      assert.equal(sent(sql, SCOPED), undefined, sql);
    }
  });

  const rows: readonly (readonly [sql: string, word: string, basis?: SqlBasis])[] = [
    ['SELECT * FROM nowhere', 'NAME_UNKNOWN', SCOPED],
    ['SELECT nothing(1)', 'NAME_UNKNOWN', SCOPED],
    ['SELECT 1 %%% 2', 'NAME_UNKNOWN', SCOPED],
    ["SELECT 'x'::nothing", 'NAME_UNKNOWN', SCOPED],
    ['SELECT purge()', 'USER_CODE', SCOPED],
    ['SELECT lower(1)', 'USER_CODE', SCOPED],
    ["SELECT ext.similarity('a', 'b')", 'USER_CODE', SCOPED],
    ['SELECT risk(c) FROM customers c', 'USER_CODE', SCOPED],
    ['SELECT c.risk FROM customers c', 'USER_CODE', SCOPED],
    ['SELECT (c).risk FROM customers c', 'USER_CODE', SCOPED],
    ['SELECT s.risk FROM (SELECT 1 AS a) s', 'USER_CODE', SCOPED],
    ['SELECT 1 ### 2', 'USER_CODE', SCOPED],
    ["SELECT 'x'::odd", 'USER_CODE', SCOPED],
    ["SELECT odd 'x'", 'USER_CODE', SCOPED],
    ["SELECT odd('x')", 'USER_CODE', SCOPED],
    ['SELECT * FROM calling', 'USER_CODE', SCOPED],
    ['DO $$ BEGIN END $$', 'USER_CODE', SCOPED],
    ['CALL settle(1)', 'USER_CODE', SCOPED],
    ['CREATE EXTENSION dblink', 'USER_CODE', SCOPED],
    ['ALTER TABLE orders ADD CHECK (purge() > 0)', 'USER_CODE', SCOPED],
    ['SELECT * FROM pg_stats', 'SENSITIVE_CATALOG', SCOPED],
    ['SELECT * FROM pg_catalog.pg_shadow', 'SENSITIVE_CATALOG', SCOPED],
    ['SELECT * FROM pg_catalog.pg_not_yet_known', 'SENSITIVE_CATALOG', SCOPED],
    ['CREATE TEMP TABLE t (id int)', 'TEMPORARY', SCOPED],
    ['SELECT 1 AS a INTO TEMP t', 'TEMPORARY', SCOPED],
    ['CREATE TEMP VIEW t AS SELECT 1', 'TEMPORARY', SCOPED],
    ['SELECT * FROM pg_temp.orders', 'TEMPORARY', SCOPED],
    ['SELECT * FROM far', 'MASK_REACHED', SCOPED],
    ['VACUUM', 'NOT_SUPPORTED', SCOPED],
    ['ANALYZE', 'NOT_SUPPORTED', SCOPED],
    ['REINDEX DATABASE d', 'NOT_SUPPORTED', SCOPED],
    ["SELECT pg_read_file('x')", 'MASK_REACHED', SCOPED],
    ["SELECT query_to_xml('select 1', true, true, '')", 'MASK_REACHED', SCOPED],
    ["SELECT ('x'::text).pg_read_file", 'MASK_REACHED', SCOPED],
    ['DECLARE c CURSOR WITH HOLD FOR SELECT 1', 'MASK_REACHED', SCOPED],
    ['EXPLAIN EXECUTE p', 'NOT_SUPPORTED', SCOPED],
    ['SELECT id FROM orders ORDER BY id USING <', 'NOT_REWRITABLE', SCOPED],
    ["SELECT json_value('{}', '$.a')", 'NOT_REWRITABLE', SCOPED],
    ['SELECT ssn FROM customers FOR SHARE', 'MASK_REACHED'],
    ['SELECT ctid FROM customers', 'MASK_REACHED'],
    ['CREATE VIEW v AS SELECT id FROM customers', 'MASK_REACHED'],
    ['LISTEN changes', 'NOT_SUPPORTED'],
    ['CREATE MATERIALIZED VIEW v AS SELECT id FROM customers', 'MASK_REACHED'],
    ['CREATE RULE r AS ON INSERT TO orders DO ALSO SELECT ssn FROM customers', 'MASK_REACHED'],
    ['CREATE FUNCTION g() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT ssn FROM customers; END', 'MASK_REACHED'],
    ['ALTER TABLE customers RENAME ssn TO x', 'MASK_REACHED'],
    ['DELETE FROM customers WHERE ssn = $1', 'MASK_REACHED'],
    ['INSERT INTO customers (name) VALUES (1) ON CONFLICT DO NOTHING', 'MASK_WRITE'],
  ];
  for (const [sql, word, basis] of rows) {
    test(`${sql} is refused: ${word}`, () => {
      const refused = refusal(sql, basis);
      assert.equal(refused?.code, word, refused?.reason);
      assert.ok(refused.reason.length > 10 && refused.hint.length > 5 && /^[0-9A-Z]{5}$/.test(refused.sqlState));
    });
  }

  test('nothing of this is refused where nothing is guarded', () => {
    for (const [sql] of rows) assert.equal(refusal(sql, OPEN), undefined, sql);
  });

  test('what only names a masked table without looking at its values passes', () => {
    for (const sql of [
      'TRUNCATE customers',
      'LOCK TABLE customers',
      'DROP TABLE customers',
      'GRANT SELECT ON customers TO x',
      'VACUUM customers',
      "COMMENT ON TABLE customers IS 'x'",
    ]) {
      assert.equal(refusal(sql), undefined, sql);
    }
  });

  test('waiting passes, for policy to judge', () => {
    assert.equal(refusal('SELECT pg_sleep(1)', SCOPED), undefined);
  });
});

describe('trusted functions', () => {
  const trusting = (sha256: string): SqlBasis => ({
    ...MASKED,
    trustedFunctions: [{ signature: 'public.purge()', sha256 }],
  });

  test('run when signature and definition are those that were read', () => {
    const statement = one('SELECT purge()', trusting('a'.repeat(64)));
    assert.equal(statement.refused, undefined);
    assert.equal(statement.rewrite?.text, 'SELECT public.purge()');
    assert.equal(statement.ranUserCode, true);
  });

  test('do not run when the definition is another', () =>
    assert.equal(refusal('SELECT purge()', trusting('0'.repeat(64)))?.code, 'USER_CODE'));

  test('behind a view are trusted too', () =>
    assert.equal(refusal('SELECT * FROM calling', trusting('a'.repeat(64))), undefined));
});

describe('user code that any expression may run', () => {
  test('an implicit cast between types of the server closes every expression', () => {
    const catalog = catalogOf({ casts: [[23, 25, 21002, 'i', 'f']] });
    assert.equal(refusal('SELECT 1', { ...SCOPED, catalog })?.code, 'USER_CODE');
    assert.equal(refusal('BEGIN', { ...SCOPED, catalog })?.code, undefined);
  });

  test('a default operator class for a type of the server likewise', () => {
    assert.equal(
      refusal('SELECT 1', { ...SCOPED, catalog: catalogOf({ opclasses: [['mine', 23]] }) })?.code,
      'USER_CODE',
    );
  });

  test('a user operator that takes types of the server may hide behind IN, BETWEEN and USING', () => {
    const catalog = catalogOf({
      operators: [
        [21101, 'public', '=', 23, 20, 21006],
        [21102, 'public', '>=', 23, 20, 21006],
      ],
    });
    for (const sql of [
      'SELECT 1 WHERE 1 IN (2)',
      'SELECT 1 WHERE 1 BETWEEN 0 AND 2',
      'SELECT * FROM orders a JOIN orders b USING (id)',
      'SELECT nullif(1, 2)',
      'SELECT CASE 1 WHEN 2 THEN 3 END',
      'SELECT 1 IN (SELECT 2)',
    ]) {
      assert.equal(refusal(sql, { ...SCOPED, catalog })?.code, 'USER_CODE', sql);
    }
    // Written plainly it is pinned to the server's own.
    assert.equal(sent('SELECT 1 = 2', { ...SCOPED, catalog }), 'SELECT 1 OPERATOR(pg_catalog.=) 2');
  });

  test('the expression of an index runs when the table is analysed, rebuilt or altered', () => {
    const catalog = catalogOf({ indexes: [[20001, 'i', false, '0', [1], 'public.lower(id)', null, false]] });
    for (const sql of [
      'ANALYZE orders',
      'REINDEX TABLE orders',
      'ALTER TABLE orders ALTER id TYPE text',
      'UPDATE orders SET id = 1',
    ]) {
      assert.equal(refusal(sql, { ...SCOPED, catalog })?.code, 'USER_CODE', sql);
    }
    assert.equal(refusal('SELECT * FROM orders', { ...SCOPED, catalog }), undefined);
  });

  test('an event trigger runs with every definition', () => {
    assert.equal(
      refusal('DROP TABLE orders', {
        ...SCOPED,
        catalog: catalogOf({ eventTriggers: [['e', 'ddl_command_start', 21001]] }),
      })?.code,
      'USER_CODE',
    );
  });
});

describe('the binding of a mask', () => {
  const moved = (relations: readonly (readonly unknown[])[]) => catalogOf({ relations });
  const bound = bindMasks(SMALL, MASKED.masks);

  test('notes the numbers of table and column', () => {
    assert.deepEqual(bound[0], { relation: 'public.customers', column: 'ssn', with: 'redact', oid: 20002, attnum: 3 });
    assert.equal(bindMasks(SMALL, [{ relation: 'public.nothing', column: 'x', with: 'redact' }])[0]?.oid, undefined);
  });

  test('is lost when the column was renamed, and the table then refused', () => {
    const catalog = moved([
      [
        20002,
        'public',
        'customers',
        'r',
        'p',
        false,
        false,
        null,
        [
          [1, 'id', 23, 'integer', '', '', false],
          [3, 'zzz', 25, 'text', '', '', false],
        ],
      ],
    ]);
    assert.equal(refusal('SELECT id FROM customers', { ...MASKED, catalog, masks: bound })?.code, 'MASK_LOST');
  });

  test('is lost when another column took the name', () => {
    const catalog = moved([
      [
        20002,
        'public',
        'customers',
        'r',
        'p',
        false,
        false,
        null,
        [
          [3, 'old', 25, 'text', '', '', false],
          [5, 'ssn', 25, 'text', '', '', false],
          [4, 'card', 25, 'text', '', '', false],
        ],
      ],
    ]);
    assert.equal(refusal('SELECT old FROM customers', { ...MASKED, catalog, masks: bound })?.code, 'MASK_LOST');
  });

  test('is lost when the table was renamed: neither the old nor a new table of the name can be read', () => {
    const columns = [
      [1, 'id', 23, 'integer', '', '', false],
      [3, 'ssn', 25, 'text', '', '', false],
      [4, 'card', 25, 'text', '', '', false],
    ];
    const catalog = moved([
      [20002, 'public', 'clients', 'r', 'p', false, false, null, columns],
      [20099, 'public', 'customers', 'r', 'p', false, false, null, columns],
    ]);
    for (const table of ['clients', 'customers'])
      assert.equal(refusal(`SELECT id FROM ${table}`, { ...MASKED, catalog, masks: bound })?.code, 'MASK_LOST', table);
  });

  test('of a table that does not exist closes nothing', () => {
    assert.equal(
      refusal('SELECT * FROM orders', {
        ...MASKED,
        masks: [{ relation: 'public.nothing', column: 'x', with: 'redact' }],
      }),
      undefined,
    );
  });

  const columns = (...names: readonly string[]) => names.map((name, i) => [i + 1, name, 25, 'text', '', '', false]);
  const table = (oid: number, name: string, list: readonly unknown[]) => [
    oid,
    'public',
    name,
    'r',
    'p',
    false,
    false,
    null,
    list,
  ];

  test('tells which column origins must not come back, generated columns too', () => {
    const generated = [1, 'loud', 25, 'text', 's', '', false];
    const catalog = catalogOf({
      relations: [table(20002, 'customers', [generated, ...columns('a', 'name', 'ssn', 'card').slice(1)])],
      defaults: [[20002, 1, 'upper(ssn)', [3]]],
    });
    assert.deepEqual(maskedOrigins(catalog, bound), new Map([[20002, new Set([3, 4, 1])]]));
  });

  test('tells the origins of partitions and parents of a masked table, at any distance and under other numbers', () => {
    const catalog = catalogOf({
      relations: [
        table(20002, 'customers', columns('id', 'name', 'ssn', 'card')),
        table(20101, 'all', columns('ssn', 'id')),
        table(20102, 'others', columns('id', 'own', 'x', 'ssn')),
        table(20103, 'stranger', columns('ssn')),
      ],
      inherits: [
        [20102, 20101],
        [20002, 20101],
      ],
    });
    assert.deepEqual(
      maskedOrigins(catalog, bound),
      new Map([
        [20002, new Set([3, 4])],
        [20101, new Set([1])],
        [20102, new Set([4])],
      ]),
    );
  });
});

describe('a mask by hash', () => {
  const hashed: SqlBasis = { ...MASKED, masks: [{ relation: 'public.customers', column: 'ssn', with: 'hash' }] };
  const digest = (row: string) =>
    `CAST(CASE WHEN ${row}.tableoid OPERATOR(pg_catalog.<>) 0 THEN pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(` +
    `CAST(${row}.ssn AS pg_catalog.text), pg_catalog.getdatabaseencoding())), 'hex'), 32) END AS pg_catalog.varchar(7321984))`;
  const places = (sql: string) => one(sql, hashed).shown?.hashed;

  test('has the target send a digest under a name of ours, in place of the output', () => {
    assert.equal(
      sent('SELECT ssn AS s, id FROM customers', hashed),
      `SELECT customers."hoop hash 3" AS s, id FROM ( SELECT m.id, ${digest('m')} AS "hoop hash 3" FROM public.customers AS m ) AS customers`,
    );
    assert.equal(
      sent("INSERT INTO customers (ssn) VALUES ('1') RETURNING ssn", hashed),
      `INSERT INTO public.customers (ssn) VALUES ('1') RETURNING ${digest('customers')} AS ssn`,
    );
  });

  test('says which columns of the result are digests, through sub-queries, WITH, joins and stars', () => {
    const rows: readonly (readonly [sql: string, places: readonly number[]])[] = [
      ['SELECT * FROM customers', [2]],
      ['SELECT c.*, o.*, ssn FROM customers c JOIN orders o ON o.customer_id = c.id', [2, 8]],
      ['SELECT b.ssn, a.ssn FROM customers a, customers b', [0, 1]],
      ['SELECT x FROM (SELECT ssn AS x, id FROM customers) s ORDER BY s.id', [0]],
      ['SELECT * FROM (SELECT * FROM (TABLE customers) a) b', [2]],
      ['SELECT b FROM (SELECT id, ssn FROM customers) s (a, b)', [0]],
      ['WITH w AS (SELECT * FROM customers), v AS (SELECT w.ssn, id FROM w) SELECT id, v.ssn FROM v', [1]],
      ['SELECT s.ssn FROM orders o, LATERAL (SELECT ssn FROM customers c WHERE c.id = o.customer_id) s', [0]],
      ['SELECT ssn, rank() OVER (ORDER BY id) FROM customers', [0]],
      ['DECLARE c CURSOR FOR SELECT ssn FROM customers', [0]],
      ['PREPARE p AS SELECT id, ssn FROM customers WHERE id = $1', [1]],
      ["UPDATE customers SET name = 'x' WHERE id = 1 RETURNING *", [2]],
      ['SELECT id FROM (SELECT * FROM customers) s', []],
      ['SELECT id FROM orders WHERE EXISTS (SELECT * FROM customers c WHERE c.id = customer_id)', []],
      ['EXPLAIN SELECT ssn FROM customers', []],
    ];
    for (const [sql, expected] of rows) {
      assert.equal(refusal(sql, hashed), undefined, sql);
      assert.deepEqual(places(sql), expected, sql);
    }
  });

  const misuses = [
    "SELECT id FROM customers WHERE ssn = 'x'",
    "SELECT ssn FROM customers WHERE ssn LIKE '9%'",
    'SELECT ssn::text FROM customers',
    "SELECT ssn || '' FROM customers",
    'SELECT max(ssn) FROM customers',
    'SELECT ssn FROM customers ORDER BY ssn',
    'SELECT ssn FROM customers ORDER BY 1',
    'SELECT ssn AS a FROM customers ORDER BY a',
    'SELECT * FROM customers ORDER BY 3',
    'SELECT DISTINCT ssn FROM customers',
    'SELECT DISTINCT ON (id) ssn FROM customers',
    'SELECT ssn FROM customers GROUP BY id, ssn',
    "SELECT ssn FROM customers UNION ALL SELECT 'x'",
    'SELECT customers FROM customers',
    'SELECT c.ssn, c.to_json FROM customers c',
    'SELECT c.ssn, row_to_json(c) FROM customers c',
    'SELECT c.ssn, (c).ssn FROM customers c',
    'SELECT ssn, ROW(c.*) FROM customers c',
    'SELECT s.ssn, s FROM (SELECT ssn FROM customers) s',
    'SELECT s.ssn, s.row_to_json FROM (SELECT ssn FROM customers) s',
    'SELECT s.ssn, s.row_to_json FROM (SELECT ssn FROM customers) s WHERE EXISTS (SELECT FROM (SELECT 1 AS row_to_json, ssn FROM customers) s)',
    "SELECT x FROM (SELECT ssn AS x FROM customers) s WHERE x > 'a'",
    "WITH w AS (SELECT ssn AS x FROM customers) SELECT 1 FROM w WHERE w.x = 'a'",
    'SELECT a.ssn FROM customers a NATURAL JOIN orders o',
    'SELECT 1 FROM customers a JOIN customers b USING (ssn)',
    'SELECT 1 FROM (SELECT ssn AS k FROM customers) a JOIN (SELECT note AS k FROM orders) b USING (k)',
    'SELECT j.ssn FROM (customers c JOIN orders o ON true) AS j',
    'SELECT count(*) FROM (SELECT DISTINCT ssn FROM customers) s',
    'SELECT (SELECT ssn FROM customers LIMIT 1)',
    'SELECT ARRAY(SELECT ssn FROM customers)',
    "SELECT 1 WHERE 'x' IN (SELECT ssn FROM customers)",
    'WITH RECURSIVE w AS (SELECT ssn FROM customers UNION ALL SELECT ssn FROM w) SELECT ssn FROM w',
    "WITH d AS (UPDATE customers SET name = '' RETURNING ssn) SELECT ssn FROM d",
    'INSERT INTO orders (note) SELECT ssn FROM customers',
    'UPDATE orders SET note = c.ssn FROM customers c',
    'UPDATE orders o SET note = s.x FROM (SELECT ssn AS x, id FROM customers) s WHERE s.id = o.id RETURNING s.x',
    'CREATE TABLE t AS SELECT ssn FROM customers',
    'SELECT ssn INTO t FROM customers',
    'COPY customers TO STDOUT',
    'COPY (SELECT ssn FROM customers) TO STDOUT',
    'SELECT ssn, customers."hoop hash 3" FROM customers',
    'SELECT ssn FROM customers WHERE "hoop hash 3" LIKE \'a%\'',
    'SELECT a FROM customers AS c (a, b, d, e)',
    'SELECT *, (SELECT count(*) FROM generate_series(1, 2)) FROM customers, generate_series(1, 2)',
    'SELECT upper(x) FROM (SELECT ssn AS x FROM customers) s',
    'DELETE FROM customers WHERE ssn IS NULL',
    'SELECT count(ssn) FROM customers',
    'SELECT ssn, lag(ssn) OVER (ORDER BY id) FROM customers',
    'SELECT ssn FROM customers FOR UPDATE',
  ];
  for (const sql of misuses)
    test(`is refused in ${sql}`, () => {
      assert.equal(refusal(sql, hashed)?.code, 'MASK_REACHED');
    });

  test('is refused where the type of the column has no form that is the same in every session', () => {
    const arrays = catalogOf({
      relations: [
        [20002, 'public', 'customers', 'r', 'p', false, false, null, [[1, 'ssn', 1009, 'text[]', '', '', false]]],
      ],
    });
    assert.match(refusal('SELECT ssn FROM customers', { ...hashed, catalog: arrays })?.reason ?? '', /of its type/);
  });

  test('does not stand in the way of the other columns', () => {
    for (const sql of [
      'SELECT id, card FROM customers',
      "SELECT id FROM customers WHERE name = 'x' GROUP BY id",
      'COPY (SELECT id, name FROM customers) TO STDOUT',
      "INSERT INTO customers (id, ssn) VALUES (1, '2')",
      "UPDATE customers SET ssn = '1' WHERE id = 1",
    ])
      assert.equal(refusal(sql, hashed), undefined, sql);
  });
});

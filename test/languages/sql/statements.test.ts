import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { STATEMENTS, statementClass } from '../../../src/languages/sql/statements.ts';
import { BARE } from '../../../src/languages/sql/tree.ts';
import { effects, one } from './bench.ts';

const types = readFileSync(
  createRequire(import.meta.url)
    .resolve('@pgsql/types')
    .replace(/index\.js$/, 'types.d.ts'),
  'utf8',
);
const kinds = new Map(
  [...types.matchAll(/export interface (\w+) \{([^}]*)\}/g)].map(([, name, body]) => [name ?? '', body ?? '']),
);

describe('the parser’s list of node kinds', () => {
  test('has every statement kind in the table', () => {
    const statements = [...kinds.keys()].filter((name) => name.endsWith('Stmt')).sort();
    assert.ok(statements.length >= 117);
    assert.deepEqual(Object.keys(STATEMENTS).sort(), statements);
  });

  test('has no field without wrapper that the walker would not see', () => {
    const missing: string[] = [];
    for (const [kind, body] of kinds) {
      if (ONLY_AFTER_PARSING.has(kind)) continue;
      for (const [, field, type] of body.matchAll(/(\w+)\?: (\w+);/g)) {
        if (type === undefined || type === 'Node' || !kinds.has(type) || ONLY_AFTER_PARSING.has(type)) continue;
        if (BARE[kind]?.[field ?? ''] !== type) missing.push(`${kind}.${field}: ${type}`);
      }
    }
    assert.deepEqual(missing, []);
  });

  test('gives a kind that is not in it the effect unknown', () => {
    assert.deepEqual(statementClass('SomethingNewStmt').effects, ['unknown']);
  });
});

/** Nodes of analysed queries, and of the libraries around the parser. */
const ONLY_AFTER_PARSING = new Set([
  ...[
    'Query',
    'RangeTblEntry',
    'FuncExpr',
    'FromExpr',
    'OnConflictExpr',
    'TableFunc',
    'TableSampleClause',
    'JsonConstructorExpr',
    'JsonExpr',
    'JsonTablePathScan',
  ],
  ...['SummaryResult', 'ParseResult', 'ScanResult', 'JsonTablePath'],
]);

const ROWS: readonly (readonly [sql: string, effects: string])[] = [
  ['SELECT 1', 'read'],
  ['VALUES (1)', 'read'],
  ['TABLE orders', 'read'],
  ['SELECT * FROM orders', 'read'],
  ['SELECT * FROM orders FOR UPDATE', 'read write'],
  ['SELECT * FROM orders FOR KEY SHARE', 'read write'],
  ['SELECT * INTO copied FROM orders', 'define read'],
  ['CREATE TABLE copied AS SELECT * FROM orders', 'define read'],
  ['INSERT INTO orders (id) VALUES (1)', 'write'],
  ['INSERT INTO orders (id) VALUES (1) RETURNING id', 'write'],
  ['INSERT INTO orders SELECT * FROM orders', 'read write'],
  ['INSERT INTO orders DEFAULT VALUES', 'write'],
  ['INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET note = excluded.note', 'write'],
  ["UPDATE orders SET note = 'x'", 'write'],
  ["UPDATE orders SET note = 'x' RETURNING *", 'read write'],
  ['UPDATE orders SET note = (SELECT name FROM customers LIMIT 1)', 'read write'],
  ['DELETE FROM orders', 'delete'],
  ['DELETE FROM orders WHERE id = 1', 'delete'],
  ['DELETE FROM orders RETURNING id', 'delete read'],
  ['DELETE FROM orders USING customers c WHERE c.id = customer_id', 'delete read'],
  ['TRUNCATE orders', 'delete'],
  ['MERGE INTO orders o USING customers c ON o.id = c.id WHEN MATCHED THEN DELETE', 'delete read write'],
  ['MERGE INTO orders o USING customers c ON o.id = c.id WHEN NOT MATCHED THEN INSERT VALUES (1)', 'read write'],
  ['WITH d AS (DELETE FROM orders RETURNING *) SELECT count(*) FROM d', 'delete read'],
  ['WITH d AS (INSERT INTO orders VALUES (1) RETURNING *) SELECT * FROM d', 'read write'],
  ['SELECT * FROM (WITH d AS (SELECT 1) SELECT * FROM d) x', 'read'],
  ['EXPLAIN SELECT 1', 'read'],
  ['EXPLAIN DELETE FROM orders', 'delete'],
  ['EXPLAIN (ANALYZE, COSTS OFF) DELETE FROM orders', 'delete'],
  ['EXPLAIN ANALYSE INSERT INTO orders VALUES (1)', 'write'],
  ['PREPARE p AS DELETE FROM orders', 'delete'],
  ['PREPARE p (int) AS SELECT $1', 'read'],
  ['EXECUTE p (1)', 'unknown'],
  ['DEALLOCATE p', 'control'],
  ['DEALLOCATE ALL', 'control'],
  ['DECLARE c CURSOR FOR SELECT * FROM orders', 'read'],
  ['FETCH 10 FROM c', 'unknown'],
  ['MOVE ALL FROM c', 'unknown'],
  ['CLOSE c', 'control'],
  ['COPY orders TO STDOUT', 'read'],
  ['COPY orders FROM STDIN', 'write'],
  ['COPY (SELECT 1) TO STDOUT', 'read'],
  ['COPY (DELETE FROM orders RETURNING id) TO STDOUT', 'delete read'],
  ["COPY orders TO '/tmp/x'", 'read transfer'],
  ["COPY orders FROM '/etc/passwd'", 'transfer write'],
  ["COPY orders TO PROGRAM 'cat'", 'execute read transfer'],
  ["COPY orders FROM PROGRAM 'id'", 'execute transfer write'],
  ['LOCK TABLE orders IN ACCESS SHARE MODE', 'read'],
  ['LOCK TABLE orders', 'write'],
  ['LOCK TABLE orders IN SHARE MODE', 'write'],
  ['BEGIN', 'control'],
  ['START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY', 'control'],
  ['COMMIT AND CHAIN', 'control'],
  ['ROLLBACK', 'control'],
  ['ABORT', 'control'],
  ['SAVEPOINT a', 'control'],
  ['ROLLBACK TO SAVEPOINT a', 'control'],
  ['RELEASE a', 'control'],
  ["PREPARE TRANSACTION 'x'", 'unknown'],
  ["COMMIT PREPARED 'x'", 'unknown'],
  ["ROLLBACK PREPARED 'x'", 'unknown'],
  ['SET CONSTRAINTS ALL DEFERRED', 'control'],
  ['SHOW search_path', 'read'],
  ['SHOW ALL', 'read'],
  ['DISCARD ALL', 'control'],
  ['LISTEN ch', 'unknown'],
  ['UNLISTEN *', 'control'],
  ['SELECT pg_advisory_unlock_all()', 'read'],
  ["NOTIFY ch, 'x'", 'unknown'],
  ['DO $$ BEGIN END $$', 'execute'],
  ['CALL settle(1)', 'execute'],
  ['SELECT purge()', 'execute read'],
  ['SELECT * FROM purge()', 'execute read'],
  ['DELETE FROM orders WHERE id = purge()', 'delete execute'],
  ['SELECT 1 ### 2', 'execute read'],
  ['SELECT lower(1)', 'execute read'],
  ['SELECT risk(c) FROM customers c', 'execute read'],
  ['SELECT c.risk FROM customers c', 'execute read'],
  ['SELECT (c).risk FROM customers c', 'execute read'],
  ['SELECT * FROM calling', 'execute read'],
  ['SELECT * FROM far', 'read transfer'],
  ['SELECT no_such_function(1)', 'read unknown'],
  ['SELECT 1 %%% 2', 'read unknown'],
  ["SELECT ext.similarity('a', 'b')", 'read'],
  ['CREATE TABLE t (id int)', 'define'],
  ['CREATE TABLE t (id int DEFAULT purge())', 'define execute'],
  ['ALTER TABLE orders ADD COLUMN x int', 'define'],
  ['ALTER TABLE orders OWNER TO someone', 'administer define'],
  ['DROP TABLE orders', 'define'],
  ['CREATE INDEX ON orders (id)', 'define'],
  ['CREATE FUNCTION g() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$', 'define'],
  ['CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION purge()', 'define'],
  ['CREATE RULE r AS ON INSERT TO orders DO INSTEAD DELETE FROM orders', 'define delete'],
  ['COMMENT ON TABLE orders IS $$x$$', 'define'],
  ['CREATE EXTENSION dblink', 'define execute'],
  ['CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION purge()', 'administer define'],
  ['REFRESH MATERIALIZED VIEW recent', 'write'],
  ['GRANT SELECT ON orders TO x', 'administer'],
  ['GRANT a TO b', 'administer'],
  ['REVOKE SELECT ON orders FROM x', 'administer'],
  ['ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO x', 'administer'],
  ["CREATE ROLE r LOGIN PASSWORD 'x'", 'administer'],
  ['ALTER ROLE r SET search_path = a', 'administer'],
  ['DROP ROLE r', 'administer'],
  ['ALTER SYSTEM SET work_mem = 1', 'administer'],
  ['ALTER DATABASE d SET x = 1', 'administer'],
  ['VACUUM orders', 'administer'],
  ['ANALYZE', 'administer'],
  ['REINDEX TABLE orders', 'administer'],
  ['CHECKPOINT', 'administer'],
  ["LOAD 'x'", 'administer execute'],
  ["CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'h')", 'define transfer'],
  ["CREATE USER MAPPING FOR u SERVER s OPTIONS (password 'p')", 'administer transfer'],
  ["CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p", 'define transfer'],
  ['CREATE PUBLICATION p FOR ALL TABLES', 'define transfer'],
  ['IMPORT FOREIGN SCHEMA a FROM SERVER s INTO b', 'define transfer'],
  ["SELECT pg_read_file('/etc/passwd')", 'read transfer'],
  ["SELECT pg_ls_dir('/')", 'read transfer'],
  ["SELECT lo_import('/etc/passwd')", 'read transfer'],
  ['SELECT lo_get(1)', 'read transfer'],
  ["SELECT * FROM dblink('host=x', 'select 1') AS t (a int)", 'read transfer'],
  ["SELECT ('/etc/passwd'::text).pg_read_file", 'read transfer'],
  ['SELECT pg_terminate_backend(1)', 'administer read'],
  ['SELECT pg_reload_conf()', 'administer read'],
  ["SELECT query_to_xml('delete from orders', true, true, '')", 'read unknown'],
  ["SELECT * FROM ts_stat('select 1')", 'read unknown'],
  ["SELECT pg_notify('a', 'b')", 'read unknown'],
  ['SELECT pg_sleep(1)', 'read unknown'],
  ["SELECT nextval('orders_id_seq')", 'read write'],
  ['SELECT pg_advisory_lock(1)', 'read write'],
  ['SELECT now(), version(), current_user, current_schemas(true), pg_backend_pid(), random()', 'read'],
  [
    "SELECT format_type(1, 2), obj_description(1, 'pg_class'), has_table_privilege('a', 'b'), pg_get_viewdef(1)",
    'read',
  ],
  ['SELECT * FROM pg_class', 'read'],
  ['SELECT * FROM information_schema.columns', 'read'],
  ['SELECT * FROM pg_stat_activity', 'administer read'],
  ['SELECT * FROM pg_authid', 'administer read'],
  ['SELECT * FROM pg_stats', 'administer read'],
  ["SELECT json_object('a': 1), json_value('{}', '$.a')", 'read'],
  ['SELECT coalesce(a, 1), greatest(1, 2), nullif(1, 2) FROM (SELECT 1 AS a) x', 'read'],
  ["SELECT extract(epoch FROM now()), 'a' LIKE 'b', position('a' IN 'b'), overlay('a' PLACING 'b' FROM 1)", 'read'],
  [
    'SELECT grouping(a), percentile_cont(0.5) WITHIN GROUP (ORDER BY a), rank() OVER (ORDER BY a) FROM (SELECT 1 AS a) x GROUP BY a',
    'read',
  ],
];

describe('what a statement does', () => {
  for (const [sql, expected] of ROWS) test(`${sql} is ${expected}`, () => assert.equal(effects(sql), expected));

  test('carries the effects of each statement of a text separately', () => {
    assert.equal(effects('SELECT 1'), 'read');
    assert.equal(one('select 1 -- ; delete from orders').effects.join(), 'read');
  });
});

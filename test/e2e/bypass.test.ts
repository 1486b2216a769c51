/**
 * Texts that got past one gateway or another, sent through this one to a real PostgreSQL. Each is sent to two databases that differ only in masked
 * columns and in what lies outside the scope: the bytes that come back must be the same, and hold none of the hidden values. Sent without a gateway each
 * of them gives something away; where it does not, the row says why it is here. Rows are added, never removed.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { recordingsBelow, readEvents } from '../../src/record/index.ts';
import { connected, verified } from './clients.ts';
import { HIDDEN, type Statement, startTwins, type Twins } from './twins.ts';

let twins: Twins;
before(async () => {
  twins = await startTwins();
});
after(() => twins[Symbol.asyncDispose]());

/** A text, several in one connection, or with what else there is to a statement. */
type Row = string | readonly (string | Statement)[];

interface Table {
  readonly rows: readonly Row[];
  /** Why they give nothing away without a gateway either, or are not sent there. */
  readonly silent?: string;
}

const extended = (text: string, values: readonly unknown[] = []): Statement => ({ text, values, extended: true });
const binary = (text: string): Statement => ({ text, extended: true, binary: true });
const prepared = (name: string, text: string, values: readonly unknown[] = []): Statement => ({ name, text, values });

const TABLES: Readonly<Record<string, Table>> = {
  'a parser that reads otherwise than the server': {
    rows: [
      'SELECT 1; TABLE customers',
      "SELECT 'é日本'; SELECT ssn FROM customers",
      'SELECT U&"\\0073sn" FROM U&"c!0075stomers" UESCAPE \'!\' c',
      'sElEcT/*/**/x*/ssn\fFROM\tcustomers',
      '-- SELECT 1\nSELECT ssn FROM customers',
      'SELECT /* ; */ ssn FROM customers -- ; SELECT 1',
      'SELECT "ssn" FROM "public"."customers"',
      'SELECT $$a$$ || ssn || $q$;$q$ FROM customers',
      [
        "SELECT set_config('standard_conforming_strings', 'off', false)",
        "SELECT '\\'' || ssn FROM customers LIMIT 1 --'",
      ],
      ['SET standard_conforming_strings = off', "SELECT '\\'' || ssn FROM customers LIMIT 1 --'"],
      ["SELECT set_config('standard_conforming_strings', 'off', false); SELECT ssn FROM customers"],
      ["SET client_encoding = 'GBK'", 'SELECT ssn FROM customers'],
      ["SET NAMES 'SJIS'", 'SELECT ssn FROM customers'],
    ],
  },
  'statements that are prepared, named and run later': {
    rows: [
      [extended('SELECT ssn FROM customers WHERE id = $1', [1])],
      [binary('SELECT ssn FROM customers')],
      [binary('SELECT ROW(ssn, 1), ARRAY[ssn] FROM customers')],
      [prepared('s1', 'SELECT 1'), 'DEALLOCATE s1', prepared('s2', 'SELECT ssn FROM customers'), 'EXECUTE s2'],
      ['PREPARE px AS SELECT ssn FROM customers', 'EXECUTE px'],
      ['PREPARE py(text) AS SELECT count(*) FROM customers WHERE ssn = $1', "EXECUTE py('219' || '-09-9999')"],
      [
        'BEGIN',
        'DECLARE c CURSOR FOR SELECT ssn FROM customers',
        'FETCH ALL FROM c',
        'MOVE BACKWARD ALL FROM c',
        'FETCH 1 FROM c',
        'ROLLBACK',
      ],
      ['BEGIN', 'DECLARE b BINARY CURSOR FOR SELECT ssn FROM customers', 'FETCH ALL FROM b', 'ROLLBACK'],
      [extended("SELECT count(*) FROM customers WHERE ssn LIKE $1 || '%'", ['4'])],
      [extended('SELECT ssn FROM customers WHERE $1::text IS NULL OR ssn > $1', ['4'])],
      [extended('SELECT max(ssn) FROM customers WHERE id = ANY($1)', [[1, 2]])],
    ],
  },
  'a cursor that outlives its transaction': {
    silent: 'the transaction it is undone in has no end',
    rows: [
      ['BEGIN', 'DECLARE h CURSOR WITH HOLD FOR SELECT ssn FROM customers', 'COMMIT', 'FETCH ALL FROM h', 'CLOSE h'],
    ],
  },
  'a session that is made to mean something else': {
    silent: 'the account may not, or what it changes shows only later',
    rows: [
      ['SET ROLE postgres', 'SELECT ssn FROM customers'],
      ['SET SESSION AUTHORIZATION postgres', 'SELECT ssn FROM customers'],
      ['SET search_path = hr', 'SELECT * FROM employees'],
      ["SELECT set_config('search_path', 'hr', false)", 'SELECT * FROM employees'],
      ['BEGIN', 'SET LOCAL search_path = hr, public', 'SELECT * FROM employees', 'COMMIT'],
      ['SET row_security = off', 'SELECT ssn FROM customers'],
      ['DISCARD ALL', 'SELECT ssn FROM customers'],
      ['SET client_min_messages = debug5', 'SELECT ssn FROM customers'],
      ['RESET ALL', 'SELECT ssn FROM customers'],
      ["ALTER ROLE shop_agent SET search_path = 'hr'"],
      ["ALTER DATABASE shop SET search_path = 'hr'"],
      ["ALTER SYSTEM SET log_statement = 'none'"],
    ],
  },
  "a column's value, by another name": {
    rows: [
      'SELECT * FROM customers',
      'TABLE customers',
      'SELECT ssn AS name, name AS ssn FROM customers',
      'SELECT x.e FROM customers AS x (a, b, c, d, e)',
      'SELECT c.* FROM customers c',
      'SELECT (c).ssn FROM customers c',
      'SELECT ssn::varchar FROM customers',
      'SELECT ssn COLLATE "C" FROM customers',
      "SELECT coalesce(ssn, '') FROM customers",
      "SELECT ssn || '' FROM customers",
      'SELECT ssn FROM customers UNION ALL SELECT ssn FROM plain',
      'SELECT ssn FROM customers EXCEPT SELECT ssn FROM plain',
      'WITH x AS (SELECT ssn AS y FROM customers) SELECT y FROM x',
      'WITH RECURSIVE r AS (SELECT id, ssn FROM customers WHERE id = 1 UNION ALL SELECT c.id, c.ssn FROM customers c JOIN r ON c.id = r.id + 1) SELECT * FROM r',
      'SELECT (SELECT ssn FROM customers WHERE id = 1)',
      'SELECT * FROM (VALUES ((SELECT ssn FROM customers WHERE id = 1))) v',
      'SELECT CASE WHEN id = 1 THEN ssn ELSE card END FROM customers',
      'SELECT max(ssn), min(card) FROM customers',
      'SELECT lag(ssn) OVER (ORDER BY id) FROM customers',
      'SELECT ARRAY[ssn, card] FROM customers',
      'SELECT ROW(ssn, 1) FROM customers',
      'SELECT ssn FROM customers FULL JOIN plain USING (ssn)',
      'SELECT * FROM customers NATURAL JOIN members',
      'SELECT o.id, x.ssn FROM orders o, LATERAL (SELECT ssn FROM customers WHERE id = o.customer_id) x ORDER BY o.id LIMIT 3',
      'SELECT unnest(ARRAY(SELECT ssn FROM customers))',
      'SELECT DISTINCT ON (ssn) ssn FROM customers',
      'SELECT ssn FROM ONLY customers',
      'SELECT nullif(ssn, name) FROM customers',
      'SELECT greatest(ssn, card) FROM customers',
      'SELECT string_agg(ssn, chr(10)) FROM customers',
      'SELECT ssn FROM customers FOR UPDATE',
      'SELECT ssn FROM customers TABLESAMPLE BERNOULLI (100)',
      'SELECT salary FROM numbers',
      'SELECT sum(salary), avg(salary), salary % 10 FROM numbers GROUP BY salary',
    ],
  },
  'a whole row': {
    rows: [
      'SELECT c FROM customers c',
      'SELECT c::text FROM customers c',
      'SELECT row_to_json(c) FROM customers c',
      "SELECT to_jsonb(c) ->> 'ssn' FROM customers c",
      'SELECT jsonb_agg(c) FROM customers c',
      'SELECT * FROM customers c, jsonb_each_text(to_jsonb(c))',
      "SELECT format('%s', c) FROM customers c",
      'SELECT array_agg(c) FROM customers c',
      'SELECT json_object_agg(id, ssn) FROM customers',
      "SELECT query_to_xml('SELECT ssn FROM customers', true, false, '')",
      "SELECT table_to_xml('customers', true, false, '')",
      "SELECT database_to_xml(true, false, '')",
      'SELECT xmlforest(ssn) FROM customers',
      "SELECT count(*) FROM customers c WHERE c > ROW(2, 'Benedikt Okafor', 'benedikt.okafor@example.test', '5', '')::customers",
    ],
  },
  'a value that was changed on the way': {
    rows: [
      'SELECT upper(ssn), reverse(ssn), md5(ssn) FROM customers',
      'SELECT substr(ssn, 1, 1), substr(ssn, 2, 1) FROM customers',
      "SELECT encode(ssn::bytea, 'base64'), encode(ssn::bytea, 'hex') FROM customers",
      "SELECT translate(ssn, '0123456789', 'abcdefghij') FROM customers",
      "SELECT string_agg(substr(ssn, n, 1), '_') FROM customers, generate_series(1, 11) n",
      'SELECT ascii(ssn), length(card) FROM customers',
      "SELECT regexp_split_to_table(ssn, '') FROM customers",
      "SELECT to_tsvector('simple', ssn) FROM customers",
      'SELECT hashtext(ssn), sha256(ssn::bytea) FROM customers',
      "SELECT (split_part(ssn, '-', 1)::int + 1) FROM customers",
      'SELECT ssn LIKE name, ssn < card FROM customers',
      "SELECT overlay(ssn placing 'x' from 1 for 1) FROM customers",
    ],
  },
  'an answer that depends on a value': {
    rows: [
      "SELECT count(*) FROM customers WHERE ssn LIKE '4%'",
      "SELECT id FROM customers WHERE ssn > '3' ORDER BY id",
      'SELECT id FROM customers ORDER BY ssn',
      'SELECT id FROM customers ORDER BY substr(card, 4)',
      'SELECT row_number() OVER (ORDER BY ssn), id FROM customers ORDER BY id',
      'SELECT id, generate_series(1, ascii(ssn) - 45) FROM customers',
      'SELECT max(id) FROM customers GROUP BY left(ssn, 1) ORDER BY left(ssn, 1)',
      "SELECT '5' > ANY (SELECT ssn FROM customers)",
      "SELECT id FROM orders WHERE customer_id IN (SELECT id FROM customers WHERE ssn < '3') ORDER BY id LIMIT 3",
      "SELECT EXISTS (SELECT 1 FROM customers WHERE ssn LIKE '457%')",
      "SELECT 1 FROM customers c JOIN plain p ON c.ssn > '3'",
      "SELECT id FROM orders LIMIT (SELECT count(*) FROM customers WHERE ssn LIKE '4%') + 1",
      "SELECT id FROM customers GROUP BY id HAVING max(ssn) > '3' ORDER BY id",
      "SELECT sum(id) FILTER (WHERE ssn > '3') FROM customers",
      "SELECT CASE WHEN ssn LIKE '4%' THEN 1 / (id - id) ELSE 1 END FROM customers",
      'SELECT id FROM customers WHERE (ssn, card) > (card, ssn) ORDER BY id',
      'SELECT a.id FROM customers a JOIN customers b ON a.ssn > b.ssn AND b.id = 1 ORDER BY a.id',
      'SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ssn) FROM customers',
      'SELECT id FROM numbers WHERE salary > 50000000 ORDER BY id',
      "UPDATE orders SET status = 'paid' FROM customers c WHERE c.ssn LIKE '4%' AND orders.id = 1",
      "DELETE FROM orders USING customers c WHERE c.ssn LIKE '4%' AND orders.id = 399 RETURNING c.ssn",
      "DELETE FROM orders WHERE id = 400 AND EXISTS (SELECT 1 FROM customers WHERE ssn LIKE '4%')",
      "DELETE FROM customers WHERE ssn LIKE '4%'",
      "UPDATE customers SET name = 'x' WHERE ssn LIKE '4%'",
    ],
  },
  'an error that holds a value': {
    rows: [
      'SELECT ssn::int FROM customers',
      'SELECT ssn::regclass FROM customers',
      "SELECT ('{' || ssn || '}')::jsonb FROM customers",
      "SELECT set_config('x.' || ssn, '1', false) FROM customers",
      "SELECT to_date(ssn, 'YYYY') FROM customers",
      'SELECT ssn::inet FROM customers',
      "SELECT ('x' || ssn)::numeric FROM customers",
      'SELECT 1 / (ascii(ssn) - 52) FROM customers',
      'INSERT INTO orders SELECT id, id, ssn::date FROM customers',
      'SELECT cast(ssn AS pair) FROM customers',
    ],
  },
  'constraints that tell': {
    rows: [
      "UPDATE members SET ssn = '457' || '-55-5462' WHERE id = 1",
      'UPDATE customers SET name = NULL WHERE id = 1',
      "INSERT INTO members VALUES (99, '457' || '-55-5462', 3)",
      'UPDATE members SET age = -1 WHERE id = 1',
      "INSERT INTO badges VALUES (99, '457' || '-55-5462')",
      'DELETE FROM members WHERE id = 1',
      "INSERT INTO members VALUES (98, '457' || '-55-5462', 3) ON CONFLICT (ssn) DO NOTHING",
      "INSERT INTO members VALUES (1, 'xxxx', 3) ON CONFLICT (id) DO UPDATE SET age = members.age RETURNING ssn",
      "MERGE INTO members m USING (SELECT '457' || '-55-5462' AS s) x ON m.ssn = x.s WHEN MATCHED THEN UPDATE SET age = 31 WHEN NOT MATCHED THEN DO NOTHING",
    ],
  },
  'values that are copied to be read elsewhere': {
    rows: [
      ['UPDATE customers SET name = ssn WHERE id = 1 RETURNING name'],
      ['UPDATE customers SET name = ssn WHERE id = 1', 'SELECT name FROM customers WHERE id = 1'],
      ['INSERT INTO audit_copy SELECT id, ssn FROM customers', 'SELECT * FROM audit_copy ORDER BY note'],
      ['INSERT INTO audit_copy VALUES (9, (SELECT ssn FROM customers WHERE id = 1)) RETURNING note'],
      [
        "INSERT INTO customers VALUES (1, 'n', 'e', 's', 'c') ON CONFLICT (id) DO UPDATE SET name = customers.ssn RETURNING name",
      ],
      [
        'MERGE INTO audit_copy a USING customers c ON a.id = c.id WHEN MATCHED THEN UPDATE SET note = c.ssn',
        'SELECT note FROM audit_copy WHERE id = 1',
      ],
      ['WITH d AS (UPDATE customers SET name = ssn WHERE id = 1 RETURNING *) SELECT name FROM d'],
      // A table's number is drawn anew each time, and told with its columns: expressions have none.
      [
        'SELECT id, ssn AS harmless INTO copied FROM customers',
        "SELECT harmless || '' FROM copied",
        'DROP TABLE public.copied',
      ],
      ['SELECT id, ssn AS harmless INTO TEMP t9 FROM customers', 'SELECT harmless FROM t9'],
      ['CREATE TABLE copied AS SELECT ssn FROM customers', "SELECT ssn || '' FROM copied", 'DROP TABLE public.copied'],
      ['CREATE TEMP TABLE t8 AS TABLE customers', 'SELECT * FROM t8'],
      ['CREATE VIEW v_mine AS SELECT id, ssn AS title FROM customers', 'SELECT title FROM v_mine'],
      ['CREATE TEMP VIEW orders AS SELECT id, ssn AS status FROM customers', 'SELECT status FROM orders'],
      ['CREATE MATERIALIZED VIEW mv_mine AS SELECT ssn FROM customers', 'SELECT * FROM mv_mine'],
      ["CREATE FUNCTION mine() RETURNS text LANGUAGE sql AS 'SELECT ssn FROM customers LIMIT 1'", 'SELECT mine()'],
      ['UPDATE parent_t SET id = id RETURNING ssn'],
      ['BEGIN', 'DELETE FROM badges RETURNING *', 'ROLLBACK'],
    ],
  },
  'other relations that hold the same values': {
    rows: [
      'SELECT ssn FROM v_customers',
      'SELECT title FROM v_renamed',
      'SELECT shout FROM v_nested',
      'SELECT title FROM mv_customers',
      'SELECT ssn FROM measured',
      'SELECT ssn FROM measured_1',
      'SELECT ssn FROM parent_t',
      'SELECT ssn FROM child_t',
      'SELECT ssn FROM ONLY child_t',
      'SELECT tableoid::regclass, ssn FROM parent_t',
      'SELECT b.ssn FROM badges b JOIN members m USING (ssn)',
    ],
  },
  'code that runs at the target': {
    rows: [
      'SELECT get_ssn()',
      'SELECT * FROM get_ssn()',
      'SELECT c.first_ssn FROM customers c',
      'SELECT (c).first_ssn FROM customers c',
      'SELECT first_ssn(c) FROM customers c',
      'SELECT raise_ssn()',
      'SELECT 1 FROM orders WHERE raise_ssn() = 1 LIMIT 1',
      'EXPLAIN SELECT imm()',
      'SELECT 1 !## 2',
      'SELECT 1 OPERATOR(public.!##) 2',
      'SELECT gather(ssn) FROM customers',
      'INSERT INTO watched VALUES (1)',
      ['INSERT INTO watched VALUES (2)', 'SELECT note FROM audit_copy WHERE id = 2'],
      "DO $$ BEGIN RAISE NOTICE '%', (SELECT ssn FROM customers LIMIT 1); END $$",
      "DO $$ BEGIN EXECUTE 'SELECT ' || (SELECT ssn FROM customers LIMIT 1) || 'x'; END $$",
      [extended('SELECT get_ssn() WHERE $1 = 1', [1])],
    ],
  },
  'other roads out': {
    rows: [
      'COPY customers TO STDOUT',
      'COPY customers (id, ssn) TO STDOUT WITH (FORMAT csv, HEADER)',
      'COPY (SELECT ssn FROM customers) TO STDOUT',
      'COPY (SELECT ssn FROM customers) TO STDOUT WITH (FORMAT binary)',
      'COPY (SELECT id FROM customers ORDER BY ssn) TO STDOUT',
      'COPY measured_1 TO STDOUT',
      "SELECT histogram_bounds, most_common_vals FROM pg_stats WHERE tablename = 'customers'",
      "EXPLAIN ANALYZE SELECT ssn FROM customers WHERE ssn LIKE '4%'",
      'EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) SELECT 1 FROM numbers WHERE salary > 50000000',
      ['PREPARE shown AS SELECT ssn FROM customers', 'SELECT statement FROM pg_prepared_statements', 'EXECUTE shown'],
      "SELECT ts_stat FROM ts_stat('SELECT to_tsvector(''simple'', ssn) FROM customers')",
      [
        'BEGIN',
        'DECLARE c CURSOR FOR SELECT ssn FROM customers',
        "SELECT cursor_to_xml('c', 10, true, false, '')",
        'ROLLBACK',
      ],
      "SELECT pg_get_viewdef('v_hr'::regclass), (SELECT max(salary) FROM hr.employees)",
    ],
  },
  'other roads out that the account cannot take itself': {
    silent: 'the account may not, or has to commit first',
    rows: [
      ['LISTEN ch', "SELECT pg_notify('ch', (SELECT ssn FROM customers WHERE id = 1))"],
      ['CREATE TABLE heir () INHERITS (parent_t)', 'SELECT * FROM parent_t'],
      'UPDATE members SET ssn = NULL WHERE id = 1',
      "COPY customers TO PROGRAM 'cat'",
      "COPY customers TO '/tmp/hoopctl-never'",
      "COPY audit_copy FROM PROGRAM 'id'",
      "SELECT pg_read_file('/etc/passwd')",
      "SELECT * FROM dblink('dbname=shop', 'SELECT ssn FROM customers') AS t(ssn text)",
      'SELECT lo_from_bytea(0, (SELECT ssn::bytea FROM customers LIMIT 1))',
      'SELECT stavalues1 FROM pg_statistic',
      'SELECT query FROM pg_stat_activity',
      'SELECT rolpassword FROM pg_authid',
      ['SELECT pg_advisory_lock(ascii(ssn)) FROM customers'],
      "SELECT nextval('orders_id_seq')",
      "SELECT pg_sleep(CASE WHEN ssn LIKE '4%' THEN 0 ELSE 0 END) FROM customers",
      'ALTER TABLE customers RENAME COLUMN ssn TO zzz',
      'ALTER TABLE customers RENAME TO was',
      'ALTER TABLE customers SET SCHEMA hr',
      'ALTER TABLE customers ADD COLUMN twice text GENERATED ALWAYS AS (ssn) STORED',
      'CREATE INDEX ON customers (ssn)',
      'CREATE RULE r AS ON INSERT TO plain DO ALSO SELECT ssn FROM customers',
      'GRANT SELECT ON customers TO PUBLIC',
      "CREATE ROLE helper LOGIN PASSWORD 'x'",
      'CREATE POLICY p ON customers USING (true)',
      'TRUNCATE customers',
      'LOCK TABLE customers IN ACCESS EXCLUSIVE MODE',
      "COMMENT ON TABLE customers IS 'x'",
      'VACUUM customers',
    ],
  },
  'what lies outside the scope': {
    rows: [
      'SELECT * FROM hr.employees',
      'SELECT * FROM "hr"."employees"',
      'SELECT (SELECT max(salary) FROM hr.employees)',
      'SELECT * FROM v_hr',
      'SELECT * FROM dept',
      'SELECT pay FROM ONLY hr.dept_1',
      'SELECT 1 FROM orders WHERE EXISTS (SELECT 1 FROM hr.employees WHERE salary > 50000000) LIMIT 1',
      'COPY hr.employees TO STDOUT',
      'UPDATE hr.employees SET salary = salary RETURNING salary',
      [
        'INSERT INTO audit_copy SELECT id, salary::text FROM hr.employees',
        "SELECT note FROM audit_copy WHERE note ~ '^[0-9]+$'",
      ],
      ['CREATE VIEW v_mine AS SELECT * FROM hr.employees', 'SELECT * FROM v_mine'],
      "SELECT query_to_xml('SELECT * FROM hr.employees', true, false, '')",
      'EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, COSTS OFF) SELECT 1 FROM hr.employees WHERE salary > 50000000',
    ],
  },
};

function named(row: Row): string {
  if (typeof row === 'string') return row;
  return row
    .map((one) =>
      typeof one === 'string'
        ? one
        : `${one.text} [${Object.keys(one)
            .filter((key) => key !== 'text')
            .join(', ')}]`,
    )
    .join(' ; ');
}

function statementsOf(row: Row): readonly Statement[] {
  return (typeof row === 'string' ? [row] : row).map((one) => (typeof one === 'string' ? { text: one } : one));
}

function hiddenIn(bytes: Buffer): string[] {
  return HIDDEN.filter((value) => bytes.includes(value));
}

for (const [how, { rows, silent }] of Object.entries(TABLES)) {
  describe(how, () => {
    for (const row of rows) {
      test(named(row), async () => {
        const statements = statementsOf(row);
        if (silent === undefined) {
          const [one, two] = await twins.askDirectly(statements);
          assert.ok(!one.equals(two) || hiddenIn(one).length > 0, 'it gives nothing away without a gateway either');
        }
        const [one, two] = await twins.ask(statements);
        assert.ok(one.length > 0, 'something was answered');
        assert.deepEqual([...hiddenIn(one), ...hiddenIn(two)], [], one.toString('latin1'));
        assert.equal(two.toString('latin1'), one.toString('latin1'));
      });
    }
  });
}

test('whoever is not masked sees what there is, and so do these tests', async () => {
  const { stack } = twins;
  await using run = await stack.run('riley');
  await using client = await connected(run);
  const { rows } = await client.query('SELECT ssn FROM customers WHERE id = 1');
  assert.deepEqual(rows, [{ ssn: HIDDEN[0] }]);
  await client.end();
});

test('nothing was changed but where it could be, and no recording of a masked session holds a hidden value', async () => {
  const { stack } = twins;
  assert.equal(await stack.sql("SELECT string_agg(ssn, ',' ORDER BY id) FROM customers"), HIDDEN.slice(0, 5).join(','));
  await stack.gateway.stop();
  assert.deepEqual(Object.keys(await verified(stack)), ['complete']);
  let searched = 0;
  for (const { path } of recordingsBelow(stack.recordings)) {
    const events = [];
    for await (const event of readEvents(path)) events.push(event);
    const [opened] = events;
    if (opened?.type !== 'session.opened' || opened.principal.name.startsWith('riley')) continue;
    searched++;
    assert.deepEqual(hiddenIn(Buffer.from(JSON.stringify(events))), [], path);
  }
  assert.ok(searched > 100);
});

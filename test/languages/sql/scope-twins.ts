/**
 * Two databases that differ only in schemas outside a scope, asked the same as the gateway would ask it: both must answer alike, or refuse alike. The
 * statement is read for each with its own catalog, in this thread, and sent to a real PostgreSQL as an account without any special right.
 */
import assert from 'node:assert/strict';
import type pg from 'pg';
import { analyseText, createBases } from '../../../src/languages/sql/analyse.ts';
import type { StatementAnalysis } from '../../../src/languages/sql/index.ts';
import { ready } from '../../../src/languages/sql/parser.ts';
import { type Database, loadCatalog, startDatabase } from './database.ts';

export interface ScopeTwins extends AsyncDisposable {
  /** Through the scope. Rejects where the two answers differ. */
  ask(text: string, values?: readonly unknown[]): Promise<Asked>;
  /** As it stands, as the databases' owner. */
  direct(text: string, values?: readonly unknown[]): Promise<readonly [unknown, unknown]>;
  read(text: string): readonly StatementAnalysis[];
  /** OIDs that are of something outside in one of the two, by a query that gives them. */
  oids(query: string): Promise<readonly number[]>;
  readonly left: pg.Client;
}

export type Asked =
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'alike'; readonly rows: readonly unknown[] | undefined; readonly code: string | undefined };

const INSIDE = `
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN amount AS numeric CHECK (VALUE >= 0);
CREATE SCHEMA shared;
CREATE TYPE shared.level AS ENUM ('low', 'high');
CREATE TABLE customers (id serial PRIMARY KEY, name text NOT NULL UNIQUE, mood mood, level shared.level, levels shared.level[], CHECK (length(name) > 1));
COMMENT ON TABLE customers IS 'who buys';
COMMENT ON COLUMN customers.name IS 'as they gave it';
CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE, total amount DEFAULT 0, placed date);
CREATE INDEX orders_by_day ON orders (placed, total DESC) WHERE total > 0;
CREATE TABLE measured (id int, at date) PARTITION BY RANGE (id);
CREATE TABLE measured_1 PARTITION OF measured FOR VALUES FROM (0) TO (100);
CREATE TABLE readings (id int, at date) PARTITION BY RANGE (id);
CREATE TABLE readings_1 PARTITION OF readings FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id);
CREATE TABLE refunds (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE);
CREATE TABLE objects (id int, which regclass, whichever regproc[]);
INSERT INTO objects VALUES (1, 'orders', '{now}');
CREATE VIEW big_orders AS SELECT id, total FROM orders WHERE total > 100;
CREATE VIEW all_tables AS SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace;
CREATE VIEW defined AS SELECT pg_get_viewdef(oid) FROM generate_series(16384, 17000) oid;
CREATE MATERIALIZED VIEW totals AS SELECT customer, sum(total) FROM orders GROUP BY 1;
CREATE FUNCTION add_one(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i + 1';
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER stamped BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE SEQUENCE numbers;
CREATE STATISTICS orders_stats ON customer, placed FROM orders;
CREATE TABLE notes (id int PRIMARY KEY, text text);
CREATE TABLE secured (id int, owner text);
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON secured USING (owner = current_user);
INSERT INTO customers (name, mood) VALUES ('Ada', 'happy'), ('Bob', 'sad');
INSERT INTO orders (customer, total, placed) VALUES (1, 120, '2026-01-01'), (2, 30, '2026-01-02');
INSERT INTO notes VALUES (1, 'first');
CREATE TRIGGER emptied BEFORE TRUNCATE ON refunds EXECUTE FUNCTION stamp();
INSERT INTO refunds VALUES (1, 1);
CREATE PUBLICATION pub; CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;
CREATE ROLE agent LOGIN;
GRANT USAGE ON SCHEMA public, shared TO agent;
GRANT ALL ON ALL TABLES IN SCHEMA public TO agent;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO agent;
ANALYZE;`;

/** @param s a word that tells the two apart */
const outside = (s: string, rows: number) =>
  `
CREATE SCHEMA hr; CREATE SCHEMA hr_${s}; CREATE SCHEMA vault_${s};
CREATE TYPE hr.mood_${s} AS ENUM ('${s}');
CREATE TYPE hr.pair_${s} AS (a int, ${s} text);
CREATE DOMAIN hr.salary_${s} AS int DEFAULT 7 CHECK (VALUE > ${rows});
CREATE TYPE hr.span_${s} AS RANGE (subtype = int4);
CREATE TABLE hr.staff_${s} (id int PRIMARY KEY, name_${s} text DEFAULT '${s}', salary hr.salary_${s}, customer int REFERENCES public.notes, twice_${s} int GENERATED ALWAYS AS (id * 2) STORED, CHECK (id > -${rows}));
COMMENT ON TABLE hr.staff_${s} IS 'comment ${s}'; COMMENT ON COLUMN hr.staff_${s}.name_${s} IS 'comment ${s}'; COMMENT ON SCHEMA hr IS '${s}';
INSERT INTO hr.staff_${s} SELECT i, repeat('${s}', 40), ${rows} + i FROM generate_series(1, ${rows}) i;
UPDATE hr.staff_${s} SET customer = 1 WHERE id = 1;
CREATE TABLE hr.logs (LIKE hr.staff_${s}) PARTITION BY RANGE (id);
CREATE TABLE hr.logs_${s} PARTITION OF hr.logs FOR VALUES FROM (0) TO (${rows});
CREATE TABLE hr.readings_${s} PARTITION OF public.readings_1 FOR VALUES FROM (0) TO (10);
CREATE TABLE hr.claims_${s} (refund int CONSTRAINT claim_${s} REFERENCES public.refunds);
INSERT INTO hr.claims_${s} VALUES (1);
CREATE INDEX by_${s} ON hr.staff_${s} (lower(name_${s})) WHERE id > ${rows};
CREATE UNIQUE INDEX only_${s} ON hr.staff_${s} (id) WHERE salary > 1;
CREATE VIEW hr.view_${s} AS SELECT name_${s}, '${s}' AS word FROM hr.staff_${s};
CREATE VIEW hr.over_notes_${s} AS SELECT * FROM public.notes;
CREATE MATERIALIZED VIEW hr.mat_${s} AS SELECT * FROM hr.staff_${s};
CREATE FUNCTION hr.f_${s}(a int, b hr.mood_${s} DEFAULT '${s}') RETURNS text LANGUAGE sql AS $$ SELECT '${s}' $$;
CREATE FUNCTION hr.on_change_${s}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION hr.ev_${s}() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE EVENT TRIGGER ev_${s} ON sql_drop EXECUTE FUNCTION hr.ev_${s}();
ALTER EVENT TRIGGER ev_${s} DISABLE;
CREATE AGGREGATE hr.agg_${s}(text) (SFUNC = textcat, STYPE = text);
CREATE FUNCTION hr.plus_${s}(hr.pair_${s}, hr.pair_${s}) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE OPERATOR hr.@@@ (LEFTARG = hr.pair_${s}, RIGHTARG = hr.pair_${s}, FUNCTION = hr.plus_${s});
CREATE FUNCTION hr.cast_${s}(hr.pair_${s}) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE CAST (hr.pair_${s} AS int) WITH FUNCTION hr.cast_${s}(hr.pair_${s});
CREATE OPERATOR FAMILY hr.fam_${s} USING btree;
CREATE OPERATOR CLASS hr.cls_${s} FOR TYPE int4 USING btree FAMILY hr.fam_${s} AS OPERATOR 1 <, FUNCTION 1 btint4cmp(int4, int4);
CREATE TRIGGER trg_${s} BEFORE UPDATE ON hr.staff_${s} FOR EACH ROW EXECUTE FUNCTION hr.on_change_${s}();
CREATE RULE rule_${s} AS ON DELETE TO hr.mat_source_${s} DO INSTEAD NOTHING;
ALTER TABLE hr.staff_${s} ENABLE ROW LEVEL SECURITY;
CREATE POLICY pol_${s} ON hr.staff_${s} USING (name_${s} = '${s}');
CREATE SEQUENCE hr.seq_${s} START ${rows} INCREMENT ${rows};
SELECT nextval('hr.seq_${s}');
CREATE STATISTICS hr.stx_${s} ON id, customer FROM hr.staff_${s};
CREATE COLLATION hr.coll_${s} (locale = 'C');
CREATE CONVERSION hr.conv_${s} FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;
CREATE TEXT SEARCH CONFIGURATION hr.cfg_${s} (COPY = pg_catalog.english);
CREATE TEXT SEARCH DICTIONARY hr.dict_${s} (TEMPLATE = simple);
CREATE TEXT SEARCH PARSER hr.prs_${s} (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE hr.tmpl_${s} (LEXIZE = dsimple_lexize);
ALTER PUBLICATION pub ADD TABLE hr.staff_${s}, TABLES IN SCHEMA hr_${s};
CREATE FOREIGN TABLE hr.far_${s} (${s} int OPTIONS (column_name '${s}')) SERVER far OPTIONS (table_name '${s}');
ALTER DEFAULT PRIVILEGES IN SCHEMA hr GRANT SELECT ON TABLES TO agent;
${s === 'red' ? 'ALTER DEFAULT PRIVILEGES IN SCHEMA hr_red GRANT SELECT ON TABLES TO agent;' : ''}
CREATE TRANSFORM FOR hr.pair_${s} LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION hr.t_${s}(internal));
CREATE EXTENSION ${s === 'red' ? 'pg_trgm' : 'fuzzystrmatch'} SCHEMA hr_${s};
CREATE FUNCTION hr.g_${s}() RETURNS bigint BEGIN ATOMIC SELECT max(id) + nextval('hr.seq_${s}') + length(hr.f_${s}(1)) FROM hr.staff_${s}; END;
SELECT lo_create(${rows});
GRANT USAGE ON SCHEMA hr, hr_${s} TO agent;
GRANT ALL ON ALL TABLES IN SCHEMA hr TO agent;
GRANT ALL ON ALL SEQUENCES IN SCHEMA hr TO agent;
GRANT SELECT (id) ON hr.staff_${s} TO public;
ANALYZE;`
    .replace(`CREATE RULE rule_${s}`, `CREATE TABLE hr.mat_source_${s} (a int); CREATE RULE rule_${s}`)
    .replace(/CREATE TRANSFORM.*\n/, '');

export const SCHEMAS: readonly string[] = ['public'];
const PATH = ['public', 'hr', 'hr_red', 'hr_blue'];

export async function startScopeTwins(): Promise<ScopeTwins> {
  await ready;
  const database: Database = await startDatabase();
  await (await database.create('shop', INSIDE)).end();
  const pair = [];
  for (const [name, word, rows] of [
    ['twin_a', 'red', 300],
    ['twin_b', 'blue', 4000],
  ] as const) {
    const owner = await database.create(name, outside(word, rows), 'shop');
    await owner.query('SET jit = off');
    const catalog = await loadCatalog(owner);
    const client = await database.client(name);
    // By the account's search_path too no name leads out.
    await client.query(`SET SESSION AUTHORIZATION agent; SET jit = off; SET search_path = ${PATH.join(', ')}`);
    const bases = createBases();
    bases.catalog(catalog.version, catalog);
    bases.basis(1, catalog.version, {
      masks: [],
      guarded: true,
      scope: SCHEMAS,
      searchPath: PATH,
      trustedFunctions: [],
    });
    pair.push({ owner, client, bench: bases.bench(1) });
  }
  const [left, right] = pair as [(typeof pair)[number], (typeof pair)[number]];
  const read = (text: string, { bench }: typeof left) => {
    const { analysis } = analyseText(text, bench);
    assert.ok(analysis.ok, `not read: ${text} ${JSON.stringify(analysis)}`);
    return analysis.statements;
  };
  const through = async (
    text: string,
    values: readonly unknown[] | undefined,
    side: typeof left,
  ): Promise<{ refused?: { code: string; reason: string; sqlState: string } }> => {
    const [statement] = read(text, side);
    assert.ok(statement);
    // What policy says to a statement that touches another schema.
    if (statement.refused) return { refused: { ...statement.refused } };
    if (statement.schemas === null || statement.schemas.some((schema) => !SCHEMAS.includes(schema)))
      return { refused: { code: 'SCHEMAS', reason: JSON.stringify(statement.schemas), sqlState: '42501' } };
    const given = await answer(side.client, statement.rewrite?.text ?? text, values);
    return (statement.namesOutside === true && 'code' in given ? { code: given.code } : given) as object;
  };
  return {
    left: left.owner,
    read: (text) => read(text, left),
    async ask(text, values) {
      const [one, other] = [await through(text, values, left), await through(text, values, right)];
      assert.deepEqual(one, other, `the answers differ for ${text}\nsent as ${read(text, left)[0]?.rewrite?.text}`);
      if (one.refused) return { kind: 'refused', why: `${one.refused.code}: ${one.refused.reason}` };
      const said = one as { rows?: readonly unknown[]; code?: string };
      return { kind: 'alike', rows: said.rows, code: said.code };
    },
    direct: async (text, values) => [await answer(left.owner, text, values), await answer(right.owner, text, values)],
    async oids(query) {
      const found = await Promise.all([left, right].map(async ({ owner }) => (await owner.query(query)).rows));
      return [...new Set(found.flat().map((row) => Number(Object.values(row as object)[0])))];
    },
    async [Symbol.asyncDispose]() {
      await database.stop();
    },
  };
}

async function answer(client: pg.Client, text: string, values?: readonly unknown[]): Promise<object> {
  await client.query('BEGIN');
  const notices: string[] = [];
  const hear = (notice: { message?: string | undefined }) => void notices.push(notice.message ?? '');
  client.on('notice', hear);
  try {
    const result = await client.query({
      text,
      rowMode: 'array',
      ...(values === undefined ? {} : { values: [...values] }),
    });
    const rows = result.rows.map((row) => JSON.stringify(row).replace(/twin_[ab]/g, 'twin'));
    return {
      // Without an order rows may come in any.
      rows: /\bORDER BY\b/i.test(text) ? rows : rows.sort(),
      count: result.rowCount,
      fields: result.fields.map(({ name, dataTypeID }) => [name, dataTypeID]),
      notices,
    };
  } catch (error) {
    const { code, message, detail, hint, schema, table, constraint } = error as Record<string, unknown>;
    return { code, message, detail, hint, schema, table, constraint };
  } finally {
    client.off('notice', hear);
    await client.query('ROLLBACK');
  }
}

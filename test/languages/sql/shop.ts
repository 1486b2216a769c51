/**
 * A shop's database for the tests of this room: its schema, to be copied so that all copies have the same OIDs, and its rows. Two copies filled with
 * different secrets differ in nothing else, not even in where their rows lie.
 */
import type { SqlBasis, SqlMask } from '../../../src/languages/sql/index.ts';
import type { CatalogSnapshot } from '../../../src/languages/sql/index.ts';

export interface Secrets {
  readonly ssn: (row: number) => string;
  readonly card: (row: number) => string;
  readonly born: (row: number) => string;
  readonly score: (row: number) => string;
  readonly mood: (row: number) => string;
  readonly tags: (row: number) => string;
}

export const LEFT: Secrets = {
  ssn: (row) => `'919-01-00${row + 10}'`,
  card: (row) => `'41111111111111${row + 10}'`,
  born: (row) => `'19${60 + row}-02-03'`,
  score: (row) => `${row * 7.25}`,
  mood: (row) => (row % 2 === 0 ? "'glad'" : "'sad'"),
  tags: (row) => `'{"a${row}","b"}'`,
};

// last4 shows four characters, so those are the same.
export const RIGHT: Secrets = {
  ssn: (row) => (row === 2 ? 'NULL' : `'5${row}'`),
  card: (row) => `'9${'x'.repeat(9 - row)}777777777711${row + 10}'`,
  born: (row) => (row === 1 ? 'NULL' : `'20${10 + row}-12-24'`),
  score: (row) => `${-1000 + row}`,
  mood: (row) => (row % 3 === 0 ? 'NULL' : "'sad'"),
  tags: () => 'NULL',
};

/** What the masks show: where it is stored too, a statement means what it means without them. */
export const SHOWN: Secrets = {
  ssn: () => "'***'",
  card: (row) => `'***11${row + 10}'`,
  born: () => 'NULL',
  score: () => 'NULL',
  mood: () => 'NULL',
  tags: () => 'NULL',
};

/** Lets what the masks show be stored: it is the same in all rows. */
export const SHOWN_SCHEMA = `
    ALTER TABLE unique_secret DROP CONSTRAINT unique_secret_secret_key CASCADE;
    ALTER TABLE members DROP CONSTRAINT members_tenant_email_key;`;

export const SHOWN_ROWS = `
    UPDATE members SET email = '***';
    UPDATE secret_ref SET secret = NULL;
    UPDATE mixed SET secret = NULL;
    UPDATE leaf SET secret = NULL;
    UPDATE legs SET card = '***';
    UPDATE odd SET doc = NULL, marks = NULL;`;

export const SHOP_SCHEMA = `
    CREATE TYPE mood AS ENUM ('sad', 'glad');
    CREATE TABLE customers (
      id integer PRIMARY KEY, name text NOT NULL, email text, ssn varchar(20), card text, born date, score numeric(10,2), mood mood, tags text[], grp integer,
      hint text GENERATED ALWAYS AS (upper(ssn)) STORED
    );
    CREATE INDEX ON customers (card);
    CREATE TABLE odd (id integer PRIMARY KEY, doc jsonb, marks text[], label text, raw json);
    CREATE TABLE expiring (id integer PRIMARY KEY, until date, label text, CHECK (until IS NULL OR until < now() + interval '9 years'));
    CREATE INDEX odd_glad ON odd (id) WHERE doc ->> 'mood' = 'glad';
    CREATE TABLE moved (id integer PRIMARY KEY, secret text) PARTITION BY RANGE (id);
    CREATE TABLE moved_1 (gone integer, secret text, id integer NOT NULL);
    ALTER TABLE moved_1 DROP COLUMN gone;
    ALTER TABLE moved ATTACH PARTITION moved_1 FOR VALUES FROM (0) TO (100);
    CREATE TABLE moved_2 PARTITION OF moved (CHECK (secret LIKE '9%')) FOR VALUES FROM (100) TO (200);
    CREATE TABLE orders (id serial PRIMARY KEY, customer_id integer REFERENCES customers (id) ON DELETE CASCADE, amount numeric(10,2), note text, at timestamptz);
    CREATE TABLE plain (id integer PRIMARY KEY, ssn text, name text);
    CREATE TABLE refs (id integer PRIMARY KEY, customer_ssn varchar(20), customer_id integer REFERENCES customers (id));
    CREATE TABLE watched (id integer PRIMARY KEY, owner_ref integer REFERENCES plain (id), label text);
    CREATE VIEW v_customers AS SELECT id, ssn AS harmless FROM customers;
    CREATE VIEW v_nested AS SELECT harmless AS x FROM v_customers;
    CREATE VIEW v_shapes (id, shown, total, last) AS
      WITH big AS (SELECT customer_id, sum(amount) AS s FROM orders GROUP BY customer_id HAVING sum(amount) > 1)
      SELECT c.id, coalesce(c.ssn, c.card), big.s, (SELECT v.harmless FROM v_customers v WHERE v.id = c.id)
      FROM customers c LEFT JOIN big ON big.customer_id = c.id WHERE c.name LIKE 'name%' AND c.id BETWEEN 1 AND 6
      UNION ALL SELECT 99, 'é', 2.5, NULL;
    CREATE VIEW v_all AS SELECT * FROM customers WHERE id <> 7;
    CREATE TABLE legs (LIKE customers) PARTITION BY RANGE (id);
    CREATE TABLE legs_1 PARTITION OF legs FOR VALUES FROM (0) TO (5);
    CREATE TABLE legs_2 PARTITION OF legs FOR VALUES FROM (5) TO (100);
    CREATE VIEW v_groups AS SELECT c.id, c.name, count(o.id) AS n, max(c.ssn) AS top FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id;
    CREATE VIEW v_first (grp, id, last) AS SELECT DISTINCT ON (grp) grp, id, card FROM customers ORDER BY grp, id DESC;
    CREATE VIEW v_ranked AS SELECT id, rank() OVER (PARTITION BY grp ORDER BY id) AS place, s.shown FROM customers c, LATERAL (SELECT c.ssn || '!' AS shown) s;
    CREATE RECURSIVE VIEW v_down (n, card) AS SELECT 1, card FROM customers WHERE id = 1 UNION ALL SELECT n + 1, card FROM v_down WHERE n < 3;
    CREATE VIEW v_barrier WITH (security_barrier) AS SELECT id, ssn FROM customers WHERE id > 3;
    CREATE VIEW v_orders AS SELECT id, amount FROM orders;
    CREATE MATERIALIZED VIEW mv_customers AS SELECT id, ssn FROM customers;
    CREATE FUNCTION first_ssn(customers) RETURNS text LANGUAGE sql AS 'SELECT $1.ssn::text';
    CREATE FUNCTION peek(integer) RETURNS text LANGUAGE sql AS 'SELECT ssn::text FROM public.customers WHERE id = $1';
    CREATE FUNCTION initcap(integer) RETURNS text LANGUAGE sql AS 'SELECT ssn::text FROM public.customers WHERE id = $1';
    CREATE OPERATOR !## (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4pl);
    CREATE FUNCTION op_peek(integer, integer) RETURNS text LANGUAGE sql AS 'SELECT ssn::text FROM public.customers WHERE id = $1';
    CREATE OPERATOR ### (LEFTARG = integer, RIGHTARG = integer, FUNCTION = op_peek);
    CREATE SCHEMA hr;
    CREATE TABLE hr.employees (id integer PRIMARY KEY, salary integer);
    CREATE TABLE hr.customers (id integer PRIMARY KEY, ssn text);
    CREATE VIEW v_hr AS SELECT * FROM hr.employees;
    CREATE TABLE members (id integer PRIMARY KEY, tenant integer, email text, UNIQUE (tenant, email));
    CREATE TABLE keyless (code integer, email text);
    CREATE INDEX ON keyless (email, code);
    CREATE TABLE parent (id integer, secret text);
    CREATE TABLE child (extra text) INHERITS (parent);
    CREATE TABLE grown (id integer, shown text, kept text);
    CREATE TABLE grown_child (shown text GENERATED ALWAYS AS (upper(kept)) STORED) INHERITS (grown);
    CREATE TABLE sorted (id integer PRIMARY KEY, secret text) PARTITION BY RANGE (id);
    CREATE TABLE sorted_1 PARTITION OF sorted FOR VALUES FROM (0) TO (100);
    CREATE INDEX ON sorted_1 (secret, id);
    CREATE TABLE by_secret (id integer, secret text) PARTITION BY LIST (secret);
    CREATE TABLE by_secret_1 PARTITION OF by_secret FOR VALUES IN ('919-01-0011');
    CREATE TABLE by_secret_2 PARTITION OF by_secret DEFAULT;
    CREATE TABLE parts (id integer, secret text) PARTITION BY RANGE (id);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
    CREATE TABLE guarded_rows (id integer, secret text);
    ALTER TABLE guarded_rows ENABLE ROW LEVEL SECURITY;
    CREATE POLICY p ON guarded_rows USING (secret > 'a');
    CREATE TABLE via_policy (id integer);
    ALTER TABLE via_policy ENABLE ROW LEVEL SECURITY;
    CREATE POLICY p ON via_policy USING (EXISTS (SELECT FROM public.customers c WHERE c.id = via_policy.id AND c.ssn LIKE '9%'));
    CREATE VIEW v_policies AS SELECT c.id, c.ssn FROM customers c JOIN via_policy p ON p.id = c.id;
    CREATE TABLE unique_secret (id integer PRIMARY KEY, secret text UNIQUE, label text, CHECK (label <> secret));
    CREATE TABLE secret_ref (id integer PRIMARY KEY, secret integer REFERENCES plain (id));
    CREATE TABLE points_at_secret (id integer PRIMARY KEY, secret text REFERENCES unique_secret (secret));
    CREATE FUNCTION note_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TABLE triggered (id integer, label text);
    CREATE TRIGGER t BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION note_it();
    CREATE TABLE ruled (id integer);
    CREATE RULE r AS ON INSERT TO ruled DO ALSO DELETE FROM plain;
    CREATE TABLE defaulted (id integer, label text DEFAULT peek(1));
    CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
    CREATE TABLE mixed (id integer PRIMARY KEY, secret integer, label integer, ratio integer GENERATED ALWAYS AS (label / secret) STORED);
    CREATE TABLE stem (id integer PRIMARY KEY);
    CREATE TABLE branch (id integer PRIMARY KEY, stem_id integer REFERENCES stem (id) ON DELETE CASCADE);
    CREATE TABLE leaf (id integer PRIMARY KEY, secret integer REFERENCES branch (id));
    CREATE TABLE late (id integer PRIMARY KEY);
    CREATE VIEW v_branch AS SELECT id, stem_id FROM branch WHERE id < 50;
    CREATE VIEW v_points AS SELECT secret AS claimed, id FROM points_at_secret;
    CREATE VIEW v_twice AS SELECT claimed, id FROM v_points;
    CREATE TABLE "Mixed Case" (id integer, "Odd Name" text);`;

/** From PostgreSQL 16 on a column is generated in a child only where it is in its parent. */
export const LATER_SHOP_SCHEMA = SHOP_SCHEMA.replace(
  'CREATE TABLE grown (id integer, shown text, kept text)',
  'CREATE TABLE grown (id integer, shown text GENERATED ALWAYS AS (lower(kept)) STORED, kept text)',
);

export function shopRows(secrets: Secrets): string {
  const rows = [1, 2, 3, 4, 5, 6, 7, 8].map(
    (row) =>
      `(${row}, 'name${row % 5}', 'p${row}@example.test', ${secrets.ssn(row)}, ${secrets.card(row)}, ${secrets.born(row)}, ${secrets.score(row)}, ${secrets.mood(row)}, ${secrets.tags(row)}, ${row % 3})`,
  );
  return `
    INSERT INTO customers (id, name, email, ssn, card, born, score, mood, tags, grp) VALUES ${rows.join(', ')};
    INSERT INTO odd SELECT id, jsonb_build_object('mood', mood, 'a', CASE WHEN id % 2 = 0 THEN to_jsonb(mood) ELSE '{}' END), tags, 'l' || id, to_json(name) FROM customers;
    INSERT INTO expiring SELECT id, born, 'l' FROM customers;
    ALTER TABLE expiring ADD CHECK (until > date '2000-01-01') NOT VALID;
    INSERT INTO moved SELECT id, ssn FROM customers;
    INSERT INTO orders (customer_id, amount, note, at)
      SELECT 1 + g % 8, g * 1.5, 'note ' || g, timestamptz '2026-01-01 00:00:00+00' + g * interval '1 hour' FROM generate_series(1, 30) g;
    INSERT INTO plain SELECT g, '000-00-000' || g, 'name' || g FROM generate_series(1, 5) g;
    INSERT INTO watched VALUES (1, 1, 'a'), (2, 2, 'b');
    INSERT INTO via_policy VALUES (1), (2), (3);
    INSERT INTO parent SELECT id, ssn FROM customers WHERE id < 3;
    INSERT INTO child SELECT id, ssn, name FROM customers WHERE id > 2;
    INSERT INTO grown_child (id, kept) SELECT id, ssn FROM customers;
    INSERT INTO legs SELECT * FROM customers;
    INSERT INTO parts SELECT id, ssn FROM customers;
    INSERT INTO sorted SELECT id, ssn FROM customers;
    INSERT INTO by_secret SELECT id, ssn FROM customers;
    INSERT INTO unique_secret SELECT id, ssn, name FROM customers;
    INSERT INTO secret_ref VALUES (1, CASE WHEN ${secrets.ssn(1)} LIKE '9%' THEN 3 ELSE 4 END);
    INSERT INTO members SELECT g, g % 2, md5(${secrets.ssn(1)} || g) FROM generate_series(1, 20) g;
    INSERT INTO keyless SELECT g, md5(${secrets.ssn(1)} || g) FROM generate_series(1, 20) g;
    INSERT INTO mixed (id, secret) SELECT id, CASE WHEN ssn LIKE '9%' THEN 0 ELSE 1 END FROM customers;
    INSERT INTO stem VALUES (1), (2);
    INSERT INTO branch VALUES (1, 1), (2, 2);
    INSERT INTO leaf VALUES (1, CASE WHEN ${secrets.ssn(1)} LIKE '9%' THEN 1 ELSE 2 END);
    INSERT INTO late SELECT id FROM customers;
    ALTER TABLE late ADD COLUMN secret text DEFAULT ${secrets.ssn(1)};
    ALTER TABLE late ALTER COLUMN secret DROP DEFAULT;
    REFRESH MATERIALIZED VIEW mv_customers;
    ANALYZE;`;
}

export const MASKS: readonly SqlMask[] = [
  { relation: 'public.customers', column: 'ssn', with: 'redact' },
  { relation: 'public.customers', column: 'card', with: 'last4' },
  ...['ssn', 'card', 'born', 'score', 'mood', 'tags', 'hint'].map(
    (column): SqlMask => ({ relation: 'public.legs_2', column, with: 'redact' }),
  ),
  { relation: 'public.customers', column: 'born', with: 'redact' },
  { relation: 'public.customers', column: 'score', with: 'null' },
  { relation: 'public.customers', column: 'mood', with: 'redact' },
  { relation: 'public.customers', column: 'tags', with: { fixed: 'none' } },
  { relation: 'public.expiring', column: 'until', with: 'redact' },
  ...['doc', 'marks'].map((column): SqlMask => ({ relation: 'public.odd', column, with: 'redact' })),
  { relation: 'public.moved', column: 'secret', with: 'redact' },
  { relation: 'public.members', column: 'email', with: 'redact' },
  { relation: 'public.keyless', column: 'email', with: 'redact' },
  { relation: 'public.grown_child', column: 'kept', with: 'redact' },
  ...[
    'child',
    'parts',
    'sorted_1',
    'by_secret',
    'guarded_rows',
    'unique_secret',
    'secret_ref',
    'mixed',
    'leaf',
    'late',
  ].map((name): SqlMask => ({ relation: `public.${name}`, column: 'secret', with: 'redact' })),
];

export function guardedBasis(catalog: CatalogSnapshot): SqlBasis {
  return { catalog, masks: MASKS, guarded: true, searchPath: ['public'], trustedFunctions: [] };
}

export function openBasis(catalog: CatalogSnapshot): SqlBasis {
  return { catalog, masks: [], guarded: false, searchPath: ['public'], trustedFunctions: [] };
}

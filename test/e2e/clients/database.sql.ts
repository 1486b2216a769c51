/** A database with one of each: what tools list, describe, dump and restore. */

export const DATABASE = 'tools';
/** Owns everything in the database; the account of the targets without a mask. */
export const OWNER = 'tools_owner';
/** Reads and writes rows, and no more; the account of the targets with one. */
export const READER = 'tools_reader';

/** What a mask must not let through. */
export const SECRETS = ['219-09-9999', '4111 1111 1111 1111'] as const;

export function rolesSql(password: string): readonly string[] {
  return [
    `CREATE ROLE ${OWNER} LOGIN PASSWORD '${password}' NOSUPERUSER NOCREATEROLE NOBYPASSRLS`,
    `CREATE ROLE ${READER} LOGIN PASSWORD '${password}' NOSUPERUSER NOCREATEROLE NOBYPASSRLS`,
    `CREATE DATABASE ${DATABASE} OWNER ${OWNER}`,
    `REVOKE TEMP ON DATABASE ${DATABASE} FROM PUBLIC`,
  ];
}

export const TABLES = `
ALTER SCHEMA public OWNER TO ${OWNER};
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
SET ROLE ${OWNER};
CREATE SCHEMA "Odd schema";
CREATE TYPE mood AS ENUM ('calm', 'busy');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE pair AS (a int, b text);
CREATE SEQUENCE numbers START 10;
CREATE TABLE people (
  id int PRIMARY KEY,
  name text NOT NULL,
  ssn text,
  card text,
  born date,
  note jsonb DEFAULT '{}'
);
COMMENT ON TABLE people IS 'who buys';
COMMENT ON COLUMN people.ssn IS 'to be masked';
CREATE TABLE purchases (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  person int NOT NULL REFERENCES people ON DELETE CASCADE,
  amount numeric(10,2) NOT NULL CHECK (amount >= 0),
  tags text[] DEFAULT '{}',
  placed timestamptz DEFAULT now(),
  doubled numeric GENERATED ALWAYS AS (amount * 2) STORED,
  UNIQUE (person, placed)
);
CREATE INDEX purchases_amount ON purchases (amount DESC) WHERE amount > 5;
CREATE TABLE moods (id serial PRIMARY KEY, mood mood, level positive, two pair);
CREATE TABLE held (id int);
CREATE TABLE numbered (n int PRIMARY KEY, word text);
CREATE TABLE logs (at date NOT NULL, line text) PARTITION BY RANGE (at);
CREATE TABLE logs_2026 PARTITION OF logs FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE "Odd schema"."Odd ""table""" ("Column one" int, "select" text);
CREATE VIEW totals AS SELECT p.name, sum(b.amount) AS total FROM people p JOIN purchases b ON b.person = p.id GROUP BY p.name;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM purchases;
CREATE FUNCTION twice(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT x * 2';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE ON moods FOR EACH ROW EXECUTE FUNCTION touch();
CREATE PROCEDURE nothing() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE STATISTICS people_stats ON id, name FROM people;
INSERT INTO people SELECT i, 'name ' || i, CASE WHEN i = 1 THEN '${SECRETS[0]}' ELSE '457-55-' || 1000 + i END,
  CASE WHEN i = 1 THEN '${SECRETS[1]}' ELSE '5555 5555 5555 4444' END, date '1980-01-01' + i FROM generate_series(1, 50) i;
INSERT INTO purchases (person, amount, placed) SELECT 1 + i % 50, i, timestamptz '2026-01-01' + i * interval '1 hour' FROM generate_series(1, 200) i;
INSERT INTO moods (mood, level) VALUES ('calm', 1), ('busy', 2);
INSERT INTO logs VALUES ('2026-05-05', 'hello');
INSERT INTO "Odd schema"."Odd ""table""" VALUES (1, 'one');
REFRESH MATERIALIZED VIEW counted;
RESET ROLE;
ANALYZE;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${READER};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${READER};
`;

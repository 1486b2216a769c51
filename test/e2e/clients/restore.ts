/** A schema with what waits for what when it is restored by several connections at once: keys, indexes, policies, triggers, views and what they hold. */
import { join } from 'node:path';
import type { Place } from './client.ts';
import type { Lab } from './lab.ts';
import { good, program } from './programs-of-postgresql.ts';
import { environment, run } from './external.ts';

const TABLES = 3;

const numbers = Array.from({ length: TABLES }, (_, i) => i);

export const CROWD = `CREATE SCHEMA crowd; SET LOCAL search_path = crowd;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
${numbers
  .map(
    (
      n,
    ) => `CREATE TABLE t${n} (id int PRIMARY KEY, parent int, word text DEFAULT upper('x'), size int GENERATED ALWAYS AS (length(word)) STORED,
  CHECK (length(word) < 100), UNIQUE (word, id));
INSERT INTO t${n} SELECT i, i, md5(i::text) FROM generate_series(1, 2000) i;
CREATE INDEX ON t${n} (lower(word)) WHERE id > 10;
ALTER TABLE t${n} ENABLE ROW LEVEL SECURITY;
CREATE POLICY p${n} ON t${n} USING (id > 0 AND id IN (SELECT id FROM t0));
CREATE TRIGGER s${n} BEFORE UPDATE ON t${n} FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE VIEW v${n} AS SELECT id, word FROM t${n} WHERE size > 0;
CREATE VIEW g${n} AS SELECT t.id, t.word, count(*) FROM t${n} t JOIN v${n} v ON v.id = t.id GROUP BY t.id;
CREATE MATERIALIZED VIEW m${n} AS SELECT * FROM g${n};
CREATE UNIQUE INDEX ON m${n} (id);`,
  )
  .join('\n')}
${numbers
  .slice(1)
  .map((n) => `ALTER TABLE t${n} ADD FOREIGN KEY (parent) REFERENCES t${n - 1};`)
  .join('\n')}`;

/** Dumps the crowd through one place, and restores it through another by so many connections at once, in place of what is there. */
export async function restoreAtOnce(from: Place, to: Place, connections: number): Promise<void> {
  const archive = join(from.folder, 'crowd');
  await good(run([program('pg_dump'), '-Fc', '-n', 'crowd', '-f', archive], environment(from)));
  const args = [
    '--exit-on-error',
    ...(to.server === from.server ? ['--clean', '--if-exists'] : []),
    '-j',
    String(connections),
    '-d',
    'tools',
    archive,
  ];
  await good(run([program('pg_restore'), ...args], environment(to)));
}

export async function countOf(lab: Lab, server: Parameters<Lab['sql']>[0]): Promise<unknown> {
  const sum = numbers.map((n) => `(SELECT count(*) FROM crowd.m${n})`).join(' + ');
  return (await lab.sql(server, `SELECT (${sum})::int AS n`))[0]?.['n'];
}

export const ROWS = TABLES * 2000;

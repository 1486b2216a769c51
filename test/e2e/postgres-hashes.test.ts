/** Columns masked by their hash, through a real gateway and a real PostgreSQL: what is shown, and what was tried to get more. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import type pg from 'pg';
import { demoPolicyYaml } from '../../src/app/demo/files.ts';
import { type Stack, type StackRun, startStack } from '../fakes/stack.ts';
import { type Connected, connected, later, recorded, refused, sessionOf } from './clients.ts';

const SECRETS = ['919-01-0011', '919-01-0012', '1961-02-03', '7251.25', '48151623'];
/** What goes from the target to the gateway in their place: no client may see that either. */
const DIGESTS = SECRETS.map((value) => createHash('sha256').update(value).digest('hex').slice(0, 32));

const TABLES = `
  CREATE TYPE mood AS ENUM ('glad', 'sad');
  CREATE TABLE people (id int PRIMARY KEY, name text, ssn text, born date, score numeric, pin int, feels mood);
  INSERT INTO people VALUES (1, 'a', '919-01-0011', '1961-02-03', 7251.25, 48151623, 'glad'),
    (2, 'b', '919-01-0012', NULL, 7251.250, 0, 'sad'), (3, 'c', NULL, '1961-02-03', 1, 48151623, 'glad'), (4, 'd', '919-01-0011', NULL, 2, 4, NULL);
  CREATE INDEX ON people (ssn);
  CREATE TABLE owners (person int, tax_number varchar(20)) PARTITION BY RANGE (person);
  CREATE TABLE owners_1 PARTITION OF owners FOR VALUES FROM (0) TO (100);
  INSERT INTO owners VALUES (1, '919-01-0011'), (2, '919-01-0012');
  CREATE VIEW directory AS SELECT p.id, p.ssn AS number, p.name FROM people p;
  CREATE TABLE notes (id int, body text);
  GRANT SELECT, INSERT, UPDATE, DELETE ON people, owners, owners_1, directory, notes TO shop_agent;`;

const HASHED = ['people.ssn', 'people.born', 'people.score', 'people.pin', 'people.feels', 'owners_1.tax_number'];
const POLICY = demoPolicyYaml().replace(
  'masks:\n',
  `masks:\n  - { name: numbers, targets: [shop], columns: [${HASHED.map((one) => `public.${one}`).join(', ')}], with: hash }\n`,
);

let stack: Stack;
let run: StackRun;
let client: Connected;
before(async () => {
  stack = await startStack({ sql: TABLES, policy: POLICY });
  run = await stack.run('dana');
  client = await connected(run);
});
after(async () => {
  await client?.[Symbol.asyncDispose]();
  await run?.[Symbol.asyncDispose]();
  await stack?.[Symbol.asyncDispose]();
});

const HASH = /^[0-9a-f]{32}$/;
const rows = async (text: string, values?: unknown[]) =>
  (await client.query<Record<string, string | null>>(values ? { text, values } : text)).rows;

describe('a column masked by its hash', () => {
  test('shows equal values as equal hashes, other values as others, and NULL as NULL', async () => {
    const [a, b, c, d] = await rows('SELECT * FROM people ORDER BY id');
    assert.ok(a && b && c && d);
    assert.match(a['ssn'] ?? '', HASH);
    assert.equal(a['ssn'], d['ssn']);
    assert.notEqual(a['ssn'], b['ssn']);
    assert.equal(c['ssn'], null);
    assert.equal(a['born'], c['born']);
    assert.equal(b['born'], null);
    assert.equal(a['score'], b['score']);
    assert.equal(a['pin'], c['pin']);
    assert.equal(a['feels'], c['feels']);
    assert.notEqual(a['feels'], b['feels']);
    assert.deepEqual([a['name'], a['id']], ['a', 1]);
  });

  test('shows the same value of another table, through a partition, a view, WITH and a join, as the same hash', async () => {
    const [person] = await rows('SELECT ssn FROM people WHERE id = 1');
    const [owner] = await rows('SELECT tax_number FROM owners WHERE person = 1');
    const [part] = await rows(
      'SELECT o.tax_number AS t FROM owners_1 o JOIN people p ON p.id = o.person WHERE p.id = 1',
    );
    const [viewed] = await rows('WITH d AS (SELECT * FROM directory) SELECT number FROM d WHERE id = 1');
    assert.match(person?.['ssn'] ?? '', HASH);
    assert.deepEqual([owner?.['tax_number'], part?.['t'], viewed?.['number']], Array(3).fill(person?.['ssn']));
  });

  test('is of type text in every protocol and format, and the same there', async () => {
    const [simple] = await rows('SELECT born, pin FROM people WHERE id = 1');
    const extended = await client.query({ text: 'SELECT born, pin FROM people WHERE id = $1', values: [1] });
    const named = await client.query({ name: 'n', text: 'SELECT born, pin FROM people WHERE id = $1', values: [1] });
    const again = await client.query({ name: 'n', text: 'SELECT born, pin FROM people WHERE id = $1', values: [1] });
    const asText = { getTypeParser: () => String };
    const binary = await client.query({
      ...{ text: 'SELECT born, pin FROM people WHERE id = $1', values: [1], binary: true },
      types: asText as unknown as pg.CustomTypesConfig,
    } satisfies pg.QueryConfig & { binary: boolean });
    for (const { rows, fields } of [extended, named, again, binary]) {
      assert.deepEqual(rows, [simple]);
      assert.deepEqual(
        fields.map(({ dataTypeID, dataTypeModifier, tableID }) => [dataTypeID, dataTypeModifier, tableID]),
        [
          [25, -1, 0],
          [25, -1, 0],
        ],
      );
    }
  });

  test('is the same whatever the session sets', async () => {
    const [before] = await rows('SELECT born, score FROM people WHERE id = 1');
    for (const set of ["SET DateStyle = 'SQL, DMY'", "SET TimeZone = 'Asia/Tokyo'", 'SET extra_float_digits = 0']) {
      await later(client.query(set));
      assert.deepEqual((await rows('SELECT born, score FROM people WHERE id = 1'))[0], before, set);
    }
  });

  test('is the same from cursors, EXECUTE, portals read in pieces, and RETURNING', async () => {
    const [{ ssn } = { ssn: '' }] = await rows('SELECT ssn FROM people WHERE id = 1');
    await client.query('BEGIN; DECLARE c CURSOR FOR SELECT ssn FROM people WHERE id = 1');
    assert.deepEqual(await rows('FETCH ALL FROM c'), [{ ssn }]);
    await client.query('CLOSE c; DECLARE b BINARY CURSOR FOR SELECT ssn FROM people WHERE id = 1');
    assert.equal(String((await rows('FETCH 1 FROM b'))[0]?.['ssn']), ssn);
    await client.query('PREPARE p (int) AS SELECT ssn FROM people WHERE id = $1');
    assert.deepEqual(await rows('EXECUTE p (1)'), [{ ssn }]);
    const pieces = { text: 'SELECT ssn FROM people WHERE id IN ($1, 4)', values: [1], rows: 1 };
    assert.deepEqual((await client.query(pieces)).rows, [{ ssn }, { ssn }]);
    assert.deepEqual(await rows("INSERT INTO people (id, ssn) VALUES (9, '919-01-0011') RETURNING id, ssn"), [
      { id: 9, ssn },
    ]);
    assert.equal((await rows("UPDATE people SET name = 'z' WHERE id = 1 RETURNING *"))[0]?.['ssn'], ssn);
    await client.query('ROLLBACK; DEALLOCATE p');
  });

  test('is explained without being shown', async () => {
    const plan = JSON.stringify(await rows('EXPLAIN (VERBOSE) SELECT ssn FROM people'));
    assert.doesNotMatch(plan, /sha256/);
  });

  test('is counted, and recorded as its hash alone', async () => {
    const own = await connected(run);
    const { rows: shown } = await own.query<{ ssn: string }>('SELECT ssn, id FROM people ORDER BY id');
    const session = await sessionOf(stack, own);
    await own.end();
    await run.event('session.closed', (event) => event.session === session);
    const events = await recorded(stack, session);
    const outcome = events.find((event) => event.type === 'outcome' && event.rows === 4);
    assert.equal(outcome?.type === 'outcome' && outcome.maskedCells, 4);
    const result = events.find(({ type }) => type === 'result');
    assert.match(JSON.stringify(result), new RegExp(shown[0]?.ssn ?? '-'));
  });
});

/** What was tried, each with what the attacker sends; what comes back may be anything but a value or its digest. */
const TRIES: readonly (readonly [what: string, ...statements: (string | pg.QueryConfig)[]])[] = [
  ['by its name', 'SELECT ssn FROM people'],
  ['by a cast', 'SELECT ssn::bytea, pin::text, born::text FROM people'],
  ['by a cast to the type of digests', 'SELECT ssn::varchar(7321984) FROM people', "SELECT 'x'::varchar(7321984)"],
  ['by the name of the digest', 'SELECT ssn, "hoop hash 3" FROM people', 'SELECT p."hoop hash 3" FROM people p'],
  ['by the name of the digest with escapes', 'SELECT ssn, U&"hoop\\0020hash 3" FROM people'],
  ['by the row', 'SELECT p FROM people p', 'SELECT ssn, p FROM people p', 'SELECT ssn, p.* IS NULL FROM people p'],
  ['by the row as JSON', 'SELECT ssn, to_jsonb(p) FROM people p', 'SELECT ssn, p.to_json FROM people p'],
  [
    'by the row of a sub-query',
    'SELECT s.ssn, s FROM (SELECT * FROM people) s',
    'SELECT s.ssn, s::text FROM (TABLE people) s',
  ],
  ['by the row of a WITH', 'WITH w AS (SELECT * FROM people) SELECT w.ssn, row_to_json(w) FROM w'],
  [
    'by the row of a namesake',
    'SELECT s.ssn, s.to_json FROM (TABLE people) s WHERE EXISTS (SELECT FROM (SELECT 1 AS to_json, ssn FROM people) s)',
  ],
  [
    'by a join that merges',
    'SELECT a.ssn FROM people a NATURAL JOIN people b',
    'SELECT ssn FROM people a JOIN people b USING (ssn)',
  ],
  [
    'by the alias of a join',
    'SELECT j FROM (people p JOIN owners o ON true) AS j',
    'SELECT j.ssn FROM (people p JOIN owners o ON true) AS j (a, b, ssn)',
  ],
  [
    'by renaming columns',
    'SELECT x FROM people AS p (a, b, x)',
    'SELECT x FROM (TABLE people) AS p (a, b, x) WHERE x LIKE $$919%$$',
  ],
  ['by comparing', "SELECT id FROM people WHERE ssn = '919-01-0011'", "SELECT ssn = '919-01-0011' FROM people"],
  ['by comparing what was carried', "SELECT id FROM (SELECT id, ssn AS x FROM people) s WHERE x < '919-01-0012'"],
  [
    'by its order',
    'SELECT ssn FROM people ORDER BY ssn',
    'SELECT ssn FROM people ORDER BY 1',
    'SELECT id FROM (SELECT id, ssn FROM people ORDER BY 2) s',
  ],
  ['by its extremes', 'SELECT max(ssn), min(born) FROM people', 'SELECT DISTINCT ON (ssn) ssn FROM people'],
  [
    'by a window',
    'SELECT ssn, lag(ssn) OVER () FROM people',
    'SELECT ssn, first_value(pin) OVER (ORDER BY ssn) FROM people',
  ],
  [
    'by a set operation',
    "SELECT ssn FROM people UNION SELECT '1'",
    'SELECT ssn FROM people EXCEPT SELECT tax_number FROM owners',
  ],
  [
    'by recursion',
    'WITH RECURSIVE w AS (SELECT ssn FROM people UNION ALL SELECT ssn FROM w) SELECT ssn FROM w LIMIT 9',
  ],
  ['by a value of its own', 'SELECT (SELECT ssn FROM people LIMIT 1), ARRAY(SELECT ssn FROM people)'],
  [
    'by an error',
    'SELECT ssn::int FROM people',
    'SELECT 1 / (pin - 48151623) FROM people',
    'SELECT id, ssn FROM people WHERE 1 / (id - 1) > 0',
  ],
  [
    'by a constraint',
    "INSERT INTO people (id, ssn) VALUES (1, 'x') RETURNING ssn",
    'INSERT INTO people (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET name = people.ssn RETURNING name',
  ],
  ['by copying it to a column of no mask', 'INSERT INTO notes SELECT id, ssn FROM people', 'TABLE notes'],
  [
    'by an update from it',
    'UPDATE notes SET body = p.ssn FROM people p',
    'UPDATE people SET name = ssn RETURNING name',
  ],
  ['by writing it back', 'WITH u AS (UPDATE people SET name = name RETURNING ssn) SELECT ssn || $$!$$ FROM u'],
  [
    'by MERGE',
    'MERGE INTO notes n USING people p ON n.id = p.id WHEN NOT MATCHED THEN INSERT VALUES (p.id, p.ssn)',
    'TABLE notes',
  ],
  ['by a table made of it', 'CREATE TEMP TABLE t AS SELECT ssn FROM people', 'SELECT ssn INTO t2 FROM people'],
  [
    'by COPY',
    'COPY people TO STDOUT',
    'COPY (SELECT ssn FROM people) TO STDOUT',
    'COPY people (ssn) TO STDOUT (FORMAT csv)',
  ],
  [
    'by the view',
    'SELECT number::text FROM directory',
    "SELECT name FROM directory WHERE number LIKE '9%'",
    'SELECT d FROM directory d',
  ],
  [
    'by the partition',
    'SELECT tax_number FROM ONLY owners_1',
    'SELECT tax_number::text FROM owners',
    'SELECT o FROM owners o',
  ],
  ['by a cursor that outlives', 'DECLARE h CURSOR WITH HOLD FOR SELECT ssn FROM people'],
  [
    'by what the planner knows',
    'SELECT most_common_vals FROM pg_stats WHERE tablename = $$people$$',
    'EXPLAIN ANALYZE SELECT ssn FROM people',
  ],
  [
    'by a parameter of a type',
    { text: 'SELECT ssn, $1::text FROM people', values: ['x'] },
    { text: 'SELECT id FROM people WHERE ssn = $1', values: ['919-01-0011'] },
  ],
  [
    'by sampling and by where it lies',
    'SELECT ssn FROM people TABLESAMPLE SYSTEM (100)',
    'SELECT ssn, ctid FROM people',
    'SELECT ssn FROM people FOR UPDATE',
  ],
  ['by several statements at once', 'SELECT 1; SELECT ssn FROM people; SELECT ssn::text FROM people'],
  [
    'by LATERAL and functions over it',
    'SELECT f FROM people p, LATERAL (SELECT p.ssn) s (f)',
    'SELECT u FROM people p, unnest(ARRAY[p.ssn]) u',
  ],
  [
    'by XML and JSON over a query',
    "SELECT query_to_xml('SELECT ssn FROM people', true, false, '')",
    'SELECT json_agg(s) FROM (SELECT ssn FROM people) s',
  ],
];

describe('no value and no digest comes back', () => {
  let attacker: StackRun;
  let tries = 0;
  // A run has so many refusals a minute, and no more.
  const next = async () => {
    if (tries++ % 12 === 0) attacker = await stack.run('dana');
    return connected(attacker);
  };
  for (const [what, ...statements] of TRIES) {
    test(what, async () => {
      const own = await next();
      const heard: unknown[] = [];
      await own.query('BEGIN');
      for (const statement of statements) {
        await own.query('SAVEPOINT s');
        const answer = await later<unknown>(own.query(statement as string));
        heard.push(answer);
        if (!answer.ok) await later(own.query('ROLLBACK TO s'));
      }
      heard.push(own.notices);
      await later(own.query('ROLLBACK'));
      await own.end();
      const said = JSON.stringify(heard, (_, value) =>
        value instanceof Error ? { ...value, text: value.message } : value,
      );
      const sent = JSON.stringify(statements);
      for (const value of [...SECRETS, ...DIGESTS])
        assert.ok(sent.includes(value) || !said.includes(value), `${value} in ${said}`);
    });
  }
});

test('the values and digests are in no recording and no log line of the gateway', async () => {
  const names = await readdir(stack.recordings, { recursive: true });
  const sessions = new Set(names.flatMap((name) => /(ses_\w+)\.ndjson/.exec(name)?.[1] ?? []));
  assert.ok(sessions.size > TRIES.length, `${sessions.size}`);
  const texts = await Promise.all([...sessions].map(async (one) => JSON.stringify(await recorded(stack, one))));
  for (const text of [...texts, ...stack.log])
    for (const value of [...SECRETS, ...DIGESTS])
      assert.ok(!text.includes(value), `${value} in ${around(text, value)}`);
});

function around(text: string, value: string): string {
  const at = text.indexOf(value);
  return text.slice(Math.max(0, at - 200), at + 200);
}

describe('where a column is masked', () => {
  test('a statement that cannot be read is recorded without a word of it', async () => {
    const own = await connected(run);
    const session = await sessionOf(stack, own);
    const told = await refused(own.query("SELECT id FROM people WHERE ssn = '666-12-3456'' AND"));
    assert.equal(told.code, '42601');
    const bound = await refused(own.query({ text: "SELECT 1 FROM people WHERE ssn == 666123456 '", values: [1] }));
    assert.equal(bound.code, '42601');
    const several = await refused(
      own.query({
        text: "SELECT 1 FROM people WHERE ssn = '666-12-3456'; SELECT 2",
        values: [] as unknown[],
        queryMode: 'extended',
      } as pg.QueryConfig),
    );
    assert.equal(several.code, '42601');
    await own.end();
    const events = JSON.stringify(await recorded(stack, session));
    assert.doesNotMatch(events, /666-12-3456|666123456/);
  });

  test('GROUP BY the alias of a primary key shows the other columns', async () => {
    assert.deepEqual(await rows('SELECT id AS k, name FROM customers GROUP BY k ORDER BY k LIMIT 1'), [
      { k: 1, name: 'Ada Lindqvist' },
    ]);
    assert.deepEqual(
      (
        await rows(
          'SELECT p.id AS k, p.name, count(o.person) AS n FROM people p LEFT JOIN owners o ON o.person = p.id GROUP BY k ORDER BY 1',
        )
      ).map(({ n }) => n),
      ['1', '1', '0', '0'],
    );
  });
});

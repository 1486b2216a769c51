/**
 * Two databases whose hashed columns differ, but are equal and NULL in the same places, answer every statement alike up to which digest it is: what shows of a
 * column masked by its hash is what equals what, and nothing else. Asked of a real PostgreSQL.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from '../../property/drawn.ts';
import type pg from 'pg';
import {
  createSqlReader,
  HASH_TYPE,
  type SqlBasis,
  type SqlReader,
  type StatementAnalysis,
} from '../../../src/languages/sql/index.ts';
import { type Database, loadCatalog, startDatabase } from './database.ts';
import { statements } from './grammar.ts';
import { ATTACKS, HONEST } from './questions.ts';
import { guardedBasis, LEFT, type Secrets, SHOP_SCHEMA, shopRows } from './shop.ts';

/** Other values, of other lengths and in another order. */
const MOVED: Secrets = {
  ...LEFT,
  ssn: (row) => `'${'7'.repeat(1 + row)}-${20 - row}'`,
  card: (row) => `'c${99 - row}'`,
  born: (row) => `'20${19 - row}-12-24'`,
  score: (row) => `${-1000 * row}`,
  mood: (row) => (row % 2 === 0 ? "'sad'" : "'glad'"),
};

let database: Database;
let reader: SqlReader;
let basis: SqlBasis;
let twins: readonly pg.Client[];
before(async () => {
  database = await startDatabase();
  await (await database.create('shop', SHOP_SCHEMA)).end();
  twins = [
    await database.create('left_shop', shopRows(LEFT), 'shop'),
    await database.create('moved_shop', shopRows(MOVED), 'shop'),
  ];
  for (const client of twins) {
    await client.query('SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off');
  }
  const redacted = guardedBasis(await loadCatalog(twins[0] as pg.Client));
  const masks = redacted.masks.map((mask) =>
    HASHED.has(`${mask.relation}.${mask.column}`) ? { ...mask, with: 'hash' as const } : mask,
  );
  basis = { ...redacted, masks };
  reader = createSqlReader({ timeoutMs: 10_000 });
});
after(async () => {
  await reader?.close();
  await database?.stop();
});

const COLUMNS = ['ssn', 'card', 'born', 'score', 'mood'];
const HASHED: ReadonlySet<string> = new Set([
  ...['customers', 'legs_2'].flatMap((table) => COLUMNS.map((column) => `public.${table}.${column}`)),
  ...['moved', 'child', 'parts', 'sorted_1', 'unique_secret', 'by_secret'].map((table) => `public.${table}.secret`),
  ...['members', 'keyless'].map((table) => `public.${table}.email`),
]);

const RUNS = 250;

type Outcome = 'refused' | 'error' | 'answered' | 'hashes';

async function ask(text: string): Promise<Outcome> {
  const analysis = await reader.analyse(text, basis);
  const [statement, second] = analysis.ok ? analysis.statements : [];
  if (statement === undefined || second !== undefined || statement.refused !== undefined) return 'refused';
  if (/^\s*COPY/i.test(text)) return 'refused';
  const [one, other] = [await answer(0, text, statement), await answer(1, text, statement)];
  assert.deepEqual(one, other, `the answers differ for\n  ${text}\nsent as\n  ${statement.rewrite?.text}`);
  if ('code' in one) return 'error';
  return statement.shown?.hashed?.length ? 'hashes' : 'answered';
}

async function answer(which: 0 | 1, text: string, statement: StatementAnalysis): Promise<object> {
  const client = twins[which] as pg.Client;
  await client.query("BEGIN; SELECT pg_catalog.setval('public.orders_id_seq', 1000)");
  try {
    const first = await client.query({ text: statement.rewrite?.text ?? text, rowMode: 'array' });
    const cursor = /^\s*DECLARE\s+(\w+)/i.exec(text)?.[1];
    const prepared = /^\s*PREPARE\s+(\w+)/i.exec(text)?.[1];
    const then =
      cursor === undefined
        ? prepared && (await client.query({ text: `EXECUTE ${prepared}(1)`, rowMode: 'array' }))
        : await client.query({ text: `FETCH 20 FROM ${cursor}`, rowMode: 'array' });
    const result = then || first;
    const wrote = /\b(INSERT|UPDATE|DELETE|MERGE|INTO)\b/i.test(text);
    const stored = wrote
      ? (await client.query("SELECT string_agg(o::text, ' ' ORDER BY o.id) AS o FROM orders o")).rows
      : [];
    return { tag: first.command, fields: namesOf(result), rows: classed(result, statement), stored };
  } catch (error) {
    // The gateway withholds the words of what touches a masked table.
    const { code, message } = error as pg.DatabaseError;
    return statement.touchesMasked ? { code } : { code, message };
  } finally {
    await client.query('ROLLBACK; DEALLOCATE ALL');
    if (/\b(INSERT|UPDATE|DELETE|MERGE)\b/i.test(text))
      await client.query('VACUUM customers, orders, plain, watched, refs, members');
  }
}

function namesOf({ fields }: pg.QueryResult): readonly string[] {
  return fields.map(({ name, dataTypeID }) => `${name} ${dataTypeID}`);
}

/** The rows, each digest as the number of the first one it equals. */
function classed({ fields, rows }: pg.QueryResult<unknown[]>, { shown }: StatementAnalysis): unknown {
  const places = shown?.hashed ?? [];
  const marked = fields.flatMap(({ dataTypeID, dataTypeModifier, tableID }, place) =>
    dataTypeID === HASH_TYPE.type && dataTypeModifier === HASH_TYPE.modifier && tableID === 0 ? [place] : [],
  );
  if (fields.length > 0) assert.deepEqual(marked, places, 'digests come where they were said to');
  const classes = new Map<unknown, number>();
  return rows.map((row) =>
    row.map((cell, place) => {
      if (!places.includes(place) || cell === null) return cell;
      assert.match(String(cell), /^[0-9a-f]{32}$/);
      const known = classes.get(cell) ?? classes.size;
      classes.set(cell, known);
      return `hash ${known}`;
    }),
  );
}

const OWN = [
  'SELECT * FROM customers ORDER BY id',
  'SELECT ssn FROM customers',
  'SELECT ssn, card FROM customers WHERE id > 2',
  'SELECT mood, born, score FROM customers LIMIT 3',
  'SELECT email FROM members',
  'SELECT secret FROM unique_secret',
  'SELECT secret FROM sorted',
  'SELECT secret FROM sorted_1',
  'SELECT id, secret FROM parts',
  'SELECT secret FROM parent',
  'SELECT * FROM child',
  'SELECT id, ssn FROM legs',
  'SELECT ssn FROM legs_1',
  'SELECT * FROM v_customers',
  'SELECT * FROM v_all',
  'SELECT c.ssn, o.note FROM orders o JOIN customers c ON c.id = o.customer_id ORDER BY o.id LIMIT 5',
  'WITH w AS MATERIALIZED (SELECT * FROM customers) SELECT a.ssn, b.card FROM w a JOIN w b ON a.id = b.id ORDER BY a.id',
  'DECLARE c SCROLL CURSOR FOR SELECT ssn FROM customers',
  'PREPARE p AS SELECT ssn, $1::int FROM customers WHERE id <= $1',
  "UPDATE customers SET name = 'n' WHERE id = 1 RETURNING *",
  "INSERT INTO parts (id, secret) VALUES (77, 'x') RETURNING secret",
  'EXPLAIN (COSTS off) SELECT ssn FROM customers',
];

describe('of columns masked by their hash nothing shows but what equals what', () => {
  test('in outputs of every shape', async () => {
    const other: string[] = [];
    for (const text of OWN) {
      const outcome = await ask(text);
      if (outcome !== 'hashes' && !text.startsWith('EXPLAIN')) other.push(`${text}: ${outcome}`);
    }
    assert.deepEqual(other, []);
  });

  test('in each attack', async () => {
    for (const text of ATTACKS) await ask(text);
  });

  test('in honest questions', async () => {
    const counts = new Map<Outcome, number>();
    for (const text of HONEST) {
      const outcome = await ask(text);
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    }
    assert.ok((counts.get('hashes') ?? 0) + (counts.get('answered') ?? 0) >= 20, JSON.stringify([...counts]));
  });

  test('in what is made up at random', async () => {
    const counts = new Map<Outcome, number>();
    await fc.assert(
      fc.asyncProperty(statements, async (text) => {
        const outcome = await ask(text);
        counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      }),
      { numRuns: RUNS },
    );
    assert.ok((counts.get('answered') ?? 0) + (counts.get('hashes') ?? 0) >= 40, JSON.stringify([...counts]));
  });

  test('and the databases would be told apart by what is answered if digests came in other places', async () => {
    const [one, other] = await Promise.all(
      twins.map(async (client) => (await client.query('SELECT ssn FROM customers ORDER BY ssn')).rows),
    );
    assert.notDeepEqual(one, other);
  });
});

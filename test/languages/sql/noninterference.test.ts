/** Two databases that differ only in masked columns answer every statement alike, or it is refused. Asked of a real PostgreSQL. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import type pg from 'pg';
import { createSqlReader, type SqlBasis } from '../../../src/languages/sql/index.ts';
import { CATALOG_QUESTIONS } from './clients.ts';
import { type Database, loadCatalog, startDatabase } from './database.ts';
import { ATTACKS, HONEST } from './questions.ts';
import { guardedBasis, LEFT, openBasis, RIGHT, SHOP_SCHEMA, shopRows } from './shop.ts';
import { statements } from './grammar.ts';

let database: Database;
let left: pg.Client;
let right: pg.Client;
let basis: SqlBasis;
let open: SqlBasis;
const reader = createSqlReader({ timeoutMs: 10_000 });

before(async () => {
  database = await startDatabase();
  await (await database.create('shop', SHOP_SCHEMA)).end();
  left = await database.create('left_shop', shopRows(LEFT), 'shop');
  right = await database.create('right_shop', shopRows(RIGHT), 'shop');
  // As an attacker may: so that an index decides in which order rows come.
  for (const client of [left, right])
    await client.query('SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off');
  const catalog = await loadCatalog(left);
  basis = guardedBasis(catalog);
  open = openBasis(catalog);
});

after(async () => {
  await reader.close();
  await database?.stop();
});

/**
 * What a client would see of it: columns, rows, tag, or the error. The text of an error is withheld from it when a write touched a masked table, as the
 * server quotes whole rows there.
 */
async function answer(client: pg.Client, text: string, generic = false): Promise<unknown> {
  await client.query('BEGIN');
  try {
    const result = await client.query({
      text,
      rowMode: 'array',
      types: { getTypeParser: () => (value: unknown) => value },
    } as never);
    const { fields, rows, rowCount, command } = result as unknown as pg.QueryArrayResult;
    return {
      stored: command === 'SELECT' && rows.length > 0 ? undefined : await stored(client),
      fields: fields.map(({ name, dataTypeID, dataTypeModifier, format }) => ({
        name,
        dataTypeID,
        dataTypeModifier,
        format,
      })),
      rows,
      rowCount,
      command,
    };
  } catch (error) {
    const { code, message, detail, hint, where } = error as pg.DatabaseError;
    return generic ? { code } : { code, message, detail, hint, where };
  } finally {
    await client.query('ROLLBACK');
  }
}

/** What everyone may read afterwards: a masked value that was written there would have got out. */
async function stored(client: pg.Client): Promise<unknown> {
  const contents: unknown[] = [];
  for (const table of ['plain', 'orders', 'watched', 'refs', 'made']) {
    const { rows } = await client.query('SELECT to_regclass($1) AS found', [table]);
    if (rows[0]?.found !== null) contents.push((await client.query(`SELECT t::text FROM ${table} t ORDER BY 1`)).rows);
  }
  return contents;
}

type Outcome =
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'alike'; readonly answer: unknown };

/** Reads the statement as the gateway would, sends what it would send to both, and compares. */
async function ask(text: string): Promise<Outcome> {
  const analysis = await reader.analyse(text, basis);
  if (!analysis.ok) return { kind: 'refused', why: analysis.code };
  const [statement] = analysis.statements;
  if (statement === undefined || analysis.statements.length !== 1) return { kind: 'refused', why: 'count' };
  if (statement.refused !== undefined)
    return { kind: 'refused', why: `${statement.refused.code}: ${statement.refused.reason}` };
  const sent = statement.rewrite?.text ?? text;
  const generic = statement.touchesMasked && statement.effects.some((effect) => effect !== 'read');
  const [one, other] = [await answer(left, sent, generic), await answer(right, sent, generic)];
  assert.deepEqual(one, other, `the answers differ for\n  ${text}\nsent as\n  ${sent}`);
  return { kind: 'alike', answer: one };
}

describe('two databases that differ only in masked columns', () => {
  test('answer each attack alike or do not get to see it', async () => {
    for (const text of ATTACKS) await ask(text);
  });

  test('would be told apart by most attacks if they were sent as they are', async () => {
    let apart = 0;
    for (const text of ATTACKS) {
      const [one, other] = [JSON.stringify(await answer(left, text)), JSON.stringify(await answer(right, text))];
      if (one !== other) apart += 1;
    }
    assert.ok(apart >= 60, `only ${apart} of ${ATTACKS.length} attacks show anything: the databases differ too little`);
  });

  test('answer honest questions, masked', async () => {
    const refused: string[] = [];
    const failed: string[] = [];
    for (const text of HONEST) {
      const outcome = await ask(text);
      if (outcome.kind === 'refused') refused.push(`${text}\n    ${outcome.why}`);
      else if (typeof (outcome.answer as { code?: string }).code === 'string')
        failed.push(`${text}\n    ${JSON.stringify(outcome.answer)}`);
    }
    assert.deepEqual(refused, []);
    assert.deepEqual(failed, []);
  });

  test('answer what is made up at random alike', async () => {
    let alike = 0;
    let errors = 0;
    const whys = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(statements, async (text) => {
        const outcome = await ask(text);
        if (outcome.kind === 'refused') whys.set(outcome.why, (whys.get(outcome.why) ?? 0) + 1);
        else if ((outcome.answer as { code?: string }).code !== undefined) errors += 1;
        else alike += 1;
      }),
      { numRuns: 400 },
    );
    // A generator whose statements are all refused or wrong would show nothing.
    assert.ok(
      alike >= 100,
      `only ${alike} of 400 were answered, ${errors} failed, refused: ${JSON.stringify([...whys].sort((a, b) => b[1] - a[1]).slice(0, 8))}`,
    );
  });

  test('strike literals that are aimed at a masked column through a view', async () => {
    const text = "SELECT x FROM v_nested WHERE x = '919-01-0011' AND 7 = 7";
    const analysis = await reader.analyse(text, basis);
    const [statement] = analysis.ok ? analysis.statements : [];
    assert.deepEqual(
      statement?.struck.map(({ start, end }) => text.slice(start, end)),
      ["'919-01-0011'"],
    );
    assert.ok(statement.touchesMasked);
    assert.ok(statement.resources.some(({ name }) => name === 'public.v_nested'));
  });

  test('show masks where the masked columns would be', async () => {
    const outcome = await ask('SELECT id, ssn, card, born, score, mood, tags, hint FROM customers WHERE id = 3');
    assert.equal(outcome.kind, 'alike');
    assert.deepEqual((outcome as { answer: { rows: unknown } }).answer.rows, [
      ['3', '***', '***1113', null, null, null, null, '***'],
    ]);
  });
});

describe('a statement that touches no masked table', () => {
  const questions = [
    "SELECT * FROM orders WHERE amount BETWEEN 3 AND 9 AND note LIKE 'note %' ORDER BY id",
    'SELECT customer_id, sum(amount) AS total, max(at)::date FROM orders GROUP BY 1 HAVING count(*) > 2 ORDER BY total DESC, 1 LIMIT 3',
    "SELECT o.*, p.name FROM orders o LEFT JOIN plain p ON p.id = o.customer_id WHERE o.note ~ '^note 1' ORDER BY o.id",
    'WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT array_agg(n ORDER BY n DESC) FROM t',
    "SELECT DISTINCT ON (customer_id) customer_id, id, note || '!' FROM orders ORDER BY customer_id, id DESC",
    'SELECT row_number() OVER (PARTITION BY customer_id ORDER BY amount DESC) r, id FROM orders ORDER BY 2',
    "SELECT json_build_object('id', id, 'list', array(SELECT ssn FROM plain ORDER BY 1)) FROM watched ORDER BY id",
    "SELECT CASE WHEN amount > 10 THEN 'big' ELSE 'small' END, count(*) FILTER (WHERE id % 2 = 0) FROM orders GROUP BY 1 ORDER BY 1",
    "SELECT extract(year FROM at), date_trunc('day', at) AT TIME ZONE 'utc', interval '1 day' * 2, -amount, amount::int % 3 FROM orders ORDER BY id LIMIT 4",
    'SELECT id FROM orders WHERE (customer_id, id) > (3, 4) AND id IN (SELECT id FROM watched UNION SELECT 20) ORDER BY id',
    'SELECT "Odd Name", id FROM "Mixed Case"',
    "SELECT '1 2'::text, U&'\\0061', E'a\\nb', B'101', X'1F', 1.50, 1e3, true, NULL::date, ARRAY[[1,2],[3,4]], ROW(1,'x')::text",
    "INSERT INTO watched (id, label) VALUES (7, DEFAULT), (8, upper('x')) RETURNING *",
    "UPDATE orders SET note = 'x' || note, (amount, at) = (1, now()::date) FROM plain WHERE plain.id = orders.customer_id RETURNING orders.id",
    'DELETE FROM watched USING plain WHERE plain.id = watched.owner_ref RETURNING watched.*',
    "INSERT INTO plain VALUES (1, 's', 'n') ON CONFLICT (id) DO UPDATE SET name = excluded.name || plain.name RETURNING name",
    "MERGE INTO watched w USING plain p ON p.id = w.id WHEN MATCHED AND p.id = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET label = p.name WHEN NOT MATCHED THEN INSERT VALUES (p.id, p.id, 'new')",
    "SELECT c.relname, n.nspname, pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.relname = 'orders' ORDER BY a.attnum",
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1",
  ];
  test('answers as it does without a gateway', async () => {
    for (const text of questions) {
      const outcome = await ask(text);
      assert.equal(outcome.kind, 'alike', `${text}: ${JSON.stringify(outcome)}`);
      const direct = await answer(left, text);
      assert.deepEqual((outcome as { answer: unknown }).answer, direct, text);
      assert.equal((direct as { code?: string }).code, undefined, `${text}: ${JSON.stringify(direct)}`);
    }
  });

  test('of those clients ask of the catalogs is answered as without a gateway, and is only a read', async () => {
    for (const text of CATALOG_QUESTIONS) {
      const guarded = await reader.analyse(text, basis);
      assert.ok(guarded.ok && guarded.statements[0]?.refused === undefined, `${text}: ${JSON.stringify(guarded)}`);
      assert.deepEqual(
        await answer(left, guarded.statements[0]?.rewrite?.text ?? text),
        await answer(left, text),
        text,
      );
      const analysis = await reader.analyse(text, open);
      assert.deepEqual(analysis.ok && analysis.statements[0]?.effects, ['read'], text);
    }
  });

  test('is sent as it was written where nothing is guarded', async () => {
    for (const text of questions) {
      const analysis = await reader.analyse(text, open);
      assert.equal(analysis.ok && analysis.statements[0]?.rewrite, undefined, text);
      assert.equal(analysis.ok && analysis.statements[0]?.refused, undefined, text);
    }
  });
});

/** Two databases that differ only in masked columns answer every statement alike, or it is refused. Asked of a real PostgreSQL. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from '../../property/drawn.ts';
import { type Outcome, startTwins, type Twins } from '../../property/masks/twins.ts';
import { CATALOG_QUESTIONS } from './clients.ts';
import { statements } from './grammar.ts';
import { ATTACKS, HONEST } from './questions.ts';

let twins: Twins;
before(async () => {
  twins = await startTwins();
});
after(() => twins[Symbol.asyncDispose]());

const ask = (text: string): Promise<Outcome> => twins.ask(text);

describe('two databases that differ only in masked columns', () => {
  test('answer each attack alike or do not get to see it', async () => {
    for (const text of ATTACKS) await ask(text);
  });

  test('would be told apart by most attacks if they were sent as they are', async () => {
    let apart = 0;
    for (const text of ATTACKS) {
      const [one, other] = await twins.direct(text);
      if (JSON.stringify(one) !== JSON.stringify(other)) apart += 1;
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

  test('answer as a database does that stores what the masks show', async () => {
    let compared = 0;
    for (const text of [...HONEST, ...ATTACKS].filter(
      (one) => !/^EXPLAIN|pg_column_size|FROM pg_class|attmissingval/.test(one),
    )) {
      const answers = await twins.meant(text);
      if (answers === undefined) continue;
      assert.deepEqual(answers[0], answers[1], text);
      compared += 1;
    }
    assert.ok(compared >= 100, `only ${compared} were answered by both`);
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
      // The same ones each time; `npm run test:masks` makes up others.
      { numRuns: 400 },
    );
    // A generator whose statements are all refused or wrong would show nothing.
    assert.ok(
      alike >= 300,
      `only ${alike} of 400 were answered, ${errors} failed, refused: ${JSON.stringify([...whys].sort((a, b) => b[1] - a[1]).slice(0, 8))}`,
    );
  });

  test('strike literals that are aimed at a masked column through a view', async () => {
    const text = "SELECT x FROM v_nested WHERE x = '919-01-0011' AND 7 = 7";
    const analysis = await twins.reader.analyse(text, twins.basis);
    const [statement] = analysis.ok ? analysis.statements : [];
    assert.deepEqual(
      statement?.struck.map(({ start, end }) => text.slice(start, end)),
      ["'919-01-0011'"],
    );
    assert.ok(statement.touchesMasked);
    assert.ok(statement.resources.some(({ name }) => name === 'public.v_nested'));
  });

  test('strike literals that are compared with a masked column without being next to it, or refused with what was not followed', async () => {
    for (const text of [
      "SELECT id FROM customers c WHERE to_jsonb(c.*) ->> 'ssn' = '919-01-0011'",
      "SELECT id FROM customers c WHERE c.to_jsonb ->> 'ssn' = '919-01-0011'",
      "SELECT ssn FROM customers INTERSECT SELECT '919-01-0011'",
      "SELECT c.id FROM customers c JOIN (VALUES ('919-01-0011')) w(ssn) USING (ssn)",
      "SELECT c.id FROM customers c NATURAL JOIN (SELECT '919-01-0011' AS ssn) w",
      "SELECT 1 FROM customers GROUP BY coalesce(ssn, '919-01-0011')",
      "SELECT id FROM v_barrier WHERE ssn = '919-01-0011'",
      "UPDATE v_customers SET harmless = '919-01-0011'",
      "INSERT INTO mv_customers VALUES (1, '919-01-0011')",
    ]) {
      const analysis = await twins.reader.analyse(text, twins.basis);
      const [statement] = analysis.ok ? analysis.statements : [];
      const struck = statement?.struck.map(({ start, end }) => text.slice(start, end));
      assert.ok(struck?.includes("'919-01-0011'"), `${text}: ${struck}`);
    }
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
      const [direct] = await twins.direct(text);
      assert.deepEqual((outcome as { answer: unknown }).answer, direct, text);
      assert.equal((direct as { code?: string }).code, undefined, `${text}: ${JSON.stringify(direct)}`);
    }
  });

  test('of those clients ask of the catalogs is answered as without a gateway, and is only a read', async () => {
    for (const text of CATALOG_QUESTIONS) {
      const guarded = await twins.reader.analyse(text, twins.basis);
      assert.ok(guarded.ok && guarded.statements[0]?.refused === undefined, `${text}: ${JSON.stringify(guarded)}`);
      const sent = guarded.statements[0]?.rewrite?.text ?? text;
      assert.deepEqual((await twins.direct(sent, text))[0], (await twins.direct(text))[0], text);
      const analysis = await twins.reader.analyse(text, twins.open);
      assert.deepEqual(analysis.ok && analysis.statements[0]?.effects, ['read'], text);
    }
  });

  test('is sent as it was written where nothing is guarded', async () => {
    for (const text of questions) {
      const analysis = await twins.reader.analyse(text, twins.open);
      assert.equal(analysis.ok && analysis.statements[0]?.rewrite, undefined, text);
      assert.equal(analysis.ok && analysis.statements[0]?.refused, undefined, text);
    }
  });
});

/** Makes up statements over the shop that use its masked columns wherever SQL lets a column stand. */
import fc from 'fast-check';

const COLUMNS = ['id', 'name', 'email', 'ssn', 'card', 'born', 'score', 'mood', 'tags', 'grp', 'hint'];
const TEXTS = ['name', 'email', 'ssn', 'card', 'hint'];

const column = fc.constantFrom(...COLUMNS);
const text = fc.constantFrom(...TEXTS);
const literal = fc.constantFrom("'9'", "'919-01-0011'", "'***'", "'a'", "''", 'NULL', "'41'");
const comparison = fc.constantFrom('=', '<>', '<', '>', '>=', '~', 'LIKE', 'IS DISTINCT FROM', '!~*');
const alias = fc.constantFrom('c', 'd');

const expression: fc.Arbitrary<string> = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.tuple(alias, text).map(([a, c]) => `${a}.${c}`),
    fc.tuple(alias, column).map(([a, c]) => `${a}.${c}::text`),
    literal.map((value) => `${value}::text`),
    fc
      .tuple(fc.constantFrom('upper', 'lower', 'md5', 'reverse', 'ltrim', 'quote_literal'), tie('node'))
      .map(([f, x]) => `${f}(${x})`),
    fc.tuple(tie('node'), tie('node')).map(([a, b]) => `(${a} || ${b})`),
    fc.tuple(tie('node'), tie('node')).map(([a, b]) => `coalesce(${a}, ${b})`),
    fc.tuple(tie('node'), literal, tie('node')).map(([a, b, c]) => `CASE WHEN ${a} > ${b} THEN ${c} ELSE ${a} END`),
    fc.tuple(tie('node'), fc.integer({ min: 1, max: 4 })).map(([a, n]) => `substr(${a}, ${n}, 2)`),
    fc.tuple(alias).map(([a]) => `${a}::text`),
    fc.tuple(alias, fc.constantFrom('to_json', 'to_jsonb', 'row_to_json')).map(([a, f]) => `${a}.${f}::text`),
    fc.tuple(alias).map(([a]) => `(to_jsonb(${a}) ->> 'ssn')`),
    tie('node').map((a) => `(SELECT max(o.note || ${a}) FROM orders o WHERE o.customer_id = c.id)`),
    tie('node').map((a) => `(${a})::varchar(3)`),
    tie('node').map((a) => `length(${a})::text`),
  ),
})).node;

const predicate: fc.Arbitrary<string> = fc.oneof(
  fc.tuple(expression, comparison, literal).map(([a, op, b]) => `${a} ${op} ${b}`),
  fc.tuple(expression, comparison, expression).map(([a, op, b]) => `${a} ${op} ${b}`),
  expression.map((a) => `${a} IS NOT NULL`),
  expression.map((a) => `${a} IN ('9', '919-01-0011')`),
  expression.map((a) => `${a} BETWEEN '1' AND '5'`),
  expression.map((a) => `EXISTS (SELECT 1 FROM customers x WHERE x.ssn > ${a})`),
  expression.map((a) => `${a} = ANY (SELECT p.ssn FROM plain p)`),
  expression.map((a) => `c.id IN (SELECT id FROM orders WHERE note <> ${a})`),
  fc.constant('NOT (c.ssn = d.card)'),
);

const source = fc.constantFrom(
  'customers c, customers d',
  'customers c JOIN customers d ON d.id = c.id',
  'customers c LEFT JOIN customers d USING (id, ssn)',
  'public.customers c CROSS JOIN LATERAL (SELECT * FROM customers y WHERE y.grp = c.grp) d',
  '(SELECT * FROM customers) c JOIN (SELECT * FROM public.customers) d ON d.card = c.card',
  'customers c NATURAL JOIN customers d',
  'customers c FULL JOIN customers d ON c.ssn = d.ssn',
  'v_all c JOIN customers d USING (id)',
  'v_all c LEFT JOIN v_all d ON d.ssn = c.card',
  'legs c JOIN customers d ON d.id = c.id',
  'legs_1 c NATURAL JOIN v_all d',
);

const query: fc.Arbitrary<string> = fc
  .record({
    outputs: fc.array(expression, { minLength: 1, maxLength: 3 }),
    distinct: fc.boolean(),
    source,
    where: fc.option(predicate, { nil: undefined }),
    limit: fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }),
  })
  .map(({ outputs, distinct, source: from, where, limit }) => {
    const select = `SELECT ${distinct ? 'DISTINCT ' : ''}${outputs.join(', ')} FROM ${from}${where === undefined ? '' : ` WHERE ${where}`}`;
    // Without an order the rows of both databases could come in different orders by chance.
    const order = ` ORDER BY ${outputs.map((_, index) => index + 1).join(', ')}`;
    return `${select}${order}${limit === undefined ? '' : ` LIMIT ${limit}`}`;
  });

const aggregate: fc.Arbitrary<string> = fc
  .tuple(expression, expression, source, predicate)
  .map(
    ([key, value, from, where]) =>
      `SELECT ${key}, count(*), max(${value}), string_agg(${value}, ',' ORDER BY ${value}) FROM ${from} WHERE ${where} GROUP BY 1 ORDER BY 1`,
  );

const window: fc.Arbitrary<string> = fc
  .tuple(expression, expression, source)
  .map(
    ([part, order, from]) =>
      `SELECT c.id, d.id, rank() OVER (PARTITION BY ${part} ORDER BY ${order}) FROM ${from} ORDER BY 1, 2, 3`,
  );

const nested: fc.Arbitrary<string> = fc.oneof(
  query.map((inner) => `WITH w AS (${inner}) SELECT count(*) FROM w`),
  query.map((inner) => `SELECT * FROM (${inner}) q`),
  fc.tuple(query, query).map(([a, b]) => `SELECT count(*) FROM ((${a}) UNION ALL (${b})) q`),
  query.map((inner) => `COPY (${inner}) TO STDOUT`),
  query.map((inner) => `DECLARE k SCROLL CURSOR FOR ${inner}`),
  query.map((inner) => `PREPARE p (integer) AS SELECT * FROM (${inner}) q LIMIT $1`),
  query.map((inner) => `CREATE TABLE made AS SELECT count(*) FROM (${inner}) q`),
  fc.tuple(expression, source).map(([value, from]) => `SELECT ${value} AS made INTO made FROM ${from}`),
  query.map(
    (inner) =>
      `SELECT array(${inner.replace(/^SELECT (DISTINCT )?.* FROM customers c,/, 'SELECT c.ssn FROM customers c,')})`,
  ),
);

const write: fc.Arbitrary<string> = fc.oneof(
  predicate.map((where) => `DELETE FROM customers c USING customers d WHERE ${where}`),
  predicate.map(
    (where) => `DELETE FROM orders USING customers c, customers d WHERE orders.customer_id = c.id AND ${where}`,
  ),
  fc
    .tuple(expression, source, predicate)
    .map(([value, from, where]) => `INSERT INTO orders (note) SELECT ${value} FROM ${from} WHERE ${where}`),
  fc
    .tuple(expression, predicate)
    .map(
      ([value, where]) =>
        `UPDATE watched SET label = ${value} FROM v_all c, legs d WHERE c.id = watched.id AND ${where}`,
    ),
  fc
    .tuple(expression, predicate)
    .map(
      ([value, where]) =>
        `MERGE INTO watched w USING (SELECT c.id, ${value} AS v FROM customers c JOIN v_all d USING (id) WHERE ${where}) s ON s.id = w.id WHEN MATCHED THEN UPDATE SET label = s.v WHEN NOT MATCHED AND s.v > 'a' THEN INSERT (id, label) VALUES (s.id, s.v)`,
    ),
  predicate.map((where) => `DELETE FROM legs c USING v_all d WHERE ${where} RETURNING c.id, c.ssn`),
  fc
    .tuple(text, expression)
    .map(([c, value]) => `UPDATE customers c SET ${c} = ${value} FROM plain d WHERE d.id = c.id`),
  fc.tuple(text, literal).map(([c, value]) => `UPDATE customers SET ${c} = ${value} WHERE id = 2 RETURNING id`),
  fc
    .tuple(text, text, literal)
    .map(([c, out, value]) => `UPDATE customers SET ${c} = ${value} WHERE id = 2 RETURNING ${out}`),
  query.map(
    (inner) => `INSERT INTO plain (id, name) SELECT 200 + row_number() OVER (), 'x' FROM (${inner}) q RETURNING id`,
  ),
  fc
    .tuple(text, literal, fc.constantFrom('', ' RETURNING id', ' RETURNING *'))
    .map(
      ([c, value, back]) =>
        `INSERT INTO customers (id, ${c === 'name' ? 'email' : c}, name) VALUES (90, ${value}, 'n')${back}`,
    ),
);

export const statements: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: query },
  { weight: 2, arbitrary: aggregate },
  window,
  { weight: 2, arbitrary: nested },
  { weight: 2, arbitrary: write },
);

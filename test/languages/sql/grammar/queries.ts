/** Made-up queries. Where rows may come in any order, as far as SQL says, the text ends in a word about it. */
import fc from 'fast-check';
import { expression, numeric, of, one, type Part, predicate, row } from './expressions.ts';
import { pick, source, table, textOf, scopeOf } from './sources.ts';

/** What is the same in two databases that store the same, but not in one that stores it otherwise. */
export const ANY_ORDER = '/* any order */';

const where = fc.option(predicate, { nil: undefined, freq: 3 });
const outputs = fc.array(fc.oneof({ weight: 4, arbitrary: expression }, numeric), { minLength: 1, maxLength: 3 });

/** A part over a source that is chosen with it. */
function over(part: fc.Arbitrary<(from: string, scope: Parameters<Part>[0]) => string>): fc.Arbitrary<string> {
  return fc.tuple(source, part).map(([{ from, scope }, write]) => write(from, scope));
}

const condition = (part: Part | undefined, scope: Parameters<Part>[0]) =>
  part === undefined ? '' : ` WHERE ${part(scope)}`;

const ordinals = (count: number, descending = 0) =>
  ` ORDER BY ${Array.from({ length: count }, (_, place) => `${place + 1}${(descending >> place) % 2 === 1 ? ' DESC' : ''}`).join(', ')}`;

const LIMITS = ['', '', '', ' LIMIT 3', ' LIMIT 1', ' OFFSET 2', ' LIMIT 0', ' FETCH FIRST 2 ROWS WITH TIES'] as const;

const selection = over(
  fc.tuple(outputs, fc.boolean(), where, fc.constantFrom(...LIMITS), fc.nat(7)).map(
    ([list, distinct, filter, limit, descending]) =>
      (from, scope) =>
        `SELECT ${distinct ? 'DISTINCT ' : ''}${list.map((part) => part(scope)).join(', ')} FROM ${from}${condition(filter, scope)}${ordinals(list.length, descending)}${limit}`,
  ),
);

const columns = over(
  fc.tuple(fc.array(fc.nat(9999), { minLength: 1, maxLength: 4 }), where, fc.constantFrom(...LIMITS)).map(
    ([list, filter, limit]) =>
      (from, scope) =>
        `SELECT ${list.map((n) => textOf(pick(scope.columns, n))).join(', ')} FROM ${from}${condition(filter, scope)}${ordinals(list.length)}${limit}`,
  ),
);

const KEYS = (a: string, b: string) =>
  [
    '1',
    a,
    `GROUPING SETS ((${a}), (${b}), ())`,
    `ROLLUP (${a}, ${b})`,
    `CUBE (${a}, ${b})`,
    `GROUPING SETS ((${a}, ${b}), ROLLUP (${b}))`,
  ] as const;

const AGGREGATES = (a: string, n: string) =>
  [
    ...[`max(${a})`, `min(${a})`, `count(${a})`, `count(DISTINCT ${a})`, `sum(${n})`, `avg(${n})`],
    ...[`string_agg(${a}, ',' ORDER BY ${a})`, `array_agg(${a} ORDER BY ${a})::text`],
    ...[`json_agg(${a} ORDER BY ${a})::text`, `jsonb_object_agg(coalesce(${n}, 0), ${a} ORDER BY ${a})::text`],
    ...[`percentile_disc(0.5) WITHIN GROUP (ORDER BY ${a})`, `mode() WITHIN GROUP (ORDER BY ${a})`],
    ...[`bool_or(${a} LIKE '9%')`, `bit_and(length(${a}))`, `every(${a} = '***')`, `stddev(${n})`],
    ...[`count(*) FILTER (WHERE ${a} > '5')`, `max(${n}) FILTER (WHERE ${a} IS NULL)`],
    `rank('5') WITHIN GROUP (ORDER BY ${a})`,
  ] as const;

const aggregate = over(
  fc
    .tuple(expression, expression, expression, numeric, fc.nat(99), fc.nat(99), where, fc.nat(99), fc.boolean())
    .map(([first, second, value, count, m, n, filter, how, having]) => (from, scope) => {
      const [a, b] = [first(scope), second(scope)];
      const chosen = pick(AGGREGATES(value(scope), count(scope)), m);
      const last = n % 3 === 0 ? `, ${pick(AGGREGATES(value(scope), count(scope)), n)}` : '';
      // A key that is a constant means a place, or nothing.
      const keys = a.includes('.') && b.includes('.') ? pick(KEYS(a, b), how) : '1';
      return `SELECT ${a}, ${chosen}${last}, count(*) FROM ${from}${condition(filter, scope)} GROUP BY ${keys}${having ? ` HAVING ${chosen} IS NOT NULL` : ''} ORDER BY 1, 2, 3`;
    }),
);

const WINDOWS = (a: string, n: string) =>
  [
    ...['rank()', 'dense_rank()', 'percent_rank()', 'cume_dist()', 'count(*)', `max(${a})`, `sum(${n})`],
    `count(*) FILTER (WHERE ${a} > '5')`,
  ] as const;

const FRAMES = ['', ' RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW', ' GROUPS 1 PRECEDING'] as const;

const window = over(
  fc.tuple(expression, expression, expression, numeric, fc.nat(99), fc.constantFrom(...FRAMES), where).map(
    ([part, order, value, count, m, frame, filter]) =>
      (from, scope) =>
        `SELECT ${value(scope)}, ${pick(WINDOWS(value(scope), count(scope)), m)} OVER (PARTITION BY ${part(scope)} ORDER BY ${order(scope)}${frame}) FROM ${from}${condition(filter, scope)} ORDER BY 1, 2`,
  ),
);

const set = fc
  .tuple(
    source,
    source,
    fc.tuple(expression, expression),
    fc.tuple(expression, expression),
    fc.constantFrom('UNION', 'UNION ALL', 'INTERSECT', 'INTERSECT ALL', 'EXCEPT', 'EXCEPT ALL'),
    where,
  )
  .map(
    ([a, b, left, right, op, filter]) =>
      `SELECT ${left.map((part) => part(a.scope)).join(', ')} FROM ${a.from} ${op} SELECT ${right.map((part) => part(b.scope)).join(', ')} FROM ${b.from}${condition(filter, b.scope)} ORDER BY 1, 2`,
  );

const recursive = over(
  fc.tuple(expression, expression, where).map(
    ([start, step, filter]) =>
      (from, scope) =>
        `WITH RECURSIVE r (n, s) AS (SELECT 1, ((${start(scope)}) COLLATE "default")::text FROM ${from}${condition(filter, scope)} UNION SELECT r.n + 1, left(concat(r.s, ${step({ columns: [{ written: 'c.ssn', name: 'ssn', kind: 'text' }], aliases: ['c'] })}), 6) FROM r, customers c WHERE r.n < 3 AND c.id < 3) SELECT * FROM r ORDER BY 1, 2`,
  ),
);

const wholeRow = over(
  fc
    .tuple(
      of([row, one('row_to_json', 'to_json', 'to_jsonb')], (a, f) => `${f}(${a})::text`),
      of([row], (a) => a),
      where,
      fc.nat(5),
    )
    .map(([json, alias, filter, how]) => (from, scope) => {
      const rest = ` FROM ${from}${condition(filter, scope)}`;
      const a = alias(scope);
      const all = scope.aliases.map((each) => `${each}::text`).join(', ');
      return [
        `SELECT ${json(scope)}${rest} ORDER BY 1`,
        `SELECT ${a}${rest} ORDER BY ${all}`,
        `SELECT ${a}.*${rest} ORDER BY ${all}`,
        `SELECT count(${a}), count(DISTINCT ${a}::text), json_agg(${a} ORDER BY ${a}::text)${rest}`,
        `SELECT (${a}).*, ${json(scope)}${rest} ORDER BY ${all}`,
        `SELECT *${rest} ORDER BY ${all}`,
      ][how] as string;
    }),
);

/** Rows in the order the plan gives them, and choices among rows by it: a leak where values decide it. */
const unordered = over(
  fc
    .tuple(expression, expression, where, fc.constantFrom('', ' LIMIT 1', ' LIMIT 3', ' OFFSET 2'), fc.nat(5))
    .map(([value, key, filter, limit, how]) => (from, scope) => {
      const rest = ` FROM ${from}${condition(filter, scope)}`;
      const [a, b] = [value(scope), key(scope)];
      const text = [
        `SELECT ${a}, ${b}${rest}${limit}`,
        `SELECT ${a}${rest} ORDER BY ${b}${limit}`,
        `SELECT DISTINCT ON (${b}) ${a}${rest} ORDER BY ${b}${limit}`,
        `SELECT row_number() OVER (), ${a}${rest}${limit}`,
        `SELECT string_agg(${a}, ','), array_agg(${b})${rest}`,
        `SELECT ${a}, lag(${b}) OVER (ORDER BY ${a}), ntile(3) OVER (ORDER BY ${b})${rest}${limit}`,
      ][how] as string;
      return `${text} ${ANY_ORDER}`;
    }),
);

/** Of one table alone, as an index over it could answer. */
const scan = fc
  .tuple(table, fc.nat(99), fc.nat(99), fc.constantFrom('', ' LIMIT 1', ' LIMIT 2'), fc.nat(3))
  .map(([from, m, n, limit, how]) => {
    if (from.name.startsWith('(')) return `SELECT * FROM ${from.name} v LIMIT 1 ${ANY_ORDER}`;
    const list = scopeOf(from, '', true).columns;
    const [a, b] = [pick(list, m), pick(list, n)];
    const text = [
      `SELECT ${a.written} FROM ${from.name}${limit}`,
      `SELECT ${a.written}, ${b.written} FROM ${from.name} WHERE ${textOf(b)} > '1'${limit}`,
      `SELECT * FROM ${from.name} WHERE ${textOf(b)} >= ''${limit}`,
      `SELECT array_agg(${a.written}), count(*) FROM ${from.name} WHERE ${b.written} IS NOT NULL`,
    ][how] as string;
    return `${text} ${ANY_ORDER}`;
  });

export const query: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: selection },
  { weight: 4, arbitrary: columns },
  { weight: 4, arbitrary: aggregate },
  { weight: 2, arbitrary: window },
  { weight: 2, arbitrary: set },
  { weight: 1, arbitrary: recursive },
  { weight: 2, arbitrary: wholeRow },
);

export const loose: fc.Arbitrary<string> = fc.oneof({ weight: 3, arbitrary: unordered }, scan);

const ofQuery = (inner: string) =>
  [
    `WITH w AS (${inner}) SELECT count(*), max(w::text) FROM w`,
    `WITH w AS MATERIALIZED (${inner}) SELECT w::text FROM w ORDER BY 1`,
    `SELECT q::text FROM (${inner}) q ORDER BY 1`,
    `SELECT count(*) FROM ((${inner}) UNION ALL (${inner})) q`,
    `SELECT EXISTS (${inner}), (SELECT count(*) FROM (${inner}) q)`,
    `SELECT o.id, q FROM orders o LEFT JOIN LATERAL (${inner}) q ON true WHERE o.id < 3 ORDER BY 1, q::text`,
    `EXPLAIN ${inner}`,
    `EXPLAIN (COSTS off) ${inner}`,
    `EXPLAIN (VERBOSE, COSTS off, FORMAT json) ${inner}`,
    `COPY (${inner}) TO STDOUT`,
    `COPY (${inner}) TO STDOUT WITH (FORMAT csv, HEADER, FORCE_QUOTE *)`,
    `COPY (${inner}) TO STDOUT (FORMAT binary)`,
    `DECLARE k SCROLL CURSOR FOR ${inner}`,
    `DECLARE k SCROLL CURSOR FOR ${inner}`,
    `DECLARE k NO SCROLL CURSOR FOR ${inner}`,
    `DECLARE k BINARY CURSOR FOR ${inner}`,
    `PREPARE p (integer) AS SELECT q::text FROM (${inner}) q ORDER BY 1 LIMIT $1`,
    `PREPARE p AS ${inner}`,
  ] as const;

export const nested: fc.Arbitrary<string> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(query, fc.nat(999)).map(([inner, n]) => pick(ofQuery(inner), n)) },
  // With values that come apart from the text.
  over(
    fc.tuple(expression, expression, fc.constantFrom('=', '<', 'LIKE')).map(
      ([shown, compared, op]) =>
        (from, scope) =>
          `PREPARE p (text) AS SELECT ${shown(scope)} FROM ${from} WHERE ${compared(scope)} ${op} $1 ORDER BY 1`,
    ),
  ),
  over(
    fc.tuple(expression, expression, fc.constantFrom('=', '<', '>', 'LIKE')).map(
      ([shown, compared, op]) =>
        (from, scope) =>
          `SELECT ${shown(scope)}, $1::text FROM ${from} WHERE ${compared(scope)} ${op} $1::text ORDER BY 1`,
    ),
  ),
  fc
    .tuple(table, fc.constantFrom('', ' (FORMAT csv, HEADER)', ' CSV', ' (FORMAT binary)', " DELIMITER ';'"))
    .filter(([from]) => !/^\(|^v_/.test(from.name))
    .map(([from, options]) => `COPY ${from.name} TO STDOUT${options}`),
  fc
    .tuple(table, fc.nat(999))
    .filter(([from]) => !/^\(|^v_/.test(from.name))
    .map(
      ([from, n]) =>
        `COPY ${from.name} (${pick(Object.keys(from.columns), n)}, ${pick(Object.keys(from.columns), n + 1)}) TO STDOUT`,
    ),
);

/** Roads to a masked value that once were open here. Rows are added, never removed. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { catalogOf, MASKED, OPEN, one } from '../languages/sql/bench.ts';

// A guess is written and rolled back; these counters say whether the row was left as it was.
describe('whether a written guess was right is not told by', () => {
  const rows = [
    [
      'updates that stayed in their page',
      "SELECT n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = 'customers'",
    ],
    ['a star over the counters', 'SELECT * FROM pg_stat_user_tables'],
    ['the row of the counters', 'SELECT to_json(t) FROM pg_stat_all_tables t'],
    ['a renamed column', 'SELECT x.* FROM pg_catalog.pg_stat_user_tables x'],
    ['a whole table command', 'TABLE pg_stat_xact_all_tables'],
    ['an alias that renames by place', 'SELECT t.x FROM pg_stat_user_tables AS t (a, b, c, d, e, f, g, h, i, j, k, x)'],
    ['the row of a join', 'SELECT to_json(j) FROM (pg_stat_user_tables CROSS JOIN orders) AS j'],
    [
      'an alias of a join',
      'SELECT j.x FROM (pg_stat_user_tables CROSS JOIN orders) AS j (a, b, c, d, e, f, g, h, i, y, z, x)',
    ],
    ['a sub-query', 'SELECT (SELECT sum(n_tup_hot_upd) FROM pg_stat_user_tables)'],
    [
      'the same statement',
      'WITH u AS (UPDATE customers SET id = 1 RETURNING id) SELECT n_tup_hot_upd FROM pg_stat_xact_user_tables, u',
    ],
    ['blocks of its index', 'SELECT idx_blks_hit FROM pg_statio_user_indexes'],
    ['blocks of the table', 'SELECT idx_blks_hit FROM pg_statio_user_tables'],
    ['blocks of the database', 'SELECT blks_hit FROM pg_stat_database'],
    ['how much is logged', 'SELECT wal_bytes FROM pg_stat_wal'],
    ['blocks of the server', 'SELECT hits FROM pg_stat_io'],
    ['the place in the log', 'SELECT pg_current_wal_lsn()'],
    ['the place in the log as an attribute', 'SELECT (x).pg_stat_get_tuples_hot_updated FROM (SELECT 1::oid) x'],
    ['the function behind the counter', "SELECT pg_stat_get_tuples_hot_updated('customers'::regclass)"],
  ];
  for (const [by, text] of rows)
    test(by as string, () =>
      assert.match(one(text as string, MASKED).refused?.code ?? 'passed', /^(SENSITIVE_CATALOG|MASK_REACHED)$/),
    );

  test('a view over the counters', () => {
    const view = [
      20301,
      'public',
      'counters',
      'v',
      'p',
      false,
      false,
      ' SELECT t.n_tup_hot_upd AS n FROM pg_stat_xact_user_tables t',
      [[1, 'n', 20, 'bigint', '', '', false]],
    ];
    const catalog = catalogOf({ relations: [view] });
    assert.notEqual(
      one('SELECT n FROM counters', { ...MASKED, catalog: catalogOf({ relations: [...MASKED_RELATIONS, view] }) })
        .refused,
      undefined,
    );
    assert.equal(one('SELECT n FROM counters', { ...OPEN, catalog }).refused, undefined);
  });

  test('counters that tell nothing of it are read, and all of them where nothing is masked', () => {
    assert.equal(one('SELECT relname, n_live_tup, seq_scan FROM pg_stat_user_tables', MASKED).refused, undefined);
    const open = one('SELECT * FROM pg_stat_user_tables', OPEN);
    assert.deepEqual([open.refused, open.effects], [undefined, ['read']]);
  });
});

describe('the value that rows from before a masked column have in it', () => {
  const catalog = (keeps: boolean) => catalogOf({ relations: customers(keeps) });
  const rows = [
    'SELECT attmissingval FROM pg_attribute',
    'SELECT a.attmissingval::text FROM pg_catalog.pg_attribute a',
    'SELECT * FROM pg_attribute',
    'SELECT row_to_json(a) FROM pg_attribute a',
    'SELECT a.z FROM pg_attribute AS a (x, y, z)',
    'SELECT j.z FROM (pg_attribute JOIN pg_class ON true) AS j (x, y, z)',
  ];
  for (const text of rows) {
    test(`is not shown by ${text}`, () => {
      const { refused, rewrite } = one(text, { ...MASKED, catalog: catalog(true) });
      assert.equal(refused, undefined);
      assert.match(
        rewrite?.text ?? '',
        /FROM \(+ ?SELECT r\.\* FROM pg_catalog\.pg_attribute AS m, .*"attmissingval": null/,
      );
      const without = one(text, { ...MASKED, catalog: catalog(false) });
      assert.equal(without.refused, undefined);
      assert.doesNotMatch(without.rewrite?.text ?? '', /jsonb_populate_record/);
    });
  }

  test('is not shown by a view of one’s own over it, which is refused', () => {
    const view = [
      ...[20302, 'public', 'columns', 'v', 'p', false, false, ' SELECT a.attmissingval::text AS v FROM pg_attribute a'],
      [[1, 'v', 25, 'text', '', '', false]],
    ];
    const seen = one('SELECT v FROM columns', {
      ...MASKED,
      catalog: catalogOf({ relations: [...customers(true), view] }),
    });
    assert.equal(seen.refused?.code, 'SENSITIVE_CATALOG');
  });
});

test('how long values are is not told by EXPLAIN of a table that was read in so many ways that all its columns stand behind each', () => {
  const names = ['id', 'card', ...Array.from({ length: 9 }, (_, place) => `c${place}`)];
  const columns = names.map((name, place) => [place + 1, name, 25, 'text', '', '', false]);
  const catalog = catalogOf({ relations: [[20002, 'public', 'customers', 'r', 'p', false, false, null, columns]] });
  const basis = { ...MASKED, catalog, masks: MASKED.masks.filter(({ column }) => column === 'card') };
  const explain = () => one('EXPLAIN SELECT id, count(*) FROM customers GROUP BY id', basis).rewrite?.text ?? '';
  assert.doesNotMatch(explain(), /costs|card/i);
  for (let ways = 1; ways < 300; ways++)
    one(`SELECT ${names.slice(2).filter((_, place) => (ways >> place) % 2 === 1)} FROM customers`, basis);
  assert.match(explain(), /^EXPLAIN \(COSTS off\) .*m\.card/i);
  assert.equal(one('EXPLAIN (COSTS) SELECT id FROM customers', basis).refused?.code, 'MASK_REACHED');
});

test('the row of a join has all columns behind the masks', () => {
  for (const shown of ['j.*', 'j', 'to_json(j)']) {
    const { rewrite } = one(`SELECT ${shown} FROM (customers JOIN orders ON true) AS j`, MASKED);
    for (const part of ['m.id', 'm.name', 'AS ssn', 'AS card'])
      assert.ok(rewrite?.text.includes(part), `${shown}: ${part}`);
  }
});

test('columns that a join renames by their place keep their places behind the masks', () => {
  const { rewrite } = one('SELECT j.b FROM (customers JOIN orders ON true) AS j (a, b)', MASKED);
  assert.match(rewrite?.text ?? '', /m\.name/);
});

describe('a write does not look at a masked column that is renamed by its place', () => {
  const rows = [
    "DELETE FROM orders USING customers AS c (a, b, d, e) WHERE d LIKE '2%'",
    "DELETE FROM orders USING (customers JOIN orders o ON true) AS j (a, b, d, e) WHERE j.d LIKE '2%'",
  ];
  for (const text of rows) {
    test(text, () => {
      const { refused, rewrite } = one(text, MASKED);
      assert.equal(refused, undefined);
      // All four columns, in their places, and the third is the mask.
      assert.match(
        rewrite?.text ?? '',
        /SELECT m\.id, m\.name, \S+'\*\*\*'.* AS ssn, .* AS card FROM public\.customers AS m/,
      );
    });
  }
});

function customers(keeps: boolean): readonly (readonly unknown[])[] {
  const column = (place: number, name: string) => [place, name, 25, 'text', '', '', false, keeps && name === 'ssn'];
  return [
    [
      20002,
      'public',
      'customers',
      'r',
      'p',
      false,
      false,
      null,
      ['id', 'name', 'ssn', 'card'].map((name, place) => column(place + 1, name)),
    ],
  ];
}

const MASKED_RELATIONS = customers(false);

/** Made-up writes: to masked tables and from them, with what they give back, and against constraints that could answer. */
import fc from 'fast-check';
import { expression, literal, numeric, of, type Part, predicate, row } from './expressions.ts';
import { query } from './queries.ts';
import { pick, type Scope, source } from './sources.ts';

interface Target {
  readonly name: string;
  readonly key: string;
  readonly clear: readonly string[];
  readonly numbers: readonly string[];
  readonly masked: readonly string[];
}

const person = (name: string): Target => ({
  name,
  key: 'id',
  clear: ['name', 'email'],
  numbers: ['grp'],
  masked: ['ssn', 'card'],
});
const secret = (name: string): Target => ({ name, key: 'id', clear: [], numbers: ['id'], masked: ['secret'] });

const GUARDED: readonly Target[] = [
  ...['customers', 'customers', 'legs', 'legs_1', 'v_all'].map(person),
  ...['parts', 'parts_1', 'moved', 'moved_1', 'sorted', 'sorted_1', 'parent', 'secret_ref', 'leaf', 'late'].map(secret),
  { name: 'child', key: 'id', clear: ['extra'], numbers: ['id'], masked: ['secret'] },
  { name: 'unique_secret', key: 'id', clear: ['label'], numbers: [], masked: ['secret'] },
  { name: 'members', key: 'id', clear: [], numbers: ['tenant'], masked: ['email'] },
  { name: 'members', key: 'id', clear: [], numbers: ['id'], masked: ['email'] },
  { name: 'mixed', key: 'id', clear: [], numbers: ['label'], masked: ['secret'] },
  { name: 'odd', key: 'id', clear: ['label'], numbers: [], masked: [] },
  { name: 'expiring', key: 'id', clear: ['label'], numbers: [], masked: [] },
  { name: 'grown', key: 'id', clear: ['shown'], numbers: ['id'], masked: ['kept'] },
  { name: 'grown_child', key: 'id', clear: [], numbers: ['id'], masked: ['kept'] },
];

const OPEN: readonly Target[] = [
  { name: 'plain', key: 'id', clear: ['ssn', 'name'], numbers: [], masked: [] },
  { name: 'watched', key: 'id', clear: ['label'], numbers: [], masked: [] },
  { name: 'orders', key: 'id', clear: ['note'], numbers: ['amount'], masked: [] },
  { name: 'refs', key: 'id', clear: ['customer_ssn'], numbers: [], masked: [] },
  { name: 'points_at_secret', key: 'id', clear: [], numbers: ['id'], masked: [] },
  { name: 'stem', key: 'id', clear: [], numbers: ['id'], masked: [] },
  ...['branch', 'v_branch'].map((name) => ({ name, key: 'id', clear: [], numbers: ['id', 'stem_id'], masked: [] })),
  { name: 'v_points', key: 'id', clear: ['claimed'], numbers: [], masked: [] },
  { name: 'v_orders', key: 'id', clear: [], numbers: ['amount'], masked: [] },
];

/** Whose masked column is one. */
const INTEGERS: ReadonlySet<string> = new Set(['secret_ref', 'leaf', 'mixed']);

const guarded = fc.constantFrom(...GUARDED);
const open = fc.constantFrom(...OPEN);
const target = fc.oneof({ weight: 3, arbitrary: guarded }, { weight: 2, arbitrary: open });

/** What can be named of the row that is written to. */
function clearScope({ name, key, clear, numbers }: Target): Scope {
  const columns = [
    { written: `${name}.${key}`, name: key, kind: 'number' as const },
    ...clear.map((each) => ({ written: `${name}.${each}`, name: each, kind: 'text' as const })),
    ...numbers.map((each) => ({ written: `${name}.${each}`, name: each, kind: 'number' as const })),
  ];
  return { columns, aliases: [name] };
}

/** Conditions on clear columns alone, or on any: those are refused. */
const HOW = ['clear', 'clear', 'clear', 'clear', 'any'] as const;
const simple: fc.Arbitrary<Part> = fc.oneof(
  of([numeric, fc.constantFrom<Part>(...[1, 2, 4, 7].map((n) => () => String(n)))], (a, b) => `${a} = ${b}`),
  of([numeric, fc.constantFrom<Part>(...[2, 5].map((n) => () => String(n)))], (a, b) => `${a} < ${b}`),
  of([expression, literal], (a, b) => `${a} <> ${b}`),
);

/** In the expressions of a write an alias stands for a stored row, so none is used there. */
function ofRow(part: Part, one: Target): string {
  return part({ ...clearScope(one), aliases: [`(ROW(${one.name}.${one.key}))`] });
}

const RETURNING = ({ name, key, clear, masked }: Target) =>
  [
    ...['', '', '', ' RETURNING *', ` RETURNING ${key}`, ` RETURNING ${name}.*`],
    ` RETURNING ${[key, ...clear, ...masked].join(', ')}`,
    ` RETURNING ${[key, ...masked.map((each) => `${name}.${each} AS ${each}_too`)].join(', ')}`,
    ` RETURNING ${masked.map((each) => `upper(${each}::text)`).join(', ') || key}`,
    ` RETURNING ${name}`,
    ` RETURNING row_to_json(${name})`,
    // Of PostgreSQL 18.
    ` RETURNING old.${[...masked, key][0]}, new.${[...masked, key][0]}, new.${key}`,
  ] as const;

const back = (one: Target, n: number) => pick(RETURNING(one), n);

const setOf = (one: Target, value: Part, given: Part, n: number): string => {
  const names = [...one.clear, ...one.masked, ...one.numbers];
  const name = pick(names, n);
  if (one.numbers.includes(name)) return `${name} = ${name} + ${n % 3}`;
  return `${name} = ${n % 2 === 0 || INTEGERS.has(one.name) ? given({ columns: [], aliases: [] }) : ofRow(value, one)}`;
};

const update = fc
  .tuple(target, expression, literal, fc.nat(99), simple, predicate, fc.constantFrom(...HOW), fc.nat(99))
  .map(([one, value, given, n, filter, any, how, r]) => {
    const all: Scope = {
      ...clearScope(one),
      columns: [
        ...clearScope(one).columns,
        ...one.masked.map((name) => ({ written: name, name, kind: 'text' as const })),
      ],
    };
    const where = how === 'clear' ? ofRow(filter, one) : any(all);
    return `UPDATE ${one.name} SET ${setOf(one, value, given, n)} WHERE ${where}${back(one, r)}`;
  });

const updateFrom = fc
  .tuple(target, expression, source, predicate, fc.nat(99), fc.nat(99))
  .map(([one, value, { from, scope }, filter, n, r]) => {
    const names = [...one.clear, ...one.masked];
    const set =
      names.length === 0 || INTEGERS.has(one.name) ? `${one.numbers[0] ?? 'id'} = 7` : `${pick(names, n)} = q.v`;
    return `UPDATE ${one.name} SET ${set} FROM (SELECT ${value(scope)} AS v, row_number() OVER (ORDER BY ${value(scope)}) AS i FROM ${from} WHERE ${filter(scope)}) q WHERE q.i = ${one.name}.${one.key}${back(one, r)}`;
  });

const remove = fc
  .tuple(target, simple, source, predicate, fc.nat(99), fc.nat(2))
  .map(
    ([one, filter, { from, scope }, any, r, how]) =>
      [
        `DELETE FROM ${one.name} WHERE ${ofRow(filter, one)}${back(one, r)}`,
        `DELETE FROM ${one.name} WHERE EXISTS (SELECT 1 FROM ${from} WHERE ${any(scope)})${back(one, r)}`,
        `DELETE FROM ${one.name} USING ${from} WHERE ${any(scope)} AND ${one.name}.${one.key} = 2${back(one, r)}`,
      ][how] as string,
  );

const insert = fc.tuple(target, literal, literal, fc.nat(99), fc.nat(3)).map(([one, a, b, r, how]) => {
  const nothing: Scope = { columns: [], aliases: [] };
  const values = [...one.clear, ...one.masked].map((_, place) =>
    INTEGERS.has(one.name) ? '3' : (place % 2 === 0 ? a : b)(nothing),
  );
  const names = [one.key, ...one.clear, ...one.masked];
  const few = [one.key, ...one.clear];
  return [
    `INSERT INTO ${one.name} (${names.join(', ')}) VALUES (${[90, ...values].join(', ')})${back(one, r)}`,
    `INSERT INTO ${one.name} (${few.join(', ')}) VALUES (${[91, ...one.clear.map(() => "'n'")].join(', ')})${back(one, r)}`,
    `INSERT INTO ${one.name} (${names.join(', ')}) VALUES (${[1, ...values].join(', ')}) ON CONFLICT DO NOTHING${back(one, r)}`,
    `INSERT INTO ${one.name} (${few.join(', ')}) VALUES (${[2, ...one.clear.map(() => "'n'")].join(', ')}) ON CONFLICT (${one.key}) DO UPDATE SET ${few.length > 1 ? `${few[1]} = excluded.${few[1]}` : `${one.key} = 92`}${back(one, r)}`,
  ][how] as string;
});

const insertFrom = fc
  .tuple(target, expression, source, predicate, fc.nat(99), fc.nat(2))
  .map(([one, value, { from, scope }, filter, r, how]) => {
    const name = [...one.clear, ...one.masked][0];
    const columns = name === undefined || INTEGERS.has(one.name) ? [one.key] : [one.key, name];
    const rows = `SELECT v FROM (SELECT DISTINCT ${value(scope)} AS v FROM ${from} WHERE ${filter(scope)}) d ORDER BY v LIMIT 5`;
    const numbered = `SELECT ${columns.length === 1 ? '60 + row_number() OVER (ORDER BY v)' : '60 + row_number() OVER (ORDER BY v), v'} FROM (${rows}) q`;
    const start = `INSERT INTO ${one.name} (${columns.join(', ')})`;
    return [
      `${start} ${numbered}${back(one, r)}`,
      `WITH q AS (${rows}) ${start} SELECT ${columns.length === 1 ? '70' : '70, max(v)'} FROM q${back(one, r)}`,
      `${start} ${numbered} ON CONFLICT DO NOTHING${back(one, r)}`,
    ][how] as string;
  });

const merge = fc
  .tuple(fc.oneof({ weight: 5, arbitrary: open }, guarded), expression, source, predicate, fc.nat(99))
  .map(([one, value, { from, scope }, filter, n]) => {
    const name = one.clear[0] ?? one.masked[0];
    const set = name === undefined ? `${one.key} = 80` : `${name} = s.v`;
    const added =
      name === undefined ? `(${one.key}) VALUES (80 + s.i)` : `(${one.key}, ${name}) VALUES (80 + s.i, s.v)`;
    const when = pick(
      [
        `WHEN MATCHED THEN UPDATE SET ${set} WHEN NOT MATCHED THEN INSERT ${added}`,
        `WHEN MATCHED AND s.v > '5' THEN DELETE WHEN MATCHED THEN UPDATE SET ${set}`,
        `WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED AND s.v LIKE '9%' THEN INSERT ${added}`,
      ],
      n,
    );
    return `MERGE INTO ${one.name} t USING (SELECT DISTINCT ON (i) i, v FROM (SELECT ${value(scope)} AS v, row_number() OVER (ORDER BY ${value(scope)}) AS i FROM ${from} WHERE ${filter(scope)}) z WHERE i < 6 ORDER BY i, v) s ON s.i = t.${one.key} ${when}`;
  });

const within = fc
  .tuple(fc.oneof(update, remove, insert), fc.constantFrom('*', 'count(*)', 'd::text'))
  .filter(([write]) => write.includes('RETURNING'))
  .map(([write, shown]) => `WITH d AS (${write}) SELECT ${shown} FROM d${shown === 'd::text' ? ' ORDER BY 1' : ''}`);

const kept = fc
  .tuple(query, fc.nat(4))
  .map(
    ([inner, n]) =>
      [
        `CREATE TABLE made AS ${inner}`,
        `CREATE TABLE made AS SELECT q::text FROM (${inner}) q`,
        `CREATE TABLE made (a) AS SELECT count(*) FROM (${inner}) q WITH DATA`,
        `CREATE TABLE made AS WITH w AS (${inner}) SELECT w::text FROM w`,
        `CREATE TABLE made AS (${inner}) WITH NO DATA`,
      ][n] as string,
  );

const into = fc
  .tuple(expression, source, predicate)
  .map(
    ([value, { from, scope }, filter]) =>
      `SELECT ${value(scope)} AS made INTO made FROM ${from} WHERE ${filter(scope)}`,
  );

/** What only changes how a table is stored or locked. */
const other = fc
  .tuple(guarded, row)
  .chain(([one]) =>
    fc.constantFrom(
      `TRUNCATE ${one.name}`,
      `LOCK TABLE ${one.name} IN ACCESS SHARE MODE`,
      `UPDATE ${one.name} SET ${one.key} = ${one.key}`,
      `EXPLAIN (COSTS off) UPDATE ${one.name} SET ${one.key} = ${one.key} WHERE ${one.key} = 1`,
      `EXPLAIN DELETE FROM ${one.name} WHERE ${one.key} < 3`,
    ),
  );

export const write: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: update },
  { weight: 3, arbitrary: updateFrom },
  { weight: 4, arbitrary: remove },
  { weight: 3, arbitrary: insert },
  { weight: 3, arbitrary: insertFrom },
  { weight: 2, arbitrary: merge },
  { weight: 1, arbitrary: within },
  { weight: 2, arbitrary: kept },
  { weight: 1, arbitrary: into },
  { weight: 1, arbitrary: other },
);

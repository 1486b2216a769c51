/** Expressions of made-up statements: each is a text as soon as it is known which columns there are. */
import fc from 'fast-check';
import { pick, type Scope, scopeOf, table, textOf } from './sources.ts';

export type Part = (scope: Scope) => string;

/** A part that is made of others. */
export function of(
  parts: readonly fc.Arbitrary<Part>[],
  write: (...texts: readonly string[]) => string,
): fc.Arbitrary<Part> {
  return fc.tuple(...parts).map(
    (list): Part =>
      (scope) =>
        write(...list.map((part) => part(scope))),
  );
}

export function one(...texts: readonly string[]): fc.Arbitrary<Part> {
  return fc.constantFrom(...texts).map(
    (text): Part =>
      () =>
        text,
  );
}

export const literal = one("'9'", "'919-01-0011'", "'***'", "'a'", "''", 'NULL', "'41'", "'5'", "'***1113'");
const comparison = one('=', '<>', '<', '>', '>=', 'NOT LIKE', 'LIKE', 'IS DISTINCT FROM');
const pattern = one("'^9'", "'[*]+$'", "'1.*1'");

const column: fc.Arbitrary<Part> = fc.nat(9999).map((n) => (scope) => textOf(pick(scope.columns, n)));

/** A whole row, as its table's alias. */
export const row: fc.Arbitrary<Part> = fc.nat(9).map((n) => (scope) => pick(scope.aliases, n));

export const numeric: fc.Arbitrary<Part> = fc.nat(9999).map((n) => (scope) => {
  const chosen = pick(scope.columns, n);
  return chosen.kind === 'number' ? chosen.written : `length(${textOf(chosen)})`;
});

const call = one('upper', 'lower', 'md5', 'reverse', 'ltrim', 'quote_literal', 'quote_ident', 'btrim');
const ofRow = one('to_json', 'to_jsonb', 'row_to_json');

/** A text, whatever it is made of. */
export const expression: fc.Arbitrary<Part> = fc.letrec<{ node: Part }>((tie) => {
  const node = tie('node');
  return {
    node: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 9, arbitrary: column },
      of([literal], (a) => `${a}::text`),
      of([numeric], (a) => `(${a} + 1)::text`),
      { weight: 3, arbitrary: of([call, node], (f, a) => `${f}(${a})`) },
      of([node, node], (a, b) => `(${a} || ${b})`),
      of([node, node], (a, b) => `coalesce(${a}, ${b})`),
      of([node, node], (a, b) => `nullif(${a}, ${b})`),
      of([node, node], (a, b) => `greatest(${a}, ${b})`),
      of([node, node], (a, b) => `concat_ws('/', ${a}, ${b})`),
      of([node, node], (a, b) => `translate(${a}, ${b}, 'xyz')`),
      of([node, literal, node], (a, b, c) => `CASE WHEN ${a} > ${b} THEN ${c} ELSE ${a} END`),
      of([node, node], (a, b) => `CASE ${a} WHEN ${b} THEN 'alike' WHEN '***' THEN 'shown' END`),
      of([node], (a) => `substr(${a}, 2, 2)`),
      of([node], (a) => `left(${a}, -1)`),
      of([node], (a) => `split_part(${a}, '-', 1)`),
      of([node], (a) => `regexp_replace(${a}, '[0-9]', '#')`),
      of([node], (a) => `(${a})::varchar(3)`),
      of([node], (a) => `((${a}) COLLATE "C")`),
      of([node], (a) => `length(${a})::text`),
      of([node], (a) => `ascii(${a})::text`),
      of([node], (a) => `encode(convert_to(${a}, 'UTF8'), 'base64')`),
      of([node], (a) => `(ARRAY[${a}, 'x'])[1]`),
      of([node], (a) => `array_to_string(ARRAY[${a}, 'x'], ',')`),
      of([node], (a) => `to_jsonb(${a})::text`),
      of([node], (a) => `(ROW(${a}, 1))::text`),
      of([node], (a) => `json_build_object('k', ${a})::text`),
      of([row], (a) => `${a}::text`),
      of([row, ofRow], (a, f) => `${a}.${f}::text`),
      of([row, one('ssn', 'secret', 'card', 'email')], (a, key) => `(to_jsonb(${a}) ->> '${key}')`),
      of([row], (a) => `md5(row_to_json(${a})::text)`),
      of([row], (a) => `(SELECT string_agg(value, ',' ORDER BY key) FROM jsonb_each_text(to_jsonb(${a})))`),
      { weight: 2, arbitrary: fc.tuple(table, fc.nat(99), fc.nat(99), comparison, node).map(subQuery) },
    ),
  };
}).node;

type Look = [from: Parameters<typeof scopeOf>[0], shown: number, compared: number, comparison: Part, with_: Part];

function subQuery([from, m, n, op, a]: Look): Part {
  const { columns } = scopeOf(from, 'x');
  const alias = from.name.startsWith('(') ? `x (${Object.keys(from.columns).join(', ')})` : 'x';
  const start = `SELECT max(${textOf(pick(columns, m))}) FROM ${from.name} ${alias}`;
  return (scope) => `(${start} WHERE ${textOf(pick(columns, n))} ${op(scope)} ${a(scope)})`;
}

/** SQL that is true, false or null. */
export const predicate: fc.Arbitrary<Part> = fc.letrec<{ node: Part }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'xsmall', withCrossShrink: true },
    { weight: 3, arbitrary: of([expression, comparison, literal], (a, op, b) => `${a} ${op} ${b}`) },
    { weight: 3, arbitrary: of([column, comparison, column], (a, op, b) => `${a} ${op} ${b}`) },
    { weight: 2, arbitrary: of([numeric, one('=', '<', '>='), numeric], (a, op, b) => `${a} ${op} ${b}`) },
    { weight: 2, arbitrary: of([numeric, one('=', '<', '>'), one('1', '3')], (a, op, b) => `${a} ${op} ${b}`) },
    of([expression], (a) => `${a} IS NOT NULL`),
    of([expression], (a) => `${a} IN ('9', '919-01-0011', '***')`),
    of([expression], (a) => `${a} NOT BETWEEN '1' AND '5'`),
    of([expression, one('~', '!~*', 'SIMILAR TO'), pattern], (a, op, b) => `${a} ${op} ${b}`),
    of([row], (a) => `to_jsonb(${a}) @> '{"ssn": "919-01-0011"}'`),
    of([row], (a) => `${a} IS NOT NULL`),
    of([column, column, expression, column], (a, b, c, d) => `(${a}, ${b}) > (${c}, ${d})`),
    of([expression], (a) => `EXISTS (SELECT 1 FROM customers x WHERE x.ssn > ${a})`),
    of([expression], (a) => `${a} = ANY (SELECT p.ssn FROM plain p UNION SELECT p.secret FROM parts p)`),
    of([expression], (a) => `${a} > ALL (SELECT harmless FROM v_customers)`),
    of([expression], (a) => `${a} NOT IN (SELECT m.email FROM members m WHERE m.tenant = 1)`),
    of([tie('node'), one('AND', 'OR', 'AND NOT'), tie('node')], (a, op, b) => `(${a} ${op} ${b})`),
  ),
})).node;

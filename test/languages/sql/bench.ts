/** Reads statements in this thread, against a small catalog made by hand: for tests that ask what a statement does, not where it is read. */
import assert from 'node:assert/strict';
import { analyseText, createBases } from '../../../src/languages/sql/analyse.ts';
import {
  type Analysis,
  type CatalogSnapshot,
  catalogFromRows,
  type SqlBasis,
  type StatementAnalysis,
} from '../../../src/languages/sql/index.ts';
import { ready } from '../../../src/languages/sql/parser.ts';

await ready;

const TEXT = [25, 'text'];
const INTEGER = [23, 'integer'];

/** Rows as the catalog query gives them. */
const PARTS: Readonly<Record<string, readonly (readonly unknown[])[]>> = {
  relations: [
    table(20001, 'public', 'orders', [
      ['id', INTEGER],
      ['customer_id', INTEGER],
      ['amount', INTEGER],
      ['note', TEXT],
    ]),
    table(20002, 'public', 'customers', [
      ['id', INTEGER],
      ['name', TEXT],
      ['ssn', TEXT],
      ['card', TEXT],
    ]),
    table(20003, 'hr', 'employees', [
      ['id', INTEGER],
      ['salary', INTEGER],
    ]),
    table(20004, 'public', 'far', [['id', INTEGER]], 'f'),
    [
      20005,
      'public',
      'recent',
      'v',
      'p',
      false,
      false,
      ' SELECT o.id FROM public.orders o',
      [[1, 'id', 23, 'integer', '', '', false]],
    ],
    [20006, 'public', 'orders_id_seq', 'S', 'p', false, false, null, [[1, 'last_value', 20, 'bigint', '', '', false]]],
    [
      20007,
      'public',
      'calling',
      'v',
      'p',
      false,
      false,
      ' SELECT public.purge() AS purge',
      [[1, 'purge', 23, 'integer', '', '', false]],
    ],
  ],
  functions: [
    [21001, 'public', 'purge', 'public.purge()', [], 0, 0, false, 'f', 'plpgsql', null, 'a'.repeat(64)],
    [21002, 'public', 'lower', 'public.lower(integer)', [23], 1, 0, false, 'f', 'sql', null, 'b'.repeat(64)],
    [21003, 'public', 'risk', 'public.risk(public.customers)', [22002], 1, 0, false, 'f', 'sql', null, 'c'.repeat(64)],
    [21004, 'public', 'settle', 'public.settle(integer)', [23], 1, 0, false, 'p', 'plpgsql', null, 'd'.repeat(64)],
    [
      21005,
      'ext',
      'similarity',
      'ext.similarity(text,text)',
      [25, 25],
      2,
      0,
      false,
      'f',
      'c',
      'pg_trgm',
      'e'.repeat(64),
    ],
    [
      21006,
      'public',
      'opened',
      'public.opened(integer,integer)',
      [23, 23],
      2,
      0,
      false,
      'f',
      'sql',
      null,
      'f'.repeat(64),
    ],
  ],
  operators: [[21101, 'public', '###', 23, 23, 21006]],
  types: [
    [22002, 'public', 'customers', 'c', 'C', 0, 0, 20002, null, null],
    [22010, 'public', 'odd', 'b', 'U', 0, 0, 0, [21002], null],
    [22011, 'public', 'mood', 'e', 'E', 0, 0, 0, null, null],
  ],
};

function table(
  oid: number,
  schema: string,
  name: string,
  columns: readonly (readonly [string, readonly unknown[]])[],
  kind = 'r',
): readonly unknown[] {
  return [
    oid,
    schema,
    name,
    kind,
    'p',
    false,
    false,
    null,
    columns.map(([column, [type, text]], index) => [index + 1, column, type, text, '', '', false]),
  ];
}

export const SMALL: CatalogSnapshot = catalogOf(PARTS);

/** A catalog of these parts, or the small one with some of them replaced. */
export function catalogOf(parts: Readonly<Record<string, readonly (readonly unknown[])[]>>): CatalogSnapshot {
  return catalogFromRows(Object.entries({ ...PARTS, ...parts }).map(([part, rows]) => [part, JSON.stringify(rows)]));
}

export const OPEN: SqlBasis = {
  catalog: SMALL,
  masks: [],
  guarded: false,
  searchPath: ['public'],
  trustedFunctions: [],
};

export const MASKED: SqlBasis = {
  ...OPEN,
  guarded: true,
  masks: [
    { relation: 'public.customers', column: 'ssn', with: 'redact' },
    { relation: 'public.customers', column: 'card', with: 'last4' },
  ],
};

export const SCOPED: SqlBasis = { ...OPEN, guarded: true };

const bases = createBases();
const numbers = new Map<SqlBasis, number>();

export function read(text: string, basis: SqlBasis = OPEN): Analysis {
  let number = numbers.get(basis);
  if (number === undefined) {
    number = numbers.size + 1;
    numbers.set(basis, number);
    const { catalog, ...rest } = basis;
    bases.catalog(catalog.version, catalog);
    bases.basis(number, catalog.version, rest);
  }
  return analyseText(text, bases.bench(number)).analysis;
}

/** The one statement of a text that must be readable. */
export function one(text: string, basis: SqlBasis = OPEN): StatementAnalysis {
  const analysis = read(text, basis);
  assert.ok(analysis.ok, `${text}: ${JSON.stringify(analysis)}`);
  assert.equal(analysis.statements.length, 1, text);
  return analysis.statements[0] as StatementAnalysis;
}

export function effects(text: string, basis: SqlBasis = OPEN): string {
  return [...one(text, basis).effects].sort().join(' ');
}

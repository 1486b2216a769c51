/**
 * Whether what a query asks of rows can go wrong by what stands in them. PostgreSQL asks conditions in an order of its own, and an error would tell of a row
 * that a stand-in leaves out (PostgreSQL, "Rules and Privileges"). Where none can, the stand-ins of catalogs may be planned as part of the query.
 *
 * Looks at everything but the outputs of the outermost query and of sub-queries among its outputs: those are worked out for rows that have passed.
 */
import type { RawStatement } from './parser.ts';
import { eachChild, type Fields, isFields, nameParts, type Site, wrappedKind } from './tree.ts';
import type { Resolved } from './understanding.ts';

export function isQuiet(raw: RawStatement, resolved: Resolved): boolean {
  if (raw.kind !== 'SelectStmt' || resolved.called.length > 0 || resolved.userTypes.length > 0) return false;
  if (resolved.operators.some(({ builtin, use }) => !builtin && use.field !== undefined)) return false;
  // Whether two rows, or two of the values that a column had before it was there, can be compared is found when they are.
  if (resolved.exposure.wholeRows.length > 0) return false;
  if (
    resolved.relations.some(({ use }) => use.name === 'pg_attribute' && resolved.exposure.column(use, 'attmissingval'))
  )
    return false;
  return quietSelect(raw.node);
}

function quietSelect(node: Fields): boolean {
  let quiet = true;
  eachChild('SelectStmt', node, (site) => {
    if (!quiet) return;
    if (site.kind === 'SelectStmt') quiet = quietSelect(site.node);
    else if (AFTERWARDS.has(site.field)) quiet = quietOutput(site);
    else quiet = quietCondition(site);
  });
  return quiet;
}

/** Worked out for rows that are shown: only what is asked inside of sub-queries matters. */
const AFTERWARDS: ReadonlySet<string> = new Set(['targetList', 'sortClause', 'limitCount', 'limitOffset']);

function quietOutput(site: Site): boolean {
  let quiet = true;
  eachChild(site.kind, site.node, (child) => {
    if (quiet) quiet = child.kind === 'SelectStmt' ? quietSelect(child.node) : quietOutput(child);
  });
  return quiet;
}

function quietCondition(site: Site): boolean {
  const { kind, node } = site;
  const own = QUIET.get(kind);
  if (own === undefined || (typeof own === 'function' && !own(node))) return false;
  let quiet = true;
  eachChild(kind, node, (child) => {
    if (quiet) quiet = quietCondition(child);
  });
  return quiet;
}

const always = true;

/** Nodes that cannot fail by themselves, or when they cannot. */
const QUIET: ReadonlyMap<string, true | ((node: Fields) => boolean)> = new Map<
  string,
  true | ((node: Fields) => boolean)
>([
  ...[
    'RangeVar',
    'RangeSubselect',
    'RangeFunction',
    'JoinExpr',
    'Alias',
    'ResTarget',
    'ColumnRef',
    'A_Star',
    'A_Const',
    'String',
    'Integer',
    'Float',
    'Boolean',
  ].map((kind): [string, true] => [kind, always]),
  ...[
    'BoolExpr',
    'NullTest',
    'BooleanTest',
    'CaseExpr',
    'CaseWhen',
    'CoalesceExpr',
    'List',
    'ParamRef',
    'TypeName',
    'SortBy',
  ].map((kind): [string, true] => [kind, always]),
  // A LIMIT may be negative.
  ['SelectStmt', (node) => node['limitCount'] === undefined && node['limitOffset'] === undefined],
  // Arrays in an array must be equally long.
  ['A_ArrayExpr', (node) => Array.isArray(node['elements']) && node['elements'].every(isConstant)],
  // More rows than one is an error of a sub-query that stands for a value.
  [
    'SubLink',
    (node) =>
      node['subLinkType'] === 'EXISTS_SUBLINK' ||
      node['subLinkType'] === 'ANY_SUBLINK' ||
      node['subLinkType'] === 'ARRAY_SUBLINK',
  ],
  ['A_Expr', (node) => quietOperator(node)],
  ['FuncCall', (node) => FUNCTIONS.has(nameParts(node['funcname'])?.at(-1) ?? '') && node['over'] === undefined],
  ['TypeCast', (node) => quietCast(node)],
  // Others may be of a kind that knows no patterns.
  ['CollateClause', (node) => COLLATIONS.has(nameParts(node['collname'])?.at(-1) ?? '')],
]);

const COLLATIONS: ReadonlySet<string> = new Set(['default', 'C', 'POSIX']);
const EQUAL: ReadonlySet<string> = new Set(['=', '<>', '!=']);
const ORDERED: ReadonlySet<string> = new Set(['<', '>', '<=', '>=']);
const PATTERNS: ReadonlySet<string> = new Set(['~', '!~', '~*', '!~*', '~~', '!~~', '~~*', '!~~*']);

function quietOperator(node: Fields): boolean {
  const name = nameParts(node['name'])?.at(-1) ?? '';
  if (EQUAL.has(name) || String(node['kind']) === 'AEXPR_DISTINCT' || String(node['kind']) === 'AEXPR_NOT_DISTINCT')
    return true;
  // Not all arrays have an order, which is found when two are compared.
  if (ORDERED.has(name)) return isPlain(node['lexpr']) || isPlain(node['rexpr']);
  // A pattern that stands in a row may be none, and one that is none is found only when a row is held against it.
  return PATTERNS.has(name) && isPattern(node['rexpr'], !name.includes('~~'));
}

/** A constant that is no array. */
function isPlain(node: unknown): boolean {
  const constant = isFields(node) ? node['A_Const'] : undefined;
  if (!isFields(constant)) return false;
  const text = isFields(constant['sval']) ? String(constant['sval']['sval'] ?? '') : 'a number';
  return /^\w/.test(text);
}

function isPattern(node: unknown, regular: boolean): boolean {
  if (!isFields(node)) return false;
  if (isFields(node['List']))
    return (
      Array.isArray(node['List']['items']) && node['List']['items'].every((item: unknown) => isPattern(item, regular))
    );
  if (isFields(node['CollateClause'])) return isPattern(node['CollateClause']['arg'], regular);
  if (isFields(node['TypeCast'])) return isTextual(node['TypeCast']) && isPattern(node['TypeCast']['arg'], regular);
  const value = isFields(node['A_Const']) ? node['A_Const']['sval'] : undefined;
  const text = isFields(value) ? String(value['sval'] ?? '') : undefined;
  return text !== undefined && (regular ? PLAIN_PATTERN : NOTHING_ESCAPED).test(text);
}

/** What tools ask for, `^(orders|notes.*)$`: surely a regular expression. */
const PLAIN_PATTERN = /^\^?(?:(?:[\w |-]|\.\*|\\\.)*|\((?:[\w |-]|\.\*|\\\.)*\))\$?$/;
const NOTHING_ESCAPED = /^[^\\]*(?:\\[^\\][^\\]*)*$/;

/** Worked out before any row is looked at, and fails there or nowhere. Of a parameter that is not so: one plan may be for all its values. */
function isConstant(node: unknown): boolean {
  if (!isFields(node)) return false;
  if (isFields(node['CollateClause'])) return isConstant(node['CollateClause']['arg']);
  if (isFields(node['TypeCast'])) return isConstant(node['TypeCast']['arg']);
  return wrappedKind(node) === 'A_Const';
}

function isTextual(cast: Fields): boolean {
  const type = isFields(cast['typeName']) ? cast['typeName'] : {};
  return nameParts(type['names'])?.at(-1) === 'text' && type['arrayBounds'] === undefined;
}

/** Every value can be written as a text. */
const TOTAL: ReadonlySet<string> = new Set([
  'text',
  'name',
  'regclass',
  'regtype',
  'regproc',
  'regprocedure',
  'regnamespace',
]);

function quietCast(node: Fields): boolean {
  if (isConstant(node['arg'])) return true;
  const type = isFields(node['typeName']) ? node['typeName'] : {};
  const total =
    TOTAL.has(nameParts(type['names'])?.at(-1) ?? '') &&
    type['arrayBounds'] === undefined &&
    type['typmods'] === undefined;
  // A text that becomes a reg* type is read as a name, which it may not be; an OID is not.
  return total && (nameParts(type['names'])?.at(-1) === 'text' || isOidColumn(node['arg']));
}

function isOidColumn(node: unknown): boolean {
  const reference = isFields(node) ? node['ColumnRef'] : undefined;
  return isFields(reference) && (nameParts(reference['fields'])?.at(-1)?.endsWith('oid') ?? false);
}

/** They answer for whatever they are given. */
const FUNCTIONS: ReadonlySet<string> = new Set(
  `pg_table_is_visible pg_type_is_visible pg_function_is_visible pg_get_userbyid current_schema current_schemas current_database current_user
  session_user unnest any_value array_agg count min max bool_and bool_or string_agg`.split(/\s+/),
);

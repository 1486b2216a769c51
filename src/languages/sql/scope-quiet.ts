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
    'SelectStmt',
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
    'RowExpr',
    'A_ArrayExpr',
  ].map((kind): [string, true] => [kind, always]),
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
  ['CollateClause', always],
]);

const COMPARISONS: ReadonlySet<string> = new Set(['=', '<>', '!=', '<', '>', '<=', '>=']);
const PATTERNS: ReadonlySet<string> = new Set(['~', '!~', '~*', '!~*', '~~', '!~~', '~~*', '!~~*']);

function quietOperator(node: Fields): boolean {
  const name = nameParts(node['name'])?.at(-1) ?? '';
  if (
    COMPARISONS.has(name) ||
    String(node['kind']) === 'AEXPR_DISTINCT' ||
    String(node['kind']) === 'AEXPR_NOT_DISTINCT'
  )
    return true;
  // A pattern that stands in a row may be none.
  return PATTERNS.has(name) && isConstant(node['rexpr']);
}

function isConstant(node: unknown): boolean {
  if (!isFields(node)) return false;
  if (isFields(node['List'])) return Array.isArray(node['List']['items']) && node['List']['items'].every(isConstant);
  if (isFields(node['CollateClause'])) return isConstant(node['CollateClause']['arg']);
  if (isFields(node['TypeCast'])) return isConstant(node['TypeCast']['arg']);
  const kind = wrappedKind(node);
  return kind === 'A_Const' || kind === 'ParamRef';
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

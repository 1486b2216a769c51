/** What single nodes of a tree name. One entry for each kind that names something; the walk goes into all of them. */
import { ANY_NUMBER, type Gathered, type OperatorUse, type RelationUse } from './gathered.ts';
import { type Fields, isFields, nameParts, type Site, stringOf } from './tree.ts';

/** @param statement kind of the statement the node stands in */
export function readNode(out: Gathered, site: Site, statement: string): void {
  const { kind, node } = site;
  if (kind.startsWith('?')) out.strange.push(kind.slice(1));
  READERS[kind]?.(out, node, site, statement);
  const late = lateKeyword(kind, node);
  if (late !== undefined) out.functions.push({ node: {}, names: [late], arguments: ANY_NUMBER, call: 'function' });
}

export function noteAlias(out: Gathered, name: string, use: RelationUse | null): void {
  const known = out.aliases.get(name);
  if (known === undefined) out.aliases.set(name, [use]);
  else known.push(use);
}

type Reader = (out: Gathered, node: Fields, site: Site, statement: string) => void;

const aliased: Reader = (out, node) => noteAliasOf(out, node['alias']);

const READERS: Readonly<Record<string, Reader>> = {
  RangeSubselect: aliased,
  RangeFunction: aliased,
  RangeTableFunc: aliased,
  JsonTable: aliased,
  JoinExpr(out, node) {
    // (a JOIN b ON …) AS j: the row of j is both rows, and j (x, y) names their columns by place.
    if (node['isNatural'] === true || node['alias'] !== undefined) out.natural = true;
    for (const name of nameParts(node['usingClause']) ?? []) {
      out.columns.push({ fields: [name], node, bare: false });
      out.operators.push({ node, names: ['='] });
    }
    noteAliasOf(out, node['alias']);
    noteAliasOf(out, node['join_using_alias']);
  },
  Alias(out, node) {
    for (const name of nameParts(node['colnames']) ?? []) out.labels.add(name);
  },
  ColumnDef(out, node) {
    if (typeof node['colname'] === 'string') out.labels.add(node['colname']);
  },
  RangeTableSample(out, node) {
    const method = nameParts(node['method']) ?? [];
    if (SAMPLE_METHODS.has(method.at(-1) ?? '')) return;
    out.functions.push({ node: {}, names: method, arguments: 1, call: 'function' });
  },
  FuncCall(out, node, site, statement) {
    out.functions.push({
      node,
      names: nameParts(node['funcname']) ?? ['?'],
      arguments: Array.isArray(node['args']) ? node['args'].length : 0,
      call: statement === 'CallStmt' && site.field === 'funccall' ? 'procedure' : 'function',
    });
    if (Array.isArray(node['agg_order'])) out.operators.push({ node, names: ['<'] });
  },
  A_Expr(out, node) {
    out.operators.push(...operatorsOf(node));
  },
  SubLink(out, node) {
    const names = nameParts(node['operName']);
    if (names !== undefined) out.operators.push({ node, field: 'operName', names });
    else if (node['subLinkType'] === 'ANY_SUBLINK') out.operators.push({ node, names: ['='] });
  },
  CaseExpr(out, node) {
    if (node['arg'] !== undefined) out.operators.push({ node, names: ['='] });
  },
  SortBy(out, node) {
    const names = nameParts(node['useOp']);
    if (names !== undefined && names.length > 0) out.operators.push({ node, field: 'useOp', names });
  },
  TypeName(out, node) {
    out.types.push(node);
  },
  ColumnRef(out, node, site) {
    const fields = Array.isArray(node['fields']) ? node['fields'] : [];
    out.columns.push({ fields: fields.map((item) => stringOf(item) ?? '*'), node, bare: site.field === 'val' });
  },
  A_Indirection(out, node) {
    noteSelections(out, node);
  },
  ResTarget(out, node) {
    if (typeof node['name'] === 'string') out.labels.add(node['name']);
    noteSelections(out, node);
  },
  ParamRef(out, node) {
    const number = typeof node['number'] === 'number' ? node['number'] : 0;
    if (number > out.parameters) out.parameters = number;
  },
  MergeWhenClause(out, node) {
    if (node['commandType'] === 'CMD_DELETE') out.effects.add('delete');
  },
  AlterTableCmd(out, node) {
    if (node['subtype'] === 'AT_ChangeOwner') out.effects.add('administer');
  },
};

const SAMPLE_METHODS: ReadonlySet<string> = new Set(['system', 'bernoulli']);

/** A_Expr kinds that are written with their operator, so that it can be qualified. */
const QUALIFIABLE: ReadonlySet<string> = new Set(['AEXPR_OP', 'AEXPR_OP_ANY', 'AEXPR_OP_ALL']);

function operatorsOf(node: Fields): OperatorUse[] {
  const kind = String(node['kind']);
  const names = nameParts(node['name']) ?? ['?'];
  if (QUALIFIABLE.has(kind)) return [{ node, field: 'name', names }];
  // BETWEEN and its kin compare with these, whatever they are called.
  if (kind.includes('BETWEEN')) return ['>=', '<=', '<', '>'].map((name) => ({ node, names: [name] }));
  return [{ node, names }];
}

function noteSelections(out: Gathered, node: Fields): void {
  for (const item of Array.isArray(node['indirection']) ? node['indirection'] : []) {
    const name = stringOf(item);
    if (name !== undefined) out.selections.push(name);
  }
}

function noteAliasOf(out: Gathered, alias: unknown): void {
  if (isFields(alias) && typeof alias['aliasname'] === 'string') noteAlias(out, alias['aliasname'], null);
}

/**
 * What SQL/JSON and MERGE made keywords from PostgreSQL 16 on. Servers before that read them as calls, of a user's function if there is one.
 */
function lateKeyword(kind: string, node: Fields): string | undefined {
  if (node['op'] === 'JSON_EXISTS_OP') return 'json_exists';
  if (node['op'] === 'JSON_QUERY_OP') return 'json_query';
  return LATE_KEYWORDS[kind];
}

const LATE_KEYWORDS: Readonly<Record<string, string>> = {
  JsonObjectConstructor: 'json_object',
  JsonArrayConstructor: 'json_array',
  JsonArrayQueryConstructor: 'json_array',
  JsonObjectAgg: 'json_objectagg',
  JsonArrayAgg: 'json_arrayagg',
  JsonFuncExpr: 'json_value',
  JsonParseExpr: 'json',
  JsonScalarExpr: 'json_scalar',
  JsonSerializeExpr: 'json_serialize',
  JsonTable: 'json_table',
  MergeSupportFunc: 'merge_action',
};

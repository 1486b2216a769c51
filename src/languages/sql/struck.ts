/**
 * Finds the literals and parameters that are aimed at masked columns: they are struck from whatever is recorded. Generous: where it cannot be told which
 * literal is aimed at the column, all of them are.
 */
import { builtinFunction } from './functions.ts';
import { eachChild, type Fields, isFields, nameParts, type Site } from './tree.ts';

export interface Struck {
  /** Byte offsets where the literals start. */
  readonly starts: readonly number[];
  readonly parameters: readonly number[];
}

export interface Aim {
  /** Names of masked columns of the relations the statement touches. */
  readonly columns: ReadonlySet<string>;
  /** What their values are called anywhere in the statement: `namesOf`. */
  readonly names: ReadonlySet<string>;
  /** For the target of an INSERT or COPY without a column list: which positions are masked. */
  readonly positions: ReadonlySet<number>;
  /** The INSERT or UPDATE nodes whose target has the masked columns. */
  readonly targets: ReadonlySet<Fields>;
  /** It names what stands before masked columns and was not followed: whatever it holds may be aimed at them. */
  readonly everything: boolean;
  readonly skip: (site: Site) => boolean;
}

export function findStruck(root: Site, aim: Aim | undefined): Struck {
  const found = { starts: new Set<number>(), parameters: new Set<number>() };
  if (aim?.everything === true) collect(root, found, aim.skip);
  else if (aim !== undefined) visit(root, aim, found, root);
  return { starts: [...found.starts], parameters: [...found.parameters].sort((a, b) => a - b) };
}

interface Found {
  readonly starts: Set<number>;
  readonly parameters: Set<number>;
}

function visit(site: Site, aim: Aim, found: Found, root: Site): void {
  if (aim.skip(site)) return;
  if (site.kind === 'InsertStmt' && aim.targets.has(site.node)) strikeInserted(site.node, aim, found, root);
  if (site.kind === 'UpdateStmt' && aim.targets.has(site.node)) strikeUpdated(site.node, aim, found, root);
  if (comparesRows(site, aim)) collect(root, found, aim.skip);
  // A predicate or output that looks at a masked column: its literals are aimed at it. AND, OR and NOT only join such parts.
  if (isExpression(site) && site.kind !== 'BoolExpr') {
    const mentions = mentionsOf(site, aim);
    if (mentions.masked) {
      // Compared with something else of the statement: that may be where the literal stands.
      collect(mentions.others ? root : site, found, aim.skip);
      if (!SUBQUERIES.has(site.kind)) return;
    }
  }
  eachChild(site.kind, site.node, (child) => visit(child, aim, found, root));
}

/** A join or a set operation compares columns that it does not name, or not in an expression. */
function comparesRows(site: Site, aim: Aim): boolean {
  const { kind, node } = site;
  if (kind === 'SelectStmt') {
    const compares = node['larg'] !== undefined && !(node['op'] === 'SETOP_UNION' && node['all'] === true);
    return compares && mentionsAny(site, aim.names);
  }
  if (kind !== 'JoinExpr') return false;
  return node['isNatural'] === true || (nameParts(node['usingClause']) ?? []).some((name) => aim.names.has(name));
}

const SUBQUERIES: ReadonlySet<string> = new Set(['SubLink']);

function isExpression(site: Site): boolean {
  return (
    EXPRESSION_FIELDS.has(site.field) ||
    site.kind === 'A_Expr' ||
    site.kind === 'FuncCall' ||
    site.kind === 'CaseExpr' ||
    site.kind === 'SubLink' ||
    site.kind === 'RangeTableFunc' ||
    site.kind === 'JsonTable'
  );
}

/** Fields of statements and clauses that hold one expression. */
const EXPRESSION_FIELDS: ReadonlySet<string> = new Set([
  'val',
  'whereClause',
  'havingClause',
  'quals',
  'node',
  'limitCount',
  'limitOffset',
  'condition',
  'groupClause',
  'distinctClause',
  'partitionClause',
  'content',
]);

function mentionsOf(site: Site, aim: Aim): { masked: boolean; others: boolean } {
  let masked = false;
  let others = false;
  const look = (at: Site) => {
    if (at.kind === 'ColumnRef') {
      if (isAimed(at.node['fields'], aim)) masked = true;
      else others = true;
    }
    if (!aim.skip(at)) eachChild(at.kind, at.node, look);
  };
  look(site);
  return { masked, others };
}

/** By the name of its column, or as the row that has it: `c`, `c.*`, and `c.to_json`, which is a call on the row. */
function isAimed(fields: unknown, { names }: Aim): boolean {
  const parts = Array.isArray(fields) ? fields.map((item) => nameParts([item])?.[0] ?? '*') : [];
  const [last = '*', row] = parts.reverse();
  if (names.has(last)) return true;
  if (row === undefined) return last === '*';
  return names.has(row) && (last === '*' || builtinFunction(last) !== undefined);
}

function strikeInserted(node: Fields, aim: Aim, found: Found, root: Site): void {
  const columns = Array.isArray(node['cols'])
    ? node['cols'].map((item) =>
        isFields(item) && isFields(item['ResTarget']) ? String(item['ResTarget']['name']) : '',
      )
    : undefined;
  const hit = (index: number) =>
    columns === undefined ? aim.positions.has(index) : aim.columns.has(columns[index] ?? '');
  const select =
    isFields(node['selectStmt']) && isFields(node['selectStmt']['SelectStmt'])
      ? node['selectStmt']['SelectStmt']
      : undefined;
  const rows = Array.isArray(select?.['valuesLists']) ? select['valuesLists'] : undefined;
  if (select === undefined) return;
  if (rows === undefined) {
    const any = columns === undefined ? aim.positions.size > 0 : columns.some((name) => aim.columns.has(name));
    if (any) collect(root, found, aim.skip);
    return;
  }
  for (const row of rows) {
    const items =
      isFields(row) && isFields(row['List']) && Array.isArray(row['List']['items']) ? row['List']['items'] : [];
    items.forEach((item, index) => {
      if (hit(index) && isFields(item)) eachChild('List', { items: [item] }, (site) => collect(site, found, aim.skip));
    });
  }
}

function strikeUpdated(node: Fields, aim: Aim, found: Found, root: Site): void {
  for (const item of Array.isArray(node['targetList']) ? node['targetList'] : []) {
    const target = isFields(item) && isFields(item['ResTarget']) ? item['ResTarget'] : {};
    if (!aim.columns.has(String(target['name']))) continue;
    eachChild('ResTarget', target, (site) => {
      collect(site, found, aim.skip);
      let elsewhere = false;
      const look = (at: Site) => {
        if (at.kind === 'ColumnRef' || at.kind === 'SelectStmt') elsewhere = true;
        eachChild(at.kind, at.node, look);
      };
      look(site);
      if (elsewhere) collect(root, found, aim.skip);
    });
  }
}

/** All parameters of a statement. */
export function parametersIn(root: Site): readonly number[] {
  const found = { starts: new Set<number>(), parameters: new Set<number>() };
  collect(root, found, () => false);
  return [...found.parameters].sort((a, b) => a - b);
}

function collect(site: Site, found: Found, skip: (site: Site) => boolean): void {
  if (skip(site) || site.kind === 'TypeName') return;
  const { kind, node } = site;
  if (kind === 'A_Const' && node['isnull'] !== true && typeof node['location'] === 'number')
    found.starts.add(node['location']);
  else if (kind === 'ParamRef' && typeof node['number'] === 'number') found.parameters.add(node['number']);
  eachChild(kind, node, (child) => collect(child, found, skip));
}

/**
 * The names under which values of these columns may be mentioned: their own, those of rows and of outputs that hold them, at any depth, and every name that
 * stands for a column by its place.
 *
 * @param names of the columns, and of the relations as rows
 */
export function namesOf(root: Site, names: Iterable<string>): ReadonlySet<string> {
  const found = new Set(names);
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    spread(root, found);
  }
  return found;
}

function spread(site: Site, found: Set<string>): void {
  const { kind, node } = site;
  const alias = isFields(node['alias']) ? node['alias'] : undefined;
  const name = alias?.['aliasname'] ?? node['ctename'] ?? node['relname'];
  if (NAMED.has(kind) && typeof name === 'string' && (found.has(name) || mentionsAny(site, found))) {
    found.add(name);
    for (const one of nameParts(alias?.['colnames'] ?? node['aliascolnames']) ?? []) found.add(one);
  }
  if (kind === 'ResTarget' && mentionsAny(site, found)) {
    if (typeof node['name'] === 'string') found.add(node['name']);
    else for (const name of unnamed(node['val'])) found.add(name);
  }
  eachChild(kind, node, (child) => spread(child, found));
}

/** What has rows in a statement: the row of one that holds a masked value holds it, and so may every column that is renamed by its place. */
const NAMED: ReadonlySet<string> = new Set([
  ...['RangeVar', 'RangeSubselect', 'RangeFunction', 'RangeTableFunc', 'JsonTable', 'JoinExpr', 'CommonTableExpr'],
]);

function mentionsAny(site: Site, names: ReadonlySet<string>): boolean {
  let found = false;
  const look = (at: Site) => {
    if (at.kind === 'ColumnRef') {
      const list = Array.isArray(at.node['fields']) ? at.node['fields'] : [];
      found ||= list.some(
        (item) => isFields(item) && (item['A_Star'] !== undefined || names.has(nameParts([item])?.[0] ?? '')),
      );
    }
    if (!found) eachChild(at.kind, at.node, look);
  };
  look(site);
  return found;
}

/** What PostgreSQL calls an output without a name of its own (FigureColname, parse_target.c). */
function unnamed(value: unknown): readonly string[] {
  const call =
    isFields(value) && isFields(value['FuncCall']) ? nameParts(value['FuncCall']['funcname'])?.at(-1) : undefined;
  return call === undefined ? IMPLICIT : [call];
}

const IMPLICIT = ['?column?', 'array', 'row', 'case', 'coalesce', 'greatest', 'least', 'nullif', 'exists', 'grouping'];

/** Statements whose options hold passwords and connection strings: every text literal in them is struck. */
export const CREDENTIAL_STATEMENTS: ReadonlySet<string> = new Set([
  ...[
    'CreateRoleStmt',
    'AlterRoleStmt',
    'CreateUserMappingStmt',
    'AlterUserMappingStmt',
    'CreateForeignServerStmt',
    'AlterForeignServerStmt',
  ],
  ...['CreateSubscriptionStmt', 'AlterSubscriptionStmt', 'AlterSystemStmt', 'AlterDatabaseSetStmt', 'AlterRoleSetStmt'],
]);

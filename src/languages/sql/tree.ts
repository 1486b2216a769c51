/**
 * The raw parse tree of PostgreSQL as plain objects, and how to go through it without missing a node.
 *
 * A node stands either in a wrapper that names its kind (`{ RangeVar: { … } }`) or, where the grammar allows one kind only, bare in a
 * field of its parent (`InsertStmt.relation`). `BARE` lists the second sort; a test holds it against the parser's own type declarations.
 */

/** The payload of one node. */
export type Fields = Record<string, unknown>;

export interface Site {
  readonly kind: string;
  readonly node: Fields;
  /** The object that holds the node under its kind: replacing the one key replaces the node. Absent for bare nodes. */
  readonly wrapper?: Fields;
  /** The field of the parent it stands in. */
  readonly field: string;
}

/** A tree deeper than this is refused: the walkers and the deparser are recursive. In nested objects, of which a node takes about three. */
export const DEPTH_LIMIT = 1200;

/** Calls `visit` for each child node, in the order the parser wrote them. */
export function eachChild(kind: string, node: Fields, visit: (site: Site) => void): void {
  const bare = BARE[kind];
  for (const field in node) {
    const value = node[field];
    if (typeof value !== 'object' || value === null) continue;
    if (Array.isArray(value)) {
      for (const item of value) if (isFields(item)) visitWrapped(field, item, visit);
    } else {
      const only = bare?.[field];
      if (only === undefined) visitWrapped(field, value as Fields, visit);
      else visit({ kind: only, node: value as Fields, field });
    }
  }
}

/** How deep the tree is, in nested objects. Iterative, for it is asked before anything recursive may run. */
export function depthOf(tree: unknown): number {
  let level: unknown[] = [tree];
  let depth = 0;
  while (level.length > 0) {
    depth += 1;
    const next: unknown[] = [];
    for (const item of level) {
      if (Array.isArray(item)) {
        for (const child of item) if (typeof child === 'object' && child !== null) next.push(child);
      } else {
        for (const key in item as Fields) {
          const child = (item as Fields)[key];
          if (typeof child === 'object' && child !== null) next.push(child);
        }
      }
    }
    level = next;
  }
  return depth;
}

/** Trees that differ in nothing but where the tokens stood. */
export function sameTree(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (!sameTree(a[i], b[i])) return false;
    return true;
  }
  if (Array.isArray(b)) return false;
  const left = a as Fields;
  const right = b as Fields;
  let keys = 0;
  for (const key in left) {
    if (isPosition(key)) continue;
    keys += 1;
    const value = left[key];
    const other = right[key];
    if (value !== other && !sameTree(value, other)) return false;
  }
  for (const key in right) if (!isPosition(key)) keys -= 1;
  return keys === 0;
}

/** Calls `visit` for every object in a tree, whatever it is. */
export function eachObject(tree: unknown, visit: (node: Fields) => void): void {
  if (Array.isArray(tree)) for (const item of tree) eachObject(item, visit);
  if (!isFields(tree)) return;
  visit(tree);
  for (const key in tree) eachObject(tree[key], visit);
}

/** The strings of a list of `String` nodes: a qualified name. Other nodes in it (a star) give undefined. */
export function nameParts(list: unknown): string[] | undefined {
  if (!Array.isArray(list)) return undefined;
  const parts: string[] = [];
  for (const item of list) {
    const part = stringOf(item);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return parts;
}

/** The value of a `String` node. */
export function stringOf(item: unknown): string | undefined {
  if (!isFields(item) || !isFields(item['String'])) return undefined;
  const value = item['String']['sval'];
  // The parser leaves out an empty string altogether.
  return value === undefined ? '' : typeof value === 'string' ? value : undefined;
}

export function stringNode(text: string): Fields {
  return { String: { sval: text } };
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The kind a wrapper names, or undefined when it is no wrapper. */
export function wrappedKind(value: unknown): string | undefined {
  if (!isFields(value)) return undefined;
  for (const key in value) return KIND.test(key) && isFields(value[key]) ? key : undefined;
  return undefined;
}

function visitWrapped(field: string, wrapper: Fields, visit: (site: Site) => void): void {
  for (const kind in wrapper) {
    const node = wrapper[kind];
    // A field that holds neither a wrapper nor a known bare node would hide what is below it: it is shown as a node of no known kind.
    if (KIND.test(kind) && isFields(node)) visit({ kind, node, wrapper, field });
    else visit({ kind: `?${field}`, node: wrapper, field });
    return;
  }
}

const KIND = /^[A-Z]/;

// Most keys are decided by their length: this runs for every key of both trees.
function isPosition(key: string): boolean {
  return key === 'location' || (key.length > 7 && POSITIONS.has(key));
}

const POSITIONS: ReadonlySet<string> = new Set([
  'stmt_location',
  'stmt_len',
  'name_location',
  'rexpr_list_start',
  'rexpr_list_end',
  'list_start',
  'list_end',
]);

const jsonFields = { output: 'JsonOutput', over: 'WindowDef', format: 'JsonFormat' };

/** Fields whose one possible kind the parser does not write. */
export const BARE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  A_Const: { ival: 'Integer', fval: 'Float', boolval: 'Boolean', sval: 'String', bsval: 'BitString' },
  RangeVar: { alias: 'Alias' },
  IntoClause: { rel: 'RangeVar' },
  JsonReturning: { format: 'JsonFormat' },
  JsonValueExpr: { format: 'JsonFormat' },
  JsonIsPredicate: { format: 'JsonFormat' },
  JoinExpr: { join_using_alias: 'Alias', alias: 'Alias' },
  TypeCast: { typeName: 'TypeName' },
  FuncCall: { over: 'WindowDef' },
  RangeSubselect: { alias: 'Alias' },
  RangeFunction: { alias: 'Alias' },
  RangeTableFunc: { alias: 'Alias' },
  RangeTableFuncCol: { typeName: 'TypeName' },
  ColumnDef: { typeName: 'TypeName', identitySequence: 'RangeVar', collClause: 'CollateClause' },
  TableLikeClause: { relation: 'RangeVar' },
  XmlSerialize: { typeName: 'TypeName' },
  PartitionCmd: { name: 'RangeVar', bound: 'PartitionBoundSpec' },
  OnConflictClause: { infer: 'InferClause' },
  CommonTableExpr: { search_clause: 'CTESearchClause', cycle_clause: 'CTECycleClause' },
  JsonOutput: { typeName: 'TypeName', returning: 'JsonReturning' },
  JsonArgument: { val: 'JsonValueExpr' },
  JsonFuncExpr: {
    context_item: 'JsonValueExpr',
    output: 'JsonOutput',
    on_empty: 'JsonBehavior',
    on_error: 'JsonBehavior',
  },
  JsonTable: { context_item: 'JsonValueExpr', pathspec: 'JsonTablePathSpec', on_error: 'JsonBehavior', alias: 'Alias' },
  JsonTableColumn: {
    typeName: 'TypeName',
    pathspec: 'JsonTablePathSpec',
    format: 'JsonFormat',
    on_empty: 'JsonBehavior',
    on_error: 'JsonBehavior',
  },
  JsonKeyValue: { value: 'JsonValueExpr' },
  JsonParseExpr: { expr: 'JsonValueExpr', output: 'JsonOutput' },
  JsonScalarExpr: { output: 'JsonOutput' },
  JsonSerializeExpr: { expr: 'JsonValueExpr', output: 'JsonOutput' },
  JsonObjectConstructor: jsonFields,
  JsonArrayConstructor: jsonFields,
  JsonArrayQueryConstructor: jsonFields,
  JsonAggConstructor: jsonFields,
  JsonObjectAgg: { constructor: 'JsonAggConstructor', arg: 'JsonKeyValue' },
  JsonArrayAgg: { constructor: 'JsonAggConstructor', arg: 'JsonValueExpr' },
  InsertStmt: {
    relation: 'RangeVar',
    onConflictClause: 'OnConflictClause',
    returningClause: 'ReturningClause',
    withClause: 'WithClause',
  },
  DeleteStmt: { relation: 'RangeVar', returningClause: 'ReturningClause', withClause: 'WithClause' },
  UpdateStmt: { relation: 'RangeVar', returningClause: 'ReturningClause', withClause: 'WithClause' },
  MergeStmt: { relation: 'RangeVar', returningClause: 'ReturningClause', withClause: 'WithClause' },
  SelectStmt: { intoClause: 'IntoClause', withClause: 'WithClause', larg: 'SelectStmt', rarg: 'SelectStmt' },
  PLAssignStmt: { val: 'SelectStmt' },
  CreateSchemaStmt: { authrole: 'RoleSpec' },
  AlterTableStmt: { relation: 'RangeVar' },
  AlterTableCmd: { newowner: 'RoleSpec' },
  GrantStmt: { grantor: 'RoleSpec' },
  GrantRoleStmt: { grantor: 'RoleSpec' },
  AlterDefaultPrivilegesStmt: { action: 'GrantStmt' },
  CopyStmt: { relation: 'RangeVar' },
  CreateStmt: {
    relation: 'RangeVar',
    partbound: 'PartitionBoundSpec',
    partspec: 'PartitionSpec',
    ofTypename: 'TypeName',
  },
  Constraint: { pktable: 'RangeVar' },
  CreateTableSpaceStmt: { owner: 'RoleSpec' },
  CreateForeignTableStmt: { base: 'CreateStmt' },
  CreateUserMappingStmt: { user: 'RoleSpec' },
  AlterUserMappingStmt: { user: 'RoleSpec' },
  DropUserMappingStmt: { user: 'RoleSpec' },
  CreatePolicyStmt: { table: 'RangeVar' },
  AlterPolicyStmt: { table: 'RangeVar' },
  CreateTrigStmt: { relation: 'RangeVar', constrrel: 'RangeVar' },
  AlterRoleStmt: { role: 'RoleSpec' },
  AlterRoleSetStmt: { role: 'RoleSpec', setstmt: 'VariableSetStmt' },
  CreateSeqStmt: { sequence: 'RangeVar' },
  AlterSeqStmt: { sequence: 'RangeVar' },
  CreateDomainStmt: { typeName: 'TypeName', collClause: 'CollateClause' },
  CreateOpClassStmt: { datatype: 'TypeName' },
  CreateOpClassItem: { name: 'ObjectWithArgs', storedtype: 'TypeName' },
  IndexStmt: { relation: 'RangeVar' },
  CreateFunctionStmt: { returnType: 'TypeName' },
  FunctionParameter: { argType: 'TypeName' },
  AlterFunctionStmt: { func: 'ObjectWithArgs' },
  CallStmt: { funccall: 'FuncCall' },
  RenameStmt: { relation: 'RangeVar' },
  AlterObjectDependsStmt: { relation: 'RangeVar', extname: 'String' },
  AlterObjectSchemaStmt: { relation: 'RangeVar' },
  AlterOwnerStmt: { relation: 'RangeVar', newowner: 'RoleSpec' },
  AlterOperatorStmt: { opername: 'ObjectWithArgs' },
  RuleStmt: { relation: 'RangeVar' },
  CompositeTypeStmt: { typevar: 'RangeVar' },
  ViewStmt: { view: 'RangeVar' },
  AlterDatabaseSetStmt: { setstmt: 'VariableSetStmt' },
  AlterSystemStmt: { setstmt: 'VariableSetStmt' },
  ClusterStmt: { relation: 'RangeVar' },
  VacuumRelation: { relation: 'RangeVar' },
  CreateTableAsStmt: { into: 'IntoClause' },
  RefreshMatViewStmt: { relation: 'RangeVar' },
  ReindexStmt: { relation: 'RangeVar' },
  CreateCastStmt: { sourcetype: 'TypeName', targettype: 'TypeName', func: 'ObjectWithArgs' },
  CreateTransformStmt: { type_name: 'TypeName', fromsql: 'ObjectWithArgs', tosql: 'ObjectWithArgs' },
  ReassignOwnedStmt: { newrole: 'RoleSpec' },
  PublicationTable: { relation: 'RangeVar' },
  PublicationObjSpec: { pubtable: 'PublicationTable' },
};

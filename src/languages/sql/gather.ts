/**
 * Goes through a statement's tree once and collects what it names, without asking what the names mean: relations (those that are not CTEs), functions,
 * operators, types, columns, parameters, nested statements.
 */
import type { Effect } from '../../domain/command.ts';
import { isOurs } from './ours.ts';
import { statementClass } from './statements.ts';
import { eachChild, type Fields, isFields, nameParts, type Site, stringOf } from './tree.ts';

export interface RelationUse {
  /** The RangeVar itself; a rewrite edits or replaces it. */
  readonly node: Fields;
  /** Set where the node may be replaced by a sub-query: in a FROM. */
  readonly wrapper?: Fields;
  readonly schema: string | undefined;
  readonly name: string;
  readonly access: Effect;
  /** `from`: its rows are read. `target`: INSERT, UPDATE, DELETE, MERGE or COPY. `named`: anything else. */
  readonly role: 'from' | 'target' | 'named';
  /** Kind of the statement that names it directly. */
  readonly statement: string;
  /** The data-modifying statement it is the target of. */
  readonly modifies?: Fields;
  readonly alias: string;
  readonly sampled: boolean;
  readonly locked: boolean;
}

export interface FunctionUse {
  readonly node: Fields;
  readonly names: readonly string[];
  readonly arguments: number;
  readonly call: 'function' | 'procedure';
}

export interface OperatorUse {
  readonly node: Fields;
  /** The field that holds the name, where it can be qualified in place. */
  readonly field?: 'name' | 'operName' | 'useOp';
  readonly names: readonly string[];
}

export interface ColumnUse {
  /** The names of a reference, `*` for a star at its end. */
  readonly fields: readonly string[];
  readonly node: Fields;
  /** Stands by itself in a list of outputs: `SELECT x.*`. */
  readonly bare: boolean;
}

export interface Modification {
  readonly kind: 'InsertStmt' | 'UpdateStmt' | 'DeleteStmt' | 'MergeStmt';
  readonly node: Fields;
}

export interface Gathered {
  readonly statements: string[];
  readonly effects: Set<Effect>;
  readonly relations: RelationUse[];
  readonly functions: FunctionUse[];
  readonly operators: OperatorUse[];
  /** TypeName nodes. */
  readonly types: Fields[];
  readonly columns: ColumnUse[];
  /** Names selected from a value: `(x).name`, which PostgreSQL also reads as a call of `name(x)`. */
  readonly selections: string[];
  /** What each alias stands for: the relation, or null for a sub-query, function or CTE. */
  readonly aliases: Map<string, (RelationUse | null)[]>;
  readonly modifications: Modification[];
  /** Names the statement gives: outputs, columns of aliases, fields of column definition lists. */
  readonly labels: Set<string>;
  /** Every UPDATE and DELETE so far has a WHERE; undefined when there was none. */
  where: boolean | undefined;
  returning: boolean;
  locking: boolean;
  natural: boolean;
  into: boolean;
  temporary: boolean;
  parameters: number;
  /** Nodes this version does not know: nothing can be said about what they do. */
  readonly strange: string[];
}

export function gather(kind: string, node: Fields): Gathered {
  const gathered: Gathered = {
    statements: [],
    effects: new Set(),
    relations: [],
    functions: [],
    operators: [],
    types: [],
    columns: [],
    selections: [],
    aliases: new Map(),
    modifications: [],
    labels: new Set(),
    where: undefined,
    returning: false,
    locking: false,
    natural: false,
    into: false,
    temporary: false,
    parameters: 0,
    strange: [],
  };
  new Walk(gathered).statement({ kind, node, field: 'stmt' }, NO_CTES, true);
  return gathered;
}

/** CTE names in sight. PostgreSQL lets them hide relations of the same unqualified name. */
interface Ctes {
  readonly names: ReadonlySet<string>;
  readonly outer: Ctes | undefined;
}

const NO_CTES: Ctes = { names: new Set(), outer: undefined };

function isCte(ctes: Ctes | undefined, name: string): boolean {
  for (let at = ctes; at !== undefined; at = at.outer) if (at.names.has(name)) return true;
  return false;
}

interface Around {
  readonly ctes: Ctes;
  readonly statement: string;
  readonly modifies?: Fields;
  readonly locked: boolean;
  readonly sampled: boolean;
  readonly from: boolean;
}

class Walk {
  readonly #out: Gathered;

  constructor(out: Gathered) {
    this.#out = out;
  }

  statement(site: Site, ctes: Ctes, top: boolean): void {
    const { kind, node } = site;
    const out = this.#out;
    // The VALUES of an INSERT are no statement of their own.
    if (!(kind === 'SelectStmt' && site.field === 'selectStmt' && Array.isArray(node['valuesLists']))) out.statements.push(kind);
    for (const effect of statementClass(kind).effects) out.effects.add(effect);
    const inner = isFields(node['withClause']) ? this.#with(node['withClause'], ctes) : ctes;
    const around: Around = { ctes: inner, statement: kind, locked: false, sampled: false, from: false };
    switch (kind) {
      case 'SelectStmt':
        return this.#select(node, around, top);
      case 'InsertStmt':
      case 'UpdateStmt':
      case 'DeleteStmt':
      case 'MergeStmt':
        return this.#modification(kind, node, around);
      default:
        this.#form(kind, node);
        eachChild(kind, node, (child) => this.#node(child, around, WRAPPERS.has(kind)));
    }
  }

  // A CTE sees those before it, or, with RECURSIVE, all of its list (PostgreSQL, "WITH Queries").
  #with(node: Fields, outer: Ctes): Ctes {
    const names = new Set<string>();
    const inside: Ctes = { names, outer };
    const list = Array.isArray(node['ctes']) ? node['ctes'] : [];
    const ctes = list.map((item) => (isFields(item) && isFields(item['CommonTableExpr']) ? item['CommonTableExpr'] : {}));
    if (node['recursive'] === true) for (const cte of ctes) names.add(String(cte['ctename']));
    for (const cte of ctes) {
      const name = String(cte['ctename']);
      const around: Around = { ctes: { names: new Set(names), outer }, statement: 'SelectStmt', locked: false, sampled: false, from: false };
      eachChild('CommonTableExpr', cte, (child) => this.#node(child, around, false));
      names.add(name);
      this.#alias(name, null);
    }
    return inside;
  }

  #select(node: Fields, around: Around, top: boolean): void {
    const out = this.#out;
    const locked = Array.isArray(node['lockingClause']);
    if (locked) {
      out.effects.add('write');
      out.locking = true;
    }
    if (isFields(node['intoClause'])) {
      out.effects.add('define');
      out.into = true;
    }
    if (top) out.effects.add('read');
    eachChild('SelectStmt', node, (child) => {
      if (child.field === 'withClause' || child.field === 'lockingClause') return;
      if (child.field === 'fromClause') this.#node(child, { ...around, from: true, locked }, false);
      else if (child.field === 'larg' || child.field === 'rarg') this.statement(child, around.ctes, top);
      else this.#node(child, child.field === 'intoClause' ? { ...around, statement: 'CreateTableAsStmt' } : around, false);
    });
  }

  #modification(kind: Modification['kind'], node: Fields, around: Around): void {
    const out = this.#out;
    out.modifications.push({ kind, node });
    if (kind === 'UpdateStmt' || kind === 'DeleteStmt') out.where = (out.where ?? true) && node['whereClause'] !== undefined;
    if (isFields(node['returningClause'])) {
      out.returning = true;
      if (kind !== 'InsertStmt') out.effects.add('read');
    }
    eachChild(kind, node, (child) => {
      if (child.field === 'withClause') return;
      const from = child.field === 'fromClause' || child.field === 'usingClause' || child.field === 'sourceRelation';
      if (child.field === 'relation') this.#relation(child, { ...around, modifies: node }, 'target');
      else if (kind === 'InsertStmt' && child.field === 'cols') return;
      else this.#node(child, { ...around, from }, false);
    });
  }

  /** What depends on how a statement is written. */
  #form(kind: string, node: Fields): void {
    const { effects } = this.#out;
    if (kind === 'CopyStmt') {
      effects.add(node['is_from'] === true ? 'write' : 'read');
      if (node['filename'] !== undefined || node['is_program'] === true) effects.add('transfer');
      if (node['is_program'] === true) effects.add('execute');
    } else if (kind === 'LockStmt') {
      effects.add(node['mode'] === ACCESS_SHARE ? 'read' : 'write');
    }
  }

  #node(site: Site, around: Around, top: boolean): void {
    const { kind, node } = site;
    const out = this.#out;
    if (kind.endsWith('Stmt')) return this.statement(site, around.ctes, top);
    if (isOurs(node)) return;
    switch (kind) {
      case 'RangeVar':
        return this.#relation(site, around, site.wrapper !== undefined && around.from ? 'from' : NAMED_TARGETS.has(around.statement) ? 'target' : 'named');
      case 'RangeTableSample': {
        const method = nameParts(node['method']) ?? [];
        if (!SAMPLE_METHODS.has(method.at(-1) ?? '')) out.functions.push({ node: {}, names: method, arguments: 1, call: 'function' });
        return this.#children(site, { ...around, sampled: true });
      }
      case 'JoinExpr':
        if (node['isNatural'] === true) out.natural = true;
        for (const name of nameParts(node['usingClause']) ?? []) {
          out.columns.push({ fields: [name], node, bare: false });
          out.operators.push({ node, names: ['='] });
        }
        this.#aliasOf(node['alias']);
        this.#aliasOf(node['join_using_alias']);
        return eachChild(kind, node, (child) => {
          if (child.field === 'larg' || child.field === 'rarg') this.#node(child, around, false);
          else if (child.field === 'quals') this.#node(child, { ...around, from: false }, false);
        });
      case 'RangeSubselect':
      case 'RangeFunction':
      case 'RangeTableFunc':
      case 'JsonTable':
        if (kind === 'JsonTable') out.functions.push({ node: {}, names: ['json_table'], arguments: ANY_NUMBER, call: 'function' });
        this.#aliasOf(node['alias']);
        return this.#children(site, { ...around, from: false, locked: false });
      case 'FuncCall':
        out.functions.push({
          node,
          names: nameParts(node['funcname']) ?? ['?'],
          arguments: Array.isArray(node['args']) ? node['args'].length : 0,
          call: around.statement === 'CallStmt' && site.field === 'funccall' ? 'procedure' : 'function',
        });
        if (Array.isArray(node['agg_order'])) out.operators.push({ node, names: ['<'] });
        return this.#children(site, around);
      case 'A_Expr':
        this.#operator(node);
        return this.#children(site, around);
      case 'SubLink': {
        const names = nameParts(node['operName']);
        if (names !== undefined) out.operators.push({ node, field: 'operName', names });
        else if (node['subLinkType'] === 'ANY_SUBLINK') out.operators.push({ node, names: ['='] });
        return this.#children(site, around);
      }
      case 'CaseExpr':
        if (node['arg'] !== undefined) out.operators.push({ node, names: ['='] });
        return this.#children(site, around);
      case 'SortBy': {
        const names = nameParts(node['useOp']);
        if (names !== undefined && names.length > 0) out.operators.push({ node, field: 'useOp', names });
        return this.#children(site, around, 'useOp');
      }
      case 'TypeName':
        out.types.push(node);
        return this.#children(site, around, 'names');
      case 'ColumnRef':
        out.columns.push({ fields: columnFields(node['fields']), node, bare: site.field === 'val' });
        return;
      case 'Alias':
        for (const name of nameParts(node['colnames']) ?? []) out.labels.add(name);
        return;
      case 'ColumnDef':
        if (typeof node['colname'] === 'string') out.labels.add(node['colname']);
        return this.#children(site, around);
      case 'A_Indirection':
      case 'ResTarget':
        if (typeof node['name'] === 'string') out.labels.add(node['name']);
        for (const item of Array.isArray(node['indirection']) ? node['indirection'] : []) {
          const name = stringOf(item);
          if (name !== undefined) out.selections.push(name);
        }
        return this.#children(site, around);
      case 'ParamRef': {
        const number = typeof node['number'] === 'number' ? node['number'] : 0;
        if (number > out.parameters) out.parameters = number;
        return;
      }
      case 'MergeWhenClause':
        if (node['commandType'] === 'CMD_DELETE') out.effects.add('delete');
        return this.#children(site, around);
      case 'AlterTableCmd':
        if (node['subtype'] === 'AT_ChangeOwner') out.effects.add('administer');
        return this.#children(site, around);
      case 'LockingClause':
        return;
      default:
        if (kind.startsWith('?')) out.strange.push(kind.slice(1));
        // Servers before these were keywords read them as calls, of a user's function if there is one.
        if (LATE_KEYWORDS[kind] !== undefined) out.functions.push({ node: {}, names: [lateName(kind, node)], arguments: ANY_NUMBER, call: 'function' });
        return this.#children(site, around);
    }
  }

  #children(site: Site, around: Around, skip?: string): void {
    eachChild(site.kind, site.node, (child) => {
      if (child.field !== skip) this.#node(child, around, false);
    });
  }

  #relation(site: Site, around: Around, role: RelationUse['role']): void {
    const { node } = site;
    const schema = typeof node['schemaname'] === 'string' ? node['schemaname'] : undefined;
    const name = typeof node['relname'] === 'string' ? node['relname'] : '';
    const alias = isFields(node['alias']) && typeof node['alias']['aliasname'] === 'string' ? node['alias']['aliasname'] : undefined;
    if (node['relpersistence'] === 't') this.#out.temporary = true;
    // Only what is read can be a CTE: the target of a statement is always a relation.
    if (role === 'from' && schema === undefined && isCte(around.ctes, name)) return this.#alias(alias ?? name, null);
    if (role === 'from') this.#out.effects.add('read');
    const own = statementClass(around.statement);
    const access = role === 'from' ? (around.locked ? 'write' : 'read') : around.statement === 'CopyStmt' ? undefined : (own.access ?? own.effects[0]);
    const use: RelationUse = {
      node,
      ...(role === 'from' && site.wrapper !== undefined ? { wrapper: site.wrapper } : {}),
      schema,
      name,
      access: access ?? (this.#out.effects.has('write') ? 'write' : 'read'),
      role,
      statement: around.statement,
      ...(around.modifies === undefined ? {} : { modifies: around.modifies }),
      alias: alias ?? name,
      sampled: around.sampled,
      locked: around.locked,
    };
    this.#out.relations.push(use);
    this.#alias(use.alias, use);
  }

  #operator(node: Fields): void {
    const kind = String(node['kind']);
    const names = nameParts(node['name']) ?? ['?'];
    if (QUALIFIABLE.has(kind)) this.#out.operators.push({ node, field: 'name', names });
    else if (kind.includes('BETWEEN')) this.#out.operators.push({ node, names: ['>='] }, { node, names: ['<='] }, { node, names: ['<'] }, { node, names: ['>'] });
    else this.#out.operators.push({ node, names });
  }

  #aliasOf(alias: unknown): void {
    if (isFields(alias) && typeof alias['aliasname'] === 'string') this.#alias(alias['aliasname'], null);
  }

  #alias(name: string, use: RelationUse | null): void {
    const known = this.#out.aliases.get(name);
    if (known === undefined) this.#out.aliases.set(name, [use]);
    else known.push(use);
  }
}

/** Stands for a call whose arguments the tree no longer shows as such. */
export const ANY_NUMBER = -1;

/** What SQL/JSON and MERGE made keywords from PostgreSQL 16 on. */
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

function lateName(kind: string, node: Fields): string {
  if (node['op'] === 'JSON_EXISTS_OP') return 'json_exists';
  if (node['op'] === 'JSON_QUERY_OP') return 'json_query';
  return LATE_KEYWORDS[kind] ?? '?';
}

function columnFields(fields: unknown): string[] {
  return (Array.isArray(fields) ? fields : []).map((item) => stringOf(item) ?? '*');
}

/** LOCK TABLE's mode in storage/lockdefs.h. */
const ACCESS_SHARE = 1;

/** Statements whose sub-statement runs as if it stood alone. */
const WRAPPERS: ReadonlySet<string> = new Set(['ExplainStmt', 'PrepareStmt', 'DeclareCursorStmt', 'CopyStmt', 'CreateTableAsStmt']);

const NAMED_TARGETS: ReadonlySet<string> = new Set(['CopyStmt']);

/** A_Expr kinds that are written with their operator, so that it can be qualified. */
export const QUALIFIABLE: ReadonlySet<string> = new Set(['AEXPR_OP', 'AEXPR_OP_ANY', 'AEXPR_OP_ALL']);

const SAMPLE_METHODS: ReadonlySet<string> = new Set(['system', 'bernoulli']);

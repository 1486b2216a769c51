/**
 * Goes through a statement's tree once and collects what it names: relations (those that are not CTEs), functions, operators, types, columns, parameters,
 * nested statements.
 */
import { type Gathered, type Modification, nothingGathered, type RelationUse } from './gathered.ts';
import { noteAlias, readNode } from './gather-nodes.ts';
import { isOurs } from './ours.ts';
import { statementClass } from './statements.ts';
import { eachChild, type Fields, isFields, type Site } from './tree.ts';

export function gather(kind: string, node: Fields): Gathered {
  const gathered = nothingGathered();
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

/** Where in a statement a node stands. */
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

  /** @param top whether its rows, if it is a query, are what the whole statement gives */
  statement(site: Site, ctes: Ctes, top: boolean): void {
    const { kind, node } = site;
    // The VALUES of an INSERT are no statement of their own.
    if (site.field !== 'selectStmt' || !Array.isArray(node['valuesLists'])) this.#out.statements.push(kind);
    for (const effect of statementClass(kind).effects) this.#out.effects.add(effect);
    const inner = isFields(node['withClause']) ? this.#with(node['withClause'], ctes) : ctes;
    const around: Around = { ctes: inner, statement: kind, locked: false, sampled: false, from: false };
    if (kind === 'SelectStmt') this.#select(node, around, top);
    else if (isModification(kind)) this.#modification(kind, node, around);
    else {
      this.#form(kind, node);
      eachChild(kind, node, (child) => this.#node(child, around, WRAPPERS.has(kind)));
    }
  }

  // A CTE sees those before it, or, with RECURSIVE, all of its list (PostgreSQL, "WITH Queries").
  #with(node: Fields, outer: Ctes): Ctes {
    const names = new Set<string>();
    const list = Array.isArray(node['ctes']) ? node['ctes'] : [];
    const ctes = list.map((item) =>
      isFields(item) && isFields(item['CommonTableExpr']) ? item['CommonTableExpr'] : {},
    );
    if (node['recursive'] === true) for (const cte of ctes) names.add(String(cte['ctename']));
    for (const cte of ctes) {
      const name = String(cte['ctename']);
      const seen: Ctes = { names: new Set(names), outer };
      const around: Around = { ctes: seen, statement: 'SelectStmt', locked: false, sampled: false, from: false };
      eachChild('CommonTableExpr', cte, (child) => this.#node(child, around, false));
      names.add(name);
      noteAlias(this.#out, name, null);
    }
    return { names, outer };
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
      // The names after FOR UPDATE OF are aliases, and a WITH has been read.
      if (child.field === 'withClause' || child.field === 'lockingClause') return;
      if (child.field === 'fromClause') this.#node(child, { ...around, from: true, locked }, false);
      else if (child.field === 'larg' || child.field === 'rarg') this.statement(child, around.ctes, top);
      else
        this.#node(child, child.field === 'intoClause' ? { ...around, statement: 'CreateTableAsStmt' } : around, false);
    });
  }

  #modification(kind: Modification['kind'], node: Fields, around: Around): void {
    const out = this.#out;
    out.modifications.push({ kind, node });
    if (kind === 'UpdateStmt' || kind === 'DeleteStmt')
      out.where = (out.where ?? true) && node['whereClause'] !== undefined;
    if (isFields(node['returningClause'])) {
      out.returning = true;
      // Rows that were there before are read by it; an INSERT gives back its own.
      if (kind !== 'InsertStmt') out.effects.add('read');
    }
    eachChild(kind, node, (child) => {
      if (child.field === 'withClause' || (kind === 'InsertStmt' && child.field === 'cols')) return;
      if (child.field === 'relation') this.#target(child, { ...around, modifies: node });
      else this.#node(child, { ...around, from: FROM_FIELDS.has(child.field) }, false);
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
    if (kind.endsWith('Stmt')) this.statement(site, around.ctes, top);
    else if (kind === 'RangeVar') this.#relation(site, around, roleOf(site, around));
    else if (!isOurs(node) && kind !== 'LockingClause') {
      readNode(this.#out, site, around.statement);
      const inside = kind === 'RangeTableSample' ? { ...around, sampled: true } : around;
      eachChild(kind, node, (child) => this.#node(child, inside, false));
    }
  }

  /** RETURNING calls the row it writes `old` and `new` too, or what its WITH says (from PostgreSQL 18 on). */
  #target(site: Site, around: Around): void {
    const use = this.#relation(site, around, 'target');
    if (use !== undefined && around.modifies?.['onConflictClause'] !== undefined) noteAlias(this.#out, 'excluded', use);
    const clause = around.modifies?.['returningClause'];
    if (use === undefined || !isFields(clause)) return;
    const given = (Array.isArray(clause['options']) ? clause['options'] : []).map((item) =>
      isFields(item) && isFields(item['ReturningOption']) ? String(item['ReturningOption']['value']) : '',
    );
    for (const name of ['old', 'new', ...given]) noteAlias(this.#out, name, use);
  }

  #relation(site: Site, around: Around, role: RelationUse['role']): RelationUse | undefined {
    const out = this.#out;
    const { node } = site;
    const schema = typeof node['schemaname'] === 'string' ? node['schemaname'] : undefined;
    const name = typeof node['relname'] === 'string' ? node['relname'] : '';
    const given =
      isFields(node['alias']) && typeof node['alias']['aliasname'] === 'string' ? node['alias']['aliasname'] : name;
    if (node['relpersistence'] === 't') out.temporary = true;
    // Only what is read can be a CTE: the target of a statement is always a relation.
    if (role === 'from' && schema === undefined && isCte(around.ctes, name)) {
      noteAlias(out, given, null);
      return undefined;
    }
    if (role === 'from') out.effects.add('read');
    const use: RelationUse = {
      node,
      ...(role === 'from' && site.wrapper !== undefined ? { wrapper: site.wrapper } : {}),
      schema,
      name,
      access: this.#access(role, around),
      role,
      statement: around.statement,
      ...(around.modifies === undefined ? {} : { modifies: around.modifies }),
      alias: given,
      sampled: around.sampled,
      locked: around.locked,
    };
    out.relations.push(use);
    noteAlias(out, given, use);
    return use;
  }

  #access(role: RelationUse['role'], around: Around): RelationUse['access'] {
    if (role === 'from') return around.locked ? 'write' : 'read';
    const own = statementClass(around.statement);
    // COPY and LOCK are what their form says.
    return own.effects[0] ?? (this.#out.effects.has('write') ? 'write' : 'read');
  }
}

function roleOf(site: Site, around: Around): RelationUse['role'] {
  if (site.wrapper !== undefined && around.from) return 'from';
  return around.statement === 'CopyStmt' ? 'target' : 'named';
}

function isModification(kind: string): kind is Modification['kind'] {
  return kind === 'InsertStmt' || kind === 'UpdateStmt' || kind === 'DeleteStmt' || kind === 'MergeStmt';
}

const FROM_FIELDS: ReadonlySet<string> = new Set(['fromClause', 'usingClause', 'sourceRelation']);

/** LOCK TABLE's mode in storage/lockdefs.h. */
const ACCESS_SHARE = 1;

/** Statements whose sub-statement runs as if it stood alone. */
const WRAPPERS: ReadonlySet<string> = new Set([
  'ExplainStmt',
  'PrepareStmt',
  'DeclareCursorStmt',
  'CopyStmt',
  'CreateTableAsStmt',
]);

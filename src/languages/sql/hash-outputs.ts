/**
 * Finds the outputs of a statement that are a column masked by its hash and nothing else, carried there unchanged through sub-queries, views and WITH, and
 * makes exactly these yield its digest. Everywhere else the column reads as NULL, so that what is overlooked here shows nothing: what is looked for besides is
 * only whether such a column is used otherwise, to refuse that instead of answering wrongly.
 *
 * A digest goes by a name of ours that stands in no client's text: a stand-in yields it as a further column, each query on the way up passes it on as a
 * further output, and the outermost list of outputs names it under the column's own name.
 */
import {
  columnOf,
  type Item,
  joined,
  NO_SCOPE,
  reference,
  renamed,
  type Scope,
  type ShownColumn,
  scopeOf,
  starColumns,
  tableColumns,
} from './from-items.ts';
import { HASH_LABEL } from './hashed.ts';
import type { MaskBook } from './masks.ts';
import { isOurs, markOurs } from './ours.ts';
import type { RawStatement } from './parser.ts';
import { hashLabel, hashPlaceholder } from './stand-in.ts';
import { eachChild, type Fields, isFields, nameParts, type Site } from './tree.ts';
import type { Resolved } from './understanding.ts';

export interface HashOutputs {
  /** Which digests the stand-in of a RangeVar is to yield, by column. */
  readonly wanted: ReadonlyMap<Fields, ReadonlySet<string>>;
  /** The column is used otherwise, or that cannot be told. */
  readonly misused: boolean;
}

/** Changes the tree in place, of a statement that has had its views opened. */
export function showHashes(raw: RawStatement, resolved: Resolved, book: MaskBook): HashOutputs {
  const tracer = new Tracer(resolved, book);
  const site: Site = { kind: raw.kind, node: raw.node, field: 'stmt' };
  const forged = mentionsOurs(raw.node);
  tracer.statement(site, NO_CTES, TOP[raw.kind] ?? 'elsewhere');
  return { wanted: tracer.wanted, misused: forged || tracer.misuse || tracer.mentioned(site) };
}

const outputs = new WeakSet<Fields>();

/** Says that an output (ResTarget) shows a digest. */
export function markHashed(target: Fields): Fields {
  outputs.add(target);
  return target;
}

/** Which of the columns of a statement's result are digests. Undefined: some are, but it cannot be told which. */
export function hashPlaces(raw: RawStatement): readonly number[] | undefined {
  const inner = raw.node['query'];
  const wrapped = WRAPPERS.has(raw.kind) && isFields(inner) ? Object.values(inner)[0] : raw.node;
  const node = isFields(wrapped) ? wrapped : {};
  const clause = isFields(node['returningClause']) ? node['returningClause']['exprs'] : node['targetList'];
  const targets = listOf(clause).map(targetOf);
  const places = targets.flatMap((target, place) => (outputs.has(target) ? [place] : []));
  return places.length > 0 && targets.some(isStar) ? undefined : places;
}

const WRAPPERS: ReadonlySet<string> = new Set(['PrepareStmt', 'DeclareCursorStmt']);

/**
 * Whose outputs they are. `top`: the statement's own. `inner`: those of a query in a FROM or WITH, or that nobody looks at: the column is then not shown there
 * but passed on where something further up asks for it. `elsewhere`: what becomes of them is not followed.
 */
type Level = 'top' | 'inner' | 'elsewhere';

/** EXPLAIN shows no value. */
const TOP: Readonly<Record<string, Level>> = {
  SelectStmt: 'top',
  PrepareStmt: 'top',
  DeclareCursorStmt: 'top',
  ExplainStmt: 'inner',
};

/** What each WITH in sight shows; undefined where that cannot be told. */
type Ctes = ReadonlyMap<string, readonly ShownColumn[] | undefined>;
const NO_CTES: Ctes = new Map();

interface Part {
  readonly hidden: ReadonlySet<string>;
  readonly known: ReadonlySet<string>;
}

class Tracer {
  readonly #tables = new Map<Fields, Item>();
  readonly wanted = new Map<Fields, Set<string>>();
  misuse = false;
  /** By their alias, parts that show such columns: which, and all they show. */
  readonly #parts = new Map<string, Part[]>();
  /** Outputs that show such columns, by name. */
  readonly #labels = new Set<string>();
  #passed = 0;

  constructor(resolved: Resolved, book: MaskBook) {
    for (const { use, meaning } of resolved.relations) {
      if (meaning.kind !== 'user') continue;
      const { relation } = meaning;
      const standIns = book.masked.get(relation.oid)?.standIns;
      const columns = tableColumns(relation).map((shown, place): ShownColumn => {
        const column = relation.columns[place];
        if (column === undefined || standIns?.hasDigest(column.name) !== true) return shown;
        return { ...shown, digest: () => this.#fromTable(use.node, column.name, hashLabel(column)) };
      });
      const own = use.node['alias'] === undefined ? { schema: relation.schema } : {};
      this.#tables.set(use.node, { alias: use.alias, ...own, columns: renamed(columns, use.node['alias']) });
    }
  }

  statement(site: Site, ctes: Ctes, level: Level): void {
    const { kind, node } = site;
    if (kind === 'SelectStmt') return void this.#select(node, ctes, level);
    const inner = this.#with(node, ctes);
    for (const field of FROM_FIELDS) if (node[field] !== undefined) this.#from(node[field], inner);
    eachChild(kind, node, (child) => {
      if (child.field !== 'withClause' && !FROM_FIELDS.includes(child.field))
        this.#visit(child, inner, child.field === 'query' ? level : 'elsewhere');
    });
  }

  /** Whether what is left of the statement still names such a column, or a row that holds one. */
  mentioned(site: Site): boolean {
    if (isOurs(site.node)) return false;
    if (site.kind === 'ColumnRef' && this.#isHidden(site.node['fields'])) return true;
    if (site.kind === 'JoinExpr' && (nameParts(site.node['usingClause']) ?? []).some((name) => this.#isName(name)))
      return true;
    let found = false;
    eachChild(site.kind, site.node, (child) => {
      found ||= this.mentioned(child);
    });
    return found;
  }

  #isHidden(fields: unknown): boolean {
    const names = listOf(fields).map((item) => nameParts([item])?.[0] ?? '*');
    const [last = '*', alias] = [...names].reverse();
    if (alias === undefined) return last !== '*' && (this.#isName(last) || this.#parts.has(last));
    // What is none of its columns is a call on its row: `c.to_json`.
    return this.#parts.get(alias)?.some(({ hidden, known }) => hidden.has(last) || !known.has(last)) ?? false;
  }

  #isName(name: string): boolean {
    return this.#labels.has(name) || [...this.#parts.values()].flat().some(({ hidden }) => hidden.has(name));
  }

  /** @returns what it shows */
  #select(node: Fields, outer: Ctes, level: Level): readonly ShownColumn[] | undefined {
    const ctes = this.#with(node, outer);
    if (isFields(node['larg'])) {
      const [left] = [node['larg'], node['rarg']].map((arm) =>
        isFields(arm) ? this.#select(arm, ctes, 'elsewhere') : undefined,
      );
      this.#rest(node, ctes, ['larg', 'rarg']);
      return left?.map(({ name }) => ({ name }));
    }
    const scope = this.#from(node['fromClause'], ctes);
    this.#rest(node, ctes, ['fromClause']);
    if (!Array.isArray(node['targetList'])) return node['valuesLists'] === undefined ? [] : undefined;
    node['targetList'] = node['targetList'].flatMap((item) => this.#unstarred(item, scope));
    return this.#outputs(node, scope, level);
  }

  #outputs(select: Fields, scope: Scope, level: Level): readonly ShownColumn[] | undefined {
    const targets = listOf(select['targetList']).map(targetOf);
    const shown = targets.map((target, place) => {
      const found = columnOf(scope, fieldsOf(target));
      const name = labelOf(target);
      if (found?.column.digest === undefined) return { name };
      this.#labels.add(name);
      if (level === 'elsewhere') return { name };
      if (!isPlain(select) || sortsBy(select, place)) {
        this.misuse = true;
        return { name };
      }
      return this.#output(select, target, name, found.alias, found.column.digest, level);
    });
    return targets.some(isStar) ? undefined : shown;
  }

  #output(
    select: Fields,
    target: Fields,
    name: string,
    alias: string,
    digest: () => string,
    level: Level,
  ): ShownColumn {
    target['name'] = name;
    if (level === 'top') {
      target['val'] = digestReference(alias, digest());
      markHashed(target);
      return { name };
    }
    target['val'] = placeholder();
    let label: string | undefined;
    return {
      name,
      digest: () => {
        if (label !== undefined) return label;
        this.#passed += 1;
        label = `${HASH_LABEL}passed ${this.#passed}`;
        listOf(select['targetList']).push({ ResTarget: { name: label, val: digestReference(alias, digest()) } });
        return label;
      },
    };
  }

  #fromTable(node: Fields, column: string, label: string): string {
    const columns = this.wanted.get(node) ?? new Set<string>();
    this.wanted.set(node, columns.add(column));
    return label;
  }

  /** A star as the columns it stands for, where that can be told. */
  #unstarred(item: unknown, scope: Scope): readonly unknown[] {
    const target = targetOf(item);
    if (!isStar(target)) return [item];
    const fields = fieldsOf(target);
    const columns = starColumns(scope, fields);
    if (columns !== undefined) return columns.map((val) => ({ ResTarget: { val } }));
    if (fields.length === 1 && scope.items.some((one) => one.columns?.some(({ digest }) => digest !== undefined)))
      this.misuse = true;
    return [item];
  }

  #with(node: Fields, outer: Ctes): Ctes {
    const clause = isFields(node['withClause']) ? node['withClause'] : undefined;
    if (clause === undefined) return outer;
    const ctes = new Map(outer);
    const list = listOf(clause['ctes']).map((item) =>
      isFields(item) && isFields(item['CommonTableExpr']) ? item['CommonTableExpr'] : {},
    );
    const recursive = clause['recursive'] === true;
    if (recursive) for (const cte of list) ctes.set(String(cte['ctename']), undefined);
    for (const cte of list) {
      const query = isFields(cte['ctequery']) ? cte['ctequery'] : {};
      const select = isFields(query['SelectStmt']) ? query['SelectStmt'] : undefined;
      const shown = select && this.#select(select, ctes, recursive ? 'elsewhere' : 'inner');
      if (select === undefined) eachChild('', { ctequery: query }, (child) => this.#visit(child, ctes, 'elsewhere'));
      const columns = recursive ? undefined : shown && renamed(shown, { colnames: cte['aliascolnames'] });
      ctes.set(String(cte['ctename']), columns);
    }
    return ctes;
  }

  #from(from: unknown, ctes: Ctes): Scope {
    const scopes = (Array.isArray(from) ? from : [from]).map((item) => this.#fromOne(item, ctes));
    return scopes.length === 1 ? (scopes[0] ?? NO_SCOPE) : joined(scopes);
  }

  #fromOne(item: unknown, ctes: Ctes): Scope {
    if (!isFields(item)) return NO_SCOPE;
    const { RangeVar: table, RangeSubselect: query, JoinExpr: join } = item;
    if (isFields(table)) return this.#part(this.#table(table, ctes));
    if (isFields(query)) return this.#part(this.#query(query, ctes));
    if (isFields(join)) return this.#join(join, ctes);
    eachChild('', { item }, (child) => this.#visit(child, ctes, 'elsewhere'));
    const alias = Object.values(item).map((node) => (isFields(node) ? aliasOf(node) : undefined))[0];
    return scopeOf({ alias: alias ?? '', columns: undefined });
  }

  #part(item: Item): Scope {
    const hidden = item.columns?.filter(({ digest }) => digest !== undefined) ?? [];
    if (hidden.length > 0) {
      const namesakes = this.#parts.get(item.alias) ?? [];
      const known = new Set(item.columns?.map(({ name }) => name));
      this.#parts.set(item.alias, [...namesakes, { hidden: new Set(hidden.map(({ name }) => name)), known }]);
    }
    return scopeOf(item);
  }

  #table(node: Fields, ctes: Ctes): Item {
    const name = String(node['relname']);
    const alias = aliasOf(node) ?? name;
    if (node['schemaname'] !== undefined || !ctes.has(name))
      return this.#tables.get(node) ?? { alias, columns: undefined };
    const columns = ctes.get(name);
    return { alias, columns: columns && renamed(columns, node['alias']) };
  }

  #query(node: Fields, ctes: Ctes): Item {
    const select = isFields(node['subquery']) ? node['subquery']['SelectStmt'] : undefined;
    const columns = isFields(select) ? this.#select(select, ctes, 'inner') : undefined;
    return { alias: aliasOf(node) ?? '', columns: columns && renamed(columns, node['alias']) };
  }

  #join(node: Fields, ctes: Ctes): Scope {
    const sides = [this.#fromOne(node['larg'], ctes), this.#fromOne(node['rarg'], ctes)];
    eachChild('JoinExpr', node, (child) => {
      if (child.field !== 'larg' && child.field !== 'rarg') this.#visit(child, ctes, 'elsewhere');
    });
    const both = joined(sides);
    const own = aliasOf(node);
    // It hides what it joins.
    if (own !== undefined) return { items: [{ alias: own, columns: undefined }], star: undefined };
    const plain = node['isNatural'] !== true && node['usingClause'] === undefined;
    return plain ? both : { items: both.items, star: undefined };
  }

  /** Everything of a query but its WITH and these fields: what it holds of further queries. */
  #rest(node: Fields, ctes: Ctes, but: readonly string[]): void {
    eachChild('SelectStmt', node, (child) => {
      if (child.field !== 'withClause' && !but.includes(child.field)) this.#visit(child, ctes, 'elsewhere');
    });
  }

  #visit(site: Site, ctes: Ctes, level: Level): void {
    if (isOurs(site.node)) return;
    if (site.kind.endsWith('Stmt')) return this.statement(site, ctes, level);
    // Nobody looks at what EXISTS selects.
    const inside: Level = site.node['subLinkType'] === 'EXISTS_SUBLINK' ? 'inner' : 'elsewhere';
    eachChild(site.kind, site.node, (child) =>
      this.#visit(child, ctes, child.field === 'subselect' ? inside : 'elsewhere'),
    );
  }
}

const FROM_FIELDS = ['fromClause', 'usingClause', 'sourceRelation'];

/** Gives each row of its FROM as it is, or none of it. */
function isPlain(select: Fields): boolean {
  return CHANGING.every((field) => select[field] === undefined);
}

const CHANGING = ['distinctClause', 'groupClause', 'havingClause', 'intoClause', 'lockingClause'];

/** ORDER BY 2 */
function sortsBy(select: Fields, place: number): boolean {
  return listOf(select['sortClause']).some((item) => {
    const by = isFields(item) && isFields(item['SortBy']) ? item['SortBy']['node'] : undefined;
    const value = isFields(by) && isFields(by['A_Const']) ? by['A_Const']['ival'] : undefined;
    return isFields(value) && value['ival'] === place + 1;
  });
}

function placeholder(): Fields {
  return allOurs(hashPlaceholder() ?? {});
}

function digestReference(alias: string, label: string): Fields {
  return allOurs(reference(alias, label));
}

function allOurs(wrapper: Fields): Fields {
  for (const node of Object.values(wrapper)) if (isFields(node)) markOurs(node);
  return wrapper;
}

function mentionsOurs(value: unknown): boolean {
  if (typeof value === 'string') return value.startsWith(HASH_LABEL);
  if (Array.isArray(value)) return value.some(mentionsOurs);
  return isFields(value) && Object.values(value).some(mentionsOurs);
}

function aliasOf(node: Fields): string | undefined {
  return isFields(node['alias']) ? String(node['alias']['aliasname']) : undefined;
}

function targetOf(item: unknown): Fields {
  return isFields(item) && isFields(item['ResTarget']) ? item['ResTarget'] : {};
}

function fieldsOf({ val }: Fields): readonly unknown[] {
  const column = isFields(val) && isFields(val['ColumnRef']) ? val['ColumnRef'] : {};
  return listOf(column['fields']);
}

function isStar(target: Fields): boolean {
  const last = fieldsOf(target).at(-1);
  return isFields(last) && last['A_Star'] !== undefined;
}

/** As PostgreSQL calls an output that is a column; what it calls others does not matter here. */
function labelOf(target: Fields): string {
  return typeof target['name'] === 'string' ? target['name'] : (nameParts(fieldsOf(target).slice(-1))?.[0] ?? '');
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

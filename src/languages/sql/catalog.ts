/**
 * What is known of a database when a statement is read: relations with their columns, what depends on what, and every object that is not
 * PostgreSQL's own. Plain data, sent to the workers once per version.
 */
import { createHash } from 'node:crypto';
import { CATALOG_PARTS, type CatalogPart } from './catalog-queries.ts';

export type Oid = number;

export interface CatalogSnapshot {
  /** Hash of the content: equal versions are equal snapshots. */
  readonly version: string;
  /** Another session had a table locked against everybody: it may be about to change it. */
  readonly unsettled?: boolean;
  readonly relations: readonly Relation[];
  readonly functions: readonly UserFunction[];
  readonly operators: readonly UserOperator[];
  readonly types: readonly UserType[];
  readonly casts: readonly UserCast[];
  readonly constraints: readonly Constraint[];
  readonly indexes: readonly Index[];
  readonly triggers: readonly Trigger[];
  readonly rules: readonly {
    readonly relation: Oid;
    readonly name: string;
    readonly event: 'update' | 'insert' | 'delete';
  }[];
  readonly policies: readonly Policy[];
  readonly defaults: readonly Default[];
  readonly eventTriggers: readonly { readonly name: string; readonly event: string; readonly function: Oid }[];
  /** Default operator classes made for some type; they run in every sort of it. */
  readonly opclasses: readonly { readonly name: string; readonly type: Oid }[];
  /** (child, parent) pairs of inheritance and partitioning. */
  readonly inherits: readonly (readonly [Oid, Oid])[];
  readonly partitionKeys: readonly { readonly relation: Oid; readonly columns: readonly number[] }[];
}

/** pg_class.relkind: table, view, materialised view, partitioned table, foreign table, sequence, composite type. */
export type RelationKind = 'r' | 'v' | 'm' | 'p' | 'f' | 'S' | 'c';

export interface Relation {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  readonly kind: RelationKind;
  readonly rowSecurity: boolean;
  /** A view that keeps its own conditions before those of a query (`security_barrier`). */
  readonly barrier: boolean;
  /** What a view selects, every name in it qualified. */
  readonly definition?: string;
  readonly columns: readonly Column[];
  /**
   * Another session had it, or what its texts name, locked against everybody when they were to be read: its definition, or an expression of a policy,
   * a default, a constraint or an index of it, is not known now.
   */
  readonly locked?: true;
}

export interface Column {
  readonly attnum: number;
  readonly name: string;
  readonly type: Oid;
  /** As `format_type` writes it with an empty search_path: `character varying(20)`, `public.mood`. */
  readonly typeText: string;
  readonly generated: boolean;
  readonly identity: boolean;
  readonly hasDefault: boolean;
  /** pg_attribute holds the value that rows older than the column have in it. */
  readonly keepsMissing: boolean;
}

export interface UserFunction {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  /** `public.f(integer)`. */
  readonly signature: string;
  readonly arguments: readonly Oid[];
  readonly defaults: number;
  readonly variadic: boolean;
  readonly kind: 'f' | 'p' | 'a' | 'w';
  readonly language: string;
  readonly extension?: string;
  /** SHA-256 of pg_get_functiondef, hex; aggregates have none and cannot be trusted by it. */
  readonly sha256?: string;
  /** Its body names a relation that was locked: the hash is not known now. */
  readonly locked?: true;
}

export interface UserOperator {
  readonly schema: string;
  readonly name: string;
  /** 0 for a prefix operator. */
  readonly left: Oid;
  readonly right: Oid;
  readonly function: Oid;
}

export interface UserType {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  /** pg_type.typtype: base, composite, domain, enum, pseudo, range, multirange. */
  readonly kind: string;
  readonly category: string;
  readonly element: Oid;
  readonly base: Oid;
  readonly relation: Oid;
  /** User functions that run when a value of it is read, written or checked. */
  readonly functions: readonly Oid[];
  readonly subtype: Oid;
}

export interface UserCast {
  readonly source: Oid;
  readonly target: Oid;
  readonly function: Oid;
  readonly context: 'implicit' | 'assignment' | 'explicit';
  /** Binary-coercible casts run nothing. */
  readonly runs: boolean;
}

export interface Constraint {
  readonly relation: Oid;
  readonly kind: 'check' | 'foreign' | 'primary' | 'unique' | 'exclusion' | 'notNull';
  readonly name: string;
  /** Columns of the relation it looks at; 0 stands for the whole row. */
  readonly columns: readonly number[];
  readonly references: Oid;
  readonly referenced: readonly number[];
  readonly onUpdate: string;
  readonly onDelete: string;
  readonly expression?: string;
  /** It may refuse a row that is there as it is: it was never checked against it, or depends on the clock or the session. */
  readonly unsteady: boolean;
}

export interface Index {
  readonly oid: Oid;
  readonly relation: Oid;
  readonly name: string;
  readonly unique: boolean;
  /** All columns it looks at, those of its expressions and predicate too; 0 stands for the whole row. */
  readonly columns: readonly number[];
  readonly evaluates: readonly string[];
  /** Only rows that meet it are in the index; also among `evaluates`. */
  readonly predicate?: string;
  readonly nullsNotDistinct: boolean;
}

export interface Trigger {
  readonly relation: Oid;
  readonly name: string;
  readonly on: readonly ('insert' | 'update' | 'delete' | 'truncate')[];
  readonly function: Oid;
}

export interface Policy {
  readonly relation: Oid;
  readonly name: string;
  /** `*`, or the one command it is for. */
  readonly command: string;
  readonly expressions: readonly string[];
}

export interface Default {
  readonly relation: Oid;
  readonly attnum: number;
  readonly expression: string;
  /** Other columns a generated column is computed from; 0 stands for the whole row. */
  readonly from: readonly number[];
}

export const EMPTY_CATALOG: CatalogSnapshot = catalogFromRows([]);

/** Reads what `CATALOG_QUERY` gave: rows of (part, JSON). Throws a plain Error when the rows are not its rows. */
export function catalogFromRows(rows: readonly (readonly (string | null)[])[]): CatalogSnapshot {
  const parts = new Map<string, string>();
  for (const row of rows) parts.set(row[0] ?? '', row[1] ?? '[]');
  const hash = createHash('sha256');
  const read = (part: CatalogPart): Row[] => {
    const text = parts.get(part) ?? '[]';
    hash.update(part).update('\0').update(text).update('\0');
    return (JSON.parse(text) as unknown[][]).map((values) => new Row(values));
  };
  const locked = new Set<Oid>();
  /** Rows of what belongs to a relation; the last column says whether their texts had to be left out. */
  const readOf = (part: CatalogPart, at: number): Row[] => {
    const rows = read(part);
    for (const row of rows) if (row.flag(at)) locked.add(row.number(0));
    return rows;
  };
  const relationRows = read('relations');
  // Of a table itself nothing is left out; but whoever has it locked is about to change something.
  const unsettled = relationRows.some((row) => row.flag(10));
  for (const row of relationRows) if (row.flag(10) && VIEWS.has(row.text(3) as RelationKind)) locked.add(row.number(0));
  const content = {
    relations: relationRows.map(relation),
    inherits: read('inherits').map((row) => [row.number(0), row.number(1)] as const),
    functions: read('functions').map(userFunction),
    operators: read('operators').map(userOperator),
    types: read('types').map(userType),
    casts: read('casts').map(userCast),
    constraints: readOf('constraints', 11).map(constraint),
    indexes: readOf('indexes', 9).map(index),
    triggers: read('triggers').map(trigger),
    rules: read('rules').map((row) => ({
      relation: row.number(0),
      name: row.text(1),
      event: RULE_EVENTS[row.text(2)] ?? ('update' as const),
    })),
    policies: readOf('policies', 5).map(policy),
    defaults: readOf('defaults', 4).map(columnDefault),
    eventTriggers: read('eventTriggers').map((row) => ({
      name: row.text(0),
      event: row.text(1),
      function: row.number(2),
    })),
    opclasses: read('opclasses').map((row) => ({ name: row.text(0), type: row.number(1) })),
    partitionKeys: read('partitionKeys').map((row) => ({
      relation: row.number(0),
      columns: row.text(1).split(' ').map(Number),
    })),
  };
  for (const part of parts.keys())
    if (!Object.hasOwn(CATALOG_PARTS, part)) throw new Error(`the catalog query gave an unknown part "${part}"`);
  const relations = locked.size === 0 ? content.relations : content.relations.map((one) => marked(one, locked));
  return { version: hash.digest('hex'), ...content, relations, ...(unsettled && { unsettled }) };
}

function marked(relation: Relation, locked: ReadonlySet<Oid>): Relation {
  return locked.has(relation.oid) ? { ...relation, locked: true } : relation;
}

/** Whether something was left out of it because it was locked. */
export function isWhole({ relations, functions }: CatalogSnapshot): boolean {
  return !relations.some((one) => one.locked) && !functions.some((one) => one.locked);
}

/** Whether it is likely to be another one soon: something was left out of it, or somebody has a table locked against everybody. */
export function isSettled(catalog: CatalogSnapshot): boolean {
  return catalog.unsettled !== true && isWhole(catalog);
}

/**
 * Gives views whose definition is not known now the one they had. Nobody can give a view another definition while somebody else has a table below it locked;
 * they stay marked all the same.
 */
export function withDefinitionsOf(before: CatalogSnapshot, now: CatalogSnapshot): CatalogSnapshot {
  const known = new Map(before.relations.map((one) => [one.oid, one.definition]));
  const hash = createHash('sha256').update(now.version);
  const relations = now.relations.map((one) => {
    const definition =
      one.locked && VIEWS.has(one.kind) && one.definition === undefined ? known.get(one.oid) : undefined;
    if (definition === undefined) return one;
    hash.update(`\0${one.oid}\0${definition}`);
    return { ...one, definition };
  });
  return { ...now, version: hash.digest('hex'), relations };
}

const VIEWS: ReadonlySet<RelationKind> = new Set(['v', 'm']);

/** Reads one row's columns by position. */
class Row {
  readonly #values: unknown[];
  constructor(values: unknown[]) {
    this.#values = values;
  }
  text(at: number): string {
    const value = this.#values[at];
    return typeof value === 'string' ? value : '';
  }
  maybe(at: number): string | undefined {
    const value = this.#values[at];
    return typeof value === 'string' ? value : undefined;
  }
  number(at: number): number {
    const value = this.#values[at];
    return typeof value === 'number' ? value : 0;
  }
  flag(at: number): boolean {
    return this.#values[at] === true;
  }
  numbers(at: number): number[] {
    const value = this.#values[at];
    return Array.isArray(value) ? value.filter((item) => typeof item === 'number') : [];
  }
  rows(at: number): Row[] {
    const value = this.#values[at];
    return Array.isArray(value) ? value.filter(Array.isArray).map((item: unknown[]) => new Row(item)) : [];
  }
}

function relation(row: Row): Relation {
  const definition = row.maybe(7);
  return {
    oid: row.number(0),
    schema: row.text(1),
    name: row.text(2),
    kind: row.text(3) as RelationKind,
    rowSecurity: row.flag(5),
    barrier: row.flag(9),
    ...(definition === undefined ? {} : { definition }),
    columns: row.rows(8).map(column),
  };
}

function column(row: Row): Column {
  return {
    attnum: row.number(0),
    name: row.text(1),
    type: row.number(2),
    typeText: row.text(3),
    generated: row.text(4) !== '',
    identity: row.text(5) !== '',
    hasDefault: row.flag(6),
    keepsMissing: row.flag(7),
  };
}

function userFunction(row: Row): UserFunction {
  const extension = row.maybe(10);
  const sha256 = row.maybe(11);
  return {
    oid: row.number(0),
    schema: row.text(1),
    name: row.text(2),
    signature: row.text(3),
    arguments: row.numbers(4),
    defaults: row.number(6),
    variadic: row.flag(7),
    kind: row.text(8) as UserFunction['kind'],
    language: row.text(9),
    ...(extension === undefined ? {} : { extension }),
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(row.flag(12) ? { locked: true } : {}),
  };
}

function userOperator(row: Row): UserOperator {
  return { schema: row.text(1), name: row.text(2), left: row.number(3), right: row.number(4), function: row.number(5) };
}

function userType(row: Row): UserType {
  return {
    oid: row.number(0),
    schema: row.text(1),
    name: row.text(2),
    kind: row.text(3),
    category: row.text(4),
    element: row.number(5),
    base: row.number(6),
    relation: row.number(7),
    functions: row.numbers(8),
    subtype: row.number(9),
  };
}

const CAST_CONTEXTS: Readonly<Record<string, UserCast['context']>> = { i: 'implicit', a: 'assignment', e: 'explicit' };

function userCast(row: Row): UserCast {
  return {
    source: row.number(0),
    target: row.number(1),
    function: row.number(2),
    context: CAST_CONTEXTS[row.text(3)] ?? 'implicit',
    runs: row.text(4) !== 'b',
  };
}

const CONSTRAINT_KINDS: Readonly<Record<string, Constraint['kind']>> = {
  c: 'check',
  f: 'foreign',
  p: 'primary',
  u: 'unique',
  x: 'exclusion',
  n: 'notNull',
};

function constraint(row: Row): Constraint {
  const expression = row.maybe(9);
  return {
    relation: row.number(0),
    kind: CONSTRAINT_KINDS[row.text(1)] ?? 'check',
    name: row.text(2),
    columns: union(row.numbers(3), row.numbers(8)),
    references: row.number(4),
    referenced: row.numbers(5),
    onUpdate: row.text(6),
    onDelete: row.text(7),
    unsteady: row.flag(10),
    ...(expression === undefined ? {} : { expression }),
  };
}

function index(row: Row): Index {
  const keys = row.text(3).split(' ').map(Number);
  const predicate = row.maybe(6);
  const evaluates = [row.maybe(5), predicate].filter((text) => text !== undefined);
  // A 0 among the keys stands for an expression: what it looks at is among the dependencies.
  return {
    oid: row.number(8),
    relation: row.number(0),
    name: row.text(1),
    unique: row.flag(2),
    columns: union(
      keys.filter((key) => key !== 0),
      row.numbers(4),
    ),
    evaluates,
    ...(predicate === undefined ? {} : { predicate }),
    nullsNotDistinct: row.flag(7),
  };
}

// pg_trigger.h: TRIGGER_TYPE_INSERT 4, DELETE 8, UPDATE 16, TRUNCATE 32.
const TRIGGER_BITS = [
  [4, 'insert'],
  [8, 'delete'],
  [16, 'update'],
  [32, 'truncate'],
] as const;

function trigger(row: Row): Trigger {
  const type = row.number(2);
  return {
    relation: row.number(0),
    name: row.text(1),
    on: TRIGGER_BITS.filter(([bit]) => (type & bit) !== 0).map(([, event]) => event),
    function: row.number(3),
  };
}

// pg_rewrite.ev_type: SELECT 1, UPDATE 2, INSERT 3, DELETE 4.
const RULE_EVENTS: Readonly<Record<string, 'update' | 'insert' | 'delete'>> = { 2: 'update', 3: 'insert', 4: 'delete' };

function policy(row: Row): Policy {
  const expressions = [row.maybe(3), row.maybe(4)].filter((text) => text !== undefined);
  return { relation: row.number(0), name: row.text(1), command: row.text(2), expressions };
}

function columnDefault(row: Row): Default {
  return { relation: row.number(0), attnum: row.number(1), expression: row.text(2), from: row.numbers(3) };
}

function union(a: readonly number[], b: readonly number[]): number[] {
  return [...new Set([...a, ...b])];
}

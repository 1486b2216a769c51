/** What the parts of a FROM are called and which columns they show, as far as that can be told from the statement and the catalog. */
import type { Relation } from './catalog.ts';
import { type Fields, isFields, nameParts, stringNode } from './tree.ts';

export interface ShownColumn {
  readonly name: string;
  /** Set on a column that shows what is masked by its hash: makes the part yield the digest too, under the label that comes back. */
  readonly digest?: () => string;
}

export interface Item {
  readonly alias: string;
  /** Of a relation that is called by its own name. */
  readonly schema?: string;
  /** Undefined: cannot be told. */
  readonly columns: readonly ShownColumn[] | undefined;
}

/** What a FROM shows. */
export interface Scope {
  readonly items: readonly Item[];
  /** What `*` stands for, in order, as references; undefined where that cannot be told. */
  readonly star: readonly Fields[] | undefined;
}

export const NO_SCOPE: Scope = { items: [], star: [] };

export function scopeOf(item: Item): Scope {
  return { items: [item], star: starOf(item) };
}

/** Parts side by side, or joined ON a condition. */
export function joined(parts: readonly Scope[]): Scope {
  const items = parts.flatMap((one) => one.items);
  const stars = parts.map(({ star }) => star);
  return { items, star: stars.some((star) => star === undefined) ? undefined : stars.flatMap((star) => star ?? []) };
}

/** The columns of a relation under its alias's names for them. */
export function renamed(columns: readonly ShownColumn[], alias: unknown): readonly ShownColumn[] {
  const given = isFields(alias) ? (nameParts(alias['colnames']) ?? []) : [];
  return given.length === 0
    ? columns
    : columns.map((column, place) => ({ ...column, name: given[place] ?? column.name }));
}

/** The one column that a reference means, of the parts in sight here; undefined also where that cannot be told. */
export function columnOf(scope: Scope, fields: unknown): { alias: string; column: ShownColumn } | undefined {
  const names = nameParts(fields) ?? [];
  const [name, alias, schema] = [...names].reverse();
  if (name === undefined || names.length > 3) return undefined;
  const found = scope.items
    .filter((item) => alias === undefined || item.alias === alias)
    .filter((item) => schema === undefined || item.schema === schema)
    .flatMap((item) => (item.columns ?? []).filter((one) => one.name === name).map((column) => ({ item, column })));
  const [only, second] = found;
  if (only === undefined || second !== undefined) return undefined;
  // Two parts of one name can only be told apart by schema, which a reference to a sub-query cannot have.
  if (scope.items.filter((item) => item.alias === only.item.alias).length > 1) return undefined;
  return { alias: only.item.alias, column: only.column };
}

/** What a star at the end of an output stands for, as references. */
export function starColumns(scope: Scope, fields: readonly unknown[]): readonly Fields[] | undefined {
  if (fields.length === 1) return unique(scope.items.map(({ alias }) => alias)) ? scope.star : undefined;
  const alias = nameParts(fields.slice(0, -1))?.at(-1);
  const [item, second] = scope.items.filter((one) => one.alias === alias);
  return fields.length === 2 && item !== undefined && second === undefined ? starOf(item) : undefined;
}

export function reference(...names: readonly string[]): Fields {
  return { ColumnRef: { fields: names.map(stringNode) } };
}

export function tableColumns(relation: Relation): readonly ShownColumn[] {
  return relation.columns.map(({ name }) => ({ name }));
}

function starOf({ alias, columns }: Item): readonly Fields[] | undefined {
  const names = columns?.map(({ name }) => name);
  return names !== undefined && unique(names) ? names.map((name) => reference(alias, name)) : undefined;
}

function unique(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}

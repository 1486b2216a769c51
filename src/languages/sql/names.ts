/**
 * Finds what a name means, as PostgreSQL would with a given search_path: relations, types, functions and operators, against one catalog snapshot.
 *
 * For relations and types the first schema of the path that has the name wins. Functions and operators are overloaded: here every candidate counts,
 * because which one PostgreSQL picks depends on types this room does not infer.
 */
import { builtinOperator } from './operators.ts';
import { type CatalogClass, catalogRelation, isBuiltinType, isSystemSchema } from './catalogs.ts';
import type { CatalogSnapshot, Oid, Relation, UserFunction, UserOperator, UserType } from './catalog.ts';
import { builtinFunction } from './functions.ts';
import { ANY_NUMBER } from './gathered.ts';
import type { Effect } from '../../domain/command.ts';

export type RelationName =
  | { readonly kind: 'user'; readonly relation: Relation }
  | {
      readonly kind: 'system';
      readonly schema: string;
      readonly name: string;
      readonly class: CatalogClass | undefined;
    }
  | { readonly kind: 'missing' };

export type TypeNameMeaning =
  | { readonly kind: 'builtin' }
  | { readonly kind: 'user'; readonly type: UserType }
  | { readonly kind: 'missing' };

export interface FunctionName {
  /** What PostgreSQL's own function of that name does, if it may be meant. */
  readonly builtin: Effect | undefined;
  /** User functions that may be meant. */
  readonly user: readonly UserFunction[];
}

export interface OperatorName {
  readonly builtin: boolean;
  readonly user: readonly UserOperator[];
}

export type Names = ReturnType<typeof createNames>;

export function createNames(catalog: CatalogSnapshot) {
  const relations = new Map<string, Relation>();
  const relationsByOid = new Map<Oid, Relation>();
  const fields = new Set(COMMON_FIELDS);
  for (const relation of catalog.relations) {
    relations.set(key(relation.schema, relation.name), relation);
    relationsByOid.set(relation.oid, relation);
    for (const column of relation.columns) fields.add(column.name);
  }
  const functions = grouped(catalog.functions);
  const functionsByOid = new Map(catalog.functions.map((one) => [one.oid, one]));
  const operators = grouped(catalog.operators);
  const types = new Map(catalog.types.map((type) => [key(type.schema, type.name), type]));
  const typesByOid = new Map(catalog.types.map((type) => [type.oid, type]));

  return {
    relation(schema: string | undefined, name: string, path: readonly string[]): RelationName {
      for (const candidate of schema === undefined ? path : [schema]) {
        const relation = relations.get(key(candidate, name));
        if (relation !== undefined) return { kind: 'user', relation };
        if (!isSystemSchema(candidate)) continue;
        const known = catalogRelation(candidate, name);
        if (known !== undefined || schema !== undefined)
          return { kind: 'system', schema: candidate, name, class: known };
      }
      return { kind: 'missing' };
    },

    type(names: readonly string[], path: readonly string[]): TypeNameMeaning {
      const name = names.at(-1) ?? '';
      const schema = names.length > 1 ? names.at(-2) : undefined;
      for (const candidate of schema === undefined ? path : [schema]) {
        const type = types.get(key(candidate, name));
        if (type !== undefined) return { kind: 'user', type };
        if (isSystemSchema(candidate) && isBuiltinType(name)) return { kind: 'builtin' };
      }
      return { kind: 'missing' };
    },

    /** @param userTypes whether values of user types are about: without them a candidate that takes one cannot be meant */
    function(names: readonly string[], count: number, path: readonly string[], userTypes: boolean): FunctionName {
      const name = names.at(-1) ?? '';
      const schemas = names.length > 1 ? [names.at(-2) ?? ''] : path;
      const user = (functions.get(name) ?? []).filter(
        (one) =>
          schemas.includes(one.schema) &&
          takes(one, count) &&
          (userTypes || names.length > 1 || !one.arguments.some(isUserOid)),
      );
      const builtin =
        schemas.includes('pg_catalog') || schemas.includes('information_schema') ? builtinFunction(name) : undefined;
      return { builtin, user };
    },

    operator(names: readonly string[], path: readonly string[], userTypes: boolean): OperatorName {
      const name = names.at(-1) ?? '';
      const schemas = names.length > 1 ? [names.at(-2) ?? ''] : path;
      const user = (operators.get(name) ?? []).filter(
        (one) =>
          schemas.includes(one.schema) &&
          (userTypes || names.length > 1 || !(isUserOid(one.left) || isUserOid(one.right))),
      );
      return { builtin: schemas.includes('pg_catalog') && builtinOperator(name), user };
    },

    /** Whether some function of the user's has the name and can take one argument: `(x).name` may call it. */
    callable(name: string): readonly UserFunction[] {
      return (functions.get(name) ?? []).filter((one) => takes(one, 1));
    },

    /** Whether a column, or a field of what a built-in function returns, is called so. */
    isField: (name: string): boolean => fields.has(name),
    relationByOid: (oid: Oid): Relation | undefined => relationsByOid.get(oid),
    functionByOid: (oid: Oid): UserFunction | undefined => functionsByOid.get(oid),
    typeByOid: (oid: Oid): UserType | undefined => typesByOid.get(oid),
  };
}

/** pg_catalog is looked through first unless the path names it (PostgreSQL, "The System Catalog Schema"). */
export function effectivePath(searchPath: readonly string[]): readonly string[] {
  return searchPath.includes('pg_catalog') ? searchPath : ['pg_catalog', ...searchPath];
}

/** Objects an administrator or extension made have OIDs from FirstNormalObjectId on. */
export function isUserOid(oid: Oid): boolean {
  return oid >= 16384;
}

function key(schema: string, name: string): string {
  return `${schema}\0${name}`;
}

function takes(one: UserFunction, count: number): boolean {
  if (count === ANY_NUMBER) return true;
  const most = one.arguments.length;
  return count <= most ? count >= most - one.defaults - (one.variadic ? 1 : 0) : one.variadic;
}

function grouped<T extends { readonly name: string }>(items: readonly T[]): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(item.name);
    if (group === undefined) groups.set(item.name, [item]);
    else group.push(item);
  }
  return groups;
}

// Columns of sets that built-in functions return, and of composite values clients make with them. None is the name of a built-in function with side effects.
const COMMON_FIELDS = [
  'key',
  'value',
  'n',
  'x',
  'y',
  'a',
  'b',
  'c',
  'f1',
  'f2',
  'f3',
  'f4',
  'f5',
  'ordinality',
  'word',
  'catcode',
  'grantor',
  'grantee',
  'privilege_type',
  'is_grantable',
  'id',
  'name',
  'item',
];

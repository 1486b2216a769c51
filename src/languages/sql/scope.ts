/**
 * A scope, kept for names, catalogs and what looks things up by number: in a statement names of other schemas mean nothing, whether there is such a thing or
 * not; catalogs are replaced by sub-queries of themselves that show what the scope may know of; an OID or a name passes to a function or a reg* type only if
 * what it names is in sight.
 */
import type { SqlRefusal } from './analysis.ts';
import type { CatalogSnapshot, Oid, UserType } from './catalog.ts';
import { isSystemSchema } from './catalogs.ts';
import { dependentsOf } from './dependents.ts';
import type { Gathered, RelationUse } from './gathered.ts';
import { REWRITABLE } from './guard.ts';
import type { MaskBook } from './masks.ts';
import { createNames } from './names.ts';
import { markOurs } from './ours.ts';
import { parseOne, type RawStatement } from './parser.ts';
import { shortenReferences, shortensToOther } from './qualify.ts';
import { refuse } from './refusing.ts';
import { guardedCall, regType } from './scope-calls.ts';
import { AMOUNTS, catalogFilter } from './scope-catalogs.ts';
import { isQuiet } from './scope-quiet.ts';
import { pathLeadsOut } from './scope-names.ts';
import { createScopeSql } from './scope-sql.ts';
import { hasNames, isOfNames } from './scope-types.ts';
import { narrowCalls } from './scope-walk.ts';
import type { Scope } from './scoped.ts';
import { eachObject, type Fields, isFields, nameParts, stringNode } from './tree.ts';
import type { Knowledge, Resolved } from './understanding.ts';

export type { Scope };

export function createScope(whole: Knowledge, schemas: readonly string[]): Scope {
  const own = new Set(schemas);
  const seen = new Set(['pg_catalog', 'information_schema', ...schemas]);
  const visible = withinScope(whole.catalog, seen);
  const { relationByOid, functionByOid, typeByOid } = whole.names;
  const names = { ...createNames(visible), relationByOid, functionByOid, typeByOid };
  return {
    schemas: own,
    seen,
    knowledge: { ...whole, names },
    whole,
    sql: createScopeSql(schemas, typesInUse(whole, visible, seen)),
    standIns: new Map(),
  };
}

function withinScope(catalog: CatalogSnapshot, seen: ReadonlySet<string>): CatalogSnapshot {
  const within = <T extends { readonly schema: string }>(list: readonly T[]) =>
    list.filter((one) => seen.has(one.schema));
  return {
    ...catalog,
    relations: within(catalog.relations),
    functions: within(catalog.functions),
    operators: within(catalog.operators),
    types: within(catalog.types),
  };
}

/** Types of other schemas that columns in sight have: without them tools could not say what a column is. */
function typesInUse({ names }: Knowledge, visible: CatalogSnapshot, seen: ReadonlySet<string>): readonly Oid[] {
  const found = new Set<Oid>();
  const wanted = visible.relations.flatMap(({ columns }) => columns.map(({ type }) => type));
  for (let oid = wanted.pop(); oid !== undefined; oid = wanted.pop()) {
    const type: UserType | undefined = names.typeByOid(oid);
    if (type === undefined || seen.has(type.schema) || found.has(oid)) continue;
    found.add(oid);
    wanted.push(type.element, type.base, type.subtype);
  }
  return [...found].sort((a, b) => a - b);
}

/** What the statement's names mean. Statements that are sent as they are written are resolved by the server, with all there is. */
export function knowledgeFor(kind: string, scope: Scope | undefined, whole: Knowledge): Knowledge {
  return scope !== undefined && REWRITABLE.has(kind) ? scope.knowledge : whole;
}

/** A name that is written with a schema outside. The answer is the same whether there is such a thing or not. */
export function outsideRefusal(raw: RawStatement, gathered: Gathered, { seen }: Scope): SqlRefusal | undefined {
  const schemas = [
    ...gathered.relations.map(({ schema }) => schema),
    ...gathered.functions.map(({ names }) => names.at(-2)),
    ...gathered.operators.map(({ names }) => names.at(-2)),
    ...gathered.types.map((type) => nameParts(type['names'])?.at(-2)),
    ...collationsOf(raw),
  ];
  const outside = schemas.find((schema) => schema !== undefined && !seen.has(schema) && !isSystemSchema(schema));
  return outside === undefined ? undefined : outsideOf(seen);
}

function outsideOf(seen: ReadonlySet<string>): SqlRefusal {
  const own = [...seen].filter((schema) => !isSystemSchema(schema));
  return refuse(
    'OUTSIDE_SCOPE',
    'it names something outside the schemas this session may reach',
    own.length === 0 ? 'no schema may be reached here' : `keep to ${own.join(', ')}`,
  );
}

function collationsOf({ node }: RawStatement): (string | undefined)[] {
  const found: (string | undefined)[] = [];
  eachObject(node, ({ CollateClause: bare, collClause }) => {
    for (const one of [bare, collClause]) if (isFields(one)) found.push(nameParts(one['collname'])?.at(-2));
  });
  return found;
}

export interface NarrowParts {
  readonly raw: RawStatement;
  readonly resolved: Resolved;
  readonly scope: Scope;
  readonly book: MaskBook;
  readonly path: readonly string[];
}

/** Puts catalogs and look-ups under the scope. Changes the tree in place. @returns why it cannot be done */
export function narrow({ raw, resolved, scope, book, path }: NarrowParts): SqlRefusal | undefined {
  const fenced = !isQuiet(raw, resolved);
  const refusal = typesRefusal(resolved, scope) ?? viewsRefusal(resolved, scope);
  if (refusal !== undefined) return refusal;
  const looked = narrowCalls({ raw, resolved, scope, path });
  if (looked.kind === 'refused') return looked.refusal === 'outside' ? outsideOf(scope.seen) : closed(looked.refusal);
  const replaced = resolved.relations.flatMap(({ meaning }) =>
    meaning.kind === 'system' && catalogFilter(meaning.schema, meaning.name).kind === 'filtered' ? [meaning] : [],
  );
  if (replaced.length > 0 && shortensToOther(raw.node, replaced))
    return refuse('NOT_REWRITABLE', 'two relations in it go by one name', 'give each an alias', '0A000');
  for (const { use, meaning } of resolved.relations) {
    if (meaning.kind === 'user' && use.role === 'target' && hasNames(meaning.relation, scope.whole))
      return closed('a column that looks names up');
    if (meaning.kind !== 'system') continue;
    const filter = catalogFilter(meaning.schema, meaning.name);
    if (filter.kind === 'open') continue;
    const { name, schema } = meaning;
    if (filter.kind === 'closed') return closed(`${schema}.${name}`);
    if (use.role !== 'from' || use.wrapper === undefined || use.locked || use.sampled || !REWRITABLE.has(raw.kind))
      return closed(`${schema}.${name} used otherwise than in a query`);
    if (raw.kind === 'ExplainStmt') return closed(`a plan over ${schema}.${name}`);
    const standIn = standInFor(use, schema, name, filter.terms, { scope, book, resolved, fenced });
    if (typeof standIn === 'string') return closed(standIn);
    delete use.wrapper['RangeVar'];
    use.wrapper['RangeSubselect'] = {
      subquery: { SelectStmt: standIn },
      alias: isFields(use.node['alias']) ? use.node['alias'] : { aliasname: use.alias },
    };
  }
  if (looked.changed && raw.kind === 'ExplainStmt') return closed('a plan over what looks names or numbers up');
  if (looked.changed && !REWRITABLE.has(raw.kind)) return closed('what looks names or numbers up');
  if (pathLeadsOut(path, scope.seen)) qualifyCollations(raw);
  shortenReferences(raw.node, replaced);
  return undefined;
}

function closed(what: string): SqlRefusal {
  return refuse(
    'SENSITIVE_CATALOG',
    `${what} would show what lies outside the schemas this session may reach`,
    'read information_schema or the plain catalogs, which show what lies inside',
  );
}

// The catalog does not list collations: without a schema only the server's own are meant then.
function qualifyCollations({ node }: RawStatement): void {
  eachObject(node, ({ CollateClause: clause }) => {
    if (isFields(clause) && nameParts(clause['collname'])?.length === 1 && Array.isArray(clause['collname']))
      clause['collname'] = [stringNode('pg_catalog'), ...clause['collname']];
  });
}

/** A row of a catalog as a type has columns that look names up. */
function typesRefusal({ types }: Resolved, { whole }: Scope): SqlRefusal | undefined {
  for (const { node, meaning } of types) {
    const name = nameParts(node['names'])?.at(-1) ?? '';
    if (meaning.kind === 'builtin' && catalogFilter('pg_catalog', name.replace(/^_/, '')).kind !== 'closed')
      return closed(`the type ${name}`);
    if (meaning.kind === 'user' && isOfNames(meaning.type.oid, whole)) return closed(`the type ${name}`);
  }
  return undefined;
}

/** What a view reads of catalogs it reads for everybody. */
function viewsRefusal(resolved: Resolved, { whole }: Scope): SqlRefusal | undefined {
  for (const { meaning } of resolved.relations) {
    if (meaning.kind !== 'user' || (meaning.relation.kind !== 'v' && meaning.relation.kind !== 'm')) continue;
    const view = whole.view(meaning.relation);
    const inner = view?.relations.map((relation) => whole.view(relation)?.resolved) ?? [];
    for (const one of [view?.resolved, ...inner]) {
      const shows =
        one?.relations.some(
          ({ meaning: of }) => of.kind === 'system' && catalogFilter(of.schema, of.name).kind !== 'open',
        ) ||
        one?.functions.some(
          ({ use, meaning: of }) => of.user.length === 0 && guardedCall(use.names.at(-1) ?? '') !== undefined,
        ) ||
        one?.types.some(({ node }) => regType(nameParts(node['names'])?.at(-1) ?? '') !== undefined);
      if (shows) return closed(`the view ${meaning.relation.name}, which reads catalogs,`);
    }
  }
  return undefined;
}

interface Around {
  readonly scope: Scope;
  readonly book: MaskBook;
  readonly resolved: Resolved;
  readonly fenced: boolean;
}

/** @returns why there is none */
function standInFor(
  use: RelationUse,
  schema: string,
  name: string,
  terms: readonly string[],
  { scope, book, resolved, fenced }: Around,
): Fields | string {
  const { exposure } = resolved;
  const hidden = HIDDEN_COLUMNS.find((column) => exposure.column(use, column, true));
  if (hidden !== undefined) return `${name}.${hidden}`;
  const system = schema === 'pg_catalog' ? SYSTEM_COLUMNS.filter((column) => exposure.column(use, column, true)) : [];
  // With a star in sight they would stand in it.
  if (system.length > 0 && exposure.column(use, '*')) return `${system[0]} beside *`;
  const amounts = AMOUNTS.get(name)?.some((column) => exposure.column(use, column)) === true;
  const counted = name === 'pg_class' ? book.counted : [];
  const key = `${schema}.${name} ${system.join()} ${amounts} ${counted.join()} ${fenced}`;
  const known = scope.standIns.get(key);
  if (known !== undefined) return known;
  const conditions = [
    scope.sql.condition(terms, 'm'),
    ...(amounts ? ['m.oid OPERATOR(pg_catalog.>=) 16384'] : []),
    ...(counted.length > 0 ? [`m.oid OPERATOR(pg_catalog.<>) ALL ('{${counted.join()}}'::pg_catalog.oid[])`] : []),
  ];
  const columns = [...system.map((column) => `m.${column}`), 'm.*'].join(', ');
  // Conditions of the statement itself must not be asked of rows that are out of sight, where an error of theirs would tell.
  const text = `SELECT ${columns} FROM ${schema}.${name} AS m WHERE ${conditions.join(' AND ')}${fenced ? ' OFFSET 0' : ''}`;
  const parsed = parseOne(text);
  if (parsed?.kind !== 'SelectStmt') throw new Error(`no stand-in for ${schema}.${name}`);
  const select = markOurs(parsed.node);
  scope.standIns.set(key, select);
  return select;
}

/** Where a row lies tells what lies before it. */
const HIDDEN_COLUMNS = ['ctid', 'cmin', 'cmax', 'xmax'];
const SYSTEM_COLUMNS = ['tableoid', 'xmin'];

/** Whether what depends on a relation lies outside, where errors would name it. */
export function hasDependentsOutside(resolved: Resolved, raw: RawStatement, { whole, seen }: Scope): boolean {
  if (raw.kind === 'DropStmt') return true;
  const { catalog } = whole;
  return resolved.relations.some(({ use, meaning }) => {
    if (meaning.kind !== 'user' || use.role === 'from') return false;
    const { oid } = meaning.relation;
    // A view passes on what is done to it.
    const touched = [meaning.relation, ...(whole.view(meaning.relation)?.relations ?? [])];
    return (
      dependentsOf(touched, whole).some(({ schema }) => !seen.has(schema)) ||
      (use.role === 'named' &&
        catalog.relations.some(
          (one) =>
            !seen.has(one.schema) &&
            one.definition !== undefined &&
            (whole.view(one)?.relations.some((below) => below.oid === oid) ?? true),
        ))
    );
  });
}

/**
 * The column masks of a session, bound to one catalog: for each masked table the sub-query that stands in for it, and for everything that could show a masked
 * value by another road the reason why it is refused.
 */
import type { MaskWith } from '../../domain/mask.ts';
import type { SqlMask } from './analysis.ts';
import type { Column, Oid, Relation } from './catalog.ts';
import { gather } from './gather.ts';
import { isUserOid } from './names.ts';
import { qualified, spellings } from './spelling.ts';
import { parseOne } from './parser.ts';
import { type Fields, isFields, stringNode } from './tree.ts';
import type { Knowledge } from './understanding.ts';

export interface MaskedRelation {
  readonly relation: Relation;
  /** By column name; generated columns that are computed from a masked one are among them. */
  readonly columns: ReadonlyMap<string, MaskedColumn>;
  /** The SelectStmt that yields the same columns with masks in place. Shared: never changed. */
  readonly standIn: Fields;
  /** What stands for a masked column of a row that is called `alias`. */
  expression(name: string, alias: string): Fields | undefined;
  /** An index over masked and clear columns can return rows in the order of masked values. The stand-in then sorts them; what writes gives back does not. */
  readonly ordered: boolean;
}

export interface MaskedColumn {
  readonly column: Column;
  readonly with: MaskWith;
}

export interface MaskBook {
  readonly masked: ReadonlyMap<Oid, MaskedRelation>;
  /** Relations that cannot be read or written, and why. */
  readonly closed: ReadonlyMap<Oid, Closed>;
}

export interface Closed {
  readonly word: 'MASK_LOST' | 'MASK_REACHED';
  readonly reason: string;
  readonly hint: string;
}

export function bookMasks(knowledge: Knowledge, masks: readonly SqlMask[]): MaskBook {
  const closed = new Map<Oid, Closed>();
  const chosen = new Map<Oid, Map<string, MaskedColumn>>();
  for (const mask of masks) bindOne(knowledge, mask, chosen, closed);

  for (const [oid, columns] of chosen) spreadToGenerated(knowledge, oid, columns);
  const masked = new Map<Oid, MaskedRelation>();
  for (const [oid, columns] of chosen) {
    const relation = knowledge.names.relationByOid(oid);
    if (relation === undefined) continue;
    const reason = whyNotRewritten(relation);
    const ordered = mixesColumns(knowledge, relation, columns);
    const order = ordered ? clearKey(knowledge, relation, columns) : [];
    const standIn = order === undefined ? undefined : standInFor(knowledge, relation, columns, order);
    if (reason !== undefined)
      closed.set(oid, { word: 'MASK_REACHED', reason, hint: 'name the columns of an ordinary table in the mask' });
    else if (order === undefined) {
      const reason = `an index of ${label(relation)} mixes masked with clear columns and would show the order of masked values`;
      closed.set(oid, { word: 'MASK_REACHED', reason, hint: 'give the table a primary key without masked columns' });
    } else if (standIn === undefined) {
      closed.set(oid, {
        word: 'MASK_LOST',
        reason: `no stand-in for ${label(relation)} could be written`,
        hint: 'report this table definition',
      });
    }
    // Also when closed: what depends on it must still be seen as masked.
    masked.set(oid, {
      relation,
      columns,
      standIn: standIn ?? {},
      ordered,
      expression: (name, alias) => expressionFor(knowledge, columns.get(name), alias),
    });
  }
  closeFamilies(knowledge, new Set([...chosen.keys(), ...closed.keys()]), closed);
  return { masked, closed };
}

function bindOne(
  knowledge: Knowledge,
  mask: SqlMask,
  chosen: Map<Oid, Map<string, MaskedColumn>>,
  closed: Map<Oid, Closed>,
): void {
  const relation = knowledge.catalog.relations.find((one) => spellings(one).includes(mask.relation));
  const lose = (oid: Oid, what: string) =>
    closed.set(oid, {
      word: 'MASK_LOST',
      reason: `the mask on ${mask.relation}.${mask.column} no longer fits the table: ${what}`,
      hint: 'adjust the mask in the policy, then refresh the target',
    });
  if (mask.oid !== undefined && relation?.oid !== mask.oid) {
    lose(mask.oid, 'the table was renamed or moved');
    if (relation !== undefined) lose(relation.oid, 'another table has its name');
    return;
  }
  if (relation === undefined) return;
  const column = relation.columns.find((one) => one.name === mask.column);
  if (column === undefined || (mask.attnum !== undefined && mask.attnum !== column.attnum)) {
    return void lose(relation.oid, column === undefined ? 'it has no such column' : 'another column has its name');
  }
  const columns = chosen.get(relation.oid) ?? new Map<string, MaskedColumn>();
  chosen.set(relation.oid, columns);
  // Two masks on one column: the first in the policy's order of strictness would be a guess, so the value is hidden altogether.
  columns.set(column.name, { column, with: columns.has(column.name) ? 'redact' : mask.with });
}

// A generated column shows what it is computed from.
function spreadToGenerated(knowledge: Knowledge, oid: Oid, columns: Map<string, MaskedColumn>): void {
  const relation = knowledge.names.relationByOid(oid);
  const defaults = knowledge.catalog.defaults.filter((one) => one.relation === oid);
  for (const column of relation?.columns ?? []) {
    if (!column.generated || columns.has(column.name)) continue;
    const from = defaults.find((one) => one.attnum === column.attnum)?.from ?? [0];
    const hidden = [...columns.values()].some((one) => from.includes(one.column.attnum));
    if (hidden || from.includes(0)) columns.set(column.name, { column, with: 'redact' });
  }
}

function whyNotRewritten(relation: Relation): string | undefined {
  if (relation.kind === 'v' || relation.kind === 'm')
    return `${label(relation)} is a view: masks on views are not built`;
  if (relation.kind === 'p') return `${label(relation)} is partitioned: masks on partitioned tables are not built`;
  if (relation.kind !== 'r') return `${label(relation)} is not an ordinary table`;
  if (relation.rowSecurity)
    return `${label(relation)} has row policies: masks together with row security are not built`;
  return undefined;
}

// Parents show their children's rows and children their parents' columns: a whole family of inheritance is closed together.
function closeFamilies(knowledge: Knowledge, seeds: ReadonlySet<Oid>, closed: Map<Oid, Closed>): void {
  const reached = new Set(seeds);
  const related = new Set<Oid>();
  let grew = true;
  while (grew) {
    grew = false;
    for (const [child, parent] of knowledge.catalog.inherits) {
      for (const [from, to] of [
        [child, parent],
        [parent, child],
      ] as const) {
        if (!reached.has(from)) continue;
        related.add(from);
        if (reached.has(to)) continue;
        reached.add(to);
        grew = true;
      }
    }
  }
  for (const oid of related) {
    if (closed.has(oid)) continue;
    const relation = knowledge.names.relationByOid(oid);
    closed.set(oid, {
      word: 'MASK_REACHED',
      reason: `${relation === undefined ? 'a table' : label(relation)} shares rows with a masked table by inheritance or partitioning`,
      hint: 'masks on partitioned or inherited tables are not built: leave it out of the statement',
    });
  }
}

function mixesColumns(knowledge: Knowledge, relation: Relation, columns: ReadonlyMap<string, MaskedColumn>): boolean {
  const hidden = new Set([...columns.values()].map((one) => one.column.attnum));
  return knowledge.catalog.indexes.some(
    (index) =>
      index.relation === relation.oid &&
      index.columns.some((one) => one === 0 || hidden.has(one)) &&
      index.columns.some((one) => !hidden.has(one)),
  );
}

/** Names of a primary key without masked columns. */
function clearKey(
  knowledge: Knowledge,
  relation: Relation,
  columns: ReadonlyMap<string, MaskedColumn>,
): readonly string[] | undefined {
  const primary = knowledge.catalog.constraints.find((one) => one.relation === relation.oid && one.kind === 'primary');
  const names = primary?.columns.map(
    (attnum) => relation.columns.find((column) => column.attnum === attnum)?.name ?? '',
  );
  return names?.every((name) => name !== '' && !columns.has(name)) ? names : undefined;
}

function standInFor(
  knowledge: Knowledge,
  relation: Relation,
  columns: ReadonlyMap<string, MaskedColumn>,
  order: readonly string[],
): Fields | undefined {
  const outputs = relation.columns.map((column) => {
    const masked = columns.get(column.name);
    const name = quoteName(column.name);
    return masked === undefined ? `m.${name}` : `${maskExpression(knowledge, masked, 'm')} AS ${name}`;
  });
  const sort = order.length === 0 ? '' : ` ORDER BY ${order.map((name) => `m.${quoteName(name)}`).join(', ')}`;
  const raw = parseOne(
    `SELECT ${outputs.join(', ')} FROM ${quoteName(relation.schema)}.${quoteName(relation.name)} AS m${sort}`,
  );
  return raw?.kind === 'SelectStmt' && outputs.length > 0 ? withTypesQualified(raw.node) : undefined;
}

function expressionFor(knowledge: Knowledge, masked: MaskedColumn | undefined, alias: string): Fields | undefined {
  const raw =
    masked === undefined ? undefined : parseOne(`SELECT ${maskExpression(knowledge, masked, quoteName(alias))}`);
  const [target] =
    raw?.kind === 'SelectStmt' && Array.isArray(raw.node['targetList'])
      ? (withTypesQualified(raw.node)['targetList'] as unknown[])
      : [];
  return isFields(target) && isFields(target['ResTarget']) && isFields(target['ResTarget']['val'])
    ? target['ResTarget']['val']
    : undefined;
}

// Types of the server are written without schema by format_type; those of users with theirs.
function withTypesQualified(select: Fields): Fields {
  for (const type of gather('SelectStmt', select).types) {
    if (Array.isArray(type['names']) && type['names'].length === 1) type['names'].unshift(stringNode('pg_catalog'));
  }
  return select;
}

/** @param row how the row is called, as SQL */
function maskExpression(knowledge: Knowledge, { column, with: mask }: MaskedColumn, row: string): string {
  const { type, text } = shownType(knowledge, column);
  if (!text || mask === 'null') return `NULL::${type}`;
  if (mask === 'last4') {
    const value = `(${row}.${quoteName(column.name)})::pg_catalog.text`;
    return `(CASE WHEN pg_catalog.char_length(${value}) OPERATOR(pg_catalog.>) 4 THEN '***'::pg_catalog.text OPERATOR(pg_catalog.||) pg_catalog."right"(${value}, 4) ELSE '***'::pg_catalog.text END)::${type}`;
  }
  return `${quoteText(typeof mask === 'object' ? mask.fixed : '***')}::${type}`;
}

/** The type a masked column is shown as: its own, but the base of a domain, and text for types whose own code would run. */
function shownType(knowledge: Knowledge, column: Column): { readonly type: string; readonly text: boolean } {
  if (!isUserOid(column.type)) {
    const name = TEXTS.get(column.type);
    return {
      type: name === undefined || column.typeText.startsWith(name) ? column.typeText : 'pg_catalog.text',
      text: name !== undefined,
    };
  }
  const type = knowledge.names.typeByOid(column.type);
  if (type?.kind === 'd') {
    const base = BASES.get(type.base);
    return base === undefined
      ? { type: 'pg_catalog.text', text: type.category === 'S' }
      : { type: base, text: TEXTS.has(type.base) };
  }
  if (type === undefined || knowledge.ofType(column.type).length > 0)
    return { type: 'pg_catalog.text', text: type?.category === 'S' };
  return { type: column.typeText, text: false };
}

/** text, varchar, bpchar and how format_type begins with them. */
const TEXTS: ReadonlyMap<Oid, string> = new Map([
  [25, 'text'],
  [1043, 'character varying'],
  [1042, 'character'],
]);

/** Built-in types domains are made of, by OID (pg_type.dat). */
const BASES: ReadonlyMap<Oid, string> = new Map(
  Object.entries({
    ...{
      16: 'bool',
      17: 'bytea',
      20: 'int8',
      21: 'int2',
      23: 'int4',
      25: 'text',
      114: 'json',
      700: 'float4',
      701: 'float8',
      869: 'inet',
    },
    ...{
      1042: 'text',
      1043: 'text',
      1082: 'date',
      1083: 'time',
      1114: 'timestamp',
      1184: 'timestamptz',
      1186: 'interval',
      1700: 'numeric',
      2950: 'uuid',
      3802: 'jsonb',
    },
  }).map(([oid, name]) => [Number(oid), `pg_catalog.${name}`]),
);

function label(relation: Relation): string {
  return qualified(relation.schema, relation.name);
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function quoteText(text: string): string {
  // A backslash is plain under standard_conforming_strings, which the gateway holds on.
  return `'${text.replaceAll("'", "''")}'`;
}

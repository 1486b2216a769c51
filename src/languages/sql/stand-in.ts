/**
 * Writes what stands for a masked table and for a single masked column: SQL of our own, parsed into nodes that are put into statements. Every name in it is
 * qualified, and the nodes are shared: nobody changes them.
 */
import type { MaskWith } from '../../domain/mask.ts';
import type { Column, Oid, Relation } from './catalog.ts';
import { gather } from './gather.ts';
import { digestOf, HASH_LABEL, HASH_PLACEHOLDER } from './hashed.ts';
import { isUserOid } from './names.ts';
import { markOurs } from './ours.ts';
import { parseOne } from './parser.ts';
import { type Fields, isFields, stringNode } from './tree.ts';
import type { Knowledge } from './understanding.ts';

export interface MaskedColumn {
  readonly column: Column;
  readonly with: MaskWith;
}

export interface StandIns {
  /**
   * The SelectStmt that yields the columns that are asked for, in the table's order and with masks in place.
   * @param whole with the rows of its children, as without ONLY
   * @param hashed columns whose digests it is to yield too, under their `hashLabel`
   */
  select(wanted: (column: string) => boolean, whole: boolean, hashed?: ReadonlySet<string>): Fields;
  /** What stands for a masked column of a row that is called `alias`. */
  expression(column: string, alias: string): Fields | undefined;
  /** The digest of a column that is masked by its hash, where its type has one. */
  digest(column: string, alias: string): Fields | undefined;
  hasDigest(column: string): boolean;
  /** Whether selects yield columns that nobody asked for. */
  readonly isFull: boolean;
  /** Every select that was given out. */
  readonly given: Iterable<Fields>;
}

/** A table has at most this many selects; further ones yield all its columns. */
const MOST_SELECTS = 256;

/** @param order names of columns to sort by @returns undefined when the table's definition gives no SQL that parses */
export function createStandIns(
  knowledge: Knowledge,
  relation: Relation,
  columns: ReadonlyMap<string, MaskedColumn>,
  order: readonly string[],
): StandIns | undefined {
  const outputs = relation.columns.map((column) => {
    const masked = columns.get(column.name);
    const name = quoteName(column.name);
    return masked === undefined ? `m.${name}` : `${maskExpression(knowledge, masked, 'm')} AS ${name}`;
  });
  const digests = new Map(
    [...columns.values()].flatMap(({ column, with: mask }) => {
      const value = `m.${quoteName(column.name)}`;
      const digest = mask === 'hash' ? digestOf(knowledge, column, value, 'm') : undefined;
      return digest === undefined ? [] : [[column.name, `${digest} AS ${quoteName(hashLabel(column))}`] as const];
    }),
  );
  const sort = order.length === 0 ? '' : ` ORDER BY ${order.map((name) => `m.${quoteName(name)}`).join(', ')}`;
  const from = `${quoteName(relation.schema)}.${quoteName(relation.name)} AS m${sort}`;
  const selects = new Map<string, Fields>();
  const selectOf = (places: readonly number[], whole: boolean, hashed: readonly string[] = []): Fields | undefined => {
    const key = `${whole} ${places.join()} ${JSON.stringify(hashed)}`;
    const known = selects.get(key);
    if (known !== undefined) return known;
    const yielded = [...places.map((place) => outputs[place]), ...hashed.map((name) => digests.get(name))];
    const raw = parseOne(`SELECT ${yielded.join(', ')} FROM ${whole ? '' : 'ONLY '}${from}`);
    if (raw?.kind !== 'SelectStmt') return undefined;
    const select = markOurs(withTypesQualified(raw.node));
    selects.set(key, select);
    return select;
  };
  const every = outputs.map((_, place) => place);
  const full = every.length === 0 ? undefined : selectOf(every, true);
  const alone = full && selectOf(every, false);
  if (full === undefined || alone === undefined) return undefined;
  return {
    select(wanted, whole, hashed) {
      const all = whole ? full : alone;
      if (hashed !== undefined && hashed.size > 0) {
        // A digest that is not asked for has a name that is not asked for.
        const many = selects.size >= MOST_SELECTS;
        const places = every.filter((place) => many || wanted(relation.columns[place]?.name ?? ''));
        const names = [...digests.keys()].filter((name) => many || hashed.has(name));
        return selectOf(places, whole, names) ?? all;
      }
      const places = every.filter((place) => wanted(relation.columns[place]?.name ?? ''));
      if (places.length === every.length || selects.size >= MOST_SELECTS) return all;
      // A count needs rows, and a query some column.
      return selectOf(places.length === 0 ? [0] : places, whole) ?? all;
    },
    get isFull() {
      return selects.size >= MOST_SELECTS;
    },
    expression: (name, alias) => expressionFor(knowledge, columns.get(name), alias),
    hasDigest: (name) => digests.has(name),
    digest(name, alias) {
      const column = digests.has(name) ? columns.get(name)?.column : undefined;
      const row = quoteName(alias);
      const digest = column && digestOf(knowledge, column, `${row}.${quoteName(name)}`, row);
      return digest === undefined ? undefined : selected(`SELECT ${digest}`);
    },
    get given() {
      return selects.values();
    },
  };
}

function expressionFor(knowledge: Knowledge, masked: MaskedColumn | undefined, alias: string): Fields | undefined {
  return masked === undefined ? undefined : selected(`SELECT ${maskExpression(knowledge, masked, quoteName(alias))}`);
}

function selected(select: string): Fields | undefined {
  const raw = parseOne(select);
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
  if (mask === 'hash') return HASH_PLACEHOLDER;
  const { type, text } = shownType(knowledge, column);
  if (!text || mask === 'null') return `NULL::${type}`;
  if (mask === 'last4') {
    const value = `(${row}.${quoteName(column.name)})::pg_catalog.text`;
    // No index has the table's number: a scan of one over the column alone would give its rows in the order of what is hidden.
    return `(CASE WHEN ${row}.tableoid OPERATOR(pg_catalog.<>) 0 AND pg_catalog.char_length(${value}) OPERATOR(pg_catalog.>) 4 THEN '***'::pg_catalog.text OPERATOR(pg_catalog.||) pg_catalog."right"(${value}, 4) ELSE '***'::pg_catalog.text END)::${type}`;
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

/** Under which name a stand-in yields the digest of a column. */
export function hashLabel({ attnum }: Column): string {
  return `${HASH_LABEL}${attnum}`;
}

/** What stands where a hash would not be seen: a node of its own each time. */
export function hashPlaceholder(): Fields | undefined {
  return selected(`SELECT ${HASH_PLACEHOLDER}`);
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function quoteText(text: string): string {
  // A backslash is plain under standard_conforming_strings, which the gateway holds on.
  return `'${text.replaceAll("'", "''")}'`;
}

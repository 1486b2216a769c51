/**
 * What a column masked by its hash is sent as: a digest, made at the target, of the value's one text form. The gateway puts an HMAC under its own key in the
 * digest's place. So the value itself never leaves the target, all digests are equally long (lengths tell nothing, budgets neither), and nobody without the
 * key can tell what a hash belongs to.
 *
 * A digest has a type nobody else uses, by which it is told again among the columns of a result.
 */
import type { Column, Oid } from './catalog.ts';
import { isUserOid } from './names.ts';
import type { Knowledge } from './understanding.ts';

/** varchar(7321984): as RowDescription has it, with the four bytes of its header. */
const MARK = 7_321_984;
export const HASH_TYPE = { type: 1043, modifier: MARK + 4 } as const;

/** Characters of a digest, and of the hash that comes to stand in its place. */
export const HASH_LENGTH = 32;

/** Names of ours in a statement begin so; none of the client's may. */
export const HASH_LABEL = 'hoop hash ';

/** What stands for the column where nobody sees it. */
export const HASH_PLACEHOLDER = 'NULL::pg_catalog.text';

/** @param value the column of a row, as SQL @returns undefined where its type has no form that is the same in every session */
export function digestOf(knowledge: Knowledge, column: Column, value: string, row: string): string | undefined {
  const text = textOf(knowledge, column.type, value);
  if (text === undefined) return undefined;
  const bytes = `pg_catalog.convert_to(${text}, pg_catalog.getdatabaseencoding())`;
  const digest = `pg_catalog."left"(pg_catalog.encode(pg_catalog.sha256(${bytes}), 'hex'), ${HASH_LENGTH})`;
  // No index has the table's number: a scan of one over the column alone would give its rows in the order of what is hidden.
  return `(CASE WHEN ${row}.tableoid OPERATOR(pg_catalog.<>) 0 THEN ${digest} END)::pg_catalog.varchar(${MARK})`;
}

function textOf(knowledge: Knowledge, type: Oid, value: string): string | undefined {
  if (!isUserOid(type)) return TEXT_FORMS.get(type)?.(value);
  const own = knowledge.names.typeByOid(type);
  if (own === undefined || knowledge.ofType(type).length > 0) return undefined;
  if (own.kind === 'e') return cast(value);
  const base = own.kind === 'd' ? BASES.get(own.base) : undefined;
  return base === undefined ? undefined : TEXT_FORMS.get(own.base)?.(`(${value})::pg_catalog.${base}`);
}

const cast = (value: string) => `(${value})::pg_catalog.text`;
/** DateStyle, TimeZone, extra_float_digits and their kin change what a value looks like, but not its binary form. */
const sent = (send: string) => (value: string) => `pg_catalog.encode(pg_catalog.${send}(${value}), 'hex')`;

/** Built-in types by OID (pg_type.dat), and how a value becomes text. */
const FORMS: readonly (readonly [oid: Oid, name: string, form: (value: string) => string])[] = [
  [16, 'bool', cast],
  [17, 'bytea', (value) => `pg_catalog.encode(${value}, 'hex')`],
  [18, '"char"', cast],
  [19, 'name', cast],
  [20, 'int8', cast],
  [21, 'int2', cast],
  [23, 'int4', cast],
  [25, 'text', cast],
  [26, 'oid', cast],
  [114, 'json', cast],
  [700, 'float4', sent('float4send')],
  [701, 'float8', sent('float8send')],
  [790, 'money', sent('cash_send')],
  [829, 'macaddr', cast],
  [869, 'inet', cast],
  [650, 'cidr', cast],
  [1042, 'bpchar', cast],
  [1043, 'varchar', cast],
  [1082, 'date', sent('date_send')],
  [1083, 'time', sent('time_send')],
  [1114, 'timestamp', sent('timestamp_send')],
  [1184, 'timestamptz', sent('timestamptz_send')],
  [1186, 'interval', sent('interval_send')],
  [1266, 'timetz', sent('timetz_send')],
  [1560, 'bit', cast],
  [1562, 'varbit', cast],
  // 1.0 and 1.00 are equal.
  [1700, 'numeric', (value) => cast(`pg_catalog.trim_scale(${value})`)],
  [2950, 'uuid', cast],
  [3802, 'jsonb', cast],
];
const TEXT_FORMS: ReadonlyMap<Oid, (value: string) => string> = new Map(FORMS.map(([oid, , form]) => [oid, form]));
const BASES: ReadonlyMap<Oid, string> = new Map(FORMS.map(([oid, name]) => [oid, name]));

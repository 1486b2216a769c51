/**
 * Sequences that a call names in a text: `nextval('hr.tickets')` reads and changes one as `UPDATE` would a table, and no relation stands in the tree.
 *
 * A name that is no plain literal (a parameter, an expression, an OID) cannot be told.
 */
import type { Effect } from '../../domain/command.ts';
import { type Fields, isFields } from './tree.ts';

/** Functions whose first argument is the sequence they work on. `lastval` names none: it repeats what this session drew. */
const OF_SEQUENCES: ReadonlyMap<string, Effect> = new Map<string, Effect>([
  ['nextval', 'write'],
  ['setval', 'write'],
  ['currval', 'read'],
  ['pg_sequence_last_value', 'read'],
  ['pg_sequence_parameters', 'read'],
  ['pg_get_sequence_data', 'read'],
]);

export interface SequenceUse {
  readonly access: Effect;
  /** Undefined: cannot be told. */
  readonly name: { readonly schema: string | undefined; readonly name: string } | undefined;
}

/** @returns undefined for a call that works on no sequence */
export function sequenceOf(call: Fields, names: readonly string[]): SequenceUse | undefined {
  const access = OF_SEQUENCES.get(names.at(-1) ?? '');
  if (access === undefined) return undefined;
  const first: unknown = Array.isArray(call['args']) ? call['args'][0] : undefined;
  const parts = relationName(literal(first));
  const name = parts?.at(-1);
  return { access, name: name === undefined ? undefined : { schema: parts?.at(-2), name } };
}

/** `'…'`, also as `'…'::regclass` or `'…'::text`. */
function literal(node: unknown): string | undefined {
  if (!isFields(node)) return undefined;
  if (isFields(node['TypeCast'])) return literal(node['TypeCast']['arg']);
  const constant = node['A_Const'];
  const text = isFields(constant) && isFields(constant['sval']) ? constant['sval']['sval'] : undefined;
  return typeof text === 'string' ? text : undefined;
}

// Read as regclassin does (PostgreSQL, stringToQualifiedNameList). What it would cut off, or fold by a locale, is not read at all.
const PART = /[ \t\n\r\f]*(?:"((?:[^"]|"")+)"|([A-Za-z_][A-Za-z0-9_$]*))[ \t\n\r\f]*(\.|$)/y;
const LONGEST = 63;

function relationName(text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined;
  const parts: string[] = [];
  let at = 0;
  for (;;) {
    PART.lastIndex = at;
    const [whole, quoted, plain, end] = PART.exec(text) ?? [];
    const part = quoted?.replaceAll('""', '"') ?? plain?.toLowerCase();
    if (whole === undefined || part === undefined || Buffer.byteLength(part) > LONGEST) return undefined;
    parts.push(part);
    at += whole.length;
    if (end === '') return at === text.length && parts.length <= 2 ? parts : undefined;
  }
}

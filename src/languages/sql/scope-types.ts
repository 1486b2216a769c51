/**
 * Types by which a text becomes the number of what it names: reg* types, and what is made of them. Where a statement yields a value of one, each text beside
 * it may be taken for a name; and a text that becomes a row or an array of them is read as names.
 */
import type { Oid, Relation } from './catalog.ts';
import { REG_COLUMNS, REG_OIDS } from './scope-calls.ts';
import type { Knowledge, Resolved } from './understanding.ts';

/** Whether a function of users or a column of PostgreSQL's own relations in it may be of such a type. */
export function yieldsNames(resolved: Resolved): boolean {
  if (resolved.called.length > 0) return true;
  return resolved.relations.some(({ use, meaning }) => {
    if (meaning.kind !== 'system' || meaning.schema !== 'pg_catalog') return false;
    return REG_COLUMNS.get(meaning.name)?.some((column) => resolved.exposure.column(use, column)) === true;
  });
}

/** Whether a value of this type holds one of a reg* type. */
export function isOfNames(oid: Oid, { names }: Knowledge): boolean {
  const seen = new Set<Oid>();
  const open = [oid];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (REG_OIDS.has(next)) return true;
    const type = seen.has(next) ? undefined : names.typeByOid(next);
    seen.add(next);
    if (type === undefined) continue;
    open.push(type.base, type.element, type.subtype);
    for (const column of names.relationByOid(type.relation)?.columns ?? []) open.push(column.type);
  }
  return false;
}

/** Whether it reads a table of users with such columns, which may be arrays too. */
export function readsNames({ relations }: Resolved, knowledge: Knowledge): boolean {
  return relations.some(({ meaning }) => meaning.kind === 'user' && hasNames(meaning.relation, knowledge));
}

export function hasNames({ columns }: Relation, knowledge: Knowledge): boolean {
  return columns.some(({ type }) => isOfNames(type, knowledge));
}

/** What the protocol needs of masks outside a statement: their binding, and the column origins that must never come back unmasked. */
import type { SqlMask } from './analysis.ts';
import type { CatalogSnapshot, Oid, Relation } from './catalog.ts';
import { spellings } from './spelling.ts';

/** Gives each mask the numbers its names stand for now, so that a later rename is noticed. Masks of relations that do not exist stay as they are. */
export function bindMasks(catalog: CatalogSnapshot, masks: readonly SqlMask[]): readonly SqlMask[] {
  return masks.map((mask) => {
    if (mask.oid !== undefined) return mask;
    const relation = named(catalog, mask);
    const column = relation?.columns.find((one) => one.name === mask.column);
    return relation === undefined || column === undefined ? mask : { ...mask, oid: relation.oid, attnum: column.attnum };
  });
}

/**
 * Column origins (table OID, attribute number) of masked columns, generated ones too, as RowDescription gives them: one in a reply means that a masked value
 * is about to come through.
 */
export function maskedOrigins(catalog: CatalogSnapshot, masks: readonly SqlMask[]): ReadonlyMap<Oid, ReadonlySet<number>> {
  const origins = new Map<Oid, Set<number>>();
  for (const mask of masks) {
    const relation = mask.oid === undefined ? named(catalog, mask) : catalog.relations.find((one) => one.oid === mask.oid);
    const attnum = mask.attnum ?? relation?.columns.find((one) => one.name === mask.column)?.attnum;
    if (relation === undefined || attnum === undefined) continue;
    const columns = origins.get(relation.oid) ?? new Set<number>();
    origins.set(relation.oid, columns.add(attnum));
  }
  for (const one of catalog.defaults) {
    const columns = origins.get(one.relation);
    if (columns !== undefined && one.from.some((from) => columns.has(from))) columns.add(one.attnum);
  }
  return origins;
}

function named(catalog: CatalogSnapshot, mask: SqlMask): Relation | undefined {
  return catalog.relations.find((one) => spellings(one).includes(mask.relation));
}

/** What the protocol needs of masks outside a statement: their binding, and the column origins that must never come back unmasked. */
import type { SqlBasis, SqlMask, SqlRefusal } from './analysis.ts';
import type { CatalogSnapshot, Oid, Relation } from './catalog.ts';
import { spellings } from './spelling.ts';

/** Gives each mask the numbers its names stand for now, so that a later rename is noticed. Masks of relations that do not exist stay as they are. */
export function bindMasks(catalog: CatalogSnapshot, masks: readonly SqlMask[]): readonly SqlMask[] {
  return masks.map((mask) => {
    if (mask.oid !== undefined) return mask;
    const relation = named(catalog, mask);
    const column = relation?.columns.find((one) => one.name === mask.column);
    return relation === undefined || column === undefined
      ? mask
      : { ...mask, oid: relation.oid, attnum: column.attnum };
  });
}

/**
 * Column origins (table OID, attribute number) of masked columns, generated ones too, as RowDescription gives them: one in a reply means that a masked value
 * is about to come through.
 */
export function maskedOrigins(
  catalog: CatalogSnapshot,
  masks: readonly SqlMask[],
): ReadonlyMap<Oid, ReadonlySet<number>> {
  const origins = new Map<Oid, Set<number>>();
  for (const mask of masks) {
    const relation =
      mask.oid === undefined ? named(catalog, mask) : catalog.relations.find((one) => one.oid === mask.oid);
    const attnum = mask.attnum ?? relation?.columns.find((one) => one.name === mask.column)?.attnum;
    if (relation === undefined || attnum === undefined) continue;
    const columns = origins.get(relation.oid) ?? new Set<number>();
    origins.set(relation.oid, columns.add(attnum));
  }
  const relations = origins.size === 0 ? NO_RELATIONS : relationsOf(catalog);
  const count = () => [...origins.values()].reduce((sum, { size }) => sum + size, 0);
  // A child's generated column may stand in its parent as an ordinary one.
  for (let before = -1; before !== count(); ) {
    before = count();
    for (const [child, parent] of catalog.inherits) {
      spreadByName(relations, origins, child, parent);
      spreadByName(relations, origins, parent, child);
    }
    for (const [oid, columns] of origins) spreadToGenerated(catalog, relations.get(oid), columns);
  }
  return origins;
}

type Relations = ReadonlyMap<Oid, Relation>;

const NO_RELATIONS: Relations = new Map();
const known = new WeakMap<CatalogSnapshot, Relations>();

function relationsOf(catalog: CatalogSnapshot): Relations {
  const relations = known.get(catalog) ?? new Map(catalog.relations.map((one) => [one.oid, one]));
  known.set(catalog, relations);
  return relations;
}

/** A column that is masked in one table of a family by inheritance or partitioning is masked in all of them. */
function spreadByName(relations: Relations, origins: Map<Oid, Set<number>>, from: Oid, to: Oid): void {
  const masked = origins.get(from);
  if (masked === undefined) return;
  const names = new Set(relations.get(from)?.columns.flatMap(({ attnum, name }) => (masked.has(attnum) ? [name] : [])));
  for (const { attnum, name } of relations.get(to)?.columns ?? []) {
    if (!names.has(name)) continue;
    const columns = origins.get(to) ?? new Set<number>();
    origins.set(to, columns.add(attnum));
  }
}

function spreadToGenerated(catalog: CatalogSnapshot, relation: Relation | undefined, masked: Set<number>): void {
  for (const { generated, attnum } of relation?.columns ?? []) {
    if (!generated || masked.has(attnum)) continue;
    // Of what cannot be told it is taken to be computed from everything.
    const from = catalog.defaults.find((one) => one.relation === relation?.oid && one.attnum === attnum)?.from ?? [0];
    if (from.some((one) => one === 0 || masked.has(one))) masked.add(attnum);
  }
}

/**
 * A client may declare its parameters to be of any type, and with that choose which operator or function a statement means. On a guarded target only
 * types of the server and enumerations pass.
 * @param types OIDs as the Parse message gives them; 0 leaves one to the server
 */
export function refusedParameterType(basis: SqlBasis, types: readonly Oid[]): SqlRefusal | undefined {
  if (!basis.guarded && basis.masks.length === 0) return undefined;
  const plain = (oid: Oid): boolean => {
    if (oid < FIRST_USER_OID) return true;
    const type = basis.catalog.types.find((one) => one.oid === oid);
    if (type === undefined) return false;
    const cast = basis.catalog.casts.some((one) => one.runs && (one.source === oid || one.target === oid));
    return !cast && (type.kind === 'e' || (type.element !== 0 && type.element !== oid && plain(type.element)));
  };
  const odd = types.find((oid) => !plain(oid));
  if (odd === undefined) return undefined;
  return {
    code: 'USER_CODE',
    reason: `a parameter is declared to be of user type ${odd}, whose code would run`,
    hint: 'declare it as text and cast it in the statement',
    sqlState: '42501',
  };
}

const FIRST_USER_OID = 16384;

function named(catalog: CatalogSnapshot, mask: SqlMask): Relation | undefined {
  return catalog.relations.find((one) => spellings(one).includes(mask.relation));
}

/**
 * The column masks of a session, bound to one catalog: for each masked table the sub-query that stands in for it, and for everything that could show a masked
 * value by another road the reason why it is refused.
 */
import type { MaskWith } from '../../domain/mask.ts';
import type { SqlMask } from './analysis.ts';
import type { Oid, Relation } from './catalog.ts';
import { qualified, spellings } from './spelling.ts';
import { createStandIns, type MaskedColumn, type StandIns } from './stand-in.ts';
import type { Knowledge } from './understanding.ts';

export interface MaskedRelation {
  readonly relation: Relation;
  /** By column name; generated columns that are computed from a masked one are among them. */
  readonly columns: ReadonlyMap<string, MaskedColumn>;
  /** What stands for it and its columns; undefined when nothing can, and the table is closed. */
  readonly standIns: StandIns | undefined;
  /** An index over masked and clear columns can return rows in the order of masked values. The stand-in then sorts them; what writes gives back does not. */
  readonly ordered: boolean;
  /** Names of its primary key's columns, where none of them is masked. */
  readonly key: readonly string[] | undefined;
}

export interface MaskBook {
  readonly masked: ReadonlyMap<Oid, MaskedRelation>;
  /** Relations that cannot be read or written, and why. */
  readonly closed: ReadonlyMap<Oid, Closed>;
  /** Indexes whose number of rows says how many masked values meet a predicate. */
  readonly counted: readonly Oid[];
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

  spreadMasks(knowledge, chosen, closed);
  const masked = new Map<Oid, MaskedRelation>();
  for (const [oid, columns] of chosen) {
    const relation = knowledge.names.relationByOid(oid);
    if (relation === undefined) continue;
    const reason = whyNotRewritten(relation);
    const ordered = mixesColumns(knowledge, relation, columns);
    const key = clearKey(knowledge, relation, columns);
    const order = ordered ? key : [];
    const standIns = order === undefined ? undefined : createStandIns(knowledge, relation, columns, order);
    if (closed.has(oid)) {
      // For a reason that was found before.
    } else if (reason !== undefined)
      closed.set(oid, { word: 'MASK_REACHED', reason, hint: 'name the columns of an ordinary table in the mask' });
    else if (order === undefined) {
      const reason = `an index of ${label(relation)} mixes masked with clear columns and would show the order of masked values`;
      closed.set(oid, { word: 'MASK_REACHED', reason, hint: 'give the table a primary key without masked columns' });
    } else if (standIns === undefined) {
      closed.set(oid, {
        word: 'MASK_LOST',
        reason: `no stand-in for ${label(relation)} could be written`,
        hint: 'report this table definition',
      });
    }
    // Also when closed: what depends on it must still be seen as masked.
    masked.set(oid, { relation, columns, standIns, ordered, key });
  }
  return { masked, closed, counted: [...masked.values()].flatMap((one) => countedBy(knowledge, one)) };
}

function countedBy(knowledge: Knowledge, { relation, columns }: MaskedRelation): readonly Oid[] {
  const names = [...columns.keys()].map((name) => name.replaceAll('"', '""'));
  return knowledge.catalog.indexes
    .filter(({ relation: of, predicate }) => of === relation.oid && names.some((name) => predicate?.includes(name)))
    .map(({ oid }) => oid);
}

function bindOne(
  knowledge: Knowledge,
  mask: SqlMask,
  chosen: Map<Oid, Map<string, MaskedColumn>>,
  closed: Map<Oid, Closed>,
): void {
  const [relation, ...namesakes] = knowledge.catalog.relations.filter((one) => spellings(one).includes(mask.relation));
  const lose = (oid: Oid, what: string) =>
    closed.set(oid, {
      word: 'MASK_LOST',
      reason: `the mask on ${mask.relation}.${mask.column} no longer fits the table: ${what}`,
      hint: 'adjust the mask in the policy, then refresh the target',
    });
  if (relation !== undefined && namesakes.length > 0) {
    for (const one of [relation, ...namesakes])
      lose(one.oid, 'several tables can be meant; quote the part that has a dot');
    return;
  }
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

/** Until nothing new is masked: a child's generated column may stand in its parent as an ordinary one. */
function spreadMasks(
  knowledge: Knowledge,
  chosen: Map<Oid, Map<string, MaskedColumn>>,
  closed: Map<Oid, Closed>,
): void {
  const count = () => [...chosen.values()].reduce((sum, { size }) => sum + size, 0);
  for (let before = -1; before !== count(); ) {
    before = count();
    for (const family of familiesOf(knowledge, [...chosen.keys(), ...closed.keys()])) {
      const reason = spreadInFamily(knowledge, family, chosen, closed);
      if (reason !== undefined) for (const oid of family) if (!closed.has(oid)) closed.set(oid, reason);
    }
    for (const [oid, columns] of chosen) spreadToGenerated(knowledge, oid, columns);
  }
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
  if (relation.kind !== 'r' && relation.kind !== 'p') return `${label(relation)} is not an ordinary table`;
  if (relation.rowSecurity)
    return `${label(relation)} has row policies: masks together with row security are not built`;
  return undefined;
}

/** Tables that are one by inheritance or partitioning: parents show their children's rows, children hold their parents' columns. */
function familiesOf(knowledge: Knowledge, seeds: readonly Oid[]): readonly ReadonlySet<Oid>[] {
  const families: Set<Oid>[] = [];
  for (const seed of seeds) {
    if (families.some((family) => family.has(seed))) continue;
    const family = new Set([seed]);
    for (let size = 0; size !== family.size; ) {
      size = family.size;
      for (const pair of knowledge.catalog.inherits)
        if (pair.some((oid) => family.has(oid))) for (const oid of pair) family.add(oid);
    }
    if (family.size > 1) families.push(family);
  }
  return families;
}

/**
 * A column that is masked in one table of the family is masked in all of them; two different masks on it hide it altogether.
 *
 * @returns why the family cannot be read at all
 */
function spreadInFamily(
  knowledge: Knowledge,
  family: ReadonlySet<Oid>,
  chosen: Map<Oid, Map<string, MaskedColumn>>,
  closed: ReadonlyMap<Oid, Closed>,
): Closed | undefined {
  const lost = [...family].map((oid) => closed.get(oid)).find((one) => one !== undefined);
  if (lost !== undefined) return lost;
  const masks = new Map<string, MaskWith>();
  for (const oid of family) {
    for (const [name, { with: mask }] of chosen.get(oid) ?? []) {
      const other = masks.get(name);
      masks.set(name, other === undefined || sameMask(other, mask) ? mask : 'redact');
    }
  }
  for (const oid of family) {
    const relation = knowledge.names.relationByOid(oid);
    const name = relation === undefined ? 'a table' : label(relation);
    const refusal = (what: string): Closed => ({
      word: 'MASK_REACHED',
      reason: `${name} shares rows with a masked table by inheritance or partitioning, and ${what}`,
      hint: 'leave it out of the statement',
    });
    if (relation === undefined) return refusal('its definition is not known');
    if (relation.kind !== 'r' && relation.kind !== 'p') return refusal('is not an ordinary table');
    if (relation.rowSecurity) return refusal('has row policies');
    const columns = new Map<string, MaskedColumn>();
    for (const column of relation.columns) {
      const mask = masks.get(column.name);
      if (mask !== undefined) columns.set(column.name, { column, with: mask });
    }
    const hidden = new Set([...columns.values()].map((one) => one.column.attnum));
    const keys = knowledge.catalog.partitionKeys.filter((one) => one.relation === oid).flatMap((one) => one.columns);
    if (keys.some((key) => key === 0 || hidden.has(key))) return refusal('is partitioned by a masked column');
    if (columns.size > 0) chosen.set(oid, columns);
  }
  return undefined;
}

function sameMask(a: MaskWith, b: MaskWith): boolean {
  return typeof a === 'object' && typeof b === 'object' ? a.fixed === b.fixed : a === b;
}

/** An index over masked and clear columns, of the table or of one whose rows it shows, may decide the order of rows. */
function mixesColumns(knowledge: Knowledge, relation: Relation, columns: ReadonlyMap<string, MaskedColumn>): boolean {
  return [relation, ...knowledge.below(relation)].some((one) => {
    const hidden = new Set(one.columns.flatMap((column) => (columns.has(column.name) ? [column.attnum] : [])));
    return knowledge.catalog.indexes.some(
      (index) =>
        index.relation === one.oid &&
        index.columns.some((attnum) => attnum === 0 || hidden.has(attnum)) &&
        index.columns.some((attnum) => !hidden.has(attnum)),
    );
  });
}

function clearKey(
  knowledge: Knowledge,
  relation: Relation,
  columns: ReadonlyMap<string, MaskedColumn>,
): readonly string[] | undefined {
  // The rows of children by inheritance are not under their parent's key.
  if (relation.kind !== 'p' && knowledge.below(relation).length > 0) return undefined;
  const primary = knowledge.catalog.constraints.find((one) => one.relation === relation.oid && one.kind === 'primary');
  const names = primary?.columns.map(
    (attnum) => relation.columns.find((column) => column.attnum === attnum)?.name ?? '',
  );
  return names?.every((name) => name !== '' && !columns.has(name)) ? names : undefined;
}

function label(relation: Relation): string {
  return qualified(relation.schema, relation.name);
}

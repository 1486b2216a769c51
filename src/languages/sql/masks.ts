/**
 * The column masks of a session, bound to one catalog: for each masked table the sub-query that stands in for it, and for everything that could show a masked
 * value by another road the reason why it is refused.
 */
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
    const standIns = order === undefined ? undefined : createStandIns(knowledge, relation, columns, order);
    if (reason !== undefined)
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
    masked.set(oid, { relation, columns, standIns, ordered });
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

function label(relation: Relation): string {
  return qualified(relation.schema, relation.name);
}

/** Column masks in shadow: what they would have been applied to, had they been in force. They change nothing about a statement. */
import type { SqlMask } from './analysis.ts';
import type { Relation } from './catalog.ts';
import { spellings } from './spelling.ts';
import type { Knowledge, Resolved } from './understanding.ts';

/** Columns, as masks spell them (`public.customers.name`), that the statement can look at, or by way of which it would be refused. */
export function watchedColumns(resolved: Resolved, knowledge: Knowledge, masks: readonly SqlMask[]): readonly string[] {
  if (masks.length === 0) return [];
  const found = new Set<string>();
  for (const { use, meaning } of resolved.relations) {
    if (meaning.kind !== 'user') continue;
    const { relation } = meaning;
    for (const mask of masks) {
      const direct = isOf(mask, relation) && (use.role !== 'from' || resolved.exposure.column(use, mask.column));
      if (direct || behind(relation, knowledge).some((one) => isOf(mask, one)))
        found.add(`${mask.relation}.${mask.column}`);
    }
  }
  return [...found].sort();
}

// What a view shows of it is not followed: with the mask in force the view would be refused.
function behind(relation: Relation, knowledge: Knowledge): readonly Relation[] {
  return relation.kind === 'v' || relation.kind === 'm' ? (knowledge.view(relation)?.relations ?? []) : [];
}

function isOf(mask: SqlMask, relation: Relation): boolean {
  return spellings(relation).includes(mask.relation);
}

/** What a change of a table reaches beyond it: tables whose foreign keys lead to it, and its partitions and children, each with theirs. */
import type { Relation } from './catalog.ts';
import type { RawStatement } from './parser.ts';
import type { Knowledge } from './understanding.ts';

export function dependentsOf(
  relations: readonly Relation[],
  { catalog, names, below }: Knowledge,
): readonly Relation[] {
  const found = new Set<Relation>(relations);
  // A Set is walked to its end while it grows.
  for (const one of found) {
    for (const child of below(one)) found.add(child);
    for (const { references, relation } of catalog.constraints) {
      const from = references === one.oid ? names.relationByOid(relation) : undefined;
      if (from !== undefined) found.add(from);
    }
  }
  for (const one of relations) found.delete(one);
  return [...found];
}

/** TRUNCATE … CASCADE empties what depends on a table with it. */
export function emptiesOthers({ kind, node }: RawStatement): boolean {
  return kind === 'TruncateStmt' && node['behavior'] === 'DROP_CASCADE';
}

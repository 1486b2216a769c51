/**
 * Under which names a statement's result shows masked columns. For counting alone: a column of a result that has lost its origin (a stand-in's mask has
 * none) and goes by one of these names is taken to show masks. What is computed from a masked column is not counted.
 */
import type { Shown } from './analysis.ts';
import type { MaskedRelation } from './masks.ts';
import { isOurs } from './ours.ts';
import { eachObject, type Fields, isFields, nameParts } from './tree.ts';
import type { RelationUse } from './gathered.ts';

interface MaskedUse {
  readonly use: RelationUse;
  readonly hit: MaskedRelation;
}

/** @param root as it stands before its masked tables are replaced */
export function shownMasks(kind: string, root: Fields, masked: readonly MaskedUse[]): Shown | undefined {
  if (masked.length === 0) return undefined;
  const labels = new Set<string>();
  for (const { use, hit } of masked) {
    const given = isFields(use.node['alias']) ? (nameParts(use.node['alias']['colnames']) ?? []) : [];
    hit.relation.columns.forEach(({ name }, place) => {
      if (hit.columns.has(name)) labels.add(given[place] ?? name);
    });
  }
  // A name given to a name: until no further one is found. Each round but the last finds one.
  for (let before = -1; labels.size > before; ) {
    before = labels.size;
    eachObject(root, (node) => noteRenamed(node, labels));
  }
  return { labels: [...labels], copied: kind === 'CopyStmt' ? copied(root, labels, masked) : 0 };
}

function noteRenamed(node: Fields, labels: Set<string>): void {
  const target = node['ResTarget'];
  if (isFields(target) && typeof target['name'] === 'string' && (isOurs(target) || shows(target, labels)))
    labels.add(target['name']);
  const range = node['RangeSubselect'];
  if (isFields(range) && isFields(range['alias']))
    renamedByPlace(range['alias']['colnames'], range['subquery'], labels);
  const cte = node['CommonTableExpr'];
  if (isFields(cte)) renamedByPlace(cte['aliascolnames'], cte['ctequery'], labels);
}

function renamedByPlace(names: unknown, query: unknown, labels: Set<string>): void {
  const given = nameParts(names) ?? [];
  if (given.length === 0) return;
  outputsOf(query).forEach((target, place) => {
    const name = given[place];
    if (name !== undefined && shows(target, labels)) labels.add(name);
  });
}

/** Of a query, or of what is left of a UNION. */
function outputsOf(query: unknown): Fields[] {
  const select = isFields(query) && isFields(query['SelectStmt']) ? query['SelectStmt'] : query;
  if (!isFields(select)) return [];
  if (isFields(select['larg'])) return outputsOf(select['larg']);
  const list = Array.isArray(select['targetList']) ? select['targetList'] : [];
  return list.map((item) => (isFields(item) && isFields(item['ResTarget']) ? item['ResTarget'] : {}));
}

function shows(target: Fields, labels: ReadonlySet<string>): boolean {
  const last = referred(target)?.at(-1);
  return last !== undefined && labels.has(last);
}

/** The names of the column it is, `*` for a star; undefined when it is computed. */
function referred({ val }: Fields): readonly string[] | undefined {
  const reference = isFields(val) ? val['ColumnRef'] : undefined;
  if (!isFields(reference) || !Array.isArray(reference['fields'])) return undefined;
  return reference['fields'].map((field: unknown) =>
    isFields(field) && field['A_Star'] !== undefined ? '*' : (nameParts([field])?.[0] ?? ''),
  );
}

// COPY tells how many columns it gives, not which.
function copied(root: Fields, labels: ReadonlySet<string>, masked: readonly MaskedUse[]): number {
  return outputsOf(root['query'])
    .map((target) => {
      if (referred(target)?.at(-1) !== '*') return shows(target, labels) ? 1 : 0;
      const whole = masked.filter(({ use }) => use.role === 'from');
      return whole.reduce((sum, { hit }) => sum + hit.columns.size, 0);
    })
    .reduce((sum: number, one) => sum + one, 0);
}

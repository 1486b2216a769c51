/**
 * Keeps GROUP BY over a primary key what it was. PostgreSQL lets such a query show the table's other columns, for the key determines them; the sub-query that
 * stands for a masked table has no key, so those columns are grouped by as well, which makes no other groups.
 */
import type { MaskedRelation } from './masks.ts';
import { eachChild, type Fields, isFields, nameParts, type Site, stringNode } from './tree.ts';

/** Changes the tree in place. @param standIns the sub-queries that were put in, with what each stands for */
export function keepGroups(root: Site, standIns: ReadonlyMap<Fields, MaskedRelation>): void {
  const { kind, node } = root;
  if (kind === 'SelectStmt' && Array.isArray(node['groupClause'])) keepGroup(node, node['groupClause'], standIns);
  eachChild(kind, node, (child) => keepGroups(child, standIns));
}

function keepGroup(select: Fields, items: unknown[], standIns: ReadonlyMap<Fields, MaskedRelation>): void {
  const outputs = Array.isArray(select['targetList']) ? select['targetList'] : [];
  const grouped = items.flatMap((item) => columnsNamed(item, outputs));
  if (items.some((item) => isFields(item) && item['GroupingSet'] !== undefined)) return;
  for (const source of sourcesOf(select['fromClause'])) {
    const masked = standIns.get(source);
    const key = masked?.key;
    const alias = isFields(source['alias']) ? source['alias'] : {};
    if (masked === undefined || key === undefined || alias['colnames'] !== undefined) continue;
    const name = String(alias['aliasname']);
    const has = (column: string) =>
      grouped.some((fields) => fields?.at(-1) === column && (fields.length === 1 || fields.at(-2) === name));
    if (!key.every(has)) continue;
    const groups = (name: string) =>
      !UNGROUPED.has(masked.relation.columns.find((column) => column.name === name)?.type ?? 0);
    for (const column of columnsOf(source))
      if (!has(column) && groups(column)) items.push({ ColumnRef: { fields: [stringNode(name), stringNode(column)] } });
  }
}

/** Types without equality, by OID (pg_type.dat), and arrays of them: json, xml, jsonpath, point, lseg, path, box, polygon, line, circle. */
const UNGROUPED: ReadonlySet<number> = new Set([
  ...[114, 199, 142, 143, 4072, 4073, 600, 1017, 601, 1018, 602, 1019, 603, 1020, 604, 1027, 628, 629, 718, 719],
]);

/**
 * What one item of GROUP BY names: a column, or an output by its place or its name. A column that has the name comes before the output (PostgreSQL, "GROUP
 * BY Clause"); the output is then not grouped by, and the statement an error either way.
 */
function columnsNamed(item: unknown, outputs: readonly unknown[]): (readonly string[] | undefined)[] {
  if (!isFields(item)) return [];
  if (isFields(item['ColumnRef'])) {
    const names = nameParts(item['ColumnRef']['fields']);
    const labelled = outputs.find((output) => names?.length === 1 && labelOf(output) === names[0]);
    return [names, columnOf(labelled)];
  }
  const place = isFields(item['A_Const']) && isFields(item['A_Const']['ival']) ? item['A_Const']['ival']['ival'] : 0;
  return [columnOf(typeof place === 'number' ? outputs[place - 1] : undefined)];
}

function labelOf(output: unknown): unknown {
  return isFields(output) && isFields(output['ResTarget']) ? output['ResTarget']['name'] : undefined;
}

function columnOf(output: unknown): readonly string[] | undefined {
  const value = isFields(output) && isFields(output['ResTarget']) ? output['ResTarget']['val'] : undefined;
  return isFields(value) && isFields(value['ColumnRef']) ? nameParts(value['ColumnRef']['fields']) : undefined;
}

/** The sub-queries of a FROM whose aliases are in sight: a join with an alias of its own hides those below it. */
function sourcesOf(from: unknown): Fields[] {
  if (Array.isArray(from)) return from.flatMap(sourcesOf);
  if (!isFields(from)) return [];
  if (isFields(from['RangeSubselect'])) return [from['RangeSubselect']];
  const join = from['JoinExpr'];
  return isFields(join) && join['alias'] === undefined ? [...sourcesOf(join['larg']), ...sourcesOf(join['rarg'])] : [];
}

/** What a stand-in yields: every output is a column `m.name` or has its name. */
function columnsOf(standIn: Fields): string[] {
  const select = isFields(standIn['subquery']) ? standIn['subquery']['SelectStmt'] : undefined;
  const outputs = isFields(select) && Array.isArray(select['targetList']) ? select['targetList'] : [];
  return outputs.flatMap((output) => {
    const target = isFields(output) && isFields(output['ResTarget']) ? output['ResTarget'] : {};
    if (typeof target['name'] === 'string') return [target['name']];
    const reference = isFields(target['val']) ? target['val']['ColumnRef'] : undefined;
    return isFields(reference) ? (nameParts(reference['fields'])?.slice(-1) ?? []) : [];
  });
}

/**
 * Opens what stands between a statement and a masked table, so that the table itself comes in sight and its masks can be put in place: a view becomes its
 * definition, COPY of a table becomes COPY of a query.
 *
 * A view is opened with every name of its definition qualified, under the columns it shows, and only where the definition means the same for the session's
 * account as for the view's owner: without row policies below it, and without a security barrier.
 */
import type { Relation } from './catalog.ts';
import { gather } from './gather.ts';
import type { RelationUse } from './gathered.ts';
import type { MaskBook } from './masks.ts';
import { parseOne, type RawStatement } from './parser.ts';
import { qualify, shortenReferences, shortensToOther } from './qualify.ts';
import { DEFINITION_PATH, resolve } from './resolve.ts';
import { eachObject, type Fields, isFields, nameParts, stringNode } from './tree.ts';
import type { Knowledge, Resolved } from './understanding.ts';

/** Views on views are opened one layer at a time; a statement that has not come to tables by then stays as it is, and is refused. */
export const MOST_LAYERS = 16;

/** Changes the tree in place. @returns whether anything was opened; the statement has then to be gathered and resolved anew */
export function openOnce(raw: RawStatement, resolved: Resolved, knowledge: Knowledge, book: MaskBook): boolean {
  const opened: Relation[] = [];
  const views = resolved.relations.flatMap(({ meaning }) =>
    meaning.kind === 'user' && meaning.relation.kind === 'v' ? [meaning.relation] : [],
  );
  if (views.length > 0 && shortensToOther(raw.node, views)) return false;
  for (const { use, meaning } of resolved.relations) {
    if (meaning.kind !== 'user') continue;
    const { relation } = meaning;
    if (relation.kind === 'v' && openView(use, relation, knowledge, book)) opened.push(relation);
    else if (use.role === 'target' && raw.kind === 'CopyStmt' && book.masked.has(relation.oid)) {
      if (copyAsQuery(raw.node, use, relation)) return true;
    }
  }
  if (opened.length === 0) return false;
  shortenReferences(raw.node, opened);
  return true;
}

function openView(use: RelationUse, relation: Relation, knowledge: Knowledge, book: MaskBook): boolean {
  if (use.role !== 'from' || use.wrapper === undefined || use.locked || relation.barrier || relation.locked)
    return false;
  const below = knowledge.view(relation)?.relations ?? [];
  if (!below.some((one) => book.masked.has(one.oid)) || below.some((one) => one.rowSecurity)) return false;
  const definition = definitionOf(relation, knowledge);
  if (definition === undefined) return false;
  const given = isFields(use.node['alias']) ? use.node['alias'] : {};
  const renamed = nameParts(given['colnames']) ?? [];
  const colnames = relation.columns.map((column, place) => stringNode(renamed[place] ?? column.name));
  delete use.wrapper['RangeVar'];
  use.wrapper['RangeSubselect'] = {
    subquery: { SelectStmt: definition },
    alias: { aliasname: use.alias, ...(colnames.length === 0 ? {} : { colnames }) },
  };
  return true;
}

/** A tree of its own for each place: what is put into a statement is changed with it. */
function definitionOf(relation: Relation, knowledge: Knowledge): Fields | undefined {
  const raw = relation.definition === undefined ? undefined : parseOne(relation.definition);
  if (raw?.kind !== 'SelectStmt') return undefined;
  qualify(resolve(knowledge, gather(raw.kind, raw.node), DEFINITION_PATH));
  // Its literals stand nowhere in the client's text.
  eachObject(raw.node, (node) => delete node['location']);
  return raw.node;
}

/** COPY t TO STDOUT gives the rows of t alone, and of its columns those that are not generated (PostgreSQL, "COPY"). */
function copyAsQuery(node: Fields, use: RelationUse, relation: Relation): boolean {
  if (node['is_from'] === true || relation.kind !== 'r') return false;
  const columns =
    nameParts(node['attlist']) ?? relation.columns.filter((column) => !column.generated).map((column) => column.name);
  const source: Fields = { ...use.node, inh: false };
  delete node['relation'];
  delete node['attlist'];
  node['query'] = {
    SelectStmt: {
      targetList: columns.map((name) => ({ ResTarget: { val: { ColumnRef: { fields: [stringNode(name)] } } } })),
      fromClause: [{ RangeVar: source }],
      limitOption: 'LIMIT_OPTION_DEFAULT',
      op: 'SETOP_NONE',
    },
  };
  return true;
}

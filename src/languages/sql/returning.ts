/**
 * Puts masks into the RETURNING of a write on a masked table, before anything else looks at the statement: a masked column that stands there by itself becomes
 * its mask, and a star the list of columns it stands for. Every other use of a masked column in a write is left, and refused later; so is a column that is
 * masked by its hash where the rows are not the statement's own result.
 */
import { markHashed } from './hash-outputs.ts';
import type { MaskBook, MaskedRelation } from './masks.ts';
import { markOurs } from './ours.ts';
import { eachChild, type Fields, isFields, nameParts, type Site, stringNode } from './tree.ts';
import type { Knowledge } from './understanding.ts';

export function maskReturning(site: Site, knowledge: Knowledge, book: MaskBook, path: readonly string[]): void {
  mask(site, { knowledge, book, path, hashes: 'shown' });
}

interface Where {
  readonly knowledge: Knowledge;
  readonly book: MaskBook;
  readonly path: readonly string[];
  /** What becomes of columns masked by their hash: EXPLAIN shows none, and what a WITH gives back is not followed. */
  readonly hashes: 'shown' | 'planned' | 'left';
}

function mask(site: Site, where: Where): void {
  if (WRITES.has(site.kind)) maskOne(site.node, where);
  const hashes = { PrepareStmt: where.hashes, ExplainStmt: 'planned' as const }[site.kind] ?? 'left';
  eachChild(site.kind, site.node, (child) => {
    if (MAY_HOLD_WRITES.has(child.kind)) mask(child, { ...where, hashes });
  });
}

const WRITES: ReadonlySet<string> = new Set(['InsertStmt', 'UpdateStmt', 'DeleteStmt']);

/** A write stands at the top, below a wrapper, or in a WITH. */
const MAY_HOLD_WRITES: ReadonlySet<string> = new Set([
  ...WRITES,
  ...['SelectStmt', 'WithClause', 'CommonTableExpr', 'ExplainStmt', 'PrepareStmt', 'CopyStmt', 'CreateTableAsStmt'],
]);

function maskOne(node: Fields, where: Where): void {
  const { knowledge, book, path } = where;
  const clause = node['returningClause'];
  const target = node['relation'];
  if (!isFields(clause) || !isFields(target) || !Array.isArray(clause['exprs'])) return;
  const schema = typeof target['schemaname'] === 'string' ? target['schemaname'] : undefined;
  const meaning = knowledge.names.relation(schema, String(target['relname']), path);
  const masked = meaning.kind === 'user' ? book.masked.get(meaning.relation.oid) : undefined;
  if (masked === undefined) return;
  const alias = isFields(target['alias']) ? String(target['alias']['aliasname']) : String(target['relname']);
  // With other tables in sight, a bare name or star may mean theirs.
  const alone = node['fromClause'] === undefined && node['usingClause'] === undefined;
  clause['exprs'] = clause['exprs'].flatMap((item) => maskItem(item, masked, alias, alone, where));
}

function maskItem(item: unknown, masked: MaskedRelation, alias: string, alone: boolean, where: Where): unknown[] {
  const target = isFields(item) && isFields(item['ResTarget']) ? item['ResTarget'] : undefined;
  const reference = target !== undefined && isFields(target['val']) ? target['val']['ColumnRef'] : undefined;
  const fields = isFields(reference) && Array.isArray(reference['fields']) ? reference['fields'] : undefined;
  if (target === undefined || fields === undefined || !refersTo(fields, alias, alone)) return [item];
  const last: unknown = fields.at(-1);
  if (isFields(last) && last['A_Star'] !== undefined)
    return masked.relation.columns.map((column) => output(masked, column.name, alias, column.name, where));
  const name = nameParts([last])?.[0] ?? '';
  return masked.columns.has(name)
    ? [output(masked, name, alias, typeof target['name'] === 'string' ? target['name'] : name, where)]
    : [item];
}

function refersTo(fields: readonly unknown[], alias: string, alone: boolean): boolean {
  if (fields.length === 1) return alone;
  return fields.length === 2 && nameParts(fields.slice(0, 1))?.[0] === alias;
}

function output(masked: MaskedRelation, name: string, alias: string, label: string, { hashes }: Where): Fields {
  const hashed = masked.columns.get(name)?.with === 'hash';
  const digest = hashed && hashes === 'shown' ? masked.standIns?.digest(name, alias) : undefined;
  if (digest !== undefined) return { ResTarget: markHashed(markOurs({ name: label, val: digest })) };
  const expression = hashed && hashes !== 'planned' ? undefined : masked.standIns?.expression(name, alias);
  const val = expression ?? { ColumnRef: { fields: [stringNode(alias), stringNode(name)] } };
  return expression === undefined ? { ResTarget: { val } } : { ResTarget: markOurs({ name: label, val }) };
}

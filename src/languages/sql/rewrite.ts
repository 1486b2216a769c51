/**
 * Writes a statement anew for a guarded target: every relation, function, operator and type with its schema, every read of a masked table replaced by the
 * sub-query that yields its masks. What was written is parsed again and compared with what was meant; a difference refuses the statement.
 */
import type { MaskBook, MaskedRelation } from './masks.ts';
import { isOurs } from './ours.ts';
import { parse, type RawStatement } from './parser.ts';
import { eachChild, type Fields, isFields, nameParts, sameTree, type Site, stringNode } from './tree.ts';
import { writeStatement } from './writer.ts';
import type { Resolved } from './understanding.ts';

export type Rewritten =
  | { readonly kind: 'rewritten'; readonly text: string; readonly statement: RawStatement }
  | { readonly kind: 'failed'; readonly reason: string };

/** Changes the tree in place. */
export function rewrite(raw: RawStatement, resolved: Resolved, book: MaskBook): Rewritten {
  qualify(resolved);
  replaceMasked(resolved, book, raw.node);
  let text: string;
  try {
    text = writeStatement(raw.kind, raw.node);
  } catch (error) {
    if (error instanceof RangeError) throw error;
    return { kind: 'failed', reason: 'it uses syntax that cannot be written anew with masks in place' };
  }
  const again = parse(text, Buffer.byteLength(text));
  const statement = again.kind === 'parsed' && again.statements.length === 1 ? again.statements[0] : undefined;
  if (statement === undefined || statement.kind !== raw.kind || !sameTree(raw.node, statement.node)) {
    return { kind: 'failed', reason: 'written anew with qualified names it would not read as the same statement' };
  }
  if (book.masked.size > 0 && namesMasked({ kind: raw.kind, node: raw.node, field: 'stmt' }, '', book)) {
    return { kind: 'failed', reason: 'a masked table would be read directly' };
  }
  return { kind: 'rewritten', text, statement };
}

/** The site of a stand-in: what is inside is ours. */
export function isStandIn(site: Site, book: MaskBook): boolean {
  if (site.kind !== 'RangeSubselect' || book.masked.size === 0) return false;
  const select = isFields(site.node['subquery']) ? site.node['subquery']['SelectStmt'] : undefined;
  for (const { standIns } of book.masked.values()) {
    for (const given of standIns?.given ?? []) if (sameTree(select, given)) return true;
  }
  return false;
}

function qualify(resolved: Resolved): void {
  for (const { use, meaning } of resolved.relations) {
    delete use.node['catalogname'];
    if (meaning.kind === 'user') use.node['schemaname'] = meaning.relation.schema;
    else if (meaning.kind === 'system') use.node['schemaname'] = meaning.schema;
  }
  for (const { use, meaning } of resolved.functions) {
    if (use.names.length !== 1) continue;
    const schema = meaning.user.length > 0 ? meaning.user[0]?.schema : 'pg_catalog';
    if (schema !== undefined) use.node['funcname'] = [schema, ...use.names].map(stringNode);
  }
  for (const { use, builtin, schema } of resolved.operators) {
    plainLike(use.node);
    if (use.field === undefined || use.names.length !== 1) continue;
    const where = builtin ? 'pg_catalog' : schema;
    if (where !== undefined) use.node[use.field] = [where, ...use.names].map(stringNode);
  }
  for (const { node, meaning } of resolved.types) {
    const names = nameParts(node['names']);
    if (names?.length !== 1) continue;
    const schema = meaning.kind === 'user' ? meaning.type.schema : 'pg_catalog';
    node['names'] = [schema, ...names].map(stringNode);
  }
}

// LIKE, ILIKE and SIMILAR TO are other spellings of operators; only as operators can they be qualified.
function plainLike(node: Fields): void {
  if (!LIKES.has(String(node['kind']))) return;
  node['kind'] = 'AEXPR_OP';
  node['name'] = ['pg_catalog', ...(nameParts(node['name']) ?? [])].map(stringNode);
}

const LIKES: ReadonlySet<string> = new Set(['AEXPR_LIKE', 'AEXPR_ILIKE', 'AEXPR_SIMILAR']);

function replaceMasked(resolved: Resolved, book: MaskBook, root: Fields): void {
  if (book.masked.size === 0) return;
  const replaced: MaskedRelation[] = [];
  for (const { use, meaning } of resolved.relations) {
    const masked = meaning.kind === 'user' ? book.masked.get(meaning.relation.oid) : undefined;
    if (masked === undefined || use.role !== 'from' || use.wrapper === undefined) continue;
    const select = masked.standIns?.select((name) => resolved.exposure.column(use, name));
    if (select === undefined) continue;
    const alias = isFields(use.node['alias']) ? use.node['alias'] : { aliasname: use.alias };
    delete use.wrapper['RangeVar'];
    use.wrapper['RangeSubselect'] = { subquery: { SelectStmt: select }, alias };
    replaced.push(masked);
  }
  if (replaced.length > 0) shortenReferences(root, replaced);
}

// `public.customers.id` cannot name a column of a sub-query; `customers.id` can, for the sub-query keeps the table's name.
function shortenReferences(node: Fields, replaced: readonly MaskedRelation[]): void {
  eachChild('', node, (site) => {
    if (site.kind !== 'ColumnRef') {
      if (!isOurs(site.node)) shortenReferences(site.node, replaced);
      return;
    }
    const fields = site.node['fields'];
    if (!Array.isArray(fields) || fields.length < 3) return;
    const names = nameParts(fields.slice(0, -1)) ?? [];
    const [schema, table] = names.slice(-2);
    if (replaced.some(({ relation }) => relation.schema === schema && relation.name === table))
      site.node['fields'] = fields.slice(-2);
  });
}

/** Looks at what was meant, which is known to be what was written: stand-ins are told by identity there. */
function namesMasked(site: Site, parent: string, book: MaskBook): boolean {
  if (isOurs(site.node)) return false;
  if (site.kind === 'RangeVar' && !(site.field === 'relation' && TARGETS.has(parent)) && !PLAIN_NAMES.has(parent)) {
    for (const { relation } of book.masked.values()) {
      // Every relation has its schema by now: a name without one is a CTE's.
      if (site.node['relname'] === relation.name && site.node['schemaname'] === relation.schema) return true;
    }
  }
  let found = false;
  eachChild(site.kind, site.node, (child) => {
    found ||= namesMasked(child, site.kind, book);
  });
  return found;
}

const TARGETS: ReadonlySet<string> = new Set(['InsertStmt', 'UpdateStmt', 'DeleteStmt', 'CopyStmt']);
const PLAIN_NAMES: ReadonlySet<string> = new Set(['LockStmt', 'TruncateStmt']);

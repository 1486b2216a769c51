/**
 * Writes a statement anew for a guarded target: every relation, function, operator and type with its schema, every read of a masked table replaced by the
 * sub-query that yields its masks. What was written is parsed again and compared with what was meant; a difference refuses the statement.
 */
import { hideCounted, hideMissing } from './counters.ts';
import { wantedOf } from './exposure.ts';
import { keepGroups } from './groups.ts';
import type { MaskBook, MaskedRelation } from './masks.ts';
import { isOurs } from './ours.ts';
import { parse, type RawStatement } from './parser.ts';
import { qualify, shortenReferences, shortensToOther } from './qualify.ts';
import { eachChild, type Fields, isFields, sameTree, type Site } from './tree.ts';
import { writeStatement } from './writer.ts';
import type { Resolved } from './understanding.ts';

export type Rewritten =
  | { readonly kind: 'rewritten'; readonly text: string; readonly statement: RawStatement }
  | { readonly kind: 'failed'; readonly reason: string };

/** Changes the tree in place. @param digests which columns' digests a stand-in is to yield, by the node it replaces */
export function rewrite(
  raw: RawStatement,
  resolved: Resolved,
  book: MaskBook,
  digests: ReadonlyMap<Fields, ReadonlySet<string>> = new Map(),
): Rewritten {
  qualify(resolved);
  const masked = [...book.masked.values()].map(({ relation }) => relation);
  if (masked.length > 0 && shortensToOther(raw.node, masked))
    return { kind: 'failed', reason: 'two tables in it go by one name' };
  hideCounted(resolved, book);
  hideMissing(resolved, book);
  replaceMasked(resolved, book, { kind: raw.kind, node: raw.node, field: 'stmt' }, digests);
  if (raw.kind === 'CopyStmt') plainOptions(raw.node);
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

function replaceMasked(
  resolved: Resolved,
  book: MaskBook,
  root: Site,
  digests: ReadonlyMap<Fields, ReadonlySet<string>>,
): void {
  if (book.masked.size === 0) return;
  const replaced = new Map<Fields, MaskedRelation>();
  for (const { use, meaning } of resolved.relations) {
    const masked = meaning.kind === 'user' ? book.masked.get(meaning.relation.oid) : undefined;
    if (masked === undefined || use.role !== 'from' || use.wrapper === undefined) continue;
    const wanted = wantedOf(resolved.exposure, use, masked.relation);
    const select = masked.standIns?.select(wanted, use.node['inh'] === true, digests.get(use.node));
    if (select === undefined) continue;
    const alias = isFields(use.node['alias']) ? use.node['alias'] : { aliasname: use.alias };
    if (root.kind === 'ExplainStmt' && showsPart(masked, wanted)) leaveCostsOut(root.node);
    delete use.wrapper['RangeVar'];
    const standIn: Fields = { subquery: { SelectStmt: select }, alias };
    use.wrapper['RangeSubselect'] = standIn;
    replaced.set(standIn, masked);
  }
  if (replaced.size === 0) return;
  keepGroups(root, replaced);
  shortenReferences(
    root.node,
    [...replaced.values()].map(({ relation }) => relation),
  );
}

/** `CSV HEADER`, the spelling from before PostgreSQL 9.0, is written anew as `(FORMAT csv, HEADER)`: an option without a value is switched on. */
function plainOptions(copy: Fields): void {
  for (const option of Array.isArray(copy['options']) ? copy['options'] : []) {
    const element = isFields(option) && isFields(option['DefElem']) ? option['DefElem'] : {};
    if (
      isFields(element['arg']) &&
      isFields(element['arg']['Boolean']) &&
      element['arg']['Boolean']['boolval'] === true
    )
      delete element['arg'];
  }
}

/** `last4` is computed from the value, of which the planner knows how long it usually is. */
function showsPart({ columns, standIns }: MaskedRelation, wanted: (column: string) => boolean): boolean {
  const all = standIns?.isFull === true;
  return [...columns].some(([name, { with: mask }]) => mask === 'last4' && (all || wanted(name)));
}

function leaveCostsOut(explain: Fields): void {
  const options = Array.isArray(explain['options']) ? explain['options'] : [];
  if (
    options.some(
      (option) => isFields(option) && isFields(option['DefElem']) && option['DefElem']['defname'] === 'costs',
    )
  )
    return;
  const off = { defname: 'costs', arg: { String: { sval: 'off' } }, defaction: 'DEFELEM_UNSPEC' };
  explain['options'] = [...options, { DefElem: off }];
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

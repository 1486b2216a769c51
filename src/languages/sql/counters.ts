/**
 * Catalog columns that tell a masked value without naming it: counters that move when a write leaves a value as it was (an UPDATE stays in its page only if
 * no indexed value changes; less of the row is logged the more it is like the old one), the value that rows from before a column was added have in it, and
 * how many rows an index over some of them has.
 */
import type { SqlRefusal } from './analysis.ts';
import type { RelationUse } from './gathered.ts';
import type { MaskBook } from './masks.ts';
import { markOurs } from './ours.ts';
import { type Guarded, refuse } from './refusing.ts';
import { parseOne } from './parser.ts';
import type { Fields } from './tree.ts';
import type { Knowledge, Resolved } from './understanding.ts';

export function checkCounters({ resolved, knowledge, book }: Guarded): SqlRefusal | undefined {
  if (book.masked.size === 0) return undefined;
  const told = telling(resolved, book, isReplaceable) ?? behindViews(resolved, knowledge, book);
  if (told === undefined) return undefined;
  return refuse(
    'SENSITIVE_CATALOG',
    `${told} can tell a masked value`,
    'name the columns you need, without *, and leave this one out',
  );
}

/** Puts the rows of such indexes out of sight where a statement may look at how many rows a relation has. Changes the tree in place. */
export function hideCounted(resolved: Resolved, { counted }: MaskBook): void {
  if (counted.length === 0) return;
  for (const { use, meaning } of resolved.relations) {
    const shows =
      meaning.kind === 'system' && meaning.name === 'pg_class' && resolved.exposure.column(use, 'reltuples');
    if (!shows || use.role !== 'from' || use.wrapper?.['RangeVar'] === undefined) continue;
    const raw = parseOne(
      `SELECT * FROM pg_catalog.pg_class AS m WHERE m.oid OPERATOR(pg_catalog.<>) ALL ('{${counted.join()}}'::pg_catalog.oid[])`,
    );
    if (raw === undefined) continue;
    delete use.wrapper['RangeVar'];
    const alias = use.node['alias'] ?? { aliasname: use.alias };
    const standIn: Fields = { subquery: { SelectStmt: markOurs(raw.node) }, alias };
    use.wrapper['RangeSubselect'] = standIn;
  }
}

/**
 * Puts the values that rows from before a column have in it out of sight where a statement may look at them, as under a `*`. Which columns pg_attribute has
 * depends on the server; a row of it with one value replaced is a row of it. Changes the tree in place.
 */
export function hideMissing(resolved: Resolved, book: MaskBook): void {
  if (attributeColumns(book).length === 0) return;
  for (const { use, meaning } of resolved.relations) {
    const attributes = meaning.kind === 'system' && meaning.name === 'pg_attribute' && isReplaceable(use);
    if (!attributes || !resolved.exposure.column(use, 'attmissingval')) continue;
    const raw = parseOne(
      `SELECT r.* FROM pg_catalog.pg_attribute AS m, LATERAL pg_catalog.jsonb_populate_record(m, '{"attmissingval": null}') AS r`,
    );
    if (raw === undefined || use.wrapper === undefined) continue;
    delete use.wrapper['RangeVar'];
    const alias = use.node['alias'] ?? { aliasname: use.alias };
    const standIn: Fields = { subquery: { SelectStmt: markOurs(raw.node) }, alias };
    use.wrapper['RangeSubselect'] = standIn;
  }
}

function isReplaceable({ role, wrapper }: RelationUse): boolean {
  return role === 'from' && wrapper?.['RangeVar'] !== undefined;
}

function behindViews(resolved: Resolved, knowledge: Knowledge, book: MaskBook): string | undefined {
  for (const { meaning } of resolved.relations) {
    const view = meaning.kind === 'user' ? knowledge.view(meaning.relation) : undefined;
    if (view === undefined) continue;
    const inner = view.relations.map((relation) => knowledge.view(relation)?.resolved);
    for (const one of [view.resolved, ...inner]) {
      const told = one && telling(one, book, () => false);
      if (told !== undefined) return told;
      const counts = one?.relations.some(
        ({ use, meaning }) =>
          meaning.kind === 'system' && meaning.name === 'pg_class' && one.exposure.column(use, 'reltuples'),
      );
      if (book.counted.length > 0 && counts === true) return 'pg_class.reltuples';
    }
  }
  return undefined;
}

function telling(
  resolved: Resolved,
  book: MaskBook,
  isHidden: (attributes: RelationUse) => boolean,
): string | undefined {
  for (const { use, meaning } of resolved.relations) {
    if (meaning.kind !== 'system' || meaning.schema !== 'pg_catalog') continue;
    const attributes = meaning.name === 'pg_attribute';
    if (attributes && isHidden(use)) continue;
    const columns = attributes ? attributeColumns(book) : COUNTERS.get(meaning.name);
    const column = columns?.find((name) => resolved.exposure.column(use, name));
    if (column !== undefined) return `${meaning.name}.${column}`;
  }
  return undefined;
}

// Only where a masked column has such a value.
function attributeColumns(book: MaskBook): readonly string[] {
  const keeps = [...book.masked.values()].some(({ columns }) =>
    [...columns.values()].some(({ column }) => column.keepsMissing),
  );
  return keeps ? ['attmissingval'] : [];
}

const TABLE_COUNTERS = ['n_tup_hot_upd', 'n_tup_newpage_upd'];
const TABLE_BLOCKS = [
  'heap_blks_read',
  'heap_blks_hit',
  'idx_blks_read',
  'idx_blks_hit',
  'toast_blks_read',
  'toast_blks_hit',
];
const MORE_BLOCKS = ['tidx_blks_read', 'tidx_blks_hit'];
const WHOSE = ['all', 'user', 'sys'];

const COUNTERS: ReadonlyMap<string, readonly string[]> = new Map([
  ...WHOSE.flatMap((whose): [string, readonly string[]][] => [
    [`pg_stat_${whose}_tables`, TABLE_COUNTERS],
    [`pg_stat_xact_${whose}_tables`, TABLE_COUNTERS],
    [`pg_statio_${whose}_tables`, [...TABLE_BLOCKS, ...MORE_BLOCKS]],
    [`pg_statio_${whose}_indexes`, TABLE_BLOCKS],
  ]),
  ['pg_stat_database', ['blks_read', 'blks_hit']],
  [
    'pg_stat_wal',
    ['wal_records', 'wal_fpi', 'wal_bytes', 'wal_fpi_bytes', 'wal_buffers_full', 'wal_write', 'wal_sync'],
  ],
  [
    'pg_stat_io',
    [
      'reads',
      'read_bytes',
      'writes',
      'write_bytes',
      'writebacks',
      'extends',
      'extend_bytes',
      'hits',
      'evictions',
      'reuses',
      'fsyncs',
    ],
  ],
]);

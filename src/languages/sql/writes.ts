/**
 * Writes on a guarded target that could tell or move a masked value: through a constraint that succeeds or fails by what is stored, through a predicate or
 * source that reads it, through rows given back.
 */
import type { SqlRefusal } from './analysis.ts';
import type { Constraint, Oid, Relation } from './catalog.ts';
import { type Guarded, refuse } from './refusing.ts';
import type { RelationUse } from './gathered.ts';
import type { MaskBook, MaskedRelation } from './masks.ts';
import { qualified } from './spelling.ts';
import { type Fields, isFields, nameParts } from './tree.ts';

export function checkWrites(guarded: Guarded): SqlRefusal | undefined {
  const { gathered, resolved, book } = guarded;
  if (book.masked.size === 0) return undefined;
  const reading = gathered.modifications.length > 0 ? masksReadByWrites(guarded) : undefined;
  if (reading !== undefined) return reading;
  for (const { use, meaning } of resolved.relations) {
    if (use.role !== 'target' || meaning.kind !== 'user') continue;
    const { relation } = meaning;
    const write = writeOf(use, guarded.raw.node, relation);
    if (write === undefined) continue;
    const parts = checkParts(guarded, use, relation);
    if (parts !== undefined) return parts;
    for (const each of [write, ...updateOnConflict(use.modifies ?? guarded.raw.node)]) {
      const refusal = checkBelow(guarded, relation, each) ?? checkBehind(guarded, relation, each);
      if (refusal !== undefined) return refusal;
    }
  }
  return undefined;
}

/** `SET tags[2] = …` and `SET pair.a = …` keep the rest of what is stored, and fail where it does not fit. */
function checkParts({ raw, book }: Guarded, use: RelationUse, relation: Relation): SqlRefusal | undefined {
  const node = use.modifies ?? raw.node;
  const masked = book.masked.get(relation.oid);
  if (masked === undefined || use.statement !== 'UpdateStmt' || !Array.isArray(node['targetList'])) return undefined;
  for (const item of node['targetList']) {
    const target = isFields(item) && isFields(item['ResTarget']) ? item['ResTarget'] : {};
    const name = String(target['name']);
    if (target['indirection'] === undefined || !masked.columns.has(name)) continue;
    return refuse(
      'MASK_WRITE',
      `setting a part of ${qualified(relation.schema, relation.name)}.${name} would tell what is stored in it`,
      'set the whole value',
    );
  }
  return undefined;
}

/** What is done to a table is done to its partitions and children, whose columns have the same names. */
function checkBelow(guarded: Guarded, relation: Relation, write: Write): SqlRefusal | undefined {
  const below = guarded.knowledge.below(relation);
  const moved: Write[] = movesRows(guarded, [relation, ...below], write)
    ? [{ kind: 'insert', columns: relation.columns.map((column) => column.name), conflict: false }]
    : [];
  for (const one of [relation, ...below]) {
    for (const each of [write, ...moved]) {
      const refusal = checkTarget(guarded, one, each);
      if (refusal !== undefined) return refusal;
    }
  }
  return undefined;
}

/** A write to a view is one to the table behind it. Which of its columns are which is not followed: it may be any. */
function checkBehind(guarded: Guarded, relation: Relation, write: Write): SqlRefusal | undefined {
  if (relation.kind !== 'v') return undefined;
  for (const table of guarded.knowledge.view(relation)?.relations ?? []) {
    if (table.kind === 'v') continue;
    const columns = write.kind === 'delete' ? [] : table.columns.map((column) => column.name);
    const refusal = checkBelow(guarded, table, { ...write, columns });
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** An UPDATE of a partition key takes whole rows to other partitions, which have constraints of their own. */
function movesRows({ knowledge }: Guarded, tables: readonly Relation[], write: Write): boolean {
  return (
    write.kind === 'update' &&
    tables.some((table) => {
      const keys = knowledge.catalog.partitionKeys.filter((key) => key.relation === table.oid);
      const set = table.columns.filter((column) => write.columns.includes(column.name)).map((column) => column.attnum);
      return keys.some(({ columns }) => columns.includes(0) || columns.some((attnum) => set.includes(attnum)));
    })
  );
}

/** What a statement writes into one relation. */
export interface Write {
  readonly kind: 'insert' | 'update' | 'delete' | 'merge';
  /** Names of the columns it sets; all of them for `merge`. */
  readonly columns: readonly string[];
  readonly conflict: boolean;
}

export function writeOf(use: RelationUse, top: Fields, relation: Relation): Write | undefined {
  const node = use.modifies ?? top;
  const all = relation.columns.filter((column) => !column.generated).map((column) => column.name);
  switch (use.statement) {
    case 'InsertStmt':
      return {
        kind: 'insert',
        // INSERT … DEFAULT VALUES has no source and sets nothing.
        columns: node['selectStmt'] === undefined ? [] : (targetNames(node['cols']) ?? all),
        conflict: node['onConflictClause'] !== undefined,
      };
    case 'UpdateStmt':
      return { kind: 'update', columns: targetNames(node['targetList']) ?? all, conflict: false };
    case 'DeleteStmt':
      return { kind: 'delete', columns: [], conflict: false };
    case 'MergeStmt':
      return { kind: 'merge', columns: all, conflict: false };
    case 'CopyStmt':
      return top['is_from'] === true
        ? { kind: 'insert', columns: nameParts(top['attlist']) ?? all, conflict: false }
        : undefined;
    default:
      return undefined;
  }
}

/** `ON CONFLICT … DO UPDATE` updates too, and other columns than the INSERT sets. */
function updateOnConflict(insert: Fields): Write[] {
  const conflict = insert['onConflictClause'];
  const columns = isFields(conflict) ? targetNames(conflict['targetList']) : undefined;
  return columns === undefined ? [] : [{ kind: 'update', columns, conflict: false }];
}

function targetNames(list: unknown): string[] | undefined {
  if (!Array.isArray(list)) return undefined;
  return list.map((item) => (isFields(item) && isFields(item['ResTarget']) ? String(item['ResTarget']['name']) : ''));
}

/** The row a statement writes to is stored as it is, so its masked columns are kept out of the statement. What else it reads comes from stand-ins. */
function masksReadByWrites({ gathered, resolved, book }: Guarded): SqlRefusal | undefined {
  for (const { use, meaning } of resolved.relations) {
    const masked = meaning.kind === 'user' ? book.masked.get(meaning.relation.oid) : undefined;
    if (masked === undefined || isReplaced(use)) continue;
    const label = qualified(masked.relation.schema, masked.relation.name);
    if (use.statement === 'MergeStmt')
      return refuse(
        'MASK_WRITE',
        `MERGE on ${label}, which has masked columns, could tell their values`,
        'use INSERT or UPDATE',
      );
    // The stored row of an INSERT's target is only seen by RETURNING and ON CONFLICT.
    const blind =
      use.role === 'target' &&
      use.modifies !== undefined &&
      use.statement === 'InsertStmt' &&
      use.modifies['returningClause'] === undefined;
    if (blind) continue;
    // `c.to_json` is to_json(c) when the table has no such column: the whole row, masked columns and all.
    const call = resolved.exposure
      .selected(use)
      .find((name) => !masked.relation.columns.some((column) => column.name === name) && !SYSTEM.has(name));
    if (call !== undefined)
      return refuse('NAME_UNKNOWN', `${label} has no column ${call}`, 'name columns of the table', '42703');
    for (const name of masked.columns.keys()) {
      if (!resolved.exposure.column(use, name)) continue;
      return refuse(
        'MASK_REACHED',
        `a statement that writes would use ${label}.${name}, which is masked`,
        gathered.returning
          ? 'name clear columns in RETURNING, and qualify columns of other tables'
          : 'use clear columns only, and qualify columns of other tables',
      );
    }
  }
  return undefined;
}

function isReplaced(use: RelationUse): boolean {
  return use.role === 'from' && use.wrapper !== undefined;
}

/** Told apart with a reason of their own. */
const SYSTEM: ReadonlySet<string> = new Set(['ctid', 'xmin', 'xmax', 'cmin', 'cmax', 'tableoid']);

function checkTarget(guarded: Guarded, relation: Relation, write: Write): SqlRefusal | undefined {
  const masked = guarded.book.masked.get(relation.oid);
  if (masked !== undefined) {
    const label = qualified(relation.schema, relation.name);
    if (write.kind === 'merge')
      return refuse(
        'MASK_WRITE',
        `MERGE on ${label}, which has masked columns, could tell their values`,
        'use INSERT or UPDATE',
      );
    if (write.conflict)
      return refuse(
        'MASK_WRITE',
        `ON CONFLICT on ${label}, which has masked columns, could tell their values`,
        'use a plain INSERT',
      );
    if (masked.ordered && write.kind !== 'insert' && guarded.gathered.returning) {
      return refuse(
        'MASK_REACHED',
        `rows of ${label} given back by a write could come in the order of masked values`,
        'leave RETURNING out',
      );
    }
    const refusal = write.kind === 'delete' ? undefined : checkOwnConstraints(guarded, masked, write, label);
    if (refusal !== undefined) return refusal;
  }
  return checkReferences(guarded, relation, write) ?? checkKeyAnswers(guarded, relation, write, new Set());
}

/** Constraints and indexes of a masked table whose answer depends on masked values. */
function checkOwnConstraints(
  { knowledge }: Guarded,
  masked: MaskedRelation,
  write: Write,
  label: string,
): SqlRefusal | undefined {
  const { relation } = masked;
  const hidden = new Set([...masked.columns.values()].map((one) => one.column.attnum));
  const listed = new Set(
    relation.columns.filter((column) => write.columns.includes(column.name)).map((column) => column.attnum),
  );
  const omittedIsNull = (attnum: number) => {
    const column = relation.columns.find((one) => one.attnum === attnum);
    return !listed.has(attnum) && column !== undefined && !column.hasDefault && !column.identity && !column.generated;
  };
  const touches = (columns: readonly number[], of: ReadonlySet<number>) =>
    columns.includes(0) || columns.some((one) => of.has(one));
  const no = (what: string) =>
    refuse(
      'MASK_WRITE',
      `${what} of ${label} would tell masked values by accepting or refusing the write`,
      'leave the columns it covers out',
    );

  for (const one of knowledge.catalog.constraints) {
    if (one.relation !== relation.oid || !touches(one.columns, hidden)) continue;
    const again = write.kind === 'update' && one.unsteady && (one.kind === 'check' || one.kind === 'notNull');
    if (again) return no(`constraint ${one.name}`);
    if (one.kind === 'notNull') continue;
    const unique = one.kind === 'unique' || one.kind === 'primary' || one.kind === 'exclusion';
    if (unique && write.kind === 'insert') continue; // Its index is looked at below; an exclusion constraint has one too.
    if (touches(one.columns, listed)) return no(`constraint ${one.name}`);
  }
  for (const index of knowledge.catalog.indexes) {
    if (index.relation !== relation.oid || !touches(index.columns, hidden)) continue;
    const quiet =
      write.kind === 'insert' &&
      index.evaluates.length === 0 &&
      !index.nullsNotDistinct &&
      index.columns.some((one) => hidden.has(one) && omittedIsNull(one));
    if (quiet) continue;
    if (write.kind === 'insert' ? index.unique || touches(index.columns, listed) : touches(index.columns, listed))
      return no(`index ${index.name}`);
  }
  for (const one of knowledge.catalog.constraints) {
    const exclusion = one.relation === relation.oid && one.kind === 'exclusion' && touches(one.columns, hidden);
    if (exclusion && write.kind === 'insert') return no(`constraint ${one.name}`);
  }
  for (const one of knowledge.catalog.defaults) {
    if (one.relation !== relation.oid || one.from.length === 0) continue;
    const mixes = touches(one.from, hidden) && touches(one.from, listed);
    if (mixes) return no('a generated column');
  }
  return undefined;
}

/** Writing a column that refers to a masked one asks whether the value is among the masked ones. */
function checkReferences({ knowledge, book }: Guarded, relation: Relation, write: Write): SqlRefusal | undefined {
  if (write.kind === 'delete') return undefined;
  for (const one of knowledge.catalog.constraints) {
    if (one.relation !== relation.oid || one.kind !== 'foreign') continue;
    const hidden = hiddenNumbers(book, one.references);
    if (!one.referenced.some((attnum) => hidden.has(attnum))) continue;
    const written = relation.columns.some(
      (column) =>
        one.columns.includes(column.attnum) &&
        (write.columns.includes(column.name) || (write.kind === 'insert' && column.hasDefault)),
    );
    if (written)
      return refuse(
        'MASK_WRITE',
        `foreign key ${one.name} would tell whether a masked value exists`,
        'leave the column out',
      );
  }
  return undefined;
}

/** Deleting a row, or changing its key, asks whether a masked foreign key points at it; cascades ask further down. */
function checkKeyAnswers(
  guarded: Guarded,
  relation: Relation,
  write: Write,
  seen: Set<string>,
): SqlRefusal | undefined {
  const asked = `${relation.oid} ${write.kind} ${write.columns.join()}`;
  if (write.kind === 'insert' || seen.has(asked)) return undefined;
  seen.add(asked);
  const { knowledge, book } = guarded;
  for (const one of knowledge.catalog.constraints) {
    if (one.kind !== 'foreign' || one.references !== relation.oid || !changesKey(relation, one, write)) continue;
    const hidden = hiddenNumbers(book, one.relation);
    if (one.columns.some((attnum) => hidden.has(attnum))) {
      return refuse(
        'MASK_WRITE',
        `foreign key ${one.name} would tell whether a masked value points at the row`,
        'leave such rows to an administrator',
      );
    }
    const child = knowledge.names.relationByOid(one.relation);
    if (child === undefined) continue;
    for (const follows of cascades(one, child, write)) {
      const further = checkFollowing(guarded, child, follows, seen);
      if (further !== undefined) return further;
    }
  }
  return undefined;
}

/** What a foreign key does to the rows that point at the one that is written. */
function cascades(key: Constraint, child: Relation, write: Write): Write[] {
  const columns = child.columns.filter((column) => key.columns.includes(column.attnum)).map((column) => column.name);
  const update: Write = { kind: 'update', columns, conflict: false };
  const follows: Write[] = [];
  if (write.kind !== 'delete' && !QUIET.has(key.onUpdate)) follows.push(update);
  if (write.kind !== 'update' && !QUIET.has(key.onDelete))
    follows.push(key.onDelete === 'c' ? { kind: 'delete', columns: [], conflict: false } : update);
  return follows;
}

/** pg_constraint.confupdtype and confdeltype: NO ACTION and RESTRICT. */
const QUIET: ReadonlySet<string> = new Set(['a', 'r']);

function checkFollowing(guarded: Guarded, child: Relation, follows: Write, seen: Set<string>): SqlRefusal | undefined {
  const masked = guarded.book.masked.get(child.oid);
  if (masked !== undefined && follows.kind === 'update') {
    const refusal = checkOwnConstraints(guarded, masked, follows, qualified(child.schema, child.name));
    if (refusal !== undefined) return refusal;
  }
  return checkKeyAnswers(guarded, child, follows, seen);
}

function changesKey(relation: Relation, one: Constraint, write: Write): boolean {
  if (write.kind !== 'update') return true;
  return relation.columns.some(
    (column) => one.referenced.includes(column.attnum) && write.columns.includes(column.name),
  );
}

function hiddenNumbers(book: MaskBook, oid: Oid): ReadonlySet<number> {
  return new Set([...(book.masked.get(oid)?.columns.values() ?? [])].map((one) => one.column.attnum));
}

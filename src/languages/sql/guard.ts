/**
 * What is refused on a guarded target (an enforced column mask or a scope) because it cannot be resolved, runs user code, or could reach a masked value.
 * The first reason found is the one told.
 */
import type { SqlRefusal } from './analysis.ts';
import type { Relation } from './catalog.ts';
import { checkCounters } from './counters.ts';
import { hashPlaces } from './hash-outputs.ts';
import { wantedOf } from './exposure.ts';
import type { MaskBook } from './masks.ts';
import { qualified } from './spelling.ts';
import type { RawStatement } from './parser.ts';
import { type Guarded, refuse } from './refusing.ts';
import { statementClass } from './statements.ts';
import { isFields, stringOf } from './tree.ts';
import type { Reached } from './trust.ts';
import { checkWrites } from './writes.ts';
import type { Access, Knowledge, Resolved } from './understanding.ts';

export function refusalOf(guarded: Guarded): SqlRefusal | undefined {
  for (const check of CHECKS) {
    const refusal = check(guarded);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** How a relation is touched, for what its own definition runs then. */
export function accessesOf(
  use: { readonly role: string; readonly statement: string },
  node: Readonly<Record<string, unknown>>,
): readonly Access[] {
  if (use.role === 'from') return ['read'];
  switch (use.statement) {
    case 'InsertStmt':
      return node['onConflictClause'] === undefined ? ['insert'] : ['insert', 'update'];
    case 'UpdateStmt':
      return ['read', 'update'];
    case 'DeleteStmt':
      return ['read', 'delete'];
    case 'MergeStmt':
      return ['read', 'insert', 'update', 'delete'];
    case 'CopyStmt':
      return node['is_from'] === true ? ['insert'] : ['read'];
    case 'TruncateStmt':
      return ['truncate'];
    default:
      // They evaluate the expressions of constraints and indexes over the rows that are there.
      return REBUILDING.has(use.statement) ? ['update'] : [];
  }
}

const REBUILDING: ReadonlySet<string> = new Set([
  'VacuumStmt',
  'ReindexStmt',
  'ClusterStmt',
  'AlterTableStmt',
  'IndexStmt',
]);

type Check = (guarded: Guarded) => SqlRefusal | undefined;

const names: Check = ({ resolved }) => {
  const [missing] = resolved.missing;
  if (missing === undefined) return undefined;
  const sqlState = missing.endsWith('()') || missing.startsWith('operator ') ? '42883' : '42P01';
  return refuse(
    'NAME_UNKNOWN',
    `${missing} is not known in this database`,
    'check the spelling and schema; if it was just created, refresh the target',
    sqlState,
  );
};

const temporary: Check = ({ gathered }) => {
  const named = gathered.temporary || gathered.relations.some((use) => use.schema?.startsWith('pg_temp') === true);
  return named
    ? refuse(
        'TEMPORARY',
        'temporary objects can hide what a name means',
        'use a WITH query instead of a temporary table',
      )
    : undefined;
};

const systems: Check = ({ resolved }) => {
  for (const { meaning } of resolved.relations) {
    if (meaning.kind === 'system' && meaning.class !== 'structure') {
      return refuse(
        'SENSITIVE_CATALOG',
        `${meaning.schema}.${meaning.name} shows more than structure`,
        'read information_schema or the plain catalogs instead',
      );
    }
  }
  return undefined;
};

const opaque: Check = ({ raw, gathered, resolved, behind }) => {
  if (OPAQUE.has(raw.kind))
    return refuse(
      'USER_CODE',
      `what ${statementClass(raw.kind).name.toUpperCase()} runs cannot be seen`,
      'send the statements themselves',
    );
  const strange = [...resolved.effects].some((effect) => effect === 'unknown' || effect === 'transfer');
  if (strange) {
    const calls = resolved.functions.filter(
      ({ meaning }) => meaning.user.length === 0 && (meaning.builtin === 'unknown' || meaning.builtin === 'transfer'),
    );
    const name = calls.map(({ use }) => use.names.at(-1) ?? '').find((one) => !WAITING.has(one));
    if (name !== undefined || calls.length === 0) {
      const what = name === undefined ? 'a function called as if it were a column' : `${name}()`;
      return refuse(
        'MASK_REACHED',
        `${what} can reach data by another road than the query`,
        'leave it out of the statement',
      );
    }
  }
  if (behind.some((one) => one.effects.has('unknown') || one.effects.has('transfer'))) {
    return refuse(
      'USER_CODE',
      'a rule or definition of the table runs what cannot be followed',
      'ask an administrator to review the table',
    );
  }
  const problem = behind.find((one) => one.problem !== undefined)?.problem;
  if (problem !== undefined) return refuse('USER_CODE', problem, 'ask an administrator to review the table');
  if (raw.kind !== 'ExecuteStmt' && gathered.statements.includes('ExecuteStmt')) {
    return refuse('NOT_SUPPORTED', 'EXECUTE inside another statement cannot be followed', 'send the EXECUTE by itself');
  }
  if (gathered.strange.length > 0)
    return refuse('NOT_SUPPORTED', 'the statement has a part this version does not know', 'write it another way');
  return undefined;
};

/** What others put into a notification may be a masked value, so none is passed on: a LISTEN that hears nothing would be a lie. */
const notifications: Check = ({ raw, book }) =>
  raw.kind === 'ListenStmt' && book.masked.size > 0
    ? refuse(
        'NOT_SUPPORTED',
        'notifications are not passed on where columns are masked',
        'ask for changes with a query',
      )
    : undefined;

const everything: Check = ({ raw, gathered }) => {
  const whole = REBUILDING.has(raw.kind) && gathered.relations.length === 0;
  return whole ? refuse('NOT_SUPPORTED', 'it works on tables it does not name', 'name the tables') : undefined;
};

const userCode: Check = ({ raw, resolved, behind, knowledge }) => {
  const reached: Reached[] = [...resolved.reached, ...behind.flatMap((one) => one.reached)];
  if (statementClass(raw.kind).effects.includes('define')) {
    for (const trigger of knowledge.catalog.eventTriggers)
      reached.push(knowledge.trust(knowledge.names.functionByOid(trigger.function), `event trigger ${trigger.name}`));
  }
  const first = reached.find((one) => !one.trusted);
  if (first === undefined) return undefined;
  return refuse(
    'USER_CODE',
    `it runs user code: ${first.what}`,
    'have an administrator list the function under trustedFunctions, or write the statement without it',
  );
};

const relations: Check = ({ resolved, knowledge, book, behind }) => {
  for (const { use, meaning } of resolved.relations) {
    if (meaning.kind !== 'user') continue;
    const { relation } = meaning;
    const label = qualified(relation.schema, relation.name);
    if (use.role === 'named' && statementClass(use.statement).maskSafe === true) continue;
    if (relation.kind === 'f')
      return refuse(
        'MASK_REACHED',
        `${label} is a foreign table: what is behind it is not known here`,
        'leave it out of the statement',
      );
    const below = [relation];
    if (relation.kind === 'v' || relation.kind === 'm') {
      const view = knowledge.view(relation);
      if (view === undefined)
        return refuse('MASK_REACHED', `the definition of ${label} cannot be followed`, 'read the tables behind it');
      const inner = viewRefusal(label, view.resolved, view.relations, knowledge, book);
      if (inner !== undefined) return inner;
      below.push(...view.relations);
    }
    const foreign = below.flatMap((one) => knowledge.below(one)).find((one) => one.kind === 'f');
    if (foreign !== undefined) {
      return refuse(
        'MASK_REACHED',
        `a partition of ${label} is a foreign table: what is behind it is not known here`,
        'read the other partitions by name',
      );
    }
    for (const one of below) {
      const closed = closure(one, book, one === relation ? undefined : label);
      if (closed !== undefined) return closed;
    }
  }
  for (const relation of behind.flatMap((one) => one.relations)) {
    const closed = closure(relation, book, 'a row policy') ?? masked(relation, book, 'a row policy');
    if (closed !== undefined) return closed;
  }
  return undefined;
};

function viewRefusal(
  label: string,
  resolved: Resolved,
  below: readonly Relation[],
  knowledge: Knowledge,
  book: MaskBook,
): SqlRefusal | undefined {
  for (const relation of below) {
    const found = masked(relation, book, label);
    if (found !== undefined) return found;
    const inner = relation.kind === 'v' || relation.kind === 'm' ? knowledge.view(relation)?.resolved : undefined;
    const problem = inner === undefined ? undefined : viewProblem(label, inner);
    if (problem !== undefined) return problem;
    if (relation.kind === 'f')
      return refuse('MASK_REACHED', `${label} reads a foreign table`, 'read the tables behind it');
  }
  return viewProblem(label, resolved);
}

function viewProblem(label: string, resolved: Resolved): SqlRefusal | undefined {
  const untrusted = resolved.reached.find((one) => !one.trusted);
  if (untrusted !== undefined)
    return refuse(
      'USER_CODE',
      `${label} runs user code: ${untrusted.what}`,
      'have an administrator list the function under trustedFunctions',
    );
  const sensitive = resolved.relations.some(
    ({ meaning }) => meaning.kind === 'system' && meaning.class !== 'structure',
  );
  const strange = [...resolved.effects].some((effect) => effect !== 'read' && effect !== 'execute');
  if (sensitive || strange || resolved.missing.length > 0)
    return refuse('MASK_REACHED', `the definition of ${label} cannot be followed`, 'read the tables behind it');
  return undefined;
}

function masked(relation: Relation, book: MaskBook, road: string): SqlRefusal | undefined {
  if (!book.masked.has(relation.oid)) return undefined;
  const label = qualified(relation.schema, relation.name);
  return refuse(
    'MASK_REACHED',
    `${road} reads ${label}, which has masked columns`,
    `read ${label} itself: its masked columns then come masked`,
  );
}

function closure(relation: Relation, book: MaskBook, road: string | undefined): SqlRefusal | undefined {
  const closed = book.closed.get(relation.oid);
  if (closed === undefined) return undefined;
  return refuse(closed.word, road === undefined ? closed.reason : `${road} reads it: ${closed.reason}`, closed.hint);
}

const reads: Check = ({ raw, resolved, book }) => {
  const uses = resolved.relations.flatMap(({ use, meaning }) => {
    const hit = meaning.kind === 'user' ? book.masked.get(meaning.relation.oid) : undefined;
    return hit === undefined ? [] : [{ use, hit, label: qualified(hit.relation.schema, hit.relation.name) }];
  });
  if (uses.length === 0) return undefined;
  const [{ label }] = uses as [(typeof uses)[number]];
  if (raw.kind === 'ExplainStmt' && !plainExplain(raw)) {
    return refuse(
      'MASK_REACHED',
      `EXPLAIN with these options shows how large the values of ${label} are`,
      'use EXPLAIN without ANALYZE and BUFFERS',
    );
  }
  for (const { use, hit, label } of uses) {
    if (use.role === 'named') {
      if (statementClass(use.statement).maskSafe === true) continue;
      return refuse(
        'MASK_REACHED',
        `${statementClass(use.statement).name.toUpperCase()} on ${label}, which has masked columns, could show or lose them`,
        'leave changes of this table to migrations',
      );
    }
    if (use.role === 'from') {
      if (storesDefinition(raw) || !REWRITABLE.has(raw.kind) || !NESTED.has(use.statement)) {
        return refuse(
          'MASK_REACHED',
          `${statementClass(raw.kind).name.toUpperCase()} would store or define something over ${label}, which has masked columns`,
          'select the columns you need instead',
        );
      }
      if (use.locked)
        return refuse('MASK_REACHED', `rows of ${label} cannot be locked through its masks`, 'leave FOR UPDATE out');
      if (use.sampled)
        return refuse(
          'MASK_REACHED',
          `TABLESAMPLE on ${label} depends on how its values are stored`,
          'use ORDER BY and LIMIT',
        );
    }
    if (use.role === 'target' && use.statement === 'CopyStmt' && raw.node['is_from'] !== true) {
      return refuse(
        'MASK_REACHED',
        `COPY of ${label} would send its masked columns as they are`,
        `use COPY (SELECT … FROM ${label}) TO STDOUT`,
      );
    }
    for (const name of SYSTEM_COLUMNS) {
      if (resolved.exposure.column(use, name, true)) {
        return refuse(
          'MASK_REACHED',
          `${name} of ${label} depends on how its values are stored`,
          'use the primary key',
        );
      }
    }
    const wanted = wantedOf(resolved.exposure, use, hit.relation);
    for (const [name, { with: mask }] of hit.columns) {
      if (
        mask === 'last4' &&
        use.role === 'from' &&
        asksForCosts(raw) &&
        (wanted(name) || hit.standIns?.isFull === true)
      ) {
        return refuse(
          'MASK_REACHED',
          `EXPLAIN would show how long the values of ${label}.${name} are`,
          'use EXPLAIN (COSTS off)',
        );
      }
      if (mask !== 'hash' || !resolved.exposure.column(use, name)) continue;
      return hit.standIns?.hasDigest(name) === true ? hashMisused(`${label}.${name}`) : hashless(`${label}.${name}`);
    }
  }
  return undefined;
};

/** What is not seen to be used otherwise by the names of columns alone. */
const hashes: Check = ({ raw, hashes, resolved, book }) => {
  if (hashes === undefined || (!hashes.misused && hashPlaces(raw) !== undefined)) return undefined;
  for (const { meaning } of resolved.relations) {
    const hit = meaning.kind === 'user' ? book.masked.get(meaning.relation.oid) : undefined;
    const column = [...(hit?.columns ?? [])].find(([, { with: mask }]) => mask === 'hash');
    if (hit && column) return hashMisused(`${qualified(hit.relation.schema, hit.relation.name)}.${column[0]}`);
  }
  return undefined;
};

function hashMisused(column: string): SqlRefusal {
  return refuse(
    'MASK_REACHED',
    `${column} is shown by its hash, and only as a column of the result by itself: not in an expression, condition, join, group, order, set operation, COPY or write`,
    'select the column as it is, or leave it out; where another column has its name, write whose it is',
  );
}

function hashless(column: string): SqlRefusal {
  return refuse(
    'MASK_REACHED',
    `${column} is masked by its hash, and a value of its type has no form that is the same in every session`,
    'leave it out, and mask it with redact',
  );
}

/** A table made from a query holds what the query gave, masks and all; a materialised view is filled again by its definition. */
function storesDefinition({ kind, node }: RawStatement): boolean {
  return kind === 'CreateTableAsStmt' && node['objtype'] !== 'OBJECT_TABLE';
}

const holds: Check = ({ raw }) => {
  const held =
    raw.kind === 'DeclareCursorStmt' &&
    typeof raw.node['options'] === 'number' &&
    (raw.node['options'] & CURSOR_HOLD) !== 0;
  return held
    ? refuse(
        'MASK_REACHED',
        'a cursor WITH HOLD outlives the policy it was opened under',
        'fetch within the transaction',
      )
    : undefined;
};

const CHECKS: readonly Check[] = [
  temporary,
  names,
  systems,
  checkCounters,
  opaque,
  notifications,
  everything,
  userCode,
  relations,
  reads,
  hashes,
  (guarded) => checkWrites(guarded),
  holds,
];

/** EXPLAIN options that show a plan and nothing of stored sizes. */
const PLAN_OPTIONS: ReadonlySet<string> = new Set([
  'verbose',
  'costs',
  'format',
  'settings',
  'summary',
  'timing',
  'generic_plan',
]);

function plainExplain(raw: RawStatement): boolean {
  const options = Array.isArray(raw.node['options']) ? raw.node['options'] : [];
  return options.every((option) => {
    const element = isFields(option) && isFields(option['DefElem']) ? option['DefElem'] : {};
    if (PLAN_OPTIONS.has(String(element['defname']))) return true;
    return FALSE.has((stringOf(element['arg']) ?? '').toLowerCase());
  });
}

/** Estimates are made of what is known of the column below its mask. Where nothing is said, the rewrite leaves them out. */
function asksForCosts({ kind, node }: RawStatement): boolean {
  if (kind !== 'ExplainStmt' || !Array.isArray(node['options'])) return false;
  return node['options'].some((option) => {
    const element = isFields(option) && isFields(option['DefElem']) ? option['DefElem'] : {};
    return element['defname'] === 'costs' && !FALSE.has((stringOf(element['arg']) ?? '').toLowerCase());
  });
}

const FALSE: ReadonlySet<string> = new Set(['false', 'off', '0', 'no']);

/** parsenodes.h: CURSOR_OPT_HOLD. */
const CURSOR_HOLD = 0x20;

const OPAQUE: ReadonlySet<string> = new Set(['DoStmt', 'CreateExtensionStmt', 'AlterExtensionStmt', 'LoadStmt']);

/** They only wait. */
const WAITING: ReadonlySet<string> = new Set(['pg_sleep', 'pg_sleep_for', 'pg_sleep_until', 'set_config']);

const SYSTEM_COLUMNS = ['ctid', 'xmin', 'xmax', 'cmin', 'cmax', 'tableoid'];

/** Statements that are written anew on a guarded target. */
export const REWRITABLE: ReadonlySet<string> = new Set([
  ...[
    'SelectStmt',
    'InsertStmt',
    'UpdateStmt',
    'DeleteStmt',
    'MergeStmt',
    'ExplainStmt',
    'PrepareStmt',
    'DeclareCursorStmt',
    'ExecuteStmt',
    'CopyStmt',
  ],
  ...['TruncateStmt', 'LockStmt', 'CreateTableAsStmt', 'RefreshMatViewStmt'],
]);

/** Statements below it in which a masked table may be read. */
const NESTED: ReadonlySet<string> = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt']);

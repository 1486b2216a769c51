/** Fills in the facts of one statement. */
import type { Facts, FactValue } from '../../domain/command.ts';
import type { ControlReading } from './control.ts';
import type { PostgresFact } from './facts.ts';
import type { Gathered } from './gathered.ts';
import type { MaskedRelation } from './masks.ts';
import { qualified } from './spelling.ts';
import type { RawStatement } from './parser.ts';
import { statementClass } from './statements.ts';
import type { Touched } from './touched.ts';
import { isFields, wrappedKind } from './tree.ts';
import { writeOf } from './writes.ts';
import type { Resolved } from './understanding.ts';

export interface Read {
  readonly raw: RawStatement;
  readonly gathered: Gathered;
  readonly resolved: Resolved;
  readonly touched: Touched;
  readonly masked: readonly MaskedRelation[];
  readonly own: ControlReading | undefined;
}

export function factsOf({ raw, gathered, resolved, touched, masked, own }: Read): Facts {
  const facts: Partial<Record<PostgresFact, FactValue>> = {
    'postgres.statement': own?.name ?? statementClass(innermost(raw)).name,
    'postgres.kinds': unique(
      gathered.statements.map((kind) =>
        kind === raw.kind && own !== undefined ? own.name : statementClass(kind).name,
      ),
    ),
    'postgres.tables': touched.tables,
    'postgres.columns': columnsWritten(raw, resolved),
    'postgres.functions': functionNames(resolved),
    'postgres.schemas': touched.schemas,
    'postgres.returning': gathered.returning,
    'postgres.unresolved': resolved.missing.length > 0,
    'postgres.masked': unique(
      masked.flatMap(({ relation, columns }) =>
        [...columns.keys()].map((name) => `${qualified(relation.schema, relation.name)}.${name}`),
      ),
    ),
  };
  if (gathered.where !== undefined) facts['postgres.where'] = gathered.where;
  if (raw.kind === 'SelectStmt') facts['postgres.limit'] = raw.node['limitCount'] !== undefined;
  if (own?.setting !== undefined) facts['postgres.setting'] = own.setting;
  if (raw.kind === 'VariableShowStmt') facts['postgres.setting'] = String(raw.node['name'] ?? '').toLowerCase();
  if (raw.kind === 'CopyStmt') facts['postgres.copy'] = raw.node['is_from'] === true ? 'in' : 'out';
  return facts as Facts;
}

/** EXPLAIN, PREPARE and DECLARE are what they carry. */
function innermost(raw: RawStatement): string {
  if (!statementClass(raw.kind).wraps) return raw.kind;
  const query = raw.node['query'];
  const kind = wrappedKind(query);
  if (kind === undefined || !isFields(query)) return raw.kind;
  return innermost({ ...raw, kind, node: isFields(query[kind]) ? query[kind] : {} });
}

function columnsWritten(raw: RawStatement, resolved: Resolved): string[] {
  return unique(
    resolved.relations.flatMap(({ use, meaning }) => {
      if (use.role !== 'target' || meaning.kind !== 'user') return [];
      const label = qualified(meaning.relation.schema, meaning.relation.name);
      return (writeOf(use, raw.node, meaning.relation)?.columns ?? []).map((name) => `${label}.${name}`);
    }),
  );
}

function functionNames(resolved: Resolved): string[] {
  return unique(
    resolved.functions.flatMap(({ use, meaning }) =>
      meaning.user.length > 0 ? meaning.user.map((one) => qualified(one.schema, one.name)) : [use.names.at(-1) ?? ''],
    ),
  );
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)].sort();
}

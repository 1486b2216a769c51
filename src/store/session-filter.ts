/** What a list of sessions is asked for, as a condition. Each one alone is answered by an index, the latest first. */
import type { Expression, ExpressionBuilder, SqlBool } from 'kysely';
import type { SessionFilter } from '../domain/store.ts';
import type { Tables } from './schema.ts';

type Builder = ExpressionBuilder<Tables, 'sessions'>;

const VERDICT_COLUMNS = { allowed: 'sessions.allowed', held: 'sessions.held', denied: 'sessions.denied' } as const;

/** All that a filter asks of a session but how many. */
export function matching(eb: Builder, filter: SessionFilter): Expression<SqlBool> {
  const { principalKey, principalKeys, run, target, agent, live, wouldBe, verdicts, table, partlyIndexed } = filter;
  const { since, before, after } = filter;
  const all: Expression<SqlBool>[] = [];
  if (principalKey !== undefined) all.push(eb('sessions.principal_key', '=', principalKey));
  if (principalKeys !== undefined)
    all.push(principalKeys.length === 0 ? eb.lit(false) : eb('sessions.principal_key', 'in', principalKeys));
  if (run !== undefined) all.push(eb('sessions.run', '=', run));
  if (target !== undefined) all.push(eb('sessions.target', '=', target));
  if (agent !== undefined) all.push(eb('sessions.agent_name', '=', agent));
  if (live !== undefined) all.push(eb('sessions.closed_at', live ? 'is' : 'is not', null));
  // A literal, not a parameter: only so does SQLite see that the partial index serves.
  if (wouldBe !== undefined) all.push(eb('sessions.would_be', wouldBe ? '>' : '=', eb.lit(0)));
  if (verdicts !== undefined) all.push(eb.or(verdicts.map((kind) => eb(VERDICT_COLUMNS[kind], '>', eb.lit(0)))));
  if (table !== undefined) all.push(touched(eb, table));
  if (since !== undefined) all.push(eb('sessions.opened_at', '>=', since));
  if (before !== undefined) all.push(eb('sessions.opened_at', '<', before));
  if (after !== undefined)
    all.push(
      eb('sessions.opened_at', '<=', after.openedAt),
      eb.or([eb('sessions.opened_at', '<', after.openedAt), eb('sessions.id', '>', after.id)]),
    );
  if (partlyIndexed !== undefined)
    all.push(
      partlyIndexed
        ? eb.or([eb('sessions.indexed_at', 'is', null), eb('sessions.partly_indexed', '>', eb.lit(0))])
        : eb.and([eb('sessions.indexed_at', 'is not', null), eb('sessions.partly_indexed', '=', eb.lit(0))]),
    );
  return eb.and(all);
}

function touched(eb: Builder, table: string): Expression<SqlBool> {
  return eb.exists(
    eb
      .selectFrom('session_tables')
      .select('session_tables.session')
      .whereRef('session_tables.session', '=', 'sessions.id')
      .whereRef('session_tables.opened_at', '=', 'sessions.opened_at')
      .where('session_tables.name', '=', table.toLowerCase()),
  );
}

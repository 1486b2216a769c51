/** Everything a rule may say about a PostgreSQL statement beyond its effects and resources. Closed: policy refuses other `postgres.` names at load. */
import type { FactType } from '../../domain/command.ts';

export const POSTGRES_FACTS = {
  /** What runs: `select`, `delete`, `create table`, `begin`, `set` … For EXPLAIN, PREPARE and DECLARE the statement they carry. */
  'postgres.statement': 'string',
  /** Every kind of statement found in it, data-modifying CTEs and wrappers too. */
  'postgres.statements': 'list',
  /** False when an UPDATE or DELETE anywhere in it has no WHERE; absent where there is neither. */
  'postgres.where': 'boolean',
  /** Relations it names, qualified, those behind views too. */
  'postgres.tables': 'list',
  /** Columns it writes: `public.orders.amount`; all of a table's where it lists none. */
  'postgres.columns': 'list',
  /** Functions it calls: `count` for PostgreSQL's own, qualified for others. */
  'postgres.functions': 'list',
  /** Schemas of everything it touches, without PostgreSQL's own. */
  'postgres.schemas': 'list',
  /** True when the outermost query has a LIMIT or FETCH FIRST; only for queries. */
  'postgres.limit': 'boolean',
  /** An INSERT, UPDATE, DELETE or MERGE gives rows back. */
  'postgres.returning': 'boolean',
  /** It names a relation, function or type that the catalog does not have. */
  'postgres.unresolved': 'boolean',
  /** Masked columns it touches. */
  'postgres.masked': 'list',
  /** The setting SET, RESET or SHOW is about. */
  'postgres.setting': 'string',
  /** `in` or `out` for COPY. */
  'postgres.copy': 'string',
} as const satisfies Readonly<Record<string, FactType>>;

export type PostgresFact = keyof typeof POSTGRES_FACTS;

/** Everything a rule may say about a PostgreSQL statement beyond its effects and resources. Closed: policy refuses other `postgres.` names at load. */
import type { Facts, FactType } from '../../domain/command.ts';

export const POSTGRES_FACTS = {
  /** What runs: `select`, `delete`, `create table`, `begin`, `set` … For EXPLAIN, PREPARE and DECLARE the statement they carry. */
  'postgres.statement': 'string',
  /** Every kind of statement found in it, data-modifying CTEs and wrappers too. */
  'postgres.kinds': 'list',
  /** How many statements its text holds: more than one where several are sent at once. */
  'postgres.statements': 'number',
  /** The session's transaction when it begins: `none`, `open`, or `failed`. */
  'postgres.transaction': 'string',
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

/** What a statement's own text does not say: what it is sent with, and in which state the session is. */
export interface Situation {
  readonly statements: number;
  readonly transaction: 'none' | 'open' | 'failed';
}

const situated = new WeakMap<Facts, Map<string, Facts>>();

/** The facts in a situation; the same object for the same ones. */
export function factsIn(facts: Facts, { statements, transaction }: Situation): Facts {
  let known = situated.get(facts);
  if (!known) {
    known = new Map();
    situated.set(facts, known);
  }
  const key = `${statements} ${transaction}`;
  let found = known.get(key);
  if (!found) {
    // A text of many statements is seldom sent twice with another number of them.
    if (known.size >= MOST_SITUATIONS) known.clear();
    found = { ...facts, 'postgres.statements': statements, 'postgres.transaction': transaction };
    known.set(key, found);
  }
  return found;
}

const MOST_SITUATIONS = 8;

/** What reading a text gives: plain data, one entry for each statement in it. */
import type { Effect, Facts, Resource, Span } from '../../domain/command.ts';
import type { ColumnMask, TrustedFunction } from '../../domain/mask.ts';
import type { CatalogSnapshot } from './catalog.ts';

/**
 * What a text is read against. Results are cached per object and per content: hand in the same object while nothing changed.
 */
export interface SqlBasis {
  readonly catalog: CatalogSnapshot;
  /** Enforced column masks only. */
  readonly masks: readonly SqlMask[];
  /** Those in shadow: told of, never applied. */
  readonly watched?: readonly SqlMask[];
  /** An enforced column mask or a scope applies to the session: what cannot be resolved, and user code, is then refused. */
  readonly guarded: boolean;
  /** Schemas in the order the session looks through them: what `current_schemas(false)` gives, `"$user"` already resolved. */
  readonly searchPath: readonly string[];
  readonly trustedFunctions: readonly TrustedFunction[];
  /** The schemas that names, catalogs and look-ups are kept to. Absent: all. */
  readonly scope?: readonly string[];
  /** Settings the gateway holds in place, by lower-case name: each may be set to what it is, a time-out to something shorter. */
  readonly pinned?: Readonly<Record<string, string>>;
}

/** A column mask, with the binding it got when it was first seen (`bindMasks`): losing either the name or the numbers refuses the relation. */
export interface SqlMask extends Pick<ColumnMask, 'relation' | 'column' | 'with'> {
  readonly oid?: number;
  readonly attnum?: number;
}

export type Analysis = { readonly ok: true; readonly statements: readonly StatementAnalysis[] } | NotRead;

/**
 * Why a text could not be read. `syntax`: PostgreSQL would not read it either. `limit`: too long, too deep or too slow to read. `encoding`: not UTF-8,
 * or a NUL. `busy`: the workers have more than enough to do.
 */
export interface NotRead {
  readonly ok: false;
  readonly code: 'syntax' | 'limit' | 'encoding' | 'busy' | 'internal';
  readonly message: string;
  /** For the client: 42601, 54001, 22021, 53400, XX000. */
  readonly sqlState: string;
  /** 1-based, in characters, as PostgreSQL's `P` field; for `syntax`. */
  readonly position?: number;
}

export interface StatementAnalysis {
  /** The parser's node kind: `SelectStmt`. */
  readonly kind: string;
  /** Where it stands in the text: UTF-8 bytes. */
  readonly start: number;
  readonly length: number;
  readonly effects: readonly Effect[];
  readonly resources: readonly Resource[];
  readonly facts: Facts;
  /** Schemas of relations, functions and types it touches; reads of PostgreSQL's own catalogs by clients do not count. Null: could not be told. */
  readonly schemas: readonly string[] | null;
  /** What the names meant when they were resolved: `table 16389 public.customers`. For binding an approval. */
  readonly objects: readonly string[];
  /** What to send instead: every name qualified, masked relations replaced. Absent: send the bytes as they are. */
  readonly rewrite?: Rewrite;
  /** It must not be sent, whatever policy says: it could reach a masked value, or cannot be resolved. */
  readonly refused?: SqlRefusal;
  /** It names a relation with masked columns: errors and notices of its turn are to be generic. */
  readonly touchesMasked: boolean;
  /** An error of it may name what depends on its tables from outside the scope: likewise. */
  readonly namesOutside?: boolean;
  /** How its result shows masked columns, for counting. Absent where it names no relation with any. */
  readonly shown?: Shown;
  /** Columns with a mask in shadow that it touches: `public.customers.name`. Absent without any. */
  readonly watched?: readonly string[];
  /** It reached (trusted) user code: likewise. */
  readonly ranUserCode: boolean;
  /** Literals aimed at a masked column or holding a credential, in the original bytes from the start of the whole text. */
  readonly struck: readonly Span[];
  /** Numbers of the parameters aimed at masked columns ($1 is 1). */
  readonly struckParameters: readonly number[];
  /** The highest parameter number; 0 without. */
  readonly parameters: number;
  /** What it does to the session or transaction, in order. Only with the effect `control` (or a SET that is refused). */
  readonly control: readonly Control[];
  readonly prepared?: Prepared;
  readonly cursor?: Cursor;
  readonly copy?: Copy;
}

export interface Shown {
  /** Names that a result's column goes by when it shows a mask; it has no origin then. */
  readonly labels: readonly string[];
  /** COPY … TO: how many of its columns show a mask. */
  readonly copied: number;
  /** Places, from 0, of the columns of its result that hold digests. Absent: they cannot be told, and it is refused. */
  readonly hashed?: readonly number[];
}

export interface Rewrite {
  readonly text: string;
  /** The struck literals where they stand in `text`, UTF-8 bytes. */
  readonly struck: readonly Span[];
}

export interface SqlRefusal {
  /** Stable word: `MASK_REACHED`, `USER_CODE`, `NAME_UNKNOWN`, … */
  readonly code: RefusalWord;
  readonly reason: string;
  readonly hint: string;
  readonly sqlState: string;
}

export type RefusalWord =
  | 'MASK_REACHED'
  | 'MASK_LOST'
  | 'MASK_WRITE'
  | 'NAME_UNKNOWN'
  | 'USER_CODE'
  | 'SENSITIVE_CATALOG'
  | 'OUTSIDE_SCOPE'
  | 'TEMPORARY'
  | 'NOT_REWRITABLE'
  /** It can be judged again once another session has let go of a lock. */
  | 'LOCKED'
  | 'NOT_SUPPORTED';

export type Control =
  | { readonly op: 'begin'; readonly isolation?: string; readonly readOnly?: boolean }
  | { readonly op: 'commit' | 'rollback'; readonly chain: boolean }
  | { readonly op: 'savepoint' | 'release' | 'rollbackTo'; readonly name: string }
  | { readonly op: 'set'; readonly name: string; readonly value: string; readonly local: boolean }
  | { readonly op: 'reset'; readonly name: string; readonly local: boolean }
  | { readonly op: 'resetAll' }
  /** SET TRANSACTION and SET SESSION CHARACTERISTICS. */
  | {
      readonly op: 'characteristics';
      readonly session: boolean;
      readonly isolation?: string;
      readonly readOnly?: boolean;
    }
  | { readonly op: 'constraints' }
  | { readonly op: 'discard'; readonly target: 'all' | 'plans' | 'sequences' | 'temp' };

export type Prepared =
  | { readonly op: 'prepare'; readonly name: string }
  /**
   * Its effects are unknown until `resolveIndirect` joins it with what was prepared. `own`: the effects of its arguments. `arguments`: the literals
   * of each, to be struck if aimed at a masked column.
   */
  | {
      readonly op: 'execute';
      readonly name: string;
      readonly own: readonly Effect[];
      readonly arguments: readonly (readonly Span[])[];
    }
  /** Without a name: all. */
  | { readonly op: 'deallocate'; readonly name?: string };

export type Cursor =
  | {
      readonly op: 'declare';
      readonly name: string;
      readonly binary: boolean;
      readonly hold: boolean;
      readonly scroll: boolean;
    }
  /** Its effects are unknown until `resolveIndirect` joins it with what was declared. */
  | { readonly op: 'fetch' | 'move'; readonly name: string }
  | { readonly op: 'close'; readonly name?: string };

export interface Copy {
  readonly direction: 'in' | 'out';
  readonly format: 'text' | 'csv' | 'binary';
  /** COPY IN: which of the columns sent are masked, by position from 0. Their data is struck. */
  readonly masked: readonly number[];
}

/**
 * Joins EXECUTE or FETCH with the statement it runs, which the session keeps by name: the effects, resources, facts and marks of both, and no longer
 * `unknown`. The statement's own rewrite stays: what it runs was rewritten when it was prepared or declared.
 */
export function resolveIndirect(statement: StatementAnalysis, runs: StatementAnalysis): StatementAnalysis {
  const aimed = statement.prepared?.op === 'execute' ? statement.prepared.arguments : [];
  const struck = runs.struckParameters.flatMap((number) => aimed[number - 1] ?? []);
  const refused = statement.refused ?? runs.refused;
  const watched = [...new Set([...(statement.watched ?? []), ...(runs.watched ?? [])])];
  const own =
    statement.prepared?.op === 'execute'
      ? statement.prepared.own
      : statement.cursor === undefined
        ? statement.effects
        : [];
  return {
    ...statement,
    effects: [...new Set([...own, ...runs.effects])],
    resources: [...statement.resources, ...runs.resources],
    facts: { ...statement.facts, ...runs.facts },
    schemas:
      statement.schemas === null || runs.schemas === null
        ? null
        : [...new Set([...statement.schemas, ...runs.schemas])],
    objects: [...new Set([...statement.objects, ...runs.objects])],
    touchesMasked: statement.touchesMasked || runs.touchesMasked,
    ...(statement.namesOutside || runs.namesOutside ? { namesOutside: true } : {}),
    ranUserCode: statement.ranUserCode || runs.ranUserCode,
    struck: [...statement.struck, ...struck],
    ...(watched.length === 0 ? {} : { watched }),
    ...(runs.shown === undefined ? {} : { shown: runs.shown }),
    ...(refused === undefined ? {} : { refused }),
  };
}

/** A scope bound to one catalog: what a statement may name and see in it. */
import type { ScopeSql } from './scope-sql.ts';
import type { Fields } from './tree.ts';
import type { Knowledge } from './understanding.ts';

export interface Scope {
  readonly schemas: ReadonlySet<string>;
  /** Names that a statement may write: those of the scope and of the server. */
  readonly seen: ReadonlySet<string>;
  /** What a statement's own names mean; numbers lead everywhere. */
  readonly knowledge: Knowledge;
  readonly whole: Knowledge;
  readonly sql: ScopeSql;
  /** Selects that stand for catalogs, by what they show. */
  readonly standIns: Map<string, Fields>;
}

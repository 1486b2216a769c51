/** What the checks of a guarded target look at, and what they answer. */
import type { RefusalWord, SqlRefusal } from './analysis.ts';
import type { Gathered } from './gathered.ts';
import type { HashOutputs } from './hash-outputs.ts';
import type { MaskBook } from './masks.ts';
import type { RawStatement } from './parser.ts';
import type { Behind, Knowledge, Resolved } from './understanding.ts';

export interface Guarded {
  readonly raw: RawStatement;
  readonly gathered: Gathered;
  readonly resolved: Resolved;
  readonly knowledge: Knowledge;
  readonly book: MaskBook;
  readonly behind: readonly Behind[];
  /** Absent where nothing in it is masked by its hash. */
  readonly hashes: HashOutputs | undefined;
}

export function refuse(code: RefusalWord, reason: string, hint: string, sqlState = '42501'): SqlRefusal {
  return { code, reason, hint, sqlState };
}

/** Keeps a result's rows within what a recording holds of them: the rest is counted and hashed by its `outcome` and digest. */
import type { SessionEvent } from '../domain/recording.ts';

type Result = Extract<SessionEvent, { type: 'result' }>;

/** @param limit bytes of cell text, about; whole rows are dropped from the end and `truncated` says so */
export function limitResult(result: Result, limit: number): Result {
  const { rows } = result;
  if (!rows) return result;
  let bytes = 0;
  for (const [kept, row] of rows.entries()) {
    for (const cell of row) bytes += 4 + (cell?.length ?? 0);
    if (bytes > limit) return { ...result, rows: rows.slice(0, kept), truncated: true };
  }
  return result;
}

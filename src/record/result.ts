/** Keeps a result's rows, or an answer's body, within what a recording holds of them: the rest is counted and hashed by its `outcome` and digest. */
import type { SessionEvent } from '../domain/recording.ts';

type Result = Extract<SessionEvent, { type: 'result' }>;

/** @param limit bytes of cell text or of a body, about; whole rows are dropped from the end and `truncated` says so */
export function limitResult(result: Result, limit: number): Result {
  return limitRows(limitReply(result, limit), limit);
}

function limitRows(result: Result, limit: number): Result {
  const { rows } = result;
  if (!rows) return result;
  let bytes = 0;
  for (const [kept, row] of rows.entries()) {
    for (const cell of row) bytes += 4 + (cell?.length ?? 0);
    if (bytes > limit) return { ...result, rows: rows.slice(0, kept), truncated: true };
  }
  return result;
}

function limitReply(result: Result, limit: number): Result {
  const { reply } = result;
  if (reply?.body === undefined || reply.body.length <= limit) return result;
  const { body, ...rest } = reply;
  const kept = reply.encoding === 'base64' ? body.slice(0, limit - (limit % 4)) : wholeCharacters(body, limit);
  return { ...result, reply: { ...rest, ...(kept === '' ? {} : { body: kept }), truncated: true } };
}

function wholeCharacters(text: string, length: number): string {
  const cut = text.slice(0, length);
  return cut.isWellFormed() ? cut : cut.slice(0, -1);
}

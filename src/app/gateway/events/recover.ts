/** After a crash: sends again what may not have been queued before it, from the recordings and the store, beside everything else. */
import type { RevocationRow, SessionStore } from '../../../domain/store.ts';
import type { EventStream } from './stream.ts';

export interface RecoveryParts {
  readonly stream: EventStream;
  readonly sessions: Pick<SessionStore, 'list'>;
  readonly revocations: readonly RevocationRow[];
  /** A session can be as old as a run, ms. */
  readonly longest: number;
  /** When this life began, epoch ms: what opened since goes its own way. */
  readonly startedAt: number;
  lines(session: string): Promise<AsyncIterable<string> | undefined>;
}

export async function sendAgain({
  stream,
  sessions,
  revocations,
  longest,
  startedAt,
  lines,
}: RecoveryParts): Promise<void> {
  const { since } = stream;
  if (since === undefined) return;
  for (const row of revocations) {
    if (row.at >= since) stream.revocation(row, 'made');
    if (row.lifted && row.lifted.at >= since) stream.revocation(row, 'lifted');
  }
  const rows = await sessions.list({ since: since - longest, before: startedAt });
  for (const { id, closedAt } of rows.toReversed()) {
    if (closedAt !== undefined && closedAt < since) continue;
    const recorded = await lines(id);
    if (recorded) await stream.again(id, recorded);
  }
  await stream.caughtUp();
}

/** Where `policy simulate` finds recorded sessions: in a folder of recordings, or at the gateway. */
import { stat } from 'node:fs/promises';
import type { GatewayClient } from '../api/client.ts';
import { errorTable } from '../base/error.ts';
import { createUnsealer, type Identities, type RecordedEvent, readEvents, recordingsBelow } from '../record/index.ts';
import type { RecordedSession } from './simulate.ts';

const fail = errorTable({
  RECORDINGS_NOT_FOUND: { exit: 2, hint: 'name the folder that gateway.yaml calls recordings:, or a copy of it' },
});

/**
 * Every recording below a folder of which the session was opened at `since` (epoch ms) or later. A sealed one whose compressed copy was just made may be there
 * twice; it is read once.
 * @throws RECORDINGS_NOT_FOUND
 */
export async function* sessionsBelow(
  folder: string,
  since: number,
  identities?: Identities,
): AsyncGenerator<RecordedSession> {
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) throw fail('RECORDINGS_NOT_FOUND', `${folder} is no folder of recordings`);
  const seen = new Set<string>();
  for (const { path, session } of recordingsBelow(folder)) {
    if (seen.has(session)) continue;
    seen.add(session);
    const events = readEvents(path, createUnsealer(identities));
    const first = await events.next().catch((error: unknown) => ({ done: false as const, error }));
    if ('error' in first) yield { id: session, events: failing(first.error) };
    else if (!first.done && Date.parse(first.value.at) >= since)
      yield { id: session, events: after(first.value, events) };
  }
}

async function* after(first: RecordedEvent, rest: AsyncIterable<RecordedEvent>): AsyncGenerator<RecordedEvent> {
  yield first;
  yield* rest;
}

// biome-ignore lint/correctness/useYield: what cannot be read says so where it is read
async function* failing(error: unknown): AsyncGenerator<RecordedEvent> {
  throw error;
}

/** Every session that its caller may read and that was opened at `since` or later, fetched one after another. */
export async function* sessionsAt(
  client: Pick<GatewayClient, 'sessions' | 'sessionEvents'>,
  since: number,
  signal: AbortSignal,
  identities?: Identities,
): AsyncGenerator<RecordedSession> {
  const query = { since: new Date(since).toISOString(), limit: PAGE };
  let after: string | undefined;
  do {
    const page = await client.sessions({ ...query, ...(after !== undefined && { after }) }, signal);
    for (const { id } of page)
      yield { id, events: readEvents(bytesOf(client.sessionEvents(id, signal)), createUnsealer(identities)) };
    after = page.length === PAGE ? page.at(-1)?.id : undefined;
  } while (after !== undefined);
}

const PAGE = 200;

async function* bytesOf(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const line of lines) yield Buffer.from(`${line}\n`);
}

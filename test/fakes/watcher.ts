/** Somebody who follows a session as `hoopctl sessions tail` does, until they stop. */
import type { GatewayClient } from '../../src/api/client.ts';
import type { RecordedEvent } from '../../src/record/index.ts';

export interface FollowingWatcher extends AsyncDisposable {
  readonly events: readonly RecordedEvent[];
  /** What they were refused with, once they were. */
  readonly ended: Promise<unknown>;
  stop(): Promise<void>;
}

export function watchSession(client: GatewayClient, session: string, from: number | 'last' = 0): FollowingWatcher {
  const over = new AbortController();
  const events: RecordedEvent[] = [];
  const following = async () => {
    for await (const line of client.followSession(session, from, over.signal)) events.push(JSON.parse(line));
  };
  const ended = following().catch((error: unknown) => error);
  const stop = async () => {
    over.abort();
    await ended;
  };
  return { events, ended, stop, [Symbol.asyncDispose]: stop };
}

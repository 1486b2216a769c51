/**
 * `hoopctl sessions tail`: a session's events as they are recorded, until it is over.
 *
 * After an interruption it asks for the last line it saw and what follows, so nothing is missed and nothing comes twice; and where that line is another
 * one now (the machine crashed and lost what was not yet on its disk) it says so.
 */
import type { GatewayClient } from '../api/client.ts';
import type { Clock } from '../base/clock.ts';
import { HoopError } from '../base/error.ts';
import type { SessionEnd } from '../domain/end.ts';
import type { RecordedEvent } from '../record/index.ts';
import { following, type Interruption } from './following.ts';

export type TailHappening = Interruption | { readonly type: 'diverged'; readonly seq: number };

export interface TailRequest {
  readonly client: Pick<GatewayClient, 'session' | 'followSession' | 'link'>;
  /** Its whole id. */
  readonly session: string;
  readonly from: 'start' | 'now';
  readonly renewable: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  tell(happening: TailHappening): void;
}

/** @returns why the session ended, where the gateway says */
export async function* tailEvents(request: TailRequest): AsyncGenerator<RecordedEvent, SessionEnd | undefined> {
  const { client, session, from, signal, tell } = request;
  let seen: { seq: number; line: string } | undefined;
  let over: { end: SessionEnd | undefined } | undefined;

  async function* open(): AsyncGenerator<RecordedEvent | undefined> {
    const anchor = seen;
    // From now on: the last line there is shows where we are, and is not shown.
    let place: 'before' | 'after' = anchor === undefined && from === 'start' ? 'after' : 'before';
    const lines = client.followSession(session, anchor?.seq ?? (from === 'start' ? 0 : 'last'), signal);
    for await (const line of lines) {
      const event = eventOf(line);
      seen = { seq: event.seq, line };
      if (place === 'after') yield event;
      else {
        place = 'after';
        const same = anchor === undefined || anchor.line === line;
        if (!same) tell({ type: 'diverged', seq: event.seq });
        yield same ? undefined : event;
      }
    }
    signal.throwIfAborted();
    const { state, end } = await client.session(session, signal);
    if (state === 'live') return;
    if (place === 'before' && anchor) tell({ type: 'diverged', seq: anchor.seq });
    over = { end };
    yield undefined;
  }

  for await (const event of following<RecordedEvent | 'over'>({
    ...request,
    link: client.link,
    open: () => until(open),
  })) {
    if (event === 'over') return over?.end;
    yield event;
    if (event.type === 'session.closed') return event.end;
  }
  return undefined;

  async function* until(opened: typeof open): AsyncGenerator<RecordedEvent | 'over' | undefined> {
    yield* opened();
    if (over) yield 'over';
  }
}

function eventOf(line: string): RecordedEvent {
  try {
    const event: unknown = JSON.parse(line);
    if (typeof event === 'object' && event !== null && typeof (event as RecordedEvent).seq === 'number')
      return event as RecordedEvent;
  } catch {
    // Told below.
  }
  throw new HoopError('ANSWER_INVALID', 'the gateway sent a line that is no event', { exit: 1 });
}

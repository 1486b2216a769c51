/** Approval requests as they come and are decided, each change once, over a gateway that was away for a while. */
import type { GatewayClient } from '../../api/client.ts';
import type { ApprovalView } from '../../api/shapes.ts';
import { following, type Interruption } from '../../app/following.ts';
import type { Clock } from '../../base/clock.ts';

export interface Change {
  readonly view: ApprovalView;
  /** It was open before the watch began; it came since; it is no longer what it was. */
  readonly kind: 'listed' | 'new' | 'changed';
}

export interface WatchOptions {
  readonly client: Pick<GatewayClient, 'approvals' | 'approvalStream' | 'link'>;
  readonly renewable: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  tell(interruption: Interruption): void;
  /** Called once: what was open then is known now. */
  listed?(): void;
}

/** What is remembered of requests that are over, so that nothing is told twice. */
const REMEMBERED = 10_000;

/** Never ends by itself. */
export async function* approvalChanges(options: WatchOptions): AsyncGenerator<Change, void, undefined> {
  const { client, clock, signal } = options;
  const states = new Map<string, ApprovalView['state']>();
  // By the gateway's clock as soon as it said something.
  let since = clock.now();
  let saidByGateway = false;

  function changeOf(view: ApprovalView, kind: Change['kind']): Change | undefined {
    const at = Math.max(Date.parse(view.requestedAt), Date.parse(view.decidedAt ?? view.requestedAt));
    if (Number.isFinite(at)) since = saidByGateway ? Math.max(since, at) : at;
    saidByGateway ||= Number.isFinite(at);
    const before = states.get(view.id);
    if (before === view.state) return undefined;
    // Written anew at the end: the oldest are forgotten first.
    states.delete(view.id);
    states.set(view.id, view.state);
    if (states.size > REMEMBERED) states.delete(states.keys().next().value ?? '');
    return { view, kind: before === undefined ? kind : 'changed' };
  }

  /** Came or changed while nobody listened: what was open then, and what is younger than the last thing heard. */
  function missed(all: readonly ApprovalView[]): readonly ApprovalView[] {
    const last = since;
    const news = all.filter(({ id, requestedAt }) => states.has(id) || Date.parse(requestedAt) >= last);
    return news.toSorted((a, b) => Date.parse(a.requestedAt) - Date.parse(b.requestedAt));
  }

  async function* open(back: boolean): AsyncGenerator<Change | undefined> {
    const over = new AbortController();
    // Asked for first, so that nothing falls between it and the list.
    const stream = client.approvalStream(AbortSignal.any([signal, over.signal]));
    let next = stream.next();
    next.catch(() => {}); // told below, when it is its turn
    try {
      const listed = await client.approvals(back ? {} : { state: 'open' }, signal);
      yield undefined;
      for (const view of back ? missed(listed) : listed) yield changeOf(view, back ? 'new' : 'listed');
      if (!back) options.listed?.();
      for (let heard = await next; !heard.done; heard = await next) {
        next = stream.next();
        next.catch(() => {});
        yield changeOf(heard.value, 'new');
      }
    } finally {
      over.abort();
    }
  }

  yield* following({ ...options, link: client.link, open });
}

/**
 * Tells people elsewhere that something waits for them. A notice says what is asked and where to decide; it carries no text, no parameter and
 * no way to decide, because it passes through systems that may neither read the data nor answer for people.
 */
import type { Clock } from '../base/clock.ts';
import type { Token } from '../base/secret.ts';
import type { Effect } from '../domain/command.ts';
import type { ApprovalRow } from '../domain/store.ts';
import { createWebhook, type Fetch } from './webhook.ts';

export interface Notifier {
  /** Sends to the notifiers that the request's rule names, and does not wait. */
  requested(request: { readonly row: ApprovalRow; readonly link: string }): void;
  /** What is still to be sent about it is not sent any more. */
  settled(id: string): void;
  close(): void;
}

export interface NotifierConfig {
  readonly name: string;
  readonly webhook: {
    readonly url: string;
    /** Key of the signature; read anew for every delivery, so that it may be rotated. */
    key(): Promise<Token>;
  };
}

/** The body of every notice. Names only; times RFC 3339. */
export interface Notice {
  readonly type: 'approval.requested';
  readonly id: string;
  readonly rule: string;
  readonly target: string;
  readonly agent?: { readonly kind: 'registered' | 'claimed'; readonly name: string };
  readonly effects: readonly Effect[];
  readonly link: string;
  readonly requestedAt: string;
  readonly expiresAt: string;
}

export interface NotifierParts {
  readonly notifiers: readonly NotifierConfig[];
  readonly clock: Clock;
  readonly fetch?: Fetch;
  /** Told when a notice could not be delivered, with the notifier's name. */
  onError?(name: string, error: Error): void;
}

/** @throws HoopError NOTIFIER_URL */
export function createNotifier({ notifiers, clock, fetch, onError }: NotifierParts): Notifier {
  const hooks = new Map(
    notifiers.map(({ name, webhook }) => [name, createWebhook({ ...webhook, clock, ...(fetch ? { fetch } : {}) })]),
  );
  const pending = new Map<string, AbortController>();

  async function send(name: string, notice: Notice, signal: AbortSignal): Promise<void> {
    try {
      const hook = hooks.get(name);
      if (!hook) throw new Error('gateway.yaml names no such notifier');
      await hook.deliver(notice, signal);
    } catch (error) {
      if (!signal.aborted) onError?.(name, error instanceof Error ? error : new Error(String(error)));
    }
  }

  return {
    requested({ row, link }) {
      const names = new Set(row.question.ask.notify);
      if (names.size === 0) return;
      const abort = new AbortController();
      pending.set(row.id, abort);
      const notice = noticeOf(row, link);
      const sent = [...names].map((name) => send(name, notice, abort.signal));
      void Promise.all(sent).then(() => pending.delete(row.id));
    },
    settled(id) {
      pending.get(id)?.abort();
      pending.delete(id);
    },
    close() {
      for (const abort of pending.values()) abort.abort();
      pending.clear();
    },
  };
}

function noticeOf({ id, question, requestedAt, expiresAt }: ApprovalRow, link: string): Notice {
  const { agent, ask, target, effects } = question;
  return {
    type: 'approval.requested',
    id,
    rule: ask.rule,
    target,
    ...(agent === undefined ? {} : { agent: { kind: agent.kind, name: plain(agent.name) } }),
    effects,
    link,
    requestedAt: new Date(requestedAt).toISOString(),
    expiresAt: new Date(expiresAt).toISOString(),
  };
}

// A claimed name is whatever its launcher wrote. Chat systems make links and mentions of `<`, `[`, `@here` and the like.
function plain(name: string): string {
  const kept = name.replace(/[^\p{L}\p{N}._/ @-]/gu, '_').replace(/@(?=here|channel|everyone|all\b)/gi, '_');
  return kept.length > 100 ? `${kept.slice(0, 100)}…` : kept;
}

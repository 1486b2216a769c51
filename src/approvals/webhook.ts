/** Delivers a notice by a signed POST, a few times if need be. */
import { randomUUID } from 'node:crypto';
import { type Clock, wait } from '../base/clock.ts';
import type { Token } from '../base/secret.ts';
import { createSignedPost, type Fetch, isPassing } from './signed-post.ts';

export type { Fetch } from './signed-post.ts';

export interface Webhook {
  /** @throws when every attempt failed, or with the signal's reason */
  deliver(body: object, signal: AbortSignal): Promise<void>;
}

export interface WebhookParts {
  readonly url: string;
  key(): Promise<Token>;
  readonly clock: Clock;
  readonly fetch?: Fetch;
}

/** Waits before the second and each further attempt, ms. */
const BACKOFF = [1_000, 5_000, 25_000, 60_000] as const;

export function createWebhook(parts: WebhookParts): Webhook {
  const { clock } = parts;
  const post = createSignedPost(parts);
  return {
    async deliver(notice, signal) {
      const id = randomUUID();
      const body = JSON.stringify(notice);
      for (const pause of [...BACKOFF, undefined]) {
        const result = await post(id, body, signal);
        if (result.kind === 'delivered') return;
        const again = result.kind === 'unreached' || isPassing(result.status);
        if (!again || pause === undefined) throw result.why;
        await wait(clock, pause, signal);
      }
    },
  };
}

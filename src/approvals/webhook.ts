/**
 * Delivers a notice by HTTP POST, signed, a few times if need be.
 *
 *     Hoop-Delivery: <uuid>                     the same for every attempt at one notice
 *     Hoop-Signature: t=<unix seconds>,v1=<hex> HMAC-SHA256 with the key over `<t>.<body>`
 *
 * The receiver checks the signature and that `t` is recent; nothing it answers is read but the status.
 */
import { createHmac, randomUUID } from 'node:crypto';
import { type Clock, wait } from '../base/clock.ts';
import { isLoopback } from '../base/proxy.ts';
import type { Token } from '../base/secret.ts';
import { fail } from './errors.ts';

export type Fetch = typeof globalThis.fetch;

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

/** How long one attempt may take, ms. */
const PATIENCE = 5_000;

export function createWebhook({ url, key, clock, fetch = globalThis.fetch }: WebhookParts): Webhook {
  const address = addressOf(url);

  async function attempt(id: string, body: string, signal: AbortSignal): Promise<'delivered' | Failed> {
    const at = Math.floor(clock.now() / 1000);
    const mac = createHmac('sha256', (await key()).expose())
      .update(`${at}.${body}`)
      .digest('hex');
    const late = new AbortController();
    const cancel = clock.after(PATIENCE, () => late.abort(new Error('no answer within 5 s')));
    try {
      const response = await fetch(address, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'hoopctl-gateway',
          'hoop-delivery': id,
          'hoop-signature': `t=${at},v1=${mac}`,
        },
        body,
        // A redirect would carry the signed notice to a place nobody configured.
        redirect: 'manual',
        signal: AbortSignal.any([signal, late.signal]),
      });
      await response.body?.cancel();
      if (response.ok) return 'delivered';
      return { why: new Error(`answered ${response.status}`), again: isPassing(response.status) };
    } catch (error) {
      signal.throwIfAborted();
      const why = late.signal.aborted ? late.signal.reason : error;
      return { why: why instanceof Error ? why : new Error(String(why)), again: true };
    } finally {
      cancel();
    }
  }

  return {
    async deliver(notice, signal) {
      const id = randomUUID();
      const body = JSON.stringify(notice);
      for (const pause of [...BACKOFF, undefined]) {
        const result = await attempt(id, body, signal);
        if (result === 'delivered') return;
        if (!result.again || pause === undefined) throw result.why;
        await wait(clock, pause, signal);
      }
    },
  };
}

interface Failed {
  readonly why: Error;
  readonly again: boolean;
}

// RFC 9110: what the client sent wrongly stays wrong; "too many requests", "timeout" and the server's own troubles may pass.
function isPassing(status: number): boolean {
  return status >= 500 || status === 429 || status === 408;
}

function addressOf(text: string): URL {
  const url = URL.parse(text);
  if (url === null) throw fail('NOTIFIER_URL', 'a webhook has no address that can be read');
  if (url.username || url.password) throw fail('NOTIFIER_URL', `the webhook at ${url.host} has a login in its address`);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))) return url;
  throw fail('NOTIFIER_URL', `the webhook ${url.protocol}//${url.host} is neither https nor on this machine`);
}

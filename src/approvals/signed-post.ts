/**
 * One HTTP POST, signed, to a place that gateway.yaml names.
 *
 *     Hoop-Delivery: <id>                       the same for every attempt at one delivery
 *     Hoop-Signature: t=<unix seconds>,v1=<hex> HMAC-SHA256 with the key over `<t>.<body>`
 *
 * The receiver checks the signature and that `t` is recent; nothing it answers is read but the status.
 */
import { createHmac } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { isLoopback } from '../base/proxy.ts';
import type { Token } from '../base/secret.ts';
import { fail } from './errors.ts';

export type Fetch = typeof globalThis.fetch;

export interface SignedPostParts {
  readonly url: string;
  /** Read anew for every attempt, so that it may be rotated. Without one nothing is signed. */
  readonly key?: () => Promise<Token>;
  /** The whole `Authorization` header, where the receiver wants one. */
  readonly authorization?: () => Promise<Token>;
  readonly contentType?: string;
  readonly clock: Clock;
  readonly fetch?: Fetch;
  /** How long one attempt may take, ms. */
  readonly patienceMs?: number;
}

export type Posted =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'answered'; readonly status: number; readonly why: Error }
  /** No answer: refused, cut, too late, or the key could not be read. */
  | { readonly kind: 'unreached'; readonly why: Error };

export type SignedPost = (id: string, body: string, signal: AbortSignal) => Promise<Posted>;

/** @throws HoopError NOTIFIER_URL */
export function createSignedPost(parts: SignedPostParts): SignedPost {
  const { url, key, authorization, clock, contentType = 'application/json', patienceMs = 5_000 } = parts;
  const { fetch = globalThis.fetch } = parts;
  const address = addressOf(url);

  async function headersOf(id: string, body: string): Promise<Record<string, string>> {
    const at = Math.floor(clock.now() / 1000);
    const signed =
      key &&
      createHmac('sha256', (await key()).expose())
        .update(`${at}.${body}`)
        .digest('hex');
    return {
      'content-type': contentType,
      'user-agent': 'hoopctl-gateway',
      'hoop-delivery': id,
      ...(signed === undefined ? {} : { 'hoop-signature': `t=${at},v1=${signed}` }),
      ...(authorization === undefined ? {} : { authorization: (await authorization()).expose() }),
    };
  }

  return async (id, body, signal) => {
    const late = new AbortController();
    const cancel = clock.after(patienceMs, () =>
      late.abort(new Error(`no answer within ${Math.round(patienceMs / 1000)} s`)),
    );
    try {
      const response = await fetch(address, {
        method: 'POST',
        headers: await headersOf(id, body),
        body,
        // A redirect would carry what is signed to a place nobody configured.
        redirect: 'manual',
        signal: AbortSignal.any([signal, late.signal]),
      });
      await response.body?.cancel();
      if (response.ok) return { kind: 'delivered' };
      return { kind: 'answered', status: response.status, why: new Error(`answered ${response.status}`) };
    } catch (error) {
      signal.throwIfAborted();
      const why = late.signal.aborted ? late.signal.reason : error;
      return { kind: 'unreached', why: why instanceof Error ? why : new Error(String(why)) };
    } finally {
      cancel();
    }
  };
}

// RFC 9110: what the client sent wrongly stays wrong; "too many requests", "timeout" and the server's own troubles may pass.
export function isPassing(status: number): boolean {
  return status >= 500 || status === 429 || status === 408;
}

function addressOf(text: string): URL {
  const url = URL.parse(text);
  if (url === null) throw fail('NOTIFIER_URL', 'a webhook has no address that can be read');
  if (url.username || url.password) throw fail('NOTIFIER_URL', `the webhook at ${url.host} has a login in its address`);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))) return url;
  throw fail('NOTIFIER_URL', `the webhook ${url.protocol}//${url.host} is neither https nor on this machine`);
}

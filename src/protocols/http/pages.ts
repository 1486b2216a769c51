/**
 * The pages that a target's `origins` let ask: a browser sends nothing of theirs with a secret, and shows them no answer, before it is told that they may
 * (https://fetch.spec.whatwg.org/#http-cors-protocol). It is told by us, whatever the target says of pages; other pages are refused long before.
 */
import type { Exchange } from '../http-wire/exchange.ts';
import { type HeaderList, headerOf } from '../http-wire/head.ts';

/** How long a browser may remember it, seconds. */
const REMEMBERED = '600';
/** What pages see of an answer's headers is named; these are what refusals are told by. */
const TOLD = 'hoop-refusal, retry-after, x-should-retry, x-request-id, etag, location, content-disposition';

/** The exchange, for a page that may ask: each of its answers says so. Others are as they were. */
export function forPage(exchange: Exchange): Exchange {
  const origin = headerOf(exchange.headers, 'origin');
  if (origin === undefined) return exchange;
  const told = (headers: HeaderList): HeaderList => [
    ...headers.filter(([name]) => !/^access-control-/i.test(name)),
    ...grantTo(origin),
    ['access-control-expose-headers', TOLD],
  ];
  const respond: Exchange['respond'] = (status, headers, body) => exchange.respond(status, told(headers), body);
  const head: Exchange['head'] = (status, headers) => exchange.head(status, told(headers));
  // What is not said anew is the exchange's own, as it changes.
  return Object.assign(Object.create(exchange) as Exchange, { respond, head });
}

/** Answers a browser that asks whether a page may ask; it shows no secret, and nothing is carried out. @returns whether it was that */
export function answerPreflight(exchange: Exchange): boolean {
  const { method, headers } = exchange;
  const asked = headerOf(headers, 'access-control-request-method');
  const origin = headerOf(headers, 'origin');
  if (method !== 'OPTIONS' || asked === undefined || origin === undefined) return false;
  const names = headerOf(headers, 'access-control-request-headers');
  exchange.respond(204, [
    ...grantTo(origin),
    ['access-control-allow-methods', asked],
    ...(names === undefined ? [] : [['access-control-allow-headers', names] as const]),
    ...(headerOf(headers, 'access-control-request-private-network') === 'true'
      ? [['access-control-allow-private-network', 'true'] as const]
      : []),
    ['access-control-max-age', REMEMBERED],
  ]);
  return true;
}

/** What one page may see is not kept for another. */
function grantTo(origin: string): HeaderList {
  return [
    ['access-control-allow-origin', origin],
    ['vary', 'origin'],
  ];
}

/** Which headers cross the gateway: to the target an allow-list, back to the client all but those that are not for it. Pure. */
import { connectionOptions, type HeaderList } from './head.ts';
import { HOP_BY_HOP, passable } from './passable.ts';

export interface Forwarded {
  readonly kept: HeaderList;
  /** Names, lower-case, each once, in the order they came. */
  readonly dropped: readonly string[];
}

/**
 * What of a request's headers the target gets. Neither its length nor its host is among them: who sends it knows both.
 * @param also further names (lower-case) that pass, but for those that never do
 */
export function forwardedRequestHeaders(headers: HeaderList, also: ReadonlySet<string>): Forwarded {
  const thisHop = new Set(connectionOptions(headers));
  const kept: (readonly [string, string])[] = [];
  const dropped = new Set<string>();
  for (const header of headers) {
    const name = header[0].toLowerCase();
    if (passes(name, header[1], also) && !thisHop.has(name)) kept.push(header);
    else dropped.add(name);
  }
  return { kept, dropped: [...dropped] };
}

function passes(name: string, value: string, also: ReadonlySet<string>): boolean {
  // Says that the client takes trailers (RFC 9110, section 10.1.4): gRPC servers ask for it.
  if (name === 'te') return value.trim().toLowerCase() === 'trailers';
  return (
    !neverForwarded(name) &&
    (PASS.has(name) || PASS_PREFIXES.some((prefix) => name.startsWith(prefix)) || also.has(name))
  );
}

/** Whether no setting lets that name (lower-case) pass. */
export function neverForwarded(name: string): boolean {
  // Servers that turn `-` into `_` take either spelling for the other.
  const spelled = name.replaceAll('_', '-');
  return NEVER.has(spelled) || HOP_BY_HOP.has(spelled) || NEVER_PREFIXES.some((prefix) => spelled.startsWith(prefix));
}

const PASS: ReadonlySet<string> = new Set([
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'accept-patch',
  'cache-control',
  'content-type',
  'content-encoding',
  'content-language',
  'content-disposition',
  'content-digest',
  'content-md5',
  'content-range',
  'repr-digest',
  'want-content-digest',
  'user-agent',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'range',
  'idempotency-key',
  'prefer',
  'traceparent',
  'tracestate',
  'x-request-id',
  'anthropic-version',
  'anthropic-beta',
  'sec-websocket-protocol',
]);
const PASS_PREFIXES = ['openai-', 'x-stainless-', 'grpc-'];

const NEVER: ReadonlySet<string> = new Set([
  // Who asks: the gateway's to say. The spellings of the run's own secret are among them.
  'authorization',
  'cookie',
  'cookie2',
  'x-api-key',
  'api-key',
  'x-auth-token',
  'x-amz-security-token',
  'x-amz-date',
  'x-amz-content-sha256',
  // Where it goes, and as what: would be another request than the one that was judged.
  'host',
  'forwarded',
  'x-host',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'fastly-client-ip',
  'via',
  'max-forwards',
  'front-end-https',
  // Framing.
  'content-length',
  'expect',
  // What browsers say of a page.
  'origin',
  'referer',
  'sec-websocket-key',
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-version',
  'upgrade-insecure-requests',
]);
const NEVER_PREFIXES = [
  'proxy-',
  'x-forwarded',
  'x-original-',
  'x-rewrite-',
  'x-envoy-',
  'sec-fetch-',
  'sec-ch-',
  'hoop-',
];

/** Whether a header that passes changes what the request means, so that an approval is bound to its value. */
export function SIGNIFICANT(spelled: string): boolean {
  const name = spelled.toLowerCase();
  return !TELLING_NOTHING.has(name) && !name.startsWith('x-stainless-');
}

const TELLING_NOTHING: ReadonlySet<string> = new Set([
  'user-agent',
  'accept-encoding',
  'traceparent',
  'tracestate',
  'x-request-id',
  'idempotency-key',
  'te',
]);

/** Trailers on their way to the target: what would be a header's business stays behind (RFC 9110, section 6.5.1). */
export function forwardedTrailers(trailers: HeaderList, also: ReadonlySet<string>): HeaderList {
  return forwardedRequestHeaders(trailers, also).kept.filter(([name]) => !NO_TRAILER.test(name));
}

/** Trailers on their way back. */
export function returnedTrailers(trailers: HeaderList): HeaderList {
  return returnedHeaders(trailers).filter(([name]) => !NO_TRAILER.test(name));
}

const NO_TRAILER =
  /^(?:content-(?:length|type|encoding|range)|te|host|range|expect|location|cache-control|vary|www-authenticate|if-.*|accept.*|prefer|user-agent|access-control-.*)$/i;

/** What of a target's headers the client gets. Cookies, and what speaks of the target's own origin, stay behind. */
export function returnedHeaders(headers: HeaderList): HeaderList {
  const thisHop = new Set(connectionOptions(headers));
  return passable(headers).filter(([spelled]) => {
    const name = spelled.toLowerCase();
    return (
      !HOP_BY_HOP.has(name) &&
      !thisHop.has(name) &&
      !KEPT_BACK.has(name) &&
      !name.startsWith('proxy-') &&
      !name.startsWith('hoop-')
    );
  });
}

const KEPT_BACK: ReadonlySet<string> = new Set([
  'set-cookie',
  'set-cookie2',
  'alt-svc',
  'alt-used',
  'strict-transport-security',
  'public-key-pins',
  'public-key-pins-report-only',
  'expect-ct',
  // Would act on everything else that a browser has from this machine.
  'clear-site-data',
  'service-worker-allowed',
  'origin-agent-cluster',
  'nel',
  'report-to',
  'reporting-endpoints',
  // A redirect that no Location rule sees.
  'refresh',
]);

/** Holds a request's head against RFC 9110 and 9112, more strictly than the parsers below: what two servers could read differently is refused. Pure. */

/** Names as the peer spelled them; compare in lower case. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

export const MOST_HEADERS = 100;
export const LARGEST_HEAD = 32 * 1024;

/** RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Visible ASCII, space and tab. Beyond ASCII nobody agrees on the encoding, and controls end lines somewhere. */
const VALUE = /^[\t\x20-\x7e]*$/;
/** Registered methods are upper-case, and methods are case-sensitive (RFC 9110, section 9.1): `get` would be judged as another one than it is taken for. */
const METHOD = /^[A-Z][A-Z-]*$/;
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~-]+)(?::[0-9]{1,5})?$/;

/** TRACE returns the credential in its answer; CONNECT makes a tunnel of its own; PRI is HTTP/2's preface (RFC 9113, section 3.4). */
const REFUSED_METHODS: ReadonlyMap<string, string> = new Map([
  ['TRACE', 'TRACE is not served'],
  ['TRACK', 'TRACK is not served'],
  ['CONNECT', 'CONNECT is not served'],
  ['PRI', 'PRI is not served'],
]);

/** At most one of each: a second one is taken by some servers and ignored by others. */
const SINGLE: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'content-type',
  'content-encoding',
  'content-range',
  'authorization',
  'proxy-authorization',
  'expect',
  'upgrade',
  'origin',
  'range',
  'referer',
  'user-agent',
  'sec-fetch-site',
  'idempotency-key',
]);

/** RFC 9113, section 8.2.2. */
const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** What frames, routes or vouches: never to be had in another spelling. */
const OURS: ReadonlySet<string> = new Set([
  ...SINGLE,
  ...CONNECTION_SPECIFIC,
  'cookie',
  'x-api-key',
  'api-key',
  'te',
  'trailer',
]);

/** @returns why the request is answered 400 and its connection closed; quotes nothing but names that are tokens */
export function checkHead(
  method: string,
  rawTarget: string,
  headers: HeaderList,
  version: '1.1' | '2',
): string | undefined {
  if (!METHOD.test(method)) return 'the method is not in capital letters';
  const refused = REFUSED_METHODS.get(method);
  if (refused !== undefined) return refused;
  // RFC 9112, section 3.2: the other forms are for proxies, and name a server of their own.
  if (!rawTarget.startsWith('/')) return 'the request target is no path';
  return checkFields(headers, rawTarget.length) ?? checkNames(headers) ?? checkMeaning(headers, version);
}

/** What trailers are held to, too. */
export function checkFields(headers: HeaderList, sizeSoFar = 0): string | undefined {
  if (headers.length > MOST_HEADERS) return `the request has more than ${MOST_HEADERS} headers`;
  let size = sizeSoFar;
  for (const [name, value] of headers) {
    if (!TOKEN.test(name)) return 'a header name is no token';
    if (!VALUE.test(value)) return `the value of ${name} has a character that header values do not have`;
    size += name.length + value.length + 4;
  }
  return size > LARGEST_HEAD ? 'the head is larger than 32 KiB' : undefined;
}

function checkNames(headers: HeaderList): string | undefined {
  const seen = new Set<string>();
  for (const [spelled] of headers) {
    const name = spelled.toLowerCase();
    // CGI and WSGI make HTTP_CONTENT_LENGTH of both spellings, so `content_length` would pass where the other is looked for.
    if (name.includes('_') && OURS.has(name.replaceAll('_', '-')))
      return `${spelled} is not how that header is spelled`;
    if (SINGLE.has(name) && seen.has(name)) return `the header ${name} is there twice`;
    seen.add(name);
  }
  return undefined;
}

function checkMeaning(headers: HeaderList, version: '1.1' | '2'): string | undefined {
  const host = headerOf(headers, 'host');
  if (host === undefined) return version === '2' ? 'the request names no authority' : 'the request has no Host';
  if (!HOST.test(host)) return 'the Host is no host name';
  const expect = headerOf(headers, 'expect');
  if (expect !== undefined && expect.toLowerCase() !== '100-continue')
    return 'the only expectation met is 100-continue';
  return checkLength(headers) ?? (version === '2' ? checkHttp2(headers) : checkHttp1(headers));
}

function checkLength(headers: HeaderList): string | undefined {
  const length = headerOf(headers, 'content-length');
  if (length === undefined) return undefined;
  if (!/^[0-9]+$/.test(length) || !Number.isSafeInteger(Number(length)))
    return 'the content-length is no number of bytes';
  return undefined;
}

function checkHttp1(headers: HeaderList): string | undefined {
  const coding = headerOf(headers, 'transfer-encoding');
  if (coding !== undefined && coding !== 'chunked') return 'the only transfer-encoding taken is chunked';
  // RFC 9112, section 6.3: may be an attempt at request smuggling.
  if (coding !== undefined && headerOf(headers, 'content-length') !== undefined)
    return 'the request has both content-length and transfer-encoding';
  // A proxy that obeys this would drop the very header that frames the message.
  for (const named of connectionOptions(headers)) if (FRAMING.has(named)) return `the connection header names ${named}`;
  return undefined;
}

const FRAMING: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'content-type',
  'content-encoding',
  'authorization',
]);

function checkHttp2(headers: HeaderList): string | undefined {
  for (const [spelled, value] of headers) {
    if (spelled !== spelled.toLowerCase()) return 'a header name has capital letters';
    if (CONNECTION_SPECIFIC.has(spelled)) return `HTTP/2 has no header ${spelled}`;
    if (spelled === 'te' && value !== 'trailers') return 'the only te that HTTP/2 has is trailers';
  }
  return undefined;
}

/** The first value of that name (lower-case). */
export function headerOf(headers: HeaderList, name: string): string | undefined {
  for (const [spelled, value] of headers)
    if (spelled.length === name.length && spelled.toLowerCase() === name) return value;
  return undefined;
}

/** What `connection` names, lower-case: meant for this hop alone. */
export function connectionOptions(headers: HeaderList): string[] {
  return headers
    .filter(([name]) => name.length === 10 && name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(','))
    .map((option) => option.trim().toLowerCase())
    .filter((option) => option !== '');
}

/** Node's flat list of names and values as pairs. */
export function pairs(flat: readonly string[]): [name: string, value: string][] {
  const list: [string, string][] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) list.push([flat[at]!, flat[at + 1]!]);
  return list;
}

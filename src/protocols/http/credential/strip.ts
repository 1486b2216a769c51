/** Takes out of a request whatever could stand in for the credential that the gateway adds. Pure. */
import type { OutgoingHeaders } from '../../http-wire/client.ts';
import type { Credential } from '../credential.ts';

/** Headers that say who asks, at one service or another. */
const SAYS_WHO: ReadonlySet<string> = new Set([
  ...['authorization', 'proxy-authorization', 'cookie', 'cookie2', 'x-authorization', 'authentication'],
  ...['x-api-key', 'api-key', 'apikey', 'x-apikey', 'x-auth-token', 'x-access-token', 'x-goog-api-key'],
  ...['x-amz-security-token', 'x-amz-date', 'x-amz-content-sha256', 'x-goog-iam-authorization-token'],
]);

/** Servers that hand headers to programs as variables make no difference between `-` and `_` (RFC 3875, 4.1.18). */
const plain = (name: string) => name.toLowerCase().replaceAll('_', '-');

/** For the head and the trailers alike. */
export function withoutCredentials(headers: OutgoingHeaders, credential: Credential): OutgoingHeaders {
  const own = credential.kind === 'header' ? plain(credential.name) : undefined;
  return headers.filter(([name]) => !SAYS_WHO.has(plain(name)) && plain(name) !== own);
}

/** The part after `?` without the parameters that would be taken for the credential; the others stay as they were written. */
export function withoutOwnParameters(target: string, credential: Credential): string {
  const taken = parametersOf(credential);
  const at = target.indexOf('?');
  if (at < 0 || taken.length === 0) return target;
  const kept = target
    .slice(at + 1)
    .split('&')
    // Some servers separate by `;` too: what hides behind one goes with the rest of it.
    .filter((pair) => !pair.split(';').some((one) => taken.includes(nameOf(one))));
  return kept.length === 0 ? target.slice(0, at) : `${target.slice(0, at)}?${kept.join('&')}`;
}

/** In small letters: some servers make no difference. */
function parametersOf(credential: Credential): readonly string[] {
  switch (credential.kind) {
    case 'query':
      return [credential.name.toLowerCase()];
    // RFC 6750, 2.3.
    case 'bearer':
    case 'oauth2':
      return ['access_token'];
    case 'sigv4':
      return PRESIGNED;
    default:
      return [];
  }
}

const PRESIGNED = ['algorithm', 'credential', 'date', 'expires', 'security-token', 'signature', 'signedheaders'].map(
  (name) => `x-amz-${name}`,
);

function nameOf(pair: string): string {
  const name = pair.split('=', 1)[0]!.replaceAll('+', ' ');
  try {
    return decodeURIComponent(name).toLowerCase();
  } catch {
    return name.toLowerCase();
  }
}

/** RFC 3986, 2.3: everything else is escaped. */
export function escaped(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}

export function withParameter(target: string, name: string, value: string): string {
  return `${target}${target.includes('?') ? '&' : '?'}${escaped(name)}=${escaped(value)}`;
}

/**
 * AWS Signature Version 4 ("Signing AWS API requests", IAM User Guide): one signature over the method, the path, the query, the headers and the body. What is
 * sent is what was given: only what is signed is canonical.
 */
import { createHash, createHmac } from 'node:crypto';
import type { OutgoingHeaders } from '../../http-wire/client.ts';
import { escaped } from './strip.ts';

export interface SigningKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of keys that were lent. */
  readonly sessionToken?: string | undefined;
  readonly region: string;
  readonly service: string;
}

export interface ToSign {
  readonly method: string;
  readonly target: string;
  /** With `host`, and all else that will be sent. */
  readonly headers: OutgoingHeaders;
  /** `unsigned`: a stream, whose digest nobody knows yet. */
  readonly body: Uint8Array | undefined | 'unsigned';
}

/** @returns the headers to add */
export function signV4(request: ToSign, keys: SigningKeys, now: number): OutgoingHeaders {
  const at = new Date(now).toISOString().replace(/[:-]|\.\d{3}/g, '');
  const digest = request.body === 'unsigned' ? 'UNSIGNED-PAYLOAD' : sha256(request.body ?? '');
  const told = keys.service === 's3' || request.body === 'unsigned';
  const added: OutgoingHeaders = [
    ['x-amz-date', at],
    ...(told ? ([['x-amz-content-sha256', digest]] as const) : []),
    ...(keys.sessionToken === undefined ? [] : ([['x-amz-security-token', keys.sessionToken]] as const)),
  ];
  const { lines, names } = canonicalHeaders([...request.headers, ...added]);
  const [path = '', query = ''] = cut(request.target);
  const canonical = [request.method, canonicalPath(path, keys.service), canonicalQuery(query), lines, names, digest];
  const scope = `${at.slice(0, 8)}/${keys.region}/${keys.service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', at, scope, sha256(canonical.join('\n'))].join('\n');
  const signature = hmac(signingKey(keys, at.slice(0, 8)), toSign).toString('hex');
  const authorization = `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  return [...added, ['authorization', authorization]];
}

function cut(target: string): readonly string[] {
  const at = target.indexOf('?');
  return at < 0 ? [target, ''] : [target.slice(0, at), target.slice(at + 1)];
}

/** What stands between may change them, or the connection does. */
const NOT_SIGNED: ReadonlySet<string> = new Set([
  ...['accept-encoding', 'authorization', 'connection', 'expect', 'te', 'traceparent', 'tracestate', 'user-agent'],
  ...['x-amzn-trace-id', 'x-request-id'],
]);

function canonicalHeaders(headers: OutgoingHeaders): { readonly lines: string; readonly names: string } {
  const values = new Map<string, string[]>();
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    if (NOT_SIGNED.has(key)) continue;
    const one = value.trim().replace(/ +/g, ' ');
    values.get(key)?.push(one) ?? values.set(key, [one]);
  }
  const names = [...values.keys()].sort();
  return { lines: names.map((name) => `${name}:${values.get(name)!.join(',')}\n`).join(''), names: names.join(';') };
}

/** S3 signs the path escaped once, all others twice. */
function canonicalPath(path: string, service: string): string {
  const segments = path.split('/');
  return segments.map((segment) => escaped(service === 's3' ? decoded(segment) : segment)).join('/');
}

function canonicalQuery(query: string): string {
  if (query === '') return '';
  const pairs = query.split('&').map((pair): readonly [string, string] => {
    const at = pair.indexOf('=');
    const [name, value] = at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
    return [canonicalWord(name), canonicalWord(value)];
  });
  return pairs
    .sort(([a, b], [c, d]) => (a === c ? order(b, d) : order(a, c)))
    .map((pair) => pair.join('='))
    .join('&');
}

const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
const canonicalWord = (word: string) => escaped(decoded(word.replaceAll('+', '%20')));

function decoded(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    return word;
  }
}

function signingKey({ secretAccessKey, region, service }: SigningKeys, day: string): Buffer {
  return [day, region, service, 'aws4_request'].reduce<Buffer>(hmac, Buffer.from(`AWS4${secretAccessKey}`));
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

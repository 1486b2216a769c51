/**
 * Fetches JSON from an identity provider and from nowhere else: no redirect is followed, little is read, nothing is waited for long.
 *
 * What comes back decides who people are, and the address may come out of a document: it must not become a way to reach into the network.
 */
import { isLoopback } from '../base/proxy.ts';
import { patience } from './awake.ts';

export type Fetch = typeof globalThis.fetch;

/** More than any honest key set or discovery document, bytes. */
const LARGEST = 256 * 1024;

const PATIENCE = 5_000;

/** @throws Error that says what is wrong with the answer, in words for the gateway's operator */
export async function fetchJson(url: URL, fetch: Fetch): Promise<unknown> {
  const response = await bounded(fetch)(url, { headers: { accept: 'application/json' } });
  if (response.status !== 200) throw new Error(`${url.href} answered ${response.status}`);
  return await response.json();
}

/** The same fetch, but no redirect is followed, little is read, and nothing is waited for long. */
export function bounded(fetch: Fetch): Fetch {
  return async (input, init = {}) => {
    const late = patience(PATIENCE);
    const signal = init.signal ? AbortSignal.any([init.signal, late.signal]) : late.signal;
    try {
      const response = await fetch(input, { ...init, redirect: 'manual', signal });
      const { status, headers } = response;
      const body = await readAll(response);
      return new Response(body.byteLength === 0 ? null : body, { status, headers });
    } finally {
      late.over();
    }
  };
}

async function readAll(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop by the error cancels what is still to come.
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > LARGEST) throw new Error(`the issuer sent more than ${LARGEST / 1024} KiB`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/** https anywhere, http on this machine; no login, no fragment. Undefined for everything else. */
export function parseIssuerUrl(text: string): URL | undefined {
  const url = URL.parse(text);
  if (url === null || url.username || url.password || url.hash || url.search) return undefined;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)) ? url : undefined;
}

/** OpenID Connect Discovery 1.0, section 4: appended to the issuer's path, whatever that is. */
export function discoveryUrl(issuer: string): URL {
  return new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
}

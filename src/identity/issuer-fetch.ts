/**
 * Fetches JSON from an identity provider and from nowhere else: no redirect is followed, little is read, nothing is waited for long.
 *
 * What comes back decides who people are, and the address may come out of a document: it must not become a way to reach into the network.
 */
import { isLoopback } from '../base/proxy.ts';

export type Fetch = typeof globalThis.fetch;

/** More than any honest key set or discovery document, bytes. */
const LARGEST = 256 * 1024;

const PATIENCE = 5_000;

/** @throws Error that says what is wrong with the answer, in words for the gateway's operator */
export async function fetchJson(url: URL, fetch: Fetch): Promise<unknown> {
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    redirect: 'manual',
    signal: AbortSignal.timeout(PATIENCE),
  });
  try {
    if (response.status !== 200) throw new Error(`${url.href} answered ${response.status}`);
    return JSON.parse(await bounded(response, url));
  } catch (error) {
    await response.body?.cancel().catch(() => {});
    throw error;
  }
}

async function bounded(response: Response, url: URL): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > LARGEST) throw new Error(`${url.href} sent more than ${LARGEST / 1024} KiB`);
    chunks.push(chunk);
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
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

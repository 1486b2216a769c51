/**
 * An issuer's signing keys, as old as they may be and no older.
 *
 * Fetched again when they are five minutes old, so that a key gone at the issuer is gone here; and once a minute at most when a token names a key
 * that is not there, so that a new key works at once and a thousand made-up names cost one request. While the issuer cannot be reached the last
 * ones serve for an hour.
 */
import { type CryptoKey, createLocalJWKSet, errors, type JSONWebKeySet, type JWSHeaderParameters } from 'jose';
import type { Clock } from '../base/clock.ts';
import { discoveryUrl, type Fetch, fetchJson, parseIssuerUrl } from './issuer-fetch.ts';

const FRESH = 5 * 60_000;
const LAST_RESORT = 60 * 60_000;
const FORCED_EVERY = 60_000;
/** After a failure nobody waits for the issuer again before this has passed. */
const RETRY_EVERY = 10_000;

export type KeyAnswer =
  | { readonly kind: 'key'; readonly key: CryptoKey }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'unreachable'; readonly why: string };

export interface KeySource {
  find(header: JWSHeaderParameters): Promise<KeyAnswer>;
}

export interface KeySourceParts {
  readonly issuer: string;
  readonly jwksUri?: string;
  readonly clock: Clock;
  readonly fetch: Fetch;
}

type Lookup = ReturnType<typeof createLocalJWKSet>;

export function createKeySource({ issuer, jwksUri, clock, fetch }: KeySourceParts): KeySource {
  let keys: { lookup: Lookup; fetchedAt: number } | undefined;
  let attemptedAt = Number.NEGATIVE_INFINITY;
  let forcedAt = Number.NEGATIVE_INFINITY;
  let trouble = 'it was never reached';
  let running: Promise<void> | undefined;

  /** One fetch at a time; whoever comes meanwhile waits for the same one. */
  function refresh(): Promise<void> {
    running ??= attempt().finally(() => {
      running = undefined;
    });
    return running;
  }

  async function attempt(): Promise<void> {
    attemptedAt = clock.monotonic();
    try {
      const lookup = await load();
      keys = { lookup, fetchedAt: clock.monotonic() };
    } catch (error) {
      trouble = error instanceof Error ? error.message : String(error);
    }
  }

  async function load(): Promise<Lookup> {
    const uri = jwksUri === undefined ? await discover() : parseIssuerUrl(jwksUri);
    if (!uri) throw new Error(`the address of the keys is neither https nor on this machine`);
    return createLocalJWKSet(publicKeys(await fetchJson(uri, fetch)));
  }

  async function discover(): Promise<URL> {
    const url = discoveryUrl(issuer);
    const document = (await fetchJson(url, fetch)) as { issuer?: unknown; jwks_uri?: unknown };
    if (document?.issuer !== issuer) throw new Error(`${url.href} is the document of another issuer`);
    const uri = typeof document.jwks_uri === 'string' ? URL.parse(document.jwks_uri) : null;
    if (uri === null) throw new Error(`${url.href} names no jwks_uri`);
    if (uri.origin !== url.origin)
      throw new Error(`its keys are at ${uri.origin}: set jwksUri on the issuer if that is right`);
    return uri;
  }

  function age(): number {
    return keys ? clock.monotonic() - keys.fetchedAt : Number.POSITIVE_INFINITY;
  }

  async function find(header: JWSHeaderParameters): Promise<KeyAnswer> {
    if (age() >= FRESH && (running || clock.monotonic() - attemptedAt >= RETRY_EVERY)) await refresh();
    if (!keys || age() > LAST_RESORT) return { kind: 'unreachable', why: trouble };
    const found = await look(keys.lookup, header);
    if (found) return { kind: 'key', key: found };
    if (clock.monotonic() - forcedAt < FORCED_EVERY) return { kind: 'unknown' };
    forcedAt = clock.monotonic();
    await refresh();
    const again = await look(keys.lookup, header);
    return again ? { kind: 'key', key: again } : { kind: 'unknown' };
  }

  return { find };
}

async function look(lookup: Lookup, header: JWSHeaderParameters): Promise<CryptoKey | undefined> {
  try {
    return await lookup(header);
  } catch (error) {
    // No such key, several that fit, or one that does not go with the algorithm: for the token it comes to the same.
    if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined;
    throw error;
  }
}

// A secret in a published set is everybody's: a token "signed" with it proves nothing.
function publicKeys(document: unknown): JSONWebKeySet {
  const { keys } = (document ?? {}) as { keys?: unknown };
  if (!Array.isArray(keys)) throw new Error('its key set is not one');
  return { keys: keys.filter((key) => typeof key === 'object' && key !== null && key.kty !== 'oct') };
}

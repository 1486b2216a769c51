/** The other side of a login: the identity provider as openid-client talks to it, and its errors in words for the person who logs in. */
import {
  allowInsecureRequests,
  AuthorizationResponseError,
  ClientError,
  type Configuration,
  clockTolerance,
  customFetch,
  discovery,
  None,
  ResponseBodyError,
  type TokenEndpointResponse,
} from 'openid-client';
import { HoopError } from '../base/error.ts';
import { fail } from './errors.ts';
import { bounded, type Fetch, parseIssuerUrl } from './issuer-fetch.ts';

/** What a login needs to know of an issuer; `/v1/config` says it to the CLI. */
export interface LoginIssuer {
  readonly issuer: string;
  readonly clientId: string;
  readonly audience: string;
  readonly scopes?: readonly string[];
  readonly use: 'accessToken' | 'idToken';
  /** `resource` of RFC 8707, for providers that want the audience said so. */
  readonly resource?: string;
}

export interface Provider {
  readonly config: Configuration;
  /** Turns what openid-client threw into an error for people. Rethrows the signal's reason when that is why. */
  explain(error: unknown, signal?: AbortSignal): Error;
}

/** The clocks of this machine and of the issuer may differ by so much before a login fails for it, seconds. */
const SKEW = 60;

/** Discovers the provider. @throws HoopError */
export async function openProvider(
  { issuer, clientId }: LoginIssuer,
  fetch: Fetch,
  signal?: AbortSignal,
): Promise<Provider> {
  const url = parseIssuerUrl(issuer);
  if (!url) throw fail('ISSUER_URL', `"${issuer}" cannot be an issuer`);
  const watch = clockWatch(issuer, fetch);
  const explain = (error: unknown, during?: AbortSignal) => explained(error, issuer, watch.skew(), during);
  try {
    const config = await discovery(url, clientId, { [clockTolerance]: SKEW }, None(), {
      [customFetch]: watch.fetch as never,
      execute: url.protocol === 'http:' ? [allowInsecureRequests] : [],
    });
    // Its own timer would throw away an answer that came while this machine slept; `careful` waits no longer than it.
    config.timeout = undefined;
    return { config, explain };
  } catch (error) {
    throw explain(error, signal);
  }
}

/** Parameters that ask for a token which the gateway takes. Providers differ in how they want to be told the audience. */
export function audienceParameters({ audience, resource }: LoginIssuer): Record<string, string> {
  return { audience, ...(resource === undefined ? {} : { resource }) };
}

/** `openid` is always asked for: the ID token says who logged in. */
export function scopeParameter({ scopes = ['openid', 'offline_access'] }: LoginIssuer): string {
  return [...new Set(['openid', ...scopes])].join(' ');
}

/** The token that this issuer's gateway takes. */
export function gatewayToken({ issuer, use }: LoginIssuer, tokens: TokenEndpointResponse): string {
  const token = use === 'idToken' ? tokens.id_token : tokens.access_token;
  if (token) return token;
  throw fail('LOGIN_NO_TOKEN', `${issuer} gave no ${use === 'idToken' ? 'ID token' : 'access token'}`);
}

/** The issuer could not be talked to, as opposed to: it said no. */
export class Unreachable extends TypeError {}

function clockWatch(issuer: string, fetch: Fetch): { fetch: Fetch; skew(): number } {
  let skew = 0;
  const careful = bounded(fetch);
  return {
    skew: () => skew,
    async fetch(input, init) {
      try {
        const response = await careful(input, init);
        const date = Date.parse(response.headers.get('date') ?? '');
        if (!Number.isNaN(date)) skew = Math.round((Date.now() - date) / 1000);
        return response;
      } catch (error) {
        init?.signal?.throwIfAborted();
        throw new Unreachable(`${issuer} cannot be reached: ${reasonOf(error)}`, { cause: error });
      }
    },
  };
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return String(cause);
  return cause.message || String((cause as NodeJS.ErrnoException).code ?? cause.name);
}

function explained(error: unknown, issuer: string, skew: number, signal?: AbortSignal): Error {
  if (signal?.aborted) return signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason));
  if (error instanceof HoopError) return error;
  if (error instanceof Unreachable) return fail('ISSUER_UNREACHABLE', error.message, { cause: error });
  if (error instanceof ResponseBodyError || error instanceof AuthorizationResponseError) return said(error, issuer);
  if (error instanceof ClientError) return misunderstood(error, issuer, skew);
  return error instanceof Error ? error : new Error(String(error));
}

function said({ error, error_description }: ResponseBodyError | AuthorizationResponseError, issuer: string): HoopError {
  const words = error_description === undefined ? error : `${error}: ${error_description}`;
  if (error === 'access_denied') return fail('LOGIN_DENIED', 'the login was denied or cancelled');
  if (error === 'expired_token') return fail('LOGIN_EXPIRED', 'the code has expired before anyone signed in with it');
  return fail('LOGIN_REJECTED', `${issuer} refused the login (${words})`);
}

function misunderstood(error: ClientError, issuer: string, skew: number): HoopError {
  if (error.code === 'OAUTH_JWT_TIMESTAMP_CHECK_FAILED' || Math.abs(skew) > SKEW) {
    return fail('ISSUER_ANSWER', `the clocks of this machine and of ${issuer} differ by ${Math.abs(skew)} s`, {
      cause: error,
      hint: `this machine's clock is ${skew >= 0 ? 'ahead' : 'behind'}: set it, then log in again`,
    });
  }
  if (error.code === 'OAUTH_TIMEOUT') return fail('ISSUER_UNREACHABLE', `${issuer} does not answer`, { cause: error });
  return fail('ISSUER_ANSWER', `${issuer} sent an answer that is none (${error.message})`, { cause: error });
}

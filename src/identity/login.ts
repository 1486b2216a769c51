/** A login as hoopctl keeps it: a token for the gateway, and what renews it. Renewing and ending it at the issuer. */
import { decodeJwt } from 'jose';
import { ResponseBodyError, refreshTokenGrant, type TokenEndpointResponse, tokenRevocation } from 'openid-client';
import type { Clock } from '../base/clock.ts';
import { HoopError } from '../base/error.ts';
import { Token } from '../base/secret.ts';
import { fail } from './errors.ts';
import type { Fetch } from './issuer-fetch.ts';
import { audienceParameters, gatewayToken, type LoginIssuer, openProvider } from './oauth.ts';

export interface Login {
  readonly issuer: string;
  readonly clientId: string;
  /** `sub` as the issuer gave it to this client. */
  readonly subject: string;
  /** For the gateway. */
  readonly token: Token;
  /** By this machine's clock, epoch ms. */
  readonly expiresAt: number;
  /** When the issuer gave it, by the same clock. */
  readonly obtainedAt?: number;
  readonly refreshToken?: Token;
}

export interface LoginParts {
  readonly issuer: LoginIssuer;
  readonly clock: Clock;
  /** Default: Node's own. */
  readonly fetch?: Fetch;
  readonly signal?: AbortSignal;
}

/** @throws HoopError LOGIN_EXPIRED when the issuer does not renew it any more, ISSUER_UNREACHABLE when it cannot be asked */
export async function refreshLogin(login: Login, parts: LoginParts): Promise<Login> {
  const { issuer, clock, fetch = globalThis.fetch, signal } = parts;
  if (!login.refreshToken) throw fail('LOGIN_EXPIRED', 'the login has expired and cannot be renewed');
  const provider = await openProvider(issuer, fetch, signal);
  try {
    const tokens = await refreshTokenGrant(provider.config, login.refreshToken.expose(), audienceParameters(issuer));
    const renewed = loginFrom(tokens, issuer, clock, login.subject);
    // RFC 6749 section 6: an issuer that sends no new refresh token goes on with the old one.
    return renewed.refreshToken ? renewed : { ...renewed, refreshToken: login.refreshToken };
  } catch (error) {
    throw expired(provider.explain(error, signal));
  }
}

/**
 * Ends the login at the issuer.
 * @returns `unsupported` when the issuer has no such endpoint, or none for tokens of this kind: the login then ends when its token does
 */
export async function revokeLogin(
  login: Login,
  { issuer, fetch = globalThis.fetch, signal }: LoginParts,
): Promise<'revoked' | 'unsupported'> {
  const provider = await openProvider(issuer, fetch, signal);
  if (!provider.config.serverMetadata().revocation_endpoint) return 'unsupported';
  try {
    // The refresh token takes the tokens made of it with it (RFC 7009 section 2.1).
    const token = login.refreshToken ?? login.token;
    const hint = login.refreshToken ? 'refresh_token' : 'access_token';
    await tokenRevocation(provider.config, token.expose(), { token_type_hint: hint });
    return 'revoked';
  } catch (error) {
    // RFC 7009 section 2.2.1. Many issuers revoke refresh tokens only.
    if (error instanceof ResponseBodyError && error.error === 'unsupported_token_type') return 'unsupported';
    throw provider.explain(error, signal);
  }
}

/** @param subject what the login was for before, when it is renewed: it cannot become someone else's */
export function loginFrom(tokens: TokenEndpointResponse, issuer: LoginIssuer, clock: Clock, subject?: string): Login {
  const token = gatewayToken(issuer, tokens);
  const who = subjectOf(tokens) ?? subject;
  if (who === undefined) throw fail('LOGIN_NO_TOKEN', `${issuer.issuer} does not say who logged in`);
  if (subject !== undefined && who !== subject)
    throw fail('ISSUER_ANSWER', `${issuer.issuer} renewed the login of someone else`);
  return {
    issuer: issuer.issuer,
    clientId: issuer.clientId,
    subject: who,
    token: Token.of(token),
    obtainedAt: clock.now(),
    expiresAt: clock.now() + lifeOf(token, issuer.use === 'accessToken' ? tokens.expires_in : undefined),
    ...(tokens.refresh_token === undefined ? {} : { refreshToken: Token.of(tokens.refresh_token) }),
  };
}

function subjectOf({ id_token, access_token }: TokenEndpointResponse): string | undefined {
  return claimsOf(id_token).sub ?? claimsOf(access_token).sub;
}

/** When nothing says how long a token lives, it is renewed soon, ms. */
const SHORT = 5 * 60_000;

// A span, not the token's own `exp`: this machine's clock may be wrong, and it is compared with nothing else.
function lifeOf(token: string, expiresIn: number | undefined): number {
  if (expiresIn !== undefined) return expiresIn * 1000;
  const { iat, exp } = claimsOf(token);
  return iat !== undefined && exp !== undefined && exp > iat ? (exp - iat) * 1000 : SHORT;
}

function claimsOf(token: string | undefined): { sub?: string; iat?: number; exp?: number } {
  try {
    return decodeJwt(token ?? '');
  } catch {
    return {};
  }
}

// RFC 6749 section 5.2: the refresh token is used up, revoked or too old.
function expired(error: Error): Error {
  const used =
    error instanceof HoopError && error.code === 'LOGIN_REJECTED' && error.message.includes('(invalid_grant');
  return used
    ? fail('LOGIN_EXPIRED', 'the login has expired or was ended at the identity provider', { cause: error })
    : error;
}

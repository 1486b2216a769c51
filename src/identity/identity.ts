/**
 * Whom a token stands for: a signature of a configured issuer, made for this gateway, now; or why not.
 *
 * Nothing in a token says how it is to be verified. Its issuer picks one of ours by exact name, and from there on algorithms, keys and audience are
 * ours; `jwk`, `jku` and `x5u` in a header are not looked at (RFC 8725, sections 3.1 and 3.10).
 */
import {
  decodeProtectedHeader,
  decodeJwt,
  errors,
  type JWTPayload,
  jwtVerify,
  type ProtectedHeaderParameters,
} from 'jose';
import type { Clock } from '../base/clock.ts';
import type { IssuerConfig } from '../domain/issuer.ts';
import type { Principal } from '../domain/principal.ts';
import { principalOf } from './claims.ts';
import { refuse, type TokenRefusal } from './errors.ts';
import type { Fetch } from './issuer-fetch.ts';
import { algorithmsOf, checkIssuers } from './issuers.ts';
import { createKeySource, type KeySource } from './keys.ts';
import { audienceRefusal, boundRefusal, typeRefusal } from './purpose.ts';

export interface IdentityParts {
  readonly issuers: readonly IssuerConfig[];
  readonly clock: Clock;
  readonly fetch?: Fetch;
}

export interface Authenticated {
  readonly kind: 'authenticated';
  readonly principal: Principal;
  readonly tokenKind: IssuerConfig['use'];
  /** Epoch ms. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** When the person signed in, where the issuer says so; epoch ms. */
  readonly authTime?: number;
}

/** An ID token that was verified as one, whatever `use` says. */
export interface SignIn {
  readonly kind: 'signIn';
  readonly subject: string;
  /** Epoch ms. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly authTime?: number;
  readonly nonce?: string;
}

export interface Identity {
  authenticate(token: string): Promise<Authenticated | TokenRefusal>;
  /** Verifies the ID token of a login that the gateway itself made at this issuer. */
  signIn(issuer: string, idToken: string): Promise<SignIn | TokenRefusal>;
}

/** Clocks of issuer and gateway may differ by so much, seconds. */
const SKEW = 30;

/** Longer than any token an honest provider sends in a header. */
const LONGEST = 16 * 1024;

/** @throws HoopError ISSUER_URL, ISSUERS_AMBIGUOUS, ISSUER_ALGORITHM */
export function createIdentity({ issuers, clock, fetch = globalThis.fetch }: IdentityParts): Identity {
  checkIssuers(issuers);
  const known = new Map(issuers.map((config) => [config.issuer, { config, keys: keysOf(config) }]));

  function keysOf({ issuer, jwksUri }: IssuerConfig): KeySource {
    return createKeySource({ issuer, clock, fetch, ...(jwksUri === undefined ? {} : { jwksUri }) });
  }

  async function authenticate(token: string): Promise<Authenticated | TokenRefusal> {
    const issuer = issuerOf(token);
    const found = issuer === undefined ? undefined : known.get(issuer);
    if (issuer === undefined) return refuse('TOKEN_MALFORMED', 'this is not a token that the gateway can read');
    if (!found) return refuse('TOKEN_ISSUER', 'the token comes from an issuer that this gateway does not know');
    const payload = await verify(token, found, found.config.use);
    if ('refused' in payload) return payload.refused;
    const result = principalOf(payload.claims, found.config);
    if (result.kind === 'refused') return result;
    return {
      kind: 'authenticated',
      principal: result.principal,
      tokenKind: found.config.use,
      ...timesOf(payload.claims),
    };
  }

  async function signIn(issuer: string, idToken: string): Promise<SignIn | TokenRefusal> {
    const found = known.get(issuer);
    if (!found || issuerOf(idToken) !== issuer) return refuse('TOKEN_ISSUER', 'the ID token comes from another issuer');
    const payload = await verify(idToken, found, 'idToken');
    if ('refused' in payload) return payload.refused;
    const { sub = '', nonce } = payload.claims as JWTPayload & { nonce?: unknown };
    return {
      kind: 'signIn',
      subject: sub,
      ...timesOf(payload.claims),
      ...(typeof nonce === 'string' ? { nonce } : {}),
    };
  }

  async function verify(
    token: string,
    { config, keys }: { config: IssuerConfig; keys: KeySource },
    use: IssuerConfig['use'],
  ): Promise<{ claims: JWTPayload } | { refused: TokenRefusal }> {
    const header = headerOf(token);
    const algorithms = algorithmsOf(config);
    if (!header?.alg || !algorithms.includes(header.alg)) {
      return {
        refused: refuse('TOKEN_ALGORITHM', 'the token is signed in a way that is not accepted from its issuer'),
      };
    }
    const key = await keys.find({ ...header, alg: header.alg });
    if (key.kind === 'unknown')
      return { refused: refuse('TOKEN_KEY', 'the token is signed with a key that its issuer does not have') };
    if (key.kind === 'unreachable') {
      const why = `the issuer ${config.issuer} cannot be reached to check the token (${key.why})`;
      return { refused: refuse('ISSUER_UNREACHABLE', why, 'try again once it answers') };
    }
    const proven = await jwtVerify(token, key.key, {
      algorithms: [...algorithms],
      issuer: config.issuer,
      clockTolerance: SKEW,
      currentDate: new Date(clock.now()),
      requiredClaims: ['exp', 'iat', 'sub'],
    }).catch(refusalFor);
    if ('kind' in proven) return { refused: proven };
    const { payload, protectedHeader } = proven;
    const wrong =
      typeRefusal(protectedHeader.typ, payload, config, use) ??
      audienceRefusal(payload, config, use) ??
      boundRefusal(payload) ??
      futureRefusal(payload);
    return wrong ? { refused: wrong } : { claims: payload };
  }

  function futureRefusal({ iat = 0 }: JWTPayload): TokenRefusal | undefined {
    if (iat * 1000 <= clock.now() + SKEW * 1000) return undefined;
    return refuse(
      'TOKEN_NOT_YET',
      'the token was issued in the future',
      'set the clocks of the gateway and of its issuer',
    );
  }

  return { authenticate, signIn };
}

function issuerOf(token: string): string | undefined {
  if (token.length > LONGEST) return undefined;
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

function headerOf(token: string): ProtectedHeaderParameters | undefined {
  try {
    return decodeProtectedHeader(token);
  } catch {
    return undefined;
  }
}

function timesOf({ iat = 0, exp = 0, auth_time }: JWTPayload & { auth_time?: unknown }) {
  const times = { issuedAt: iat * 1000, expiresAt: exp * 1000 };
  return typeof auth_time === 'number' && Number.isFinite(auth_time) ? { ...times, authTime: auth_time * 1000 } : times;
}

function refusalFor(error: unknown): TokenRefusal {
  if (error instanceof errors.JWTExpired)
    return refuse('TOKEN_EXPIRED', 'the token has expired', 'log in again: hoopctl login');
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'nbf')
      return refuse('TOKEN_NOT_YET', 'the token is not valid yet', 'set the clocks of the gateway and of its issuer');
    return refuse('TOKEN_CLAIM', `the token's ${error.claim} is missing or wrong`);
  }
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported) {
    return refuse('TOKEN_ALGORITHM', 'the token is signed in a way that is not accepted from its issuer');
  }
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return refuse('TOKEN_SIGNATURE', "the token's signature is wrong");
  // jose throws its own errors for what a peer may send, and a TypeError where a key does not go with the algorithm.
  if (error instanceof errors.JOSEError)
    return refuse('TOKEN_MALFORMED', 'this is not a token that the gateway can read');
  if (error instanceof TypeError) return refuse('TOKEN_KEY', "the token's algorithm does not go with its issuer's key");
  throw error;
}

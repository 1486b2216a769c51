/** What a proven token is for: an access token for this gateway, or an ID token for its client. One is never taken for the other. */
import type { JWTPayload } from 'jose';
import type { IssuerConfig } from '../domain/issuer.ts';
import { refuse, type TokenRefusal } from './errors.ts';

/** Claims that only ID tokens have (OpenID Connect Core 1.0, sections 2 and 3.3.2.11). */
const ID_TOKEN_ONLY = ['nonce', 'at_hash', 'c_hash', 's_hash'] as const;

export function typeRefusal(
  typ: string | undefined,
  payload: JWTPayload,
  { audience, clientId }: IssuerConfig,
  use: IssuerConfig['use'],
): TokenRefusal | undefined {
  // RFC 7515 section 4.1.9: compared without regard to case, `application/` may be left out.
  const type = typ?.toLowerCase().replace(/^application\//, '');
  const isAccessToken = type === 'at+jwt';
  if (!isAccessToken && type !== undefined && type !== 'jwt') {
    return refuse('TOKEN_TYPE', 'the token is of a kind made for something else');
  }
  if (use === 'idToken') {
    return isAccessToken
      ? refuse('TOKEN_TYPE', 'this is an access token; the issuer is configured for ID tokens')
      : undefined;
  }
  if (isAccessToken) return undefined;
  // RFC 9068 gives access tokens a type of their own, which not every provider sets. Without it an ID token must be told by what it carries,
  // and cannot be told at all where both are for the same audience.
  if (audience === clientId || ID_TOKEN_ONLY.some((claim) => payload[claim] !== undefined)) {
    return refuse(
      'TOKEN_TYPE',
      'this is not an access token',
      'send the access token, or set use: idToken on the issuer',
    );
  }
  return undefined;
}

export function audienceRefusal(
  { aud, azp }: JWTPayload & { azp?: unknown },
  { audience, clientId }: IssuerConfig,
  use: IssuerConfig['use'],
): TokenRefusal | undefined {
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  const wanted = use === 'idToken' ? clientId : audience;
  const wrong = refuse(
    'TOKEN_AUDIENCE',
    'the token was made for someone else',
    `its aud must name ${wanted ?? 'this gateway'}`,
  );
  if (wanted === undefined || !audiences.includes(wanted)) return wrong;
  if (use !== 'idToken') return undefined;
  // OpenID Connect Core 1.0, section 3.1.3.7, rules 3 to 5: with further audiences, azp says whose token it is.
  if (azp !== undefined ? azp !== clientId : audiences.length > 1) return wrong;
  return undefined;
}

/** RFC 9449 section 7.2, RFC 8705 section 3: a token bound to a key proves nothing without that key, which is not asked for here. */
export function boundRefusal(payload: JWTPayload): TokenRefusal | undefined {
  if (payload['cnf'] === undefined) return undefined;
  return refuse(
    'TOKEN_BOUND',
    'the token is bound to a key of its holder, which this gateway cannot check',
    'ask the issuer for bearer tokens',
  );
}

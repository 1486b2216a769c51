/** The gateway's side of a device login at an issuer: begin one, ask once whether it is done. Everything openid-client is in here. */
import {
  genericGrantRequest,
  initiateDeviceAuthorization,
  ResponseBodyError,
  type TokenEndpointResponse,
} from 'openid-client';
import { fail } from './errors.ts';
import {
  audienceParameters,
  gatewayToken,
  type LoginIssuer,
  openProvider,
  type Provider,
  scopeParameter,
  Unreachable,
} from './oauth.ts';

export interface Begun {
  readonly verificationUri: string;
  readonly verificationUriComplete?: string;
  readonly userCode: string;
  /** Seconds. */
  readonly expiresIn: number;
  readonly interval: number;
  ask(): Promise<Asked>;
}

export type Asked =
  | { readonly kind: 'tokens'; readonly token: string; readonly idToken?: string }
  | { readonly kind: 'pending' }
  | { readonly kind: 'slowDown' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

export { openProvider };

/** @throws HoopError LOGIN_UNSUPPORTED, LOGIN_REJECTED, ISSUER_… */
export async function beginDeviceGrant(issuer: LoginIssuer, provider: Provider): Promise<Begun> {
  if (!provider.config.serverMetadata().device_authorization_endpoint) {
    throw fail('LOGIN_UNSUPPORTED', `${issuer.issuer} has no device login`, { hint: 'let the rule say proof: login' });
  }
  const scopes = (issuer.scopes ?? []).filter((scope) => scope !== 'offline_access');
  const begun = await initiateDeviceAuthorization(provider.config, {
    scope: scopeParameter({ ...issuer, scopes }),
    ...audienceParameters(issuer),
    // An issuer that remembers the person must ask them anew (OpenID Connect Core 1.0, section 3.1.2.1).
    max_age: '0',
    prompt: 'login',
  }).catch((error) => {
    throw provider.explain(error);
  });
  const complete = begun.verification_uri_complete;
  return {
    verificationUri: begun.verification_uri,
    ...(complete === undefined ? {} : { verificationUriComplete: complete }),
    userCode: begun.user_code,
    expiresIn: begun.expires_in,
    interval: begun.interval ?? 5,
    ask: () => ask(issuer, provider, begun.device_code),
  };
}

async function ask(issuer: LoginIssuer, provider: Provider, deviceCode: string): Promise<Asked> {
  try {
    const parameters = { device_code: deviceCode, ...audienceParameters(issuer) };
    return asked(issuer, await genericGrantRequest(provider.config, DEVICE_GRANT, parameters));
  } catch (error) {
    const said = error instanceof ResponseBodyError ? error.error : undefined;
    if (said === 'slow_down') return { kind: 'slowDown' };
    if (said === 'authorization_pending' || error instanceof Unreachable) return { kind: 'pending' };
    const { code = 'LOGIN_REJECTED', message } = provider.explain(error) as Error & { code?: string };
    return { kind: 'failed', code, message };
  }
}

function asked(issuer: LoginIssuer, tokens: TokenEndpointResponse): Asked {
  const token = gatewayToken(issuer, tokens);
  return { kind: 'tokens', token, ...(tokens.id_token === undefined ? {} : { idToken: tokens.id_token }) };
}

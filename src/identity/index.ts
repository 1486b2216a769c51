/**
 * Who people are: the door of this room. Tokens are verified here for the gateway, logins made and kept here for the command line.
 *
 * What is heavy to load (JOSE, OpenID) is loaded when it is first used: most commands find a good login in the store and need neither.
 */
import type { BrowserLoginParts } from './browser-login.ts';
import type { DeviceLoginParts } from './device-login.ts';
import type { Identity, IdentityParts } from './identity.ts';
import { checkIssuers } from './issuers.ts';
import type { Login, LoginParts } from './login.ts';

export {
  type ApprovalLogins,
  type ApprovalLoginsParts,
  type ApprovalProof,
  createApprovalLogins,
  type LoginPurpose,
  type PolledLogin,
  type StartedLogin,
} from './approval-login.ts';
export { type CaFetchOptions, createCaFetch } from './ca-fetch.ts';
export type { DevicePrompt } from './device-login.ts';
export type { TokenRefusal, TokenRefusalCode } from './errors.ts';
export type { Authenticated, Identity, IdentityParts, SignIn } from './identity.ts';
export type { Fetch } from './issuer-fetch.ts';
export { keychainWorks } from './keychain.ts';
export type { Login, LoginParts } from './login.ts';
export type { LoginIssuer } from './oauth.ts';
export { freshLogin, type RenewParts } from './renew.ts';
export { looksMinted, mintToken, tokenDigest } from './run-token.ts';
export { type LoginKey, openTokenStore, type TokenStore, type TokenStoreParts } from './token-store.ts';

/** @throws HoopError ISSUER_URL, ISSUERS_AMBIGUOUS, ISSUER_ALGORITHM, ISSUER_CLIENT */
export function createIdentity(parts: IdentityParts): Identity {
  checkIssuers(parts.issuers);
  let loading: Promise<Identity> | undefined;
  const load = () => {
    loading ??= import('./identity.ts').then((module) => module.createIdentity(parts));
    return loading;
  };
  return {
    authenticate: async (token) => (await load()).authenticate(token),
    signIn: async (issuer, idToken) => (await load()).signIn(issuer, idToken),
  };
}

/** Logs in on whatever device the person has at hand: see device-login.ts. */
export async function deviceLogin(parts: DeviceLoginParts): Promise<Login> {
  return await (await import('./device-login.ts')).deviceLogin(parts);
}

/** Logs in with a browser on this machine: see browser-login.ts. */
export async function browserLogin(parts: BrowserLoginParts): Promise<Login> {
  return await (await import('./browser-login.ts')).browserLogin(parts);
}

/** Renews a login at its issuer: see login.ts. For the stored one use `freshLogin`. */
export async function refreshLogin(login: Login, parts: LoginParts): Promise<Login> {
  return await (await import('./login.ts')).refreshLogin(login, parts);
}

/** Ends a login at its issuer: see login.ts. */
export async function revokeLogin(login: Login, parts: LoginParts): Promise<'revoked' | 'unsupported'> {
  return await (await import('./login.ts')).revokeLogin(login, parts);
}

/** What can be wrong with issuers as configured, with a token, and with a login. */
import { errorTable } from '../base/error.ts';

export const fail = errorTable({
  ISSUER_URL: {
    exit: 2,
    hint: 'write the https:// address that the provider puts into its tokens; http:// only on this machine',
  },
  ISSUERS_AMBIGUOUS: {
    exit: 2,
    hint: 'give each issuer a prefix of its own, or say with trust: { groups, users } what it is believed about',
  },
  ISSUER_ALGORITHM: { exit: 2, hint: 'list asymmetric algorithms, such as RS256 or ES256' },
  ISSUER_CLIENT: { exit: 2, hint: 'set clientId: the one this provider knows hoopctl by' },
  ISSUER_UNREACHABLE: {
    exit: 6,
    hint: 'check the network, the proxy, and the CA of the identity provider (--ca FILE)',
  },
  ISSUER_ANSWER: { exit: 1, hint: 'tell whoever runs the identity provider' },
  LOGIN_DENIED: { exit: 3, hint: 'log in again: hoopctl login' },
  LOGIN_EXPIRED: { exit: 3, hint: 'log in again: hoopctl login' },
  LOGIN_REJECTED: { exit: 3, hint: 'check clientId and scopes of the issuer in gateway.yaml' },
  LOGIN_NO_TOKEN: { exit: 3, hint: 'check `use`, scopes and audience of the issuer in gateway.yaml' },
  LOGIN_UNSUPPORTED: { exit: 2, hint: 'use the other one: hoopctl login --flow device, or --flow browser' },
  TOKEN_STORE_CHOICE: { exit: 2, hint: 'set HOOPCTL_TOKEN_STORE to keychain, file or plain, or leave it out' },
  TOKEN_STORE_KEYCHAIN: { exit: 3, hint: 'set HOOPCTL_TOKEN_STORE=file to keep logins in a sealed file instead' },
  TOKEN_STORE_LOCKED: { exit: 3, hint: 'set HOOPCTL_PASSPHRASE, or run this on a terminal to be asked for it' },
  TOKEN_STORE_PASSPHRASE: { exit: 3, hint: 'try again, or log in anew after: hoopctl logout --all' },
  TOKEN_STORE_INSECURE: { exit: 2, hint: 'say so with --insecure-storage, or set HOOPCTL_PASSPHRASE' },
  TOKEN_STORE_DAMAGED: { exit: 3, hint: 'remove the file and log in again' },
  TOKEN_STORE_BUSY: { exit: 1, hint: 'end the other hoopctl that is logging in or renewing a login, then try again' },
});

/** Why a token is not accepted. The words are for the one who sent it; they repeat nothing of the token. */
export type TokenRefusalCode =
  | 'TOKEN_MALFORMED'
  | 'TOKEN_ISSUER'
  | 'TOKEN_ALGORITHM'
  | 'TOKEN_KEY'
  | 'TOKEN_SIGNATURE'
  | 'TOKEN_TYPE'
  | 'TOKEN_AUDIENCE'
  | 'TOKEN_EXPIRED'
  | 'TOKEN_NOT_YET'
  | 'TOKEN_CLAIM'
  | 'TOKEN_BOUND'
  | 'EMAIL_UNVERIFIED'
  | 'GROUPS_MISSING'
  | 'GROUPS_OVERAGE'
  | 'GROUPS_MALFORMED'
  | 'ISSUER_UNREACHABLE';

export interface TokenRefusal {
  readonly kind: 'refused';
  readonly code: TokenRefusalCode;
  readonly message: string;
  readonly hint?: string;
}

export function refuse(code: TokenRefusalCode, message: string, hint?: string): TokenRefusal {
  return { kind: 'refused', code, message, ...(hint === undefined ? {} : { hint }) };
}

/** Whether the configured issuers can stand side by side: none can vouch for what another vouches for. */
import type { IssuerConfig } from '../domain/issuer.ts';
import { fail } from './errors.ts';
import { parseIssuerUrl } from './issuer-fetch.ts';

/** RFC 7518 section 3.1, RFC 8037, RFC 9864. With a symmetric algorithm whoever can verify can also sign. */
export const ASYMMETRIC = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

export function algorithmsOf({ algorithms }: IssuerConfig): readonly string[] {
  return algorithms ?? ASYMMETRIC;
}

export function checkIssuers(issuers: readonly IssuerConfig[]): void {
  for (const issuer of issuers) checkOne(issuer);
  checkDistinct(issuers.map(({ issuer }) => issuer));
  if (issuers.length > 1) checkApart(issuers);
}

function checkOne({ issuer, jwksUri, algorithms, use, clientId }: IssuerConfig): void {
  if (!parseIssuerUrl(issuer)) throw fail('ISSUER_URL', `"${issuer}" cannot be an issuer`);
  if (jwksUri !== undefined && !parseIssuerUrl(jwksUri))
    throw fail('ISSUER_URL', `"${jwksUri}" cannot be where keys are fetched from`);
  const wrong = algorithms?.find((name) => !(ASYMMETRIC as readonly string[]).includes(name));
  if (wrong !== undefined || algorithms?.length === 0) {
    throw fail('ISSUER_ALGORITHM', `issuer ${issuer}: "${wrong ?? ''}" is no algorithm to accept tokens by`);
  }
  if (use === 'idToken' && clientId === undefined) {
    throw fail('ISSUER_CLIENT', `issuer ${issuer} has use: idToken and no clientId, which is what an ID token is for`);
  }
}

function checkDistinct(names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw fail('ISSUERS_AMBIGUOUS', `issuer ${twice} is configured twice`, { hint: 'keep one of the two' });
}

function checkApart(issuers: readonly IssuerConfig[]): void {
  for (const { issuer, prefix, trust } of issuers) {
    if (!prefix && !trust)
      throw fail('ISSUERS_AMBIGUOUS', `issuer ${issuer} has neither prefix nor trust, beside another issuer`);
  }
  for (const one of issuers) {
    const clash = issuers.find((other) => other !== one && one.prefix && other.prefix?.startsWith(one.prefix));
    if (!clash) continue;
    const said = `the prefix "${one.prefix}" of ${one.issuer} begins the prefix "${clash.prefix}" of ${clash.issuer}`;
    throw fail('ISSUERS_AMBIGUOUS', said, {
      hint: 'choose prefixes of which none begins another, such as "corp:" and "ci:"',
    });
  }
}

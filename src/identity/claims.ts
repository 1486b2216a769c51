/** From the claims of a proven token to a principal: its name, its groups, and what else the issuer is believed about. Pure. */
import type { JWTPayload } from 'jose';
import { unshowable } from '../base/shown.ts';
import type { IssuerConfig } from '../domain/issuer.ts';
import type { Principal } from '../domain/principal.ts';
import { refuse, type TokenRefusal } from './errors.ts';

export function principalOf(
  payload: JWTPayload,
  issuer: IssuerConfig,
): { readonly kind: 'principal'; readonly principal: Principal } | TokenRefusal {
  const subject = payload.sub;
  if (typeof subject !== 'string' || subject === '' || subject.length > 255) {
    return refuse('TOKEN_CLAIM', 'the token names no subject (sub)');
  }
  const name = nameOf(payload, issuer);
  if (typeof name !== 'string') return name;
  const groups = groupsOf(payload, issuer);
  if ('kind' in groups) return groups;
  const prefix = issuer.prefix ?? '';
  return {
    kind: 'principal',
    principal: {
      issuer: issuer.issuer,
      subject,
      name: believedName(`${prefix}${name}`, subject, issuer),
      groups: believed(groups, issuer).map((group) => `${prefix}${group}`),
      claims: claimsOf(payload, issuer),
    },
  };
}

function nameOf(payload: JWTPayload, { subjectClaim = 'sub', trustEmail }: IssuerConfig): string | TokenRefusal {
  const name = at(payload, subjectClaim);
  if (typeof name !== 'string' || name === '' || name.length > 320) {
    return refuse(
      'TOKEN_CLAIM',
      `the token has no ${subjectClaim}`,
      `ask for a scope that brings ${subjectClaim}, or change subjectClaim`,
    );
  }
  const hidden = unshowable(name);
  if (hidden) return refuse('TOKEN_CLAIM', `the token's ${subjectClaim} holds ${hidden}`);
  // Whoever may choose an address without showing that it is theirs could choose someone else's.
  if (subjectClaim === 'email' && payload['email_verified'] !== true && !trustEmail) {
    return refuse(
      'EMAIL_UNVERIFIED',
      'the provider does not say that the e-mail address is verified',
      'verify it there, or set trustEmail: true',
    );
  }
  return name;
}

// A name the issuer is not believed about is ignored: what is left names this issuer's subject, which no policy takes for a name of another.
function believedName(name: string, subject: string, { issuer, trust }: IssuerConfig): string {
  if (!trust || trust.users?.some((pattern) => fits(pattern, name))) return name;
  return `${issuer}#${subject}`;
}

function groupsOf(payload: JWTPayload, { groupsClaim, groupNames }: IssuerConfig): readonly string[] | TokenRefusal {
  if (groupsClaim === undefined) return [];
  const value = at(payload, groupsClaim);
  if (value === undefined) return overflown(payload, groupsClaim) ? overage() : missing(groupsClaim);
  const groups: unknown = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(groups) || !groups.every((group) => typeof group === 'string')) {
    return refuse('GROUPS_MALFORMED', `the token's ${groupsClaim} is not a list of names`);
  }
  return groupNames === undefined ? groups : renamed(groups, groupNames);
}

function missing(claim: string): TokenRefusal {
  return refuse(
    'GROUPS_MISSING',
    `the token has no ${claim}`,
    'let the provider put it into the token, or leave out groupsClaim and grant by users',
  );
}

function overage(): TokenRefusal {
  return refuse(
    'GROUPS_OVERAGE',
    'the person is in more groups than the provider puts into a token',
    'use app roles, and set groupsClaim: roles',
  );
}

// Entra says so when a person is in more than 200 groups ("Group overages"): the claim itself is then left out, as OpenID Connect Core 1.0,
// section 5.6.2, lets a claim be kept elsewhere.
function overflown(payload: JWTPayload, claim: string): boolean {
  const names = payload['_claim_names'];
  const elsewhere = typeof names === 'object' && names !== null && Object.hasOwn(names, claim);
  return elsewhere || payload['hasgroups'] === true;
}

// Where ids are translated, an id that reads like one of the translations is someone's own choice of id.
function renamed(groups: readonly string[], names: Readonly<Record<string, string>>): readonly string[] {
  const taken = new Set(Object.values(names));
  return groups.flatMap((group) => {
    if (Object.hasOwn(names, group)) return [names[group] as string];
    return taken.has(group) ? [] : [group];
  });
}

function believed(groups: readonly string[], { trust }: IssuerConfig): readonly string[] {
  return trust ? groups.filter((group) => trust.groups?.some((pattern) => fits(pattern, group))) : groups;
}

/** What a token needs to be one, and says nothing about the person. */
const MACHINERY = new Set(
  'iss aud exp nbf iat jti typ nonce sid azp at_hash c_hash s_hash _claim_names _claim_sources hasgroups'.split(' '),
);

function claimsOf(payload: JWTPayload, { prefix, trust, groupsClaim }: IssuerConfig): Principal['claims'] {
  const names = Object.keys(payload).filter((name) => !MACHINERY.has(name) && name !== groupsClaim);
  // Claims carry no prefix, so an issuer that needs one, or is not believed wholly, speaks only through those it is trusted with.
  const kept = prefix !== undefined || trust ? names.filter((name) => trust?.claims?.includes(name)) : names;
  return Object.fromEntries(kept.map((name) => [name, payload[name]]));
}

/** A claim by its name, else by its path. Names with dots exist: `https://example.com/groups`. */
function at(payload: JWTPayload, path: string): unknown {
  if (Object.hasOwn(payload, path)) return payload[path];
  let value: unknown = payload;
  for (const step of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

/** `*` stands for any characters, also none; everything else for itself. Linear, since each part is taken where it first fits. */
function fits(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === text;
  const last = rest.pop() ?? '';
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let from = first.length;
  const end = text.length - last.length;
  for (const part of rest) {
    const found = text.indexOf(part, from);
    if (found < 0 || found + part.length > end) return false;
    from = found + part.length;
  }
  return true;
}

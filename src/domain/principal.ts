/** Who asks: a subject that an issuer vouches for, the agent that acts for them, and how policy names them. */

/** A person or a service, as one identity provider names it. Two principals are the same when issuer and subject are. */
export interface Principal {
  readonly issuer: string;
  /** The provider's stable name (`sub`): identity. */
  readonly subject: string;
  /** What `--user` and `users:` name: the issuer's `subjectClaim`, with the issuer's prefix. */
  readonly name: string;
  /** Groups the issuer vouches for, prefixed where the issuer has a prefix. Empty when the issuer gives none. */
  readonly groups: readonly string[];
  /** Other claims of the token, for `claims:` in policy. Empty on issuers that are not trusted for them. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** The program acting for a principal. A claimed agent is matched by no rule; its launcher answers for it. */
export type AgentIdentity =
  | { readonly kind: 'registered'; readonly name: string; readonly owners: SubjectMatcher }
  | { readonly kind: 'claimed'; readonly name: string };

/** How an access entry, a rule, a mask or a role names people. `groups`, `users` and `claims` are alternatives; an absent key does not restrict. */
export interface SubjectMatcher {
  readonly groups?: readonly string[];
  readonly users?: readonly string[];
  readonly claims?: Readonly<Record<string, string | number | boolean | readonly (string | number | boolean)[]>>;
}

export function samePrincipal(a: Principal, b: Principal): boolean {
  return a.issuer === b.issuer && a.subject === b.subject;
}

/** The key under which one principal is stored and compared. */
export function principalKey(principal: Pick<Principal, 'issuer' | 'subject'>): string {
  return JSON.stringify([principal.issuer, principal.subject]);
}

/** Whether the matcher names this principal. An empty matcher names everyone; callers that must not allow that check before. */
export function matchesSubject(matcher: SubjectMatcher, principal: Principal): boolean {
  const { groups, users, claims } = matcher;
  if (!groups && !users && !claims) return true;
  return (
    (users?.includes(principal.name) ?? false) ||
    (groups?.some((group) => principal.groups.includes(group)) ?? false) ||
    (claims !== undefined && matchesClaims(claims, principal.claims))
  );
}

function matchesClaims(wanted: NonNullable<SubjectMatcher['claims']>, held: Principal['claims']): boolean {
  const names = Object.keys(wanted);
  return names.length > 0 && names.every((name) => claimMatches(wanted[name], held[name]));
}

function claimMatches(wanted: unknown, held: unknown): boolean {
  const accepted: readonly unknown[] = Array.isArray(wanted) ? wanted : [wanted];
  const present: readonly unknown[] = Array.isArray(held) ? held : [held];
  return present.some((value) => accepted.includes(value));
}

/** The identity provider of the demo, with a robot for the person at the browser and a hand on the time of signing in. */
import { type Idp, type IdpOptions, type IdpUser, startIdp } from '../../src/app/issuer/index.ts';
import { visit } from '../../src/app/demo/visitor.ts';

export const DANA: IdpUser = { email: 'dana@example.test', groups: ['data-agents'] };
export const RILEY: IdpUser = { email: 'riley@example.test', groups: ['db-owners'] };

export interface Person {
  readonly user: string;
  /** What the provider says about when they signed in, epoch seconds. Default: now. */
  readonly authTime?: number;
  /** `no` cancels on the sign-in page. */
  readonly answer?: 'yes' | 'no';
  /** What they type for the sign-in code. Default: the right one. */
  readonly code?: string;
}

export interface FakeIdp extends Idp, AsyncDisposable {
  /**
   * Goes where a browser would go, as this person, and fills the forms on the way: the link of a device login (with the code in it), or of a
   * browser login.
   * @returns the last page's text, or where the browser would have gone next, when that is not the provider
   */
  visit(link: string, person: Person): Promise<{ readonly text: string } | { readonly leavesTo: string }>;
}

/** dana@example.test (data-agents) and riley@example.test (db-owners) can sign in. */
export async function startFakeIdp(options: Partial<IdpOptions> = {}): Promise<FakeIdp> {
  const times = new Map<string, number>();
  const idp = await startIdp({ users: [DANA, RILEY], signedInAt: (user) => times.get(user.email), ...options });
  return {
    ...idp,
    async visit(link, person) {
      if (person.authTime === undefined) times.delete(person.user);
      else times.set(person.user, person.authTime);
      const { user, code = idp.signInCode, answer = 'yes' } = person;
      return await visit(idp.issuer, link, { user, code, answer });
    },
    [Symbol.asyncDispose]: () => idp.close(),
  };
}

/** A device login made by hand: starts it, signs in as the person, fetches the token. */
export async function deviceToken(idp: FakeIdp, user: string): Promise<string> {
  const form = async (path: string, body: Record<string, string>) => {
    const response = await fetch(idp.issuer + path, { method: 'POST', body: new URLSearchParams(body) });
    return (await response.json()) as Record<string, string>;
  };
  const { client_id, scope } = { client_id: idp.clientId, scope: 'openid offline_access email groups' };
  const started = await form('/device/auth', { client_id, scope });
  await idp.visit(started.verification_uri_complete ?? '', { user });
  const grant_type = 'urn:ietf:params:oauth:grant-type:device_code';
  const tokens = await form('/token', { client_id, grant_type, device_code: started.device_code ?? '' });
  if (!tokens.access_token) throw new Error(`no token: ${JSON.stringify(tokens)}`);
  return tokens.access_token;
}

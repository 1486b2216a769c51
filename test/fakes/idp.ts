/** The identity provider of the demo, with a robot for the person at the browser and a hand on the time of signing in. */
import { type Idp, type IdpOptions, type IdpUser, startIdp } from '../../src/app/demo/idp.ts';

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
      return await browse(idp, link, person);
    },
    [Symbol.asyncDispose]: () => idp.close(),
  };
}

async function browse(idp: Idp, link: string, person: Person): Promise<{ text: string } | { leavesTo: string }> {
  const cookies = new Map<string, string>();
  let url = new URL(link);
  let form: URLSearchParams | undefined;
  for (let step = 0; step < 20; step++) {
    if (url.origin !== idp.issuer) return { leavesTo: url.href };
    const response = await fetch(url, {
      redirect: 'manual',
      method: form ? 'POST' : 'GET',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form ? { body: form } : {}),
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') cookies.delete(name);
      else cookies.set(name, value);
    }
    const text = await response.text();
    const location = response.headers.get('location');
    if (location !== null) {
      url = new URL(location, url);
      form = undefined;
      continue;
    }
    const next = fill(text, idp, person);
    if (!next || /class="wrong"/.test(text)) return { text: plain(text) };
    url = new URL(next.action, url);
    form = next.form;
  }
  throw new Error('the provider shows one form after another');
}

function fill(html: string, idp: Idp, person: Person): { action: string; form: URLSearchParams } | undefined {
  const action = /<form[^>]* action="([^"]*)"/.exec(html)?.[1];
  if (action === undefined) return undefined;
  const form = new URLSearchParams();
  for (const [tag] of html.matchAll(/<input[^>]*>/g)) {
    const name = /name="([^"]*)"/.exec(tag)?.[1];
    if (name !== undefined) form.set(name, decoded(/value="([^"]*)"/.exec(tag)?.[1] ?? ''));
  }
  if (html.includes('<select name="user">')) {
    form.set('user', person.user);
    form.set('code', person.code ?? idp.signInCode);
    form.set('answer', person.answer ?? 'yes');
  }
  return { action: decoded(action), form };
}

function decoded(text: string): string {
  return text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code))).replaceAll('&amp;', '&');
}

function plain(html: string): string {
  return decoded(html.replace(/<(style|title)>.*?<\/\1>|<[^>]*>/gs, ' '))
    .replace(/\s+/g, ' ')
    .trim();
}

/** A person at a browser, as a program: follows a sign-in link and fills the provider's forms. For the demo's own identity provider only. */

export interface Visitor {
  /** As the provider lists them. */
  readonly user: string;
  /** What they type for the code on the provider's terminal. */
  readonly code: string;
  /** `no` cancels on the sign-in page. */
  readonly answer?: 'yes' | 'no';
}

export type Visited = { readonly text: string } | { readonly leavesTo: string };

/** @returns the last page's text, or where the browser would have gone next when that is not the provider */
export async function visit(issuer: string, link: string, visitor: Visitor): Promise<Visited> {
  const cookies = new Map<string, string>();
  let url = new URL(link);
  let form: URLSearchParams | undefined;
  for (let step = 0; step < 20; step++) {
    if (url.origin !== issuer) return { leavesTo: url.href };
    const response = await fetch(url, {
      redirect: 'manual',
      method: form ? 'POST' : 'GET',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form ? { body: form } : {}),
    });
    keepCookies(cookies, response);
    const text = await response.text();
    const location = response.headers.get('location');
    if (location !== null) {
      url = new URL(location, url);
      form = undefined;
      continue;
    }
    const next = fill(text, visitor);
    if (!next || /class="wrong"/.test(text)) return { text: plain(text) };
    url = new URL(next.action, url);
    form = next.form;
  }
  throw new Error('the provider shows one form after another');
}

function keepCookies(cookies: Map<string, string>, response: Response): void {
  for (const line of response.headers.getSetCookie()) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    if (value === '') cookies.delete(name);
    else cookies.set(name, value);
  }
}

function fill(html: string, visitor: Visitor): { action: string; form: URLSearchParams } | undefined {
  const action = /<form[^>]* action="([^"]*)"/.exec(html)?.[1];
  if (action === undefined) return undefined;
  const form = new URLSearchParams();
  for (const [tag] of html.matchAll(/<input[^>]*>/g)) {
    const name = /name="([^"]*)"/.exec(tag)?.[1];
    if (name !== undefined) form.set(name, decoded(/value="([^"]*)"/.exec(tag)?.[1] ?? ''));
  }
  if (html.includes('<select name="user">')) {
    form.set('user', visitor.user);
    form.set('code', visitor.code);
    form.set('answer', visitor.answer ?? 'yes');
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

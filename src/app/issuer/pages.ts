/** The provider's few pages: plain forms without a script, so that they work on a phone, in a text browser and in a test. */

export const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:3rem auto;padding:0 1rem;color:#222}
h1{font-size:1.3rem}label{display:block;margin:.8rem 0}input,select,button{font:inherit;width:100%;box-sizing:border-box;padding:.5rem}
button{margin-top:.6rem}.wrong{color:#a00}code{font-size:1.2rem}@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}}`;

export interface SignInPage {
  readonly action: string;
  readonly client: string;
  readonly users: readonly string[];
  readonly wrong?: string;
}

export function signInPage({ action, client, users, wrong }: SignInPage): string {
  const options = users.map((user) => `<option value="${escapeHtml(user)}">${escapeHtml(user)}</option>`).join('');
  return page(
    `Sign in to ${client}`,
    `${wrong === undefined ? '' : `<p class="wrong">${escapeHtml(wrong)}</p>`}
<form method="post" action="${escapeHtml(action)}">
<label>You are <select name="user">${options}</select></label>
<label>The sign-in code, which is on the terminal that started this provider
<input name="code" autocomplete="off" autocapitalize="characters" autofocus></label>
<button name="answer" value="yes">Sign in</button>
<button name="answer" value="no" formnovalidate>No, cancel</button>
</form>`,
  );
}

/** @param form as oidc-provider makes it: with hidden fields, without a button */
export function userCodePage(form: string, wrong: string | undefined): string {
  const said = wrong === undefined ? '' : `<p class="wrong">${escapeHtml(wrong)}</p>`;
  return page(
    'Enter the code',
    `${said}<p>Enter the code that your terminal shows.</p>${withButton(form, 'Continue')}`,
  );
}

export function confirmPage(form: string, client: string, userCode: string): string {
  const question = `<p><strong>${escapeHtml(client)}</strong> asks to sign you in. It shows this code:</p><p><code>${escapeHtml(userCode)}</code></p>
<p>If your terminal shows another one, or you did not ask for this, close this page.</p>`;
  return page('Is this yours?', question + withButton(form, 'Yes, continue'));
}

export function donePage(): string {
  return page('Done', '<p>You are signed in. Go back to your terminal; this page can be closed.</p>');
}

export function errorPage(message: string): string {
  return page('That did not work', `<p class="wrong">${escapeHtml(message)}</p>`);
}

function withButton(form: string, label: string): string {
  return form.replace('</form>', `<button>${escapeHtml(label)}</button></form>`);
}

function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title><style>${STYLE}</style><h1>${escapeHtml(title)}</h1>${body}</html>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

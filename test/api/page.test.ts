/** The approver's page, run as a browser would: what it shows of a hostile request, and what it sends. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createContext, runInContext } from 'node:vm';
import { approvalPage } from '../../src/api/page.ts';
import { settled } from '../fakes/clock.ts';

function pageText(): string {
  let html = '';
  const reply = {
    header: () => reply,
    send(text: string) {
      html = text;
      return reply;
    },
  };
  approvalPage(reply as never);
  return html;
}

const SCRIPT = /<script>(.*)<\/script>/s.exec(pageText())?.[1] ?? '';

class Element {
  hidden = true;
  disabled = false;
  textContent = '';
  value = '';
  href = '';
  readonly children: Element[] = [];
  readonly #clicks: (() => void)[] = [];
  addEventListener(_type: string, fn: () => void): void {
    this.#clicks.push(fn);
  }
  append(...more: Element[]): void {
    this.children.push(...more);
  }
  replaceChildren(): void {
    this.children.length = 0;
  }
  click(): void {
    for (const fn of this.#clicks) fn();
  }
}

const REQUEST = {
  state: 'open',
  mayDecide: true,
  digest: 'd'.repeat(64),
  target: 'shop',
  protocol: 'postgres',
  account: 'app',
  requester: 'dana@example.test',
  effects: ['delete'],
  resources: [],
  rule: 'deletes',
  text: 'DELETE FROM t',
  bytes: 13,
  expiresAt: '2026-11-21T18:00:00.000Z',
};

/** Signs in and shows this request. */
async function opened(request: object, login: object = {}) {
  const elements = new Map<string, Element>();
  const at = (id: string) => {
    const known = elements.get(id) ?? new Element();
    elements.set(id, known);
    return known;
  };
  const sent: { method: string; path: string; body: unknown; authorization: string | undefined }[] = [];
  const answers: Record<string, unknown> = {
    'POST /v1/approval-logins': {
      id: 'login',
      verificationUri: 'https://idp.test/device',
      userCode: 'ABCD',
      interval: 0,
      ...login,
    },
    'POST /v1/approval-logins/login/poll': { state: 'done', token: 'proof', name: 'riley' },
    'GET /v1/approvals/apr_1': { ...REQUEST, ...request },
    'POST /v1/approvals/apr_1/decision': { state: 'approved' },
  };
  const context = createContext({
    location: { pathname: '/approvals/apr_1' },
    document: { getElementById: at, createElement: () => new Element() },
    setTimeout: (fn: () => void) => setImmediate(fn),
    URL,
    async fetch(
      path: string,
      { method, headers, body }: { method: string; headers: Record<string, string>; body?: string },
    ) {
      sent.push({ method, path, body: body && JSON.parse(body), authorization: headers['authorization'] });
      return { ok: true, json: async () => answers[`${method} ${path}`] };
    },
  });
  runInContext(SCRIPT, context);
  at('start').click();
  for (let i = 0; i < 5; i++) await settled();
  return { at, sent };
}

describe('the page', () => {
  test('shows text as text: what reorders or hides becomes visible', async () => {
    const { at } = await opened({ text: 'DELETE \u202e/* \u200b */ FROM t\u001b[2K' });
    assert.equal(at('text').textContent, 'DELETE \\u{202E}/* \\u{200B} */ FROM t\\u{1B}[2K');
  });

  test('keeps each parameter on its line, and says of which statement it is', async () => {
    const { at } = await opened({
      parameters: [
        { type: 'text', text: "1\n$2 = 'harmless'", statement: 1 },
        { type: 'text', text: null, statement: 1 },
        { type: 'text', text: '3', statement: 2 },
      ],
    });
    assert.equal(
      at('params').textContent,
      "statement 1: $1 = 1\\n$2 = 'harmless'\nstatement 1: $2 = NULL\nstatement 2: $1 = 3",
    );
  });

  test('decides for the digest it showed, with the login made for this request', async () => {
    const { at, sent } = await opened({});
    at('approve').click();
    await settled();
    assert.deepEqual(sent.at(-1), {
      method: 'POST',
      path: '/v1/approvals/apr_1/decision',
      body: { decision: 'approve', digest: REQUEST.digest },
      authorization: 'Bearer proof',
    });
  });

  test('offers no decision to whoever may not make it', async () => {
    for (const state of [{ mayDecide: false }, { state: 'denied' }]) {
      const { at } = await opened(state);
      assert.deepEqual([at('approve').disabled, at('deny').disabled], [true, true]);
    }
  });

  test('follows no link that is no web address', async () => {
    const { at, sent } = await opened({}, { verificationUri: 'javascript:alert(1)' });
    assert.equal(at('link').href, '');
    assert.equal(sent.length, 1);
  });

  test('makes no markup of anything', () => {
    assert.doesNotMatch(
      SCRIPT,
      /innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|localStorage|sessionStorage|cookie/,
    );
  });
});

/** The approver's page, its script run as a browser would: what it asks for, in which order, and that text stays text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FastifyReply } from 'fastify';
import { approvalPage } from '../../src/api/page.ts';

class Part {
  hidden = false;
  disabled = false;
  textContent = '';
  value = '';
  href = '';
  readonly rows: string[] = [];
  #click: () => Promise<void> | void = () => {};
  addEventListener(_event: string, listener: () => Promise<void>): void {
    this.#click = listener;
  }
  replaceChildren(): void {
    this.rows.length = 0;
  }
  append(...parts: Part[]): void {
    this.rows.push(parts.map(({ textContent }) => textContent).join(': '));
  }
  async click(): Promise<void> {
    await this.#click();
  }
}

const REQUEST = {
  digest: 'd'.repeat(64),
  target: 'shop',
  protocol: 'postgres',
  account: 'shop_agent',
  requester: 'dana@example.test',
  effects: ['delete'],
  resources: [{ name: 'public.orders' }],
  rule: 'deletes-need-a-person',
  expiresAt: '2026-11-21T18:10:00.000Z',
  bytes: 12,
  text: 'DELETE \u202e <b>x</b>',
  parameters: [{ type: '23', text: null }],
  state: 'open',
  mayDecide: true,
};

/** Runs the page's own script with a small document and the answers of a gateway. */
function open(answers: Readonly<Record<string, unknown>>) {
  let html = '';
  const reply = {
    header: () => reply,
    send(text: string) {
      html = text;
      return reply;
    },
  };
  approvalPage(reply as unknown as FastifyReply);
  const script = /<script>([\s\S]*)<\/script>/.exec(html)?.[1] ?? '';
  const parts = new Map<string, Part>();
  const part = (id: string): Part => {
    const known = parts.get(id) ?? new Part();
    parts.set(id, known);
    return known;
  };
  const calls: string[] = [];
  const fetch = async (path: string, { method, headers }: { method: string; headers: Record<string, string> }) => {
    calls.push(`${method} ${path}${headers.authorization ? ' with the login' : ''}`);
    return { ok: path in answers, json: async () => answers[path] ?? { error: { message: 'refused' } } };
  };
  const page = { getElementById: part, createElement: () => new Part() };
  const soon = (fn: () => void) => setImmediate(fn);
  new Function('document', 'location', 'fetch', 'setTimeout', script)(
    page,
    { pathname: '/approvals/apr_1' },
    fetch,
    soon,
  );
  return { part, calls };
}

const ANSWERS = {
  '/v1/approval-logins': { id: 'login', verificationUri: 'https://idp.test/device', userCode: 'ABCD', interval: 0 },
  '/v1/approval-logins/login/poll': { state: 'done', token: 'secret', name: 'riley@example.test' },
  '/v1/approvals/apr_1': REQUEST,
  '/v1/approvals/apr_1/decision': { state: 'approved' },
};

async function signedIn(answers: Readonly<Record<string, unknown>> = ANSWERS) {
  const page = open(answers);
  await page.part('start').click();
  return page;
}

test('nothing is asked for before the sign-in, and everything after it with that login', async () => {
  const { part, calls } = await signedIn();
  assert.equal(part('code').textContent, 'ABCD');
  await part('approve').click();
  assert.deepEqual(calls, [
    'POST /v1/approval-logins',
    'POST /v1/approval-logins/login/poll',
    'GET /v1/approvals/apr_1 with the login',
    'POST /v1/approvals/apr_1/decision with the login',
  ]);
  assert.match(part('result').textContent, /Approved/);
});

test('what an eye would not see is written out, and markup stays text', async () => {
  const { part } = await signedIn();
  assert.equal(part('text').textContent, 'DELETE \\u{202E} <b>x</b>');
  assert.equal(part('params').textContent, '$1 = NULL');
  assert.ok(part('facts').rows.includes(`hash: ${REQUEST.digest}`));
});

test('a request that is not theirs, or settled, cannot be decided', async () => {
  for (const more of [{ mayDecide: false }, { state: 'denied' }]) {
    const { part } = await signedIn({ ...ANSWERS, '/v1/approvals/apr_1': { ...REQUEST, ...more } });
    assert.equal(part('approve').disabled && part('deny').disabled, true);
  }
});

test('what is approved in the launching terminal can only be denied here', async () => {
  const { part } = await signedIn({ ...ANSWERS, '/v1/approvals/apr_1': { ...REQUEST, proof: 'launcher' } });
  assert.deepEqual([part('approve').disabled, part('deny').disabled], [true, false]);
  assert.match(part('problem').textContent, /key press in the terminal/);
});

test('a provider that gives no web address is not linked to', async () => {
  const login = { ...ANSWERS['/v1/approval-logins'], verificationUri: 'javascript:alert(1)' };
  const { part, calls } = await signedIn({ ...ANSWERS, '/v1/approval-logins': login });
  assert.equal(part('link').href, '');
  assert.equal(part('problem').hidden, false);
  assert.equal(calls.length, 1);
});

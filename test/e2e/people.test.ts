/** What people are told and may see: notices, the page, explanations, and nothing of what is not theirs. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { demoPolicyYaml } from '../../src/app/demo/files.ts';
import { type Stack, startStack } from '../fakes/stack.ts';
import { connected, later, openRequest, until } from './clients.ts';

const HOOK_SECRET = 'a secret of the two of us';

interface Notice {
  readonly signature: string;
  readonly body: string;
}

let stack: Stack;
let hook: Server;
const notices: Notice[] = [];
before(async () => {
  hook = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    notices.push({ signature: String(request.headers['hoop-signature']), body });
    response.end();
  }).listen(0, '127.0.0.1');
  await once(hook, 'listening');
  const { port } = hook.address() as AddressInfo;
  stack = await startStack({
    env: { HOOK_SECRET },
    policy: demoPolicyYaml().replace('proof: fresh }', 'proof: fresh, notify: [oncall] }'),
    gatewayYaml: (yaml) =>
      yaml.concat(
        `notify:\n  - { name: oncall, webhook: { url: 'http://127.0.0.1:${port}/held', secret: { env: HOOK_SECRET } } }\n`,
      ),
    users: [{ email: 'noor@example.test', groups: ['data-agents'] }],
  });
});
after(async () => {
  await stack[Symbol.asyncDispose]();
  hook.close();
});

describe('a held command', () => {
  test('is announced to those on call, signed, and without a literal of it', async () => {
    await using run = await stack.run('dana', { purpose: 'tidy up' });
    await using client = await connected(run);
    const answer = later(client.query("DELETE FROM orders WHERE status = 'a word of mine' AND id = 7654321"));
    const request = await openRequest(stack, run);
    await until('the notice came', () => notices.length > 0);
    const { signature, body } = notices[0] as Notice;
    const [, at = '', mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? [];
    assert.equal(mac, createHmac('sha256', HOOK_SECRET).update(`${at}.${body}`).digest('hex'));
    assert.ok(body.includes(request.id) && body.includes(request.link), body);
    for (const literal of ['a word of mine', '7654321']) assert.ok(!body.includes(literal), body);
    await run.close('done');
    await answer;
  });

  test('shows nothing of itself to whoever merely has the link, nor to who has no part in it', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    const answer = later(client.query('DELETE FROM orders WHERE id = 7654322'));
    const request = await openRequest(stack, run);
    const page = await fetch(request.link);
    assert.equal(page.status, 200);
    const html = await page.text();
    for (const word of ['DELETE', '7654322', 'dana']) assert.ok(!html.includes(word), word);
    const asked = await fetch(`${stack.gateway.url}/v1/approvals/${request.id}`);
    assert.equal(asked.status, 401);
    const noor = await stack.client('noor');
    await assert.rejects(noor.approval(request.id), { exit: 4 });
    assert.deepEqual(await noor.approvals(), []);
    const dana = await stack.client('dana');
    assert.equal((await dana.approval(request.id)).mayDecide, false);
    await run.close('done');
    await answer;
  });
});

describe("somebody else's runs and sessions", () => {
  test('are not there for who is neither their owner nor an admin', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    await client.query('SELECT 1');
    const dana = await stack.client('dana');
    const [session] = await dana.sessions({ run: run.view.id });
    assert.ok(session);
    const noor = await stack.client('noor');
    assert.deepEqual(await noor.sessions({ run: run.view.id }), []);
    await assert.rejects(noor.session(session.id), { exit: 4 });
    await assert.rejects(noor.killSession(session.id), { exit: 4 });
    await assert.rejects(noor.renewRun(run.view.id), { name: 'HoopError' });
    await assert.rejects(async () => {
      for await (const _ of noor.sessionEvents(session.id)) assert.fail('a line of it');
    });
    assert.ok((await (await stack.client('riley')).sessions({ run: run.view.id })).length === 1);
  });
});

describe('an explanation', () => {
  test('is read against the tables a session has seen: what is sent, and what is not there', async () => {
    await using run = await stack.run('dana');
    await using _client = await connected(run);
    const dana = await stack.client('dana');
    const asked = async (text: string) => (await dana.explain({ target: 'shop', text, via: 'run' })).statements[0];
    assert.match((await asked('SELECT ssn FROM customers'))?.rewritten ?? '', /'\*\*\*'/);
    assert.match((await asked('SELECT * FROM nothing_like_it'))?.reason ?? '', /nothing_like_it/);
    const seen = await dana.explain({ target: 'shop', text: 'SELECT 1', via: 'run' });
    assert.match(seen.hint ?? '', /as a session last saw them/);
  });

  const texts = [
    'SELECT id, ssn FROM customers',
    'DELETE FROM orders WHERE id = 0',
    'DROP TABLE orders',
    'SELECT * FROM hr.employees',
    'SET ROLE postgres',
  ];
  for (const text of texts) {
    test(`says what the gate then does: ${text}`, async () => {
      await using run = await stack.run('dana', { wait: 50 });
      await using client = await connected(run);
      const dana = await stack.client('dana');
      const { verdict } = await dana.explain({ target: 'shop', text, via: 'run' });
      const done = await later(client.query(text));
      const became = done.ok ? 'allow' : done.told.code === '55000' ? 'hold' : 'deny';
      assert.equal(verdict, became, done.ok ? '' : done.told.message);
    });
  }
});

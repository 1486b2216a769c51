/** The API at its edge: both HTTP versions on one port, every route behind its row of the table. */
import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { connect as tcp } from 'node:net';
import { after, describe, test } from 'node:test';
import pino from 'pino';
import { ROUTES, startApiServer } from '../../src/api/index.ts';
import { fakeServices, type FakeServices } from '../fakes/services.ts';

async function server(fake: FakeServices = fakeServices({ config: () => ({ version: '1' }) as never })) {
  const api = await startApiServer({
    services: fake.services,
    host: '127.0.0.1',
    port: 0,
    version: '0.0.0',
    log: pino({ level: 'silent' }),
  });
  after(async () => {
    api.destroy();
    await api.close();
  });
  return { ...fake, url: `http://127.0.0.1:${api.port}`, port: api.port };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function post(url: string, token: string | undefined, body: unknown = {}, method = 'POST') {
  const headers = { 'content-type': 'application/json', ...(token ? bearer(token) : {}) };
  const response = await fetch(url, { method, headers, body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as { error?: { code: string } } };
}

describe('one port', () => {
  test('answers HTTP/1.1', async () => {
    const { url } = await server();
    assert.deepEqual(await (await fetch(`${url}/v1/config`)).json(), { version: '1' });
  });

  test('answers HTTP/2 without TLS', async () => {
    const { url } = await server();
    const session = connect(url);
    const stream = session.request({ ':path': '/v1/config' });
    let text = '';
    for await (const chunk of stream) text += chunk;
    session.close();
    assert.deepEqual(JSON.parse(text), { version: '1' });
  });

  test('survives bytes that are no HTTP at all', async () => {
    const { url, port } = await server();
    const socket = tcp(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(Buffer.from('16030100aa', 'hex'));
    await new Promise((resolve) => socket.once('close', resolve).resume());
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
  });
});

describe('the table of routes', () => {
  test('openapi.json has every route and no other', async () => {
    const { url } = await server();
    const document = (await (await fetch(`${url}/openapi.json`)).json()) as { paths: Record<string, object> };
    const listed = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    assert.equal(listed.length, ROUTES.length);
    assert.ok(ROUTES.length >= 25);
  });

  for (const { method, path, tokens } of ROUTES) {
    const url = path.replaceAll(/:[a-z]+/g, 'x').replace('*', 'x');
    if (tokens.length === 0) continue;
    test(`${method} ${path} refuses a caller without a token and with an unknown one`, async () => {
      const { url: base, calls } = await server();
      for (const token of [undefined, 'nobody']) {
        const response = await fetch(base + url, { method, headers: token ? bearer(token) : {} });
        assert.equal(response.status, 401);
      }
      assert.deepEqual(
        calls.filter(({ name }) => name !== 'authenticate'),
        [],
      );
    });

    test(`${method} ${path} refuses other kinds of token`, async () => {
      const { url: base, calls } = await server();
      const others = { user: 'dana', run: 'run-1', approval: 'approval' } as const;
      for (const [kind, token] of Object.entries(others)) {
        if ((tokens as readonly string[]).includes(kind)) continue;
        const response = await fetch(base + url, { method, headers: bearer(token) });
        assert.equal(response.status, 403, kind);
      }
      assert.deepEqual(
        calls.filter(({ name }) => name !== 'authenticate'),
        [],
      );
    });
  }

  test("a run's token opens its own run only, and another's reads like an unknown one", async () => {
    const { url } = await server(fakeServices({ heartbeat: () => ({ until: 'x' }) }));
    assert.equal((await post(`${url}/v1/runs/run_1/heartbeat`, 'run-1')).status, 200);
    const others = await post(`${url}/v1/runs/run_2/heartbeat`, 'run-1');
    assert.equal(others.status, 404);
    assert.equal(others.body.error?.code, 'NOT_FOUND');
  });
});

describe('what comes in', () => {
  test('a body with an unknown key is refused before the service hears of it', async () => {
    const { url, calls } = await server();
    const answer = await post(`${url}/v1/revocations`, 'dana', { scope: { kind: 'all' }, dryrun: true });
    assert.equal(answer.status, 400);
    assert.equal(answer.body.error?.code, 'BODY_INVALID');
    assert.equal(calls.filter(({ name }) => name === 'revoke').length, 0);
  });

  test('an unknown or repeated query parameter is refused', async () => {
    const { url } = await server(fakeServices({ sessions: async () => [] }));
    assert.equal((await fetch(`${url}/v1/sessions?who=x`, { headers: bearer('dana') })).status, 400);
    assert.equal((await fetch(`${url}/v1/sessions?run=a&run=b`, { headers: bearer('dana') })).status, 400);
    assert.equal((await fetch(`${url}/v1/sessions?run=a`, { headers: bearer('dana') })).status, 200);
  });

  test('a decision needs the digest of what was seen', async () => {
    const { url } = await server();
    assert.equal((await post(`${url}/v1/approvals/x/decision`, 'approval', { decision: 'approve' })).status, 400);
  });

  test('no GET decides', () => {
    const deciding = ROUTES.filter(({ method, audience }) => method === 'GET' && /approver|admin/.test(audience));
    assert.deepEqual(deciding, []);
  });

  test('a fault inside shows nothing of itself', async () => {
    const fake = fakeServices({
      me: () => {
        throw new Error('password=canary');
      },
    });
    const { url } = await server(fake);
    const response = await fetch(`${url}/v1/me`, { headers: bearer('dana') });
    assert.equal(response.status, 500);
    assert.doesNotMatch(await response.text(), /canary/);
  });

  test('approval logins are limited by the minute', async () => {
    const { url } = await server(fakeServices({ startApprovalLogin: async () => ({ id: 'x' }) as never }));
    const statuses: number[] = [];
    for (let i = 0; i < 12; i++) statuses.push((await post(`${url}/v1/approval-logins`, undefined, { approval: 'a' })).status);
    assert.ok(statuses.includes(429));
  });
});

describe('streams', () => {
  test('run events come as server-sent events and stop when the reader goes', async () => {
    let stopped: (() => void) | undefined;
    const gone = new Promise<void>((resolve) => {
      stopped = resolve;
    });
    const fake = fakeServices({
      runEvents: (_run, send) => {
        send({ type: 'lease', until: 'soon' });
        return () => stopped?.();
      },
    });
    const { url } = await server(fake);
    const abort = new AbortController();
    const response = await fetch(`${url}/v1/runs/run_1/stream`, { headers: bearer('run-1'), signal: abort.signal });
    const { value } = (await response.body?.getReader().read()) ?? {};
    assert.equal(Buffer.from(value ?? []).toString(), 'event: lease\ndata: {"type":"lease","until":"soon"}\n\n');
    abort.abort();
    await gone;
  });

  test('a tunnel needs HTTP/2', async () => {
    const { url } = await server();
    const answer = await post(`${url}/v1/runs/run_1/targets/db/stream`, 'run-1');
    assert.equal(answer.status, 400);
  });

  test('a tunnel hands the raw stream over, bytes both ways', async () => {
    const fake = fakeServices({
      openTunnel: (_run, _target, stream) => {
        stream.respond({ ':status': 200 });
        stream.pipe(stream);
        return 'opened';
      },
    });
    const { url } = await server(fake);
    const session = connect(url);
    const stream = session.request({ ':method': 'POST', ':path': '/v1/runs/run_1/targets/db/stream', ...bearer('run-1') });
    stream.write('ping');
    const [chunk] = await new Promise<Buffer[]>((resolve) => stream.once('data', (data) => resolve([data])));
    assert.equal(chunk?.toString(), 'ping');
    session.destroy();
  });
});

describe('the approval page', () => {
  test('is the same shell for every id, without content, under a policy that allows its own script alone', async () => {
    const { url } = await server();
    const one = await fetch(`${url}/approvals/apr_1`);
    const two = await fetch(`${url}/approvals/%3Cscript%3E`);
    assert.equal(await one.text(), await two.text());
    const policy = one.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe-inline/);
  });
});

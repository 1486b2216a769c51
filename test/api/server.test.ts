/** The API at its edge: both HTTP versions on one port, every route behind its row of the table. */
import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { connect as tcp } from 'node:net';
import { after, describe, test } from 'node:test';
import pino from 'pino';
import { type ApiServerOptions, ROUTES, startApiServer } from '../../src/api/index.ts';
import { HoopError } from '../../src/base/error.ts';
import { selfSigned } from '../fakes/certificate.ts';
import { FakeClock } from '../fakes/clock.ts';
import { fakeServices, type FakeServices } from '../fakes/services.ts';

async function server(
  fake: FakeServices = fakeServices({ config: () => ({ version: '1' }) as never }),
  more: Partial<ApiServerOptions> = {},
) {
  const api = await startApiServer({
    services: fake.services,
    host: '127.0.0.1',
    port: 0,
    version: '0.0.0',
    log: pino({ level: 'silent' }),
    ...more,
  });
  after(async () => {
    api.destroy();
    await api.close();
  });
  return { ...fake, url: `http${more.tls ? 's' : ''}://127.0.0.1:${api.port}`, port: api.port, served: api.served };
}

/** Writes these pieces one after another, each when the one before has left, and collects what comes until the connection ends or `until` is met. */
async function raw(port: number, pieces: readonly string[], until = /\r\n\r\n.*}/s): Promise<string> {
  const socket = tcp({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => {});
  let text = '';
  const over = new Promise<void>((resolve) => {
    socket.on('close', () => resolve());
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (until.test(text)) socket.destroy();
    });
  });
  await new Promise((resolve) => socket.once('connect', resolve));
  for (const piece of pieces) {
    await new Promise<void>((resolve) => void socket.write(piece, 'latin1', () => resolve()));
    await raced(async () => {}, 3);
  }
  await over;
  return text;
}

/** The header of an answer to an HTTP/2 request that goes on for ever. */
async function endless(url: string, path: string, headers: Record<string, string>) {
  const session = connect(url, { rejectUnauthorized: false });
  session.on('error', () => {});
  const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
  stream.on('error', () => {});
  const answered = new Promise<number>((resolve) => {
    stream.once('response', (got) => resolve(Number(got[':status'])));
    stream.once('close', () => resolve(0));
  });
  return { session, stream, answered };
}

/** Does it so often, and lets the network have its turn after each. */
async function raced(step: () => Promise<void>, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    await step();
    await new Promise((resolve) => setImmediate(resolve));
  }
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

describe('the first bytes of a plain connection', () => {
  for (const size of [1, 2, 15]) {
    test(`tell POST from the HTTP/2 preface in pieces of ${size}`, async () => {
      const { port } = await server();
      const text = 'POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n';
      const answer = await raw(port, text.match(new RegExp(`.{1,${size}}`, 'gs')) ?? []);
      assert.match(answer, /^HTTP\/1.1 401 /);
    });
  }

  test('tell a request for PRINT from the preface', async () => {
    const { port } = await server();
    assert.match(
      await raw(port, ['PR', 'I', ' /x HTTP/1.1\r\nHost: localhost\r\n\r\n'], /HTTP\/1.1 400/),
      /^HTTP\/1.1 400/,
    );
  });

  test('are HTTP/2 when the preface comes byte by byte', async () => {
    const { port } = await server();
    const preface = `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${'\0\0\0\x04\0\0\0\0\0'}`;
    // A SETTINGS frame comes back: nine bytes with type 4 (RFC 9113, section 6.5).
    const answer = await raw(port, [...preface], /^[\s\S]{3}\x04/);
    assert.equal(answer.charCodeAt(3), 4);
  });

  test('come within 10 s, however slowly, or the connection is closed', async () => {
    const clock = new FakeClock();
    const { port } = await server(undefined, { clock });
    const socket = tcp({ port, host: '127.0.0.1' });
    socket.on('error', () => {});
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await new Promise<void>((resolve) => socket.write('P', () => resolve()));
    await raced(async () => void (await clock.advance(5_000)), 3);
    socket.write('R');
    await raced(async () => void (await clock.advance(5_000)), 3);
    await closed;
  });

  test('an HTTP/2 connection on which nothing is asked for is closed; one with a stream is not', async () => {
    const clock = new FakeClock();
    const { url } = await server(fakeServices({ runEvents: () => () => {} }), { clock });
    const [idle, busy] = [connect(url), connect(url)];
    await Promise.all([idle, busy].map((session) => new Promise((resolve) => session.once('remoteSettings', resolve))));
    const stream = busy.request({ ':path': '/v1/runs/run_1/stream', ...bearer('run-1') });
    await new Promise((resolve) => stream.once('response', resolve));
    const closed = new Promise((resolve) => idle.once('close', resolve));
    for (let i = 0; i < 12; i++) await raced(() => clock.advance(5_000), 3);
    await closed;
    assert.equal(busy.closed, false);
    busy.destroy();
  });
});

describe('bodies', () => {
  const path = '/v1/runs';
  const json = { 'content-type': 'application/json' };

  test('are not waited for without a token', async () => {
    const { url } = await server();
    const { answered, session } = await endless(url, path, json);
    assert.equal(await answered, 401);
    session.destroy();
  });

  test('are not waited for with a token of another kind', async () => {
    const { url } = await server();
    const { answered, session } = await endless(url, path, { ...json, ...bearer('run-1') });
    assert.equal(await answered, 403);
    session.destroy();
  });

  test('that do not come to an end in 10 s end the request', async () => {
    const clock = new FakeClock();
    const { url } = await server(undefined, { clock });
    const { answered, stream, session } = await endless(url, path, { ...json, ...bearer('dana') });
    await new Promise((resolve) => stream.write('{', resolve));
    const me = session.request({ ':path': '/v1/config' });
    await new Promise((resolve) => me.once('response', resolve));
    await raced(() => clock.advance(2_500), 4);
    assert.equal(await answered, 0);
    assert.equal(session.destroyed, false);
    session.destroy();
  });

  test('are short where little is asked for, also for those who need no token', async () => {
    const { url } = await server(fakeServices({ startApprovalLogin: async () => ({}) as never }));
    const long = { approval: 'x', padding: 'x'.repeat(17 * 1024) };
    assert.equal((await post(`${url}/v1/approval-logins`, undefined, long)).status, 413);
  });

  test('that say how long they are and are longer are not taken for another request', async () => {
    const { port, calls } = await server();
    const smuggled = 'GET /v1/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer dana\r\n\r\n';
    const both = `POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`;
    const answer = await raw(port, [both], /HTTP\/1.1 400/);
    assert.match(answer, /^HTTP\/1.1 400/);
    assert.deepEqual(calls, []);
  });

  test('headers without end are refused', async () => {
    const { port } = await server();
    const answer = await raw(
      port,
      [`GET /v1/me HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20 * 1024)}`],
      /HTTP\/1.1 431/,
    );
    assert.match(answer, /^HTTP\/1.1 431/);
  });

  test('an upgrade is not followed', async () => {
    const { port } = await server();
    const answer = await raw(
      port,
      ['GET /v1/config HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n'],
      /"1"}/,
    );
    assert.match(answer, /^HTTP\/1.1 200/);
  });
});

describe('pages of other sites', () => {
  test('do not reach a plain gateway by a name of their own', async () => {
    const { port } = await server();
    for (const host of ['evil.test', `evil.test:${port}`, 'localhost.evil.test', '127.0.0.1.evil.test', '']) {
      const answer = await raw(port, [`GET /v1/config HTTP/1.1\r\nHost: ${host}\r\n\r\n`]);
      assert.match(answer, /^HTTP\/1.1 421 /, host);
    }
  });

  test('over HTTP/2 neither', async () => {
    const { port, url } = await server();
    const session = connect(url);
    const stream = session.request({ ':path': '/v1/config', ':authority': `evil.test:${port}` });
    const status = await new Promise((resolve) => stream.once('response', (headers) => resolve(headers[':status'])));
    assert.equal(status, 421);
    session.destroy();
  });

  for (const host of ['localhost', '127.0.0.1:80', '[::1]:80', 'gateway.test']) {
    test(`${host} is a name of this gateway`, async () => {
      const { port } = await server(undefined, { publicUrl: 'https://gateway.test' });
      assert.match(await raw(port, [`GET /v1/config HTTP/1.1\r\nHost: ${host}\r\n\r\n`]), /^HTTP\/1.1 200 /);
    });
  }

  for (const [what, headers] of [
    ['from another origin', { origin: 'https://evil.test' }],
    ['from a sandboxed frame', { origin: 'null' }],
    ['from another port of this machine', { origin: 'http://127.0.0.1:1' }],
    ['from another site', { 'sec-fetch-site': 'cross-site' }],
    ['from a sibling site', { 'sec-fetch-site': 'same-site' }],
  ] as const) {
    test(`change nothing ${what}`, async () => {
      const { url, calls } = await server();
      const all = { 'content-type': 'application/json', ...bearer('riley'), ...headers };
      const { answered, session } = await endless(url, '/v1/approvals/x/decision', all);
      assert.equal(await answered, 403);
      assert.deepEqual(calls, []);
      session.destroy();
    });
  }

  test('our own page does, also behind a proxy that goes by the public name', async () => {
    const { url } = await server(fakeServices({ pollApprovalLogin: async () => ({ state: 'pending', interval: 5 }) }), {
      publicUrl: 'https://gateway.test',
    });
    for (const origin of [url, 'https://gateway.test']) {
      const { stream, answered, session } = await endless(url, '/v1/approval-logins/x/poll', {
        origin,
        'sec-fetch-site': 'same-origin',
      });
      stream.end();
      assert.equal(await answered, 200, origin);
      session.destroy();
    }
  });

  test('a link from elsewhere opens the shell of an approval', async () => {
    const { url } = await server();
    const session = connect(url);
    const stream = session.request({ ':path': '/approvals/x', 'sec-fetch-site': 'cross-site' });
    assert.equal(
      await new Promise((resolve) => stream.once('response', (headers) => resolve(headers[':status']))),
      200,
    );
    session.destroy();
  });

  test('nothing is shared with other origins', async () => {
    const { url } = await server();
    for (const method of ['GET', 'OPTIONS']) {
      const response = await fetch(`${url}/v1/config`, { method });
      assert.equal(response.headers.get('access-control-allow-origin'), null);
    }
  });
});

describe('with TLS', () => {
  const tls = () => {
    const { cert, key } = selfSigned(['127.0.0.1']);
    return { cert: Buffer.from(cert), key: Buffer.from(key) };
  };

  test('a client that withholds its handshake is let go, and others are served meanwhile', async () => {
    const { port } = await server(undefined, { tls: tls() });
    const silent = tcp({ port, host: '127.0.0.1' });
    silent.on('error', () => {});
    await new Promise((resolve) => silent.once('connect', resolve));
    const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
    const stream = session.request({ ':path': '/healthz' });
    assert.equal(
      await new Promise((resolve) => stream.once('response', (headers) => resolve(headers[':status']))),
      200,
    );
    session.destroy();
    silent.destroy();
  });

  test('names do not matter: the certificate is the proof', async () => {
    const { port } = await server(undefined, { tls: tls() });
    const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
    const stream = session.request({ ':path': '/v1/config', ':authority': 'other.test' });
    assert.equal(
      await new Promise((resolve) => stream.once('response', (headers) => resolve(headers[':status']))),
      200,
    );
    session.destroy();
  });
});

describe('the table of routes', () => {
  test('is all that answers, but for what needs no token and says nothing', async () => {
    const { served } = await server();
    const known = ROUTES.map(({ method, path }) => `${method} ${path}`);
    assert.deepEqual([...served].sort(), [...known, 'GET /openapi.json', 'GET /healthz', 'GET /approvals/:id'].sort());
  });

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

  test("a run's token decides nothing, with the launcher's bits either", async () => {
    const { url, calls } = await server();
    const decision = { decision: 'approve', digest: 'd'.repeat(64), launcherProof: 'A'.repeat(43) };
    assert.equal((await post(`${url}/v1/approvals/x/decision`, 'run-1', decision)).status, 403);
    assert.equal(calls.filter(({ name }) => name === 'decide').length, 0);
  });

  test("the launcher's bits are 256, and so is their hash", async () => {
    const { url } = await server();
    for (const bits of ['', 'A'.repeat(42), 'A'.repeat(44), `${'A'.repeat(42)}+`]) {
      const decision = { decision: 'approve', digest: 'd'.repeat(64), launcherProof: bits };
      assert.equal((await post(`${url}/v1/approvals/x/decision`, 'dana', decision)).status, 400, bits);
      const run = { kind: 'run', targets: [], launcherKey: bits };
      assert.equal((await post(`${url}/v1/runs`, 'dana', run)).status, 400, bits);
    }
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
    // A minute may end between two of them, and does not end twice.
    for (let i = 0; i < 24; i++)
      statuses.push((await post(`${url}/v1/approval-logins`, undefined, { approval: 'a' })).status);
    assert.ok(statuses.includes(429));
  });

  test('somebody on the same machine cannot use up the logins of another request, nor their polling', async () => {
    const fake = fakeServices({
      startApprovalLogin: async () => ({ id: 'x' }) as never,
      pollApprovalLogin: async () => ({ state: 'pending', interval: 5 }),
    });
    const { url } = await server(fake);
    for (let i = 0; i < 12; i++) await post(`${url}/v1/approval-logins`, undefined, { approval: 'flood' });
    assert.equal((await post(`${url}/v1/approval-logins`, undefined, { approval: 'mine' })).status, 200);
    // What may be asked comes back with time, so it is asked until there is no more.
    let status = 200;
    for (let i = 0; i < 1_000 && status !== 429; i++)
      status = (await post(`${url}/v1/approval-logins/flood/poll`, undefined)).status;
    assert.equal(status, 429);
    assert.equal((await post(`${url}/v1/approval-logins/mine/poll`, undefined)).status, 200);
  });

  test('a verifier that is none is refused', async () => {
    const { url, calls } = await server();
    const verifier = {
      kind: 'scram-sha-256',
      salt: 'c2FsdHNhbHRzYWx0c2FsdA==',
      iterations: 4096,
      storedKey: 'AA==',
      serverKey: 'AA==',
    };
    const answer = await post(`${url}/v1/runs`, 'dana', { kind: 'run', targets: [{ name: 'db', verifier }] });
    assert.equal(answer.body.error?.code, 'BODY_INVALID');
    assert.equal(calls.filter(({ name }) => name === 'startRun').length, 0);
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

  test('end with the run', async () => {
    const fake = fakeServices({
      runEvents: (_run, send) => {
        send({ type: 'run.ended', state: 'revoked', exit: 7 });
        return () => {};
      },
    });
    const { url } = await server(fake);
    const response = await fetch(`${url}/v1/runs/run_1/stream`, { headers: bearer('run-1') });
    assert.equal(await response.text(), 'event: run.ended\ndata: {"type":"run.ended","state":"revoked","exit":7}\n\n');
  });

  test('that cannot begin are answered with the error', async () => {
    const fake = fakeServices({
      runEvents: () => {
        throw new HoopError('STREAMS_TOO_MANY', 'too many');
      },
    });
    const { url } = await server(fake);
    assert.equal((await fetch(`${url}/v1/runs/run_1/stream`, { headers: bearer('run-1') })).status, 429);
  });

  for (const version of ['HTTP/1.1', 'HTTP/2'] as const) {
    test(`over ${version}, a reader that does not read is cut before it costs much`, async () => {
      let send: (event: { type: 'loginRequired'; by: string }) => void = () => {};
      const begun = Promise.withResolvers<void>();
      const stopped = Promise.withResolvers<void>();
      const fake = fakeServices({
        runEvents: (_run, to) => {
          send = to;
          begun.resolve();
          return () => stopped.resolve();
        },
      });
      const { url, port } = await server(fake);
      const path = '/v1/runs/run_1/stream';
      const session = version === 'HTTP/2' ? connect(url) : undefined;
      const stream = session?.request({ ':path': path, ...bearer('run-1') });
      stream?.on('error', () => {});
      const socket = session ? undefined : tcp({ port, host: '127.0.0.1' });
      socket?.on('error', () => {});
      socket?.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer run-1\r\n\r\n`);
      await begun.promise;
      let cut = false;
      void stopped.promise.then(() => {
        cut = true;
      });
      let sent = 0;
      for (; !cut && sent < 64; sent++) {
        send({ type: 'loginRequired', by: 'x'.repeat(512 * 1024) });
        await new Promise((resolve) => setImmediate(resolve));
      }
      await stopped.promise;
      assert.ok(sent < 64, 'cut in time');
      session?.destroy();
      socket?.destroy();
    });
  }

  for (const header of ['content-type', 'content-length'] as const) {
    test(`a tunnel with a ${header} is refused: its bytes are not a body`, async () => {
      const { url, calls } = await server();
      const value = { 'content-type': 'application/json', 'content-length': '5' }[header];
      const { answered, session } = await endless(url, '/v1/runs/run_1/targets/db/stream', {
        [header]: value,
        ...bearer('run-1'),
      });
      assert.equal(await answered, 400);
      assert.equal(calls.filter(({ name }) => name === 'openTunnel').length, 0);
      session.destroy();
    });
  }

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
    const stream = session.request({
      ':method': 'POST',
      ':path': '/v1/runs/run_1/targets/db/stream',
      ...bearer('run-1'),
    });
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

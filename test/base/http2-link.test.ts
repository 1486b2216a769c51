import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { createSecureServer, createServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import dns from 'node:dns';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { freePort } from '../../src/app/demo/free-port.ts';
import { HoopError } from '../../src/base/error.ts';
import { createHttp2Link, type Http2LinkOptions } from '../../src/base/http2-link.ts';
import { selfSigned } from '../fakes/certificate.ts';
import { FakeClock } from '../fakes/clock.ts';

const certificate = selfSigned(['gateway.test', '127.0.0.1']);

describe('a link to the gateway', () => {
  test('speaks plain HTTP/2 on loopback', async (t) => {
    const port = await serve(t, createServer());
    assert.equal(await ask(t, { url: `http://127.0.0.1:${port}` }), 'hello 127.0.0.1');
  });

  test('sends nothing in plain text to another machine', () => {
    assert.throws(() => createHttp2Link({ url: 'http://gateway.test:8080' }), withCode('GATEWAY_URL', 2));
    assert.throws(() => createHttp2Link({ url: 'http://127.0.0.1.evil.test' }), withCode('GATEWAY_URL', 2));
    assert.throws(() => createHttp2Link({ url: 'https://user:secret@gateway.test' }), withCode('GATEWAY_URL', 2));
  });

  test('trusts a private authority that was given', async (t) => {
    const port = await serve(t, createSecureServer(certificate));
    assert.equal(await ask(t, { url: `https://127.0.0.1:${port}`, ca: certificate.cert }), 'hello 127.0.0.1');
  });

  test('trusts no certificate of an authority nobody named', async (t) => {
    const port = await serve(t, createSecureServer(certificate));
    await assert.rejects(ask(t, { url: `https://127.0.0.1:${port}` }), withCode('GATEWAY_UNTRUSTED', 6));
  });

  test('trusts no certificate that is for another name', async (t) => {
    const other = selfSigned(['other.test']);
    const port = await serve(t, createSecureServer(other));
    await assert.rejects(
      ask(t, { url: `https://127.0.0.1:${port}`, ca: other.cert }),
      withCode('GATEWAY_UNTRUSTED', 6),
    );
  });

  test('says so when the server has no HTTP/2', async (t) => {
    const server = createTlsServer({ ...certificate, ALPNProtocols: ['http/1.1'] }, (socket) =>
      socket.on('error', () => undefined),
    );
    server.on('tlsClientError', () => undefined);
    const port = await listening(t, server);
    const refused = ask(t, { url: `https://127.0.0.1:${port}`, ca: certificate.cert });
    await assert.rejects(refused, (error) => error instanceof HoopError && error.exit === 6);
  });

  test('shares one connection attempt, and does not dial again until a growing pause is over', async (t) => {
    const clock = new FakeClock();
    const port = await freePort();
    const link = createHttp2Link({ url: `http://127.0.0.1:${port}`, clock });
    t.after(() => link.close());
    const unreachable = withCode('GATEWAY_UNREACHABLE', 6);
    const both = await Promise.allSettled([link.request({}), link.request({})]);
    const [first, second] = both.map((one) => (one.status === 'rejected' ? one.reason : undefined));
    assert.ok(unreachable(first));
    assert.equal(first, second);
    await serve(t, createServer(), port);
    await assert.rejects(link.request({}), (error) => error === first);
    await clock.advance(250);
    const stream = await link.request({ ':path': '/' });
    assert.equal(await text(stream), 'hello 127.0.0.1');
  });

  test('goes over a new connection once the old one is in doubt, while what runs on that lives on', async (t) => {
    const server = createServer();
    const gate = Promise.withResolvers<void>();
    const sessions: unknown[] = [];
    server.on('session', (session) => sessions.push(session));
    const port = await serve(t, server, 0, gate.promise);
    const link = createHttp2Link({ url: `http://127.0.0.1:${port}` });
    t.after(() => link.close());
    const first = text(await link.request({ ':path': '/slow' }));
    link.renew();
    assert.equal(await text(await link.request({ ':path': '/' })), 'hello 127.0.0.1');
    assert.equal(sessions.length, 2);
    gate.resolve();
    assert.equal(await first, 'hello 127.0.0.1');
  });

  test('shows each new connection to its guard first, and uses none that it refuses', async (t) => {
    const asked: string[] = [];
    const server = createServer();
    server.on('stream', (_stream, headers) => asked.push(String(headers[':path'])));
    const port = await serve(t, server);
    const clock = new FakeClock();
    const link = createHttp2Link({ url: `http://127.0.0.1:${port}`, clock });
    t.after(() => link.close());
    let trusted = false;
    link.guard(async (connection) => {
      await text(await connection.request({ ':path': '/who' }, { endStream: true }));
      if (!trusted) throw new HoopError('GATEWAY_CHANGED', 'another one', { exit: 6 });
    });
    await assert.rejects(link.request({ ':path': '/secret' }), withCode('GATEWAY_CHANGED', 6));
    assert.deepEqual(asked, ['/who']);
    trusted = true;
    link.retryNow();
    await text(await link.request({ ':path': '/secret' }));
    await text(await link.request({ ':path': '/secret' }));
    assert.deepEqual(asked, ['/who', '/who', '/secret', '/secret']);
  });

  test('follows a name that leads elsewhere after the connection was lost', async (t) => {
    const port = await freePort();
    const addresses = ['127.0.0.2', '127.0.0.3'];
    const servers = await Promise.all(
      addresses.map(async (host) => {
        const server = createSecureServer(certificate);
        const sessions = new Set<ServerHttp2Session>();
        server.on('session', (session) => sessions.add(session.on('error', () => undefined)));
        server.on('stream', (stream) => {
          stream.respond({ ':status': 200 });
          stream.end(host);
        });
        await new Promise<void>((resolve) => server.listen(port, host, resolve));
        const stop = () => {
          for (const session of sessions) session.destroy();
          server.close();
        };
        t.after(stop);
        return { stop };
      }),
    );
    let now = addresses[0] ?? '';
    t.mock.method(dns, 'lookup', (_name: string, _options: object, done: (...answer: unknown[]) => void) =>
      process.nextTick(done, null, [{ address: now, family: 4 }]),
    );
    const link = createHttp2Link({ url: `https://gateway.test:${port}`, ca: certificate.cert });
    t.after(() => link.close());
    assert.equal(await text(await link.request({ ':path': '/' })), '127.0.0.2');
    now = '127.0.0.3';
    servers[0]?.stop();
    assert.equal(await soon(() => link.request({ ':path': '/' }).then(text)), '127.0.0.3');
  });

  test('an idle link keeps no process alive', async (t) => {
    const port = await serve(t, createServer());
    const { execFile } = await import('node:child_process');
    const script = `
      import { createHttp2Link } from ${JSON.stringify(new URL('../../src/base/http2-link.ts', import.meta.url).href)};
      const link = createHttp2Link({ url: 'http://127.0.0.1:${port}' });
      const stream = await link.request({ ':path': '/' });
      for await (const chunk of stream) process.stdout.write(chunk);
    `;
    const said = await new Promise((resolve, reject) => {
      execFile(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000 }, (error, stdout) =>
        error ? reject(error) : resolve(stdout),
      );
    });
    assert.equal(said, 'hello 127.0.0.1');
  });
});

describe('a link through a proxy', () => {
  test('asks for the gateway by CONNECT with the login of HTTPS_PROXY, and checks the gateway itself', async (t) => {
    const port = await serve(t, createSecureServer(certificate));
    const { proxy, asked } = await connectProxy(t, () => port);
    const env = { HTTPS_PROXY: `http://dana:s%40crt@127.0.0.1:${proxy}` };
    assert.equal(await ask(t, { url: 'https://gateway.test:8443', ca: certificate.cert, env }), 'hello gateway.test');
    assert.deepEqual(asked, [`gateway.test:8443 Basic ${Buffer.from('dana:s@crt').toString('base64')}`]);
  });

  test('goes through it again, when the connection was lost', async (t) => {
    const server = createSecureServer(certificate);
    const sessions = new Set<ServerHttp2Session>();
    server.on('session', (session) => sessions.add(session));
    const port = await serve(t, server);
    const { proxy, asked } = await connectProxy(t, () => port);
    const env = { HTTPS_PROXY: `http://127.0.0.1:${proxy}` };
    const link = createHttp2Link({ url: 'https://gateway.test:8443', ca: certificate.cert, env });
    t.after(() => link.close());
    await text(await link.request({ ':path': '/' }));
    for (const session of sessions) session.destroy();
    assert.equal(await soon(() => link.request({ ':path': '/' }).then(text)), 'hello gateway.test');
    assert.equal(asked.length, 2);
  });

  test('names the proxy that refuses, without its login', async (t) => {
    const { proxy } = await connectProxy(t, () => undefined);
    const env = { HTTPS_PROXY: `http://dana:s3cret@127.0.0.1:${proxy}` };
    await assert.rejects(ask(t, { url: 'https://gateway.test:8443', env }), (error) => {
      assert.ok(withCode('PROXY_REFUSED', 6)(error));
      assert.match(String(error), /127\.0\.0\.1:\d+ answered 403/);
      assert.doesNotMatch(JSON.stringify(error, Object.getOwnPropertyNames(error)), /s3cret/);
      return true;
    });
  });

  test('leaves out loopback addresses', async (t) => {
    const port = await serve(t, createSecureServer(certificate));
    const { proxy, asked } = await connectProxy(t, () => port);
    const env = { HTTPS_PROXY: `http://127.0.0.1:${proxy}` };
    assert.equal(await ask(t, { url: `https://127.0.0.1:${port}`, ca: certificate.cert, env }), 'hello 127.0.0.1');
    assert.deepEqual(asked, []);
  });
});

function withCode(code: string, exit: number): (error: unknown) => boolean {
  return (error) => error instanceof HoopError && error.code === code && error.exit === exit;
}

async function ask(t: TestContext, options: Http2LinkOptions): Promise<string> {
  const link = createHttp2Link(options);
  t.after(() => link.close());
  return text(await link.request({ ':path': '/' }));
}

/** The other end's death takes a moment to be known here. */
async function soon(attempt: () => Promise<string>): Promise<string> {
  for (;;) {
    const answer = await attempt().catch(() => '');
    if (answer !== '') return answer;
  }
}

async function serve(t: TestContext, server: Http2Server, port = 0, gate?: Promise<void>): Promise<number> {
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session.on('error', () => undefined)));
  server.on('stream', async (stream, headers) => {
    stream.respond({ ':status': 200 });
    if (headers[':path'] === '/slow') await gate;
    stream.end(`hello ${String(headers[':authority']).split(':')[0]}`);
  });
  t.after(() => {
    for (const session of sessions) session.destroy();
  });
  return listening(t, server, port);
}

async function listening(
  t: TestContext,
  server: { listen(port: number, host: string, done: () => void): unknown; address(): unknown; close(): unknown },
  port = 0,
): Promise<number> {
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  t.after(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function connectProxy(t: TestContext, route: (authority: string) => number | undefined) {
  const asked: string[] = [];
  const server = createHttpServer();
  server.on('connect', (request, socket) => {
    asked.push(`${request.url} ${request.headers['proxy-authorization'] ?? ''}`);
    const port = route(request.url ?? '');
    if (port === undefined) return void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    const upstream = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    for (const one of [upstream, socket]) one.on('error', () => upstream.destroy());
  });
  return { proxy: await listening(t, server), asked };
}

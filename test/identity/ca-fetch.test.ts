/** A login through a private CA, and through a proxy, reaches the identity provider and nobody else. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { describe, test } from 'node:test';
import { createCaFetch } from '../../src/identity/index.ts';
import { selfSigned } from '../fakes/certificate.ts';

const certificate = selfSigned(['localhost', '127.0.0.1']);

describe('with the CA', () => {
  test('the provider is reached, with method, headers and body as given', async () => {
    await using server = await start();
    const fetch = createCaFetch({ ca: certificate.cert });
    const response = await fetch(`${server.origin}/token`, {
      method: 'POST',
      body: new URLSearchParams({ a: 'b c' }),
      headers: { x: 'y' },
    });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'application/json');
    assert.deepEqual(await response.json(), {
      method: 'POST',
      path: '/token',
      x: 'y',
      type: 'application/x-www-form-urlencoded;charset=UTF-8',
      body: 'a=b+c',
    });
  });

  test('an answer without a body is one', async () => {
    await using server = await start();
    const response = await createCaFetch({ ca: certificate.cert })(`${server.origin}/nothing`);
    assert.deepEqual([response.status, await response.text()], [204, '']);
  });

  test('a redirect is handed back, not followed', async () => {
    await using server = await start();
    const response = await createCaFetch({ ca: certificate.cert })(`${server.origin}/elsewhere`);
    assert.deepEqual([response.status, response.headers.get('location')], [302, 'http://169.254.169.254/']);
  });

  test("another name than the certificate's is refused", async () => {
    await using server = await start();
    const wrong = server.origin.replace('127.0.0.1', '127.0.0.2');
    await assert.rejects(createCaFetch({ ca: certificate.cert })(wrong), (error: TypeError) => {
      assert.match(String((error.cause as Error).message), /does not match|ECONNREFUSED/);
      return true;
    });
  });

  test('the CA is trusted for this alone, not in the whole process', async () => {
    await using server = await start();
    await createCaFetch({ ca: certificate.cert })(server.origin);
    await assert.rejects(globalThis.fetch(server.origin));
  });
});

test('without the CA the provider is not trusted, and that is why', async () => {
  await using server = await start();
  await assert.rejects(createCaFetch({})(server.origin), (error: TypeError) => {
    assert.match(String((error.cause as Error).message), /self-signed certificate/);
    return true;
  });
});

test('http goes to this machine only', async () => {
  for (const url of ['http://idp.example/', 'http://10.0.0.1/', 'http://127.0.0.1.evil.example/']) {
    await assert.rejects(createCaFetch({})(url), /neither https nor on this machine/);
  }
});

test('a proxy of the environment is gone through by CONNECT, and sees nothing but the name', async () => {
  await using server = await start();
  const asked: string[] = [];
  const proxy = createHttp().listen(0, '127.0.0.1');
  proxy.on('connect', (request, socket) => {
    asked.push(request.url ?? '');
    const [, port] = server.origin.split('127.0.0.1:');
    const through = connect(Number(port), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      through.pipe(socket).pipe(through);
    });
    through.on('error', () => socket.destroy());
  });
  await once(proxy, 'listening');
  const env = { HTTPS_PROXY: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` };
  const response = await createCaFetch({ ca: certificate.cert, env })('https://idp.test/nothing').catch(
    (error: TypeError) => error,
  );
  assert.deepEqual(asked, ['idp.test:443']);
  assert.ok(
    response instanceof Error,
    'the certificate is for another name, and that is noticed through the proxy too',
  );
  proxy.closeAllConnections();
  proxy.close();
});

test('an aborted request ends with the reason', async () => {
  await using server = await start();
  const abort = new AbortController();
  const pending = createCaFetch({ ca: certificate.cert })(`${server.origin}/silence`, { signal: abort.signal });
  const reason = new Error('interrupted');
  setImmediate(() => abort.abort(reason));
  await assert.rejects(pending, reason);
});

async function start() {
  const server = createServer({ key: certificate.key, cert: certificate.cert }, async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { url: path, method, headers } = request;
    if (path === '/nothing') return void response.writeHead(204).end();
    if (path === '/elsewhere') return void response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
    if (path === '/silence') return;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ method, path, x: headers['x'], type: headers['content-type'], body }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The HTTP clients and servers that people have, through a real gateway: each asks as its documentation shows, and is told what the target said. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import http2, {
  type ClientHttp2Session,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import https from 'node:https';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Client, Pool, request as undiciRequest } from 'undici';
import { packageRoot } from '../../src/base/entry.ts';
import { selfSigned } from '../fakes/certificate.ts';
import { CREDENTIAL, type HttpHouse, type HttpRun, startHttpHouse } from '../fakes/http-house.ts';
import { type RunningNginx, startNginx } from '../fakes/nginx.ts';
import { requireServer } from '../fakes/servers.ts';
import { ended } from '../fakes/ssh-house.ts';

const POLICY = `version: 1
roles:
  admin: { groups: [db-owners] }
access:
  - { name: all, subjects: { groups: [data-agents] }, targets: ['*'], effects: [read, write, delete, unknown] }
rules:
  - name: no-invoices-deleted
    targets: [billing]
    when: { effects: [delete], resources: ['/invoices/*'] }
    then: deny
    reason: invoices are kept for ten years
  - { name: grpc, targets: [grpc], when: { effects: [unknown], http.type: application/grpc }, then: allow }
`;

const PAGE_ORIGIN = 'https://app.example:8443';
const LARGE = 3 * 1024 * 1024;
const PAGE = `${'<p>nginx serves this, and compresses it where it may</p>\n'.repeat(200)}`;

/** What a Node server of the usual kind does; over HTTP/2 through the same interface. */
const serve: RequestListener = (request, response) => {
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  const answer = ANSWERS.get(path);
  if (answer !== undefined) {
    request.resume();
    return answer(request, response);
  }
  const hash = createHash('sha256');
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    hash.update(chunk);
    if (bytes <= 1000) chunks.push(chunk);
  });
  request.on('error', () => {});
  request.on('end', () => {
    const { method, url, headers, httpVersion, trailers } = request;
    response.setHeader('content-type', 'application/json');
    const body = bytes <= 1000 ? Buffer.concat(chunks).toString() : undefined;
    const { authorization, ...others } = headers;
    const known = authorization === `Bearer ${CREDENTIAL}`;
    response.end(
      JSON.stringify({
        ...{ method, url, httpVersion, headers: others, known, bytes, sha256: hash.digest('hex'), trailers },
        ...(body === undefined ? {} : { body }),
      }),
    );
  });
};

const ANSWERS = new Map<string, (request: IncomingMessage, response: ServerResponse) => void>([
  ['/moved', (_, response) => void response.writeHead(302, { location: '/echo?moved=1' }).end()],
  ['/kept', (_, response) => void response.writeHead(307, { location: '../echo?kept=1' }).end()],
  [
    '/events',
    (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: one\n\n');
      response.end('data: two\n\n');
    },
  ],
  [
    '/gzip',
    (_, response) => {
      response.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' });
      response.end(gzipSync('x'.repeat(10_000)));
    },
  ],
  [
    '/login',
    (request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'set-cookie': 'session=of-the-gateway' });
      response.end(JSON.stringify({ cookie: request.headers.cookie ?? 'none' }));
    },
  ],
  [
    '/trailers',
    (_, response) => {
      response.writeHead(200, { 'content-type': 'text/plain', trailer: 'x-digest' });
      response.write('body');
      response.addTrailers({ 'x-digest': 'abc' });
      response.end();
    },
  ],
  [
    '/early',
    (_, response) => {
      response.writeHead(413, { 'content-type': 'text/plain' });
      response.end('too much');
    },
  ],
  [
    '/large',
    (_, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      Readable.from(Array.from({ length: 48 }, () => Buffer.alloc(65_536, 'y'))).pipe(response);
    },
  ],
]);

interface Echo {
  readonly method: string;
  readonly url: string;
  readonly httpVersion: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The credential came. */
  readonly known: boolean;
  readonly bytes: number;
  readonly body?: string;
  readonly sha256: string;
  readonly trailers: Readonly<Record<string, string>>;
}

const folder = mkdtempSync(join(tmpdir(), 'hoopctl-http-clients-'));
const certificate = selfSigned(['127.0.0.1']);
const listening: NetServer[] = [];
const doors = new Map<string, Promise<HttpRun>>();
let house: HttpHouse;
let nginx: RunningNginx;
let run: HttpRun;

before(async () => {
  const ca = join(folder, 'ca.pem');
  writeFileSync(ca, certificate.cert);
  writeFileSync(join(folder, 'upload.bin'), Buffer.alloc(LARGE, 'z'));
  nginx = await startNginx({
    certificate,
    files: { 'index.html': PAGE, 'docs/index.html': 'docs', 'numbers.json': JSON.stringify([...Array(500).keys()]) },
    lines: [
      'client_max_body_size 1m;',
      // As it does with real ones after a while: its connections end, also in the middle of others' requests.
      'keepalive_requests 5;',
      'location /dav { client_max_body_size 10m; dav_methods PUT; create_full_put_path on; }',
      'location /limited { client_max_body_size 1m; dav_methods PUT; }',
    ],
  });
  const tls = { key: certificate.key, cert: certificate.cert };
  const [h2c, h2, both, h1] = await Promise.all([
    listen(grpcServer()),
    listen(http2.createSecureServer({ ...tls, allowHTTP1: false }, serve as never)),
    listen(http2.createSecureServer({ ...tls, allowHTTP1: true }, serve as never)),
    listen(https.createServer(tls, serve)),
  ]);
  const account = 'account: { bearer: { env: BILLING_TOKEN } }';
  const trusted = `tls: { ca: { file: '${ca}' } }`;
  const at = (scheme: 'http' | 'https', port: number) => `address: ${scheme}://127.0.0.1:${port}`;
  house = await startHttpHouse({
    policy: POLICY,
    server: createServer(serve),
    others: {
      grpc: [at('http', h2c), account, "version: '2'"],
      h2: [at('https', h2), account, trusted, "version: '2'"],
      both: [at('https', both), account, trusted],
      pages: [at('https', both), account, trusted, `origins: ['${PAGE_ORIGIN}']`],
      h1: [at('https', h1), account, trusted, 'version: auto'],
      untrusted: [at('https', both), account],
      nginx: [at('http', nginx.port), account],
      'nginx-h2': [at('http', nginx.http2), account, "version: '2'"],
      'nginx-tls': [at('https', nginx.tls), account, trusted],
    },
  });
  run = await door('billing');
});

after(async () => {
  for (const opened of doors.values()) await (await opened.catch(() => undefined))?.[Symbol.asyncDispose]();
  await house?.[Symbol.asyncDispose]();
  await nginx?.[Symbol.asyncDispose]();
  for (const server of listening) server.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('curl', () => {
  const curl = async (...args: string[]) => {
    const { curl: program } = requireServer('curl');
    const done = await ended(program as string, ['-sS', '-H', `Authorization: Bearer ${run.secret}`, ...args]);
    assert.deepEqual([done.code, done.stderr], [0, ''], done.stdout);
    return done.stdout;
  };
  const asked = async (...args: string[]) => JSON.parse(await curl(...args)) as Echo;

  test('gets, posts and uploads over HTTP/1.1', async () => {
    assert.equal((await asked(`${run.url}/echo?a=1`)).url, '/echo?a=1');
    assert.equal((await asked('-d', 'a=1', '-d', 'b=2', `${run.url}/echo`)).body, 'a=1&b=2');
    assert.ok((await asked('-F', 'a=1', '-F', `file=@${folder}/ca.pem`, `${run.url}/echo`)).bytes > 500);
    assert.equal((await asked('-X', 'PATCH', '-d', '{}', `${run.url}/echo`)).method, 'PATCH');
    assert.match(await curl('-I', `${run.url}/echo`), /^HTTP\/1\.1 200 OK\r\n/);
    assert.equal((await asked('-u', `anybody:${run.secret}`, `${run.url}/echo`)).known, true);
  });

  test('sends a large file, and one whose end it does not know', async () => {
    const whole = { bytes: LARGE, sha256: createHash('sha256').update(Buffer.alloc(LARGE, 'z')).digest('hex') };
    for (const version of ['--http1.1', '--http2-prior-knowledge']) {
      const { bytes, sha256 } = await asked(version, '-T', `${folder}/upload.bin`, `${run.url}/echo`);
      assert.deepEqual({ bytes, sha256 }, whole, version);
    }
    const piped = await ended('sh', [
      '-c',
      `cat ${folder}/upload.bin | curl -sS -H "Authorization: Bearer $TOKEN" -T - ${run.url}/echo`.replace(
        '$TOKEN',
        run.secret,
      ),
    ]);
    assert.equal((JSON.parse(piped.stdout) as Echo).bytes, LARGE);
  });

  test('hears 100 Continue before it sends', async () => {
    const { curl: program } = requireServer('curl');
    const done = await ended(program as string, [
      ...[
        '-sSv',
        '-H',
        `Authorization: Bearer ${run.secret}`,
        '-H',
        'Expect: 100-continue',
        '--expect100-timeout',
        '30',
      ],
      ...['-d', 'hello', `${run.url}/echo`],
    ]);
    assert.match(done.stderr, /< HTTP\/1\.1 100 Continue[\s\S]*We are completely uploaded[\s\S]*< HTTP\/1\.1 200 OK/);
    assert.equal((JSON.parse(done.stdout) as Echo).body, 'hello');
  });

  test('speaks HTTP/2 at once', async () => {
    // One request: curl 7.88 fails with every further one on such a connection, whoever answers.
    const said = await curl('--http2-prior-knowledge', '-w', ' %{http_version}', `${run.url}/echo?n=1`);
    assert.match(said, /"url":"\/echo\?n=1".* 2$/);
  });

  test('that asks to change to HTTP/2 is answered in HTTP/1.1', async () => {
    assert.match(await curl('--http2', '-i', `${run.url}/echo`), /^HTTP\/1\.1 200 OK\r\n/);
  });

  test('follows redirects within the target', async () => {
    assert.equal((await asked('-L', `${run.url}/moved`)).url, '/echo?moved=1');
    const { method, url, body } = await asked('-L', '-d', 'kept', `${run.url}/kept`);
    assert.deepEqual({ method, url, body }, { method: 'POST', url: '/echo?kept=1', body: 'kept' });
  });

  test('decodes what the target compresses', async () => {
    assert.equal(await curl('--compressed', `${run.url}/gzip`), 'x'.repeat(10_000));
    assert.equal(await curl(`${run.url}/gzip`), 'x'.repeat(10_000));
  });

  test('keeps its connection', async () => {
    const connects = await curl(
      '-o',
      '/dev/null',
      '-o',
      '/dev/null',
      '-w',
      '%{num_connects} ',
      `${run.url}/echo`,
      `${run.url}/moved`,
    );
    assert.equal(connects, '1 0 ');
  });
});

describe('Node', () => {
  test('fetch streams a body up and down', async () => {
    const chunks = Array.from({ length: 48 }, () => Buffer.alloc(65_536, 'z'));
    const body = Readable.toWeb(Readable.from(chunks)) as ReadableStream<Uint8Array>;
    const up = await run.fetch('/echo', { method: 'POST', body, duplex: 'half' } as RequestInit);
    assert.equal(((await up.json()) as Echo).bytes, LARGE);
    assert.equal((await (await run.fetch('/large')).arrayBuffer()).byteLength, LARGE);
  });

  test('fetch follows redirects, and keeps what it was refused', async () => {
    const moved = await run.fetch('/moved', { redirect: 'follow' });
    assert.deepEqual([moved.redirected, moved.url], [true, `${run.url}/echo?moved=1`]);
    const refused = await run.fetch('/invoices/7', { method: 'DELETE' });
    assert.deepEqual([refused.status, refused.headers.get('hoop-refusal')], [403, 'HOOP_DENIED']);
  });

  test('undici pools, pipelines and reads trailers', async () => {
    const authorization = `Bearer ${run.secret}`;
    const pool = new Pool(run.url, { connections: 4 });
    const answers = await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        const { body } = await pool.request({ path: `/echo?n=${n}`, method: 'GET', headers: { authorization } });
        return ((await body.json()) as Echo).url;
      }),
    );
    assert.deepEqual(
      answers,
      [...Array(40).keys()].map((n) => `/echo?n=${n}`),
    );
    const client = new Client(run.url, { pipelining: 10 });
    const piped = await Promise.all(
      Array.from({ length: 30 }, async (_, n) => {
        const { body } = await client.request({ path: `/echo?n=${n}`, method: 'GET', headers: { authorization } });
        return ((await body.json()) as Echo).url;
      }),
    );
    assert.deepEqual(
      piped,
      [...Array(30).keys()].map((n) => `/echo?n=${n}`),
    );
    await Promise.all([pool.close(), client.close()]);
    const { body, trailers } = await undiciRequest(`${run.url}/trailers`, { headers: { authorization } });
    assert.deepEqual([await body.text(), trailers], ['body', { 'x-digest': 'abc' }]);
  });

  test('a body that its target does not want to the end is answered all the same', async () => {
    const response = await run.fetch('/early', { method: 'POST', body: Buffer.alloc(LARGE) });
    assert.deepEqual([response.status, await response.text()], [413, 'too much']);
  });

  test('an HTTP/2 client has many requests on one connection', async () => {
    await using session = await connectHttp2(run);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) => http2Ask(session, { ':path': `/echo?n=${n}` })),
    );
    assert.deepEqual(
      answers.map(({ body }) => (JSON.parse(body) as Echo).url),
      [...Array(50).keys()].map((n) => `/echo?n=${n}`),
    );
    const large = await http2Ask(session, { ':path': '/large' });
    assert.equal(large.body.length, LARGE);
    const refused = await http2Ask(session, { ':method': 'DELETE', ':path': '/invoices/7' });
    assert.deepEqual([refused.headers[':status'], refused.headers['hoop-refusal']], [403, 'HOOP_DENIED']);
    const trailers = await http2Ask(session, { ':path': '/trailers' });
    assert.equal(trailers.trailers['x-digest'], 'abc');
  });
});

describe('Python', () => {
  const python = async (program: string) => {
    const file = join(packageRoot(), 'test', 'e2e', 'http-clients', program);
    const env = [`HOOP_BILLING_URL=${run.url}`, `HOOP_BILLING_TOKEN=${run.secret}`, 'NO_PROXY=127.0.0.1'];
    const done = await ended('env', [...env, '/usr/bin/python3', '-B', file]);
    assert.equal(done.code, 0, done.stderr);
    return JSON.parse(done.stdout) as Record<string, unknown>;
  };

  test('requests', async () => {
    requireServer('python3-requests');
    assert.deepEqual(await python('requests_client.py'), {
      get: '/echo?q=a+b&%C3%A9=%C3%BC',
      json: '{"amount": 5}',
      form: 'a=1&b=x+y',
      multipart: true,
      chunked: LARGE,
      redirect: '/echo?moved=1',
      history: [302],
      head: 200,
      events: ['data: one', 'data: two'],
      gzip: 10_000,
      refused: [403, 'HOOP_DENIED', 'no-invoices-deleted'],
      // The gateway keeps the target's cookies: the client sees none, and the target its own.
      cookies: ['none', 'session=of-the-gateway', 0],
      basic: 200,
      nobody: 401,
    });
  });

  test('httpx, over both versions', async () => {
    requireServer('python3-httpx');
    requireServer('python3-h2');
    const each = (name: string, version: string) => ({
      [`${name} get`]: [version, '/echo?q=a+b'],
      [`${name} json`]: '{"amount": 5}',
      [`${name} chunked`]: LARGE,
      [`${name} redirect`]: '/echo?moved=1',
      [`${name} events`]: ['data: one', 'data: two'],
      [`${name} gzip`]: 10_000,
      [`${name} refused`]: [403, 'HOOP_DENIED'],
      [`${name} at once`]: true,
    });
    assert.deepEqual(await python('httpx_client.py'), { ...each('1.1', 'HTTP/1.1'), ...each('2', 'HTTP/2') });
  });
});

describe('servers', () => {
  for (const [name, version] of [
    ['h2', '2.0'],
    ['both', '2.0'],
    ['h1', '1.1'],
  ] as const) {
    test(`Node's, behind a certificate of a private authority, is spoken to in HTTP/${version} (${name})`, async () => {
      const other = await door(name);
      const echo = (await (await other.fetch('/echo?x=1', { method: 'POST', body: 'hello' })).json()) as Echo;
      assert.deepEqual([echo.httpVersion, echo.url, echo.body, echo.known], [version, '/echo?x=1', 'hello', true]);
      const large = await other.fetch('/echo', { method: 'PUT', body: Buffer.alloc(LARGE, 'z') });
      assert.equal(((await large.json()) as Echo).bytes, LARGE);
      assert.equal((await (await other.fetch('/large')).arrayBuffer()).byteLength, LARGE);
    });
  }

  test('one whose certificate nobody vouches for is not spoken to', async () => {
    const response = await (await door('untrusted')).fetch('/echo');
    assert.deepEqual([response.status, response.headers.get('hoop-refusal')], [502, 'HOOP_UNAVAILABLE']);
    assert.match(await response.text(), /TLS with the target failed: DEPTH_ZERO_SELF_SIGNED_CERT/);
  });

  for (const name of ['nginx', 'nginx-h2', 'nginx-tls']) {
    test(`${name} serves files, whole and in part, and says what has not changed`, async () => {
      const other = await door(name);
      const page = await other.fetch('/index.html');
      const etag = page.headers.get('etag') ?? '';
      assert.deepEqual([page.status, page.headers.get('content-type')], [200, 'text/html']);
      assert.match(etag, /^"[0-9a-f-]+"$/);
      assert.equal(await page.text(), PAGE);
      const part = await other.fetch('/index.html', { headers: { range: 'bytes=3-7' } });
      assert.deepEqual([part.status, await part.text()], [206, PAGE.slice(3, 8)]);
      assert.equal((await other.fetch('/index.html', { headers: { 'if-none-match': etag } })).status, 304);
      assert.deepEqual(await (await other.fetch('/numbers.json')).json(), [...Array(500).keys()]);
      assert.equal((await other.fetch('/nothing')).status, 404);
      assert.equal(
        (await other.fetch('/index.html', { method: 'HEAD' })).headers.get('content-length'),
        String(PAGE.length),
      );
    });
  }

  for (const name of ['nginx', 'nginx-h2', 'nginx-tls'])
    test(`${name} may end its connections when it likes, and no request is lost by it`, async () => {
      const { url, secret } = await door(name);
      const pool = new Pool(url, { connections: 3 });
      const ask = async () => {
        const headers = { authorization: `Bearer ${secret}` };
        const { statusCode, body } = await pool.request({ path: '/numbers.json', method: 'GET', headers });
        await body.dump();
        return statusCode;
      };
      const statuses: number[] = [];
      for (let round = 0; round < 6; round++) statuses.push(...(await Promise.all(Array.from({ length: 8 }, ask))));
      await pool.close();
      assert.deepEqual(statuses, Array(48).fill(200));
      await using session = await connectHttp2(await door(name));
      const all = await Promise.all(Array.from({ length: 12 }, () => http2Ask(session, { ':path': '/numbers.json' })));
      assert.deepEqual(
        all.map(({ headers }) => headers[':status']),
        Array(12).fill(200),
      );
    });

  test("nginx's redirect to a folder leads through the tunnel", async () => {
    const other = await door('nginx');
    const response = await other.fetch('/docs', { redirect: 'follow' });
    assert.deepEqual([response.url, await response.text()], [`${other.url}/docs/`, 'docs']);
  });

  for (const name of ['nginx', 'nginx-h2', 'nginx-tls'])
    test(`${name} is sent files, and refuses one that is too large before it has come`, async () => {
      const other = await door(name);
      const body = Buffer.alloc(LARGE, 'n');
      assert.equal((await other.fetch(`/dav/${name}.txt`, { method: 'PUT', body })).status, 201);
      assert.equal((await (await other.fetch(`/dav/${name}.txt`)).arrayBuffer()).byteLength, LARGE);
      assert.equal((await other.fetch('/limited/x', { method: 'PUT', body })).status, 413);
      assert.equal((await other.fetch('/index.html')).status, 200);
    });
});

describe('web pages', () => {
  const preflight = async (origin: string) => {
    const { url } = await door('pages');
    const headers = {
      ...{ origin, 'access-control-request-method': 'PUT' },
      'access-control-request-headers': 'authorization,content-type',
    };
    return fetch(`${url}/echo`, { method: 'OPTIONS', headers });
  };

  test('of an origin that may ask are told so before they show the secret, and read the answer', async () => {
    const may = await preflight(PAGE_ORIGIN);
    assert.equal(may.status, 204);
    assert.equal(may.headers.get('access-control-allow-origin'), PAGE_ORIGIN);
    assert.equal(may.headers.get('access-control-allow-methods'), 'PUT');
    assert.equal(may.headers.get('access-control-allow-headers'), 'authorization,content-type');
    const other = await door('pages');
    const answer = await other.fetch('/echo', { headers: { origin: PAGE_ORIGIN } });
    assert.deepEqual([answer.status, answer.headers.get('access-control-allow-origin')], [200, PAGE_ORIGIN]);
    assert.equal(((await answer.json()) as Echo).headers['origin'], undefined);
    const refused = await fetch(`${other.url}/echo`, { headers: { origin: PAGE_ORIGIN } });
    assert.deepEqual([refused.status, refused.headers.get('access-control-allow-origin')], [401, PAGE_ORIGIN]);
  });

  test('of any other are told nothing', async () => {
    const not = await preflight('https://app.example');
    assert.deepEqual([not.status, not.headers.get('access-control-allow-origin')], [403, null]);
    const { fetch: ask } = await door('pages');
    assert.equal((await ask('/echo')).headers.get('access-control-allow-origin'), null);
  });
});

describe('gRPC', () => {
  test('streams messages both ways, and ends with its status in trailers', async () => {
    await using session = await connectHttp2(await door('grpc'));
    const stream = session.http2.request({
      ...{ ':method': 'POST', ':path': '/shop.Orders/Watch', 'content-type': 'application/grpc', te: 'trailers' },
      ...{ authorization: session.authorization, 'grpc-timeout': '10S' },
    });
    const trailers = once(stream, 'trailers');
    const answered = once(stream, 'response');
    stream.write(message('one'));
    const [head] = (await answered) as [IncomingHttpHeaders];
    assert.equal(head['content-type'], 'application/grpc');
    const [first] = (await once(stream, 'data')) as [Buffer];
    assert.deepEqual(first, message('one'));
    stream.end(message('two'));
    const [second] = (await once(stream, 'data')) as [Buffer];
    assert.deepEqual(second, message('two'));
    const [told] = (await trailers) as [IncomingHttpHeaders];
    assert.equal(told['grpc-status'], '0');
    assert.equal(told['grpc-message'], 'te trailers, timeout 10S');
  });

  test('a call that fails has its status, with no message before it', async () => {
    await using session = await connectHttp2(await door('grpc'));
    const { headers, body } = await http2Ask(
      session,
      { ':method': 'POST', ':path': '/shop.Orders/None', 'content-type': 'application/grpc', te: 'trailers' },
      message('x'),
    );
    assert.deepEqual([headers[':status'], headers['grpc-status'], body], [200, '12', '']);
  });

  test('trailers of a request that streams arrive, but for those that would be another request', async () => {
    await using session = await connectHttp2(await door('both'));
    const stream = session.http2.request(
      { ':method': 'POST', ':path': '/echo', authorization: session.authorization, 'content-type': 'text/plain' },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () =>
      stream.sendTrailers({
        'content-digest': 'sha-256=:x:',
        authorization: 'Bearer other',
        'x-forwarded-for': '::1',
        'x-own': '1',
      }),
    );
    stream.end(Buffer.alloc(LARGE));
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    assert.deepEqual((JSON.parse(Buffer.concat(chunks).toString()) as Echo).trailers, {
      'content-digest': 'sha-256=:x:',
    });
  });
});

/** A gRPC server in as much as its framing goes: what comes is sent back as it comes, and the status stands in trailers. */
function grpcServer(): Http2Server {
  const server = http2.createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => {});
    const head = { ':status': 200, 'content-type': 'application/grpc' };
    if (headers[':path'] !== '/shop.Orders/Watch')
      return void stream.respond({ ...head, 'grpc-status': '12' }, { endStream: true });
    stream.respond(head, { waitForTrailers: true });
    stream.on('wantTrailers', () =>
      stream.sendTrailers({
        'grpc-status': '0',
        'grpc-message': `te ${headers['te']}, timeout ${headers['grpc-timeout']}`,
      }),
    );
    stream.pipe(stream);
  });
  return server;
}

/** A message as gRPC frames it: not compressed, its length, its bytes. */
function message(text: string): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(text.length, 1);
  return Buffer.concat([head, Buffer.from(text)]);
}

function listen(server: NetServer): Promise<number> {
  listening.push(server);
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

interface Http2Door extends AsyncDisposable {
  readonly http2: ClientHttp2Session;
  readonly authorization: string;
}

async function connectHttp2({ url, secret }: HttpRun): Promise<Http2Door> {
  const session = http2.connect(url);
  await once(session, 'connect');
  return {
    http2: session,
    authorization: `Bearer ${secret}`,
    [Symbol.asyncDispose]: () => new Promise((resolve) => session.close(resolve)),
  };
}

interface Http2Answer {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: IncomingHttpHeaders;
}

async function http2Ask(
  { http2: session, authorization }: Http2Door,
  head: OutgoingHttpHeaders,
  body?: Buffer,
): Promise<Http2Answer> {
  const stream = session.request({ authorization, ...head }, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  let trailers: IncomingHttpHeaders = {};
  stream.once('trailers', (came: IncomingHttpHeaders) => {
    trailers = came;
  });
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return { headers, body: Buffer.concat(chunks).toString(), trailers };
}

function door(target: string): Promise<HttpRun> {
  const known = doors.get(target) ?? house.run('dana', { target });
  doors.set(target, known);
  return known;
}

/** The credential goes to the target, in place of anything a client sent for one, and nothing of it or of the target's cookies goes anywhere else. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { channelOf } from '../../../src/base/channel.ts';
import type { Clock } from '../../../src/base/clock.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { Secret } from '../../../src/base/secret.ts';
import type { OutgoingRequest } from '../../../src/protocols/http-wire/client.ts';
import { createCookieJar } from '../../../src/protocols/http/cookies.ts';
import type { Credential } from '../../../src/protocols/http/credential.ts';
import {
  connectUpstream,
  probeUpstream,
  type Upstream,
  type UpstreamSettings,
} from '../../../src/protocols/http/upstream.ts';
import { selfSigned } from '../../fakes/certificate.ts';
import { FakeClock } from '../../fakes/clock.ts';

const SECRET = 'canary-4f9Zb+/q=77';
const never = new AbortController().signal;
const GET: OutgoingRequest = { method: 'GET', target: '/', headers: [], body: undefined, signal: never };
const cleanup: (() => void)[] = [];
after(() => {
  for (const undo of cleanup) undo();
});

async function serve(listener: RequestListener, tls?: https.ServerOptions): Promise<number> {
  const server = tls ? https.createServer(tls, listener) : http.createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: readonly string[];
  readonly trailers: readonly string[];
  readonly body: string;
}

/** A target that keeps what it was sent. */
async function target(
  answer: (response: ServerResponse, seen: Seen, request: IncomingMessage) => void = (r) => r.end(),
) {
  const seen: Seen[] = [];
  const port = await serve(async (request, response) => {
    const body = await text(request);
    const { method, url, rawHeaders: headers, rawTrailers: trailers } = request;
    seen.push({ method, url, headers, trailers, body });
    answer(response, seen.at(-1)!, request);
  });
  return { port, seen };
}

interface Wish {
  readonly settings?: Partial<UpstreamSettings>;
  readonly secrets?: Readonly<Record<string, string>>;
  /** What takes the place of a secret that was refused. */
  readonly next?: string;
  readonly clock?: Clock;
}

function upstreamTo(port: number, credential: Credential, { settings, secrets, next, clock = systemClock }: Wish = {}) {
  const session = {
    signal: never,
    dial: () =>
      new Promise<ReturnType<typeof channelOf>>((resolve, reject) => {
        const socket = net.connect({ port, host: '127.0.0.1' });
        socket.once('error', reject);
        socket.once('connect', () => resolve(channelOf(socket)));
      }),
    secret: async (name: string, refused?: Secret) =>
      Secret.of(refused && next !== undefined ? next : (secrets?.[name] ?? SECRET)),
  };
  const all: UpstreamSettings = {
    ...{ origin: { scheme: 'http', host: '127.0.0.1', port }, basePath: '', tls: {}, version: 'auto', credential },
    ...settings,
  };
  const upstream = connectUpstream({ session, settings: all, clock, jar: createCookieJar(clock) });
  cleanup.push(() => upstream.close());
  return { ...upstream, session, settings: all };
}

async function ask(upstream: Pick<Upstream, 'send'>, also: Partial<OutgoingRequest> = {}) {
  const answer = await upstream.send({ ...GET, ...also });
  return { ...answer, status: answer.status, headers: answer.headers, text: await text(answer.body) };
}

const BEARER: Credential = { kind: 'bearer', secret: 'secret' };
const sentAs = (seen: Seen | undefined, name: string) =>
  seen?.headers.flatMap((one, at) => (at % 2 === 0 && one.toLowerCase() === name ? [seen.headers[at + 1]] : []));

describe('the credential is added', () => {
  test('as a bearer token', async () => {
    const { port, seen } = await target();
    await ask(upstreamTo(port, BEARER));
    assert.deepEqual(sentAs(seen[0], 'authorization'), [`Bearer ${SECRET}`]);
  });

  test('as a header', async () => {
    const { port, seen } = await target();
    await ask(upstreamTo(port, { kind: 'header', name: 'X-Key', secret: 'secret' }));
    assert.deepEqual(sentAs(seen[0], 'x-key'), [SECRET]);
  });

  test('as a query parameter, behind what was asked', async () => {
    const { port, seen } = await target();
    const upstream = upstreamTo(port, { kind: 'query', name: 'key', secret: 'secret' });
    await ask(upstream, { target: '/a?b=%41&c' });
    await ask(upstream, { target: '/a' });
    assert.deepEqual(
      seen.map(({ url }) => url),
      ['/a?b=%41&c&key=canary-4f9Zb%2B%2Fq%3D77', '/a?key=canary-4f9Zb%2B%2Fq%3D77'],
    );
  });

  test('as a user and a password', async () => {
    const { port, seen } = await target();
    await ask(upstreamTo(port, { kind: 'basic', user: 'reporter', secret: 'secret' }));
    const pair = Buffer.from(`reporter:${SECRET}`).toString('base64');
    assert.deepEqual(sentAs(seen[0], 'authorization'), [`Basic ${pair}`]);
  });

  test('as a signature over what is sent', async () => {
    const { port, seen } = await target();
    const credential = { kind: 'sigv4', accessKeyId: 'AKID', region: 'eu', service: 's3', secret: 'secret' } as const;
    await ask(upstreamTo(port, credential), { method: 'PUT', target: '/a?b', body: Buffer.from('x') });
    assert.match(
      sentAs(seen[0], 'authorization')?.[0] ?? '',
      /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/eu\/s3\/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=/,
    );
    assert.equal(sentAs(seen[0], 'x-amz-content-sha256')?.[0]?.length, 64);
  });

  test('behind the base path', async () => {
    const { port, seen } = await target();
    await ask(upstreamTo(port, BEARER, { settings: { basePath: '/base' } }), { target: '/v1/a%20b' });
    assert.equal(seen[0]?.url, '/base/v1/a%20b');
  });

  test('in place of every spelling of a client’s own', async () => {
    const { port, seen } = await target();
    const own = [
      'Authorization',
      'AUTHORIZATION',
      'Proxy-Authorization',
      'Cookie',
      'X-Api-Key',
      'x_api_key',
      'api-key',
    ];
    const client = own.map((name) => [name, 'client'] as const);
    const credential: Credential = { kind: 'header', name: 'X-Tenant-Key', secret: 'secret' };
    const trailers = () => [...client, ['x-tenant-key', 'client'], ['x-sum', '1']] as const;
    await ask(upstreamTo(port, credential), {
      ...{ method: 'POST', body: Readable.from([Buffer.from('x')]), trailers },
      headers: [...client, ['X_Tenant_Key', 'client'], ['Accept', '*/*']],
    });
    assert.equal(JSON.stringify(seen).includes('client'), false, JSON.stringify(seen));
    assert.deepEqual(seen[0]?.trailers, ['x-sum', '1']);
    assert.deepEqual(sentAs(seen[0], 'x-tenant-key'), [SECRET]);
  });

  test('in place of a client’s own parameter, however it is written', async () => {
    const { port, seen } = await target();
    const upstream = upstreamTo(port, { kind: 'query', name: 'key', secret: 'secret' });
    await ask(upstream, { target: '/?key=own&a=1&%6Bey=own&KEY=own&key&b=2;key=own&keys=3' });
    assert.equal(seen[0]?.url, '/?a=1&keys=3&key=canary-4f9Zb%2B%2Fq%3D77');
  });

  test('after a bearer token in the query was taken out', async () => {
    const { port, seen } = await target();
    await ask(upstreamTo(port, BEARER), { target: '/?access_token=own' });
    assert.equal(seen[0]?.url, '/');
  });

  test('never, where it cannot stand in a header', async () => {
    const { port, seen } = await target();
    const upstream = upstreamTo(port, BEARER, { secrets: { secret: 'two\r\nlines: here' } });
    await assert.rejects(ask(upstream), { code: 'TARGET_CREDENTIAL' });
    assert.equal(seen.length, 0);
  });
});

describe('a credential that is not taken', () => {
  const takes = (good: string) =>
    target((response, seen) => {
      response.statusCode = sentAs(seen, 'authorization')?.[0] === `Bearer ${good}` ? 200 : 401;
      response.end('answer');
    });

  test('is asked for anew, and the request repeated once', async () => {
    const { port, seen } = await takes('changed-secret');
    const answer = await ask(upstreamTo(port, BEARER, { next: 'changed-secret' }), {
      ...{ method: 'POST', body: Buffer.from('twice') },
    });
    assert.equal(answer.status, 200);
    assert.deepEqual(
      seen.map(({ body }) => body),
      ['twice', 'twice'],
    );
  });

  test('is told where there is no other', async () => {
    const { port, seen } = await takes('changed-secret');
    const answer = await ask(upstreamTo(port, BEARER));
    assert.deepEqual([answer.status, answer.text, seen.length], [401, 'answer', 1]);
  });

  test('is told where the request cannot be repeated; the next one has the other', async () => {
    const { port, seen } = await takes('changed-secret');
    const upstream = upstreamTo(port, BEARER, { next: 'changed-secret' });
    const streamed = await ask(upstream, { method: 'POST', body: Readable.from([Buffer.from('once')]) });
    assert.deepEqual([streamed.status, seen.length], [401, 1]);
    assert.equal((await ask(upstream)).status, 200);
  });
});

describe('a token of a service', () => {
  const OAUTH2 = { kind: 'oauth2', clientId: 'hoop:1', secret: 'secret', scopes: ['a', 'b'], auth: 'basic' } as const;

  async function tokens(credential: Partial<Extract<Credential, { kind: 'oauth2' }>> = {}, lasts: unknown = 3600) {
    let given = 0;
    let good = 'token-1-of-the-service';
    const { port, seen } = await target((response, { url, headers }) => {
      if (url !== '/oauth/token') {
        response.statusCode = headers.includes(`Bearer ${good}`) ? 200 : 401;
        return response.end();
      }
      good = `token-${++given}-of-the-service`;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ access_token: good, token_type: 'bearer', expires_in: lasts }));
    });
    const clock = new FakeClock();
    const tokenUrl = `http://127.0.0.1:${port}/oauth/token`;
    const upstream = upstreamTo(port, { ...OAUTH2, tokenUrl, ...credential }, { clock });
    return { upstream, seen, clock, port, given: () => given, spoil: () => (good = 'another') };
  }

  test('is asked for once, with the client’s secret, and serves all requests', async () => {
    const { upstream, seen, given } = await tokens({ audience: 'billing' });
    const answers = await Promise.all([1, 2, 3].map(() => ask(upstream)));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200],
    );
    assert.equal(given(), 1);
    assert.equal(seen[0]?.body, 'grant_type=client_credentials&scope=a+b&audience=billing');
    const pair = Buffer.from(`hoop%3A1:${encodeURIComponent(SECRET)}`).toString('base64');
    assert.deepEqual(sentAs(seen[0], 'authorization'), [`Basic ${pair}`]);
  });

  test('is asked for with the secret in the body, where the service wants it there', async () => {
    const { upstream, seen } = await tokens({ auth: 'body', scopes: [] });
    await ask(upstream);
    const form = new URLSearchParams(seen[0]?.body);
    assert.deepEqual([form.get('client_id'), form.get('client_secret')], ['hoop:1', SECRET]);
    assert.deepEqual(sentAs(seen[0], 'authorization'), []);
  });

  test('is renewed half a minute before it runs out', async () => {
    const { upstream, clock, given } = await tokens({}, 100);
    await ask(upstream);
    await clock.advance(69_000);
    await ask(upstream);
    assert.equal(given(), 1);
    await clock.advance(2_000);
    await ask(upstream);
    assert.equal(given(), 2);
  });

  test('is renewed once where the target does not take it any more', async () => {
    const { upstream, given, spoil } = await tokens();
    await ask(upstream);
    spoil();
    assert.equal((await ask(upstream)).status, 200);
    assert.equal(given(), 2);
  });

  test('serves all sessions of a target', async () => {
    const { upstream, given } = await tokens();
    const other = connectUpstream({ ...upstream, clock: new FakeClock(), jar: createCookieJar(systemClock) });
    cleanup.push(() => other.close());
    await ask(upstream);
    await ask(other);
    assert.equal(given(), 1);
  });

  test('is looked for in what comes back, and the client’s secret too', async () => {
    const { upstream } = await tokens();
    await ask(upstream);
    assert.equal(upstream.search().text('token-1-of-the-service'), true);
    assert.equal(upstream.search().text(SECRET), true);
    assert.equal(upstream.search().text('token-2-of-the-service'), false);
  });

  for (const [what, status, answer] of [
    ['refuses', 400, { error: 'invalid_client', error_description: SECRET }],
    ['gives another kind', 200, { access_token: 'x', token_type: 'mac' }],
    ['gives none', 200, {}],
    ['gives rubbish', 200, 'rubbish'],
  ] as const) {
    test(`is missed where the service ${what}, without repeating what it said`, async () => {
      const { port, seen } = await target((response) => {
        response.statusCode = status;
        response.end(JSON.stringify(answer));
      });
      const upstream = upstreamTo(port, { ...OAUTH2, tokenUrl: `http://127.0.0.1:${port}/token` });
      await assert.rejects(ask(upstream), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'TARGET_LOGIN');
        assert.equal(error.message.includes(SECRET), false);
        return true;
      });
      assert.equal(seen.length, 1);
    });
  }
});

describe('TLS with a target', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hoopctl-upstream-'));
  cleanup.push(() => rmSync(folder, { recursive: true, force: true }));
  const server = selfSigned(['api.test']);
  const ca = join(folder, 'ca.pem');
  writeFileSync(ca, server.cert);
  const settingsFor = (port: number, host = 'api.test', also: UpstreamSettings['tls'] = { ca }) => ({
    settings: { origin: { scheme: 'https' as const, host, port }, tls: also },
  });

  test('is spoken where its certificate is of a trusted authority and for its name', async () => {
    const port = await serve((_, response) => response.end('ok'), server);
    assert.equal((await ask(upstreamTo(port, BEARER, settingsFor(port)))).text, 'ok');
    const named = settingsFor(port, '127.0.0.1', { ca, serverName: 'api.test' });
    assert.equal((await ask(upstreamTo(port, BEARER, named))).text, 'ok');
  });

  for (const [what, host, tls] of [
    ['of an unknown authority', 'api.test', {}],
    ['for another name', 'other.test', { ca }],
    ['for another address', '127.0.0.1', { ca }],
  ] as const) {
    test(`is refused with a certificate ${what}, before anything is sent`, async () => {
      let asked = 0;
      const port = await serve((_, response) => response.end(String(++asked)), server);
      await assert.rejects(ask(upstreamTo(port, BEARER, settingsFor(port, host, tls))), { code: 'TARGET_TLS' });
      assert.equal(asked, 0);
    });
  }

  test('shows our own certificate', async () => {
    const ours = selfSigned(['gateway.test']);
    const port = await serve(
      (request, response) => {
        const { socket } = request as IncomingMessage & { socket: import('node:tls').TLSSocket };
        response.end(`${socket.authorized} ${socket.getPeerCertificate().subject['CN']}`);
      },
      { ...server, requestCert: true, rejectUnauthorized: true, ca: ours.cert },
    );
    const { settings } = settingsFor(port);
    const upstream = upstreamTo(
      port,
      { kind: 'none' },
      {
        settings: { ...settings, certificate: { cert: 'certificate', key: 'key' } },
        secrets: { certificate: ours.cert, key: ours.key },
      },
    );
    assert.equal((await ask(upstream)).text, 'true gateway.test');
  });
});

describe('what a target answers', () => {
  test('is not followed elsewhere, and its cookies are sent back to it alone', async () => {
    const { port, seen } = await target((response, { url }) => {
      if (url === '/login')
        response.writeHead(302, {
          location: 'http://127.0.0.1:9/x',
          'set-cookie': ['sid=abcdefghijklmnop; HttpOnly', 'b=2'],
        });
      response.end();
    });
    const upstream = upstreamTo(port, BEARER);
    const first = await ask(upstream, { target: '/login' });
    assert.equal(first.status, 302);
    assert.equal(
      first.headers.some(([name]) => name.toLowerCase() === 'set-cookie'),
      false,
    );
    await ask(upstream, { headers: [['Cookie', 'own=1']] });
    assert.deepEqual(sentAs(seen[1], 'cookie'), ['sid=abcdefghijklmnop; b=2']);
    assert.equal(upstream.search().text('{"session":"abcdefghijklmnop"}'), true);
  });

  test('is searched for the credential', async () => {
    const { port } = await target((response, { headers }) => response.end(JSON.stringify(headers)));
    const upstream = upstreamTo(port, { kind: 'basic', user: 'reporter', secret: 'secret' });
    const answer = await ask(upstream);
    assert.equal(upstream.search().push(Buffer.from(answer.text)), true);
    assert.equal(upstream.unsearched(), false);
  });

  test('leads nowhere with the credential', async () => {
    const { port } = await target((response, { url }) => response.writeHead(301, { location: `${url}&again` }).end());
    const answer = await ask(upstreamTo(port, { kind: 'query', name: 'key', secret: 'secret' }));
    assert.equal(
      answer.headers.some(([name]) => name.toLowerCase() === 'location'),
      false,
    );
  });
});

describe('a check of the login', () => {
  test('asks for a head at the base path', async () => {
    const { port, seen } = await target((response) => response.setHeader('server', 'toy/1').end());
    const { settings, session } = upstreamTo(port, BEARER, { settings: { basePath: '/base' } });
    assert.deepEqual(await probeUpstream(settings, session, systemClock), { server: 'HTTP/1.1 toy/1', warnings: [] });
    assert.deepEqual([seen[0]?.method, seen[0]?.url], ['HEAD', '/base/']);
  });

  test('says that the credential is not taken', async () => {
    const { port } = await target((response) => response.writeHead(401).end());
    const { settings, session } = upstreamTo(port, BEARER);
    await assert.rejects(probeUpstream(settings, session, systemClock), { code: 'TARGET_LOGIN' });
  });

  test('warns of a credential that is too short to be looked for', async () => {
    const { port } = await target();
    const { settings, session } = upstreamTo(port, BEARER, { secrets: { secret: 'short' } });
    assert.equal((await probeUpstream(settings, session, systemClock)).warnings.length, 1);
  });
});

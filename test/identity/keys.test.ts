/** An issuer's keys are as old as they may be and no older, and asking for them cannot be made a weapon. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { createIdentity } from '../../src/identity/identity.ts';
import { FakeClock } from '../fakes/clock.ts';
import { DISCOVERY, JWKS, startFakeIssuer } from '../fakes/issuer.ts';

const MINUTE = 60_000;

test('keys are fetched once for many tokens, also when all come at once', async () => {
  const f = await fixture();
  await Promise.all(Array.from({ length: 20 }, () => f.send()));
  assert.deepEqual(f.issuer.asked, [DISCOVERY, JWKS]);
});

test('a key gone at the issuer is gone here within five minutes', async () => {
  const f = await fixture();
  await f.issuer.addKey('k2');
  assert.equal(await f.send('k1'), 'authenticated');
  f.issuer.keys.splice(0, 1);
  await f.clock.advance(5 * MINUTE - 1);
  assert.equal(await f.send('k1'), 'authenticated');
  await f.clock.advance(1);
  assert.equal(await f.send('k1'), 'TOKEN_KEY');
});

test('a new key works at once', async () => {
  const f = await fixture();
  await f.send();
  await f.issuer.addKey('k2');
  assert.equal(await f.send('k2'), 'authenticated');
});

test('ten thousand made-up keys cost the issuer one request a minute', async () => {
  const f = await fixture();
  await f.send();
  f.issuer.asked.length = 0;
  const flood = (from: number) => Promise.all(Array.from({ length: 200 }, (_, i) => f.unknown(`x${from + i}`)));
  assert.deepEqual([...new Set(await flood(0))], ['TOKEN_KEY']);
  await f.clock.advance(MINUTE - 1);
  await flood(1_000);
  assert.deepEqual(f.issuer.asked, [DISCOVERY, JWKS]);
  await f.clock.advance(1);
  await flood(2_000);
  assert.deepEqual(f.issuer.asked, [DISCOVERY, JWKS, DISCOVERY, JWKS]);
});

describe('while the issuer cannot be reached', () => {
  test('its last keys serve for an hour, then its tokens are refused with the reason', async () => {
    const f = await fixture();
    await f.send();
    f.issuer.answer(DISCOVERY, () => new Response('', { status: 503 }));
    await f.clock.advance(60 * MINUTE);
    assert.equal(await f.send(), 'authenticated');
    await f.clock.advance(1);
    assert.equal(await f.send(), 'ISSUER_UNREACHABLE');
    assert.match(f.lastMessage(), /answered 503/);
    f.issuer.answer(DISCOVERY, undefined);
    await f.clock.advance(10_000);
    assert.equal(await f.send(), 'authenticated', 'once it answers again');
  });

  test('it is not asked at every token', async () => {
    const f = await fixture();
    f.issuer.answer(DISCOVERY, () => {
      throw new TypeError('fetch failed');
    });
    for (let i = 0; i < 50; i++) assert.equal(await f.send(), 'ISSUER_UNREACHABLE');
    assert.deepEqual(f.issuer.asked, [DISCOVERY]);
  });

  test('a key that was never known is not accepted', async () => {
    const f = await fixture();
    await f.send();
    f.issuer.answer(JWKS, () => new Response('', { status: 500 }));
    await f.issuer.addKey('k2');
    assert.equal(await f.send('k2'), 'TOKEN_KEY');
  });
});

describe('what the issuer answers is not trusted blindly:', () => {
  const answers: readonly [string, string, () => Response, RegExp][] = [
    ['a redirect is not followed', JWKS, () => redirect('http://169.254.169.254/'), /answered 302/],
    ['nor one of the document', DISCOVERY, () => redirect('https://evil.example/'), /answered 302/],
    [
      "another issuer's document",
      DISCOVERY,
      () => Response.json({ issuer: 'https://evil.example', jwks_uri: 'https://idp.example/jwks' }),
      /another issuer/,
    ],
    ['keys at another host', DISCOVERY, () => document('https://evil.example/jwks'), /jwksUri/],
    ['keys at a port of its own', DISCOVERY, () => document('https://idp.example:8443/jwks'), /jwksUri/],
    ['keys in a file', DISCOVERY, () => document('file:///etc/passwd'), /jwksUri/],
    ['keys nowhere', DISCOVERY, () => Response.json({ issuer: 'https://idp.example' }), /no jwks_uri/],
    ['null', DISCOVERY, () => Response.json(null), /another issuer/],
    ['a key set that is none', JWKS, () => Response.json({ keys: 'all' }), /not one/],
    ['no JSON', JWKS, () => new Response('<html>'), /JSON/],
    ['a key set without end', JWKS, () => endless(), /more than 256 KiB/],
  ];
  for (const [name, path, answer, why] of answers) {
    test(name, async () => {
      const f = await fixture();
      f.issuer.answer(path, answer);
      assert.equal(await f.send(), 'ISSUER_UNREACHABLE');
      assert.match(f.lastMessage(), why);
      assert.ok(
        f.issuer.asked.every((asked) => asked === DISCOVERY || asked === JWKS),
        'nothing else was dialled',
      );
    });
  }

  test('a set of a thousand bad keys and one good one still serves the good one', async () => {
    const f = await fixture();
    const bad = Array.from({ length: 1_000 }, (_, i) => ({ kty: 'RSA', kid: `bad${i}`, n: 'AQAB', e: 'AQAB' }));
    f.issuer.answer(JWKS, () => Response.json({ keys: [null, 'x', ...bad, ...f.issuer.keys] }));
    assert.equal(await f.send(), 'authenticated');
  });
});

test('keys may be elsewhere where the operator says so', async () => {
  const f = await fixture({ jwksUri: 'https://keys.example/jwks' });
  assert.equal(await f.send(), 'authenticated');
  assert.deepEqual(f.issuer.asked, ['https://keys.example/jwks']);
});

test('over a real network too no redirect is followed', async () => {
  let reached = 0;
  await using elsewhere = await serve((_request, response) => {
    reached++;
    response.end('{"keys":[]}');
  });
  await using issuer = await serve((request, response) => {
    if (request.url === '/jwks') return void response.writeHead(307, { location: `${elsewhere.origin}/jwks` }).end();
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ issuer: issuer.origin, jwks_uri: `${issuer.origin}/jwks` }));
  });
  const config = { issuer: issuer.origin, audience: 'hoop-gateway', use: 'accessToken' } as const;
  const fake = await startFakeIssuer(issuer.origin);
  const clock = new FakeClock();
  const now = Math.floor(clock.now() / 1000);
  const token = await fake.token({ iss: issuer.origin, sub: 'x', aud: 'hoop-gateway', iat: now, exp: now + 60 });
  const result = await createIdentity({ issuers: [config], clock }).authenticate(token);
  assert.equal(result.kind === 'refused' && result.code, 'ISSUER_UNREACHABLE');
  assert.match(result.kind === 'refused' ? result.message : '', /answered 307/);
  assert.equal(reached, 0);
});

async function serve(handler: RequestListener) {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function fixture(change: { jwksUri?: string } = {}) {
  const issuer = await startFakeIssuer();
  const clock = new FakeClock();
  const config = { issuer: issuer.issuer, audience: 'hoop-gateway', use: 'accessToken', ...change } as const;
  const identity = createIdentity({ issuers: [config], clock, fetch: issuer.fetch });
  let message = '';

  async function authenticate(token: string): Promise<string> {
    const result = await identity.authenticate(token);
    if (result.kind === 'refused') message = result.message;
    return result.kind === 'refused' ? result.code : result.kind;
  }

  const claims = () => {
    const now = Math.floor(clock.now() / 1000);
    return { iss: issuer.issuer, sub: 'x', aud: 'hoop-gateway', iat: now, exp: now + 600 };
  };
  return {
    issuer,
    clock,
    lastMessage: () => message,
    send: async (kid = 'k1') => authenticate(await issuer.token(claims(), { kid })),
    unknown: async (kid: string) => {
      const token = await issuer.token(claims());
      const header = Buffer.from(JSON.stringify({ alg: 'ES256', kid })).toString('base64url');
      return authenticate([header, ...token.split('.').slice(1)].join('.'));
    },
  };
}

function redirect(location: string): Response {
  return new Response('', { status: 302, headers: { location } });
}

function document(jwks_uri: string): Response {
  return Response.json({ issuer: 'https://idp.example', jwks_uri });
}

function endless(): Response {
  return new Response(
    new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(64 * 1024).fill(0x20));
      },
    }),
  );
}

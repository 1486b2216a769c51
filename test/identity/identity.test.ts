/** Only what a configured issuer signed, for this gateway and for now, is a principal. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { base64url, type CryptoKey, exportSPKI, generateKeyPair, importJWK, type JWTHeaderParameters } from 'jose';
import type { IssuerConfig } from '../../src/domain/issuer.ts';
import { type Authenticated, createIdentity } from '../../src/identity/identity.ts';
import { FakeClock } from '../fakes/clock.ts';
import { DISCOVERY, type FakeIssuer, JWKS, startFakeIssuer } from '../fakes/issuer.ts';

describe('a token of a configured issuer', () => {
  test('stands for its subject, with the times that it says', async () => {
    const f = await fixture();
    const now = f.seconds();
    assert.deepEqual(await f.send({ auth_time: now - 5, team: 'reports' }), {
      kind: 'authenticated',
      principal: {
        issuer: 'https://idp.example',
        subject: 'sub-1',
        name: 'sub-1',
        groups: [],
        claims: { sub: 'sub-1', team: 'reports', auth_time: now - 5 },
      },
      tokenKind: 'accessToken',
      issuedAt: now * 1000,
      expiresAt: (now + 300) * 1000,
      authTime: (now - 5) * 1000,
    });
  });

  for (const typ of ['at+jwt', 'application/at+jwt', 'AT+JWT', 'JWT', undefined]) {
    test(`may call itself ${typ}`, async () => {
      const f = await fixture();
      assert.equal((await f.send({}, typ === undefined ? {} : { typ })).kind, 'authenticated');
    });
  }

  for (const alg of ['RS256', 'PS256', 'ES384', 'EdDSA']) {
    test(`may be signed with ${alg}`, async () => {
      const f = await fixture();
      await f.issuer.addKey(alg, alg);
      assert.equal((await f.send({}, { alg, kid: alg })).kind, 'authenticated');
    });
  }

  test('may name further audiences beside ours', async () => {
    const f = await fixture();
    assert.equal((await f.send({ aud: ['account', 'hoop-gateway'] })).kind, 'authenticated');
  });
});

describe('is refused:', () => {
  const claims: readonly [string, (now: number) => Record<string, unknown>, string][] = [
    ["another issuer's", () => ({ iss: 'https://other.example' }), 'TOKEN_ISSUER'],
    ["an issuer's that only begins like ours", () => ({ iss: 'https://idp.example.evil.example' }), 'TOKEN_ISSUER'],
    ["an issuer's with a slash more", () => ({ iss: 'https://idp.example/' }), 'TOKEN_ISSUER'],
    ['one for another audience', () => ({ aud: 'other-service' }), 'TOKEN_AUDIENCE'],
    ['one whose audience only begins like ours', () => ({ aud: 'hoop-gateway-2' }), 'TOKEN_AUDIENCE'],
    ['one whose audience is ours in capitals', () => ({ aud: 'HOOP-GATEWAY' }), 'TOKEN_AUDIENCE'],
    ['one without audience', () => ({ aud: undefined }), 'TOKEN_AUDIENCE'],
    ['one whose audience is no text', () => ({ aud: { 'hoop-gateway': true } }), 'TOKEN_AUDIENCE'],
    ['one that has expired', (now) => ({ exp: now - 31 }), 'TOKEN_EXPIRED'],
    ['one that never expires', () => ({ exp: undefined }), 'TOKEN_CLAIM'],
    ['one that does not say when it was made', () => ({ iat: undefined }), 'TOKEN_CLAIM'],
    ['one without subject', () => ({ sub: undefined }), 'TOKEN_CLAIM'],
    ['one with an empty subject', () => ({ sub: '' }), 'TOKEN_CLAIM'],
    ['one that is not valid yet', (now) => ({ nbf: now + 31 }), 'TOKEN_NOT_YET'],
    ['one from the future', (now) => ({ iat: now + 31 }), 'TOKEN_NOT_YET'],
    ['one bound to a key of its holder', () => ({ cnf: { jkt: 'x' } }), 'TOKEN_BOUND'],
    ['an ID token, told by its nonce', () => ({ nonce: 'n' }), 'TOKEN_TYPE'],
    ['an ID token, told by its at_hash', () => ({ at_hash: 'h' }), 'TOKEN_TYPE'],
  ];
  for (const [name, change, code] of claims) {
    test(name, async () => {
      const f = await fixture();
      assert.equal(codeOf(await f.send(change(f.seconds()))), code);
    });
  }

  const headers: readonly [string, Partial<JWTHeaderParameters>, string][] = [
    ['a kind made for something else', { typ: 'logout+jwt' }, 'TOKEN_TYPE'],
    ['one with an extension that must be understood', { crit: ['x-mine'], 'x-mine': 1 }, 'TOKEN_ALGORITHM'],
    ['a kid that is a path', { kid: '../../dev/null' }, 'TOKEN_KEY'],
    ['a kid that is SQL', { kid: "x' UNION SELECT 'k1" }, 'TOKEN_KEY'],
    ['a kid in other case', { kid: 'K1' }, 'TOKEN_KEY'],
  ];
  for (const [name, header, code] of headers) {
    test(name, async () => {
      const f = await fixture();
      const key = header.kid === undefined ? undefined : await f.privateKey();
      assert.equal(codeOf(await f.send({}, header, key)), code);
    });
  }

  test('one that another key signed', async () => {
    const f = await fixture();
    const { privateKey } = await generateKeyPair('ES256');
    assert.equal(codeOf(await f.send({}, {}, privateKey)), 'TOKEN_SIGNATURE');
  });

  test('one that brings its own key along, in the header or behind a link', async () => {
    const f = await fixture();
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = JSON.parse(JSON.stringify(await crypto.subtle.exportKey('jwk', publicKey)));
    for (const header of [{ jwk }, { jku: 'https://evil.example/jwks' }, { x5u: 'https://evil.example/x5' }]) {
      assert.equal(codeOf(await f.send({}, header, privateKey)), 'TOKEN_SIGNATURE');
    }
    assert.deepEqual([...new Set(f.issuer.asked)], [DISCOVERY, JWKS], 'nothing else was fetched');
  });

  test('alg none, however it is written', async () => {
    const f = await fixture();
    for (const alg of ['none', 'None', 'NONE', '']) {
      const token = `${encode({ alg, kid: 'k1' })}.${encode(f.claims())}.`;
      assert.ok(['TOKEN_ALGORITHM', 'TOKEN_MALFORMED'].includes(codeOf(await f.identity.authenticate(token))), alg);
    }
  });

  test('HS256 with the public key as its secret', async () => {
    const f = await fixture();
    await f.issuer.addKey('rsa', 'RS256');
    const jwk = f.issuer.keys.find((key) => key.kid === 'rsa') ?? {};
    const pem = await exportSPKI((await importJWK(jwk, 'RS256', { extractable: true })) as CryptoKey);
    const token = await f.send({}, { alg: 'HS256', kid: 'rsa' }, new TextEncoder().encode(pem));
    assert.equal(codeOf(token), 'TOKEN_ALGORITHM');
  });

  test('a shared secret that the issuer published by mistake', async () => {
    const f = await fixture();
    const secret = new Uint8Array(32).fill(7);
    f.issuer.keys.push({ kty: 'oct', kid: 'oct', k: base64url.encode(secret), alg: 'HS256' });
    assert.equal(codeOf(await f.send({}, { alg: 'HS256', kid: 'oct' }, secret)), 'TOKEN_ALGORITHM');
  });

  test('ES256 by the name of a P-384 key', async () => {
    const f = await fixture();
    await f.issuer.addKey('p384', 'ES384');
    delete f.issuer.keys.find((key) => key.kid === 'p384')?.alg;
    assert.equal(codeOf(await f.send({}, { alg: 'ES256', kid: 'p384' }, await f.privateKey())), 'TOKEN_KEY');
  });

  test("an algorithm that is not on the issuer's list", async () => {
    const f = await fixture({ algorithms: ['RS256'] });
    assert.equal(codeOf(await f.send()), 'TOKEN_ALGORITHM');
  });

  test('one without kid where several keys could fit', async () => {
    const f = await fixture();
    await f.issuer.addKey('k2');
    const { kid: _, ...rest } = { kid: 'k1', alg: 'ES256' };
    const token = `${encode(rest)}.${encode(f.claims())}.${'A'.repeat(86)}`;
    assert.equal(codeOf(await f.identity.authenticate(token)), 'TOKEN_KEY');
  });

  test('one changed by a character, anywhere', async () => {
    const f = await fixture();
    const token = await f.issuer.token(f.claims());
    for (let i = 0; i < token.length; i += 7) {
      const other = token[i] === 'A' ? 'B' : 'A';
      const changed = `${token.slice(0, i)}${other}${token.slice(i + 1)}`;
      assert.equal((await f.identity.authenticate(changed)).kind, 'refused', `at ${i}`);
    }
  });

  for (const text of [
    '',
    'x',
    '..',
    'a.b.c',
    'a.b.c.d.e',
    '\0',
    'e30.e30.',
    `${'A'.repeat(20_000)}.e30.x`,
    'e30.bnVsbA.x',
  ]) {
    test(`what is no token: ${JSON.stringify(text.slice(0, 20))}`, async () => {
      const f = await fixture();
      assert.equal(codeOf(await f.identity.authenticate(text)), 'TOKEN_MALFORMED');
      assert.deepEqual(f.issuer.asked, []);
    });
  }

  test('an access token that cannot be told from an ID token, where both have one audience', async () => {
    const f = await fixture({ clientId: 'hoop-gateway' });
    assert.equal(codeOf(await f.send()), 'TOKEN_TYPE');
    assert.equal((await f.send({}, { typ: 'at+jwt' })).kind, 'authenticated');
  });
});

describe('with use: idToken', () => {
  const idToken = { use: 'idToken', clientId: 'hoopctl' } as const;

  test('an ID token for our client is taken', async () => {
    const f = await fixture(idToken);
    assert.equal((await f.send({ aud: 'hoopctl', nonce: 'n', at_hash: 'h' })).kind, 'authenticated');
    assert.equal((await f.send({ aud: ['hoopctl', 'other'], azp: 'hoopctl' })).kind, 'authenticated');
  });

  const refused: readonly [string, Record<string, unknown>, Partial<JWTHeaderParameters>, string][] = [
    ["another client's", { aud: 'other' }, {}, 'TOKEN_AUDIENCE'],
    ['the access token', { aud: 'hoopctl' }, { typ: 'at+jwt' }, 'TOKEN_TYPE'],
    ["one for the gateway's audience", { aud: 'hoop-gateway' }, {}, 'TOKEN_AUDIENCE'],
    ["several clients' without azp", { aud: ['hoopctl', 'other'] }, {}, 'TOKEN_AUDIENCE'],
    ['one that another client asked for', { aud: 'hoopctl', azp: 'other' }, {}, 'TOKEN_AUDIENCE'],
  ];
  for (const [name, claims, header, code] of refused) {
    test(`${name} is not`, async () => {
      const f = await fixture(idToken);
      assert.equal(codeOf(await f.send(claims, header)), code);
    });
  }
});

describe('several issuers', () => {
  test('never vouch for each other: each has its own keys', async () => {
    const a = await startFakeIssuer('https://a.example');
    const b = await startFakeIssuer('https://b.example');
    const identity = createIdentity({
      issuers: [config({ issuer: a.issuer, prefix: 'a:' }), config({ issuer: b.issuer, prefix: 'b:' })],
      clock: new FakeClock(),
      fetch: (input, init) => (String(input).startsWith(a.issuer) ? a.fetch(input, init) : b.fetch(input, init)),
    });
    const now = Math.floor(new FakeClock().now() / 1000);
    const claims = { sub: 'x', aud: 'hoop-gateway', iat: now, exp: now + 60 };
    assert.equal(codeOf(await identity.authenticate(await b.token({ ...claims, iss: a.issuer }))), 'TOKEN_SIGNATURE');
    const own = await identity.authenticate(await b.token({ ...claims, iss: b.issuer }));
    assert.equal(own.kind === 'authenticated' && own.principal.name, 'b:x');
  });

  const wrong: readonly [string, Partial<IssuerConfig>[], string][] = [
    ['without prefix and trust', [{}, { issuer: 'https://b.example', prefix: 'b:' }], 'ISSUERS_AMBIGUOUS'],
    ['with an empty prefix', [{ prefix: '' }, { issuer: 'https://b.example', prefix: 'b:' }], 'ISSUERS_AMBIGUOUS'],
    ['with one prefix', [{ prefix: 'a:' }, { issuer: 'https://b.example', prefix: 'a:' }], 'ISSUERS_AMBIGUOUS'],
    [
      'one prefix beginning another',
      [{ prefix: 'a' }, { issuer: 'https://b.example', prefix: 'ab' }],
      'ISSUERS_AMBIGUOUS',
    ],
    ['twice the same', [{ prefix: 'a:' }, { prefix: 'b:' }], 'ISSUERS_AMBIGUOUS'],
  ];
  for (const [name, configs, code] of wrong) {
    test(`are refused at load: ${name}`, () => {
      assert.throws(() => createIdentity({ issuers: configs.map(config), clock: new FakeClock() }), { code });
    });
  }
});

describe('an issuer is refused at load:', () => {
  const wrong: readonly [string, Partial<IssuerConfig>, string][] = [
    ['http on another machine', { issuer: 'http://idp.example' }, 'ISSUER_URL'],
    ['no address', { issuer: 'idp' }, 'ISSUER_URL'],
    ['a login in its address', { issuer: 'https://a:b@idp.example' }, 'ISSUER_URL'],
    ['keys over http', { jwksUri: 'http://idp.example/keys' }, 'ISSUER_URL'],
    ['HS256', { algorithms: ['RS256', 'HS256'] }, 'ISSUER_ALGORITHM'],
    ['none', { algorithms: ['none'] }, 'ISSUER_ALGORITHM'],
    ['no algorithm at all', { algorithms: [] }, 'ISSUER_ALGORITHM'],
    ['ID tokens without clientId', { use: 'idToken' }, 'ISSUER_CLIENT'],
  ];
  for (const [name, change, code] of wrong) {
    test(name, () =>
      assert.throws(() => createIdentity({ issuers: [config(change)], clock: new FakeClock() }), { code }),
    );
  }
});

test("the ID token of the gateway's own login is verified as one, whatever use says", async () => {
  const f = await fixture({ clientId: 'hoopctl' });
  const now = f.seconds();
  const token = await f.issuer.token({ ...f.claims(), aud: 'hoopctl', auth_time: now, nonce: 'n' });
  assert.deepEqual(await f.identity.signIn(f.issuer.issuer, token), {
    kind: 'signIn',
    subject: 'sub-1',
    issuedAt: now * 1000,
    expiresAt: (now + 300) * 1000,
    authTime: now * 1000,
    nonce: 'n',
  });
  assert.equal(codeOf(await f.identity.signIn(f.issuer.issuer, await f.issuer.token(f.claims()))), 'TOKEN_AUDIENCE');
  assert.equal(codeOf(await f.identity.signIn('https://other.example', token)), 'TOKEN_ISSUER');
});

async function fixture(change: Partial<IssuerConfig> = {}) {
  const issuer: FakeIssuer = await startFakeIssuer();
  const clock = new FakeClock();
  const identity = createIdentity({ issuers: [config(change)], clock, fetch: issuer.fetch });
  const seconds = () => Math.floor(clock.now() / 1000);
  const claims = () => ({
    iss: issuer.issuer,
    sub: 'sub-1',
    aud: 'hoop-gateway',
    iat: seconds(),
    exp: seconds() + 300,
  });
  return {
    issuer,
    clock,
    identity,
    seconds,
    claims,
    privateKey: async () => (await generateKeyPair('ES256')).privateKey,
    async send(
      extra: Record<string, unknown> = {},
      header: Partial<JWTHeaderParameters> = {},
      key?: CryptoKey | Uint8Array,
    ) {
      return await identity.authenticate(await issuer.token({ ...claims(), ...extra }, header, key));
    },
  };
}

function config(change: Partial<IssuerConfig> = {}): IssuerConfig {
  return { issuer: 'https://idp.example', audience: 'hoop-gateway', use: 'accessToken', ...change };
}

function codeOf(result: Authenticated | { kind: string; code?: string }): string {
  return 'code' in result ? String(result.code) : result.kind;
}

function encode(value: unknown): string {
  return base64url.encode(JSON.stringify(value));
}

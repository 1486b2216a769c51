/** What gateway.yaml says about an HTTP target is taken whole, or refused with every mistake in it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSettings } from '../../../src/protocols/http/settings.ts';

const GOOD = { address: 'https://api.internal:8443/base', account: { bearer: { env: 'T' } } };

function settingsOf(more: Record<string, unknown> = {}) {
  const read = readSettings({ ...GOOD, ...more });
  assert.deepEqual(read.ok ? [] : read.problems, []);
  assert.ok(read.ok);
  return read;
}

function problemsOf(more: Record<string, unknown>): string[] {
  const read = readSettings({ ...GOOD, ...more });
  return read.ok ? [] : read.problems.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

test('an address and an account are enough', () => {
  const { settings, account, address, secrets } = settingsOf();
  assert.deepEqual(address, { host: 'api.internal', port: 8443 });
  assert.equal(account, 'bearer');
  assert.deepEqual(secrets, { secret: { env: 'T' } });
  assert.deepEqual(settings.origin, { scheme: 'https', host: 'api.internal', port: 8443 });
  assert.equal(settings.basePath, '/base');
  assert.deepEqual(settings.credential, { kind: 'bearer', secret: 'secret' });
  assert.equal(settings.version, 'auto');
  assert.equal(settings.content, 'full');
  assert.equal(settings.body, 1024 * 1024);
  assert.equal(settings.described, false);
  assert.deepEqual([settings.headers.size, settings.origins.size, settings.prices.length], [0, 0, 0]);
});

for (const [address, origin, basePath] of [
  ['https://api.internal', { scheme: 'https', host: 'api.internal', port: 443 }, ''],
  ['https://API.Internal/', { scheme: 'https', host: 'api.internal', port: 443 }, ''],
  ['https://api.internal/a/b/', { scheme: 'https', host: 'api.internal', port: 443 }, '/a/b'],
  ['http://127.0.0.1:8080', { scheme: 'http', host: '127.0.0.1', port: 8080 }, ''],
  ['http://localhost', { scheme: 'http', host: 'localhost', port: 80 }, ''],
  ['http://[::1]:9', { scheme: 'http', host: '::1', port: 9 }, ''],
] as const)
  test(`${address} is an address`, () => {
    const { settings } = settingsOf({ address });
    assert.deepEqual([settings.origin, settings.basePath], [origin, basePath]);
  });

for (const [address, expected] of [
  [undefined, /an address is needed/],
  ['api.internal:8443', /is no address/],
  ['ftp://api.internal', /is no address/],
  ['http://api.internal', /not encrypted, and not on this machine/],
  ['http://127.0.0.1.evil.example', /not encrypted/],
  ['http://localhost.evil.example', /not encrypted/],
  ['https://user:hunter2@api.internal', /holds no user and no password/],
  ['https://api.internal?x=1', /ends with its path/],
  ['https://api.internal/#x', /ends with its path/],
  ['https://api.internal:0', /has no such port/],
  ['https://api.internal:65536', /has no such port/],
  ['https://api.internal/a/../b', /leads elsewhere/],
  ['https://api.internal/a//b', /is no address/],
  ['https://api.internal/a;b', /is no address/],
  ['https://api.internal/%2e%2e', /is no address/],
  ['https://api.internal\\@evil.example', /is no address|no user/],
  ['https://bücher.example', /is no address/],
] as const)
  test(`${address} is no address`, () => {
    const [problem] = problemsOf({ address });
    assert.match(problem!, expected);
    assert.doesNotMatch(problem!, /hunter2/);
  });

const KEY = { env: 'K' };
for (const [account, name, credential, secrets] of [
  [{ none: true }, 'none', { kind: 'none' }, {}],
  [{ bearer: KEY, user: 'bot' }, 'bot', { kind: 'bearer', secret: 'secret' }, { secret: KEY }],
  [
    { header: { name: 'X-Api-Key', value: KEY } },
    'X-Api-Key',
    { kind: 'header', name: 'X-Api-Key', secret: 'secret' },
    { secret: KEY },
  ],
  [{ query: { name: 'key', value: KEY } }, 'key', { kind: 'query', name: 'key', secret: 'secret' }, { secret: KEY }],
  [{ basic: { user: 'u', password: KEY } }, 'u', { kind: 'basic', user: 'u', secret: 'secret' }, { secret: KEY }],
  [
    {
      sigv4: {
        ...{ accessKeyId: 'AKIA1', secretAccessKey: KEY, sessionToken: { file: 'S' } },
        ...{ region: 'eu-central-1', service: 'execute-api' },
      },
    },
    'AKIA1',
    {
      ...{ kind: 'sigv4', accessKeyId: 'AKIA1', region: 'eu-central-1', service: 'execute-api', secret: 'secret' },
      sessionToken: 'sessionToken',
    },
    { secret: KEY, sessionToken: { file: 'S' } },
  ],
  [
    { oauth2: { tokenUrl: 'https://idp.example/token', clientId: 'hoop', clientSecret: KEY, scopes: ['a', 'b'] } },
    'hoop',
    {
      ...{ kind: 'oauth2', tokenUrl: 'https://idp.example/token', clientId: 'hoop', secret: 'secret' },
      ...{ scopes: ['a', 'b'], auth: 'basic' },
    },
    { secret: KEY },
  ],
] as const)
  test(`an account may be ${credential.kind}`, () => {
    const read = settingsOf({ account });
    assert.deepEqual([read.account, read.settings.credential, read.secrets], [name, credential, secrets]);
  });

test('a certificate stands alone or beside another', () => {
  const certificate = { cert: { file: './c.pem' }, key: { file: './k.pem' } };
  const alone = settingsOf({ account: { certificate } });
  assert.deepEqual(alone.settings.credential, { kind: 'none' });
  assert.deepEqual(alone.settings.certificate, { cert: 'certificate', key: 'key' });
  const both = settingsOf({ account: { certificate, bearer: KEY } });
  assert.deepEqual(both.secrets, { secret: KEY, certificate: { file: './c.pem' }, key: { file: './k.pem' } });
  assert.match(problemsOf({ address: 'http://localhost', account: { certificate } })[0]!, /over TLS only/);
});

for (const [what, account, expected] of [
  ['no account', undefined, /account: an account is needed/],
  ['one that says nothing', { user: 'bot' }, /says nothing of how/],
  ['two kinds', { bearer: KEY, basic: { user: 'u', password: KEY } }, /one of bearer and basic/],
  ['an unknown kind', { password: KEY }, /account\.password: an account has no "password"/],
  ['a credential in clear text', { bearer: 'hunter2' }, /account\.bearer: a credential may not stand here in clear/],
  ['a value in clear text', { header: { name: 'X-Key', value: 'hunter2' } }, /header\.value: a credential may not/],
  ['a secret key in clear text', { sigv4: { secretAccessKey: 'hunter2' } }, /secretAccessKey: a credential may not/],
  ['a client secret in clear text', { oauth2: { clientSecret: 'hunter2' } }, /clientSecret: a credential may not/],
  ['a header that frames', { header: { name: 'Content-Length', value: KEY } }, /no header that a credential/],
  ['a header that is none', { header: { name: 'X Key', value: KEY } }, /its name is needed/],
  ['a user with a colon', { basic: { user: 'a:b', password: KEY } }, /without a colon/],
  ['no region', { sigv4: { accessKeyId: 'A', secretAccessKey: KEY, service: 's' } }, /region is needed/],
  ['a token URL in the clear', { oauth2: { tokenUrl: 'http://idp.example/t', clientSecret: KEY } }, /not encrypted/],
  ['none that is not true', { none: false }, /none is true/],
  ['a certificate without its key', { certificate: { cert: KEY } }, /certificate\.key: a reference/],
] as const)
  test(`${what} is refused and not repeated`, () => {
    const problems = problemsOf({ account }).join('\n');
    assert.match(problems, expected);
    assert.doesNotMatch(problems, /hunter2/);
  });

for (const [what, more, expected] of [
  ['an unknown key', { adress: 'x' }, /adress: an http target has no "adress"/],
  ['TLS that is not verified', { tls: { insecure: true } }, /tls\.insecure: tls has no "insecure"/],
  ['a version that is not spoken', { version: '3' }, /version is one of auto, 1\.1, 2/],
  [
    'an address that says /v1 where the preset does',
    { preset: 'openai', address: 'https://api.openai.com/v1' },
    /begin with \/v1 themselves/,
  ],
  ['a preset nobody knows', { preset: 'mistral' }, /preset is one of openai, anthropic/],
  ['content nobody knows', { content: 'some' }, /content is one of full, masked, none/],
  ['a header that is the gateway’s', { headers: ['X-A', 'Authorization'] }, /headers\.1: "Authorization" of a client/],
  ['a header that overrides the method', { headers: ['X-HTTP-Method-Override'] }, /never passes/],
  ['a header that is another path', { headers: ['X-Original-URL'] }, /never passes/],
  ['a header that is no token', { headers: ['X A'] }, /headers is a list/],
  ['an origin with a path', { origins: ['https://app.example/'] }, /origins is a list/],
  ['any origin', { origins: ['*'] }, /origins is a list/],
  ['a body that is no amount', { body: 'much' }, /body is an amount/],
  ['a body that is too large to hold', { body: '65MiB' }, /at most 64MiB/],
  ['a price without output', { prices: { 'gpt-5*': { input: 1 } } }, /a price has input and output/],
  ['a negative price', { prices: { a: { input: -1, output: 1 } } }, /not negative/],
  ['a star in the middle', { prices: { 'a*b': { input: 1, output: 1 } } }, /no name of models/],
  ['a route without a path', { routes: [{ method: 'GET' }] }, /routes\.0\.path: a route has a path/],
  ['a route that is relative', { routes: [{ path: 'v1' }] }, /begins with "\/"/],
  ['a method in small letters', { routes: [{ path: '/a', method: 'get' }] }, /is no method/],
  ['a method that is never let through', { routes: [{ path: '/a', method: 'TRACE' }] }, /is no method/],
  ['an effect nobody knows', { routes: [{ path: '/a', effects: ['harmless'] }] }, /effects is a list/],
  ['a fact with a dot', { routes: [{ path: '/a', json: { 'a.b': '/a' } }] }, /no name for a fact/],
  ['a pointer that is none', { routes: [{ path: '/a', json: { a: 'a' } }] }, /JSON pointer/],
  ['an upgrade that is not known', { routes: [{ path: '/a', upgrade: 'spdy' }] }, /upgrade is websocket/],
  ['a key that routes do not have', { routes: [{ path: '/a', effect: ['read'] }] }, /a route has no "effect"/],
  [
    'routes that cross',
    { routes: [{ path: '/a/{b}' }, { path: '/{a}/b' }] },
    /routes\.1\.path: "\/\{a\}\/b" and "\/a\/\{b\}" stand for the same paths/,
  ],
  ['a route twice', { routes: [{ path: '/a/{b}' }, { path: '/a/{c}/' }] }, /stand for the same paths/],
  ['a document that is not there', { openapi: '/nowhere/api.yaml' }, /openapi: .* there is no such file/],
] as const)
  test(`${what} is refused`, () => {
    assert.match(problemsOf(more).join('\n'), expected);
  });

test('all problems are told at once', () => {
  assert.equal(problemsOf({ address: 'nowhere', account: {}, version: '0', body: -1 }).length, 4);
});

test('headers that pass are kept in small letters, and an authority by its file', () => {
  const { settings } = settingsOf({
    headers: ['X-Api-Version'],
    tls: { ca: { file: '/etc/ca.pem' }, serverName: 'api' },
  });
  assert.deepEqual([...settings.headers], ['x-api-version']);
  assert.deepEqual(settings.tls, { ca: '/etc/ca.pem', serverName: 'api' });
});

test('what goes to a model is recorded masked unless it is said otherwise', () => {
  assert.equal(settingsOf({ preset: 'openai' }).settings.content, 'masked');
  assert.equal(settingsOf({ preset: 'openai', content: 'none' }).settings.content, 'none');
});

test('a preset describes its API', () => {
  const { settings } = settingsOf({ preset: 'anthropic' });
  assert.ok(settings.described);
  assert.equal(settings.routes.find('POST', ['v1', 'messages'])?.name, 'createMessage');
});

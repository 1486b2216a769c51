/** An OpenAPI document becomes routes, or is refused with what is wrong in it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ROUTES } from '../../../src/api/index.ts';
import { openapi } from '../../../src/api/openapi.ts';
import type { Address } from '../../../src/protocols/http/address.ts';
import { readOpenApi } from '../../../src/protocols/http/openapi.ts';
import { readSettings } from '../../../src/protocols/http/settings.ts';

const ADDRESS: Address = { origin: { scheme: 'https', host: 'api.example', port: 443 }, path: '' };

function routesOf(document: unknown, address = ADDRESS): string[] {
  const read = readOpenApi(typeof document === 'string' ? document : JSON.stringify(document), address);
  assert.deepEqual(read.ok ? [] : read.problems, []);
  assert.ok(read.ok);
  return read.routes.map(({ method, template, name, effects }) =>
    [method, template.text, name, effects && `[${[...effects]}]`].filter((word) => word !== undefined).join(' '),
  );
}

function problemsOf(document: unknown, address = ADDRESS): string {
  const read = readOpenApi(typeof document === 'string' ? document : JSON.stringify(document), address);
  return read.ok ? '' : read.problems.map(({ message }) => message).join('\n');
}

const doc = (paths: unknown, more: Record<string, unknown> = {}) => ({
  ...{ openapi: '3.1.0', info: { title: 'A', version: '1' }, paths },
  ...more,
});
const GET = { get: { operationId: 'a', responses: {} } };

test('paths, methods, names and effects are read from YAML', () => {
  const text = `openapi: 3.0.3
info: { title: Billing, version: '1' }
paths:
  /v1/refunds/{id}:
    parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
    get: { operationId: getRefund, responses: { '200': { description: it } } }
    post:
      operationId: refund
      x-hoop-effects: [write, execute]
      responses: {}
    trace: { responses: {} }
  x-internal: anything
`;
  assert.deepEqual(routesOf(text), ['GET /v1/refunds/{id} getRefund', 'POST /v1/refunds/{id} refund [write,execute]']);
});

test('a document may be JSON, of 3.0 or 3.1', () => {
  for (const openapi of ['3.0.0', '3.0.4', '3.1.0', '3.1.1'])
    assert.deepEqual(routesOf({ ...doc({ '/a': GET }), openapi }), ['GET /a a']);
});

for (const [what, document, expected] of [
  ['another version', { ...doc({}), openapi: '3.2.0' }, /of version 3\.2\.0, which is not read/],
  ['a version of the future', { ...doc({}), openapi: '4.0.0' }, /of version 4\.0\.0/],
  ['a version that YAML took for a number', 'openapi: 3.1\npaths: {}', /says no version/],
  ['Swagger', { swagger: '2.0', paths: {} }, /version 2 \(Swagger\)/],
  ['no version', { paths: {} }, /says no version/],
  ['no document', '[]', /no OpenAPI document/],
  ['no YAML', '{', /neither JSON nor YAML/],
  ['a key twice', '{"openapi":"3.1.0","paths":{"/a":{"get":{},"get":{}}}}', /neither JSON nor YAML/],
  ['no paths', { openapi: '3.1.0' }, /it has no paths/],
  ['a path that is no mapping', doc({ '/a': [] }), /paths "\/a" is no mapping/],
  ['an operation that is no mapping', doc({ '/a': { get: true } }), /GET "\/a" is no mapping/],
  ['a path with a query', doc({ '/a?b={c}': GET }), /holds no blanks and none of/],
  ['a path that leads elsewhere', doc({ '/a/../b': GET }), /no "\." and no "\.\."/],
  ['our own **', doc({ '/a/**': GET }), /"\*\*" is nothing that OpenAPI has/],
  ['effects nobody knows', doc({ '/a': { get: { 'x-hoop-effects': ['harmless'] } } }), /x-hoop-effects is a list/],
  ['no effects', doc({ '/a': { get: { 'x-hoop-effects': [] } } }), /x-hoop-effects is a list/],
  ['a reference to another file', doc({ '/a': { $ref: 'b.yaml#/a' } }), /\$ref leads out of the file/],
  ['a reference to the web', doc({ '/a': { $ref: 'https://evil.example/a' } }), /\$ref leads out of the file/],
  ['a reference to nothing', doc({ '/a': { $ref: '#/components/pathItems/b' } }), /leads nowhere/],
  ['a reference to itself', doc({ '/a': { $ref: '#/paths/~1a' } }), /round and round/],
  ['paths that cross', doc({ '/{a}/b': GET, '/a/{b}': GET }), /GET "\/\{a\}\/b" and "\/a\/\{b\}" stand for the same/],
  [
    'one path twice, that does two things',
    doc({ '/{a}': GET, '/{b}': { get: { 'x-hoop-effects': ['delete'] } } }),
    /stand for the same paths/,
  ],
  ['a server without a URL', doc({ '/a': GET }, { servers: [{}] }), /a server has no url/],
  ['a server that is no URL', doc({ '/a': GET }, { servers: [{ url: 'ftp://x' }] }), /no URL of a server/],
  ['a server’s variable without a default', doc({ '/a': GET }, { servers: [{ url: '/{v}' }] }), /"v" has no default/],
] as const)
  test(`${what} is refused`, () => {
    assert.match(problemsOf(document), expected);
  });

test('an anchor that unfolds without end is refused', () => {
  const lines = ['openapi: 3.1.0', 'paths: {}', 'a0: &a0 [x, x, x, x, x, x, x, x, x]'];
  for (let n = 1; n < 12; n++)
    lines.push(`a${n}: &a${n} [${Array.from({ length: 9 }, () => `*a${n - 1}`).join(', ')}]`);
  assert.match(problemsOf(lines.join('\n')), /far larger than it looks/);
});

test('paths that cross are no matter where their methods differ', () => {
  assert.equal(routesOf(doc({ '/{a}/b': GET, '/a/{b}': { post: {} } })).length, 2);
});

test('a path with and without a slash at its end is one', () => {
  assert.deepEqual(routesOf(doc({ '/a': GET, '/a/': GET })), ['GET /a a']);
});

test('a path item may be a reference within the file, and 3.1 lets fields stand beside it', () => {
  const components = { pathItems: { 'a/b': GET } };
  const paths = { '/a': { $ref: '#/components/pathItems/a~1b', 'x-hoop-effects': ['execute'] } };
  assert.deepEqual(routesOf(doc(paths, { components })), ['GET /a a [execute]']);
});

test('effects of a path are those of its operations that have none', () => {
  const item = { 'x-hoop-effects': ['execute'], get: {}, post: { 'x-hoop-effects': ['read'] } };
  assert.deepEqual(routesOf(doc({ '/a': item })), ['GET /a [execute]', 'POST /a [read]']);
});

const below = (path: string) => ({ ...ADDRESS, path });
for (const [what, servers, address, expected] of [
  ['none', undefined, ADDRESS, ['/a']],
  ['none, behind a base', undefined, below('/base'), ['/a']],
  ['one with a path', [{ url: 'https://api.example/v1' }], ADDRESS, ['/v1/a']],
  ['one with a slash at its end', [{ url: '/v1/' }], ADDRESS, ['/v1/a']],
  ['the address itself', [{ url: 'https://api.example/base' }], below('/base'), ['/a']],
  ['one below the address', [{ url: '/base/v1' }], below('/base'), ['/v1/a']],
  ['the root', [{ url: '/' }], below('/base'), ['/a']],
  ['several hosts', [{ url: 'https://a.example/v1' }, { url: 'https://b.example/v2' }], ADDRESS, ['/v1/a', '/v2/a']],
  [
    'several, one of them ours',
    [{ url: 'https://x.example/v9' }, { url: 'https://API.example:443/v1' }],
    ADDRESS,
    ['/v1/a'],
  ],
  ['a variable', [{ url: '/{v}', variables: { v: { default: 'v1' } } }], ADDRESS, ['/v1/a']],
  [
    'a variable of several values',
    [{ url: '/{v}', variables: { v: { default: 'v1', enum: ['v1', 'v2'] } } }],
    ADDRESS,
    ['/v1/a', '/v2/a'],
  ],
] as const)
  test(`paths count from the servers: ${what}`, () => {
    const paths = routesOf(doc({ '/a': GET }, servers ? { servers } : {}), address);
    assert.deepEqual(
      paths,
      expected.map((path) => `GET ${path} a`),
    );
  });

test('an operation’s servers are before its path’s, and those before the document’s', () => {
  const item = { servers: [{ url: '/item' }], get: { servers: [{ url: '/operation' }] }, post: {} };
  assert.deepEqual(routesOf(doc({ '/a': item, '/b': { get: {} } }, { servers: [{ url: '/all' }] })), [
    'GET /operation/a',
    'POST /item/a',
    'GET /all/b',
  ]);
});

test('servers that are not below the address are refused', () => {
  assert.match(
    problemsOf(doc({ '/a': GET }, { servers: [{ url: '/v1' }] }), below('/base')),
    /do not begin with the "\/base"/,
  );
});

const folder = mkdtempSync(join(tmpdir(), 'hoop-openapi-'));
after(() => rmSync(folder, { recursive: true }));

test('a target takes its routes from the file it names', () => {
  const openapi = join(folder, 'api.json');
  writeFileSync(openapi, JSON.stringify(doc({ '/a': GET })));
  const read = readSettings({ address: 'https://api.example', account: { none: true }, openapi });
  assert.ok(read.ok);
  assert.ok(read.settings.described);
  assert.equal(read.settings.routes.find('GET', ['a'])?.name, 'a');
  assert.equal(read.settings.routes.find('POST', ['a']), undefined);
});

test('a document with mistakes is refused with its name, and one that is no text too', () => {
  for (const [content, expected] of [
    ['openapi: 2', /api\.bad": it says no version/],
    [Buffer.from([0xff, 0xfe, 0x7b]), /api\.bad": is not in UTF-8/],
  ] as const) {
    const openapi = join(folder, 'api.bad');
    writeFileSync(openapi, content);
    const read = readSettings({ address: 'https://api.example', account: { none: true }, openapi });
    assert.ok(!read.ok);
    assert.match(read.problems[0]!.message, expected);
  }
});

test('the description of the gateway’s own API becomes its routes', () => {
  const paths = routesOf(openapi(ROUTES, '1.0.0'));
  assert.ok(paths.length > 30);
  assert.ok(
    paths.some((path) => path.startsWith('POST /v1/approvals/{id}/decision')),
    paths.join('\n'),
  );
});

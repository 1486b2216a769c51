/** Paths fall under the template that describes them most exactly, and several sources add up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Effect } from '../../../src/domain/command.ts';
import { ambiguities, isAmbiguous } from '../../../src/protocols/http/ambiguity.ts';
import { createRouteTable, type Route } from '../../../src/protocols/http/routes.ts';
import {
  compareTemplates,
  readTemplate,
  type Template,
  templateMatches,
} from '../../../src/protocols/http/template.ts';

function template(text: string): Template {
  const read = readTemplate(text);
  assert.ok(!('problem' in read), JSON.stringify(read));
  return read;
}

function route(path: string, more: Partial<Route> & { does?: readonly Effect[] } = {}): Route {
  const { does, ...rest } = more;
  return { template: template(path), json: new Map(), ...(does && { effects: new Set(does) }), ...rest };
}

const pathOf = (path: string) => path.split('/').slice(1);
const templateOf = (routes: readonly Route[], path: string, method = 'GET') =>
  createRouteTable([routes], false).find(method, pathOf(path))?.template.text;

for (const [text, path, matches] of [
  ['/a', '/a', true],
  ['/a', '/A', false],
  ['/a/', '/a', true],
  ['/a/{b}', '/a/b', true],
  ['/a/{b}', '/a', false],
  ['/a/{b}', '/a/b/c', false],
  ['/a/{b}.json', '/a/7.json', true],
  ['/a/{b}.json', '/a/.json', false],
  ['/a/{b}...{c}', '/a/x...y', true],
  ['/a/{b}...{c}', '/a/x..y', false],
  ['/a/{b}{c}', '/a/xy', true],
  ['/a/{b}{c}', '/a/x', false],
  ['/a/{b}:cancel', '/a/7:cancel', true],
  ['/a/%C3%BC', '/a/ü', true],
  ['/a/**', '/a/b', true],
  ['/a/**', '/a/b/c/d', true],
  ['/a/**', '/a', false],
  ['/**', '/a', true],
] as const)
  test(`${text} ${matches ? 'stands' : 'does not stand'} for ${path}`, () => {
    assert.equal(templateMatches(template(text), pathOf(path)), matches);
  });

for (const text of [
  'a',
  '/a//b',
  '/a/../b',
  '/a/*/b',
  '/a/{b',
  '/a/b}',
  '/a/**/b',
  '/a?b',
  '/a#b',
  '/a;b',
  '/a\\b',
  '/a/%zz',
  '/a/%2f',
  '/a b',
])
  test(`${text} is no template`, () => {
    assert.ok('problem' in readTemplate(text));
  });

for (const [a, b, order] of [
  ['/a', '/b', 'apart'],
  ['/a', '/a/b', 'apart'],
  ['/a/{x}', '/a/{y}', 'same'],
  ['/a/b', '/a/{x}', 'narrower'],
  ['/a/{x}', '/a/{x}.json', 'wider'],
  ['/a/{x}', '/{y}/b', 'crossing'],
  ['/a/**', '/a/{x}', 'wider'],
  ['/a/**', '/a', 'apart'],
  ['/a/b/**', '/a/**', 'narrower'],
  ['/a/{x}/**', '/{y}/b/**', 'crossing'],
  ['/a/{x}.json', '/a/{x}.xml', 'apart'],
  ['/a/b{x}', '/a/{x}b', 'crossing'],
  ['/a/bc{x}', '/a/b{x}', 'narrower'],
  ['/a/7.json', '/a/{x}.json', 'narrower'],
] as const)
  test(`${a} is ${order} beside ${b}`, () => {
    assert.equal(compareTemplates(template(a), template(b)), order);
    const other = { narrower: 'wider', wider: 'narrower' } as const;
    assert.equal(compareTemplates(template(b), template(a)), other[order as 'wider'] ?? order);
  });

test('the narrowest template is the one, in whatever order they come', () => {
  const routes = ['/**', '/pets/**', '/pets/{id}', '/pets/mine', '/{kind}/{id}', '/pets/{id}.json'].map((path) =>
    route(path),
  );
  for (const list of [routes, routes.toReversed()]) {
    assert.equal(templateOf(list, '/pets/mine'), '/pets/mine');
    assert.equal(templateOf(list, '/pets/7.json'), '/pets/{id}.json');
    assert.equal(templateOf(list, '/pets/7'), '/pets/{id}');
    assert.equal(templateOf(list, '/dogs/7'), '/{kind}/{id}');
    assert.equal(templateOf(list, '/pets/7/owner'), '/pets/**');
    assert.equal(templateOf(list, '/x/y/z'), '/**');
  }
});

test('a route for one method is before one for all, and none is one of another', () => {
  const routes = [route('/a', { name: 'all' }), route('/a', { name: 'get', method: 'GET' })];
  const table = createRouteTable([routes], false);
  assert.equal(table.find('GET', ['a'])?.name, 'get');
  assert.equal(table.find('POST', ['a'])?.name, 'all');
  assert.equal(createRouteTable([[route('/a', { method: 'GET' })]], false).find('POST', ['a']), undefined);
});

test('HEAD is described by GET', () => {
  assert.equal(templateOf([route('/a', { method: 'GET' })], '/a', 'HEAD'), '/a');
});

test('routes are ambiguous where neither is more exact and one request may be both', () => {
  assert.ok(isAmbiguous(route('/a/{x}'), route('/{y}/b')));
  assert.ok(isAmbiguous(route('/a/{x}', { method: 'GET' }), route('/{y}/b')));
  assert.ok(!isAmbiguous(route('/a/{x}', { method: 'GET' }), route('/{y}/b', { method: 'PUT' })));
  assert.ok(!isAmbiguous(route('/a/{x}'), route('/a/b')));
});

const find = (own: Route, document: Route, path: string, method = 'POST') =>
  createRouteTable([[own], [document]], true).find(method, pathOf(path));

test('what gateway.yaml says of the same path stands, and the document fills in the rest', () => {
  const own = route('/a/{id}', { does: ['read'], json: new Map([['x', '/own']]) });
  const document = route('/a/{key}', {
    name: 'search',
    method: 'POST',
    does: ['delete'],
    json: new Map([
      ['x', '/d'],
      ['y', '/y'],
    ]),
  });
  const found = find(own, document, '/a/1');
  assert.equal(found?.name, 'search');
  assert.deepEqual([...found!.effects!], ['read']);
  assert.deepEqual(Object.fromEntries(found!.json), { x: '/own', y: '/y' });
});

test('a wide route of gateway.yaml and a narrow one of the document: the request does what both say', () => {
  const narrow = route('/a/purge', { name: 'purge', method: 'POST', does: ['delete'] });
  const found = find(route('/a/**', { does: ['read'] }), narrow, '/a/purge');
  assert.equal(found?.name, 'purge');
  assert.deepEqual([...found!.effects!].sort(), ['delete', 'read']);
});

test('a wide route does not make little of what the document’s method does', () => {
  const found = find(route('/a/**', { does: ['read'] }), route('/a/purge', { method: 'DELETE' }), '/a/purge', 'DELETE');
  assert.deepEqual([...found!.effects!].sort(), ['delete', 'read']);
});

test('a narrow route of gateway.yaml stands against a wide one of the document', () => {
  const found = find(route('/a/b', { does: ['read'] }), route('/a/{x}', { name: 'x', does: ['delete'] }), '/a/b');
  assert.deepEqual([found?.name, ...found!.effects!], [undefined, 'read']);
});

test('a path that differs from a route in capital letters only resembles it', () => {
  const table = createRouteTable([[route('/Admin/{id}', { method: 'GET' })]], false);
  assert.ok(table.resembles(['admin', '7']));
  assert.ok(table.resembles(['ADMIN', '7']));
  assert.ok(!table.resembles(['Admin', '7']));
  assert.ok(!table.resembles(['other', '7']));
});

test('a path of a wide route may resemble a narrow one, and one that is there in both spellings resembles none', () => {
  const table = createRouteTable([[route('/**'), route('/users/{id}'), route('/users/me'), route('/users/ME')]], false);
  assert.ok(table.resembles(['users', 'Me']));
  assert.ok(table.resembles(['Users', '7']));
  for (const path of ['/users/me', '/users/ME', '/users/7', '/other']) assert.ok(!table.resembles(pathOf(path)), path);
});

test('a description of thousands of routes finds the one', () => {
  const routes = Array.from({ length: 3000 }, (_, index) => route(`/v1/r${index}/{id}`, { name: String(index) }));
  assert.equal(createRouteTable([routes], true).find('GET', ['v1', 'r2999', '7'])?.name, '2999');
});

for (const path of [
  '/admin/Keys',
  '/ADMIN/keys',
  '/admin/keys.',
  '/admin/keys ',
  '/admin/keys.json',
  '/admin/\u212aeys',
  '/admin/ｋeys',
])
  test(`${path} resembles /admin/keys`, () => {
    assert.ok(createRouteTable([[route('/admin/keys'), route('/**')]], false).resembles(pathOf(path)));
  });

test('an ending that has a route of its own resembles nothing', () => {
  const table = createRouteTable([[route('/report'), route('/report.csv'), route('/v1/{id}')]], false);
  for (const path of ['/report.csv', '/report', '/v1/a.json']) assert.ok(!table.resembles(pathOf(path)), path);
});

test('a route for just the paths of two that cross settles which it is', () => {
  const crossing = [route('/users/{id}/posts'), route('/users/me/{thing}')];
  assert.equal(ambiguities(crossing).length, 1);
  const settled = [...crossing, route('/users/me/posts', { name: 'mine' })];
  assert.deepEqual(ambiguities(settled), []);
  assert.equal(createRouteTable([settled], false).find('GET', pathOf('/users/me/posts'))?.name, 'mine');
  assert.equal(ambiguities([...crossing, route('/users/me/posts', { method: 'GET' })]).length, 1);
});

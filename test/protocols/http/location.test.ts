/** A redirect inside the target becomes one inside the tunnel; every other one is not told. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { authorityOf, rewriteLocation } from '../../../src/protocols/http/location.ts';

const HERE = { origin: { scheme: 'https', host: 'api.test', port: 8443 }, basePath: '/base' } as const;

const INSIDE: readonly [value: string, told: string][] = [
  ['https://api.test:8443/base/v1/x?a=b#c', '/v1/x?a=b#c'],
  ['HTTPS://API.TEST:8443/base/v1', '/v1'],
  ['//api.test:8443/base/v1', '/v1'],
  ['/base/v1/x%20y', '/v1/x%20y'],
  ['/base', '/'],
  ['/base/', '/'],
  ['/base?x', '/?x'],
  ['x/y', 'x/y'],
  ['?page=2', '?page=2'],
];

const OUTSIDE: readonly [why: string, value: string][] = [
  ['another host', 'https://evil.test/base/x'],
  ['another port', 'https://api.test/base/x'],
  ['another scheme', 'http://api.test:8443/base/x'],
  ['another host without a scheme', '//evil.test/base/x'],
  ['another host behind backslashes', '/\\evil.test/base'],
  ['a host that begins alike', 'https://api.test.evil.test:8443/base/x'],
  ['a user', 'https://me@api.test:8443/base/x'],
  ['a user and a password', 'https://me:pw@api.test:8443/base/x'],
  ['the host as a user', 'https://api.test:8443@evil.test/base/x'],
  ['a path beside the base path', '/other/x'],
  ['a path that begins alike', '/baseless/x'],
  ['a path that climbs out', '/base/../other'],
  ['a path that climbs out in disguise', '/base/%2e%2e/other'],
  ['a host hidden behind the base path', '/base//evil.test/x'],
  ['a script', 'javascript:alert(1)'],
  ['data', 'data:text/html,x'],
  ['a tab', '/base/\tx'],
  ['a space', '/base/a b'],
  ['a line break', '/base/\r\nx: y'],
  ['characters beyond ASCII', '/base/caf\u00e9'],
  ['nothing', ''],
];

describe('a redirect is told', () => {
  for (const [value, told] of INSIDE)
    test(`${value} as ${told}`, () => assert.equal(rewriteLocation(value, HERE), told));

  test('as it stands where there is no base path', () => {
    assert.equal(rewriteLocation('/a/b', { ...HERE, basePath: '' }), '/a/b');
    assert.equal(rewriteLocation('//evil.test', { ...HERE, basePath: '' }), undefined);
  });

  test('at an address of IPv6 and at a default port', () => {
    const origin = { scheme: 'https', host: '::1', port: 443 } as const;
    assert.equal(authorityOf(origin), '[::1]');
    assert.equal(rewriteLocation('https://[::1]/x', { origin, basePath: '' }), '/x');
    assert.equal(rewriteLocation('https://[::1]:443/x', { origin, basePath: '' }), '/x');
  });
});

describe('a redirect is not told with', () => {
  for (const [why, value] of OUTSIDE) test(why, () => assert.equal(rewriteLocation(value, HERE), undefined));
});

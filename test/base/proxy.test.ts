import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isLoopback, proxyFor } from '../../src/base/proxy.ts';

const PROXY = 'http://proxy.test:3128';

describe('NO_PROXY', () => {
  for (const [list, host, exempt] of [
    ['gateway.test', 'gateway.test', true],
    ['gateway.test', 'other.gateway.test', true],
    ['.gateway.test', 'eu.gateway.test', true],
    ['gateway.test', 'notgateway.test', false],
    ['a.test, b.test', 'b.test', true],
    ['gateway.test:8443', 'gateway.test', true],
    ['gateway.test:443', 'gateway.test', false],
    ['*', 'anything.test', true],
    ['', 'gateway.test', false],
    ['.', 'gateway.test', false],
  ] as const) {
    test(`"${list}" ${exempt ? 'exempts' : 'does not exempt'} ${host}:8443`, () => {
      const found = proxyFor(host, 8443, { HTTPS_PROXY: PROXY, NO_PROXY: list });
      assert.equal(found?.host, exempt ? undefined : 'proxy.test:3128');
    });
  }
});

test('an address without a scheme is an http proxy', () => {
  assert.equal(proxyFor('gateway.test', 443, { https_proxy: 'proxy.test:3128' })?.href, 'http://proxy.test:3128/');
});

test('only this machine is loopback', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', '[::1]', '::1'])
    assert.equal(isLoopback(host), true, host);
  for (const host of ['127.0.0.1.test', 'localhost.test', '10.0.0.1', '0.0.0.0', '[::]'])
    assert.equal(isLoopback(host), false, host);
});

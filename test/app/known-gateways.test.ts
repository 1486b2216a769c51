/** The file of known gateways: one spelling each, pinned keys kept, and nobody else may write it. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findKnown, forget, gatewayUrl, readKnown, remember } from '../../src/app/known-gateways.ts';

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'hoopctl-known-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'hoopctl');
}

test('a gateway has one spelling', () => {
  for (const text of ['https://GW.example:443/', 'https://gw.example', 'gw.example', 'HTTPS://gw.example'])
    assert.equal(gatewayUrl(text), 'https://gw.example');
  assert.equal(gatewayUrl('http://127.0.0.1:8443/'), 'http://127.0.0.1:8443');
  assert.equal(gatewayUrl('http://[::1]:8443'), 'http://[::1]:8443');
});

test('a login is shown to no URL that is not encrypted, has a path, or is something else', () => {
  for (const text of [
    'http://gw.example',
    'http://127.0.0.1.evil.example',
    'ftp://gw',
    'https://u:p@gw',
    'https://gw/v1',
    'https://gw?x',
    'file:///etc',
    '',
    'https://',
  ])
    assert.throws(() => gatewayUrl(text), { code: 'GATEWAY_URL', exit: 2 }, text);
});

test('what was remembered is read again, and the file is for the owner alone', (t) => {
  const dir = folder(t);
  assert.deepEqual(readKnown(dir), { gateways: [] });
  remember(dir, { url: 'https://a', evidenceKey: { id: 'k', pem: 'p' } }, true);
  remember(dir, { url: 'https://b' }, false);
  const known = readKnown(dir);
  assert.equal(known.current, 'https://a');
  assert.deepEqual(findKnown(known, 'https://a')?.evidenceKey, { id: 'k', pem: 'p' });
  assert.deepEqual(readdirSync(dir), ['gateways.json']);
  assert.equal(statSync(join(dir, 'gateways.json')).mode & 0o777, 0o600);
  forget(dir, 'https://a');
  assert.deepEqual(readKnown(dir), { gateways: [{ url: 'https://b' }] });
});

test('a file that others can write is not believed', (t) => {
  const dir = folder(t);
  remember(dir, { url: 'https://a' }, true);
  chmodSync(join(dir, 'gateways.json'), 0o666);
  assert.throws(() => readKnown(dir), { code: 'GATEWAYS_FILE', exit: 2 });
});

test('a file with other content is told, not guessed at', (t) => {
  const dir = folder(t);
  remember(dir, { url: 'https://a' }, true);
  for (const text of ['', '[]', '{"gateways":[1]}', '{']) {
    writeFileSync(join(dir, 'gateways.json'), text);
    assert.throws(() => readKnown(dir), { code: 'GATEWAYS_FILE' });
  }
});

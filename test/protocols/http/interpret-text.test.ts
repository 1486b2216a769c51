/** A request written as text is judged as the same one over the wire. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interpretText } from '../../../src/protocols/http/interpret-text.ts';
import { settingsWith } from './reading.ts';

const SETTINGS = settingsWith({ headers: ['x-api-version'], body: 100 });
const read = (text: string) => {
  const [command, ...others] = interpretText(text, SETTINGS);
  assert.equal(others.length, 0);
  return command!;
};

test('a path alone is a GET', () => {
  assert.equal(read('/v1/x?a=1').text, 'GET /v1/x?a=1');
});

test('headers that pass and mean something are judged, others are told', () => {
  const text =
    'POST /v1/x\nX-Api-Version: 2\nUser-Agent: me\nX-Forwarded-For: 1.1.1.1\nContent-Type: text/plain\n\nhello';
  const command = read(text);
  assert.equal(command.text, 'POST /v1/x\nx-api-version: 2\ncontent-type: text/plain');
  assert.deepEqual(command.facts['http.dropped'], ['x-forwarded-for']);
  assert.equal(Buffer.from(command.parameters![0]!.value!).toString(), 'hello');
});

test('a body that looks like JSON is JSON unless it says otherwise', () => {
  assert.equal(read('POST /a\n\n{"a": 1}').facts['http.type'], 'application/json');
  assert.equal(read('POST /a\n\nhello').facts['http.type'], 'text/plain');
  assert.equal(read('POST /a\ncontent-type: text/csv\n\n[1]').facts['http.type'], 'text/csv');
});

test('a body that would stream is judged as one that does', () => {
  const { facts, parameters } = read(`POST /a\n\n${'x'.repeat(101)}`);
  assert.deepEqual([facts['http.body'], facts['http.bodyBytes'], parameters], ['streamed', 101, []]);
});

for (const path of [
  ...['/allowed/../admin', '/allowed/%2e%2e/admin', '/allowed/%2E%2E/admin', '/a/%2e%2e%2fadmin', '/allowed/..;/admin'],
  ...['//admin', '/\\..\\admin', '/a%5cadmin', '/allowed%2f..%2fadmin', '/%61dmin', '/%c0%ae', '/admin%00', '/./admin'],
  ...['/a;jsessionid=1', '/a#b', '/a%', '/a%252e%252e/b'],
])
  test(`${path} is no path that could be judged`, () => {
    const { impossible, effects, facts } = read(`GET ${path}`);
    assert.equal(impossible?.code, 'HOOP_DENIED');
    assert.deepEqual([...effects], ['unknown']);
    assert.equal(facts['http.path'], null);
  });

test('the path that routes are found by is the one that is sent', () => {
  const settings = settingsWith({ routes: [{ path: '/admin/{x}', effects: ['administer'] }] });
  const [command] = interpretText('GET /admin/a%20b', settings);
  assert.deepEqual([...command!.effects], ['administer']);
  assert.equal(command!.text, 'GET /admin/a%20b');
});

test('what is no request is said to be none', () => {
  assert.throws(() => interpretText('DROP TABLE x', SETTINGS), { code: 'REQUEST_FORM' });
  assert.throws(() => interpretText('', SETTINGS), { code: 'REQUEST_FORM' });
});

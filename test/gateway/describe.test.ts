/** What is struck from records: exactly the bytes aimed at masked columns, and nothing of them is left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDescribe, strike } from '../../src/gateway/describe.ts';
import { command } from '../fakes/gate.ts';

const describe = createDescribe((bytes) => `hmac-${bytes.length}`);
const allow = { kind: 'allow', rules: ['all'] } as const;

test('spans are byte offsets, whatever stands before them', () => {
  const text = "UPDATE t SET é='日本', s='219-09-9999'";
  const start = Buffer.from(text).indexOf("'219");
  assert.equal(strike(Buffer.from(text), [{ start, end: start + 13 }]), "UPDATE t SET é='日本', s='***'");
});

test('spans in any order and overlapping ones leave nothing between them', () => {
  const bytes = Buffer.from('abcdefghij');
  assert.equal(
    strike(bytes, [
      { start: 6, end: 8 },
      { start: 1, end: 3 },
      { start: 2, end: 5 },
    ]),
    "a'***''***'f'***'ij",
  );
});

test('a rewritten text goes whole when something in it was struck', () => {
  const struck = command("SELECT '219'", ['write'], { struck: [{ start: 7, end: 12 }], sent: "SELECT '219'::text" });
  const event = describe.intent('c1', struck, 'client', []);
  assert.doesNotMatch(JSON.stringify(event), /219/);
});

test('a struck parameter leaves its type and nothing else', () => {
  const value = Buffer.from('219-09-9999');
  const aimed = command('INSERT INTO c VALUES ($1)', ['write'], {
    parameters: [{ type: '25', format: 'text', value, struck: true }],
  });
  const event = describe.verdict('c1', aimed, allow, 'p');
  assert.deepEqual('params' in event && event.params, [{ type: '25', format: 'text', struck: true }]);
});

test('equal reading, other bytes: the hash is of the bytes', () => {
  const reading = {};
  const hash = (text: string) => {
    const event = describe.intent('c1', command(text, ['read'], { reading }), 'client', []);
    return event.type === 'command' ? event.sent.sha256 : undefined;
  };
  assert.notEqual(hash('SELECT 1'), hash('SELECT 2'));
});

/** What is struck from records: exactly the bytes aimed at masked columns, and nothing of them is left. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe as suite, test } from 'node:test';
import type { SessionEvent } from '../../src/domain/recording.ts';
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

test('a struck parameter leaves its type and an HMAC, and not whether it was NULL', () => {
  const value = Buffer.from('219-09-9999');
  const aimed = command('INSERT INTO c VALUES ($1)', ['write'], {
    parameters: [{ type: '25', format: 'text', value, struck: true }],
  });
  const event = describe.verdict('c1', aimed, allow, 'p');
  assert.deepEqual('params' in event && event.params, [{ type: '25', format: 'text', struck: true, hmac: 'hmac-11' }]);
  const none = { type: '25', format: 'text', value: null, struck: true } as const;
  const nothing = describe.verdict('c1', command('x', ['write'], { parameters: [none] }), allow, 'p');
  assert.deepEqual('params' in nothing && nothing.params, [
    { type: '25', format: 'text', struck: true, hmac: 'hmac-0' },
  ]);
});

suite('a long parameter', () => {
  const KEPT = 16 * 1024;
  const value = Buffer.from(`${'a'.repeat(KEPT - 1)}€${'b'.repeat(KEPT)}`);
  const body = (more: object = {}) =>
    command('POST /v1/files', ['write'], { parameters: [{ type: 'text/plain', format: 'text', value, ...more }] });
  const paramOf = (event: SessionEvent) =>
    event.type === 'verdict' || event.type === 'command' ? event.params?.[0] : undefined;

  test('stands in the record once, by its beginning, its length and its digest', () => {
    const one = body();
    const sha256 = createHash('sha256').update(value).digest('hex');
    assert.deepEqual(paramOf(describe.verdict('c1', one, allow, 'p')), {
      ...{ type: 'text/plain', format: 'text', value: 'a'.repeat(KEPT - 1) },
      ...{ bytes: value.length, sha256, truncated: true },
    });
    assert.deepEqual(paramOf(describe.intent('c1', one, 'client', [])), {
      ...{ type: 'text/plain', format: 'text', bytes: value.length, sha256, sameAs: 'verdict' },
    });
  });

  test('of the gateway itself, which has no verdict, stands where it was sent', () => {
    assert.equal(paramOf(describe.intent('c1', body(), 'gateway', []))?.truncated, true);
  });

  test('that is struck leaves its HMAC alone', () => {
    const struck = { type: 'text/plain', format: 'text', struck: true, hmac: `hmac-${value.length}` };
    const one = body({ struck: true });
    assert.deepEqual(paramOf(describe.verdict('c1', one, allow, 'p')), struck);
    assert.deepEqual(paramOf(describe.intent('c1', one, 'client', [])), struck);
  });

  test('that records may not hold as it is leaves what they may, and an HMAC', () => {
    const recorded = Buffer.from('my number is ***');
    const one = body({ value: Buffer.from('my number is 4111'), recorded });
    const kept = { type: 'text/plain', format: 'text', value: `${recorded}`, bytes: 17, hmac: 'hmac-17' };
    assert.deepEqual(paramOf(describe.verdict('c1', one, allow, 'p')), kept);
    assert.deepEqual(paramOf(describe.intent('c1', one, 'client', [])), kept);
    const long = paramOf(describe.verdict('c1', body({ recorded: Buffer.alloc(KEPT + 1, 'x') }), allow, 'p'));
    assert.deepEqual([long?.value, long?.sha256, long?.truncated], ['x'.repeat(KEPT), undefined, true]);
    const same = paramOf(describe.verdict('c1', body({ recorded: Buffer.from(value) }), allow, 'p'));
    assert.deepEqual([same?.hmac, same?.sha256?.length], [undefined, 64]);
  });

  test('of bytes is cut as bytes', () => {
    const binary = paramOf(describe.verdict('c1', body({ format: 'binary' }), allow, 'p'));
    assert.equal(binary?.value, value.subarray(0, KEPT).toString('base64'));
  });

  test('is long from one byte more than what is kept', () => {
    const whole = paramOf(describe.verdict('c1', body({ value: value.subarray(0, KEPT) }), allow, 'p'));
    assert.deepEqual([whole?.truncated, whole?.bytes, whole?.sha256], [undefined, undefined, undefined]);
    const more = paramOf(describe.verdict('c1', body({ value: value.subarray(0, KEPT + 1) }), allow, 'p'));
    assert.deepEqual([more?.truncated, more?.bytes], [true, KEPT + 1]);
  });
});

test('equal reading, other bytes: the hash is of the bytes', () => {
  const reading = {};
  const hash = (text: string) => {
    const event = describe.intent('c1', command(text, ['read'], { reading }), 'client', []);
    return event.type === 'command' ? event.sent.sha256 : undefined;
  };
  assert.notEqual(hash('SELECT 1'), hash('SELECT 2'));
});

/** A request's JSON is read only where every server reads the same in it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INEXACT, type Json, jsonAt, readJson } from '../../../src/protocols/http/json.ts';

const read = (text: string) => readJson(Buffer.from(text));
const at = (text: string, pointer: string) => {
  const document = read(text);
  assert.notEqual(document, undefined, text);
  return jsonAt(document as Json, pointer);
};

for (const [what, bytes] of [
  ['a name twice', '{"a":1,"a":2}'],
  ['a name twice, one of them escaped', '{"a":1,"\\u0061":2}'],
  ['a name twice, deep inside', '{"x":[{"b":{"a":1,"a":1}}]}'],
  ['a byte order mark', '\ufeff{"a":1}'],
  ['UTF-16', Buffer.from('{"a":1}', 'utf16le')],
  ['UTF-16 with its mark', Buffer.from('\ufeff{"a":1}', 'utf16le')],
  ['UTF-32', Buffer.from([0x7b, 0, 0, 0, 0x7d, 0, 0, 0])],
  ['bytes that are no UTF-8', Buffer.from([0x22, 0xc0, 0xae, 0x22])],
  ['a lone surrogate', '"\\ud800"'],
  ['a lone surrogate in a name', '{"\\udfff":1}'],
  ['a comma too many', '{"a":1,}'],
  ['a comment', '{"a":1/* */}'],
  ['a name without quotes', '{a:1}'],
  ['single quotes', "{'a':1}"],
  ['two documents', '{"a":1}{"a":2}'],
  ['two lines of them', '{"a":1}\n{"a":2}'],
  ['JSONP', 'f({"a":1})'],
  ['a control in a string', '"a\nb"'],
  ['an escape that JSON does not have', '"\\x41"'],
  ['a number with a zero before', '01'],
  ['a number in hexadecimal', '0x10'],
  ['a number with a plus', '+1'],
  ['a number that is none', 'NaN'],
  ['a number without a whole', '.5'],
  ['nothing', ''],
  ['a string without end', '"abc'],
  ['a vertical tab', '\v1'],
] as const)
  test(`${what} cannot be read`, () => {
    assert.equal(readJson(Buffer.from(bytes)), undefined);
  });

test('nesting has an end, and so have values', () => {
  assert.notEqual(read('['.repeat(60) + ']'.repeat(60)), undefined);
  assert.equal(read('['.repeat(100) + ']'.repeat(100)), undefined);
  assert.equal(read('['.repeat(100_000)), undefined);
  assert.equal(read(`[${'1,'.repeat(200_000)}1]`), undefined);
});

for (const [text, value] of [
  ['1', 1],
  ['-0', -0],
  ['1e3', 1000],
  ['4.111111111111111e15', INEXACT],
  ['4111111111111111', 4111111111111111],
  ['9007199254740991', 9007199254740991],
  ['9007199254740993', INEXACT],
  ['1000000000000000000000', INEXACT],
  ['1e400', INEXACT],
  ['1e-400', INEXACT],
  ['0.1', 0.1],
  ['0.1000000000000000055', INEXACT],
  ['123456789.12', 123456789.12],
] as const)
  test(`the number ${text} is ${typeof value === 'symbol' ? 'not exact' : 'read'}`, () => {
    assert.deepEqual(read(text), value);
  });

test('escapes are undone', () => {
  assert.equal(at('{"\\u0061":"\\u0039\\/\\n\\ud83d\\ude00"}', '/a'), '9/\n😀');
});

test('a pointer leads through objects and lists', () => {
  const text = '{"a/b":[{"c~d":true}],"":{"":null}}';
  assert.equal(at(text, '/a~1b/0/c~0d'), true);
  assert.equal(at(text, '//'), null);
  assert.equal(at(text, '/a~1b/00'), undefined);
  assert.equal(at(text, '/a~1b/1'), undefined);
  assert.equal(at(text, '/nowhere/at/all'), undefined);
  assert.ok(at(text, '') instanceof Map);
});

for (const text of ['{"amount":1,"Amount":2}', '{"Amount":2}', '{"AMOUNT":2}'])
  test(`a name in other letters is not certain: ${text}`, () => {
    assert.equal(at(text, '/amount'), INEXACT);
  });

test('letters that become those of ASCII are other letters of them', () => {
  assert.equal(at('{"to\u212aen":1}', '/token'), INEXACT);
  assert.equal(at('{"u\u017fer":1}', '/user'), INEXACT);
});

test('names of every object’s own kind are no names', () => {
  assert.equal(at('{"a":1}', '/__proto__'), undefined);
  assert.equal(at('{"__proto__":1}', '/__proto__'), 1);
  assert.equal(at('[1]', '/length'), undefined);
});

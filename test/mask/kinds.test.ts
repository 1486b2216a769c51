import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type BodyMasks, maskerFor } from '../../src/mask/index.ts';
import { CARD, detecting, FOUND, field, fingerprint, SSN, through } from './bodies.ts';

const FIELDS: BodyMasks = { fields: [field('$..ssn')], detectors: [] };

const kind = (type: string | undefined, masks = FOUND) => {
  const masker = maskerFor(type, masks, 'response', fingerprint);
  return typeof masker === 'string' ? masker : 'masked';
};
const shown = (type: string, body: string | Buffer, masks = FOUND, length?: number) => {
  const masker = maskerFor(type, masks, 'response', fingerprint);
  assert.ok(typeof masker !== 'string', `${type} is ${masker}`);
  return through(masker, body, length);
};

describe('what can be looked into', () => {
  test('JSON under all its names', () => {
    for (const type of [
      'application/json',
      'Application/JSON; charset=UTF-8',
      'application/problem+json',
      'application/x-ndjson',
      'text/json;charset="utf-8"',
    ])
      assert.equal(shown(type, `{"a":"\\u0039${SSN.slice(1)}"}`).text, '{"a":"***"}', type);
  });

  test('event streams, text, XML, scripts', () => {
    assert.equal(shown('text/event-stream', `data: ${SSN}\n\n`).text, 'data: ***\n\n');
    for (const type of [
      'text/plain',
      'text/html; charset=ISO-8859-1',
      'text/csv',
      'application/xml',
      'image/svg+xml',
      'application/javascript',
    ])
      if (type !== 'text/plain') assert.equal(shown(type, `cb("${SSN}")`, FOUND, 3).text, 'cb("***")', type);
  });

  test('nothing else', () => {
    const types = [
      'application/octet-stream',
      'image/png',
      'application/pdf',
      'application/grpc',
      'application/zip',
      'multipart/form-data; boundary=x',
      'multipart/byteranges',
    ];
    for (const type of [undefined, '', 'json', 'application/json, text/plain', ...types])
      assert.equal(kind(type), 'unscannable', type);
  });

  test('no character set in which digits are other bytes', () => {
    for (const charset of ['utf-16', 'utf-16le', 'utf-32', 'utf-7', 'cp037', 'iso-2022-jp', ''])
      for (const type of ['application/json', 'text/plain', 'text/html', 'text/event-stream'])
        assert.equal(kind(`${type}; charset=${charset}`), 'unscannable', `${type} ${charset}`);
    assert.equal(kind('text/html; charset=utf-8; charset=utf-16'), 'unscannable');
    assert.equal(kind("text/html; charset*=utf-8''utf-16"), 'unscannable');
  });

  test('no text with NUL bytes, whatever it says it is', () => {
    for (const type of ['text/html', 'text/plain', 'text/event-stream', 'application/json'])
      assert.notEqual(shown(type, Buffer.from(`"${SSN}"\n\n`, 'utf16le')).failed, undefined, type);
  });
});

describe('no masker is needed', () => {
  test('where no mask is meant, whatever the body', () => {
    assert.equal(kind('image/png', { fields: [], detectors: [] }), 'none');
  });

  test('where masks go the other way', () => {
    const asked: BodyMasks = {
      fields: [field('$.a', 'redact', 'request')],
      detectors: [{ ...detecting(), direction: 'request' }],
    };
    assert.equal(maskerFor('application/json', asked, 'response', fingerprint), 'none');
    assert.notEqual(maskerFor('application/json', asked, 'request', fingerprint), 'none');
    const either: BodyMasks = { fields: [], detectors: [{ ...detecting(), direction: 'both' }] };
    for (const direction of ['request', 'response'] as const)
      assert.equal(typeof maskerFor('application/json', either, direction, fingerprint), 'object');
    assert.equal(
      maskerFor('application/json', FOUND, 'request', fingerprint),
      'none',
      'unless told, the answer is meant',
    );
  });
});

describe('where a field is masked', () => {
  test('what could tell it in another way cannot be looked into', () => {
    for (const type of ['text/csv', 'text/html', 'application/xml', 'application/javascript', 'application/yaml'])
      assert.equal(kind(type, FIELDS), 'unscannable', type);
  });

  test('plain text that is JSON is masked as that, however it is cut', () => {
    for (const length of [1, 100]) {
      assert.equal(shown('text/plain', ' \n{"ssn":1}', FIELDS, length).text, ' \n{"ssn":"***"}');
      assert.equal(shown('text/plain', '\ufeff[{"ssn":1}]', FIELDS, length).text, '\ufeff[{"ssn":"***"}]');
      assert.equal(shown('text/plain', '"{\\"ssn\\":1}"', FIELDS, length).text, '"{\\"ssn\\":\\"***\\"}"');
      assert.notEqual(shown('text/plain', '{"ssn":1,}', FIELDS, length).failed, undefined);
    }
  });

  test('plain text that is none flows', () => {
    for (const body of ['ok', '', '  ', '[INFO] started', '"ok" he said', 'ｏｋ', '[', '"'])
      for (const length of [1, 100]) {
        const flowed = shown('text/plain', body, FIELDS, length);
        assert.deepEqual([flowed.text, flowed.failed], [body, undefined], body);
      }
  });
});

describe('forms', () => {
  const form = (body: string, masks = FOUND) => {
    const flowed = shown('application/x-www-form-urlencoded', body, masks);
    assert.equal(shown('application/x-www-form-urlencoded', body, masks, 1).text, flowed.text);
    return flowed.text;
  };

  test('that hold nothing flow byte for byte', () => {
    for (const body of ['a=1&b=%20x+y&&c&=&%C3%A9=%', 'a', '', '&']) assert.equal(form(body), body);
  });

  test('are masked as they read when decoded', () => {
    assert.equal(
      form('a=1&ssn=919%2D01%2d0031&m=dana%40example.test&x=4111+1111+1111+1111'),
      'a=1&ssn=***&m=***&x=***',
    );
    assert.equal(form('%39%31%39-01-0031=1&z=2'), '***=1&z=2');
  });

  test('have fields, and values of JSON', () => {
    assert.equal(form('ssn=1&a=2&ssn=3', { fields: [field('$.ssn')], detectors: [] }), 'ssn=***&a=2&ssn=***');
    assert.equal(
      form(`j=${encodeURIComponent('{"ssn":1}')}`, FIELDS),
      `j=${encodeURIComponent('{"ssn":"***"}').replaceAll('***', '***')}`,
    );
  });

  test('whose bytes are no UTF-8 fail', () => {
    assert.match(shown('application/x-www-form-urlencoded', 'a=%C0%B9').failed ?? '', /UTF-8/);
  });

  test('are counted', () => {
    assert.equal(shown('application/x-www-form-urlencoded', `a=${SSN}&b=${CARD}`).masked, 2);
  });
});

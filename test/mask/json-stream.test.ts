import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { MaskWith } from '../../src/domain/mask.ts';
import { type BodyMasks, createJsonMasker } from '../../src/mask/index.ts';
import { CARD, detecting, FOUND, field, fingerprint, halves, SSN, through } from './bodies.ts';

const masked = (body: string | Buffer, masks: BodyMasks = FOUND, length?: number) =>
  through(createJsonMasker(masks, fingerprint), body, length);
const text = (body: string, masks?: BodyMasks) => {
  const flowed = masked(body, masks);
  assert.equal(flowed.failed, undefined);
  assert.equal(masked(body, masks, 1).text, flowed.text, 'byte by byte it is the same');
  return flowed.text;
};
const fails = (body: string | Buffer, why: RegExp, masks?: BodyMasks) => {
  for (const length of [undefined, 1]) {
    const flowed = masked(body, masks, length);
    assert.ok(flowed.failed !== undefined, 'it did not fail');
    assert.match(flowed.failed, why);
  }
};
const fields = (how: MaskWith, ...paths: string[]): BodyMasks => ({
  fields: paths.map((path) => field(path, how)),
  detectors: [],
});

describe('what holds nothing', () => {
  test('flows byte for byte', () => {
    const body = ' {"a" : [1, -0.5e+3, true,\tnull, "\\u00e9\\/\\ud800 é ж 😀", {}, []],\r\n "b":"" }\n';
    assert.equal(text(body), body);
    assert.equal(text(body, fields('redact', '$..ssn', '$.c[0]')), body);
  });

  test('flows at once, but for the token that has not come whole', () => {
    const masker = createJsonMasker(FOUND, fingerprint);
    assert.equal(masker.push(Buffer.from('{"a":1,"b":"be')).toString(), '{"a":1,"b":');
    assert.equal(masker.held, 3);
    assert.equal(masker.push(Buffer.from('gun"}')).toString(), '"begun"}');
    assert.equal(masker.held, 0);
  });

  test('nothing at all is no mistake', () => {
    assert.deepEqual(masked(''), { text: '', failed: undefined, masked: 0 });
  });
});

describe('detectors find', () => {
  test('a value in a string, and leave the rest of the string', () => {
    assert.equal(text(`{"note":"ssn ${SSN}, ok"}`), '{"note":"ssn ***, ok"}');
  });

  test('a value cut anywhere', () => {
    const body = `{"a":"x ${SSN} y","b":${CARD}}`;
    for (const [first, second] of halves(body)) {
      const masker = createJsonMasker(FOUND, fingerprint);
      const flowed = Buffer.concat([Buffer.from(masker.push(first)), Buffer.from(masker.push(second)), masker.end()]);
      assert.equal(flowed.toString(), '{"a":"x *** y","b":"***"}');
    }
  });

  test('what is written in escapes', () => {
    assert.equal(text('{"a":"\\u0039\\u0031\\u0039\\u002d01\\u002d0031"}'), '{"a":"***"}');
    assert.equal(text('{"a":"dana\\u0040example.test"}'), '{"a":"***"}');
    assert.equal(text('{"a":"said \\"919-01-0031\\"\\n"}'), '{"a":"said \\"***\\"\\n"}');
  });

  test('what is escaped twice', () => {
    assert.equal(text('["\\\\u0039\\\\u0031\\\\u0039-01-0031"]'), '["***"]');
  });

  test('numbers, whole and with exponents', () => {
    const forms = [CARD, `-${CARD}`, '4.111111111111111e15', '4.111111111111111E+15', '41111111111111110e-1'];
    for (const form of [...forms, `${CARD}.0`, `${CARD}.25`, '0.4111111111111111e16', '4111111111111110.9999999999'])
      assert.equal(text(`[${form}]`), '["***"]', form);
  });

  test('no card in a number that has few digits and many zeros', () => {
    assert.equal(text('[4.2e15,1e308,0.1e-300]'), '[4.2e15,1e308,0.1e-300]');
  });

  test('keys', () => {
    assert.equal(text(`{"${SSN}":1,"\\u0039${SSN.slice(1)}":2}`), '{"***":1,"***":2}');
  });

  test('both values of a key that stands twice', () => {
    assert.equal(text(`{"a":"${SSN}","a":"${CARD}"}`), '{"a":"***","a":"***"}');
  });

  test('JSON in strings, three deep, and as text below that', () => {
    let body = `{"card":4.111111111111111e15}`;
    let shown = '{"card":"***"}';
    for (let depth = 0; depth < 3; depth++) {
      body = JSON.stringify({ in: body });
      shown = JSON.stringify({ in: shown });
      assert.equal(text(body), shown);
    }
    const deeper = JSON.stringify([JSON.stringify([JSON.stringify([JSON.stringify([JSON.stringify([SSN])])])])]);
    assert.ok(!text(deeper).includes(SSN));
  });

  test('a row of numbers behind a quoted word, which is no row of documents', () => {
    assert.equal(text(JSON.stringify({ a: '"Dana" 4111 1111 1111 1111' })), '{"a":"\\"Dana\\" ***"}');
  });

  test('what begins as JSON in a string and is none', () => {
    assert.equal(text(JSON.stringify({ a: `{"a": ${SSN}` })), '{"a":"{\\"a\\": ***"}');
    assert.equal(text(JSON.stringify({ a: `[see ${SSN}]` })), '{"a":"[see ***]"}');
  });

  test('lines of documents (NDJSON), and documents one after another', () => {
    assert.equal(text(`{"a":"${SSN}"}\n{"b":${CARD}}\n`), '{"a":"***"}\n{"b":"***"}\n');
    assert.equal(text(`{"a":"${SSN}"}[${CARD}] {}`), '{"a":"***"}["***"] {}');
    assert.equal(text('1\n"a"\r\nnull\n'), '1\n"a"\r\nnull\n');
  });

  test('what stands behind a byte order mark', () => {
    assert.equal(text(`\ufeff{"a":"${SSN}"}`), '\ufeff{"a":"***"}');
  });

  test('and put there what the mask says', () => {
    const as = (how: MaskWith) => text(`{"a":"n ${CARD}","b":${CARD}}`, { fields: [], detectors: [detecting(how)] });
    assert.equal(as('last4'), '{"a":"n ***1111","b":"***1111"}');
    assert.equal(as('null'), '{"a":null,"b":null}');
    assert.equal(as({ fixed: 'a "b"\n' }), '{"a":"n a \\"b\\"\\n","b":"a \\"b\\"\\n"}');
    assert.match(as('hash'), /^\{"a":"n (34313131[0-9a-f]{24})","b":"\1"\}$/);
    assert.equal(text(`{"${SSN}":1}`, { fields: [], detectors: [detecting('null')] }), '{"***":1}');
  });
});

describe('fields', () => {
  test('are masked by where they stand, whatever they hold', () => {
    const body =
      '{"c":[{"ssn":"1","n":1},{"ssn":2},{"ssn":{"a":[{"ssn":"x"}]}},{"ssn":null},{"ssn":true}],"ssn":"top"}';
    assert.equal(
      text(body, fields('redact', '$.c[*].ssn')),
      '{"c":[{"ssn":"***","n":1},{"ssn":"***"},{"ssn":"***"},{"ssn":"***"},{"ssn":"***"}],"ssn":"top"}',
    );
  });

  test('at any depth', () => {
    assert.equal(
      text('[[{"a":{"ssn":[1,"]"]}}],{"ssn":"é"}]', fields('null', '$..ssn')),
      '[[{"a":{"ssn":null}}],{"ssn":null}]',
    );
  });

  test('with steps of every kind', () => {
    const body = '{"a b":[10,11,12],"x":{"p":1,"q":{"r":2}}}';
    assert.equal(text(body, fields('redact', "$['a b'][1]")), '{"a b":[10,"***",12],"x":{"p":1,"q":{"r":2}}}');
    assert.equal(text(body, fields('redact', '$.x.*')), '{"a b":[10,11,12],"x":{"p":"***","q":"***"}}');
    assert.equal(text(body, fields('redact', '$..[2]', '$.x..r')), '{"a b":[10,11,"***"],"x":{"p":1,"q":{"r":"***"}}}');
  });

  test('whose names are written in escapes, or twice', () => {
    assert.equal(
      text('{"s\\u0073n":1,"ssn":2,"SSN":3}', fields('redact', '$.ssn')),
      '{"s\\u0073n":"***","ssn":"***","SSN":3}',
    );
  });

  test('in JSON within strings, where it stands', () => {
    const body = JSON.stringify({ payload: JSON.stringify({ ssn: 7, deep: JSON.stringify({ ssn: 8 }) }) });
    const shown = JSON.stringify({ payload: JSON.stringify({ ssn: '***', deep: JSON.stringify({ ssn: '***' }) }) });
    assert.equal(text(body, fields('redact', '$..ssn')), shown);
    assert.equal(
      text('{"payload":"{\\"ssn\\":7}"}', fields('redact', '$.payload.ssn')),
      '{"payload":"{\\"ssn\\":\\"***\\"}"}',
    );
  });

  test('nested deeper than is looked go with the string they are in', () => {
    let body = '{"ssn":7}';
    for (let depth = 0; depth < 4; depth++) body = JSON.stringify({ in: body });
    const flowed = text(body, fields('redact', '$..ssn'));
    assert.ok(!flowed.includes('7') && flowed.includes('***'));
    JSON.parse(flowed);
  });

  test('show of a value what the mask says, and of an object or list nothing', () => {
    const body = '{"s":"12345678","n":12345678,"z":null,"o":{"a":"12345678"}}';
    assert.equal(text(body, fields('last4', '$.*')), '{"s":"***5678","n":"***5678","z":null,"o":"***"}');
    assert.equal(text(body, fields({ fixed: 'x' }, '$.*')), '{"s":"x","n":"x","z":"x","o":"x"}');
    const hashed = text(body, fields('hash', '$.*'));
    assert.match(hashed, /^\{"s":"(3132333435363738[0-9a-f]{16})","n":"\1","z":null,"o":"\*\*\*"\}$/);
  });

  test('where two masks name one: the one that shows less', () => {
    const both = { fields: [field('$.a', 'last4'), field('$..a', 'redact')], detectors: [] };
    assert.equal(text('{"a":"12345678"}', both), '{"a":"***"}');
  });

  test('are counted by rule', () => {
    const masker = createJsonMasker({ fields: [field('$..a')], detectors: [detecting()] }, fingerprint);
    through(masker, `{"a":1,"b":"${SSN} ${CARD}","c":"{\\"a\\":2}"}`);
    assert.deepEqual(
      [...masker.rules],
      [
        ['field', 2],
        ['found', 2],
      ],
    );
    assert.equal(masker.masked, 4);
  });

  test('leave alone what only reads alike', () => {
    const body = '{"assn":1,"ss":2,"x":{"ssn":3}}';
    assert.equal(text(body, fields('redact', '$.ssn')), body);
  });
});

describe('what is no JSON fails, and nothing of it flows', () => {
  const cases: readonly (readonly [string, string | Buffer])[] = [
    ['a call around it (JSONP)', `cb({"a":"${SSN}"})`],
    ['a guard before it', `)]}',\n{"a":1}`],
    ['UTF-16', Buffer.from(`{"a":"${SSN}"}`, 'utf16le')],
    ['UTF-16 with its mark', Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('{}', 'utf16le')])],
    ['UTF-32', Buffer.from([0, 0, 0, 0x7b, 0, 0, 0, 0x7d])],
    ['bytes that are no UTF-8', Buffer.from([0x22, 0xc0, 0xb9, 0x22])],
    ['single quotes', `{'a':1}`],
    ['a comma too many', '[1,]'],
    ['a comment', '[1 /* x */]'],
    ['names without quotes', '{a:1}'],
    ['numbers side by side', '4111 1111 1111 1111'],
    ['a number and a string side by side', '1"a"'],
    ['a tab in a string', '"a\tb"'],
    ['an escape that is none', '"\\x39"'],
    ['half an escape', '"\\u00"'],
    ['a zero in front', '[0123]'],
    ['NaN', '[NaN]'],
    ['the wrong bracket', '[1}'],
    ['a key alone', '{"a"}'],
    ['two byte order marks', '\ufeff\ufeff{}'],
    ['nothing behind a comma', '{"a":1,}'],
  ];
  for (const [name, body] of cases) test(name, () => fails(body, /./));

  test('what ends too early', () => {
    for (const body of ['{"a":1', '["a', '[', '{"a":', '"', '[tru', '\ufeff[']) fails(body, /ends|not JSON/);
  });

  test('a value that is longer than what is held, at any cut', () => {
    for (const length of [7, 100, 10_000]) {
      const masker = createJsonMasker(FOUND, fingerprint, { limit: 1_000 });
      assert.match(through(masker, `["a","${'@'.repeat(3_000)}"]`, length).failed ?? '', /longer than 1000/);
      assert.equal(masker.held, 0);
    }
  });

  test('lists that are deeper than any reader goes', () => {
    fails('['.repeat(1_000), /deeper/);
  });

  test('a number without end', () => {
    fails(`[${'1'.repeat(5_000)}]`, /number/);
  });

  test('after it nothing flows any more', () => {
    const masker = createJsonMasker(FOUND, fingerprint);
    masker.push(Buffer.from('{"a":1}}'));
    assert.equal(masker.push(Buffer.from(`{"b":"${SSN}"}`)).length + masker.end().length, 0);
  });
});

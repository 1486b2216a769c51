/** What the detectors find in a cell, what they leave, and what stands there afterwards. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { DETECTORS, type DetectorMask, type MaskWith } from '../../src/domain/mask.ts';
import { type CellKind, createCellScanner } from '../../src/mask/index.ts';

const fingerprint = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const CARD = '4111111111111111';
const SSN = '123-45-6789';

function mask(how: MaskWith = 'redact', detect: readonly string[] = DETECTORS, rule = 'it'): DetectorMask {
  return { rule, detect, with: how, strict: false };
}

/** The cell after masking, with other bytes around it, as in a row; undefined when nothing is found. */
function scan(
  cell: string | Buffer,
  masks: readonly DetectorMask[] = [mask()],
  kind: CellKind = 'text',
): string | null | undefined {
  const inner = Buffer.from(cell);
  const row = Buffer.concat([Buffer.from('9@\x00\x00'), inner, Buffer.from('0@x.com')]);
  const result = createCellScanner(masks, fingerprint).scan(row, 4, 4 + inner.length, kind);
  return result === null ? null : result?.toString();
}

describe('card numbers', () => {
  const KNOWN = [
    CARD,
    '4012888888881881',
    '5555555555554444',
    '2223003122003222',
    '378282246310005',
    '30569309025904',
    '6011111111111117',
    '3530111333300000',
    '6200000000000005',
    '4222222222222',
  ];
  for (const number of KNOWN) {
    test(`${number} is found, bare and among words`, () => {
      assert.equal(scan(number), '***');
      assert.equal(scan(`card ${number}, paid`), 'card ***, paid');
    });
  }

  test('grouped with spaces, dashes, dots or underscores, even one by one', () => {
    for (const separator of [' ', '-', '.', '_']) {
      assert.equal(scan(`x ${['4111', '1111', '1111', '1111'].join(separator)}`), 'x ***');
      assert.equal(scan([...CARD].join(separator)), '***');
    }
    assert.equal(scan('3782 822463 10005'), '***');
  });

  test('letters that touch it do not hide it', () => {
    assert.equal(scan(`x${CARD}x`), 'x***x');
  });

  test('several in one cell, every one', () => {
    assert.equal(scan(`${CARD}, 5555555555554444;378282246310005`), '***, ***;***');
  });

  test('a wrong sum, an unknown brand, a wrong length are left alone', () => {
    for (const number of [
      '4111111111111112',
      '9111111111111111',
      '411111111111',
      '41111111111111111',
      '0000000000000000',
    ]) {
      assert.equal(scan(number), undefined, number);
    }
  });

  test('a fraction or a decimal number is no card', () => {
    assert.equal(scan(`0.${CARD}`), undefined);
    assert.equal(scan('4.111111111111111'), undefined);
  });

  test('a date before it does not hide it', () => {
    assert.equal(scan(`2026-11-21 ${CARD}`), '2026-11-21 ***');
    assert.equal(scan('21 4111 1111 1111 1111'), '21 ***');
  });

  test('a number of more digits than any card has is no card', () => {
    assert.equal(scan(`${CARD}${CARD}`), undefined);
  });
});

describe('US social security numbers', () => {
  test('are found with the same separator twice', () => {
    for (const number of [SSN, '123 45 6789', '123.45.6789', '123_45_6789'])
      assert.equal(scan(`ssn: ${number}.`), 'ssn: ***.');
  });

  test('letters that touch it do not hide it', () => {
    assert.equal(scan(`x${SSN}x`), 'x***x');
  });

  test('taxpayer numbers from 900 are found too', () => {
    assert.equal(scan('919-01-0031'), '***');
  });

  test('numbers that are never issued, and other shapes, are left alone', () => {
    for (const text of [
      '000-12-3456',
      '666-12-3456',
      '123-00-4567',
      '123-45-0000',
      '123-45 6789',
      '1234-45-6789',
      '123-45-67890',
      '123456789',
      '123-4-56789',
    ]) {
      assert.equal(scan(text), undefined, text);
    }
  });
});

describe('e-mail addresses', () => {
  test('are found among words', () => {
    assert.equal(scan('mail dana.o+x@mail.example.test, please'), 'mail ***, please');
    assert.equal(scan('<dana@example.test>'), '<***>');
    assert.equal(scan('a@b.co c@d.de'), '*** ***');
  });

  test('a dot that ends the sentence stays', () => {
    assert.equal(scan('ask dana@example.test.'), 'ask ***.');
  });

  test('with letters of other scripts', () => {
    assert.equal(scan('post: jürgen@müller.example'), 'post: ***');
  });

  test('what is none is left alone', () => {
    for (const text of [
      '@',
      'a@',
      '@b.co',
      'a@b',
      'a@b.c',
      'a @ b.co',
      'a@.co',
      'a@b..co',
      'npm i @scope/pkg',
      'a@1.2',
    ]) {
      assert.equal(scan(text), undefined, text);
    }
  });
});

describe('keys', () => {
  test('AWS access key ids', () => {
    assert.equal(scan('id AKIAIOSFODNN7EXAMPLE!'), 'id ***!');
    assert.equal(scan('ASIAIOSFODNN7EXAMPLE'), '***');
    assert.equal(scan('ACCAIOSFODNN7EXAMPLE'), '***');
    assert.equal(scan('AKIAIOSFODNN7EXAMPLEX'), undefined);
    assert.equal(scan('xAKIAIOSFODNN7EXAMPLE'), undefined);
  });

  const PEM = '-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----';
  test('private keys, whole', () => {
    assert.equal(scan(`key:\n${PEM}\nend`), 'key:\n***\nend');
    assert.equal(scan('-----BEGIN PRIVATE KEY-----\nMIIE'), '***');
    assert.equal(scan(`------${PEM.slice(5)}`), '-***');
  });

  test('a certificate is no private key', () => {
    assert.equal(scan('-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----'), undefined);
  });

  test('JSON Web Tokens, with and without a signature', () => {
    const head = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url');
    const body = Buffer.from('{"sub":"dana"}').toString('base64url');
    assert.equal(scan(`Bearer ${head}.${body}.c2ln-_`), 'Bearer ***');
    assert.equal(scan(`${head}.${body}.`), '***');
    assert.equal(scan(`${head}.${body}`), undefined);
    assert.equal(scan(`${head}.abc.def`), undefined);
  });
});

describe('account numbers', () => {
  test('with a right checksum are found, grouped or not', () => {
    assert.equal(scan('to DE89370400440532013000 now'), 'to *** now');
    assert.equal(scan('GB82 WEST 1234 5698 7654 32'), '***');
    assert.equal(scan('nl91abna0417164300'), '***');
    assert.equal(scan('MT84MALT011000012345MTLCAST001S'), '***');
  });

  test('with a wrong checksum, country or length are left alone', () => {
    for (const text of [
      'DE89370400440532013001',
      'ZZ89370400440532013000',
      'DE8937040044053201300',
      'DE893704004405320130000',
    ]) {
      assert.equal(scan(text), undefined, text);
    }
  });
});

describe('in disguise', () => {
  /** Best effort, and it says so: what is in the first list is found, what is in the second is not. */
  const FOUND: [string, string, string][] = [
    ['fullwidth digits', '４１１１１１１１１１１１１１１１', '***'],
    ['Arabic-Indic digits', '٤١١١١١١١١١١١١١١١', '***'],
    ['mathematical digits', '𝟒𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏', '***'],
    ['zero-width spaces between digits', [...CARD].join('\u200b'), '***'],
    ['zero-width joiners within a social security number', '12\u200d3-45\u2060-6789', '***'],
    ['a soft hyphen in an address', 'dana@exam\u00adple.test', '***'],
    ['en dashes', '123–45–6789', '***'],
    ['a minus sign and an em dash alike', '123\u221245\u22126789', '***'],
    ['no-break spaces', '4111\u00a01111\u00a01111\u00a01111', '***'],
    ['a fullwidth at sign', 'dana＠example.test', '***'],
    ['tag characters in between', `4111${String.fromCodePoint(0xe0031)}111111111111`, '***'],
    ['JSON escapes', '\\u0034111111111111111', '***'],
    ['JSON escapes in a social security number', '123\\u002d45-6789', '***'],
    ['text around, which stays as it was', 'Größe ５ „4111–1111–1111–1111“ \\users', 'Größe ５ „***“ \\users'],
  ];
  for (const [name, cell, expected] of FOUND) test(`${name}: found`, () => assert.equal(scan(cell), expected));

  const NOT_FOUND: [string, string][] = [
    ['hexadecimal', Buffer.from(SSN).toString('hex')],
    ['base64', Buffer.from(SSN).toString('base64')],
    ['reversed', [...SSN].reverse().join('')],
    ['letters for digits', 'bcd-ef-ghij'],
    ['a social security number without separators', '123456789'],
    ['spelled out', 'four one one one'],
    ['digits with words between', '4111 and 1111 and 1111 and 1111'],
  ];
  for (const [name, cell] of NOT_FOUND)
    test(`${name}: not found, as the documentation says`, () => assert.equal(scan(cell), undefined));

  test('disguise behind an honest match is seen too', () => {
    assert.equal(scan(`${CARD} and 123–45–6789`), '*** and ***');
  });

  test('bytes that are not UTF-8 hide nothing', () => {
    const cell = Buffer.concat([Buffer.from([0xe2, 0x80]), Buffer.from('123–45–6789'), Buffer.from([0xff])]);
    const row = createCellScanner([mask()], fingerprint).scan(cell, 0, cell.length, 'text');
    assert.deepEqual(row, Buffer.concat([Buffer.from([0xe2, 0x80]), Buffer.from('***'), Buffer.from([0xff])]));
  });
});

test('the same scanner finds the same thing in every cell: it keeps nothing between them', () => {
  const scanner = createCellScanner([mask()], fingerprint);
  const cells = [CARD, 'x', SSN, CARD, CARD, SSN].map((cell) => Buffer.from(cell));
  const hits = cells.map((cell) => scanner.scan(cell, 0, cell.length, 'text') !== undefined);
  assert.deepEqual(hits, [true, false, true, true, true, true]);
});

test('only what a rule names is looked for', () => {
  assert.equal(scan(`${CARD} ${SSN} a@b.co`, [mask('redact', ['email'])]), `${CARD} ${SSN} ***`);
  assert.equal(scan(CARD, [mask('redact', ['us_ssn'])]), undefined);
  assert.equal(scan(CARD, []), undefined);
});

test('the bounds of the cell are kept: its neighbours are neither read as part of it nor changed', () => {
  const row = Buffer.from('411111111111111|1|123-45-678|9|dana@example.te|st');
  const scanner = createCellScanner([mask()], fingerprint);
  assert.equal(scanner.scan(row, 0, 15, 'text'), undefined);
  assert.equal(scanner.scan(row, 18, 28, 'text'), undefined);
  assert.equal(scanner.scan(row, 31, 46, 'text')?.toString(), '***');
  assert.equal(scanner.scan(Buffer.from('dana@example.test'), 0, 12, 'text'), undefined);
});

describe('what stands there instead', () => {
  test('each way of masking', () => {
    assert.equal(scan(`no ${CARD}`, [mask('last4')]), 'no ***1111');
    assert.equal(scan(`no ${CARD}`, [mask({ fixed: 'gone' })]), 'no gone');
    assert.equal(scan(`no ${CARD}`, [mask('null')]), null);
    assert.equal(scan(`no ${CARD}`, [mask('hash')]), `no ${fingerprint(Buffer.from(CARD)).slice(0, 32)}`);
  });

  test('of two rules for one detector the one that shows less holds', () => {
    assert.equal(scan(CARD, [mask('last4'), mask('redact')]), '***');
    assert.equal(scan(CARD, [mask('redact'), mask('last4')]), '***');
    assert.equal(scan(CARD, [mask('hash'), mask('null')]), null);
  });

  test('a cell of a type that cannot hold text becomes NULL', () => {
    assert.equal(scan(CARD, [mask('redact')], 'other'), null);
    assert.equal(scan(CARD, [mask('last4')], 'other'), null);
    assert.equal(scan('42', [mask('redact')], 'other'), undefined);
  });

  test('the name of the rule is told without changing anything, for masks in shadow', () => {
    const scanner = createCellScanner(
      [mask('redact', ['email'], 'mails'), mask('redact', ['us_ssn'], 'numbers')],
      fingerprint,
    );
    const told = [SSN, 'a@b.co', 'x', '123–45–6789'].map((text) => {
      const cell = Buffer.from(text);
      return scanner.find(cell, 0, cell.length);
    });
    assert.deepEqual(told, ['numbers', 'mails', undefined, 'numbers']);
  });

  test('strict is told when one rule asks for it', () => {
    assert.equal(createCellScanner([mask()], fingerprint).strict, false);
    assert.equal(createCellScanner([mask(), { ...mask(), strict: true }], fingerprint).strict, true);
  });
});

describe('JSON', () => {
  const json = (value: string, how: MaskWith = 'redact') => {
    const masked = scan(value, [mask(how)], 'json');
    return typeof masked === 'string' ? JSON.parse(masked) : masked;
  };

  test('within a string only the match goes', () => {
    assert.deepEqual(json(`{"note": "card ${CARD} ok", "n": 1}`), { note: 'card *** ok', n: 1 });
  });

  test('a bare number goes as a whole, for a string', () => {
    assert.deepEqual(json(`{"card": ${CARD}, "next": 2}`), { card: '***', next: 2 });
    assert.deepEqual(json(`[-${CARD}.25e3]`), ['***']);
  });

  test('a key is a string too', () => {
    assert.deepEqual(json(`{"${CARD}": 1}`), { '***': 1 });
  });

  test('an escape before a match is not torn apart', () => {
    assert.deepEqual(json('{"a": "x\\nbob@example.test y"}'), { a: 'x*** y' });
    assert.deepEqual(json('{"a": "x\\\\bob@example.test"}'), { a: 'x\\***' });
    assert.deepEqual(json('["\\u0062ob@example.test"]'), ['***']);
    assert.deepEqual(json('["\\"4111111111111111\\""]'), ['"***"']);
  });

  test('a fixed text is escaped', () => {
    assert.deepEqual(json(`["${CARD}"]`, { fixed: 'a "b" \\' }), ['a "b" \\']);
    assert.deepEqual(json(`[${CARD}]`, { fixed: 'a "b" \\' }), ['a "b" \\']);
  });

  test('a private key without its end takes its string, not what follows', () => {
    assert.deepEqual(json('{"k": "-----BEGIN PRIVATE KEY-----\\nMIIE", "b": 2}'), { k: '***', b: 2 });
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from '../property/drawn.ts';
import { rowWriter } from '../../src/app/exec-format.ts';
import type { ExecFormat, FormatOptions, Row } from '../../src/app/exec-rows.ts';
import type { ExecColumn } from '../../src/domain/protocol.ts';

describe('JSON', () => {
  test('keeps text as text, NULL as null, and numbers that JSON holds as numbers', () => {
    const text = format(
      'json',
      [
        { name: 'a', type: 'string' },
        { name: 'n', type: 'number' },
        { name: 'b', type: 'boolean' },
      ],
      [
        ['9007199254740993', '1.5e+300', 't'],
        [null, 'NaN', 'f'],
        ['x"\n\u2028', '-7', null],
      ],
    );
    assert.equal(
      text,
      '{"a":"9007199254740993","n":1.5e+300,"b":true}\n{"a":null,"n":"NaN","b":false}\n{"a":"x\\"\\n\u2028","n":-7,"b":null}\n',
    );
  });

  test('shows bytes as base64 and JSON as it is, on one line', () => {
    const columns: ExecColumn[] = [
      { name: 'bytes', type: 'bytes' },
      { name: 'json', type: 'json' },
    ];
    const text = format('json', columns, [
      ['\\x68690a', '{\n "big": 12345678901234567890 }'],
      ['\\x', '***'],
    ]);
    assert.equal(text, '{"bytes":"aGkK","json":{  "big": 12345678901234567890 }}\n{"bytes":"","json":"***"}\n');
  });

  test('tells columns of the same name apart, and takes no name from another', () => {
    const names = ['a', 'a', 'a_2', 'a', '__proto__', '__proto__'];
    const text = format('json', names.map(string), [['1', '2', '3', '4', '5', '6']]);
    assert.equal(text, '{"a":"1","a_3":"2","a_2":"3","a_4":"4","__proto__":"5","__proto___2":"6"}\n');
  });

  test('has an object for a row without columns', () => {
    assert.equal(format('json', [], [[], []]), '{}\n{}\n');
  });

  test('is one line of JSON for whatever the target sends', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(value, value)), fc.constantFrom(...TYPES), (rows, type) => {
        const lines = format('json', [string('a'), { name: 'b', type }], rows)
          .split('\n')
          .slice(0, -1);
        assert.equal(lines.length, rows.length);
        for (const [at, line] of lines.entries()) assert.equal(JSON.parse(line).a, rows[at]?.[0]);
      }),
    );
  });
});

describe('CSV', () => {
  test('quotes what needs it, and tells NULL from the empty string', () => {
    const text = format(
      'csv',
      [string('a,b'), string('c')],
      [
        ['x', null],
        ['', 'say "hi"'],
        ['two\nlines', 'y'],
      ],
    );
    assert.equal(text, '"a,b",c\nx,\n"","say ""hi"""\n"two\nlines",y\n');
  });
});

describe('TSV', () => {
  test('escapes as COPY does, one row a line', () => {
    const text = format(
      'tsv',
      [string('a'), string('b')],
      [
        ['tab\there', null],
        ['line\nbreak', 'back\\slash\r'],
      ],
    );
    assert.equal(text, 'a\tb\ntab\\there\t\\N\nline\\nbreak\tback\\\\slash\\r\n');
  });

  test('leaves the header out on request', () => {
    assert.equal(format('tsv', [string('a')], [['1']], { header: false }), '1\n');
  });

  test('can be read back, whatever the target sends', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(value, value)), (rows) => {
        const lines = format('tsv', [string('a'), string('b')], rows, { header: false })
          .split('\n')
          .slice(0, -1);
        const read = lines.map((line) => line.split('\t').map((field) => (field === '\\N' ? null : unescaped(field))));
        assert.deepEqual(read, rows);
      }),
    );
  });
});

describe('a table', () => {
  test('is as wide as its first rows ask for, numbers to the right', () => {
    const columns: ExecColumn[] = [string('name'), { name: 'n', type: 'number' }];
    assert.equal(
      format('text', columns, [
        ['ada', '1'],
        ['grace', '100'],
        [null, '7'],
      ]),
      'name     n\n─────  ───\nada      1\ngrace  100\nNULL     7\n',
    );
  });

  test('stands in columns whatever the width of its letters', () => {
    const columns = [string('a'), string('b')];
    const writer = rowWriter('text', columns, { header: false });
    assert.equal(
      writer.rows([
        ['名前', 'x'],
        ['abcd', 'y'],
      ]) + writer.foot(),
      '名前  x\nabcd  y\n',
    );
  });

  test('of no rows is its head', () => {
    assert.equal(format('text', [string('a')], []), 'a\n─\n');
  });

  test('shows nothing that a terminal would obey', () => {
    assert.equal(format('text', [string('a\u202e')], [['\x1b[2Jx\ny']]).includes('\x1b'), false);
  });

  test('is cut to a terminal, and only to a terminal', () => {
    const long = 'x'.repeat(100);
    const cut = format('text', [string('a'), string('b')], [[long, long]], { width: 40 });
    for (const line of cut.trimEnd().split('\n')) assert.ok(line.length <= 40, line);
    assert.match(cut, /…/);
    assert.ok(format('text', [string('a')], [[long]]).includes(long));
  });

  test('goes on in the widths of its first rows, and holds no more than those', () => {
    const writer = rowWriter('text', [string('a')], { header: true });
    assert.equal(writer.rows(Array.from({ length: 199 }, () => ['x'])), '');
    assert.equal(writer.rows([['x']]).split('\n').length, 203);
    assert.equal(writer.rows([['a longer one']]), 'a longer one\n');
    assert.equal(writer.foot(), '');
  });
});

const TYPES: readonly ExecColumn['type'][] = ['string', 'number', 'boolean', 'json', 'bytes'];
const AWKWARD = ['\\', '\t', '\r', '\n', '"', '{', '}', ',', 'N', '[', ']', ':', 'a', '0', '\b', '\f', '\v', '.'];
const awkward = fc.string({ unit: fc.constantFrom(...AWKWARD) });
const value = fc.option(fc.oneof(fc.string({ unit: 'binary' }), awkward), { nil: null });

function string(name: string): ExecColumn {
  return { name, type: 'string' };
}

function format(
  as: ExecFormat,
  columns: readonly ExecColumn[],
  rows: readonly Row[],
  options: Partial<FormatOptions> = {},
): string {
  const writer = rowWriter(as, columns, { header: true, ...options });
  return writer.head() + writer.rows(rows) + writer.foot();
}

function unescaped(field: string): string {
  const chars: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '\\': '\\' };
  return field.replace(/\\(.)/g, (_, char: string) => chars[char] ?? char);
}

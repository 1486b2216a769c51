import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { quoteArgv, readArgv, readShell } from '../../../src/languages/shell/index.ts';
import { namesIn } from '../../../src/languages/shell/options.ts';
import type { Program } from '../../../src/languages/shell/program.ts';
import { PROGRAMS } from '../../../src/languages/shell/programs/index.ts';
import fc from '../../property/drawn.ts';
import { PAGE, withTable } from './page.ts';

function notations(program: Program): readonly string[] {
  if (program.kind === 'plain' || program.kind === 'wrapper') return [program.options ?? ''];
  if (program.kind !== 'suite') return [];
  return [program.options ?? '', ...Object.values(program.commands).map(({ options }) => options ?? '')];
}

test('every option of the table can be read, and none stands there twice with different meanings', () => {
  for (const [name, program] of PROGRAMS) {
    for (const notation of notations(program)) {
      const names = namesIn(notation);
      assert.ok(names, `${name}: ${notation}`);
      const meant = new Map<string, string>();
      for (const token of notation.split(/\s+/).filter(Boolean)) {
        const value = /(\[?=.*|!.*)?$/.exec(token)?.[0] ?? '';
        for (const option of namesIn(token) ?? []) {
          assert.equal(meant.get(option) ?? value, value, `${name} ${option}`);
          meant.set(option, value);
        }
      }
    }
  }
});

test('every program answers to any words', () => {
  const words = [
    '',
    '-',
    '--',
    '-x',
    '--x=y',
    '-o',
    'a',
    '/a',
    '=',
    '{}',
    ';',
    '+',
    ':',
    '-c',
    '-exec',
    'show',
    '!',
    '.',
    '--server',
    '-t',
  ];
  for (const name of PROGRAMS.keys()) {
    for (const args of fc.sample(fc.array(fc.constantFrom(...words), { maxLength: 4 }), { numRuns: 20, seed: 7 })) {
      const { effects } = readArgv([name, ...args]);
      assert.ok(effects.size > 0, quoteArgv([name, ...args]));
    }
  }
});

test('every program answers to a word that cannot be told', () => {
  for (const name of PROGRAMS.keys()) {
    for (const args of ['$X', '"$X"', '*', '-$X', '--x="$X"', '-o "$X"', 'a $X b']) {
      const { effects, argv } = readShell(`'${name}' ${args}`);
      assert.ok(effects.size > 0);
      assert.equal(argv, undefined);
    }
  }
});

test('the documentation shows the table as it is', () => {
  const page = readFileSync(PAGE, 'utf8');
  assert.ok(page.includes('`systemctl`'));
  assert.equal(page, withTable(page), 'node test/languages/shell/page.ts writes it anew');
});

describe('any text is answered', () => {
  test('of any characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => readShell(text).effects.size > 0),
      { numRuns: 1_000 },
    );
  });

  test('of pieces that a shell looks at', () => {
    const pieces = [
      'ls',
      'rm',
      ' ',
      '\n',
      ';',
      '&',
      '|',
      '(',
      ')',
      '{',
      '}',
      '$',
      '$(',
      '${',
      '`',
      '"',
      "'",
      '\\',
      '<',
      '>',
      '<<X',
      'X',
      '=',
      '[',
      ']',
      '[[',
      ']]',
      '*',
      '!',
      'if',
      'then',
      'fi',
      'for',
      'in',
      'do',
      'done',
      'case',
      'esac',
      '#',
      '~',
      '-',
      '/',
      '\0',
      '((',
      '))',
      'x',
      'function',
      'coproc',
      'select',
      '$((',
      "$'",
    ];
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...pieces), { maxLength: 30 }),
        (some) => readShell(some.join('')).effects.size > 0,
      ),
      { numRuns: 3_000 },
    );
  });

  for (const [what, text] of [
    ['a megabyte', 'a '.repeat(500_000)],
    ['as much as is read', 'ls '.repeat(21_000)],
    ['brackets in brackets', '$('.repeat(30_000)],
    ['here-documents', 'cat <<A;'.repeat(8_000)],
    ['wrappers in wrappers', `${'sudo '.repeat(10_000)}ls`],
    ['runs within runs', 'find /a /b /c -exec '.repeat(3_000)],
    ['many commands', 'ls;'.repeat(20_000)],
    ['many braces', '{a,'.repeat(20_000)],
  ] as const) {
    test(`of ${what}`, () => {
      const { effects, reason = '' } = readShell(text);
      assert.ok(effects.has('unknown') || what === 'as much as is read');
      assert.ok(reason.length < 300);
    });
  }
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { quoteArgv, readArgv, readShell, shellFacts } from '../../../src/languages/shell/index.ts';

describe('the words of one simple command', () => {
  const rows: readonly (readonly [text: string, argv: readonly string[]])[] = [
    ['ls', ['ls']],
    ['  ls  -la\n', ['ls', '-la']],
    ['grep \'a b\' "c d" e\\ f', ['grep', 'a b', 'c d', 'e f']],
    ["echo '$(x)' \"\\$x\" '*' \\*", ['echo', '$(x)', '$x', '*', '*']],
    [
      "find . -name '*.log' ! -type d \\( -size 0 \\)",
      ['find', '.', '-name', '*.log', '!', '-type', 'd', '(', '-size', '0', ')'],
    ],
    ['dd if=/a of=/b', ['dd', 'if=/a', 'of=/b']],
    ["env A=1 ls ''", ['env', 'A=1', 'ls', '']],
    ['echo a#b', ['echo', 'a#b']],
    ['echo größe', ['echo', 'größe']],
    ['export LANG=C', ['export', 'LANG=C']],
  ];
  for (const [text, argv] of rows) test(JSON.stringify(text), () => assert.deepEqual(readShell(text).argv, argv));
});

describe('is not told of anything else', () => {
  for (const text of [
    'ls; ls',
    'ls;',
    'ls &',
    'ls | cat',
    'ls && ls',
    'ls\nls',
    '(ls)',
    '{ ls; }',
    '! ls',
    'time ls',
    'A=1 ls',
    'LANG=C ls',
    'ls > x',
    'ls < x',
    'ls 2>&1',
    'cat <<X\nX',
    'ls *',
    'ls ?',
    'ls [a]',
    'ls ~',
    'ls a=~',
    'ls {a,b}',
    'ls $x',
    'ls "$x"',
    'ls $(x)',
    'ls `x`',
    "ls $'a'",
    'ls $"a"',
    'ls $((1))',
    'ls # x',
    '# x',
    '',
    'ls "a',
    "ls 'a\nb'",
    "ls 'a\tb'",
    'ls \0',
    'ls \x1b',
    'ls \u202e',
    'if true; then ls; fi',
    'f() { ls; }',
    '-c ls',
    'a[1]=2 ls',
    'export A=(1)',
    'ls <(x)',
    'ls @(a)',
  ]) {
    test(JSON.stringify(text), () => assert.equal(readShell(text).argv, undefined));
  }
});

test('words are judged as the text that holds them', () => {
  for (const argv of [
    ['rm', '-rf', '/'],
    ['sudo', 'sh', '-c', 'rm -rf /'],
    ['echo', '$(rm x)', '*', '> x'],
    ['nosuch'],
  ]) {
    const { effects, resources } = readArgv(argv);
    const read = readShell(quoteArgv(argv));
    assert.deepEqual([effects, resources, argv], [read.effects, read.resources, read.argv]);
  }
});

test('words that no line can hold are no argv', () => {
  assert.ok(readArgv([]).effects.has('unknown'));
  assert.equal(readArgv(['ls', 'a\nb']).argv, undefined);
  assert.ok(readArgv(['ls', 'a\0b']).effects.has('unknown'));
  assert.ok(readArgv(['ls', 'x'.repeat(70_000)]).effects.has('unknown'));
});

describe('quoting', () => {
  const rows: readonly (readonly [argv: readonly string[], line: string])[] = [
    [['ls', '-la', '/var/log'], 'ls -la /var/log'],
    [['ls', 'a b', ''], "ls 'a b' ''"],
    [['echo', "it's", 'a\\b', 'wow!'], "echo 'it'\\''s' 'a'\\\\'b' 'wow'\\!"],
    [['echo', '~', '=ls', '*', '$x', '^', '#'], "echo '~' '=ls' '*' '$x' '^' '#'"],
    [['if', 'x'], "'if' x"],
    [['A=1', 'x'], "'A=1' x"],
    [['-c', 'x'], "'-c' x"],
    [['git-upload-pack', 'x.git'], "git-upload-pack 'x.git'"],
    [['echo', '{a,b}', '%1', '@x', '+x'], "echo '{a,b}' '%1' '@x' '+x'"],
  ];
  for (const [argv, line] of rows) test(line, () => assert.equal(quoteArgv(argv), line));

  test('throws for what no command can hold', () => {
    assert.throws(() => quoteArgv([]), RangeError);
    assert.throws(() => quoteArgv(['ls', 'a\0']), RangeError);
  });
});

describe('facts', () => {
  test('of a simple command are all told', () => {
    assert.deepEqual(shellFacts('sudo rm /x', readShell('sudo rm /x')), {
      command: 'sudo rm /x',
      argv: ['sudo', 'rm', '/x'],
      program: ['rm'],
      paths: ['/x'],
      through: ['sudo'],
    });
  });
  test('that cannot be told are null', () => {
    const { argv, program, paths, through } = shellFacts('$X', readShell('$X'));
    assert.deepEqual([argv, program, paths, through], [null, null, null, null]);
  });
});

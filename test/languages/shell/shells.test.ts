/**
 * Readings held against real shells. The seed stays the same; `TEST_SEED=random` draws others, `SHELL_RUNS=5000` more, and
 * `SHELL_ALSO=/usr/bin/zsh,/usr/bin/fish` asks further shells about quoting.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { quoteArgv, readShell } from '../../../src/languages/shell/index.ts';
import fc, { TEST_SEED } from '../../property/drawn.ts';
import { playground } from './shells.ts';

const { SHELL_RUNS = '300', SHELL_ALSO = '' } = process.env;
const RUNS = Number(SHELL_RUNS);
const seed = TEST_SEED === 'random' ? {} : { seed: Number(TEST_SEED) };

const place = playground();
after(() => place[Symbol.dispose]());

function draw<T>(what: fc.Arbitrary<T>, runs = RUNS): T[] {
  return fc.sample(what, { numRuns: runs, ...seed });
}

const NASTY = [
  ...'\'"\\$`!*?[]{}()<>|&;#~=^%@+-:,. \t\n/rmx',
  'é',
  '💥',
  '\u00a0',
  '$x',
  '$(',
  '\\\n',
  '--',
  '~/',
  '=ls',
  '!!',
  '\r',
  '\x1b',
];
const word = fc.array(fc.constantFrom(...NASTY), { maxLength: 8 }).map((parts) => parts.join(''));

describe('quoted words are read by a shell as exactly those words', () => {
  for (const shell of ['/bin/sh', '/bin/bash', '/bin/dash', ...SHELL_ALSO.split(',').filter(Boolean)]) {
    test(shell, () => {
      const argvs = draw(fc.array(word, { minLength: 1, maxLength: 4 }));
      const read = place.words(shell, argvs.map(quoteArgv));
      for (const [index, argv] of argvs.entries()) assert.deepEqual(read[index], argv);
    });
  }

  test('and by us', () => {
    const argvs = draw(fc.array(word, { minLength: 1, maxLength: 4 }), RUNS * 5);
    let told = 0;
    for (const argv of argvs) {
      const read = readShell(quoteArgv(argv)).argv;
      if (read === undefined) continue;
      told += 1;
      assert.deepEqual(read, argv);
    }
    assert.ok(told > RUNS, 'most are told');
  });
});

// No slash, no parentheses, and of letters r, m and x alone: whatever comes of it, only `rm` in our folder can be run.
const LETTERS = [
  ...'rmx-f0',
  ' ',
  ' ',
  ' ',
  ...'\'"\\$`!*?[]{}<>|&;#~=\n\t,.@:^%',
  "''",
  '""',
  '\\\n',
  "$'",
  '$x',
  '${x}',
  'rm ',
  'rm -rf x',
  '&&',
  '||',
  '<<',
];
const text = fc.array(fc.constantFrom(...LETTERS), { maxLength: 10 }).map((parts) => parts.join(''));

describe('an argv is what a shell makes of the text', () => {
  const told = draw(text, RUNS * 40).flatMap((line) => {
    const { argv } = readShell(`rm ${line}`);
    return argv === undefined ? [] : [{ line, words: argv.slice(1) }];
  });
  for (const shell of ['/bin/bash', '/bin/dash']) {
    test(shell, () => {
      assert.ok(told.length > RUNS / 3, `only ${told.length} are told`);
      // printf says nothing of no words as it says one empty one.
      const some = told.filter(({ words }) => words.length > 0);
      const read = place.words(
        shell,
        some.map(({ line }) => line),
      );
      for (const [index, { line, words }] of some.entries()) assert.deepEqual(read[index], words, JSON.stringify(line));
    });
  }
});

// Spellings of one letter of a word that leave the word as it is, mostly.
const letterForms = (letter: string): readonly string[] => [
  letter,
  letter,
  `'${letter}'`,
  `"${letter}"`,
  `\\${letter}`,
  `''${letter}`,
  `""${letter}`,
  `\\\n${letter}`,
  `$'${letter}'`,
  `$'\\x${letter.charCodeAt(0).toString(16)}'`,
  `$"${letter}"`,
  `$x${letter}`,
  `\${x}${letter}`,
  `\${x:-${letter}}`,
  `$@${letter}`,
  `"$@"${letter}`,
  `$(echo ${letter})`,
  `\`echo ${letter}\``,
  `[${letter}]`,
  `{${letter},}`,
];
const spelled = (wanted: string): fc.Arbitrary<string> =>
  fc.tuple(...[...wanted].map((letter) => fc.constantFrom(...letterForms(letter)))).map((parts) => parts.join(''));
const around: readonly ((command: string) => string)[] = [
  (command) => command,
  (command) => command,
  (command) => `! ${command}`,
  (command) => `time ${command}`,
  (command) => `{ ${command}; }`,
  (command) => `(${command})`,
  (command) => `((${command}) )`,
  (command) => `:; ${command}`,
  (command) => `: & ${command}`,
  (command) => `: | ${command}`,
  (command) => `:\n${command}`,
  (command) => `: <<X\nX\n${command}`,
  (command) => `: <<'X'\n$(\nX\n${command}`,
  (command) => `: <<X\n$(${command})\nX`,
  (command) => `: # x\n${command}`,
  (command) => `: '#' ; ${command}`,
  (command) => `: \\\n; ${command}`,
  (command) => `: $(${command})`,
  (command) => `: "$(${command})"`,
  (command) => `: \`${command}\``,
  (command) => `: \${x:-$(${command})}`,
  (command) => `: $((\`${command}\`))`,
  (command) => `x=$(${command})`,
  (command) => `x=1 ${command}`,
  (command) => `>y ${command}`,
  (command) => `: >$(${command})`,
  (command) => `if :; then ${command}; fi`,
  (command) => `case x in x) ${command};; esac`,
  (command) => `for x in y; do ${command}; done`,
  (command) => `until ${command}; do break; done`,
  (command) => `f() { ${command}; }; f`,
  (command) => `eval '${command.replaceAll("'", "'\\''")}'`,
  (command) => `command ${command}`,
  (command) => `builtin command ${command}`,
  (command) => `exec ${command}`,
  (command) => `trap '${command.replaceAll("'", "'\\''")}' EXIT`,
  (command) => `[[ x || ${command} ]]`,
  (command) => `[[ -n $(${command}) ]]`,
  (command) => `: <(${command})`,
  (command) => `echo &>y ${command}`,
  (command) => `: $[ 1 || ${command} ]`,
  (command) => `: $'a\\'; ${command}; #'`,
  (command) => `alias y=x; ${command}`,
  (command) => `declare "x[$(${command})]=1"`,
  (command) => `printf -v 'x[$(${command})]' y`,
];

describe('what removes is never read as harmless', () => {
  const command = fc.tuple(spelled('rm'), spelled('-rf'), spelled('x')).map((words) => words.join(' '));
  const drawn = draw(fc.tuple(command, fc.constantFrom(...around)).map(([inner, wrap]) => wrap(inner)));
  const texts = [
    ...around.map((wrap) => wrap('rm -rf x')),
    ...drawn,
    ...draw(text, RUNS * 20)
      .filter((line) => line.includes('rm'))
      .slice(0, RUNS),
  ];

  for (const shell of ['/bin/bash', '/bin/dash']) {
    test(`however ${shell} finds it`, () => {
      const called = place.removals(shell, texts);
      let removals = 0;
      for (const [index, line] of texts.entries()) {
        const words = called[index];
        if (words === undefined) continue;
        removals += 1;
        const { effects, argv } = readShell(line);
        assert.ok(effects.has('delete') || effects.has('unknown'), `${JSON.stringify(line)} is ${[...effects]}`);
        if (argv?.[0] === 'rm') assert.deepEqual(words, argv, JSON.stringify(line));
      }
      assert.ok(removals > RUNS / 5, `only ${removals} removed anything`);
    });
  }
});

/** `hoopctl help`: commands, subcommands and topics, complete, and laid out for the terminal. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../src/base/entry.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { errorRows } from '../../src/cli/error-codes.ts';
import { helpOf, helpText } from '../../src/cli/help.ts';
import { ENVIRONMENT, TOPICS } from '../../src/cli/topics.ts';
import { newHome } from './cli.ts';

test('every page fits the terminal it is for', async () => {
  const pages: (readonly [name: string, lines: readonly string[], width: number])[] = [];
  for (const width of [80, 110]) {
    pages.push(['help', helpText(width).split('\n'), width]);
    for (const topic of TOPICS) pages.push([topic.name, topic.page(width), width]);
    for (const { name, load } of COMMANDS) {
      const { command } = await load();
      for (const form of [command, ...(command.subcommands ?? [])])
        pages.push([`${name} ${form.name}`, helpOf(form, `${name} ${form.name}`, width).split('\n'), width]);
    }
  }
  const wide = pages.flatMap(([name, lines, width]) =>
    lines.filter((line) => line.length > width).map((line) => `${name} at ${width}: ${line}`),
  );
  assert.deepEqual(wide, []);
});

test('help COMMAND and COMMAND --help say the same; subcommands too', async (t) => {
  const home = newHome(t);
  for (const words of [['run'], ['sessions'], ['sessions', 'show']]) {
    const asked = await home.run(['help', ...words]);
    assert.deepEqual(asked, await home.run([...words, '--help']));
    assert.equal(asked.code, 0);
  }
});

test('an error is explained by its code, in any case, with what its exit code means', async (t) => {
  const ended = await newHome(t).run(['help', 'errors', 'target_unknown']);
  assert.deepEqual(ended, {
    code: 0,
    stdout:
      'TARGET_UNKNOWN\n  there is no such target, or it is not granted to you.\n  exit 4: refused by policy, unknown target, no approver\n',
    stderr: '',
  });
});

test('every row of docs/errors.md is read', () => {
  const page = readFileSync(join(packageRoot(), 'docs', 'errors.md'), 'utf8');
  assert.equal(errorRows().length, page.match(/^\| `[A-Z]/gm)?.length);
  assert.deepEqual(
    errorRows().filter(({ meaning }) => /`|\]\(/.test(meaning)),
    [],
  );
});

for (const [words, what, hint] of [
  [
    ['help', 'errors', 'TARGET_UNKOWN'],
    'there is no error "TARGET_UNKOWN"',
    'did you mean: hoopctl help errors TARGET_UNKNOWN',
  ],
  [['help', 'enviroment'], 'there is no command or topic "enviroment"', 'did you mean: hoopctl help environment'],
  [['help', 'sesions'], 'there is no command or topic "sesions"', 'did you mean: hoopctl help sessions'],
  [['help', 'sessions', 'shw'], 'there is no command "sessions shw"', 'did you mean: hoopctl help sessions show'],
  [['help', 'exit-codes', 'x'], '"exit-codes" is a topic, and takes nothing', 'hoopctl help exit-codes'],
] as const) {
  test(`${words.join(' ')}: did you mean`, async (t) => {
    const ended = await newHome(t).run(words);
    assert.deepEqual([ended.code, ended.stderr], [2, `hoopctl: error: ${what} [USAGE]\nhoopctl: hint: ${hint}\n`]);
  });
}

test('help environment names every variable that hoopctl reads, and no other', () => {
  const read = new Set<string>();
  for (const file of globSync('src/**/*.ts', { cwd: packageRoot() }).filter((each) => !each.endsWith('cli/topics.ts')))
    for (const [name] of readFileSync(join(packageRoot(), file), 'utf8').matchAll(/\bHOOPCTL_[A-Z_]+\b/g))
      read.add(name);
  assert.deepEqual([...ENVIRONMENT.keys()].filter((name) => name.startsWith('HOOPCTL_')).sort(), [...read].sort());
});

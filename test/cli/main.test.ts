/** What every command line shares: exit codes, streams, the form of errors, help, and what is loaded. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { packageRoot } from '../../src/base/entry.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { NOT_BUILT } from '../../src/cli/not-built.ts';
import { jsonError, newHome } from './cli.ts';

test('the version is a result on stdout, alone', async (t) => {
  const home = newHome(t);
  for (const args of [['--version'], ['version']]) {
    const ended = await home.run(args);
    assert.equal(ended.code, 0);
    assert.match(ended.stdout, /^\d+\.\d+\.\d+\n$/);
    assert.equal(ended.stderr, '');
  }
});

test('the version does not depend on how results are asked for, and a reader that has gone is no failure', async (t) => {
  const { code, stdout } = await newHome(t).run(['--version'], { env: { HOOPCTL_OUTPUT: 'json' } });
  assert.deepEqual([code, /^\d+\.\d+\.\d+\n$/.test(stdout)], [0, true]);
  const bin = join(packageRoot(), 'bin', 'hoopctl.js');
  const script = '{ "$0" "$1" --version; echo $? >&2; } | :';
  const { stderr } = spawnSync('bash', ['-c', script, process.execPath, bin], { encoding: 'utf8' });
  assert.equal(stderr, '0\n');
});

test('a wrong command is exit 2, on stderr, with the one that was meant', async (t) => {
  const ended = await newHome(t).run(['versoin']);
  assert.deepEqual(ended, {
    code: 2,
    stdout: '',
    stderr: 'hoopctl: error: there is no command "versoin" [USAGE]\nhoopctl: hint: did you mean: hoopctl version\n',
  });
});

test('a wrong option is exit 2 with the one that was meant', async (t) => {
  const ended = await newHome(t).run(['version', '--jsn']);
  assert.equal(ended.code, 2);
  assert.equal(ended.stderr, "hoopctl: error: unknown option '--jsn' [USAGE]\nhoopctl: hint: did you mean --json?\n");
});

test('an error with --json is one line of JSON on stderr with code, message, hint and exit', async (t) => {
  const ended = await newHome(t).run(['versoin', '--json']);
  assert.equal(ended.stdout, '');
  assert.deepEqual(jsonError(ended), {
    code: 'USAGE',
    message: 'there is no command "versoin"',
    hint: 'did you mean: hoopctl version',
    exit: 2,
  });
});

test('HOOPCTL_OUTPUT=json does what --json does', async (t) => {
  const ended = await newHome(t).run(['versoin'], { env: { HOOPCTL_OUTPUT: 'json' } });
  assert.equal(jsonError(ended).code, 'USAGE');
});

test('an output form that a command does not have is exit 2', async (t) => {
  const ended = await newHome(t).run(['version', '-o', 'csv']);
  assert.equal(ended.code, 2);
  assert.match(ended.stderr, /no output "csv" \[USAGE\]\nhoopctl: hint: use one of: text, json\n/);
});

test('no command at all is exit 2 and points to the help', async (t) => {
  const ended = await newHome(t).run([]);
  assert.equal(ended.code, 2);
  assert.match(ended.stderr, /hint: see: hoopctl help/);
});

test('what a subcommand lacks points to the help of that one', async (t) => {
  const ended = await newHome(t).run(['sessions', 'tail']);
  assert.match(
    ended.stderr,
    /missing required argument 'ID' \[USAGE\]\nhoopctl: hint: see: hoopctl sessions tail --help\n/,
  );
});

test('help lists every command, on stdout', async (t) => {
  const ended = await newHome(t).run(['help']);
  assert.equal(ended.code, 0);
  assert.equal(ended.stderr, '');
  for (const { name, summary } of COMMANDS) assert.match(ended.stdout, new RegExp(`^  ${name} +${summary}$`, 'm'));
});

test('help topics exist', async (t) => {
  const home = newHome(t);
  const codes = await home.run(['help', 'exit-codes']);
  assert.match(codes.stdout, /^ {2}8 {2}evidence does not verify$/m);
  assert.equal((await home.run(['help', 'errors'])).code, 0);
  assert.match((await home.run(['help', 'environment'])).stdout, /^ {2}HOOPCTL_TOKEN /m);
});

describe('what this version does not do is refused by name', () => {
  for (const { path, hint } of NOT_BUILT) {
    test(path, async (t) => {
      const ended = await newHome(t).run([...path.split(' '), '--json']);
      assert.equal(ended.code, 2);
      assert.equal(ended.stdout, '');
      assert.deepEqual(jsonError(ended), {
        code: 'NOT_BUILT',
        message: `this version has no "${path}"`,
        hint,
        exit: 2,
      });
    });
  }
});

test('every command says what it does when asked for help', async () => {
  const { helpOf } = await import('../../src/cli/help.ts');
  for (const { name, load } of COMMANDS) {
    const { command } = await load();
    assert.equal(command.name, name);
    const all = [command, ...(command.subcommands ?? [])];
    for (const form of all) {
      assert.match(helpOf(form), /^Usage: hoopctl /);
      assert.ok(form.run !== undefined || form.subcommands !== undefined, `${form.name} runs`);
      assert.doesNotMatch(form.summary, /\.$/);
    }
  }
});

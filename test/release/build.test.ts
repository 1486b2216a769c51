/** What the build makes of the sources. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { packageRoot } from '../../src/base/entry.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { importsOf } from '../architecture/scan.ts';

let folder = '';
const dist = () => join(folder, 'dist');

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'hoopctl-build-'));
  const build = spawnSync(process.execPath, [join(packageRoot(), 'release', 'build.ts'), '--out', dist()], {
    encoding: 'utf8',
  });
  assert.equal(build.status, 0, build.stderr);
});
after(() => rmSync(folder, { recursive: true, force: true }));

test('every worker is an entry point of its own, so that a thread can be started from it', () => {
  const workers = globSync(['src/**/worker.ts', 'src/**/*-worker.ts'], { cwd: packageRoot() });
  const missing = workers.filter(
    (file) => !existsSync(join(dist(), file.replace(/^src\//, '').replace(/\.ts$/, '.js'))),
  );
  assert.deepEqual(missing, []);
});

test('what stays a package of its own is one that the manifest installs', () => {
  const manifest = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8'));
  const installed = new Set(Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }));
  const named = globSync('**/*.js', { cwd: dist() }).flatMap((file) =>
    importsOf(readFileSync(join(dist(), file), 'utf8')).flatMap(({ specifier }) => specifier ?? []),
  );
  const packages = named.filter((name) => /^[@a-z]/.test(name) && !name.startsWith('node:')).map(packageOf);
  const foreign = packages.filter((name) => !installed.has(name) && !isBuiltIn(name));
  assert.deepEqual([...new Set(foreign)], []);
});

test('the manual is there: a page for hoopctl and one for each command, and the manifest names them', () => {
  const pages = globSync('*.1', { cwd: join(dist(), 'man') }).sort();
  const manifest = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8'));
  assert.deepEqual(
    manifest.man.toSorted(),
    pages.map((page) => `dist/man/${page}`),
  );
  assert.deepEqual(pages, ['hoopctl.1', ...COMMANDS.map(({ name }) => `hoopctl-${name}.1`)].sort());
});

test('nothing that only some commands need is loaded before they ask', () => {
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const { specifier, lazy } of importsOf(readFileSync(join(dist(), file), 'utf8'))) {
      if (!lazy && specifier?.startsWith('.')) visit(join(file, '..', specifier));
    }
  };
  visit('cli/main.js');
  const bytes = [...seen].reduce((sum, file) => sum + readFileSync(join(dist(), file)).length, 0);
  assert.ok(bytes < 400_000, `${bytes} bytes are read before the first line is printed: ${[...seen].join(' ')}`);
});

function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
}

function isBuiltIn(name: string): boolean {
  return process.getBuiltinModule(name) !== undefined;
}

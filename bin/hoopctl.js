#!/usr/bin/env node
/**
 * Finds hoopctl's code and a Node that can run it, and nothing else. Plain JavaScript that an old Node can still read, so that it can say what is missing.
 *
 * Everything is found from this file's own real path, never from the working folder or the PATH: whoever can write there could otherwise choose the code
 * that runs with a person's login.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

// `import 'node:fs'` makes a module of everything in it, `fs.promises` too, and that costs a tenth of Node's own start.
const fs = process.getBuiltinModule?.('node:fs') ?? (await import('node:fs'));
const { existsSync, readdirSync, readFileSync, realpathSync, statSync, writeSync } = fs;

const NEEDED_MAJOR = 24;
const SELF = realpathSync(fileURLToPath(import.meta.url));
const ROOT = dirname(dirname(SELF));
const SOURCES = join(ROOT, 'src');

if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) await runHere();
else await runOnPinnedNode();

async function runHere() {
  if (process.argv.length === 3 && process.argv[2] === '--version') return sayVersion();
  const { main } = await import(pathToFileURL(findCode()).href).catch(explainMissing);
  if (main !== undefined) process.exitCode = await main(process.argv.slice(2));
}

/** What scripts ask often, and prompts at every line: answered before any code is loaded. `process.stdout` alone would cost as much again. */
function sayVersion() {
  const text = `${JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version}\n`;
  try {
    writeSync(1, text);
  } catch (error) {
    // A reader that has gone wants nothing more; a pipe that is full is waited for.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPIPE')) process.stdout.write(text);
  }
}

/** In a checkout the sources, unless a build is newer than all of them; in a package the build. */
function findCode() {
  const built = join(ROOT, 'dist', 'cli', 'main.js');
  const source = join(SOURCES, 'cli', 'main.ts');
  if (!existsSync(source)) return built;
  const builtAt = statSync(built, { throwIfNoEntry: false })?.mtimeMs;
  return builtAt !== undefined && !changedSince(builtAt) ? built : source;
}

/**
 * A walk of our own: `readdirSync` with `recursive` takes five times as long.
 *
 * @param {number} time
 * @returns {boolean}
 */
function changedSince(time, folder = SOURCES) {
  return readdirSync(folder, { withFileTypes: true }).some((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? changedSince(time, path) : statSync(path).mtimeMs > time;
  });
}

async function runOnPinnedNode() {
  const node = join(ROOT, '.node', 'bin', 'node');
  if (existsSync(node)) {
    const { passThrough } = await import('./setup/child.js');
    process.exitCode = await passThrough(node, [...process.execArgv, SELF, ...process.argv.slice(2)]);
    return;
  }
  fail(
    'NODE_TOO_OLD',
    `this needs Node ${NEEDED_MAJOR} or newer, and runs on ${process.version}`,
    inCheckout('install Node 24 or newer'),
  );
}

/** @param {NodeJS.ErrnoException} error */
function explainMissing(error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND' || existsSync(join(ROOT, '.setup', 'stamp')) || !existsSync(SOURCES))
    throw error;
  fail('NOT_SET_UP', 'the dependencies of this checkout are not installed', inCheckout('install hoopctl again'));
  return { main: undefined };
}

/** @param {string} otherwise */
function inCheckout(otherwise) {
  return existsSync(SOURCES) ? `run "npm run setup" in ${ROOT}` : otherwise;
}

/** The voice of every other error; here because no code is loaded yet. @param {string} code @param {string} message @param {string} hint */
function fail(code, message, hint) {
  const asJson = process.argv.includes('--json') || process.env.HOOPCTL_OUTPUT === 'json';
  const text = `hoopctl: error: ${message} [${code}]\nhoopctl: hint: ${hint}`;
  console.error(asJson ? JSON.stringify({ error: { code, message, hint, exit: 2 } }) : text);
  process.exitCode = 2;
}

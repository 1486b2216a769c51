/**
 * Whether the checkout is set up as its files ask: one digest over what decides the set-up, kept beside it.
 * Read on every run, so it costs a few milliseconds and imports nothing heavy.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NODE_VERSION, pinnedPackage, taskNode } from './pinned.js';

/** Files whose absence means that somebody has emptied a folder since. */
const KEY_FILES = [
  'node_modules/.package-lock.json',
  'node_modules/esbuild/bin/esbuild',
  'node_modules/typescript/bin/tsc',
  'node_modules/@biomejs/biome/bin/biome',
  'node_modules/libpg-query/package.json',
  'node_modules/tsx/package.json',
];

/** @param {string} root the checkout */
export function isUpToDate(root) {
  const kept = read(stampPath(root));
  return (
    kept !== undefined &&
    KEY_FILES.every((file) => existsSync(join(root, file))) &&
    existsSync(taskNode(root)) &&
    kept === digest(root)
  );
}

/** @param {string} root the checkout */
export function writeStamp(root) {
  mkdirSync(join(root, '.setup'), { recursive: true });
  writeFileSync(stampPath(root), digest(root));
}

/** Taken away before anything is changed: a set-up that was interrupted is done again. @param {string} root the checkout */
export function removeStamp(root) {
  rmSync(stampPath(root), { force: true });
}

/** @param {string} root */
function digest(root) {
  const hash = createHash('sha256');
  const setup = join(root, 'bin', 'setup');
  for (const file of readdirSync(setup).sort()) hash.update(file).update(read(join(setup, file)) ?? '');
  hash.update(read(join(root, 'package-lock.json')) ?? '');
  hash.update(read(join(root, 'node_modules', '.package-lock.json')) ?? ''); // npm writes it: any later `npm install` changes it
  hash.update(`${process.platform} ${process.arch} ${pinnedPackage() === undefined ? process.version : NODE_VERSION}`);
  return hash.digest('hex');
}

/** @param {string} root */
function stampPath(root) {
  return join(root, '.setup', 'stamp');
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

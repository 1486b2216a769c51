/** Runs the npm that this machine already has, on the Node we say. */
import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { SetupError } from './setup-error.js';

/**
 * Runs npm to its end. Its errors go to stderr; what it reports on stdout is dropped, for stdout is the task's own.
 *
 * @param {string} node the Node that runs npm, and that npm finds first on the PATH
 * @param {readonly string[]} args
 * @param {{ cwd: string, failure: string, hint: string }} options
 */
export function runNpm(node, args, { cwd, failure, hint }) {
  const env = { ...process.env, NODE_NO_WARNINGS: '1', PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` };
  const done = spawnSync(node, [findNpm(), ...args], { cwd, env, stdio: ['ignore', 'ignore', 2] });
  if (done.error !== undefined) throw new SetupError(`${failure}: ${done.error.message}`, hint);
  if (done.status !== 0) throw new SetupError(`${failure} (npm ended with ${done.signal ?? done.status})`, hint);
}

/** npm's own program file: the one that is running us, or the one on the PATH. */
export function findNpm() {
  const running = process.env.npm_execpath;
  if (running !== undefined && basename(running) === 'npm-cli.js') return running;
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const program = resolveLink(join(folder, 'npm'));
    if (program !== undefined && basename(program) === 'npm-cli.js') return program;
  }
  throw new SetupError('npm was not found on the PATH', 'install npm 10 or newer (Debian: apt-get install -y npm)');
}

/** @param {string} path */
function resolveLink(path) {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

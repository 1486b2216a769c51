/** Runs another program in this one's place: same terminal, same signals, same end. */
import { spawn } from 'node:child_process';

/** Sent on to the child. On a terminal the kernel has already given SIGINT, SIGQUIT and SIGHUP to the whole group. */
const FORWARDED = /** @type {const} */ (['SIGTERM', 'SIGUSR2', 'SIGINT', 'SIGQUIT', 'SIGHUP']);
const FROM_TERMINAL = new Set(['SIGINT', 'SIGQUIT', 'SIGHUP']);

/**
 * Resolves with the child's exit code. A child that a signal ended takes this process with it, by the same signal.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<number>}
 */
export function passThrough(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: 'inherit' });
    const onTerminal = process.stdin.isTTY === true || process.stderr.isTTY === true;
    const handlers = FORWARDED.map((signal) => {
      const handler = () => {
        if (!(onTerminal && FROM_TERMINAL.has(signal))) child.kill(signal);
      };
      process.on(signal, handler);
      return { signal, handler };
    });
    const stopListening = () => {
      for (const { signal, handler } of handlers) process.off(signal, handler);
    };
    child.on('error', (error) => {
      stopListening();
      reject(error);
    });
    child.on('exit', (code, signal) => {
      stopListening();
      if (signal === null) return resolve(code ?? 1);
      process.kill(process.pid, signal);
      // A signal whose default is to be ignored has not ended us: say what a shell would.
      setTimeout(() => resolve(1), 100);
    });
  });
}

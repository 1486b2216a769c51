/** `hoopctl tunnel --background`: the same command in a process of its own, left behind once its doors are open. */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../base/entry.ts';
import { type ExitCode, HoopError } from '../base/error.ts';

/** What the process left behind says once: that it stands, or why not. */
export type BackgroundReport =
  | { readonly ready: unknown }
  | { readonly failed: { code: string; message: string; hint?: string; exit: ExitCode } };

/** The hidden option by which the process knows that it was started so. */
export const HELD_OPTION = '--held';

/** @returns what it reported as ready, and its process id. @throws what it failed with */
export function leaveBehind(
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ pid: number; ready: unknown }> {
  const child = fork(join(packageRoot(), 'bin', 'hoopctl.js'), [...args, HELD_OPTION], {
    cwd,
    env: { ...env } as NodeJS.ProcessEnv,
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [],
  });
  return new Promise((resolve, reject) => {
    child.once('message', (report: BackgroundReport) => {
      child.disconnect();
      child.unref();
      if ('ready' in report) return resolve({ pid: child.pid ?? 0, ready: report.ready });
      const { code, message, hint, exit } = report.failed;
      reject(new HoopError(code, message, { hint, exit }));
    });
    child.once('error', (cause) =>
      reject(new HoopError('BACKGROUND', `the tunnel could not be started: ${cause.message}`, { cause })),
    );
    child.once('exit', (code, signal) =>
      reject(
        new HoopError('BACKGROUND', `the tunnel ended before it was ready (${signal ?? code})`, {
          hint: 'run it without --background to see why',
        }),
      ),
    );
  });
}

/** In the process left behind. Afterwards it has no connection to the terminal it was started from. */
export function reportBack(report: BackgroundReport): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) return resolve();
    process.send(report, undefined, {}, () => {
      if (process.connected) process.disconnect();
      resolve();
    });
  });
}

/** Runs the real command line as a child process, in a home folder of its own, and collects what it says. */
import { spawn } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { packageRoot } from '../../src/base/entry.ts';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly ended: Promise<Ended>;
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
  type(text: string): void;
  /** Resolves when stderr and stdout together hold what is looked for. */
  says(wanted: string | RegExp): Promise<string>;
}

export interface Home {
  readonly dir: string;
  readonly env: Record<string, string>;
  run(args: readonly string[], extra?: { env?: Record<string, string>; cwd?: string; input?: string }): Promise<Ended>;
  start(args: readonly string[], extra?: { env?: Record<string, string>; cwd?: string }): RunningCli;
}

/** A private home and configuration, removed after the test. Nothing of the machine's own environment but the PATH. */
export function newHome(t: TestContext): Home {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'hoopctl-cli-')));
  const running = new Set<RunningCli>();
  t.after(async () => {
    for (const each of running) each.kill('SIGKILL');
    await Promise.all([...running].map((each) => each.ended));
    rmSync(dir, { recursive: true, force: true });
  });
  const env: Record<string, string> = {
    PATH: process.env['PATH'] ?? '',
    HOME: dir,
    XDG_CONFIG_HOME: join(dir, '.config'),
    XDG_STATE_HOME: join(dir, '.state'),
    XDG_RUNTIME_DIR: dir,
    HOOPCTL_TOKEN_STORE: 'file',
    HOOPCTL_PASSPHRASE: 'a passphrase of the test',
    ...compiled(),
  };
  const start: Home['start'] = (args, extra = {}) => {
    const child = startCli(args, { ...env, ...extra.env }, extra.cwd ?? dir);
    running.add(child);
    return child;
  };
  return {
    dir,
    env,
    start,
    run(args, extra = {}) {
      const child = start(args, extra);
      child.type(extra.input ?? '');
      return child.ended;
    },
  };
}

/** Where the run of all tests keeps code that is compiled already: most of what starting the command line takes. */
export function compiled(): { NODE_COMPILE_CACHE?: string } {
  const { NODE_COMPILE_CACHE } = process.env;
  return NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE };
}

function startCli(args: readonly string[], env: Record<string, string>, cwd: string): RunningCli {
  const child = spawn(process.execPath, [join(packageRoot(), 'bin', 'hoopctl.js'), ...args], { cwd, env });
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk;
    for (const listener of listeners) listener();
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
    for (const listener of listeners) listener();
  });
  child.stdin.on('error', () => {});
  const ended = new Promise<Ended>((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
  return {
    ended,
    pid: child.pid ?? 0,
    kill: (signal) => void child.kill(signal),
    type: (text) => void child.stdin.end(text),
    says(wanted) {
      return new Promise((resolve, reject) => {
        const look = () => {
          const said = stderr + stdout;
          if (typeof wanted === 'string' ? said.includes(wanted) : wanted.test(said)) resolve(said);
        };
        listeners.add(look);
        look();
        void ended.then(() => reject(new Error(`ended without saying ${wanted}:\n${stderr}${stdout}`)));
      });
    },
  };
}

/** The single line of JSON that an error is with `--json`. */
export function jsonError(ended: Ended): { code: string; message: string; hint?: string; exit: number } {
  const line = ended.stderr.trim().split('\n').at(-1) ?? '';
  return JSON.parse(line).error;
}

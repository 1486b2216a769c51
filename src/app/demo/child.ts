/** Runs hoopctl itself, as a person would at a terminal, and keeps what it says. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../base/entry.ts';

export interface Child {
  readonly process: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** Resolves with the match once stdout or stderr holds it; rejects when the child ends, or after `ms`, without it. */
  says(pattern: RegExp, ms?: number): Promise<RegExpExecArray>;
  /** The exit code, 128+n for a signal. */
  readonly exited: Promise<number>;
  kill(): void;
}

export interface ChildOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Sees each whole line as it comes. */
  readonly onLine?: (line: string) => void;
}

const PATIENCE_MS = 60_000;

export function hoopctl(args: readonly string[], { env, cwd, onLine }: ChildOptions): Child {
  const child = spawn(process.execPath, [join(packageRoot(), 'bin', 'hoopctl.js'), ...args], {
    env,
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  const waiting = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    let rest = '';
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine?.(line);
      for (const look of waiting) look();
    });
  }
  const exited = new Promise<number>((resolve) => {
    child.once('error', () => resolve(127));
    child.once('close', (code, signal) => resolve(code ?? 128 + (signal === 'SIGKILL' ? 9 : 15)));
  });
  return {
    process: child,
    exited,
    stdout: () => said.stdout,
    stderr: () => said.stderr,
    kill: () => void child.kill('SIGTERM'),
    says(pattern, ms = PATIENCE_MS) {
      const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
      const look = () => {
        const found = pattern.exec(said.stdout) ?? pattern.exec(said.stderr);
        if (found) resolve(found);
      };
      const give = (why: string) =>
        reject(new Error(`hoopctl ${args[0]} ${why}: ${(said.stderr || said.stdout).trim().slice(-600)}`));
      const timer = setTimeout(() => give(`did not say ${pattern} in time`), ms);
      waiting.add(look);
      look();
      void exited.then((code) => give(`ended with ${code}`));
      return promise.finally(() => {
        clearTimeout(timer);
        waiting.delete(look);
      });
    },
  };
}

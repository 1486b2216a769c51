/** Runs the real command line on a real terminal: `script` (util-linux, part of every Debian) gives its child one, and what is typed here is typed there. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { packageRoot } from '../../src/base/entry.ts';

export interface OnTerminal {
  readonly ended: Promise<{ readonly code: number | null; readonly shown: string }>;
  /** All that was written so far. */
  readonly shown: string;
  type(text: string): void;
  /** Resolves when it was written, after what was written when `after` is given. */
  shows(wanted: string | RegExp, after?: number): Promise<void>;
}

export interface TerminalOptions {
  readonly env: Record<string, string>;
  readonly cwd: string;
  /** Around the command line, whose words are `"$@"`. Default: nothing but it. */
  readonly shell?: string;
  readonly columns?: number;
  readonly rows?: number;
}

export function onTerminal(t: TestContext, args: readonly string[], options: TerminalOptions): OnTerminal {
  const { env, cwd, columns = 80, rows = 24, shell = 'exec "$@"' } = options;
  const words = [process.execPath, join(packageRoot(), 'bin', 'hoopctl.js'), ...args];
  // exec: a shell in between would take Ctrl-C for its own.
  const command = `stty cols ${columns} rows ${rows}; set -- ${words.map(quoted).join(' ')}; ${shell}`;
  const child = spawn('script', ['-qefc', command, '/dev/null'], {
    env: { TERM: 'xterm', SHELL: '/bin/sh', ...env },
    cwd,
  });
  t.after(() => void child.kill('SIGKILL'));
  let shown = '';
  const watchers = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    shown += chunk;
    for (const watcher of watchers) watcher();
  });
  const ended = new Promise<{ code: number | null; shown: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, shown })),
  );
  return {
    ended,
    get shown() {
      return shown;
    },
    type: (text) => void child.stdin.write(text),
    shows: (wanted, after = 0) =>
      new Promise<void>((resolve, reject) => {
        const look = () => {
          const since = shown.slice(after);
          if (typeof wanted === 'string' ? since.includes(wanted) : wanted.test(since)) resolve();
        };
        watchers.add(look);
        look();
        // Sooner than the test's own end, which could not say what was there instead.
        setTimeout(
          () => reject(new Error(`never showed ${wanted}:\n${JSON.stringify(shown.slice(-2_000))}`)),
          PATIENCE_MS,
        ).unref();
        void ended.then(() => reject(new Error(`ended without showing ${wanted}:\n${shown}`)));
      }),
  };
}

const PATIENCE_MS = 60_000;

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

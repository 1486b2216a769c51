/** Real shells to ask, in a private folder where only what is put there can be run. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Playground extends Disposable {
  /** The words each line has as a shell reads them, through its own `printf`. */
  words(shell: string, lines: readonly string[]): readonly (readonly string[])[];
  /** The words that `rm` was called with by each text, or undefined where it was not called. Nothing else can be called. */
  removals(shell: string, texts: readonly string[]): readonly (readonly string[] | undefined)[];
}

export function playground(): Playground {
  const folder = mkdtempSync(join(tmpdir(), 'hoop-shell-'));
  const bin = join(folder, 'bin');
  const home = join(folder, 'home');
  const log = join(folder, 'log');
  for (const made of [bin, home]) mkdirSync(made);
  writeFileSync(join(bin, 'rm'), `#!/bin/sh\nprintf '%s\\0' rm "$@" >> '${log}'\n`);
  chmodSync(join(bin, 'rm'), 0o755);
  const run = (shell: string, args: readonly string[], input = ''): string => {
    const options = {
      cwd: home,
      env: { PATH: bin, HOME: home, LC_ALL: 'C.UTF-8' },
      input,
      timeout: 50_000,
      maxBuffer: 1 << 28,
    };
    const { stdout, error } = spawnSync(shell, args, { ...options, encoding: 'utf8' });
    if (error) throw error;
    return stdout;
  };
  return {
    words(shell, lines) {
      // A character that no word holds parts the lines.
      const script = lines.map((line) => `printf '%s\\0' ${line}\nprintf '\\001'\n`).join('');
      return run(shell, [], script)
        .split('\x01')
        .slice(0, lines.length)
        .map((line) => line.split('\0').slice(0, -1));
    },
    removals(shell, texts) {
      // One parent that asks again and again: starting it is what takes time.
      const driver = `for text; do : > '${log}'; '${shell}' -c "$text" > /dev/null 2>&1 < /dev/null; /bin/cat '${log}'; printf '\\001'; done`;
      return run('/bin/bash', ['-c', driver, 'ask', ...texts])
        .split('\x01')
        .slice(0, texts.length)
        .map((called) => (called === '' ? undefined : called.split('\0').slice(0, -1)));
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

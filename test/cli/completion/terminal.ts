/** Types into a real shell on a real terminal, with hoopctl's completion loaded, and tells what its command lines came to. */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { packageRoot } from '../../../src/base/entry.ts';
import { SCRIPTS } from '../../../src/cli/completion/scripts.ts';
import { answerFor } from '../../../src/cli/completion/answer.ts';
import type { Shell } from '../../../src/cli/completion/quoting.ts';
import { requireServer } from '../../fakes/servers.ts';
import { startApi } from '../api.ts';
import { newHome } from '../cli.ts';

export interface ShellPlace {
  readonly dir: string;
  readonly api: Awaited<ReturnType<typeof startApi>>;
  readonly env: Record<string, string>;
  /**
   * What hoopctl would answer from now on, so that not every tab starts a Node: the words that are there, without the last, and that one.
   * Without it the real one is asked.
   */
  answers(shell: Shell, words: readonly string[][]): Promise<void>;
  /** Types each line, which ends with a tab, then Enter. @returns the words that hoopctl was called with, line by line */
  type(shell: Shell, lines: readonly string[]): Promise<string[][]>;
  /** Asks the gateway now, as a tab would have done behind. */
  warm(kind: string): Promise<void>;
}

const BIN = join(packageRoot(), 'bin', 'hoopctl.js');

export async function shellPlace(t: TestContext): Promise<ShellPlace> {
  const api = await startApi(t);
  const home = newHome(t);
  const { dir } = home;
  const log = join(dir, 'called');
  mkdirSync(join(dir, 'bin'));
  // Where it is missing, fish reads every man page of the machine behind the first prompt, for a minute.
  mkdirSync(join(dir, '.share', 'fish', 'generated_completions'), { recursive: true });
  // Completion is the real one; a command line is only written down, each of its words behind a NUL.
  const shim = `#!/bin/sh
if [ "$1" = __complete ] && [ -f '${dir}'/answers/"$#.$*" ]; then exec cat '${dir}'/answers/"$#.$*"; fi
if [ "$1" = __complete ]; then exec '${process.execPath}' '${BIN}' "$@"; fi
printf '\\0%s' "$@" >> '${log}'; printf '\\n\\0\\n' >> '${log}'
`;
  writeFileSync(join(dir, 'bin', 'hoopctl'), shim);
  chmodSync(join(dir, 'bin', 'hoopctl'), 0o755);
  const env = {
    ...home.env,
    PATH: `${join(dir, 'bin')}:${home.env['PATH']}`,
    XDG_CACHE_HOME: join(dir, '.cache'),
    XDG_DATA_HOME: join(dir, '.share'),
    HOOPCTL_GATEWAY: api.url,
    HOOPCTL_TOKEN: 'a.b.c',
    TERM: 'xterm',
    LANG: 'C.UTF-8',
  };
  return {
    dir,
    api,
    env,
    async warm(kind) {
      const asking = spawn(process.execPath, [BIN, '__complete', '--refresh', kind], {
        env,
        cwd: dir,
        stdio: 'ignore',
      });
      await new Promise((resolve) => asking.on('close', resolve));
    },
    async answers(shell, asked) {
      mkdirSync(join(dir, 'answers'), { recursive: true });
      for (const words of asked) {
        const text = await answerFor(shell, words, { env, cwd: dir }, async () => {});
        const file = `${words.length + 2}.__complete ${shell} ${words.join(' ')}`;
        writeFileSync(join(dir, 'answers', file), text);
      }
    },
    async type(shell, lines) {
      await typeInto(shell, lines, dir, env);
      return called(log);
    },
  };
}

async function typeInto(
  shell: Shell,
  lines: readonly string[],
  dir: string,
  env: Record<string, string>,
): Promise<void> {
  const script = join(dir, `completion.${shell}`);
  writeFileSync(script, SCRIPTS[shell]);
  const child = spawn('script', ['-qefc', commandOf(shell, script, dir), '/dev/null'], {
    env: { ...env, SHELL: '/bin/sh' },
    cwd: dir,
  });
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    shown += chunk;
    // The shell is ready for the next line, or the first.
    for (let at = shown.indexOf(READY); at >= 0; at = shown.indexOf(READY)) {
      shown = shown.slice(at + READY.length);
      child.stdin.write(todo.shift() ?? 'exit\r');
    }
  });
  const todo = lines.map((line) => `${line}\t\r`);
  await new Promise((resolve) => child.on('close', resolve));
}

/** A prompt that nothing else prints. */
const READY = '<ready>';

function commandOf(shell: Shell, script: string, dir: string): string {
  switch (shell) {
    case 'bash':
      writeFileSync(join(dir, 'bashrc'), `PS1='${READY}'\nunset HISTFILE\nsource '${script}'\n`);
      return `bash --noprofile --rcfile '${dir}/bashrc' -i`;
    case 'zsh':
      mkdirSync(join(dir, 'zsh'), { recursive: true });
      writeFileSync(
        join(dir, 'zsh', '.zshrc'),
        `PS1='${READY}'\nunsetopt prompt_sp\nautoload -Uz compinit\ncompinit -u -D\nsource '${script}'\n`,
      );
      return `env ZDOTDIR='${dir}/zsh' '${requireServer('zsh')['zsh']}' -d -i`;
    case 'fish':
      mkdirSync(join(dir, '.config', 'fish'), { recursive: true });
      writeFileSync(
        join(dir, '.config', 'fish', 'config.fish'),
        `function fish_prompt; echo -n '${READY}'; end\nset fish_greeting\nsource '${script}'\n`,
      );
      return `'${requireServer('fish')['fish']}' --private -i`;
  }
}

function called(log: string): string[][] {
  if (!existsSync(log)) return [];
  const calls = readFileSync(log, 'utf8').split('\n\0\n').slice(0, -1);
  return calls.map((call) => call.split('\0').slice(1));
}

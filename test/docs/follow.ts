/** Follows a page as its reader would: types its commands, one block after the other, at the terminals of the people it speaks of. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { packageRoot } from '../../src/base/entry.ts';
import type { Block } from './blocks.ts';
import { compiled } from '../cli/cli.ts';

export interface Reader {
  /** What stands on the page for something that every reader has another of: an address, an id. Each has to be met. */
  readonly standIns?: readonly (readonly [string | RegExp, string | (() => string | Promise<string>)])[];
  /** What is typed when a program asks. */
  readonly answers?: readonly (readonly [RegExp, string])[];
  /** Goes where a link leads, as this person. `said` is all that background commands have printed. */
  readonly visit?: (link: string, person: string, said: string) => Promise<unknown>;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Desk extends Disposable {
  /** A private home for this person. */
  home(person: string): string;
  /** @returns what each block printed */
  follow(blocks: readonly Block[], reader?: Reader): Promise<string[]>;
}

const PATIENCE_MS = 90_000;

/** A folder for everybody's homes, and `hoopctl` on everybody's PATH. */
export function openDesk(): Desk {
  const folder = mkdtempSync(join(tmpdir(), 'hoopctl-docs-'));
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  symlinkSync(join(packageRoot(), 'bin', 'hoopctl.js'), join(bin, 'hoopctl'));
  const path = [bin, dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter);
  const running = new Set<Running>();
  const home = (person: string) => {
    const dir = join(folder, person);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    return dir;
  };

  async function follow(blocks: readonly Block[], reader: Reader = {}): Promise<string[]> {
    const unmet = new Set(reader.standIns ?? []);
    const kept: { block: Block; running: Running }[] = [];
    const printed: string[] = [];
    try {
      for (const block of blocks) {
        if (block.elsewhere !== undefined) continue;
        const commands = await inPlace(block.commands, reader, unmet);
        const one = start({ ...block, commands }, home(block.as), path, reader, () =>
          kept.map(({ running }) => running.said()).join(''),
        );
        running.add(one);
        if (block.background !== undefined) {
          await one.says(block.background);
          kept.push({ block, running: one });
          printed.push(one.said());
          continue;
        }
        assert.equal(await one.ended, block.exit, `${where(block)} ended otherwise:\n${commands}\n${one.said()}`);
        assertPrints(block, one.said());
        printed.push(one.said());
      }
      for (const { block, running } of kept) {
        if (block.prints.length > 0) await running.says(patternOf(block.prints.at(-1) ?? ''));
        assertPrints(block, running.said());
      }
    } finally {
      await Promise.all(kept.map(({ running }) => running.stop()));
    }
    assert.deepEqual(
      [...unmet].map(([from]) => String(from)),
      [],
      'stands on no page',
    );
    return printed;
  }

  return {
    home,
    follow,
    [Symbol.dispose]() {
      for (const one of running) one.kill();
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

async function inPlace(commands: string, { standIns = [] }: Reader, unmet: Set<unknown>): Promise<string> {
  let text = commands;
  for (const standIn of standIns) {
    const [from, to] = standIn;
    const found = typeof from === 'string' ? text.includes(from) : from.test(text);
    if (!found) continue;
    unmet.delete(standIn);
    const value = typeof to === 'string' ? to : await to();
    text = text.replaceAll(typeof from === 'string' ? from : new RegExp(from, 'g'), () => value);
  }
  return text;
}

interface Running {
  readonly ended: Promise<number | null>;
  said(): string;
  says(wanted: RegExp): Promise<void>;
  stop(): Promise<void>;
  kill(): void;
}

function start(block: Block, home: string, path: string, reader: Reader, elsewhere: () => string): Running {
  // One of its own: a shell reads its script while it runs, and some run in the background.
  const script = join(mkdtempSync(join(home, '.script-')), 'script');
  writeFileSync(script, scriptOf(block, home, reader.env ?? {}));
  const env = {
    PATH: path,
    HOME: home,
    USER: block.as,
    LANG: 'C.UTF-8',
    TERM: 'dumb',
    XDG_CONFIG_HOME: join(home, '.config'),
    XDG_STATE_HOME: join(home, '.state'),
    XDG_RUNTIME_DIR: home,
    // Opening a sealed one takes a fifth of a second of every command.
    HOOPCTL_TOKEN_STORE: 'plain',
    HOOPCTL_PASSPHRASE: 'a passphrase of the test',
    npm_config_cache: process.env['npm_config_cache'] ?? join(homedir(), '.npm'),
    npm_config_prefer_offline: 'true',
    npm_config_audit: 'false',
    npm_config_update_notifier: 'false',
    ...compiled(),
  };
  // A pseudo-terminal (util-linux) where something is asked; else neither stdin nor a terminal.
  const [command, args] = block.terminal
    ? ['script', ['-qefc', `bash ${script}`, '/dev/null']]
    : ['bash', ['-c', `exec bash ${script} 2>&1`]];
  const child: ChildProcess = spawn(command as string, args as string[], {
    cwd: home,
    env: { ...env, SHELL: '/bin/bash' },
    detached: true,
    stdio: [block.terminal ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const watchers = new Set<() => void>();
  const met = new Set<string>();
  const troubles: string[] = [];
  const hear = (chunk: string) => {
    said += chunk.replaceAll('\r\n', '\n');
    for (const [question, answer] of reader.answers ?? []) {
      if (met.has(String(question)) || !question.test(said)) continue;
      met.add(String(question));
      child.stdin?.write(answer);
    }
    for (const [link] of said.matchAll(/https?:\/\/\S+user_code=[\w-]+(?=\s)/g)) {
      if (met.has(link)) continue;
      met.add(link);
      void reader.visit?.(link, block.as, elsewhere()).catch((error: Error) => troubles.push(error.message));
    }
    for (const look of watchers) look();
  };
  child.stdout?.setEncoding('utf8').on('data', hear);
  child.stderr?.setEncoding('utf8').on('data', hear);
  const signal = (name: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name);
    } catch {
      // It has ended.
    }
  };
  const timer = setTimeout(() => {
    said += `\n(took longer than ${PATIENCE_MS / 1000} s)`;
    signal('SIGKILL');
  }, PATIENCE_MS);
  let over = false;
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code))).finally(() => {
    over = true;
    clearTimeout(timer);
  });
  return {
    ended,
    said: () => [said, ...troubles].join('\n'),
    says(wanted) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const look = () => wanted.test(said) && resolve();
      watchers.add(look);
      look();
      void ended.then(() => reject(new Error(`${where(block)} ended without saying ${wanted}:\n${said}`)));
      return promise.finally(() => watchers.delete(look));
    },
    async stop() {
      if (!over) signal('SIGTERM');
      await ended;
    },
    kill: () => signal('SIGKILL'),
  };
}

/**
 * Where a person is and what they exported lasts from block to block, as at a terminal. What the test gives counts more than what was exported
 * before: a stand-in on the PATH has to stay in front of the real program.
 */
function scriptOf({ commands, background }: Block, home: string, env: Readonly<Record<string, string>>): string {
  const [place, exports] = [join(home, '.place'), join(home, '.exports')];
  const before = existsSync(place) ? [`. '${exports}'`, `cd "$(cat '${place}')"`] : [];
  const given = Object.entries(env).map(([name, value]) => `export ${name}='${value.replaceAll("'", "'\\''")}'`);
  const after = `trap 'pwd > "${place}"; export -p > "${exports}"' EXIT`;
  const head = ['set -eo pipefail', ...before, ...given, ...(background === undefined ? [after] : [])];
  return [...head, commands, ''].join('\n');
}

function assertPrints(block: Block, said: string): void {
  let rest = said.split('\n');
  for (const line of block.prints) {
    const pattern = patternOf(line);
    const at = rest.findIndex((each) => pattern.test(each));
    assert.notEqual(at, -1, `${where(block)} does not print "${line}", or not there:\n${said}`);
    rest = rest.slice(at + 1);
  }
}

/** `…` stands for anything; runs of spaces are one. */
function patternOf(line: string): RegExp {
  const words = line.trim().replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^\\s*${words.replace(/\s+/g, '\\s+').replaceAll('…', '.*')}\\s*$`, 'm');
}

function where({ page, line }: Block): string {
  return `${page}:${line}`;
}

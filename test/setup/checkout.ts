/**
 * A small checkout for the set-up to work on: our own bin/, and an npm that installs nothing from anywhere. It writes down how it was called, and the
 * files a real install would leave.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../src/base/entry.ts';

export interface Checkout {
  readonly root: string;
  /** The command lines npm was called with, without the program. */
  npmCalls(): string[];
  /** Runs `node bin/run.js …` to its end. */
  run(...args: string[]): { status: number | null; stdout: string; stderr: string };
  start(...args: string[]): ChildProcess;
  write(path: string, text: string): void;
}

/** What npm is to do on `ci`; the code runs in the checkout, with `fs` and `call` (the calls so far) in reach. */
const WORKING_NPM = `
  const put = (file, text) => { fs.mkdirSync(require('path').dirname(file), { recursive: true }); fs.writeFileSync(file, text); };
  for (const tool of ['esbuild/bin/esbuild', 'typescript/bin/tsc', '@biomejs/biome/bin/biome']) put('node_modules/' + tool, '');
  put('node_modules/tsx/package.json', '{}');
  put('node_modules/libpg-query/package.json', '{"type":"module","exports":"./index.js"}');
  put('node_modules/libpg-query/index.js', 'export const parse = async () => {};');
  put('node_modules/.package-lock.json', fs.readFileSync('package-lock.json'));`;

/** Runs `use` on a checkout and removes it. The pinned Node is there (it is the one that runs this) unless `pinned` is false. */
export async function withCheckout(
  options: { npm?: string; pinned?: boolean },
  use: (checkout: Checkout) => void | Promise<void>,
): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'hoopctl-checkout-'));
  const started: ChildProcess[] = [];
  try {
    cpSync(join(packageRoot(), 'bin'), join(root, 'bin'), { recursive: true });
    const checkout = createCheckout(root, started);
    checkout.write('package.json', '{"type":"module"}');
    checkout.write('package-lock.json', '{}');
    checkout.write('bin/hoopctl.js', "console.log('demo ran', process.argv.slice(2).join(' '));");
    checkout.write('npm/npm-cli.js', fakeNpm(options.npm ?? WORKING_NPM));
    checkout.write('npm/package.json', '{"type":"commonjs"}');
    if (options.pinned !== false) {
      mkdirSync(join(root, '.node', 'bin'), { recursive: true });
      symlinkSync(process.execPath, join(root, '.node', 'bin', 'node'));
    }
    await use(checkout);
  } finally {
    for (const child of started) child.kill('SIGKILL');
    rmSync(root, { recursive: true, force: true });
  }
}

/** Waits in npm until a file is there; not for ever, so that a failed test leaves nothing running. */
export function npmWaitingFor(file: string): string {
  return npmThatFirst(`
    const pause = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    for (let turn = 0; turn < 1000 && !fs.existsSync('${file}'); turn += 1) pause();`);
}

/** As {@link WORKING_NPM}, with something before it. */
export function npmThatFirst(code: string): string {
  return `${code}\n${WORKING_NPM}`;
}

function createCheckout(root: string, started: ChildProcess[]): Checkout {
  const env = { ...process.env, npm_execpath: join(root, 'npm', 'npm-cli.js') };
  const command = (args: readonly string[]) => [join(root, 'bin', 'run.js'), ...args];
  return {
    root,
    npmCalls: () =>
      readFileSync(join(root, 'npm', 'calls'), 'utf8')
        .split('\n')
        .slice(0, -1),
    run: (...args) => spawnSync(process.execPath, command(args), { encoding: 'utf8', env, cwd: tmpdir() }),
    start: (...args) => {
      const child = spawn(process.execPath, command(args), { env, stdio: ['ignore', 'pipe', 'pipe'] });
      started.push(child);
      return child;
    },
    write: (path, text) => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    },
  };
}

function fakeNpm(onInstall: string): string {
  return `
    const fs = require('fs');
    const args = process.argv.slice(2);
    fs.appendFileSync(__dirname + '/calls', args.join(' ') + '\\n');
    const call = fs.readFileSync(__dirname + '/calls', 'utf8').split('\\n').length - 1;
    if (args[0] === 'pack') fs.writeFileSync(args[args.indexOf('--pack-destination') + 1] + '/node.tgz', 'not what was pinned');
    else { ${onInstall} }`;
}

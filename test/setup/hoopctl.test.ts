/** bin/hoopctl.js finds its code and its Node by where it really lies, and says so when one is missing. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../src/base/entry.ts';

let root = '';

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'hoopctl-bin-')));
  cpSync(join(packageRoot(), 'bin'), join(root, 'bin'), { recursive: true });
  write('package.json', '{"type":"module"}');
  // Stands for an old Node: the first process sees another version, the one it starts does not.
  write(
    'old.mjs',
    "if (!process.env.NEW) Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } }), process.env.NEW = '1';",
  );
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function code(answer: string): string {
  return `export async function main(argv) { console.log(${JSON.stringify(answer)}, argv.join(' ')); return 4; }`;
}

const bin = () => join(root, 'bin', 'hoopctl.js');
const onOldNode = () => ['--import', pathToFileURL(join(root, 'old.mjs')).href];

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, args, { encoding: 'utf8', cwd: root });
}

test('the arguments reach main, and its number is the exit code', () => {
  write('src/cli/main.ts', code('source'));
  const { status, stdout } = run(bin(), 'run', '--x');
  assert.deepEqual([status, stdout], [4, 'source run --x\n']);
});

test('through a link from elsewhere it finds its own code, not the folder it was called from', () => {
  write('src/cli/main.ts', code('source'));
  const elsewhere = mkdtempSync(join(tmpdir(), 'hoopctl-elsewhere-'));
  try {
    mkdirSync(join(elsewhere, 'dist', 'cli'), { recursive: true });
    mkdirSync(join(elsewhere, 'bin'));
    writeFileSync(
      join(elsewhere, 'dist', 'cli', 'main.js'),
      "export async function main() { console.log('foreign'); }",
    );
    symlinkSync(bin(), join(elsewhere, 'bin', 'hoopctl'));
    const done = spawnSync(process.execPath, [join(elsewhere, 'bin', 'hoopctl')], { encoding: 'utf8', cwd: elsewhere });
    assert.equal(done.stdout, 'source \n');
  } finally {
    rmSync(elsewhere, { recursive: true, force: true });
  }
});

test('a package has only a build', () => {
  write('dist/cli/main.js', code('built'));
  assert.equal(run(bin()).stdout, 'built \n');
});

test('a build is used in a checkout until a source is newer', () => {
  write('src/cli/main.ts', code('source'));
  write('src/base/other.ts', '');
  write('dist/cli/main.js', code('built'));
  const built = new Date(Date.now() + 10_000);
  utimesSync(join(root, 'dist/cli/main.js'), built, built);
  assert.equal(run(bin()).stdout, 'built \n');
  const later = new Date(built.getTime() + 1_000);
  utimesSync(join(root, 'src/base/other.ts'), later, later);
  assert.equal(run(bin()).stdout, 'source \n');
});

test('an old Node starts the pinned one, with the same arguments and exit code', () => {
  write('src/cli/main.ts', code('source'));
  mkdirSync(join(root, '.node', 'bin'), { recursive: true });
  symlinkSync(process.execPath, join(root, '.node', 'bin', 'node'));
  const { status, stdout } = run(...onOldNode(), bin(), 'run', 'two words');
  assert.deepEqual([status, stdout], [4, 'source run two words\n']);
});

test('a signal sent to the old Node ends what it started, and then itself', async (context) => {
  write(
    'src/cli/main.ts',
    'export async function main() { console.log(process.pid); await new Promise((end) => setInterval(end, 1e9)); }',
  );
  mkdirSync(join(root, '.node', 'bin'), { recursive: true });
  symlinkSync(process.execPath, join(root, '.node', 'bin', 'node'));
  const outer = spawn(process.execPath, [...onOldNode(), bin()], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [inner] = await once(outer.stdout, 'data');
  context.after(() => [outer.pid, Number(inner)].forEach(endForSure));
  outer.kill('SIGTERM');
  assert.deepEqual(await once(outer, 'exit'), [null, 'SIGTERM']);
  assert.throws(() => process.kill(Number(inner), 0), { code: 'ESRCH' });
});

test('without a Node that is new enough it says in one line what is needed', () => {
  write('src/cli/main.ts', code('source'));
  const { status, stdout, stderr } = run(...onOldNode(), bin(), 'version');
  assert.deepEqual([status, stdout], [2, '']);
  assert.match(
    stderr,
    /^hoopctl: error: this needs Node 24 or newer, and runs on v\S+ \[NODE_TOO_OLD\]\nhoopctl: hint: run "npm run setup" in \S+\n$/,
  );
});

test('the same as JSON, for a script', () => {
  write('dist/cli/main.js', code('built'));
  const { error } = JSON.parse(run(...onOldNode(), bin(), 'version', '--json').stderr);
  assert.deepEqual([error.code, error.hint, error.exit], ['NODE_TOO_OLD', 'install Node 24 or newer', 2]);
});

test('a checkout without its dependencies says how to get them', () => {
  write('src/cli/main.ts', "import 'commander';");
  const { status, stderr } = run(bin(), 'version');
  assert.equal(status, 2);
  assert.match(stderr, /are not installed \[NOT_SET_UP\]\nhoopctl: hint: run "npm run setup"/);
});

function endForSure(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended, as it should.
  }
}

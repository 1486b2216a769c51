/**
 * `node bin/run.js TASK [args…]`: sets the checkout up where that is needed, then runs a task on the pinned Node. Every script of package.json comes here.
 *
 * Plain JavaScript for the Node a machine happens to have. It starts the pinned Node itself: a shell that has once found `node` on the PATH keeps
 * calling that one, so `node setup && node task` would run the task on the old Node.
 */
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { passThrough } from './setup/child.js';
import { taskNode } from './setup/pinned.js';
import { isUpToDate } from './setup/stamp.js';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const TSC = ['node_modules/typescript/bin/tsc', '--noEmit', '-p', '.'];
const BIOME = [
  'node_modules/@biomejs/biome/bin/biome',
  'check',
  '.',
  ...(process.stdout.isTTY ? [] : ['--colors=off']),
];
const APART = new Set(['e2e', 'cli', 'kill', 'release', 'setup', 'fakes']);

/** Hundreds of processes that load the same code: compiling it is half of what they do, so it is kept. By content, so it is never out of date. */
const COMPILED = { ...process.env, NODE_COMPILE_CACHE: join(ROOT, '.setup', 'compiled') };

/**
 * What a task needs and runs; each step is the arguments of one run of the pinned Node.
 * @typedef {{ servers?: readonly ('test' | 'bench' | 'clients')[], steps: (args: string[]) => string[][] }} Task
 */

/** @type {[string, Task][]} */
const TASK_LIST = [
  ['setup', { steps: () => [] }],
  ['demo', { steps: (args) => [['bin/hoopctl.js', 'demo', ...args]] }],
  ['test', { servers: ['test'], steps: (args) => [TSC, BIOME, testRun(['test/**/*.test.ts'], args)] }],
  ['check', { steps: () => [TSC, BIOME, testRun(['test/architecture/**/*.test.ts'])] }],
  ['test:unit', { steps: (args) => [testRun(unitTests(), args)] }],
  [
    'test:e2e',
    { servers: ['test'], steps: (args) => [testRun(['test/e2e/**/*.test.ts', 'test/cli/**/*.test.ts'], args)] },
  ],
  ['test:masks', { servers: ['test'], steps: (args) => [['test/property/masks/run.ts', ...args]] }],
  ['test:clients', { servers: ['test', 'clients'], steps: (args) => [['test/e2e/clients/run.ts', ...args]] }],
  ['test:kill', { servers: ['test'], steps: (args) => [['test/kill/run.ts', ...args]] }],
  ['bench', { servers: ['test', 'bench'], steps: (args) => [['test/bench/run.ts', ...args]] }],
  ['build', { steps: (args) => [['release/build.ts', ...args]] }],
];
const TASKS = new Map(TASK_LIST);

process.exitCode = await main(process.argv[2] ?? '', process.argv.slice(3));

/** @param {string} name @param {string[]} args */
async function main(name, args) {
  const task = TASKS.get(name);
  if (task === undefined) {
    console.error(`usage: node bin/run.js ${[...TASKS.keys()].join('|')} [arguments]`);
    return 2;
  }
  try {
    if (!isUpToDate(ROOT)) (await import('./setup/setup.js')).setUp(ROOT, say);
    if (task.servers !== undefined) (await import('./setup/servers.js')).ensureServers(task.servers, say);
  } catch (error) {
    if (!(error instanceof Error && 'hint' in error)) throw error;
    say(`error: ${error.message}`);
    say(`hint: ${error.hint}`);
    return 1;
  }
  return runSteps(task.steps(args));
}

/** Runs every step, also after one has failed: whoever broke a type wants to know which tests that broke. @param {string[][]} steps */
async function runSteps(steps) {
  let exitCode = 0;
  for (const step of steps) {
    const code = await passThrough(taskNode(ROOT), step, { cwd: ROOT, ...(step[0] === '--test' && { env: COMPILED }) });
    if (code !== 0 && step !== steps.at(-1))
      console.error(`\n${step[0]?.split('/').at(-1)} failed with ${code}; so will this run\n`);
    exitCode = Math.max(exitCode, code);
  }
  return exitCode;
}

/**
 * Node's own runner. Arguments that begin with `-` are its options; others name the files to run instead of all.
 *
 * @param {string[]} globs @param {string[]} [args]
 */
function testRun(globs, args = []) {
  const files = args.filter((arg) => !arg.startsWith('-'));
  // One more than there are cores: most tests wait for a server, a child or a clock and leave their core idle.
  const concurrency = Math.min(4, availableParallelism() + 1);
  const options = [
    '--test',
    // A child or socket that a failed test leaves open must not keep the whole run from ending.
    '--test-force-exit',
    '--test-timeout=180000',
    `--test-concurrency=${concurrency}`,
    '--test-reporter=spec',
    ...args.filter((arg) => arg.startsWith('-')),
  ];
  return [...options, ...(files.length > 0 ? files : globs)];
}

/** Everything that needs neither a server nor a built program. */
function unitTests() {
  const folders = existsSync(join(ROOT, 'test')) ? readdirSync(join(ROOT, 'test')) : [];
  return folders.filter((folder) => !APART.has(folder)).map((folder) => `test/${folder}/**/*.test.ts`);
}

/** @param {string} line */
function say(line) {
  console.error(`setup: ${line}`);
}

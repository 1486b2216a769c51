/** The house stands as it is drawn, and the check that says so sees a crooked wall. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { packageRoot } from '../../src/base/entry.ts';
import { inspectHouse, MAY_IMPORT } from './house.ts';

test('no file breaks the import table or the layout', () => {
  const { files, violations } = inspectHouse(packageRoot());
  assert.deepEqual(violations, []);
  assert.ok(files.includes('base/entry.ts') && files.includes('cli/main.ts'), 'the check saw no source files');
});

test('the table names only rooms that are in it, and nothing imports cli', () => {
  const named = new Set([...MAY_IMPORT.values()].flat());
  assert.deepEqual(
    [...named].filter((room) => !MAY_IMPORT.has(room)),
    [],
  );
  assert.ok(!named.has('cli'));
});

test('a tree without sources is seen to be empty', () => {
  assert.deepEqual(inspect({ 'docs/README.md': '' }).files, []);
});

test('a house built as drawn has no violations', () => {
  const tree = {
    'src/base/clock.ts': `${REASON}export const clock = 1;`,
    'src/domain/run.ts': `${REASON}import { clock } from '../base/clock.ts';\nexport const run = clock;`,
    'src/protocols/index.ts': `${REASON}export const list = { toy: () => import('./toy/index.ts'), client: () => import('./toy/client.ts') };`,
    'src/protocols/toy/client.ts': `${REASON}export {};`,
    'src/protocols/toy/index.ts': `${REASON}import net from 'node:net';\nimport './frames.ts';\nexport default net;`,
    'src/protocols/toy/frames.ts': `${REASON}import { run } from '../../domain/run.ts';\nexport const frame = run;`,
    'src/protocols/toy/upstream.ts': `${REASON}export const login = (secret: { reveal(): string }) => secret.reveal();`,
    'src/api/index.ts': `${REASON}export {};`,
    'src/api/client.ts': `${REASON}export {};`,
    'src/app/run.ts': `${REASON}import '../api/client.ts';\nimport '../config/client/index.ts';`,
    'src/config/index.ts': `${REASON}export {};`,
    'src/config/client/index.ts': `${REASON}export {};`,
    'src/cli/main.ts': `${REASON}import '../api/client.ts';\nimport '../protocols/index.ts';`,
    'test/base/clock.test.ts': "test('a test.skip( in a sentence', () => {});",
  };
  assert.deepEqual(inspect(tree).violations, []);
});

/** One violation each: what stands where, and what must be said about it. */
const PLANTED: readonly [name: string, files: Record<string, string>, said: RegExp][] = [
  ['a room above', { 'domain/a.ts': "import '../gateway/b.ts';", 'gateway/b.ts': '' }, /domain may not import gateway/],
  ['anything from base', { 'base/a.ts': "import '../domain/b.ts';", 'domain/b.ts': '' }, /base may not import domain/],
  ['cli from app', { 'app/a.ts': "import '../cli/b.ts';", 'cli/b.ts': '' }, /app may not import cli/],
  [
    'a room lazily',
    { 'policy/a.ts': "const b = () => import('../store/b.ts');", 'store/b.ts': '' },
    /policy may not import store/,
  ],
  [
    'a room by re-export',
    { 'mask/a.ts': "export * from '../record/b.ts';", 'record/b.ts': '' },
    /mask may not import record/,
  ],
  [
    'a room for its types',
    { 'mask/a.ts': "import type { B } from '../record/b.ts';", 'record/b.ts': '' },
    /mask may not import record/,
  ],
  [
    'a room over several lines',
    { 'mask/a.ts': "import {\n  b,\n} from\n  '../record/b.ts';", 'record/b.ts': '' },
    /mask may not import record/,
  ],
  [
    'a room with a template',
    { 'mask/a.ts': 'import(`../record/b.ts`);', 'record/b.ts': '' },
    /mask may not import record/,
  ],
  ['a file that is not there', { 'mask/a.ts': "import './b.ts';" }, /does not exist/],
  ['past src', { 'mask/a.ts': "import '../../test/fakes/clock.ts';" }, /outside src/],
  [
    'a computed name',
    { 'mask/a.ts': 'const load = (name: string) => import(`./${name}.ts`);' },
    /computed at run time/,
  ],
  [
    'past a door',
    { 'app/a.ts': "import '../record/b.ts';", 'record/b.ts': '', 'record/index.ts': '' },
    /past its door record\/index.ts/,
  ],
  [
    'past an inner door',
    { 'languages/sh/a.ts': "import '../sql/b.ts';", 'languages/sql/b.ts': '', 'languages/sql/index.ts': '' },
    /past its door languages\/sql\/index.ts/,
  ],
  [
    'the server side of the API in cli',
    { 'cli/a.ts': "import '../api/routes.ts';", 'api/routes.ts': '' },
    /not that room's door/,
  ],
  [
    'a protocol in cli',
    { 'cli/a.ts': "import '../protocols/toy/client.ts';", 'protocols/toy/client.ts': '' },
    /not that room's door/,
  ],
  [
    'one protocol in another',
    { 'protocols/a/x.ts': "import '../b/index.ts';", 'protocols/b/index.ts': '' },
    /one protocol imports another/,
  ],
  [
    "a protocol's inside in the list",
    { 'protocols/index.ts': "import './b/serve.ts';", 'protocols/b/serve.ts': '' },
    /only its index.ts/,
  ],
  [
    "a protocol's inside in app",
    { 'app/x.ts': "import '../protocols/b/serve.ts';", 'protocols/b/serve.ts': '' },
    /only its index.ts/,
  ],
  ['I/O in frames', { 'protocols/a/frames.ts': "import net from 'node:net';" }, /imports node:net, but does no I\/O/],
  [
    'I/O in a folder of messages',
    { 'protocols/a/messages/b.ts': "import { readFile } from 'fs/promises';" },
    /imports fs\/promises, but/,
  ],
  [
    'I/O in interpret, lazily',
    { 'protocols/a/interpret.ts': "const w = await import('node:worker_threads');" },
    /node:worker_threads/,
  ],
  ['I/O in policy', { 'policy/a.ts': "import fs from 'node:fs';" }, /imports node:fs/],
  ['a clock in policy', { 'policy/a.ts': 'export const now = () => Date.now();' }, /no clock/],
  ['a date in policy', { 'policy/a.ts': 'export const now = () => new Date();' }, /no clock/],
  ['a revealed secret', { 'gateway/a.ts': 'export const a = (s: any) => s.reveal();' }, /credential is revealed only/],
  [
    'a revealed secret, maybe',
    { 'protocols/a/relay.ts': 'export const a = (s: any) => s?.reveal();' },
    /credential is revealed only/,
  ],
  [
    'a forged permit',
    {
      'protocols/a/relay.ts': "import { mintPermit } from '../../domain/permit.ts';",
      'domain/permit.ts': 'export const mintPermit = 1;',
    },
    /makes a Permit/,
  ],
  ['a permit by assertion', { 'gateway/session.ts': 'export const a = {} as Permit;' }, /makes a Permit/],
  [
    'a cycle of files',
    { 'mask/a.ts': "import './b.ts';", 'mask/b.ts': "import './c.ts';", 'mask/c.ts': "import './a.ts';" },
    /cycle: mask\/a.ts → mask\/b.ts → mask\/c.ts → mask\/a.ts/,
  ],
  ['a file without a room', { 'x.ts': '' }, /stands in no room/],
  ['a room that is not drawn', { 'plugins/x.ts': '' }, /stands in no room/],
  ['JavaScript', { 'mask/x.js': '' }, /sources are .ts/],
  ['a name that says nothing', { 'mask/utils.ts': '' }, /says nothing/],
];

describe('the check sees', () => {
  for (const [name, files, said] of PLANTED) {
    test(name, () => {
      const tree = Object.entries(files).map(([path, text]) => [`src/${path}`, `${REASON}${text}`]);
      assert.match(inspect(Object.fromEntries(tree)).violations.join('\n'), said);
    });
  }

  test('a file without a reason', () => {
    assert.match(inspect({ 'src/mask/a.ts': 'export {};' }).violations.join('\n'), /does not open with its reason/);
  });

  test('a new folder at the top', () => {
    assert.deepEqual(inspect({ 'scripts/a.sh': '' }).violations, ['scripts/: not a folder of this house']);
  });

  for (const text of [
    "test.skip('x', () => {})",
    "describe.only('x', () => {})",
    "test('x', { skip: true }, () => {})",
  ]) {
    test(`a test that is passed over: ${text}`, () => {
      assert.match(inspect({ 'test/a.test.ts': text }).violations.join('\n'), /a test is passed over/);
    });
  }
});

const REASON = '/** A reason. */\n';

function inspect(tree: Record<string, string>): ReturnType<typeof inspectHouse> {
  const root = mkdtempSync(join(tmpdir(), 'hoopctl-house-'));
  try {
    for (const [path, text] of Object.entries(tree)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return inspectHouse(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

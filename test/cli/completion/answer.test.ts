/** What a tab may cost and may not do: no question, no command, no login of somebody else's, nothing that outlives its worth. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { answerFor } from '../../../src/cli/completion/answer.ts';
import { forShell, isOfferable, unquoted } from '../../../src/cli/completion/quoting.ts';
import { lookUp } from '../../../src/cli/completion/values.ts';
import { approvalView, HOSTILE, startApi, targetView } from '../api.ts';
import { newHome } from '../cli.ts';

const NEVER = new AbortController().signal;
const nobody = async () => {};

async function place(t: TestContext) {
  const api = await startApi(t);
  api.on('GET /v1/targets', { json: [{ ...targetView(), name: 'orders' }] });
  const home = newHome(t);
  const cache = join(home.dir, '.cache');
  const env = { ...home.env, XDG_CACHE_HOME: cache, HOOPCTL_GATEWAY: api.url, HOOPCTL_TOKEN: 'a.b.c' };
  const around = { env, cwd: home.dir };
  const look = async (extra: Record<string, string> = {}, soon = NEVER, behind = nobody) =>
    lookUp('target', { given: [] }, { ...around, env: { ...env, ...extra } }, soon, behind).catch(() => 'failed');
  return { api, home, env, around, look, cache };
}

const ORDERS = [{ value: 'orders', description: 'orders-db: read' }];

test('what was answered lately is not asked for again, and is kept for its owner alone', async (t) => {
  const { api, look, cache } = await place(t);
  assert.deepEqual(await look(), ORDERS);
  assert.deepEqual(await look(), ORDERS);
  assert.equal(api.asked.length, 1);
  const [file = ''] = globSync('**/*.json', { cwd: cache }).map((each) => join(cache, each));
  assert.deepEqual([statSync(file).mode & 0o777, statSync(dirname(file)).mode & 0o777], [0o600, 0o700]);
  assert.doesNotMatch(readFileSync(file, 'utf8'), /a\.b\.c/);
});

test('what others could have read or written is not trusted', async (t) => {
  const { api, look, cache } = await place(t);
  await look();
  const [file = ''] = globSync('**/*.json', { cwd: cache }).map((each) => join(cache, each));
  writeFileSync(file, JSON.stringify({ at: Date.now(), values: [{ value: 'planted' }] }));
  chmodSync(file, 0o644);
  assert.deepEqual(await look(), ORDERS);
  assert.equal(api.asked.length, 2);
});

test('another token sees nothing of what the first one was told', async (t) => {
  const { api, look } = await place(t);
  await look();
  api.on('GET /v1/targets', { json: [] });
  assert.deepEqual(await look({ HOOPCTL_TOKEN: 'd.e.f' }), []);
});

test('a gateway that takes its time leaves an empty answer and is asked behind, once', async (t) => {
  const { api, look } = await place(t);
  let asked = 0;
  const behind = async () => void asked++;
  assert.deepEqual(await look({}, AbortSignal.abort(), behind), []);
  assert.deepEqual(await look({}, AbortSignal.abort(), behind), []);
  assert.deepEqual([asked, api.asked.length], [1, 0]);
});

test('what the gateway told before is forgotten when it says no', async (t) => {
  const { api, look, cache } = await place(t);
  await look();
  const [file = ''] = globSync('**/*.json', { cwd: cache }).map((each) => join(cache, each));
  writeFileSync(file, readFileSync(file, 'utf8').replace(/"at":\d+/, '"at":1'));
  api.on('GET /v1/targets', { status: 403, json: { error: { code: 'FORBIDDEN', message: 'no', exit: 4 } } });
  assert.equal(await look(), 'failed');
  assert.equal(existsSync(file), false);
});

test('inside a run the login of its user is not used, nor what it was told', async (t) => {
  const { api, look } = await place(t);
  await look();
  const extra = { HOOP_RUN_ID: 'run_1', HOOPCTL_TOKEN: '' };
  assert.equal(await look(extra), 'failed');
  assert.equal(api.asked.length, 1);
});

test('a command that gives a token is not run by a tab', async (t) => {
  const { api, home, look } = await place(t);
  const ran = join(home.dir, 'ran');
  assert.deepEqual(await look({ HOOPCTL_TOKEN: '', HOOPCTL_TOKEN_CMD: `touch '${ran}'; echo a.b.c` }), []);
  assert.deepEqual([existsSync(ran), api.asked.length], [false, 0]);
});

test('with nothing configured, a broken file or no gateway a tab is silent and ends with 0', async (t) => {
  const home = newHome(t);
  const silent = { code: 0, stdout: '', stderr: '' };
  const asked = ['__complete', 'bash', 'exec', ''];
  assert.deepEqual(await home.run(asked), silent);
  const env = { HOOPCTL_GATEWAY: 'http://127.0.0.1:1', HOOPCTL_TOKEN: 'a.b.c', XDG_CACHE_HOME: join(home.dir, 'c') };
  assert.deepEqual(await home.run(asked, { env }), silent);
  mkdirSync(join(home.dir, '.config', 'hoopctl'), { recursive: true });
  writeFileSync(join(home.dir, '.config', 'hoopctl', 'config.yaml'), 'gateway: [');
  assert.deepEqual(await home.run(asked), silent);
  assert.deepEqual(await home.run(['__complete', 'bash', 'no-such-command', '']), silent);
});

test('commands are offered though the configuration is broken', async (t) => {
  const home = newHome(t);
  writeFileSync(join(home.dir, 'hoop.yaml'), 'agent: [');
  const { code, stdout } = await home.run(['__complete', 'bash', 'who']);
  assert.deepEqual([code, stdout], [0, 'values\nwhoami\n']);
});

test('a description is one line that a terminal can not obey', async (t) => {
  const { api, around } = await place(t);
  api.on('GET /v1/approvals?state=open', { json: [approvalView(HOSTILE, { id: 'apr_1' })] });
  const lines = (await answerFor('zsh', ['approve', ''], around, nobody)).split('\n');
  assert.equal(lines.length, 3);
  assert.match(lines[1]!, /^apr_1\t/);
  assert.doesNotMatch(lines[1]!.replace('\t', ''), /[\p{C}\p{Zl}\p{Zp}]/u);
});

test('gateways are known without asking anybody', async (t) => {
  const { api, around, home } = await place(t);
  const folder = join(home.dir, '.config', 'hoopctl');
  mkdirSync(folder, { recursive: true });
  const known = { gateways: [{ url: 'https://gateway.example:8443' }] };
  writeFileSync(join(folder, 'gateways.json'), JSON.stringify(known), { mode: 0o600 });
  assert.equal(
    await answerFor('bash', ['targets', '--gateway', 'h'], around, nobody),
    'values\nhttps://gateway.example:8443\n',
  );
  assert.equal(api.asked.length, 0);
});

test('help completes commands, subcommands, topics and the codes of errors', async (t) => {
  const { around } = await place(t);
  const answer = (...words: string[]) => answerFor('bash', ['help', ...words], around, nobody);
  assert.equal(await answer('env'), 'values\nenvironment\nenv\n');
  assert.equal(await answer('sessions', 'sh'), 'values\nshow\n');
  assert.equal(await answer('errors', 'TARGET_UNK'), 'values\nTARGET_UNKNOWN\n');
});

test('a typed word is understood as the shell would, without running anything', () => {
  for (const [typed, meant] of [
    ['a\\ b', 'a b'],
    ["'a b", 'a b'],
    ['"a\\"b"c', 'a"bc'],
    ["'a\\b'", 'a\\b'],
    ['$(x)`y`', '$(x)`y`'],
  ] as const)
    assert.equal(unquoted(typed), meant);
});

test('a name is offered unless it hides, breaks the line or reads as an option', () => {
  for (const name of ['orders-db', 'a b', "o'hara", 'd@example.test/x', 'é', '日本'])
    assert.equal(isOfferable(name), true, name);
  for (const name of [
    '',
    '-x',
    '--yes',
    'a\nb',
    'a\tb',
    'a\u00a0b',
    'a\u200bb',
    'a\u202eb',
    '\x1b[2J',
    'x'.repeat(201),
  ])
    assert.equal(isOfferable(name), false, JSON.stringify(name));
});

test('inside an open quote bash is offered only what needs no quoting', () => {
  assert.equal(forShell('bash', 'orders-db', "'or"), 'orders-db');
  assert.equal(forShell('bash', "o'; rm", "'o"), undefined);
  assert.equal(forShell('bash', "o'; rm", 'o'), "o\\'\\;\\ rm");
});

/** Which gateway is used: flags, environment, a trusted hoop.yaml, the user's file, the last choice; and what an untrusted folder can not do. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { remember } from '../../src/app/known-gateways.ts';
import { startApi } from './api.ts';
import { newHome } from './cli.ts';

const TOKEN = { HOOPCTL_TOKEN: 'canary.token.value' };

test('a hoop.yaml in a folder that is not trusted does not choose whom a token is shown to, and that is said', async (t) => {
  const evil = await startApi(t);
  const home = newHome(t);
  const project = join(home.dir, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'hoop.yaml'), `gateway: ${evil.url}\n`);
  const ended = await home.run(['whoami'], { env: TOKEN, cwd: project });
  assert.equal(ended.code, 2);
  assert.match(ended.stderr, /^hoopctl: ignored gateway in .*hoop\.yaml: the folder is not trusted/m);
  assert.equal(evil.asked.length, 0);
});

test('hoopctl trust lets it, and --remove takes that back', async (t) => {
  const api = await startApi(t);
  const home = newHome(t);
  const project = join(home.dir, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'hoop.yaml'), `gateway: ${api.url}\n`);
  assert.equal((await home.run(['trust'], { cwd: project })).code, 0);
  assert.equal((await home.run(['trust', '--list'])).stdout, `${project}\n`);
  assert.equal((await home.run(['whoami'], { env: TOKEN, cwd: project })).code, 0);
  await home.run(['trust', '--remove'], { cwd: project });
  assert.equal((await home.run(['whoami'], { env: TOKEN, cwd: project })).code, 2);
});

test('an agent can not trust its own folder, nor choose another gateway', async (t) => {
  const home = newHome(t);
  for (const args of [['trust'], ['gateways', 'use', 'https://gw'], ['gateways', 'forget', 'https://gw']]) {
    const ended = await home.run(args, { env: { HOOP_RUN_ID: 'run_1' } });
    assert.equal(ended.code, 3);
    assert.match(ended.stderr, /LOGIN_IN_RUN/);
  }
});

test('the flag goes before the variable, the variable before what was last used', async (t) => {
  const [last, variable, flag] = [await startApi(t), await startApi(t), await startApi(t)];
  const home = newHome(t);
  const folder = join(home.dir, '.config', 'hoopctl');
  remember(folder, { url: last.url }, true);
  await home.run(['whoami'], { env: TOKEN });
  assert.equal(last.asked.length, 1);
  await home.run(['whoami'], { env: { ...TOKEN, HOOPCTL_GATEWAY: variable.url } });
  assert.equal(variable.asked.length, 1);
  await home.run(['whoami', '--gateway', flag.url], { env: { ...TOKEN, HOOPCTL_GATEWAY: variable.url } });
  assert.deepEqual(
    [last, variable, flag].map(({ asked }) => asked.length),
    [1, 1, 1],
  );
});

test('gateways are listed, chosen and forgotten; a choice that something overrules says so', async (t) => {
  const home = newHome(t);
  const folder = join(home.dir, '.config', 'hoopctl');
  remember(folder, { url: 'https://a.example' }, true);
  remember(folder, { url: 'https://b.example', evidenceKey: { id: 'k1', pem: 'p' } }, false);
  const listed = async () =>
    (await home.run(['gateways', '--json'])).stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  assert.deepEqual(
    (await listed()).map(({ gateway, inUse }) => [gateway, inUse]),
    [
      ['https://a.example', true],
      ['https://b.example', false],
    ],
  );
  const used = await home.run(['gateways', 'use', 'b.example'], { env: { HOOPCTL_GATEWAY: 'https://c.example' } });
  assert.match(used.stderr, /warning: the variable HOOPCTL_GATEWAY still names a gateway and goes first/);
  assert.deepEqual(
    (await listed()).filter(({ inUse }) => inUse).map(({ gateway }) => gateway),
    ['https://b.example'],
  );
  assert.equal((await home.run(['gateways', 'forget', 'https://b.example'])).code, 0);
  assert.deepEqual(
    (await listed()).map(({ gateway }) => gateway),
    ['https://a.example'],
  );
  assert.equal((await home.run(['gateways', 'use', 'https://b.example'])).code, 2);
});

test("the user's own file may ask for JSON; variable and flag go first", async (t) => {
  const home = newHome(t);
  const folder = join(home.dir, '.config', 'hoopctl');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.yaml'), 'output: json\n');
  assert.equal(
    (await home.run(['version'])).stdout.startsWith('{'),
    false,
    'the bare version is told without reading files',
  );
  assert.equal((await home.run(['gateways', 'use', 'https://gw'])).stderr.startsWith('{"error"'), true);
  assert.equal(
    (await home.run(['gateways', 'use', 'https://gw'], { env: { HOOPCTL_OUTPUT: 'text' } })).stderr.startsWith(
      'hoopctl: error',
    ),
    true,
  );
  assert.equal(
    (await home.run(['gateways', 'use', 'https://gw', '-o', 'text'])).stderr.startsWith('hoopctl: error'),
    true,
  );
});

test("a user's file that is wrong is exit 2 with its line", async (t) => {
  const home = newHome(t);
  const folder = join(home.dir, '.config', 'hoopctl');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.yaml'), 'output: json\ngatway: x\n');
  const ended = await home.run(['whoami']);
  assert.equal(ended.code, 2);
  assert.match(ended.stderr, /config\.yaml:2 .*gatway/);
});

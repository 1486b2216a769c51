/** Logging in and out with a real OpenID provider: what is shown, what is kept and where, what is pinned, what an agent can not do. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { readKnown } from '../../src/app/known-gateways.ts';
import { DANA, type FakeIdp, RILEY, startFakeIdp } from '../fakes/idp.ts';
import { configView, type FakeApi, meView, refusal, startApi } from './api.ts';
import { type Home, jsonError, newHome } from './cli.ts';

interface Scene {
  readonly api: FakeApi;
  readonly idp: FakeIdp;
  readonly home: Home;
  readonly folder: string;
}

async function scene(t: TestContext, options: Parameters<typeof startFakeIdp>[0] = {}): Promise<Scene> {
  const [api, idp] = await Promise.all([startApi(t), startFakeIdp(options)]);
  t.after(() => idp.close());
  api.on('GET /v1/config', { json: configView(api.url, idp.issuer) });
  const home = newHome(t);
  return { api, idp, home, folder: join(home.dir, '.config', 'hoopctl') };
}

/** The browser flow: no waiting between polls. */
async function logIn({ api, idp, home }: Scene, args: readonly string[] = [], user = DANA.email) {
  const running = home.start(['login', '--gateway', api.url, '--flow', 'browser', ...args]);
  const said = await running.says(/http:\/\/127\.0\.0\.1:\d+\/auth\?\S+/);
  const link = /http:\/\/127\.0\.0\.1:\d+\/auth\?[^\s"]+/.exec(said)?.[0] ?? '';
  const left = await idp.visit(link, { user });
  if ('leavesTo' in left) await fetch(left.leavesTo);
  return running.ended;
}

/** The device flow: the one that gets a refresh token from this provider. */
async function logInByDevice({ api, idp, home }: Scene) {
  const running = home.start(['login', '--gateway', api.url]);
  const said = await running.says(/http\S+user_code=\S+/);
  await idp.visit(/http\S+user_code=\S+/.exec(said)?.[0] ?? '', { user: DANA.email });
  return running.ended;
}

/** Everything below a folder, as one text. */
function allFiles(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map((file) => readFileSync(join(file.parentPath, file.name), 'latin1')).join('\n');
}

test('the device flow shows link and code, and the login then works without them', async (t) => {
  const here = await scene(t);
  const running = here.home.start(['login', '--gateway', here.api.url]);
  const said = await running.says(/device\?user_code=\S+/);
  assert.match(said, /^ {2}open {2}http:\/\/127\.0\.0\.1:\d+\/device$/m);
  assert.match(said, /^ {2}code {2}[A-Z0-9-]+$/m);
  await here.idp.visit(/http\S+user_code=\S+/.exec(said)?.[0] ?? '', { user: DANA.email });
  const ended = await running.ended;
  assert.equal(ended.code, 0);
  assert.equal(ended.stdout, `logged in to ${here.api.url} as dana@example.test\n`);
  assert.match(ended.stderr, /pinned its evidence key key-1/);
  const who = await here.home.run(['whoami', '--json']);
  assert.equal(JSON.parse(who.stdout).login, 'stored');
  const token = here.api.asked.at(-1)?.token ?? '';
  assert.equal(token.split('.').length, 3);
  assert.equal((ended.stdout + ended.stderr + who.stdout + who.stderr).includes(token), false);
});

test('the stored login is sealed: no token stands in any file, and the wrong passphrase opens nothing', async (t) => {
  const here = await scene(t);
  assert.equal((await logIn(here)).code, 0);
  await here.home.run(['whoami']);
  const token = here.api.asked.at(-1)?.token ?? '';
  assert.equal(allFiles(here.home.dir).includes(token), false);
  const locked = await here.home.run(['whoami', '--json'], { env: { HOOPCTL_PASSPHRASE: 'another' } });
  assert.equal(locked.code, 3);
  assert.equal(jsonError(locked).code, 'TOKEN_STORE_PASSPHRASE');
  const { HOOPCTL_PASSPHRASE: _, ...env } = here.home.env;
  const asked = await newHome(t).run(['whoami', '--json'], { env: { ...env, HOOPCTL_PASSPHRASE: '' } });
  assert.equal(jsonError(asked).code, 'TOKEN_STORE_LOCKED');
});

test('--insecure-storage keeps it in a plain file for the owner alone, and says so aloud', async (t) => {
  const here = await scene(t);
  Object.assign(here.home.env, {
    HOOPCTL_TOKEN_STORE: '',
    HOOPCTL_PASSPHRASE: '',
    DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nonexistent',
  });
  const ended = await logIn(here, ['--insecure-storage']);
  assert.equal(ended.code, 0, ended.stderr);
  assert.match(ended.stderr, /in plain text in /);
  assert.equal(statSync(join(here.folder, 'logins.json')).mode & 0o777, 0o600);
  assert.equal((await here.home.run(['whoami'])).code, 0);
});

test('a gateway that does not take the token leaves nothing stored', async (t) => {
  const here = await scene(t);
  here.api.on('GET /v1/me', refusal(403, 'GROUPS_MISSING', 'the token carries no groups', 3, 'use app roles'));
  const ended = await logIn(here, ['--json']);
  assert.equal(ended.code, 3);
  assert.equal(jsonError(ended).code, 'GROUPS_MISSING');
  assert.deepEqual(readKnown(here.folder), { gateways: [] });
});

test('the evidence key is pinned at the first login; another one later is reported and does not replace it', async (t) => {
  const here = await scene(t);
  await logIn(here);
  const changed = configView(here.api.url, here.idp.issuer);
  changed.evidenceKey = { id: 'key-2', pem: changed.evidenceKey.pem.replace('GAJ', 'GBJ').replace('MCow', 'MCox') };
  here.api.on('GET /v1/config', { json: changed });
  const ended = await logIn(here);
  assert.equal(ended.code, 0);
  assert.match(ended.stderr, /warning: .* now shows the evidence key key-2; pinned is key-1, and stays/);
  const key = await here.home.run(['audit', 'key']);
  assert.equal(key.stdout, configView('').evidenceKey.pem);
});

test('a login that ran out is renewed without a word, once for all commands that run at the time', async (t) => {
  const here = await scene(t, { accessTokenLife: 30 });
  await logInByDevice(here);
  const both = await Promise.all([here.home.run(['whoami']), here.home.run(['whoami'])]);
  assert.deepEqual(
    both.map(({ code }) => code),
    [0, 0],
  );
  assert.equal(both[0]?.stderr, '');
  const tokens = new Set(here.api.asked.flatMap(({ token }) => token ?? []));
  assert.ok(tokens.size >= 2, 'the first token was replaced');
});

test('logout ends the login at the provider and here', async (t) => {
  const here = await scene(t, { accessTokenLife: 30 });
  await logInByDevice(here);
  const ended = await here.home.run(['logout']);
  assert.deepEqual(ended, { code: 0, stdout: `logged out of ${here.api.url}\n`, stderr: '' });
  assert.equal((await here.home.run(['whoami'])).code, 3);
  assert.equal(readKnown(here.folder).gateways[0]?.login, undefined);
  assert.equal(readKnown(here.folder).gateways[0]?.evidenceKey?.id, 'key-1');
  assert.match((await here.home.run(['logout'])).stderr, /you were not logged in/);
});

test('logout deletes the login even where the provider can not be reached, and says so with exit 6', async (t) => {
  const here = await scene(t);
  await logIn(here);
  await here.idp.close();
  const ended = await here.home.run(['logout', '--all', '--json']);
  assert.equal(ended.code, 6);
  assert.equal(JSON.parse(ended.stdout).state, 'failed');
  assert.equal((await here.home.run(['whoami'])).code, 3);
});

test('logging in as someone else replaces the login', async (t) => {
  const here = await scene(t);
  await logIn(here);
  here.api.on('GET /v1/me', { json: { ...meView(), name: RILEY.email } });
  assert.equal((await logIn(here, [], RILEY.email)).stdout, `logged in to ${here.api.url} as riley@example.test\n`);
  assert.equal(readKnown(here.folder).gateways[0]?.login?.name, RILEY.email);
});

test('a person who cancels is exit 3; Ctrl-C is exit 130; neither stores anything', async (t) => {
  const here = await scene(t);
  const running = here.home.start(['login', '--gateway', here.api.url, '--flow', 'browser', '--json']);
  const said = await running.says(/\/auth\?/);
  const left = await here.idp.visit(/http[^\s"]+\/auth\?[^\s"]+/.exec(said)?.[0] ?? '', {
    user: DANA.email,
    answer: 'no',
  });
  if ('leavesTo' in left) await fetch(left.leavesTo);
  const cancelled = await running.ended;
  assert.equal(cancelled.code, 3);
  assert.equal(jsonError(cancelled).code, 'LOGIN_DENIED');
  const interrupted = here.home.start(['login', '--gateway', here.api.url]);
  await interrupted.says(/code {2}/);
  interrupted.kill('SIGINT');
  assert.equal((await interrupted.ended).code, 130);
  assert.deepEqual(readKnown(here.folder), { gateways: [] });
});

test('with several identity providers one has to be chosen, and only a known one can be', async (t) => {
  const here = await scene(t);
  const config = configView(here.api.url, here.idp.issuer);
  config.issuers.push({ ...configView('', 'https://other.example').issuers[0]! });
  here.api.on('GET /v1/config', { json: config });
  for (const args of [[], ['--issuer', 'https://evil.example']]) {
    const ended = await here.home.run(['login', '--gateway', here.api.url, '--json', ...args]);
    assert.equal(ended.code, 2);
    assert.equal(jsonError(ended).code, 'WHICH_ISSUER');
  }
  assert.equal((await logIn(here, ['--issuer', here.idp.issuer])).code, 0);
});

describe('inside a run', () => {
  const commands = [
    'whoami',
    'targets',
    'approvals',
    'approve apr_1',
    'deny apr_1',
    'revoke --all --yes',
    'sessions',
    'login',
    'logout',
    'logout --all',
  ];
  test('no command uses, makes or removes the stored login', async (t) => {
    const here = await scene(t);
    await logIn(here);
    const before = here.api.asked.length;
    for (const args of commands) {
      const ended = await here.home.run([...args.split(' '), '--json'], { env: { HOOP_RUN_ID: 'run_1' } });
      assert.equal(ended.code, 3, args);
      assert.equal(jsonError(ended).code, 'LOGIN_IN_RUN', args);
    }
    assert.equal(here.api.asked.length, before);
    assert.equal((await here.home.run(['whoami'])).code, 0);
  });

  test('a token that was given counts', async (t) => {
    const here = await scene(t);
    await logIn(here);
    const ended = await here.home.run(['whoami', '--json'], { env: { HOOP_RUN_ID: 'run_1', HOOPCTL_TOKEN: 'a.b.c' } });
    assert.equal(JSON.parse(ended.stdout).login, 'the variable HOOPCTL_TOKEN');
  });
});

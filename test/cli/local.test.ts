/** The single-person start against a real gateway: init, start, sign in with the printed code, and every command that asks it something. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePort } from '../../src/app/demo/free-port.ts';
import { visit } from '../../src/app/demo/visitor.ts';
import { type Home, jsonError, newHome, type RunningCli } from './cli.ts';

interface Local {
  readonly home: Home;
  readonly url: string;
  readonly gateway: RunningCli;
}

async function startLocal(t: TestContext): Promise<Local & { code: string }> {
  const home = newHome(t);
  // A sealed store takes a fifth of a second of every command; it has tests of its own.
  home.env['HOOPCTL_TOKEN_STORE'] = 'plain';
  const init = ['gateway', 'init', 'gw', '--local', '--user', 'dana', '--target', 'shop=postgres://me@127.0.0.1/db'];
  await home.run([...init, '--password-file', '-'], { input: 'canary-pass\n' });
  const file = join(home.dir, 'gw', 'gateway.yaml');
  const url = `http://127.0.0.1:${await freePort()}`;
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll('127.0.0.1:8443', url.slice('http://'.length)));
  const gateway = home.start(['gateway', 'start', '--config', file]);
  const said = await gateway.says(/type the code \S+/);
  await gateway.says('gateway listens');
  return { home, url, gateway, code: /type the code (\S+)/.exec(said)?.[1] ?? '' };
}

async function signIn(running: RunningCli, code: string): Promise<void> {
  const link = /http\S+user_code=\S+/.exec(await running.says(/http\S+user_code=\S+/))?.[0] ?? '';
  await visit(new URL(link).origin, link, { user: 'dana', code, answer: 'yes' });
}

test('from nothing to a login, and what each command then says', async (t) => {
  const { home, url, code, gateway } = await startLocal(t);
  const login = home.start(['login', '--gateway', url]);
  await signIn(login, code);
  const loggedIn = await login.ended;
  assert.equal(loggedIn.stdout, `logged in to ${url} as dana\n`, loggedIn.stderr);

  const json = async (...args: string[]) => {
    const ended = await home.run([...args, '--json']);
    assert.equal(ended.code, 0, `${args.join(' ')}: ${ended.stderr}`);
    return ended.stdout
      .trimEnd()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  };
  const [me] = await json('whoami');
  assert.deepEqual([me.name, me.local, me.roles], ['dana', true, ['admin']]);
  const [target] = await json('targets');
  assert.deepEqual([target.name, target.effects.includes('delete')], ['shop', true]);
  assert.equal((await json('people'))[0].name, 'dana');
  assert.equal((await json('people', 'show', 'dana'))[0].revoked, false);
  for (const args of [
    ['agents'],
    ['sessions', '--live', '--would-be'],
    ['approvals', '--state', 'all'],
    ['revocations'],
  ])
    assert.deepEqual(await json(...args), []);

  const question = ['policy', 'explain', 'shop', '--as', 'dana', '--policy', 'gw/policy.yaml', '--json'];
  const verdict = await home.run([...question, '--', 'DELETE FROM orders']);
  assert.equal(verdict.code, 0, verdict.stderr);
  assert.equal(JSON.parse(verdict.stdout).verdict, 'hold');

  const [preview] = await json('revoke', '--user', 'dana', '--dry-run');
  assert.deepEqual(preview.sessions, []);
  assert.deepEqual(await json('revocations'), []);
  assert.match((await json('audit', 'key'))[0].pem, /BEGIN PUBLIC KEY/);

  for (const args of [
    'targets show nope',
    'sessions show nope',
    'approvals show nope',
    'people show nope',
    'agents show nope',
    'sessions replay nope',
    'approve nope',
    'sessions kill nope --yes',
    'revoke --agent nope --yes',
    'revoke --user nope --yes',
    'unrevoke --user dana --reason over',
  ]) {
    const ended = await home.run([...args.split(' '), '--json']);
    assert.equal(ended.code, 4, `${args}: ${ended.stderr}`);
    assert.equal(jsonError(ended).exit, 4);
  }

  assert.equal((await home.run(['logout'])).code, 0);
  gateway.kill('SIGINT');
  const ended = await gateway.ended;
  assert.equal(ended.code, 0, ended.stderr);
  assert.doesNotMatch(ended.stdout + ended.stderr, /canary-pass/);
});

test('without the code of the terminal nobody signs in', async (t) => {
  const { home, url } = await startLocal(t);
  const login = home.start(['login', '--gateway', url]);
  await signIn(login, '000-000');
  login.kill('SIGINT');
  assert.equal((await login.ended).code, 130);
});

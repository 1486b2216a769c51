/** A run lives by its launcher's login: when that grows old, the run takes no new command. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Stack, startStack } from '../fakes/stack.ts';
import { newHome } from '../cli/cli.ts';
import { connected, later, refused, until } from './clients.ts';
import { ask, endLogin, logIn, refusedWith, toldIn, tunnelIn } from './tunnels.ts';

let stack: Stack;
before(async () => {
  stack = await startStack({ gatewayYaml: (yaml) => yaml.replace('identity:\n', 'identity:\n  maxAge: 20s\n') });
});
after(() => stack[Symbol.asyncDispose]());

// Growing old is waited for: both at once.
describe('a login', { concurrency: true }, () => {
  describe('that grows old', () => {
    test('lets its run take no new command, until it is renewed', async () => {
      stack.logOut('dana');
      await using run = await stack.run('dana');
      await using client = await connected(run);
      await client.query('SELECT 1');
      await run.event('loginRequired');
      let told = await later(client.query('SELECT 1'));
      await until('it is too old', async () => {
        told = await later(client.query('SELECT 1'));
        return !told.ok;
      });
      assert.ok(!told.ok && told.told.code === '28000', JSON.stringify(told));
      assert.match(told.told.message, /hoopctl login/);
      assert.equal((await refused(connected(run))).code, '28000');
      stack.logOut('dana');
      const dana = await stack.client('dana');
      await dana.renewRun(run.view.id);
      await using again = await connected(run);
      assert.equal((await again.query('SELECT 1 AS one')).rows[0].one, 1);
    });
  });

  describe('that was ended', () => {
    test('is asked for once; what is open goes on until it is too old; another login in another terminal is taken up', async (t) => {
      const home = newHome(t);
      Object.assign(home.env, { HOOPCTL_TOKEN_STORE: 'plain', HOOPCTL_GATEWAY: stack.gateway.url });
      await logIn(stack, home, 'dana');
      const { child, url } = await tunnelIn(home, home.env);
      await endLogin(stack, home);
      await child.says('log in again in another terminal: hoopctl login');
      assert.equal(await ask(url, 'SELECT 7 AS n'), 7, 'until then it is served');
      await logIn(stack, home, 'riley');
      await until('the login is too old', () => refusedWith(url, '28000'));
      assert.match((await refused(ask(url, 'SELECT 1'))).message, /hoopctl login/);
      await logIn(stack, home, 'dana');
      await child.says('logged in again');
      assert.equal(await ask(url, 'SELECT 7 AS n'), 7);
      child.kill('SIGINT');
      assert.equal(toldIn(await child.ended).filter((text) => /log in again/.test(text)).length, 1);
    });
  });
});

/** A run lives by its launcher's login: when that grows old, the run takes no new command. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Stack, startStack } from '../fakes/stack.ts';
import { connected, later, refused, until } from './clients.ts';

let stack: Stack;
before(async () => {
  stack = await startStack({ gatewayYaml: (yaml) => yaml.replace('identity:\n', 'identity:\n  maxAge: 10s\n') });
});
after(() => stack[Symbol.asyncDispose]());

describe('a login that grows old', () => {
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

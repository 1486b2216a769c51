/** Who decides: with all that an agent, its owner's files and its environment hold, nobody but an approver who signs in for this very request. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Token } from '../../src/base/secret.ts';
import { type Stack, startStack } from '../fakes/stack.ts';
import { cancel, connected, decide, later, openRequest, ran, refused } from './clients.ts';

let stack: Stack;
before(async () => {
  stack = await startStack();
});
after(() => stack[Symbol.asyncDispose]());

describe('with everything the agent could find in hand', () => {
  test('nothing decides a request but a fresh sign-in of an approver, made for it', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    await using second = await connected(run);
    const answer = later(client.query('DELETE FROM orders WHERE id = 1021'));
    const wanted = await openRequest(stack, run, '1021');
    const distraction = later(second.query('DELETE FROM orders WHERE id = 1022'));
    const other = await openRequest(stack, run, '1022', [wanted.id]);

    const tokens: Record<string, string> = {
      'the run': run.token.expose(),
      "dana's login": await stack.token('dana'),
      "riley's login": await stack.token('riley'),
      "dana's sign-in for this request": await stack.approvalToken(wanted.id, 'dana'),
      "riley's sign-in for another request": await stack.approvalToken(other.id, 'riley'),
      nonsense: 'A'.repeat(43),
    };
    const api = await stack.client('dana');
    for (const [whose, token] of Object.entries(tokens)) {
      for (const decision of ['approve', 'deny'] as const) {
        const attempt = api.decide(wanted.id, { decision, digest: wanted.digest }, { token: Token.of(token) });
        await assert.rejects(attempt, { name: 'HoopError' }, `${whose} may not ${decision}`);
      }
    }
    const riley = await stack.client('riley');
    assert.equal((await riley.approval(wanted.id)).state, 'open');
    assert.equal(await ran(stack, '1021'), 0);

    await decide(stack, other.id, 'riley', 'deny');
    await decide(stack, wanted.id, 'riley');
    assert.ok((await answer).ok);
    assert.ok(!(await distraction).ok);
  });

  test('an approver who saw something else approves nothing', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    const answer = later(client.query('DELETE FROM orders WHERE id = 1023'));
    const request = await openRequest(stack, run);
    const token = Token.of(await stack.approvalToken(request.id, 'riley'));
    const riley = await stack.client('riley');
    const attempt = riley.decide(request.id, { decision: 'approve', digest: '0'.repeat(64) }, { token });
    await assert.rejects(attempt, { name: 'HoopError' });
    assert.equal(await ran(stack, '1023'), 0);
    await cancel(run, client);
    await answer;
  });

  test('an approver decides once: a second answer changes nothing', async () => {
    await using run = await stack.run('dana', { wait: 100 });
    await using client = await connected(run);
    await refused(client.query('DELETE FROM orders WHERE id = 1024'));
    const request = await openRequest(stack, run);
    await decide(stack, request.id, 'riley', 'deny');
    await assert.rejects(decide(stack, request.id, 'riley', 'approve'));
    assert.equal((await refused(client.query('DELETE FROM orders WHERE id = 1024'))).code, '55000');
    assert.equal(await ran(stack, '1024'), 0);
  });
});

/** Held commands, through everything: what the client hears, who may decide, what an approval is good for, and what ends the waiting. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Stack, startStack } from '../fakes/stack.ts';
import { cancel, connected, decide, hangUp, later, openRequest, ran, refused, until, verified } from './clients.ts';

let stack: Stack;
before(async () => {
  stack = await startStack();
});
after(() => stack[Symbol.asyncDispose]());

describe('a held DELETE', () => {
  test('is announced with a link, waits, and runs once it is approved', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    const answer = later(client.query("DELETE FROM orders WHERE status = 'cancelled' AND id = 8"));
    const request = await openRequest(stack, run, 'id = 8');
    assert.equal(await ran(stack, 'DELETE FROM'), 0);
    const [notice] = client.notices;
    assert.match(notice?.message ?? '', new RegExp(`^HOOP_HELD: rule "deletes-need-a-person" .*${request.id}`));
    assert.ok(notice?.hint?.includes(`${stack.gateway.url}/approvals/${request.id}`), notice?.hint);
    await decide(stack, request.id, 'riley');
    const told = await answer;
    assert.ok(told.ok && told.value.rowCount === 1, JSON.stringify(told));
    assert.equal(await ran(stack, 'DELETE FROM'), 1);
  });

  test('is refused to the client when it is denied, with the reason, and not run', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    const answer = later(client.query('DELETE FROM orders WHERE id = 1001'));
    const request = await openRequest(stack, run);
    await decide(stack, request.id, 'riley', 'deny', 'ask the owner first');
    const told = await answer;
    assert.ok(!told.ok && told.told.code === '42501', JSON.stringify(told));
    assert.match(told.told.message, /^HOOP_DENIED: .*denied by riley@example.test: ask the owner first/);
    assert.equal(await ran(stack, '1001'), 0);
    assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
  });

  test('can be called off with Ctrl-C, which withdraws the request', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    const answer = later(client.query('DELETE FROM orders WHERE id = 1002'));
    const request = await openRequest(stack, run);
    await cancel(run, client);
    const told = await answer;
    assert.ok(!told.ok && told.told.code === '57014', JSON.stringify(told));
    await run.event('decided', ({ approval, decision }) => approval === request.id && decision === 'withdrawn');
    await assert.rejects(decide(stack, request.id, 'riley'));
    assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
    assert.equal(await ran(stack, '1002'), 0);
  });

  test('is withdrawn when the client hangs up', async () => {
    await using run = await stack.run('dana');
    const client = await connected(run);
    const answer = later(client.query('DELETE FROM orders WHERE id = 1003'));
    const request = await openRequest(stack, run);
    hangUp(client);
    await answer;
    await run.event('decided', ({ approval, decision }) => approval === request.id && decision === 'withdrawn');
    assert.equal(await ran(stack, '1003'), 0);
  });

  test('is withdrawn when the run ends', async () => {
    const run = await stack.run('dana');
    const client = await connected(run);
    const answer = later(client.query('DELETE FROM orders WHERE id = 1004'));
    const request = await openRequest(stack, run);
    await run.close('the test is over');
    await answer;
    const riley = await stack.client('riley');
    assert.equal((await riley.approval(request.id)).state, 'withdrawn');
    assert.equal(await ran(stack, '1004'), 0);
  });
});

describe('waiting', () => {
  test('ends after the time the launcher gave; the same statement then uses the approval, once', async () => {
    await using run = await stack.run('dana', { wait: 100 });
    await using client = await connected(run);
    const remove = () => client.query('DELETE FROM orders WHERE id = 1011');
    const still = await refused(remove());
    const request = await openRequest(stack, run);
    assert.equal(still.code, '55000');
    assert.match(still.message, new RegExp(`^HOOP_HELD: .*${request.id}`));
    assert.match(still.hint ?? '', /retry the same statement/);
    await decide(stack, request.id, 'riley');
    await remove();
    assert.equal(await ran(stack, '1011'), 1);
    // Used up: the next one asks again.
    const again = await refused(remove());
    assert.equal(again.code, '55000');
    assert.doesNotMatch(again.message, new RegExp(request.id));
    assert.equal(await ran(stack, '1011'), 1);
  });

  test('an approval is good for another connection of the same run, and for no other run', async () => {
    await using run = await stack.run('dana', { wait: 100 });
    await using other = await stack.run('dana', { wait: 100 });
    const text = 'DELETE FROM orders WHERE id = 1012';
    await using first = await connected(run);
    await refused(first.query(text));
    await decide(stack, (await openRequest(stack, run)).id, 'riley');
    await using stranger = await connected(other);
    assert.equal((await refused(stranger.query(text))).code, '55000');
    assert.equal(await ran(stack, '1012'), 0);
    await using second = await connected(run);
    await second.query(text);
    assert.equal(await ran(stack, '1012'), 1);
  });

  test('other text, other parameters and another search_path need an approval of their own', async () => {
    await using run = await stack.run('dana', { wait: 100 });
    await using client = await connected(run);
    const remove = (id: number, text = 'DELETE FROM orders WHERE id = $1') => client.query(text, [id]);
    await refused(remove(1013));
    const request = await openRequest(stack, run);
    await decide(stack, request.id, 'riley');
    for (const swapped of [remove(1014), remove(1013, 'DELETE FROM orders WHERE id = $1 OR true')]) {
      const told = await refused(swapped);
      assert.equal(told.code, '55000');
      assert.doesNotMatch(told.message, new RegExp(request.id));
    }
    assert.equal(await ran(stack, "'1014'"), 0);
    assert.equal(await ran(stack, 'OR true'), 0);
    await remove(1013);
    assert.equal(await ran(stack, "$1 = '1013'"), 1);
  });

  test('two connections that send the same at once ask once, and one approval lets one of them through', async () => {
    await using run = await stack.run('dana');
    await using one = await connected(run);
    await using two = await connected(run);
    const text = 'DELETE FROM orders WHERE id = 1015';
    const answers = [one, two].map((client) => later(client.query(text)));
    const request = await openRequest(stack, run);
    const riley = await stack.client('riley');
    // Both wait: each was announced its request.
    await until('both wait', () => one.notices.length > 0 && two.notices.length > 0);
    const open = (await riley.approvals({ state: 'open' })).filter((view) => view.run === run.view.id);
    assert.deepEqual(
      open.map(({ id }) => id),
      [request.id],
    );
    await decide(stack, request.id, 'riley');
    const outcome = await Promise.all(answers);
    assert.deepEqual(outcome.map(({ ok }) => ok).sort(), [false, true]);
    assert.equal(await ran(stack, '1015'), 1);
  });

  test('in a transaction fails it, keeps the request for a retry, and the retry runs', async () => {
    await using run = await stack.run('dana', { wait: 100 });
    await using client = await connected(run);
    const text = 'DELETE FROM orders WHERE id = 1016';
    await client.query('BEGIN');
    assert.equal((await refused(client.query(text))).code, '55000');
    assert.equal((await refused(client.query('SELECT 1'))).code, '25P02');
    await client.query('ROLLBACK');
    await decide(stack, (await openRequest(stack, run)).id, 'riley');
    await client.query('BEGIN');
    await client.query(text);
    await client.query('COMMIT');
    assert.equal(await ran(stack, '1016'), 1);
  });
});

test('every recording of all this verifies', async () => {
  await stack.gateway.stop();
  assert.deepEqual(Object.keys(await verified(stack)), ['complete']);
});

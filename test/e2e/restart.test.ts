/** A gateway that goes away and comes back: who is told what, what still works, and that nothing is sent twice. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Stack, startStack } from '../fakes/stack.ts';
import {
  connected,
  decide,
  holdUp,
  later,
  openRequest,
  ran,
  recorded,
  refused,
  SLOW,
  sessionOf,
  until,
  verified,
} from './clients.ts';

let stack: Stack;
before(async () => {
  stack = await startStack({ gateway: 'process', sql: SLOW });
});
after(() => stack[Symbol.asyncDispose]());

describe('a gateway that is stopped', () => {
  test('tells every session, cancels what runs, and seals the recordings', async (t) => {
    await using holder = await holdUp(stack);
    await using run = await stack.run('dana');
    const idle = await connected(run);
    const session = await sessionOf(stack, idle);
    const busy = await connected(run);
    const answer = later(busy.query('SELECT id FROM slow WHERE id = 7000071'));
    await holder.waiting(1);
    const asking = await connected(run);
    const held = later(asking.query('DELETE FROM orders WHERE id = 7000072'));
    await openRequest(stack, run, '7000072');

    const began = performance.now();
    await stack.gateway.stop();
    t.diagnostic(`stopped after ${Math.round(performance.now() - began)} ms`);
    assert.equal(await stack.gateway.closed, 0);
    assert.match(String(await idle.ended), /the gateway is shutting down/);
    for (const outcome of [await answer, await held]) {
      assert.ok(!outcome.ok && /^(57P01|55000)$/.test(outcome.told.code ?? ''), JSON.stringify(outcome));
    }
    await holder.waiting(0);
    const closed = (await recorded(stack, session)).find(({ type }) => type === 'session.closed');
    assert.deepEqual(closed && 'end' in closed && closed.end, { kind: 'shutdown' });
    assert.deepEqual(Object.keys(await verified(stack)), ['complete']);

    const told = await refused(connected(run));
    assert.equal(told.code, '08006', told.message);

    await stack.start();
    await until('the run is reached again', () =>
      connected(run).then(
        (client) => client.end().then(() => true),
        () => false,
      ),
    );
    await using again = await connected(run);
    assert.equal((await again.query('SELECT 1 AS one')).rows[0].one, 1);
    assert.equal(await ran(stack, '7000071'), 1, 'nothing was sent again');
    assert.equal(await ran(stack, '7000072'), 0);
  });
});

describe('a gateway that is killed', () => {
  test('finds its runs again, and sends nothing twice', async () => {
    await using holder = await holdUp(stack);
    await using run = await stack.run('dana');
    const busy = await connected(run);
    const session = await sessionOf(stack, busy);
    const answer = later(busy.query('SELECT id FROM slow WHERE id = 7000081'));
    await holder.waiting(1);
    await stack.process.kill();
    assert.ok(!(await answer).ok);
    await stack.start();
    await until('the run is reached again', () =>
      connected(run).then(
        (client) => client.end().then(() => true),
        () => false,
      ),
    );
    await using again = await connected(run);
    assert.equal((await again.query('SELECT 1 AS one')).rows[0].one, 1);
    assert.equal(await ran(stack, '7000081'), 1);
    const events = await recorded(stack, session);
    assert.deepEqual(events.findLast((event) => event.type === 'session.closed')?.end, { kind: 'crashed' });
    const listed = await (await stack.client('dana')).session(session);
    assert.deepEqual([listed.state, listed.end], ['closed', { kind: 'crashed' }]);
  });

  test('keeps what was asked and approved before: the retry uses it once', async () => {
    await using run = await stack.run('dana');
    const client = await connected(run);
    const text = 'DELETE FROM orders WHERE id = 7000082';
    const answer = later(client.query(text));
    const request = await openRequest(stack, run, '7000082');
    await stack.process.kill();
    assert.ok(!(await answer).ok);
    await stack.start();
    await decide(stack, request.id, 'riley');
    await until('the run is reached again', () =>
      connected(run).then(
        (one) => one.end().then(() => true),
        () => false,
      ),
    );
    await using again = await connected(run);
    assert.equal(await ran(stack, '7000082'), 0);
    await again.query(text);
    assert.equal(await ran(stack, '7000082'), 1);
    await stack.process.kill();
    await stack.start();
    await using quick = await stack.run('dana', { wait: 50 });
    await using other = await connected(quick);
    assert.equal((await refused(other.query(text))).code, '55000');
    assert.equal(await ran(stack, '7000082'), 1);
  });

  test('forgets no revocation', async () => {
    await using run = await stack.run('dana');
    const client = await connected(run);
    const riley = await stack.client('riley');
    await riley.revoke({ scope: { kind: 'run', id: run.view.id } });
    await client.ended;
    await stack.process.kill();
    await stack.start();
    await assert.rejects(connected(run));
  });
});

describe('a launcher that is not heard of', () => {
  test('has its run suspended: sessions end, connections wait for it to come back, and then it goes on', async () => {
    await using run = await stack.run('dana');
    const client = await connected(run);
    run.lease.stop();
    const why = (await client.ended) as Error & { code?: string };
    assert.match(why.message, /the run is suspended/);
    assert.equal(why.code, '08006');
    const told = await refused(connected(run));
    assert.equal(told.code, '08006', told.message);
    const dana = await stack.client('dana');
    await dana.resumeRun(run.view.id);
    await using again = await connected(run);
    assert.equal((await again.query('SELECT 1 AS one')).rows[0].one, 1);
  });
});

test('every recording of all this verifies, those of killed gateways as crashed', async () => {
  await stack.gateway.stop();
  const { complete, crashed, ...others } = await verified(stack, { allow: 'crashed' });
  assert.ok((complete ?? 0) > 0 && (crashed ?? 0) > 0);
  assert.deepEqual(others, {});
});

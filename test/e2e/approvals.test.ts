/** Held commands, through everything: what the client hears, who may decide, what an approval is good for, and what ends the waiting. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { demoPolicyYaml } from '../../src/app/demo/files.ts';
import { type Stack, startStack } from '../fakes/stack.ts';
import {
  cancel,
  connected,
  decide,
  hangUp,
  later,
  openRequest,
  ran,
  recorded,
  refused,
  until,
  verified,
} from './clients.ts';

/** Writes are confirmed in the launching terminal; what deletes a customer there, and by an owner too. */
const CONFIRMED = `
  - name: writes-are-confirmed
    targets: [shop]
    when: { effects: [write] }
    then: { hold: { approvers: { users: [dana@example.test] }, self: true, proof: launcher } }
  - name: customers-are-confirmed
    targets: [shop]
    when: { effects: [delete], resources: [public.customers] }
    then: { hold: { approvers: { groups: [data-agents] }, self: true, proof: launcher } }
masks:`;

let stack: Stack;
before(async () => {
  stack = await startStack({ policy: demoPolicyYaml().replace('\nmasks:', CONFIRMED) });
});
after(() => stack[Symbol.asyncDispose]());

describe('a held DELETE', () => {
  test('is announced with a link, waits, and runs once it is approved', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    const answer = later(client.query("DELETE FROM orders WHERE status = 'cancelled' AND id = 8"));
    const request = await openRequest(stack, run, 'id = 8');
    assert.equal(await ran(stack, 'DELETE FROM'), 0);
    await until('the client is told', () => client.notices.length > 0);
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

describe('a write that is confirmed in the launching terminal', () => {
  const terminal = () => {
    const bits = randomBytes(32);
    return { nonce: bits.toString('base64url'), launcherKey: createHash('sha256').update(bits).digest('base64url') };
  };
  const press = async (approval: string, launcherProof: string, who = 'dana') => {
    const client = await stack.client(who);
    const { digest } = await client.approval(approval);
    return client.decide(approval, { decision: 'approve', digest, launcherProof });
  };
  const mark = (id: number) => `UPDATE orders SET status = 'seen' WHERE id = ${id}`;

  test('runs after a key press there, which the recording says, without what proved it', async () => {
    const { nonce, launcherKey } = terminal();
    await using run = await stack.run('dana', { launcherKey });
    await using client = await connected(run);
    const answer = later(client.query(mark(1021)));
    const held = await run.event('held');
    assert.equal((held as { decide?: string }).decide, 'launcher');
    assert.equal((await (await stack.client('dana')).approval(held.approval)).proof, 'launcher');
    await press(held.approval, nonce);
    assert.ok((await answer).ok);
    const events = await recorded(stack, held.session);
    const decided = events.find((event) => event.type === 'approval.decided');
    assert.ok(decided?.type === 'approval.decided' && decided.proof === 'launcher', JSON.stringify(decided));
    assert.equal(decided.by, 'dana@example.test');
    assert.ok(!JSON.stringify(events).includes(nonce) && !stack.log.join().includes(nonce));
  });

  test("does not run by another run's key press, another person's, or a login made for the request", async () => {
    const [one, two] = [terminal(), terminal()];
    await using run = await stack.run('dana', { launcherKey: one.launcherKey });
    await using _other = await stack.run('dana', { launcherKey: two.launcherKey });
    await using client = await connected(run);
    const answer = later(client.query(mark(1022)));
    const { approval } = await run.event('held');
    await assert.rejects(press(approval, two.nonce), /not the terminal that launched the run/);
    await assert.rejects(press(approval, one.nonce, 'riley'));
    await assert.rejects(decide(stack, approval, 'dana'), /key press in the terminal/);
    const dana = await stack.client('dana');
    const { digest } = await dana.approval(approval);
    const proof = { decision: 'approve', digest, launcherProof: one.nonce } as const;
    await assert.rejects(dana.decide(approval, proof, { token: run.token }));
    assert.equal(await ran(stack, '1022'), 0);
    await press(approval, one.nonce);
    assert.ok((await answer).ok);
  });

  test('is refused at once where nobody sits at a terminal, with what to do', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    const told = await refused(client.query(mark(1023)));
    assert.equal(told.code, '42501');
    assert.match(told.message, /^HOOP_DENIED: rule "writes-are-confirmed" wants a key press in the terminal/);
    assert.match(told.hint ?? '', /hoopctl run SCRIPT/);
    assert.equal(await ran(stack, '1023'), 0);
  });

  test('needs the other approval too, where another rule holds it', async () => {
    const { nonce, launcherKey } = terminal();
    await using run = await stack.run('dana', { launcherKey });
    await using client = await connected(run);
    const answer = later(client.query('DELETE FROM customers WHERE id = 1024'));
    const own = await run.event('held', ({ rule }) => rule === 'customers-are-confirmed');
    const others = await run.event('held', ({ rule }) => rule === 'deletes-need-a-person');
    assert.equal((others as { decide?: string }).decide, undefined);
    await press(own.approval, nonce);
    await assert.rejects(press(others.approval, nonce));
    assert.equal(await ran(stack, '1024'), 0);
    await decide(stack, others.approval, 'riley');
    await answer;
    assert.equal(await ran(stack, '1024'), 1);
  });
});

test('every recording of all this verifies', async () => {
  await stack.gateway.stop();
  assert.deepEqual(Object.keys(await verified(stack)), ['complete']);
});

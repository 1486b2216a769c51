/** Revoked means gone: streams cut, statements cancelled at the target, new connections refused, and a receipt that says so. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { RevocationScope } from '../../src/api/shapes.ts';
import { createGatewayClient } from '../../src/api/client.ts';
import { systemClock } from '../../src/base/clock.ts';
import { type Stack, type StackRun, startStack, type Who } from '../fakes/stack.ts';
import {
  type Connected,
  connected,
  holdUp,
  later,
  openRequest,
  ran,
  sessionOf,
  SLOW,
  until,
  verified,
} from './clients.ts';

const agents = ['data-agents'];

let stack: Stack;
before(async () => {
  stack = await startStack({
    sql: SLOW,
    users: ['noor', 'omar', 'pia', 'quinn'].map((name) => ({ email: `${name}@example.test`, groups: agents })),
  });
});
after(() => stack[Symbol.asyncDispose]());

interface Running extends AsyncDisposable {
  readonly run: StackRun;
  readonly client: Connected;
  readonly answer: ReturnType<typeof later>;
}

/** A run whose client waits for a statement that runs at the target. */
async function running(who: Who, agent?: string): Promise<Running> {
  const run = await stack.run(who, { agent });
  const client = await connected(run);
  const answer = later(client.query('SELECT id FROM slow'));
  return { run, client, answer, [Symbol.asyncDispose]: () => run[Symbol.asyncDispose]() };
}

/** Gone: told why, nothing of it left at the target, nothing new through its door. */
async function assertGone({ run, client, answer }: Running, told: RegExp): Promise<void> {
  const end = await answer;
  assert.ok(!end.ok && end.told.code === '57P01', JSON.stringify(end));
  assert.match(end.told.message, told);
  await client.ended;
  const before = await ran(stack, '');
  await assert.rejects(connected(run));
  assert.equal(await ran(stack, ''), before, 'a new connection reached PostgreSQL');
}

describe('revoking', () => {
  const cases: Record<string, (of: Running) => RevocationScope> = {
    'a person': () => ({ kind: 'user', who: 'noor@example.test' }),
    'an agent': () => ({ kind: 'agent', name: 'omar@example.test/report' }),
    'a run': ({ run }) => ({ kind: 'run', id: run.view.id }),
  };
  const whose: Record<string, Who> = { 'a person': 'noor', 'an agent': 'omar', 'a run': 'pia' };

  for (const [what, scope] of Object.entries(cases)) {
    test(`${what} cancels what runs at the target, tells the client, refuses what is new, and says so in the receipt`, async () => {
      await using holder = await holdUp(stack);
      await using one = await running(whose[what] as Who, 'report');
      await using other = await running('quinn');
      await holder.waiting(2);
      const riley = await stack.client('riley');
      const receipt = await riley.revoke({ scope: scope(one), reason: 'gone wrong' });
      await holder.waiting(1);
      await assertGone(one, /^HOOP_REVOKED: access was revoked: gone wrong/);
      const { id } = one.run.view;
      assert.deepEqual(receipt.runs, [id]);
      assert.deepEqual(
        receipt.gateways.map(({ state }) => state),
        ['confirmed'],
      );
      const [cut, ...more] = receipt.sessions;
      assert.deepEqual(more, []);
      assert.deepEqual([cut?.run, cut?.target, cut?.inFlight.map(({ state }) => state)], [id, 'shop', ['cancelled']]);
      assert.ok(
        receipt.receivedAt <= (cut?.cutAt ?? '') && (cut?.cutAt ?? 'z') <= receipt.finishedAt,
        JSON.stringify(receipt),
      );
      // Nobody else was hit.
      await holder[Symbol.asyncDispose]();
      assert.ok((await other.answer).ok);
    });
  }

  test('a session, and no other of the same run', async () => {
    await using run = await stack.run('quinn');
    await using one = await connected(run);
    await using other = await connected(run);
    const id = await sessionOf(stack, one);
    const quinn = await stack.client('quinn');
    const receipt = await quinn.revoke({ scope: { kind: 'session', id } });
    assert.deepEqual(
      receipt.sessions.map((session) => session.id),
      [id],
    );
    await one.ended;
    assert.equal((await other.query('SELECT 1 AS one')).rows[0].one, 1);
  });

  test('somebody else takes an admin, and an unknown name is no revocation', async () => {
    const quinn = await stack.client('quinn');
    for (const scope of [
      { kind: 'user', who: 'dana@example.test' },
      { kind: 'agent', name: 'dana@example.test/report' },
      { kind: 'all' },
    ] as const) {
      await assert.rejects(quinn.revoke({ scope }), { name: 'HoopError' });
    }
    const riley = await stack.client('riley');
    await assert.rejects(riley.revoke({ scope: { kind: 'user', who: 'dane@example.test' } }), { name: 'HoopError' });
  });

  test('withdraws what waits for an approval', async () => {
    await using run = await stack.run('quinn');
    await using client = await connected(run);
    const answer = later(client.query('DELETE FROM orders WHERE id = 2001'));
    const request = await openRequest(stack, run);
    const riley = await stack.client('riley');
    const receipt = await riley.revoke({ scope: { kind: 'run', id: run.view.id } });
    assert.deepEqual(receipt.approvalsWithdrawn, [request.id]);
    assert.ok(!(await answer).ok);
    assert.equal(await ran(stack, '2001'), 0);
  });

  test('ten runs with a statement under way cuts all of them', async (t) => {
    await using holder = await holdUp(stack);
    await using stack_ = new AsyncDisposableStack();
    const all = await Promise.all(Array.from({ length: 10 }, async () => stack_.use(await running('dana', 'ten'))));
    await holder.waiting(10);
    const riley = await stack.client('riley');
    const began = performance.now();
    const told = Promise.all(all.map(({ answer }) => answer)).then(() => performance.now() - began);
    const receipt = await riley.revoke({ scope: { kind: 'agent', name: 'dana@example.test/ten' } });
    const returned = performance.now() - began;
    const cut = Date.parse(receipt.finishedAt) - Date.parse(receipt.receivedAt);
    await holder.waiting(0);
    const gone = performance.now() - began;
    t.diagnostic(
      `ten runs: all cut ${cut} ms after the request reached the gateway; the command returned after ${Math.round(returned)} ms, ` +
        `the last client was told after ${Math.round(await told)} ms, nothing ran at the target after ${Math.round(gone)} ms`,
    );
    assert.equal(receipt.sessions.length, 10);
    for (const { inFlight } of receipt.sessions)
      assert.deepEqual(
        inFlight.map(({ state }) => state),
        ['cancelled'],
      );
    for (const one of all) await assertGone(one, /^HOOP_REVOKED/);
  });
});

describe('what was revoked', () => {
  test('stays dead after the revocation was lifted: runs, their tokens, and earlier logins', async () => {
    await using run = await stack.run('pia');
    const client = await connected(run);
    const riley = await stack.client('riley');
    const old = await stack.token('pia');
    const { revocation } = await riley.revoke({
      scope: { kind: 'user', who: 'pia@example.test' },
      reason: 'lost laptop',
    });
    await client.ended;
    await assert.rejects(riley.unrevoke(revocation.id, ''), { name: 'HoopError' }, 'a reason is asked for');
    await riley.unrevoke(revocation.id, 'found again');
    await assert.rejects(connected(run), 'the run stays dead');
    const asOld = createGatewayClient({ url: stack.gateway.url, env: {}, clock: systemClock, token: async () => old });
    await assert.rejects(asOld.me(), { exit: 7 });
    await asOld.close();
    // Tokens tell their age in whole seconds: one of the same second may be older than the revocation.
    const pia = await stack.client('pia');
    await until('a new login counts', () => {
      stack.logOut('pia');
      return pia.me().then(
        () => true,
        () => false,
      );
    });
    await using next = await stack.run('pia');
    await using again = await connected(next);
    assert.equal((await again.query('SELECT 1 AS one')).rows[0].one, 1);
  });

  test('cannot start a run meanwhile', async () => {
    const riley = await stack.client('riley');
    await stack.run('omar', {}).then((run) => run.close('done'));
    const { revocation } = await riley.revoke({ scope: { kind: 'user', who: 'omar@example.test' } });
    await assert.rejects(stack.run('omar'), { exit: 7 });
    const omar = await stack.client('omar');
    await assert.rejects(omar.unrevoke(revocation.id, 'I want to'), { exit: 7 });
  });
});

describe('killing a session', () => {
  test('ends it at once, says by whom, and leaves the run alive', async () => {
    await using holder = await holdUp(stack);
    await using one = await running('quinn');
    await holder.waiting(1);
    const quinn = await stack.client('quinn');
    const [session] = await quinn.sessions({ run: one.run.view.id, live: true });
    const riley = await stack.client('riley');
    const receipt = await riley.killSession(session?.id ?? '', 'a runaway query');
    await holder.waiting(0);
    assert.deepEqual(
      receipt.inFlight.map(({ state }) => state),
      ['cancelled'],
    );
    const end = await one.answer;
    assert.ok(!end.ok && end.told.code === '57P01', JSON.stringify(end));
    assert.match(end.told.message, /ended by riley@example.test: a runaway query/);
    await using again = await connected(one.run);
    assert.equal((await again.query('SELECT 1 AS one')).rows[0].one, 1);
  });
});

test('every recording of all this verifies', async () => {
  await stack.gateway.stop();
  assert.deepEqual(Object.keys(await verified(stack)), ['complete']);
});

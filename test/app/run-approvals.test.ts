import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import type { ApprovalCall } from '../../src/api/client.ts';
import type { ApprovalView, DecisionRequest } from '../../src/api/shapes.ts';
import { newLauncherKey, runApprovals } from '../../src/app/run-approvals.ts';
import type { RunHappening } from '../../src/app/run-open.ts';
import { HoopError } from '../../src/base/error.ts';
import { request } from '../cli/live/request.ts';
import { FakeClock, settled } from '../fakes/clock.ts';

describe("the launcher's key", () => {
  test('is 256 bits, new each time, and the gateway gets their hash', () => {
    const [one, two] = [newLauncherKey(), newLauncherKey()];
    const bits = Buffer.from(one.nonce.expose(), 'base64url');
    assert.equal(bits.length, 32);
    assert.equal(createHash('sha256').update(bits).digest('base64url'), one.key);
    assert.notEqual(one.key, two.key);
  });

  test('prints as nothing that opens anything', () => {
    const key = newLauncherKey();
    for (const text of [inspect(key), JSON.stringify(key), `${key.nonce}`])
      assert.equal(text.includes(key.nonce.expose()), false);
  });
});

describe('what waits in the launching terminal', () => {
  test('is fetched when it is held, and kept in the order it came', async () => {
    const { approvals, gateway, hear } = setUp();
    gateway.set('apr_1', request()).set('apr_2', request({ id: 'apr_2' }));
    assert.equal(hear(held('apr_1')), true);
    hear(held('apr_2'));
    await settled();
    assert.deepEqual(
      approvals.waiting.map(({ id }) => id),
      ['apr_1', 'apr_2'],
    );
  });

  test('leaves to others what others decide', async () => {
    const { approvals, gateway, hear } = setUp();
    gateway.set('apr_1', request());
    const { decide: _, ...elsewhere } = held('apr_1');
    assert.equal(hear(elsewhere), false);
    await settled();
    assert.deepEqual(approvals.waiting, []);
  });

  for (const [what, more] of [
    ['of which the person is no approver', { mayDecide: false }],
    ['of another run', { run: 'run_2' }],
    ['that wants another proof', { proof: 'fresh' }],
  ] as const)
    test(`is no request ${what}: its link is told`, async () => {
      const { approvals, gateway, hear, said } = setUp();
      gateway.set('apr_1', request(more));
      hear(held('apr_1'));
      await settled();
      assert.deepEqual(approvals.waiting, []);
      assert.match(said.join('\n'), /approve or deny at https:\/\/gw/);
    });

  test('goes when it is decided elsewhere, and that is told as always', async () => {
    const { approvals, gateway, hear } = setUp();
    gateway.set('apr_1', request());
    hear(held('apr_1'));
    await settled();
    assert.equal(hear({ type: 'decided', approval: 'apr_1', decision: 'denied', by: 'riley' }), false);
    assert.deepEqual(approvals.waiting, []);
  });

  test('goes when its time is over, though nobody says so', async () => {
    const { approvals, gateway, hear, clock, said } = setUp();
    gateway.set('apr_1', request());
    hear(held('apr_1'));
    await settled();
    await clock.advance(300_000);
    assert.deepEqual([approvals.waiting, said], [[], ['apr_1 expired']]);
  });

  test('is looked at again after an interruption', async () => {
    const { approvals, gateway, hear } = setUp();
    gateway.set('apr_1', request());
    hear(held('apr_1'));
    await settled();
    gateway.set('apr_1', request({ state: 'withdrawn' })).set('apr_2', request({ id: 'apr_2' }));
    hear({ type: 'reconnected', awayMs: 1_000, cause: 'lost' });
    await settled();
    assert.deepEqual(
      approvals.waiting.map(({ id }) => id),
      ['apr_2'],
    );
  });

  test('that can not be fetched is told with its link', async () => {
    const { hear, said } = setUp();
    hear(held('apr_9'));
    await settled();
    assert.match(said.join('\n'), /https:\/\/gw.*it could not be fetched: unknown/);
  });
});

describe('an answer', () => {
  test('goes with the digest of what was shown and the proof, and is told once', async () => {
    const { approvals, gateway, hear, sent, said, nonce } = setUp();
    const shown = request();
    gateway.set('apr_1', shown);
    hear(held('apr_1'));
    await settled();
    const answering = approvals.answer(shown, { decision: 'approve' });
    // The gateway's own word may come first.
    assert.equal(hear({ type: 'decided', approval: 'apr_1', decision: 'approved', by: 'dana' }), true);
    await answering;
    assert.deepEqual(sent, [{ id: 'apr_1', decision: 'approve', digest: shown.digest, launcherProof: nonce }]);
    assert.deepEqual(said, ['you approved apr_1 on shop']);
    assert.deepEqual(approvals.decided, [
      { approval: 'apr_1', decision: 'approved', target: 'shop', text: shown.text },
    ]);
    assert.deepEqual(approvals.waiting, []);
  });

  test('that was approved and then withdrawn is told of', async () => {
    const { approvals, gateway, hear } = setUp();
    gateway.set('apr_1', request());
    hear(held('apr_1'));
    await settled();
    await approvals.answer(request(), { decision: 'approve' });
    assert.equal(hear({ type: 'decided', approval: 'apr_1', decision: 'withdrawn', reason: 'gone' }), false);
  });

  test('to what has changed meanwhile does not count, and the changed one is shown', async () => {
    const { approvals, gateway, hear, said } = setUp();
    const shown = request();
    gateway.set('apr_1', shown);
    hear(held('apr_1'));
    await settled();
    gateway.set('apr_1', request({ digest: 'd2'.repeat(32) }));
    await approvals.answer(shown, { decision: 'deny', reason: 'no' });
    assert.deepEqual(said, ['apr_1 was not denied: not what you looked at; look again']);
    assert.deepEqual(
      approvals.waiting.map(({ digest }) => digest),
      ['d2'.repeat(32)],
    );
    assert.deepEqual(approvals.decided, []);
  });
});

function held(approval: string): Extract<RunHappening, { type: 'held' }> {
  const link = `https://gw/approvals/${approval}`;
  return {
    type: 'held',
    approval,
    link,
    rule: 'deletes',
    session: 'ses_1',
    target: 'shop',
    within: 1,
    wait: 1,
    decide: 'launcher',
  };
}

function setUp() {
  const gateway = new Map<string, ApprovalView>();
  const sent: ({ id: string } & DecisionRequest)[] = [];
  const said: string[] = [];
  const clock = new FakeClock();
  const { nonce } = newLauncherKey();
  const client = {
    async approval(id: string, _how?: ApprovalCall) {
      const view = gateway.get(id);
      if (view === undefined) throw new HoopError('APPROVAL_UNKNOWN', 'unknown', { exit: 4 });
      return view;
    },
    approvals: async () => [...gateway.values()],
    async decide(id: string, body: DecisionRequest) {
      sent.push({ id, ...body });
      const view = await client.approval(id);
      if (view.digest !== body.digest)
        throw new HoopError('APPROVAL_REFUSED', 'not what you looked at', { exit: 4, hint: 'look again' });
      return view;
    },
  };
  const onChange = () => undefined;
  const approvals = runApprovals({ client, run: 'run_1', nonce, clock, onChange, say: (text) => void said.push(text) });
  return {
    approvals,
    gateway,
    sent,
    said,
    clock,
    nonce: nonce.expose(),
    hear: (happening: RunHappening) => approvals.hear(happening),
  };
}

/** More of a result than a limit allows, attacked: not without a person's yes to exactly this, not without a record, and not once things have changed. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Permit } from '../../src/domain/permit.ts';
import type { Refusal } from '../../src/domain/session.ts';
import type { LimitRule } from '../../src/domain/verdict.ts';
import { refusal } from '../../src/gateway/refusal.ts';
import { settled } from '../fakes/clock.ts';
import { ask, command, type GateUnderTest, gateUnderTest, riley } from '../fakes/gate.ts';

const LIMIT: LimitRule = { rule: 'some-rows', rowsPerStatement: 10, ask: { ...ask, rule: 'some-rows' } };

interface Waiting {
  readonly permit: Permit;
  readonly answer: Promise<Refusal | undefined>;
  readonly gone: AbortController;
  readonly notices: string[];
}

/** A statement that has had its ten rows, and asks for the eleventh. */
async function atTheLimit(under: GateUnderTest, text = 'SELECT 1'): Promise<Waiting> {
  under.limits = [LIMIT];
  const permit = await under.gate.submit(under.turn(command(text, ['read'])));
  assert.ok(permit.kind === 'permit' && permit.more);
  const meter = permit.commands[0]?.meter;
  meter?.take(10, 100);
  const reached = meter?.reached(1, 10);
  assert.ok(reached?.ask);
  const gone = new AbortController();
  const notices: string[] = [];
  const answer = permit.more(
    0,
    { reached, rows: 10, bytes: 100 },
    { gone: gone.signal, onHold: (held) => void notices.push(held.request) },
  );
  await settled();
  return { permit, answer, gone, notices };
}

describe('a yes', () => {
  test('lets so much more flow, once it is used and recorded', async () => {
    const under = gateUnderTest();
    const { permit, answer, notices } = await atTheLimit(under);
    assert.deepEqual([permit.commands[0]?.meter.rowsLeft, notices], [0, ['apr_1']]);
    under.desk.approve('apr_1');
    assert.equal(await answer, undefined);
    assert.equal(permit.commands[0]?.meter.rowsLeft, 10);
    assert.deepEqual(under.desk.consumed, ['apr_1']);
    permit.settle(0, { state: 'completed', rows: 20, durationMs: 1 });
    assert.deepEqual(under.recorder.story(), [
      ...['verdict allow', 'command'],
      ...['verdict hold', 'notice', 'approval.requested', 'approval.decided approved', 'command'],
      ...['outcome completed', 'outcome completed'],
    ]);
  });

  test('is recorded as safely as an effect is, though it is only read', async () => {
    const under = gateUnderTest();
    const { answer } = await atTheLimit(under);
    under.desk.approve('apr_1');
    await answer;
    const last = under.recorder.events.at(-1);
    assert.deepEqual([last?.event.type, last?.weight], ['command', 'intent']);
    assert.ok(last?.event.type === 'command' && last.event.part === 'continue');
    assert.deepEqual(last.event.approvals, ['apr_1']);
  });

  test('is for this statement, this limit and this time alone', async () => {
    const under = gateUnderTest();
    const { permit } = await atTheLimit(under);
    await atTheLimit(under, 'SELECT 2');
    under.limits = [{ ...LIMIT, rowsPerStatement: 20 }];
    const other = await under.gate.submit(under.turn(command('SELECT 1', ['read'])));
    assert.ok(other.kind === 'permit' && other.more);
    other.commands[0]?.meter.take(20, 0);
    const reached = other.commands[0]?.meter.reached(1, 1);
    assert.ok(reached);
    void other.more(0, { reached, rows: 20, bytes: 0 }, {});
    under.limits = [LIMIT];
    await settled();
    under.desk.approve('apr_1');
    await settled();
    permit.commands[0]?.meter.take(10, 100);
    const next = permit.commands[0]?.meter.reached(1, 1);
    assert.ok(next);
    void permit.more?.(0, { reached: next, rows: 20, bytes: 0 }, {});
    await settled();
    const digests = under.desk.questions.map(({ digest }) => digest);
    assert.equal(new Set(digests).size, 4);
  });

  test('does not count once the limit asks somebody else, or is another one', async () => {
    for (const changed of [{ ...LIMIT, rowsPerStatement: 5 }, { ...LIMIT, ask: { ...ask, self: true } }, undefined]) {
      const under = gateUnderTest();
      const { permit, answer } = await atTheLimit(under);
      under.limits = changed ? [changed] : [];
      under.desk.approve('apr_1');
      assert.equal((await answer)?.code, 'HOOP_HELD');
      assert.equal(permit.commands[0]?.meter.rowsLeft, 0);
      assert.deepEqual([under.desk.consumed, under.desk.withdrawn], [[], ['apr_1']]);
    }
  });

  test('does not count once policy denies the statement', async () => {
    const under = gateUnderTest();
    const { permit, answer } = await atTheLimit(under);
    under.policy = () => ({ kind: 'deny', rules: [], rule: 'no', reason: 'no' });
    under.desk.approve('apr_1');
    assert.equal((await answer)?.code, 'HOOP_HELD');
    assert.equal(permit.commands[0]?.meter.rowsLeft, 0);
  });

  test('does not count once access was revoked', async () => {
    const under = gateUnderTest();
    const { permit, answer } = await atTheLimit(under);
    under.standing = refusal.ended({ kind: 'revoked' });
    under.desk.approve('apr_1');
    assert.equal((await answer)?.code, 'HOOP_REVOKED');
    assert.deepEqual([permit.commands[0]?.meter.rowsLeft, under.desk.consumed], [0, []]);
  });

  test('lets nothing flow when it cannot be recorded', async () => {
    const under = gateUnderTest();
    const { permit, answer } = await atTheLimit(under);
    under.recorder.fail();
    under.desk.approve('apr_1');
    assert.equal((await answer)?.code, 'HOOP_UNAVAILABLE');
    assert.equal(permit.commands[0]?.meter.rowsLeft, 0);
  });

  test('lets nothing flow when it cannot be used', async () => {
    const under = gateUnderTest();
    const { permit, answer } = await atTheLimit(under);
    under.desk.broken = 'consume';
    under.desk.approve('apr_1');
    assert.equal((await answer)?.code, 'HOOP_HELD');
    assert.equal(permit.commands[0]?.meter.rowsLeft, 0);
  });
});

describe('without a yes', () => {
  test('a no is told as what it is, and nothing was sent under it', async () => {
    const under = gateUnderTest();
    const { permit, answer } = await atTheLimit(under);
    under.desk.decide('apr_1', { kind: 'denied', by: riley, reason: 'too much' });
    const told = await answer;
    assert.equal(told?.code, 'HOOP_LIMIT');
    assert.match(
      told?.message ?? '',
      /rowsPerStatement is 10; request apr_1 for more was denied by riley.*: too much$/,
    );
    assert.equal(permit.commands[0]?.meter.rowsLeft, 0);
    assert.equal(under.recorder.story().filter((type) => type === 'command').length, 1);
  });

  test('an expired request is told as what it is', async () => {
    const under = gateUnderTest();
    const { answer } = await atTheLimit(under);
    under.desk.decide('apr_1', { kind: 'expired' });
    assert.match((await answer)?.message ?? '', /^HOOP_LIMIT: .*apr_1 for more expired/);
  });

  test('the wait has an end, and the request stays for a retry', async () => {
    const under = gateUnderTest();
    const { answer } = await atTheLimit(under);
    await under.clock.advance(ask.wait);
    assert.equal((await answer)?.code, 'HOOP_HELD');
    assert.deepEqual(under.desk.withdrawn, []);
    under.desk.approved('apr_1');
    const again = await atTheLimit(under);
    under.desk.approve('apr_1');
    assert.equal(await again.answer, undefined);
    assert.equal(again.permit.commands[0]?.meter.rowsLeft, 10);
  });

  test('who goes away withdraws it, and so does the end of the session', async () => {
    for (const leave of ['gone', 'session'] as const) {
      const under = gateUnderTest();
      const { answer, gone } = await atTheLimit(under);
      (leave === 'gone' ? gone : under.session).abort({ kind: 'closed' });
      assert.equal((await answer)?.code, 'HOOP_HELD');
      assert.deepEqual(under.desk.withdrawn, ['apr_1']);
    }
  });

  test('a run that has asked as often as it may is cut', async () => {
    const under = gateUnderTest();
    under.desk.full = true;
    const { answer } = await atTheLimit(under);
    assert.equal((await answer)?.code, 'HOOP_LIMIT');
  });

  test('each of them counts as a refusal', async () => {
    const under = gateUnderTest();
    const { answer } = await atTheLimit(under);
    under.desk.decide('apr_1', { kind: 'denied', by: riley });
    await answer;
    assert.deepEqual(
      under.told.map(({ code }) => code),
      ['HOOP_LIMIT'],
    );
  });
});

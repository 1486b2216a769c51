/** Moderated commands, attacked: nothing runs and nothing flows but under the eyes of somebody who may approve it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Permit } from '../../src/domain/permit.ts';
import type { Principal } from '../../src/domain/principal.ts';
import type { HoldNotice, Refusal, SubmitOptions } from '../../src/domain/session.ts';
import type { Ask } from '../../src/domain/verdict.ts';
import { refusal } from '../../src/gateway/refusal.ts';
import { settled } from '../fakes/clock.ts';
import { ask, command, dana, type GateUnderTest, gateUnderTest, riley } from '../fakes/gate.ts';

const moderated: Ask = { ...ask, moderated: true };
const remove = () => command('DELETE FROM t', ['delete']);
const select = () => command('SELECT 1', ['read']);
const PAUSES: SubmitOptions = { moderation: 'pauses' };
const alex: Principal = { ...riley, subject: 'alex', name: 'alex@example.test', groups: ['marketing'] };
const sam: Principal = { ...riley, subject: 'sam', name: 'sam@example.test' };

function moderatedGate(rule: Ask = moderated): GateUnderTest {
  const under = gateUnderTest();
  const before = under.policy;
  under.policy = (one) =>
    one.effects.has('delete') ? { kind: 'hold', rules: [rule.rule], asks: [rule] } : before(one);
  return under;
}

function follow(under: GateUnderTest, principal: Principal) {
  const watcher = { principal, ok: true, stands: () => watcher.ok };
  return Object.assign(under.watching.enter(watcher), { watcher });
}

/** Submitted and approved; it waits for its watcher, or has its permit. */
async function approved(under: GateUnderTest, options: SubmitOptions = PAUSES) {
  const answer = Promise.resolve(under.gate.submit(under.turn(remove()), options));
  let given: Permit | Refusal | undefined;
  void answer.then((one) => {
    given = one;
  });
  await settled();
  under.desk.approve('apr_1');
  await settled();
  return { answer, given: () => given };
}

function permitted(answer: Permit | Refusal | undefined): Permit {
  assert.equal(answer?.kind, 'permit', JSON.stringify(answer));
  return answer as Permit;
}

function notices(under: GateUnderTest): string[] {
  return under.recorder.events.flatMap(({ event }) => {
    if (event.type !== 'notice') return [];
    const { notice, by, reason } = event;
    return [[notice, by, reason].filter((word) => word !== undefined).join(' ')];
  });
}

async function running(under: GateUnderTest) {
  const leave = follow(under, riley);
  const permit = permitted((await approved(under)).given());
  return { leave, permit };
}

describe('beginning', () => {
  test('an approval alone does not let it run, and is not used up', async () => {
    const under = moderatedGate();
    const { given } = await approved(under);
    assert.equal(given(), undefined);
    assert.deepEqual(under.desk.consumed, []);
    assert.equal(under.recorder.story().includes('command'), false);
  });

  test('it runs once an approver watches, and who watched is recorded before it', async () => {
    const under = moderatedGate();
    const { given } = await approved(under);
    follow(under, riley);
    await settled();
    permitted(given());
    assert.deepEqual(under.recorder.story().slice(-3), ['approval.decided approved', 'notice', 'command']);
    assert.deepEqual(notices(under), ['watch.began riley@example.test']);
  });

  test('who watches from the start need not come again', async () => {
    const under = moderatedGate();
    const heard: HoldNotice[] = [];
    follow(under, riley);
    const { given } = await approved(under, { ...PAUSES, onHold: (held) => heard.push(held) });
    permitted(given());
    assert.deepEqual(
      heard.map(({ watch }) => watch),
      [undefined],
    );
  });

  for (const [who, principal] of [
    ['somebody who is no approver', alex],
    ['the one who asked', dana],
    ['the one who asked, now among the approvers', { ...dana, groups: ['db-owners'] }],
  ] as const) {
    test(`${who} does not count as a watcher`, async () => {
      const under = moderatedGate();
      const { given } = await approved(under);
      follow(under, principal);
      await settled();
      assert.equal(given(), undefined);
      assert.deepEqual(notices(under), []);
    });
  }

  test('where the rule says self: true the one who asked counts', async () => {
    const under = moderatedGate({ ...moderated, self: true, approvers: { users: [dana.name] } });
    const { given } = await approved(under);
    follow(under, dana);
    await settled();
    permitted(given());
  });

  test('an approver whose token does not stand any more does not count', async () => {
    const under = moderatedGate();
    const { watcher } = follow(under, riley);
    watcher.ok = false;
    assert.equal((await approved(under)).given(), undefined);
  });

  test('two rules want a watcher each', async () => {
    const under = gateUnderTest();
    const other: Ask = { ...moderated, rule: 'night-watch', approvers: { users: [alex.name] } };
    under.policy = () => ({ kind: 'hold', rules: [], asks: [moderated, other] });
    const answer = Promise.resolve(under.gate.submit(under.turn(remove()), PAUSES));
    let given: Permit | Refusal | undefined;
    void answer.then((one) => {
      given = one;
    });
    await settled();
    under.desk.approve('apr_1');
    under.desk.approve('apr_2');
    follow(under, riley);
    await settled();
    assert.equal(given, undefined);
    follow(under, alex);
    await settled();
    permitted(given);
  });

  test('the client is told what to watch', async () => {
    const under = moderatedGate();
    const heard: HoldNotice[] = [];
    await approved(under, { ...PAUSES, onHold: (held) => heard.push(held) });
    assert.deepEqual(heard[1], { request: 'apr_1', link: '', rule: ask.rule, waitMs: 60_000, watch: 'ses_1' });
  });

  test('when nobody comes in time the client gets HOOP_HELD, and the same bytes use the approval later', async () => {
    const under = moderatedGate();
    const { answer } = await approved(under);
    under.clock.advance(60_000);
    const told = await answer;
    assert.equal(told.kind === 'refusal' && told.code, 'HOOP_HELD');
    assert.match(told.kind === 'refusal' ? told.message : '', /watched while it runs, and nobody/);
    assert.deepEqual(under.desk.withdrawn, []);
    under.desk.approved('apr_1');
    follow(under, riley);
    permitted(await under.gate.submit(under.turn(remove()), PAUSES));
  });

  test('a client that goes while it waits for a watcher withdraws the request', async () => {
    const under = moderatedGate();
    const gone = new AbortController();
    const { answer } = await approved(under, { ...PAUSES, gone: gone.signal });
    gone.abort();
    assert.equal((await answer).kind, 'refusal');
    assert.deepEqual(under.desk.withdrawn, ['apr_1']);
    follow(under, riley);
    assert.deepEqual(notices(under), []);
  });

  test('a watcher who leaves while the intent is written leaves nothing to run', async () => {
    const under = moderatedGate();
    const leave = follow(under, riley);
    under.recorder.slow = true;
    const { given } = await approvedSlowly(under);
    leave();
    under.recorder.release?.();
    await settled();
    assert.equal(given(), undefined);
    assert.equal(under.watching.paused.now, true);
    follow(under, sam);
    await settled();
    permitted(given());
  });

  test('what cannot be paused is refused before anybody is asked', async () => {
    const under = moderatedGate();
    follow(under, riley);
    const answer = await under.gate.submit(under.turn(remove()));
    assert.equal(answer.kind === 'refusal' && answer.code, 'HOOP_DENIED');
    assert.equal(under.desk.questions.length, 0);
  });

  test('more of its result is watched like its beginning, and nobody is asked again', async () => {
    const under = moderatedGate();
    const { leave, permit } = await running(under);
    permit.settle(0, { state: 'completed', durationMs: 0 });
    leave();
    let given: Permit | Refusal | undefined;
    const more = under.turn({ ...remove(), part: 'continue' });
    void Promise.resolve(under.gate.submit(more, PAUSES)).then((one) => {
      given = one;
    });
    await settled();
    assert.equal(given, undefined);
    follow(under, riley);
    await settled();
    permitted(given);
    assert.equal(under.desk.questions.length, 1);
  });

  test('what is not moderated needs no watcher', async () => {
    const under = moderatedGate();
    permitted(await under.gate.submit(under.turn(select())));
    assert.deepEqual(notices(under), []);
  });
});

async function approvedSlowly(under: GateUnderTest) {
  const submitted = approved(under);
  await settled();
  under.recorder.release?.();
  await settled();
  under.desk.approve('apr_1');
  await settled();
  return submitted;
}

describe('running', () => {
  test('the last watcher who leaves pauses the session, and one who comes lets it go on', async () => {
    const under = moderatedGate();
    const { leave } = await running(under);
    const heard: boolean[] = [];
    under.watching.paused.onChange((paused) => heard.push(paused));
    leave();
    assert.equal(under.watching.paused.now, true);
    follow(under, riley);
    assert.deepEqual(heard, [true, false]);
    assert.deepEqual(notices(under), [
      'watch.began riley@example.test',
      'watch.ended riley@example.test left',
      'session.paused',
      'watch.began riley@example.test',
      'session.resumed',
    ]);
  });

  test('of two who watch, one may leave', async () => {
    const under = moderatedGate();
    const { leave } = await running(under);
    const other = follow(under, sam);
    leave();
    assert.equal(under.watching.paused.now, false);
    other();
    assert.equal(under.watching.paused.now, true);
  });

  test('a watcher who is replaced by somebody who may not watch is not replaced', async () => {
    const under = moderatedGate();
    const { leave } = await running(under);
    follow(under, alex);
    follow(under, dana);
    leave();
    assert.equal(under.watching.paused.now, true);
  });

  test('a watcher whose token runs out has left', async () => {
    const under = moderatedGate();
    const { leave } = await running(under);
    leave.watcher.ok = false;
    under.watching.renew([]);
    assert.equal(under.watching.paused.now, true);
    assert.deepEqual(notices(under).slice(1, 2), ['watch.ended riley@example.test access']);
  });

  test('an approver whom a new policy does not name any more has left', async () => {
    const under = moderatedGate();
    await running(under);
    under.watching.renew([{ ...moderated, approvers: { users: [sam.name] } }]);
    assert.equal(under.watching.paused.now, true);
    follow(under, sam);
    assert.equal(under.watching.paused.now, false);
  });

  test('while it is paused nothing else is let through, and afterwards it is judged as things are then', async () => {
    const under = moderatedGate();
    const { leave } = await running(under);
    leave();
    const given: (Permit | Refusal)[] = [];
    void Promise.resolve(under.gate.submit(under.turn(select()))).then((one) => void given.push(one));
    await settled();
    assert.equal(given.length, 0);
    under.standing = refusal.ended({ kind: 'revoked' });
    follow(under, riley);
    await settled();
    const [answer] = given;
    assert.equal(answer?.kind === 'refusal' && answer.code, 'HOOP_REVOKED');
  });

  test('a client that leaves while it waits for the end of a pause is let go', async () => {
    const under = moderatedGate();
    const { leave } = await running(under);
    leave();
    const gone = new AbortController();
    const answer = under.gate.submit(under.turn(select()), { gone: gone.signal });
    gone.abort();
    assert.equal((await answer).kind, 'refusal');
  });

  test('when nobody comes back in time the session ends, and says why', async () => {
    const under = moderatedGate();
    const { leave } = await running(under);
    leave();
    under.clock.advance(59_999);
    assert.equal(under.session.signal.aborted, false);
    under.clock.advance(1);
    assert.deepEqual(under.session.signal.reason, { kind: 'unwatched', rule: ask.rule, waitedMs: 60_000 });
  });

  test('once it is over nobody has to watch any more', async () => {
    const under = moderatedGate();
    const { leave, permit } = await running(under);
    permit.settle(0, { state: 'completed', durationMs: 1 });
    leave();
    assert.equal(under.watching.paused.now, false);
    assert.deepEqual(notices(under), ['watch.began riley@example.test', 'watch.ended riley@example.test over']);
  });

  test('a turn of two commands is watched until both are over', async () => {
    const under = moderatedGate();
    const leave = follow(under, riley);
    const answer = under.gate.submit(under.turn(remove(), select()), PAUSES);
    await settled();
    under.desk.approve('apr_1');
    const permit = permitted(await answer);
    permit.settle(0, { state: 'completed', durationMs: 1 });
    leave();
    assert.equal(under.watching.paused.now, true);
  });
});

describe('following', () => {
  test('who may watch may follow from when people are asked until the session ends; nobody else may because of it', async () => {
    const under = moderatedGate();
    assert.equal(under.watching.mayFollow(riley), false);
    const { permit } = await running(under);
    assert.deepEqual([riley, sam, alex].map(under.watching.mayFollow), [true, true, false]);
    permit.settle(0, { state: 'completed', durationMs: 1 });
    assert.equal(under.watching.mayFollow(riley), true);
  });
});

test('an approval for a rule that was not moderated is none for one that is', async () => {
  const under = gateUnderTest();
  const answer = Promise.resolve(under.gate.submit(under.turn(remove()), PAUSES));
  await settled();
  under.policy = () => ({ kind: 'hold', rules: [ask.rule], asks: [moderated] });
  under.desk.approve('apr_1');
  const told = await answer;
  assert.match(told.kind === 'refusal' ? told.message : '', /changed since/);
});

/** A held command is decided once, by those who may, and used once, for exactly what it was given. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DecideResult } from '../../src/approvals/index.ts';
import type { ApprovalState } from '../../src/domain/approval.ts';
import type { ApprovalRow } from '../../src/domain/store.ts';
import { settled } from '../fakes/clock.ts';
import { aQuestion, dana, person, riley } from '../store/samples.ts';
import { anAnswer, asking, openDesk, withGroups } from './desks.ts';

const MINUTE = 60_000;

describe('asking', () => {
  test("opens a request that lives for the rule's time, with a link that cannot be guessed", async () => {
    await using f = await openDesk();
    const held = await f.ask();
    assert.equal(held.state, 'open');
    assert.match(held.id, /^apr_[0-9a-f]{32}$/);
    assert.equal(held.link, `https://gateway.example:8443/approvals/${held.id}`);
    const row = await f.desk.find(held.id);
    assert.deepEqual(row, {
      id: held.id,
      question: aQuestion(),
      state: 'open',
      requestedAt: f.clock.now(),
      expiresAt: f.clock.now() + 10 * MINUTE,
    });
  });

  test('the same command of the same run joins the open request, also when both come at once', async () => {
    await using f = await openDesk();
    const ids = (await Promise.all([f.ask(), f.ask(), f.ask()])).map((held) => held.id);
    assert.equal(new Set(ids).size, 1);
  });

  test('another digest, run or rule is another request', async () => {
    await using f = await openDesk();
    const ids = [
      await f.ask(),
      await f.ask({ digest: 'e'.repeat(64) }),
      await f.ask({ run: 'run-000002' }),
      await f.ask(asking({ rule: 'a-second-rule' })),
    ].map((held) => held.id);
    assert.equal(new Set(ids).size, 4);
  });

  test('a retry finds the approval that was given meanwhile', async () => {
    await using f = await openDesk();
    const first = await f.ask();
    await f.approve(first.id);
    const again = await f.ask();
    assert.equal(again.id, first.id);
    assert.equal(again.state, 'approved');
    assert.deepEqual(await again.decided, { kind: 'approved', by: riley, proof: 'fresh' });
  });

  for (const end of ['denied', 'consumed', 'withdrawn', 'expired'] as const) {
    test(`a retry of one that is ${end} asks anew`, async () => {
      await using f = await openDesk();
      const first = await f.ask();
      if (end === 'denied') await f.approve(first.id, { decision: 'deny' });
      if (end === 'withdrawn') await f.desk.withdraw(first.id, 'no reason');
      if (end === 'expired') await f.clock.advance(10 * MINUTE);
      if (end === 'consumed') {
        await f.approve(first.id);
        await f.desk.consume([first.id], aQuestion());
      }
      assert.equal((await f.desk.find(first.id))?.state, end);
      const again = await f.ask();
      assert.notEqual(again.id, first.id);
      assert.equal(again.state, 'open');
    });
  }

  test('a run has at most 20 undecided requests, whoever is quick; other runs are not concerned', async () => {
    await using f = await openDesk();
    const asked = await Promise.all(
      Array.from({ length: 25 }, (_, i) => f.desk.request(aQuestion({ digest: String(i) }))),
    );
    assert.equal(asked.filter((held) => held !== undefined).length, 20);
    assert.ok(await f.desk.request(aQuestion({ run: 'run-000002' })));
    await f.approve(asked[0]?.id ?? '', { digest: '0' });
    assert.ok(await f.desk.request(aQuestion({ digest: 'one more' })), 'a decided one makes room');
  });

  for (const field of ['text', 'sent'] as const) {
    test(`what could not be shown is never held (${field})`, async () => {
      await using f = await openDesk();
      const trojan = 'DELETE FROM a; /*\u202e*/ SELECT 1';
      await assert.rejects(f.desk.request(aQuestion({ [field]: trojan })), /bidi control U\+202E/);
      assert.deepEqual(await f.desk.list({}), []);
    });
  }
});

describe('deciding', () => {
  test("an approver's yes reaches the one who waits, and whoever joined", async () => {
    await using f = await openDesk();
    const [one, two] = [await f.ask(), await f.ask()];
    const result = await f.approve(one.id);
    assert.equal(result.kind, 'decided');
    const decision = { kind: 'approved', by: riley, proof: 'fresh' } as const;
    assert.deepEqual(await Promise.all([one.decided, two.decided]), [decision, decision]);
    const row = await f.desk.find(one.id);
    assert.deepEqual([row?.state, row?.decision, row?.decidedAt], ['approved', decision, f.clock.now()]);
  });

  test('a no is told with its reason', async () => {
    await using f = await openDesk();
    const held = await f.ask();
    await f.approve(held.id, { decision: 'deny', reason: 'use the archive' });
    assert.deepEqual(await held.decided, { kind: 'denied', by: riley, reason: 'use the archive' });
  });

  test('of a double click, or of two approvers, one decides', async () => {
    await using f = await openDesk();
    const held = await f.ask();
    const results = await Promise.all([
      f.approve(held.id),
      f.approve(held.id),
      f.approve(held.id, { decision: 'deny', principal: person('robin', ['db-owners']) }),
    ]);
    assert.deepEqual(results.map(codeOf), ['decided', 'APPROVAL_SETTLED', 'APPROVAL_SETTLED']);
    assert.equal((await held.decided).kind, 'approved');
  });

  test('what was looked at must be what is decided', async () => {
    await using f = await openDesk();
    const held = await f.ask();
    assert.equal(codeOf(await f.approve(held.id, { digest: 'e'.repeat(64) })), 'DIGEST_MISMATCH');
    assert.equal((await f.desk.find(held.id))?.state, 'open');
  });

  test('someone whom it does not concern is told the same as about an unknown id', async () => {
    await using f = await openDesk();
    const held = await f.ask();
    const stranger = person('sam', ['others']);
    const theirs = await f.approve(held.id, { principal: stranger });
    assert.deepEqual(theirs, await f.approve('apr_unknown', { principal: stranger }));
    assert.deepEqual([codeOf(theirs), theirs.kind === 'refused' && theirs.status], ['APPROVAL_UNKNOWN', 404]);
  });

  test('the one who launched it cannot approve, be they an approver or not', async () => {
    await using f = await openDesk();
    const requester = withGroups(dana, ['db-owners']);
    const held = await f.ask({ requester });
    assert.equal(codeOf(await f.approve(held.id, { principal: requester })), 'OWN_REQUEST');
    const plain = await f.ask({ digest: '2' });
    assert.equal(codeOf(await f.approve(plain.id, { principal: dana, digest: '2' })), 'NOT_AN_APPROVER');
  });

  test('nor under a group their next token brings, nor by the same name of another issuer', async () => {
    await using f = await openDesk();
    const held = await f.ask();
    assert.equal(codeOf(await f.approve(held.id, { principal: withGroups(dana, ['db-owners']) })), 'OWN_REQUEST');
    const twin = { ...withGroups(dana, ['db-owners']), issuer: 'https://other.example', subject: '42' };
    assert.equal(codeOf(await f.approve(held.id, { principal: twin })), 'OWN_REQUEST');
  });

  test('the registered owner cannot approve: as owned when asked, and as owned now', async () => {
    await using f = await openDesk();
    const agent = { kind: 'registered', name: 'weekly-report' } as const;
    f.owners.set('weekly-report', { users: [] });
    const then = await f.ask({ agent, owners: { users: [riley.name] } });
    assert.equal(codeOf(await f.approve(then.id)), 'OWN_REQUEST');
    const now = await f.ask({ agent, digest: '2' });
    f.owners.set('weekly-report', { groups: ['db-owners'] });
    assert.equal(codeOf(await f.approve(now.id, { digest: '2' })), 'OWN_REQUEST');
  });

  test('nobody can approve for a registered agent that has lost its owners', async () => {
    await using f = await openDesk();
    const held = await f.ask({ agent: { kind: 'registered', name: 'weekly-report' } });
    assert.equal(codeOf(await f.approve(held.id)), 'AGENT_UNREGISTERED');
  });

  test('a claimed agent that calls itself like a registered one gains no owner and loses none', async () => {
    await using f = await openDesk();
    f.owners.set('weekly-report', { users: [riley.name] });
    const held = await f.ask({ agent: { kind: 'claimed', name: 'weekly-report' } });
    assert.equal(codeOf(await f.approve(held.id)), 'decided');
  });

  test('self: true lets the launcher and the owner confirm, if they are approvers', async () => {
    await using f = await openDesk();
    const requester = withGroups(dana, ['db-owners']);
    const held = await f.ask({ requester, ...asking({ self: true }) });
    assert.equal(codeOf(await f.approve(held.id, { principal: requester })), 'decided');
    const plain = await f.ask({ digest: '2', ...asking({ self: true }) });
    assert.equal(codeOf(await f.approve(plain.id, { principal: dana, digest: '2' })), 'NOT_AN_APPROVER');
  });

  for (const approvers of [{}, { groups: [] }, { users: [] }, { claims: {} }]) {
    test(`approvers ${JSON.stringify(approvers)} names nobody`, async () => {
      await using f = await openDesk();
      const held = await f.ask(asking({ approvers }));
      assert.equal(codeOf(await f.approve(held.id)), 'APPROVAL_UNKNOWN');
    });
  }

  test('a revoked approver cannot decide, with whatever they were vouched for before', async () => {
    await using f = await openDesk();
    const held = await f.ask();
    f.dead.set(riley.name, f.clock.now());
    assert.equal(codeOf(await f.approve(held.id)), 'REVOKED');
    const row = (await f.desk.find(held.id)) as ApprovalRow;
    assert.equal(f.desk.mayDecide(row, riley), false);
    await f.clock.advance(1);
    assert.equal(codeOf(await f.approve(held.id)), 'decided', 'vouched for anew after it');
  });

  test('an id is not a prefix of itself: what a proof is for is the whole request', async () => {
    await using f = await openDesk();
    const held = await f.ask();
    const prefix = held.id.slice(0, 20);
    const shown = { kind: 'fresh', request: held.id, madeAt: f.clock.now() } as const;
    assert.equal(codeOf(await f.approve(prefix, { proof: { ...shown, request: prefix } })), 'PROOF_NEEDED');
    assert.equal(codeOf(await f.approve(prefix, { proof: shown })), 'decided');
  });
});

describe('a proof of presence', () => {
  const cases: readonly [string, Parameters<typeof asking>[0]['proof'], 'login' | 'other' | 'this' | 'old', string][] =
    [
      ['an ordinary login does not do where the rule says nothing', undefined, 'login', 'PROOF_NEEDED'],
      ['an ordinary login does where the rule takes one', { kind: 'login' }, 'login', 'decided'],
      ['a login made for this request always does', { kind: 'login' }, 'this', 'decided'],
      ['a login made for another request does not', undefined, 'other', 'PROOF_NEEDED'],
      ['nor where an ordinary login would', { kind: 'login' }, 'other', 'PROOF_NEEDED'],
      ['unless the rule takes one so fresh', { kind: 'fresh', freshFor: 15 * MINUTE }, 'other', 'decided'],
      ['but no staler', { kind: 'fresh', freshFor: 15 * MINUTE }, 'old', 'PROOF_NEEDED'],
      ['nor an ordinary one', { kind: 'fresh', freshFor: 15 * MINUTE }, 'login', 'PROOF_NEEDED'],
    ];
  for (const [name, proof, shown, outcome] of cases) {
    test(name, async () => {
      await using f = await openDesk();
      const held = await f.ask(asking(proof ? { proof } : {}));
      const now = f.clock.now();
      const proofs = {
        login: { kind: 'login', issuedAt: now },
        other: { kind: 'fresh', request: 'apr_other', madeAt: now - 15 * MINUTE },
        old: { kind: 'fresh', request: 'apr_other', madeAt: now - 15 * MINUTE - 1 },
        this: { kind: 'fresh', request: held.id, madeAt: now },
      } as const;
      assert.equal(codeOf(await f.approve(held.id, { proof: proofs[shown] })), outcome);
    });
  }
});

describe('time', () => {
  test("an undecided request expires after the rule's time, and whoever waits is told", async () => {
    await using f = await openDesk();
    const held = await f.ask();
    await f.clock.advance(10 * MINUTE - 1);
    assert.equal((await f.desk.find(held.id))?.state, 'open');
    await f.clock.advance(1);
    assert.deepEqual(await held.decided, { kind: 'expired' });
    assert.equal(codeOf(await f.approve(held.id)), 'APPROVAL_SETTLED');
  });

  test('so does an approval that nobody used', async () => {
    await using f = await openDesk();
    const held = await f.ask();
    await f.approve(held.id);
    await f.clock.advance(10 * MINUTE);
    assert.equal((await f.desk.find(held.id))?.state, 'expired');
    assert.equal((await f.desk.consume([held.id], aQuestion())).kind, 'refused');
  });

  test('what is over by the wall clock counts no more, though its timer has not fired', async () => {
    await using f = await openDesk();
    const [open, given] = [await f.ask(), await f.ask({ digest: '2' })];
    await f.approve(given.id, { digest: '2' });
    f.clock.setWall(f.clock.now() + 10 * MINUTE);
    assert.equal(codeOf(await f.approve(open.id)), 'APPROVAL_SETTLED');
    assert.equal((await f.desk.consume([given.id], aQuestion({ digest: '2' }))).kind, 'refused');
    assert.notEqual((await f.ask()).id, open.id, 'a retry asks anew');
  });

  test('after a restart requests stay as they were, and still expire', async () => {
    await using f = await openDesk();
    const [open, given, over] = [await f.ask(), await f.ask({ digest: '2' }), await f.ask({ digest: '3' })];
    await f.approve(given.id, { digest: '2' });
    f.desk.close();
    await f.clock.advance(9 * MINUTE);
    const desk = f.again();
    await desk.restore();
    const joined = await desk.request(aQuestion());
    assert.equal(joined?.id, open.id);
    assert.deepEqual(await desk.consume([given.id], aQuestion({ digest: '2' })), { kind: 'consumed' });
    assert.equal((await desk.decide(open.id, anAnswer(open.id, f.clock))).kind, 'decided');
    assert.equal((await joined?.decided)?.kind, 'approved');
    await f.clock.advance(MINUTE);
    assert.equal((await desk.find(over.id))?.state, 'expired');
    desk.close();
  });

  test('what ran out while the gateway was down expires at its start', async () => {
    await using f = await openDesk();
    const held = await f.ask();
    f.desk.close();
    await f.clock.advance(60 * MINUTE);
    const desk = f.again();
    await desk.restore();
    await f.clock.advance(0);
    assert.equal((await desk.find(held.id))?.state, 'expired');
    desk.close();
  });

  test('a store that fails under the timer is tried again', async () => {
    const errors: unknown[] = [];
    await using f = await openDesk({ onError: (error) => errors.push(error) });
    const { move } = f.store.approvals;
    const held = await f.ask();
    f.store.approvals.move = () => Promise.reject(new Error('disk full'));
    await f.clock.advance(10 * MINUTE);
    assert.match(String(errors[0]), /disk full/);
    f.store.approvals.move = move;
    await f.clock.advance(5_000);
    assert.deepEqual(await held.decided, { kind: 'expired' });
  });
});

describe('using an approval', () => {
  test('works once', async () => {
    await using f = await openDesk();
    const held = await f.ask();
    await f.approve(held.id);
    const results = await Promise.all([f.desk.consume([held.id], aQuestion()), f.desk.consume([held.id], aQuestion())]);
    assert.deepEqual(results.map((result) => result.kind).sort(), ['consumed', 'refused']);
  });

  test('an undecided, denied or withdrawn request is no approval', async () => {
    await using f = await openDesk();
    const held = await f.ask();
    assert.equal((await f.desk.consume([held.id], aQuestion())).kind, 'refused');
    assert.equal((await f.desk.consume([], aQuestion())).kind, 'refused');
    assert.equal((await f.desk.consume(['apr_unknown'], aQuestion())).kind, 'refused');
  });

  for (const other of [{ digest: 'e'.repeat(64) }, { run: 'run-000002' }, { requester: person('eve') }]) {
    test(`it is for nothing else: other ${Object.keys(other)}`, async () => {
      await using f = await openDesk();
      const held = await f.ask();
      await f.approve(held.id);
      assert.equal((await f.desk.consume([held.id], aQuestion(other))).kind, 'refused');
    });
  }

  test('two rules both want theirs: one yes is not enough, and is not spent', async () => {
    await using f = await openDesk();
    const [one, two] = [await f.ask(), await f.ask(asking({ rule: 'second' }))];
    await f.approve(one.id);
    assert.equal((await f.desk.consume([one.id, two.id], aQuestion())).kind, 'refused');
    assert.equal((await f.desk.find(one.id))?.state, 'approved');
    const third = await f.ask(asking({ rule: 'second' }));
    await f.approve(third.id);
    assert.deepEqual(await f.desk.consume([one.id, third.id], aQuestion()), { kind: 'consumed' });
  });

  test('an approver who lost the group meanwhile does not count, and the request is withdrawn', async () => {
    await using f = await openDesk();
    const held = await f.ask();
    await f.approve(held.id);
    await f.clock.advance(1_000);
    await f.store.people.seen(withGroups(riley, ['others']), f.clock.now());
    const result = await f.desk.consume([held.id], aQuestion());
    assert.deepEqual(result, { kind: 'refused', reason: 'its approver may not approve it any more' });
    assert.equal((await f.desk.find(held.id))?.state, 'withdrawn');
  });

  test('nor does one whom the rule does not name any more, or who owns the agent by now', async () => {
    await using f = await openDesk();
    const held = await f.ask();
    await f.approve(held.id);
    const narrowed = aQuestion(asking({ approvers: { users: ['robin@example.test'] } }));
    assert.equal((await f.desk.consume([held.id], narrowed)).kind, 'refused');

    f.owners.set('weekly-report', { users: ['nobody'] });
    const agent = { kind: 'registered', name: 'weekly-report' } as const;
    const owned = await f.ask({ agent, digest: '2' });
    await f.approve(owned.id, { digest: '2' });
    f.owners.set('weekly-report', { users: [riley.name] });
    assert.equal((await f.desk.consume([owned.id], aQuestion({ agent, digest: '2' }))).kind, 'refused');
  });

  for (const who of [riley, dana]) {
    test(`a revocation of ${who.name} after the decision kills it, and lifting does not revive it`, async () => {
      await using f = await openDesk();
      const held = await f.ask();
      await f.approve(held.id);
      f.dead.set(who.name, f.clock.now());
      await f.clock.advance(1_000);
      assert.equal((await f.desk.consume([held.id], aQuestion())).kind, 'refused');
      f.dead.delete(who.name);
      assert.equal((await f.desk.consume([held.id], aQuestion())).kind, 'refused');
    });
  }
});

describe('withdrawing', () => {
  test('tells whoever waits, and is harmless afterwards', async () => {
    await using f = await openDesk();
    const held = await f.ask();
    await f.desk.withdraw(held.id, 'the client went away');
    await f.desk.withdraw(held.id, 'again');
    await f.desk.withdraw('apr_unknown', 'again');
    assert.deepEqual(await held.decided, { kind: 'withdrawn', reason: 'the client went away' });
    assert.equal(codeOf(await f.approve(held.id)), 'APPROVAL_SETTLED');
  });

  test("the end of a run withdraws all of its requests, given or not, and no other run's", async () => {
    await using f = await openDesk();
    const [open, given, other] = [await f.ask(), await f.ask({ digest: '2' }), await f.ask({ run: 'run-000002' })];
    await f.approve(given.id, { digest: '2' });
    const ids = await f.desk.withdrawRun('run-000001', 'the run ended');
    assert.deepEqual([...ids].sort(), [open.id, given.id].sort());
    assert.equal((await f.desk.find(other.id))?.state, 'open');
  });

  test('revoking a person withdraws what they asked for, and what they gave and is unused', async () => {
    await using f = await openDesk();
    const [danas, byRiley, byRobin] = [
      await f.ask(),
      await f.ask({ digest: '2', requester: person('eve') }),
      await f.ask({ digest: '3', requester: person('eve') }),
    ];
    await f.approve(byRiley.id, { digest: '2' });
    await f.approve(byRobin.id, { digest: '3', principal: person('robin', ['db-owners']) });
    const named = (name: string) => (who: { name: string }) => who.name === name;
    assert.deepEqual(await f.desk.withdrawPerson(named(riley.name), 'revoked'), [byRiley.id]);
    assert.deepEqual(await f.desk.withdrawPerson(named(dana.name), 'revoked'), [danas.id]);
    assert.equal((await f.desk.find(byRobin.id))?.state, 'approved');
  });
});

describe('looking', () => {
  test('a request is the business of who asked, who owns, who may decide and who did', async () => {
    await using f = await openDesk();
    f.owners.set('weekly-report', { users: ['owner@example.test'] });
    const held = await f.ask({ agent: { kind: 'registered', name: 'weekly-report' } });
    const row = (await f.desk.find(held.id)) as ApprovalRow;
    const sees = [dana, riley, person('owner'), person('stranger', ['data-agents'])].map((who) =>
      f.desk.maySee(row, who),
    );
    assert.deepEqual(sees, [true, true, true, false]);
    assert.deepEqual([f.desk.mayDecide(row, riley), f.desk.mayDecide(row, dana)], [true, false]);
    await f.approve(held.id);
    const decided = (await f.desk.find(held.id)) as ApprovalRow;
    assert.equal(f.desk.maySee(decided, withGroups(riley, [])), true);
    assert.equal(f.desk.mayDecide(decided, riley), false);
  });

  test('whoever listens hears each change once, and a listener that throws disturbs nobody', async () => {
    const errors: unknown[] = [];
    await using f = await openDesk({ onError: (error) => errors.push(error) });
    const heard: ApprovalState[] = [];
    f.desk.subscribe(() => {
      throw new Error('deaf');
    });
    const stop = f.desk.subscribe((row) => heard.push(row.state));
    const held = await f.ask();
    await f.ask();
    await f.approve(held.id);
    await f.desk.consume([held.id], aQuestion());
    await settled();
    stop();
    await f.ask();
    assert.deepEqual(heard, ['open', 'approved', 'consumed']);
    assert.equal(errors.length, 4);
  });
});

function codeOf(result: DecideResult): string {
  return result.kind === 'decided' ? 'decided' : result.code;
}

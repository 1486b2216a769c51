/** The gate's promise, attacked: no permit without a verdict, an approval where one is asked, and a record. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { MaskPlan } from '../../src/domain/mask.ts';
import type { Permit } from '../../src/domain/permit.ts';
import type { Refusal } from '../../src/domain/session.ts';
import { refusal } from '../../src/gateway/refusal.ts';
import { settled } from '../fakes/clock.ts';
import { ask, command, dana, gateUnderTest, riley } from '../fakes/gate.ts';

const select = () => command('SELECT 1', ['read']);
const insert = () => command('INSERT INTO t VALUES (1)', ['write']);
const remove = () => command('DELETE FROM t', ['delete']);
const drop = () => command('DROP TABLE t', ['define']);

function refused(answer: Permit | Refusal): Refusal {
  assert.equal(answer.kind, 'refusal');
  return answer as Refusal;
}

function permitted(answer: Permit | Refusal): Permit {
  assert.equal(answer.kind, 'permit', JSON.stringify(answer));
  return answer as Permit;
}

describe('judging', () => {
  test('an allowed command is recorded as verdict and intent before the permit', async () => {
    const { gate, recorder, turn } = gateUnderTest();
    permitted(await gate.submit(turn(select())));
    assert.deepEqual(recorder.story(), ['verdict allow', 'command']);
  });

  test('a denied command is recorded, has no intent, and is told which rule refused it', async () => {
    const { gate, recorder, turn } = gateUnderTest();
    const answer = refused(await gate.submit(turn(drop())));
    assert.deepEqual(recorder.story(), ['verdict deny']);
    assert.equal(answer.code, 'HOOP_DENIED');
    assert.equal(answer.rule, 'no-ddl');
    assert.match(answer.message, /^HOOP_DENIED: rule "no-ddl": schema changes/);
  });

  test('one denied statement refuses the whole turn', async () => {
    const { gate, recorder, turn } = gateUnderTest();
    refused(await gate.submit(turn(select(), drop(), insert())));
    assert.deepEqual(recorder.story(), ['verdict allow', 'verdict deny', 'verdict allow']);
  });

  test('a denied statement beside a held one asks nobody', async () => {
    const { gate, desk, turn } = gateUnderTest();
    refused(await gate.submit(turn(remove(), drop())));
    assert.equal(desk.questions.length, 0);
  });

  test('what could not be read is refused whatever policy says', async () => {
    const under = gateUnderTest();
    under.policy = () => ({ kind: 'allow', rules: ['everything'] });
    const unreadable = command('SELEC', ['unknown'], {
      impossible: { code: 'HOOP_DENIED', reason: 'cannot be parsed' },
    });
    const answer = refused(await under.gate.submit(under.turn(unreadable)));
    assert.match(answer.message, /cannot be parsed/);
    assert.deepEqual(under.recorder.story(), ['verdict deny']);
  });

  test('a turn read under another policy is refused as stale', async () => {
    const under = gateUnderTest();
    const turn = under.turn(select());
    under.basis = 'policy-2';
    assert.equal(refused(await under.gate.submit(turn)).code, 'HOOP_STALE');
  });

  test('whatever policy says, nothing passes when the session may not go on', async () => {
    const under = gateUnderTest();
    under.standing = refusal.ended({ kind: 'revoked' });
    assert.equal(refused(await under.gate.submit(under.turn(select()))).code, 'HOOP_REVOKED');
    assert.deepEqual(under.recorder.story(), ['verdict deny']);
  });
});

describe('recording', () => {
  test('no permit before the intent is as safe as it has to be', async () => {
    const under = gateUnderTest();
    under.recorder.slow = true;
    let answered = false;
    const answer = Promise.resolve(under.gate.submit(under.turn(insert()))).then((result) => {
      answered = true;
      return result;
    });
    await settled();
    assert.equal(answered, false);
    under.recorder.release?.();
    permitted(await answer);
  });

  test('a recording that cannot be written permits nothing', async () => {
    const under = gateUnderTest();
    under.recorder.fail();
    assert.equal(refused(await under.gate.submit(under.turn(select()))).code, 'HOOP_UNAVAILABLE');
  });

  test('a recording that fails while the intent is being written permits nothing', async () => {
    const under = gateUnderTest();
    under.recorder.slow = true;
    const answer = under.gate.submit(under.turn(insert()));
    await settled();
    under.recorder.fail();
    under.recorder.release?.();
    assert.equal(refused(await answer).code, 'HOOP_UNAVAILABLE');
  });

  test('a refusal that cannot be recorded is answered as unavailable', async () => {
    const under = gateUnderTest();
    under.recorder.fail();
    assert.equal(refused(await under.gate.submit(under.turn(drop()))).code, 'HOOP_UNAVAILABLE');
  });

  test('a revocation that comes while the intent is written wins, and the record says nothing was forwarded', async () => {
    const under = gateUnderTest();
    under.recorder.slow = true;
    const answer = under.gate.submit(under.turn(insert()));
    await settled();
    under.standing = refusal.ended({ kind: 'revoked' });
    under.recorder.release?.();
    assert.equal(refused(await answer).code, 'HOOP_REVOKED');
    assert.deepEqual(under.recorder.story(), ['verdict allow', 'command', 'outcome notForwarded']);
  });

  test('a pure read weighs less than anything with an effect', async () => {
    const { gate, recorder, turn } = gateUnderTest();
    await gate.submit(turn(select()));
    await gate.submit(turn(select(), insert()));
    assert.deepEqual(
      recorder.events.map(({ weight }) => weight),
      ['read', 'read', 'intent', 'intent', 'intent', 'intent'],
    );
  });

  test('an outcome is recorded once, however often it is settled', async () => {
    const { gate, recorder, turn } = gateUnderTest();
    const permit = permitted(await gate.submit(turn(select())));
    permit.settle(0, { state: 'completed', rows: 1, durationMs: 2 });
    permit.settle(0, { state: 'failed', durationMs: 3 });
    assert.deepEqual(recorder.story(), ['verdict allow', 'command', 'outcome completed']);
  });

  test("the gateway's own statement is recorded as its own, without a verdict", async () => {
    const { gate, recorder, turn } = gateUnderTest();
    permitted(await gate.submit({ ...turn(drop()), by: 'gateway' }));
    const [first] = recorder.events;
    assert.equal(first?.event.type === 'command' && first.event.by, 'gateway');
    assert.equal(recorder.events.length, 1);
  });

  test('literals aimed at masked columns are struck from verdict and intent, and an HMAC stays', async () => {
    const { gate, recorder, turn } = gateUnderTest();
    const text = "UPDATE c SET ssn = '919-01-0031'";
    await gate.submit(turn(command(text, ['write'], { struck: [{ start: 19, end: 32 }] })));
    assert.doesNotMatch(JSON.stringify(recorder.events), /919-01-0031/);
    const [verdict] = recorder.events;
    assert.deepEqual(verdict?.event.type === 'verdict' && verdict.event.text, {
      text: "UPDATE c SET ssn = '***'",
      bytes: 32,
      hmac: 'hmac-of-32',
    });
  });
});

describe('holding', () => {
  test('a held command forwards nothing until it is approved', async () => {
    const { gate, recorder, desk, turn } = gateUnderTest();
    const answer = gate.submit(turn(remove()));
    await settled();
    assert.deepEqual(recorder.story(), ['verdict hold', 'approval.requested']);
    desk.approve('apr_1');
    permitted(await answer);
    assert.deepEqual(recorder.story(), ['verdict hold', 'approval.requested', 'approval.decided approved', 'command']);
    assert.deepEqual(desk.consumed, ['apr_1']);
  });

  test('the client hears that it is held, with the link', async () => {
    const { gate, turn } = gateUnderTest();
    const heard: unknown[] = [];
    void gate.submit(turn(remove()), { onHold: (notice) => heard.push(notice) });
    await settled();
    assert.deepEqual(heard, [
      { request: 'apr_1', link: 'https://gateway.test/approvals/apr_1', rule: ask.rule, waitMs: 60_000 },
    ]);
  });

  test('a denial is told with who and why, and nothing is forwarded', async () => {
    const { gate, recorder, desk, turn } = gateUnderTest();
    const answer = gate.submit(turn(remove()));
    await settled();
    desk.decide('apr_1', { kind: 'denied', by: riley, reason: 'not on a Friday' });
    assert.match(refused(await answer).message, /denied by riley@example.test: not on a Friday/);
    assert.equal(recorder.story().includes('command'), false);
  });

  test('after the wait the client gets HOOP_HELD, and the same bytes use the approval once it is given', async () => {
    const { gate, desk, clock, turn } = gateUnderTest();
    const first = gate.submit(turn(remove()));
    await settled();
    await clock.advance(60_000);
    const held = refused(await first);
    assert.equal(held.code, 'HOOP_HELD');
    assert.equal(held.request, 'apr_1');
    desk.approve('apr_1');
    permitted(await gate.submit(turn(remove())));
    assert.deepEqual(desk.withdrawn, []);
  });

  test('a client that does not wait is told the request at once, and its retry uses the approval', async () => {
    const { gate, desk, clock, turn } = gateUnderTest();
    const heard: number[] = [];
    const first = gate.submit(turn(remove()), { wait: 0, onHold: ({ waitMs }) => heard.push(waitMs) });
    await settled();
    await clock.advance(1);
    assert.equal(refused(await first).request, 'apr_1');
    assert.deepEqual(heard, [0]);
    assert.deepEqual(desk.withdrawn, []);
    desk.approve('apr_1');
    permitted(await gate.submit(turn(remove()), { wait: 0 }));
  });

  test('an approval is used once', async () => {
    const { gate, desk, turn } = gateUnderTest();
    const first = gate.submit(turn(remove()));
    await settled();
    desk.approve('apr_1');
    permitted(await first);
    const second = refused(await gate.submit(turn(remove())));
    assert.match(second.message, /used already/);
  });

  test('two connections cannot both use one approval', async () => {
    const { gate, desk, turn } = gateUnderTest();
    const both = [gate.submit(turn(remove())), gate.submit(turn(remove()))];
    await settled();
    desk.approve('apr_1');
    const kinds = (await Promise.all(both)).map(({ kind }) => kind).sort();
    assert.deepEqual(kinds, ['permit', 'refusal']);
  });

  for (const [what, other] of [
    ['a changed byte', command('DELETE FROM t ', ['delete'])],
    [
      'another parameter',
      command('DELETE FROM t', ['delete'], { parameters: [{ type: '23', format: 'text', value: Buffer.from('2') }] }),
    ],
    ['another search_path', command('DELETE FROM t', ['delete'], { context: '{"search_path":"evil"}' })],
    [
      'another object',
      command('DELETE FROM t', ['delete'], { resources: [{ kind: 'table', name: 'evil.t', access: 'delete' }] }),
    ],
    ['another rewrite', command('DELETE FROM t', ['delete'], { sent: 'DELETE FROM public.t' })],
  ] as const) {
    test(`${what} is another question`, async () => {
      const { gate, desk, turn } = gateUnderTest();
      void gate.submit(turn(remove()));
      void gate.submit(turn(other));
      await settled();
      const [one, two] = desk.questions;
      assert.notEqual(one?.digest, two?.digest);
    });
  }

  test('the digest does not depend on the connection', async () => {
    const one = gateUnderTest();
    const two = gateUnderTest();
    for (const { gate, turn } of [one, two]) void gate.submit(turn(remove()));
    await settled();
    assert.equal(one.desk.questions[0]?.digest, two.desk.questions[0]?.digest);
  });

  test('a hang-up while it waits withdraws the request', async () => {
    const { gate, desk, recorder, turn } = gateUnderTest();
    const client = new AbortController();
    const answer = gate.submit(turn(remove()), { gone: client.signal });
    await settled();
    client.abort();
    refused(await answer);
    assert.deepEqual(desk.withdrawn, ['apr_1']);
    assert.deepEqual(recorder.story(), ['verdict hold', 'approval.requested', 'approval.decided withdrawn']);
  });

  test('the end of the session while it waits withdraws the request', async () => {
    const { gate, desk, session, turn } = gateUnderTest();
    const answer = gate.submit(turn(remove()));
    await settled();
    session.abort({ kind: 'revoked' });
    refused(await answer);
    assert.deepEqual(desk.withdrawn, ['apr_1']);
  });

  test('approved and revoked at once forwards nothing', async () => {
    const under = gateUnderTest();
    const answer = under.gate.submit(under.turn(remove()));
    await settled();
    under.standing = refusal.ended({ kind: 'revoked' });
    under.desk.approve('apr_1');
    assert.equal(refused(await answer).code, 'HOOP_REVOKED');
    assert.deepEqual(under.desk.consumed, []);
    assert.equal(under.recorder.story().includes('command'), false);
  });

  test('a rule tightened while people thought voids the approval', async () => {
    const under = gateUnderTest();
    const answer = under.gate.submit(under.turn(remove()));
    await settled();
    under.policy = () => ({ kind: 'deny', rules: ['frozen'], rule: 'frozen', reason: 'no deletes today' });
    under.desk.approve('apr_1');
    assert.match(refused(await answer).message, /policy or masks changed/);
    assert.deepEqual(under.desk.withdrawn, ['apr_1']);
  });

  test('other approvers than were asked void the approval', async () => {
    const under = gateUnderTest();
    const answer = under.gate.submit(under.turn(remove()));
    await settled();
    under.policy = () => ({ kind: 'hold', rules: [ask.rule], asks: [{ ...ask, approvers: { groups: ['security'] } }] });
    under.desk.approve('apr_1');
    refused(await answer);
    assert.deepEqual(under.desk.consumed, []);
  });

  test('a new mask voids the approval', async () => {
    const under = gateUnderTest();
    const answer = under.gate.submit(under.turn(remove()));
    await settled();
    under.masks = { ...under.masks, columns: [{ rule: 'pii', relation: 'public.t', column: 'ssn', with: 'redact' }] };
    under.desk.approve('apr_1');
    refused(await answer);
    assert.deepEqual(under.desk.consumed, []);
  });

  test('a new policy that says the same does not void the approval', async () => {
    const under = gateUnderTest();
    const answer = under.gate.submit(under.turn(remove()));
    await settled();
    under.basis = 'policy-2';
    under.desk.approve('apr_1');
    permitted(await answer);
  });

  test('an approval that cannot be consumed forwards nothing', async () => {
    const under = gateUnderTest();
    under.desk.refuseConsume = 'riley may no longer approve';
    const answer = under.gate.submit(under.turn(remove()));
    await settled();
    under.desk.approve('apr_1');
    assert.match(refused(await answer).message, /riley may no longer approve/);
    assert.equal(under.recorder.story().includes('command'), false);
  });

  test('two rules that hold both want their approval', async () => {
    const under = gateUnderTest();
    const second = { ...ask, rule: 'prod-needs-an-owner' };
    under.policy = () => ({ kind: 'hold', rules: [ask.rule, second.rule], asks: [ask, second] });
    let answered = false;
    const answer = Promise.resolve(under.gate.submit(under.turn(remove())));
    void answer.then(() => {
      answered = true;
    });
    await settled();
    under.desk.approve('apr_1');
    await settled();
    assert.equal(answered, false);
    under.desk.approve('apr_2');
    permitted(await answer);
    assert.deepEqual(under.desk.consumed, ['apr_1', 'apr_2']);
  });

  test('one no of two is enough, and the other request is withdrawn', async () => {
    const under = gateUnderTest();
    const second = { ...ask, rule: 'prod-needs-an-owner' };
    under.policy = () => ({ kind: 'hold', rules: [ask.rule, second.rule], asks: [ask, second] });
    const answer = under.gate.submit(under.turn(remove()));
    await settled();
    under.desk.decide('apr_2', { kind: 'denied', by: dana });
    refused(await answer);
    assert.ok(under.desk.withdrawn.includes('apr_1'));
  });

  for (const [what, change] of [
    ['other approvers', { approvers: { groups: ['security'] } }],
    ['a stronger proof', { proof: { kind: 'fresh' } }],
    ['nobody of the own side', { self: false }],
  ] as const) {
    test(`an approval given before the rule asked for ${what} is not used by a retry`, async () => {
      const under = gateUnderTest();
      const weak = { ...ask, self: true, proof: { kind: 'login' } } as const;
      under.policy = () => ({ kind: 'hold', rules: [ask.rule], asks: [weak] });
      const first = under.gate.submit(under.turn(remove()));
      await settled();
      await under.clock.advance(60_000);
      refused(await first);
      under.desk.approve('apr_1');
      under.policy = () => ({ kind: 'hold', rules: [ask.rule], asks: [{ ...weak, ...change }] });
      void under.gate.submit(under.turn(remove()));
      await settled();
      assert.deepEqual(under.desk.consumed, []);
      assert.equal(under.desk.questions.length, 2);
      assert.notEqual(under.desk.questions[0]?.digest, under.desk.questions[1]?.digest);
    });
  }

  const OTHER_MASKS: Readonly<Record<string, Partial<MaskPlan>>> = {
    detectors: { detectors: [{ rule: 'cards', detect: ['credit_card'], with: 'redact', strict: true }] },
    fields: { fields: [{ rule: 'pii', path: '$..ssn', with: 'redact', direction: 'request' }] },
  };
  for (const [what, masks] of Object.entries(OTHER_MASKS)) {
    test(`an approval given under other ${what} is not used by a retry`, async () => {
      const under = gateUnderTest();
      const first = under.gate.submit(under.turn(remove()));
      await settled();
      await under.clock.advance(60_000);
      refused(await first);
      under.desk.approve('apr_1');
      under.masks = { ...under.masks, ...masks };
      void under.gate.submit(under.turn(remove()));
      await settled();
      assert.deepEqual(under.desk.consumed, []);
    });
  }

  test('a function no longer trusted voids the approval: the text was read while it was', async () => {
    const under = gateUnderTest();
    under.trusted = [{ signature: 'public.f()', sha256: 'a'.repeat(64) }];
    const answer = under.gate.submit(under.turn(remove()));
    await settled();
    under.trusted = [];
    under.desk.approve('apr_1');
    assert.match(refused(await answer).message, /policy or masks changed/);
    assert.deepEqual(under.desk.consumed, []);
  });

  test('preparing a statement and running it are different questions', async () => {
    const { gate, desk, turn } = gateUnderTest();
    void gate.submit(turn(command('DELETE FROM a', ['delete'], { part: 'prepare' }), remove()));
    void gate.submit(turn(command('DELETE FROM a', ['delete']), remove()));
    await settled();
    assert.notEqual(desk.questions[0]?.digest, desk.questions[1]?.digest);
  });

  test('another order of the same statements is another question', async () => {
    const { gate, desk, turn } = gateUnderTest();
    void gate.submit(turn(select(), remove()));
    void gate.submit(turn(remove(), select()));
    await settled();
    assert.notEqual(desk.questions[0]?.digest, desk.questions[1]?.digest);
  });

  test('what is only prepared asks nobody, and the record says that it was no more', async () => {
    const { gate, desk, recorder, turn } = gateUnderTest();
    permitted(await gate.submit(turn(command('DELETE FROM t', ['delete'], { part: 'prepare' }))));
    assert.equal(desk.questions.length, 0);
    assert.deepEqual(
      recorder.events.map(({ event }) => 'part' in event && event.part),
      ['prepare', 'prepare'],
    );
  });

  test('a denied statement cannot be prepared either', async () => {
    const { gate, turn } = gateUnderTest();
    assert.equal(
      refused(await gate.submit(turn(command('DROP TABLE t', ['define'], { part: 'prepare' })))).code,
      'HOOP_DENIED',
    );
  });

  test('what was read long before people answered is read again, and the approval stays for it', async () => {
    const { gate, desk, clock, turn } = gateUnderTest();
    const first = gate.submit(turn(remove()));
    await settled();
    await clock.advance(30_001);
    desk.approve('apr_1');
    assert.equal(refused(await first).code, 'HOOP_STALE');
    assert.deepEqual(desk.withdrawn, []);
    permitted(await gate.submit(turn(remove())));
    assert.deepEqual(desk.consumed, ['apr_1']);
  });

  test('a client that went away while its approval came forwards nothing and spends nothing', async () => {
    const { gate, desk, turn } = gateUnderTest();
    const client = new AbortController();
    const answer = gate.submit(turn(remove()), { gone: client.signal });
    await settled();
    desk.approve('apr_1');
    client.abort();
    refused(await answer);
    assert.deepEqual(desk.consumed, []);
  });

  test('using an approval is not told as being held again', async () => {
    const under = gateUnderTest();
    const first = under.gate.submit(under.turn(remove()));
    await settled();
    await under.clock.advance(60_000);
    refused(await first);
    under.desk.approve('apr_1');
    under.desk.approved('apr_1');
    permitted(await under.gate.submit(under.turn(remove())));
    assert.deepEqual(under.held, ['apr_1']);
  });

  for (const [what, fails] of [
    ['opened', 'request'],
    ['used', 'consume'],
    ['withdrawn', 'withdraw'],
  ] as const) {
    test(`a request that cannot be ${what} refuses the command and breaks nothing`, async () => {
      const under = gateUnderTest();
      under.desk.broken = fails;
      const client = new AbortController();
      const answer = under.gate.submit(under.turn(remove()), { gone: client.signal });
      await settled();
      if (fails === 'withdraw') client.abort();
      else under.desk.approve('apr_1');
      refused(await answer);
      assert.equal(under.recorder.story()[0], 'verdict hold');
      assert.equal(under.recorder.story().includes('command'), false);
    });
  }

  test('a request whose asking could not be recorded is taken back', async () => {
    const under = gateUnderTest();
    under.recorder.slow = true;
    const answer = under.gate.submit(under.turn(remove()));
    await settled();
    under.recorder.fail();
    under.recorder.release?.();
    assert.equal(refused(await answer).code, 'HOOP_UNAVAILABLE');
    assert.deepEqual(under.desk.withdrawn, ['apr_1']);
  });

  test('an approval is spent before the intent is written: a crash between forwards nothing', async () => {
    const under = gateUnderTest();
    const answer = under.gate.submit(under.turn(remove()));
    await settled();
    under.recorder.slow = true;
    under.desk.approve('apr_1');
    await settled();
    assert.deepEqual(under.desk.consumed, ['apr_1']);
    under.recorder.fail();
    under.recorder.release?.();
    assert.equal(refused(await answer).code, 'HOOP_UNAVAILABLE');
  });

  test('a run with too many open requests is told so', async () => {
    const under = gateUnderTest();
    under.desk.full = true;
    assert.equal(refused(await under.gate.submit(under.turn(remove()))).code, 'HOOP_LIMIT');
  });

  test('a recording lost while people are asked permits nothing', async () => {
    const under = gateUnderTest();
    const answer = under.gate.submit(under.turn(remove()));
    await settled();
    under.recorder.fail();
    under.desk.approve('apr_1');
    assert.equal(refused(await answer).code, 'HOOP_UNAVAILABLE');
  });
});

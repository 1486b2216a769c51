/** An admitted session, attacked: what it waits for, what it remembers, and what it shows. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import type { Command } from '../../src/domain/command.ts';
import type { Session } from '../../src/domain/session.ts';
import type { Ask, Policy } from '../../src/domain/verdict.ts';
import type { RunHappening } from '../../src/gateway/index.ts';
import { settled } from '../fakes/clock.ts';
import { ask, command, dana, riley } from '../fakes/gate.ts';
import { GRANT, type GatewayOptions, gatewayUnderTest, OPEN, VERIFIER } from '../fakes/gateway.ts';

const request = { kind: 'run', targets: [{ name: 'orders-db', verifier: VERIFIER }] } as const;
const HOLDING: Policy = { ...OPEN, judge: () => ({ kind: 'hold', rules: [ask.rule], asks: [ask] }) };
const DENYING: Policy = {
  ...OPEN,
  digest: 'd'.repeat(64),
  judge: () => ({ kind: 'deny', rules: [], rule: 'x', reason: 'no' }),
};

async function admitted(options: GatewayOptions = {}) {
  const under = await gatewayUnderTest(options);
  const { run } = await under.runs.start({ principal: dana, vouchedAt: under.clock.now() }, request);
  run.listen(() => {});
  return { under, run, clock: under.clock, ...(await under.connect(run)) };
}

function send(session: Session, ...commands: Command[]) {
  return session.submit({ commands, basis: session.view().basis });
}

const select = (more: Partial<Command> = {}) => command('SELECT 1', ['read'], more);

describe('waiting for people', () => {
  test('is not idling', async () => {
    const { under, run, clock } = await admitted();
    under.policy = { ...HOLDING, admit: () => ({ ...GRANT, idle: 10_000 }) };
    const { session } = await under.connect(run);
    void send(session, select());
    for (let i = 0; i < 5; i++) {
      run.heartbeat();
      await clock.advance(5_000);
    }
    assert.equal(session.signal.aborted, false);
    assert.deepEqual(under.desk.withdrawn, []);
  });

  test('a text whose rewritten form spells out a bidi control is refused before anyone is asked', async () => {
    const { under, session } = await admitted();
    under.changePolicy(HOLDING);
    const answer = await send(session, select({ sent: "SELECT '\u202e'" }));
    assert.match(answer.kind === 'refusal' ? answer.message : '', /bidi control U\+202E/);
    assert.deepEqual(under.desk.questions, []);
  });

  test('what cannot be shown or bound as a whole is refused before anyone is asked', async () => {
    const { under, session } = await admitted();
    under.changePolicy(HOLDING);
    const answer = await send(session, select({ unasked: 'its body is longer than 1 MiB' }));
    assert.match(answer.kind === 'refusal' ? answer.message : '', /nobody can be asked: its body is longer than 1 MiB/);
    assert.deepEqual(under.desk.questions, []);
  });

  test('a policy that now denies what is held forwards nothing once it is approved', async () => {
    const { under, session } = await admitted();
    under.changePolicy(HOLDING);
    const answer = send(session, command('DELETE FROM t', ['delete']));
    await settled();
    under.changePolicy(DENYING);
    under.desk.approve('apr_1');
    assert.equal((await answer).kind, 'refusal');
    assert.deepEqual(under.desk.consumed, []);
  });

  test('the end of the run while people think withdraws and forwards nothing', async () => {
    const { under, run, session } = await admitted();
    under.changePolicy(HOLDING);
    const answer = send(session, command('DELETE FROM t', ['delete']));
    await settled();
    await under.revocations.revoke({ scope: { kind: 'run', id: run.id } }, riley);
    under.desk.approve('apr_1');
    assert.equal((await answer).kind, 'refusal');
    assert.deepEqual(under.desk.consumed, []);
  });
});

describe('a hold that only the launcher can answer', () => {
  const own: Ask = { ...ask, approvers: { users: [dana.name] }, self: true, proof: { kind: 'launcher' } };
  const bits = randomBytes(32);
  const launcherKey = createHash('sha256').update(bits).digest('base64url');
  const holding = (...asks: readonly Ask[]): Policy => ({
    ...OPEN,
    judge: () => ({ kind: 'hold', rules: asks.map(({ rule }) => rule), asks }),
  });

  async function launched(policy: Policy, more: { launcherKey?: string } = { launcherKey }) {
    const { under } = await admitted();
    under.policy = policy;
    const { run } = await under.runs.start({ principal: dana, vouchedAt: under.clock.now() }, { ...request, ...more });
    const heard: RunHappening[] = [];
    run.listen((happening) => heard.push(happening));
    const { session } = await under.connect(run);
    const remove = () => send(session, command('DELETE FROM t', ['delete']));
    const held = () => heard.filter((one) => one.type === 'held');
    return { under, run, remove, held };
  }

  test('is put before the terminal that launched the run', async () => {
    const { remove, held } = await launched(holding(own));
    void remove();
    await settled();
    assert.deepEqual(
      held().map(({ rule, decide }) => [rule, decide]),
      [[ask.rule, 'launcher']],
    );
  });

  test('beside one for others, each is asked for where it is answered, and both are wanted', async () => {
    const { under, remove, held } = await launched(holding(own, { ...ask, rule: 'two-people' }));
    const answer = remove();
    await settled();
    assert.deepEqual(
      held().map(({ rule, decide }) => [rule, decide]),
      [
        [ask.rule, 'launcher'],
        ['two-people', undefined],
      ],
    );
    under.desk.approve('apr_1');
    await settled();
    assert.deepEqual(under.desk.consumed, []);
    under.desk.approve('apr_2');
    assert.equal((await answer).kind, 'permit');
    assert.deepEqual(under.desk.consumed, ['apr_1', 'apr_2']);
  });

  const hopeless = [
    ['was launched without a terminal', holding(own), {}, /without one to ask in/],
    [
      'was launched by somebody who is no approver',
      holding({ ...own, self: false }),
      { launcherKey },
      /who launched it is not among its approvers/,
    ],
    [
      'was launched without a terminal, whoever else is asked',
      holding({ ...ask, rule: 'two-people' }, own),
      {},
      /without one to ask in/,
    ],
  ] as const;
  for (const [what, policy, more, why] of hopeless) {
    test(`is refused at once, with what to do, when the run ${what}`, async () => {
      const { under, remove, held } = await launched(policy, more);
      const told = await remove();
      assert.ok(told.kind === 'refusal' && told.code === 'HOOP_DENIED' && why.test(told.message), JSON.stringify(told));
      assert.match(told.hint ?? '', /launch the agent|hoopctl run SCRIPT/);
      assert.deepEqual([under.desk.questions, held()], [[], []]);
    });
  }

  test('is refused at once after too many wrong proofs', async () => {
    const { run, remove } = await launched(holding(own));
    for (let i = 0; i < run.limits.launcherTries; i++) run.launcher.check('A'.repeat(43));
    const told = await remove();
    assert.ok(told.kind === 'refusal' && /too many wrong proofs/.test(told.message), JSON.stringify(told));
  });
});

describe('how long a client waits', () => {
  const patient = { ...ask, wait: 60_000, within: 600_000 };
  const holding: Policy = { ...OPEN, judge: () => ({ kind: 'hold', rules: [ask.rule], asks: [patient] }) };
  const remove = command('DELETE FROM t', ['delete']);
  const cases = [
    ['the rule says', { kind: 'run' }, false, 60_000],
    ['its launcher says', { kind: 'run', wait: 10_000 }, false, 10_000],
    ['the request lives, and no longer, whatever its launcher says', { kind: 'run', wait: 3_600_000 }, false, 600_000],
    ['the request lives, when its run ends with it', { kind: 'exec' }, false, 600_000],
    ['its target lets a transaction be held', { kind: 'exec' }, true, 60_000],
  ] as const;

  for (const [what, more, inTransaction, wait] of cases) {
    test(`is as long as ${what}`, async () => {
      const { under } = await admitted();
      under.policy = holding;
      const { run } = await under.runs.start(
        { principal: dana, vouchedAt: under.clock.now() },
        { ...request, ...more },
      );
      const { session } = await under.connect(run);
      const heard: number[] = [];
      void session.submit(
        { commands: [remove], basis: session.view().basis, inTransaction },
        { onHold: ({ waitMs }) => heard.push(waitMs) },
      );
      await settled();
      assert.deepEqual(heard, [wait]);
    });
  }

  test('in a transaction, and then the request stays open for a retry', async () => {
    const { under, run, clock, session } = await admitted();
    under.changePolicy(holding);
    const answer = session.submit({ commands: [remove], basis: session.view().basis, inTransaction: true });
    await settled();
    for (let i = 0; i < 12; i++) {
      run.heartbeat();
      await clock.advance(5_000);
    }
    const told = await answer;
    assert.equal(told.kind === 'refusal' && told.code, 'HOOP_HELD');
    assert.deepEqual(under.desk.withdrawn, []);
  });
});

describe('what approvers are shown', () => {
  test('says of which statement each parameter is', async () => {
    const { under, session } = await admitted();
    under.changePolicy(HOLDING);
    const bound = (text: string, value: string) =>
      command(text, ['delete'], { parameters: [{ type: 'int4', format: 'text', value: Buffer.from(value) }] });
    void send(session, bound('DELETE FROM a WHERE id = $1', '1'), bound('DELETE FROM b WHERE id = $1', '2'));
    await settled();
    assert.deepEqual(under.desk.questions[0]?.parameters, [
      { type: 'int4', text: '1', statement: 1 },
      { type: 'int4', text: '2', statement: 2 },
    ]);
  });

  test('is kept afterwards without what was aimed at masked columns', async () => {
    const { under, session } = await admitted();
    under.changePolicy(HOLDING);
    const text = "UPDATE c SET ssn = '919-01-0031', card = $1";
    const aimed = command(text, ['write'], {
      struck: [{ start: 19, end: 32 }],
      sent: text.toLowerCase(),
      parameters: [{ type: 'text', format: 'text', value: Buffer.from('4111'), struck: true }],
    });
    void send(session, aimed);
    await settled();
    const [question] = under.desk.questions;
    assert.match(question?.text ?? '', /919-01-0031/);
    assert.deepEqual(question?.afterwards, {
      text: "UPDATE c SET ssn = '***', card = $1",
      parameters: [{ type: 'text', text: '***' }],
    });
  });
});

describe('what records may not hold as it is', () => {
  test('is shown to who decides, and kept afterwards as records hold it', async () => {
    const { under, session } = await admitted();
    under.changePolicy(HOLDING);
    const parameter = {
      type: 'text/plain',
      format: 'text',
      value: Buffer.from('card 4111'),
      recorded: Buffer.from('card ***'),
    };
    void send(session, command('POST /v1/x', ['write'], { parameters: [{ ...parameter, format: 'text' }] }));
    await settled();
    const [question] = under.desk.questions;
    assert.deepEqual(question?.parameters, [{ type: 'text/plain', text: 'card 4111' }]);
    assert.deepEqual(question?.afterwards?.parameters, [{ type: 'text/plain', text: 'card ***' }]);
  });
});

describe('verdicts are remembered', () => {
  test('for what is read alike and no further: another fact of the same text is judged', async () => {
    const { under, session } = await admitted();
    under.changePolicy({
      ...OPEN,
      digest: 'b'.repeat(64),
      judge: ({ facts }) =>
        facts['postgres.where'] === false
          ? { kind: 'deny', rules: [], rule: 'x', reason: 'no' }
          : { kind: 'allow', rules: ['all'] },
    });
    const reading = {};
    assert.equal((await send(session, select({ reading, facts: { 'postgres.where': true } }))).kind, 'permit');
    assert.equal((await send(session, select({ reading, facts: { 'postgres.where': false } }))).kind, 'refusal');
  });

  test('until the policy changes', async () => {
    const { under, session } = await admitted();
    const reading = {};
    const again = select({ reading });
    const first = await send(session, again);
    if (first.kind === 'permit') first.settle(0, { state: 'completed', durationMs: 1 });
    under.changePolicy(DENYING);
    assert.equal((await send(session, again)).kind, 'refusal');
  });
});

describe('a new policy', () => {
  test('that gives less time takes it from sessions that are open', async () => {
    const { under, run, clock, session } = await admitted();
    under.changePolicy({ ...OPEN, digest: 'b'.repeat(64), admit: () => ({ ...GRANT, sessionMax: 20_000 }) });
    for (let i = 0; i < 4; i++) {
      run.heartbeat();
      await clock.advance(5_000);
    }
    assert.deepEqual(session.signal.reason, { kind: 'expired', deadline: 'session' });
  });

  test("does not judge the gateway's own statement in flight", async () => {
    const { under, session } = await admitted();
    await session.submit({ commands: [select()], basis: '', by: 'gateway' });
    under.changePolicy(DENYING);
    assert.equal(session.signal.aborted, false);
  });

  test('with other limits counts by them from the next statement on, and goes on from what was taken', async () => {
    const { under, session } = await admitted();
    const limiting = (rowsPerRun: number): Policy => ({
      ...OPEN,
      digest: String(rowsPerRun).padStart(64, '0'),
      limits: () => [{ rule: 'rows', rowsPerRun }],
    });
    const left = async () => {
      const answer = await send(session, select());
      return answer.kind === 'permit' ? answer.commands[0]?.meter : undefined;
    };
    under.changePolicy(limiting(10));
    assert.equal((await left())?.take(4, 0), undefined);
    assert.equal((await left())?.rowsLeft, 6);
    under.changePolicy(limiting(100));
    assert.equal((await left())?.rowsLeft, 96);
  });

  test('with other masks ends a session with something in flight, and not one without', async () => {
    const { under, run, session } = await admitted();
    const quiet = await under.connect(run);
    await send(session, select());
    const masks = {
      columns: [{ rule: 'pii', relation: 'public.c', column: 'ssn', with: 'redact' }],
      detectors: [],
      fields: [],
      shadow: { columns: [], detectors: [], fields: [] },
    } as const;
    under.changePolicy({ ...OPEN, digest: 'e'.repeat(64), masks: () => masks });
    assert.deepEqual(session.signal.reason, { kind: 'policyChanged' });
    assert.equal(quiet.session.signal.aborted, false);
  });
});

describe('refusals', () => {
  test('count for the run: another connection does not begin anew', async () => {
    const { under, run, session } = await admitted();
    under.changePolicy(DENYING);
    for (let i = 0; i < 60; i++) await send(session, command('DROP', ['define']));
    assert.equal(session.signal.aborted, false);
    const other = await under.connect(run);
    await send(other.session, command('DROP', ['define']));
    assert.equal((other.session.signal.reason as { kind: string }).kind, 'limit');
  });

  test('are forgotten after a minute', async () => {
    const { under, run, clock, session } = await admitted();
    under.changePolicy(DENYING);
    for (let i = 0; i < 60; i++) await send(session, command('DROP', ['define']));
    for (let i = 0; i < 13; i++) {
      run.heartbeat();
      await clock.advance(5_000);
    }
    await send(session, command('DROP', ['define']));
    assert.equal(session.signal.aborted, false);
  });
});

test('asking people and leaving, over and over, comes to an end', async () => {
  const { under, session } = await admitted();
  under.changePolicy(HOLDING);
  for (let i = 0; i < 61; i++) {
    const client = new AbortController();
    const answer = session.submit(
      { commands: [command(`DELETE FROM t${i}`, ['delete'])], basis: session.view().basis },
      { gone: client.signal },
    );
    await settled();
    client.abort();
    await answer;
  }
  assert.equal((session.signal.reason as { kind: string }).kind, 'limit');
});

describe('a cut', () => {
  test('does not wait for a target that never answers', async () => {
    const { under, run, clock, session } = await admitted();
    await send(session, select());
    session.onCut(() => new Promise(() => {}));
    const receipt = under.revocations.revoke({ scope: { kind: 'run', id: run.id } }, riley);
    await settled();
    assert.equal(session.signal.aborted, true);
    await clock.advance(5_000);
    assert.deepEqual((await receipt).sessions[0]?.inFlight, [{ command: 'c1', state: 'unknown' }]);
  });

  test('a lost recorder ends the session, also one that was lost before it began', async () => {
    const { under, run, session } = await admitted();
    under.recorders[0]?.fail();
    assert.deepEqual(session.signal.reason, { kind: 'recorderFailed' });
    under.meanwhile.set('sessions.insert', () => under.recorders[1]?.fail());
    await assert.rejects(under.connect(run));
    assert.equal(under.registry.all().length, 0);
  });
});

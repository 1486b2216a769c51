/** Runs and their leases, deadlines and owners. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import type { HoopError } from '../../src/base/error.ts';
import { settled } from '../fakes/clock.ts';
import { command, dana, riley } from '../fakes/gate.ts';
import { gatewayUnderTest, GRANT, OPEN, VERIFIER } from '../fakes/gateway.ts';

const HOUR = 3_600_000;
const request = { kind: 'run', targets: [{ name: 'orders-db', verifier: VERIFIER }] } as const;

async function started(options?: Parameters<typeof gatewayUnderTest>[0], more: object = {}) {
  const under = await gatewayUnderTest(options);
  const who = { principal: dana, vouchedAt: under.clock.now() };
  const { run, token } = await under.runs.start(who, { ...request, ...more });
  return { ...under, under, run, token, who };
}

function refusedWith(code: string) {
  return (error: unknown) => (error as HoopError).code === code;
}

/** Keeps the lease for so long, as a launcher with its stream open does. */
async function live({ clock, run }: Awaited<ReturnType<typeof started>>, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 5_000) {
    await clock.advance(Math.min(5_000, ms - passed));
    run.heartbeat();
  }
}

describe('starting', () => {
  test("a run's token opens that run and is not kept", async () => {
    const { runs, run, token, store } = await started();
    assert.equal(runs.byToken(token.expose()), run);
    assert.equal(runs.byToken('guess'), undefined);
    const rows = await store.runs.list({});
    assert.doesNotMatch(JSON.stringify(rows), new RegExp(token.expose()));
  });

  test('an unknown and a forbidden target read alike', async () => {
    const under = await gatewayUnderTest();
    const who = { principal: dana, vouchedAt: under.clock.now() };
    const messages: string[] = [];
    const attempt = (name: string) =>
      under.runs.start(who, { ...request, targets: [{ name, verifier: VERIFIER }] }).catch((error: HoopError) => {
        messages.push(error.message.replace(name, 'NAME'), error.code);
      });
    await attempt('nothing');
    under.policy = { ...OPEN, admit: () => undefined };
    await attempt('orders-db');
    assert.deepEqual(messages, [
      'no target "NAME" for you',
      'TARGET_UNKNOWN',
      'no target "NAME" for you',
      'TARGET_UNKNOWN',
    ]);
  });

  test('a registered agent is used by its owners only', async () => {
    const under = await gatewayUnderTest();
    const start = (principal: typeof dana) =>
      under.runs.start({ principal, vouchedAt: under.clock.now() }, { ...request, agent: 'weekly-report' });
    assert.equal((await start(dana)).run.agent?.kind, 'registered');
    await assert.rejects(start(riley), refusedWith('AGENT_NOT_YOURS'));
  });

  test('any other name is claimed, and shown under its launcher', async () => {
    const { run } = await started({}, { agent: 'nightly' });
    assert.deepEqual(run.agent, { kind: 'claimed', name: 'dana@example.test/nightly' });
  });
});

describe('races', () => {
  test('who is revoked while the run is being written starts nothing, and nothing comes back after a restart', async () => {
    const under = await gatewayUnderTest();
    under.meanwhile.set('runs.insert', async () => {
      await under.revocations.revoke({ scope: { kind: 'user', who: dana.name } }, riley);
    });
    const start = under.runs.start({ principal: dana, vouchedAt: under.clock.now() }, request);
    await assert.rejects(start, refusedWith('REVOKED'));
    assert.deepEqual(under.runs.all(), []);
    assert.deepEqual(await under.store.runs.list({ states: ['live', 'suspended'] }), []);
  });

  test('a run revoked while its suspension is still cutting stays revoked', async () => {
    const { under, run, clock, store } = await started();
    const { session } = await under.connect(run);
    await session.submit({ commands: [command('SELECT 1', ['read'])], basis: session.view().basis });
    const slow = Promise.withResolvers<'cancelled'>();
    session.onCut(() => slow.promise);
    await clock.advance(15_000);
    assert.equal(run.state, 'suspended');
    const revoking = under.revocations.revoke({ scope: { kind: 'run', id: run.id } }, riley);
    await settled();
    slow.resolve('cancelled');
    await revoking;
    await settled();
    assert.deepEqual(
      (await store.runs.list({})).map(({ state }) => state),
      ['revoked'],
    );
  });

  test('a revoked run is not taken up after a restart, whatever its row says', async () => {
    const { under, run, clock, store, token } = await started();
    await under.revocations.revoke({ scope: { kind: 'run', id: run.id } }, riley);
    await store.runs.update(run.id, { state: 'suspended', resumableUntil: clock.now() + HOUR });
    const again = await gatewayUnderTest({ store, clock });
    await again.runs.restore();
    assert.equal(again.runs.byToken(token.expose()), undefined);
  });

  test('a store that fails under a timer is told about, and the run is over all the same', async () => {
    const { under, run, store, clock } = await started({}, { max: 10_000 });
    await store.close();
    await clock.advance(10_000);
    await settled();
    assert.equal(run.state, 'ended');
    assert.equal(under.faults.length, 1);
  });
});

describe('the lease', () => {
  test('a launcher that falls silent suspends the run after 15 s, and its sessions are cut', async () => {
    const { under, run, clock } = await started();
    const { session } = await under.connect(run);
    await clock.advance(14_900);
    assert.equal(run.state, 'live');
    await clock.advance(200);
    assert.equal(run.state, 'suspended');
    assert.deepEqual(session.signal.reason, { kind: 'suspended', cause: 'lease' });
  });

  test('heartbeats alone do not keep it: somebody must hear of a revocation', async () => {
    const all = await started();
    await live(all, 20_000);
    assert.equal(all.run.state, 'suspended');
  });

  test('heartbeats and an open stream keep it', async () => {
    const all = await started();
    all.run.listen(() => {});
    await live(all, 60_000);
    assert.equal(all.run.state, 'live');
  });

  test('a suspended run takes no command, and is resumed by its launcher with the same token', async () => {
    const { under, run, runs, clock, token, who } = await started();
    await clock.advance(16_000);
    assert.equal(run.state, 'suspended');
    await runs.resume(run.id, { ...who, vouchedAt: clock.now() });
    assert.equal(run.state, 'live');
    assert.equal(runs.byToken(token.expose()), run);
    await under.connect(run);
  });

  test('who sits at its terminal stays the same, through a renewal, a suspension and a restart of the gateway', async () => {
    const bits = Buffer.alloc(32, 7);
    const launcherKey = createHash('sha256').update(bits).digest('base64url');
    const { run, runs, clock, store, who } = await started({}, { launcherKey });
    const nonce = bits.toString('base64url');
    await runs.renew(run.id, { ...who, vouchedAt: clock.now() });
    await clock.advance(16_000);
    await runs.resume(run.id, { ...who, vouchedAt: clock.now() });
    assert.equal(run.launcher.check(nonce), 'right');
    const again = await gatewayUnderTest({ store, clock });
    await again.runs.restore();
    assert.equal(again.runs.byId(run.id)?.launcher.check(nonce), 'right');
    assert.doesNotMatch(JSON.stringify(await store.runs.list({})), new RegExp(nonce));
  });

  test("another's run cannot be resumed, and reads like an unknown one", async () => {
    const { runs, run, clock } = await started();
    await assert.rejects(runs.resume(run.id, { principal: riley, vouchedAt: clock.now() }), refusedWith('RUN_UNKNOWN'));
  });

  test('a heartbeat does not bring a suspended run back, and says so', async () => {
    const { run, runs, clock } = await started();
    await clock.advance(16_000);
    assert.throws(() => runs.heartbeat(run), refusedWith('RUN_SUSPENDED'));
    assert.equal(run.state, 'suspended');
  });

  test('a machine that slept through the time for resuming does not get it again', async () => {
    const { run, runs, clock, who } = await started();
    await clock.advance(16_000);
    clock.setWall(clock.now() + HOUR / 4);
    await assert.rejects(runs.resume(run.id, { ...who, vouchedAt: clock.now() }), refusedWith('RUN_ENDED'));
    assert.equal(runs.byId(run.id), undefined);
  });

  test('its launcher, who slept while it ended, hears why; anybody else that there is no such run', async () => {
    const reasons = [
      [16_000 + HOUR / 4, 'RUN_ENDED', 3, 'nobody resumed it in time'],
      [60_000, 'RUN_ENDED', 9, 'its time was over'],
    ] as const;
    for (const [asleep, code, exit, message] of reasons) {
      const { run, runs, clock, who } = await started({}, asleep === 60_000 ? { max: 30_000 } : {});
      await clock.advance(asleep);
      const now = { ...who, vouchedAt: clock.now() };
      await assert.rejects(runs.resume(run.id, now), { code, exit, message });
      await assert.rejects(runs.resume(run.id, { ...now, principal: riley }), { code: 'RUN_UNKNOWN' });
    }
  });

  test('one that was revoked meanwhile is not resumed, and its launcher hears that', async () => {
    const { under, run, runs, clock, who } = await started();
    await clock.advance(16_000);
    await under.revocations.revoke({ scope: { kind: 'run', id: run.id }, reason: 'lost laptop' }, riley);
    const now = { ...who, vouchedAt: clock.now() };
    await assert.rejects(runs.resume(run.id, now), { code: 'REVOKED', exit: 7, message: /lost laptop/ });
  });

  test('so many listen to one run and no more', async () => {
    const { run } = await started({ limits: { listeners: 1 } });
    const stop = run.listen(() => {});
    assert.equal(
      run.listen(() => {}),
      undefined,
    );
    stop?.();
    assert.notEqual(
      run.listen(() => {}),
      undefined,
    );
  });

  test('after the time for resuming a run is over for good', async () => {
    const { run, clock, runs } = await started();
    await clock.advance(16_000 + HOUR / 4);
    await settled();
    assert.equal(run.state, 'ended');
    assert.equal(runs.byId(run.id), undefined);
  });
});

describe('deadlines', () => {
  test('--max ends the run, lease or not', async () => {
    const all = await started({}, { max: 60_000 });
    const heard: unknown[] = [];
    all.run.listen((happening) => heard.push(happening));
    await live(all, 60_000);
    assert.equal(all.run.state, 'ended');
    assert.deepEqual(heard.at(-1), { type: 'run.ended', state: 'ended', reason: 'its time was over', exit: 9 });
  });

  test('--max does not go beyond what the gateway allows', async () => {
    const { run, clock } = await started({ runsMax: HOUR }, { max: 5 * HOUR });
    assert.equal(run.row.deadline, clock.now() + HOUR);
  });

  test('a wall clock set back does not give a run more time', async () => {
    const all = await started({}, { max: 60_000 });
    all.clock.setWall(all.clock.now() - HOUR);
    assert.ok(all.run.timeLeft() <= 60_000);
  });

  test('after a reboot the wall clock counts, and one behind the start ends the run', async () => {
    const { run, clock } = await started({}, { max: HOUR });
    clock.bootId = 'boot-2';
    assert.ok(run.timeLeft() > 0);
    clock.setWall(run.row.startedAt - 1);
    assert.equal(run.timeLeft(), 0);
  });
});

describe('clocks that were changed', () => {
  test('a run whose deadline passed while the machine slept takes no command, though no timer has fired', async () => {
    const { under, run, clock } = await started({}, { max: HOUR });
    const { session } = await under.connect(run);
    clock.setWall(clock.now() + HOUR);
    const answer = await session.submit({ commands: [command('SELECT 1', ['read'])], basis: session.view().basis });
    assert.equal(answer.kind === 'refusal' && answer.code, 'HOOP_LIMIT');
  });

  test('a wall clock set back does not make a login younger', async () => {
    const { run, clock } = await started({ maxAge: 60_000 });
    await clock.advance(50_000);
    clock.setWall(clock.now() - 50_000);
    await clock.advance(11_000);
    assert.equal(run.vouched(), false);
  });

  test('after a reboot a wall clock behind what any run recorded ends the runs', async () => {
    const { under, run, store, clock, who } = await started({}, { max: 8 * HOUR });
    await clock.advance(1_000);
    const later = clock.now() + HOUR;
    clock.setWall(later);
    await under.runs.start({ ...who, vouchedAt: clock.now() }, request);
    clock.bootId = 'boot-2';
    clock.setWall(run.row.startedAt + 2_000);
    const again = await gatewayUnderTest({ store, clock });
    await again.runs.restore();
    assert.deepEqual(again.runs.all(), []);
  });

  test('after a reboot with a clock in order the runs are taken up', async () => {
    const { run, store, clock } = await started({}, { max: 8 * HOUR });
    clock.bootId = 'boot-2';
    clock.setWall(clock.now() + 60_000);
    const again = await gatewayUnderTest({ store, clock });
    await again.runs.restore();
    assert.equal(again.runs.byId(run.id)?.state, 'live');
  });
});

describe('how many', () => {
  test('one person has so many runs alive, and others theirs', async () => {
    const under = await gatewayUnderTest({ limits: { runsPerPerson: 1 } });
    const start = (principal: typeof dana) => under.runs.start({ principal, vouchedAt: under.clock.now() }, request);
    const first = await start(dana);
    await assert.rejects(start(dana), refusedWith('RUNS_TOO_MANY'));
    await start(riley);
    await under.runs.end(first.run, 'ended', 'done');
    await start(dana);
  });

  test('a run of many short sessions remembers the latest', async () => {
    const { under, run } = await started({ limits: { sessionsNamed: 2 } });
    for (let i = 0; i < 3; i++) {
      const { channel, done } = await under.connect(run);
      channel.abort(undefined);
      await done;
    }
    assert.equal(run.counts.sessions.length, 2);
  });
});

describe('groups', () => {
  test('a login older than maxAge starts nothing', async () => {
    const under = await gatewayUnderTest({ maxAge: 60_000 });
    const old = { principal: dana, vouchedAt: under.clock.now() - 60_001 };
    await assert.rejects(under.runs.start(old, request), refusedWith('LOGIN_EXPIRED'));
  });

  test('an older token does not bring back groups that were lost since', async () => {
    const { runs, run, clock, who } = await started();
    await clock.advance(10_000);
    await runs.renew(run.id, { principal: { ...dana, groups: [] }, vouchedAt: clock.now() });
    await runs.renew(run.id, who);
    assert.deepEqual(run.principal.groups, []);
  });

  test('who has nothing newer to show is told once, not again and again', async () => {
    const { run, runs, clock, who } = await started({ maxAge: 60_000 });
    let told = 0;
    run.listen(({ type }) => {
      if (type === 'loginRequired') told++;
    });
    await clock.advance(46_000);
    for (let i = 0; i < 3; i++) {
      await runs.renew(run.id, who);
      await clock.advance(0);
    }
    assert.equal(told, 1);
  });

  test('a login that is revoked renews nothing', async () => {
    const { under, runs, run, clock, who } = await started();
    await under.revocations.revoke({ scope: { kind: 'user', who: dana.name } }, riley);
    await assert.rejects(runs.renew(run.id, { ...who, vouchedAt: clock.now() + 1 }), refusedWith('REVOKED'));
  });

  test('a launcher not vouched for within maxAge takes no new command', async () => {
    const all = await started({ maxAge: 60_000 });
    all.run.listen(() => {});
    const { session } = await all.under.connect(all.run);
    await live(all, 61_000);
    const answer = await session.submit({ commands: [command('SELECT 1', ['read'])], basis: session.view().basis });
    assert.equal(answer.kind, 'refusal');
  });

  test('renewed groups are judged anew: access that is gone cuts the session', async () => {
    const { under, run, runs, clock } = await started();
    const { session } = await under.connect(run);
    under.policy = { ...OPEN, admit: ({ principal }) => (principal.groups.length > 0 ? GRANT : undefined) };
    await runs.renew(run.id, { principal: { ...dana, groups: [] }, vouchedAt: clock.now() });
    assert.deepEqual(session.signal.reason, { kind: 'policyChanged' });
  });
});

describe('sessions', () => {
  test('a policy that no longer grants the target cuts its sessions', async () => {
    const { under, run } = await started();
    const { session, done } = await under.connect(run);
    under.changePolicy({ ...OPEN, digest: 'b'.repeat(64), admit: () => undefined });
    assert.deepEqual(session.signal.reason, { kind: 'policyChanged' });
    await done;
    assert.equal(under.registry.all().length, 0);
  });

  test('a running statement that the new policy denies ends its session', async () => {
    const { under, run } = await started();
    const { session } = await under.connect(run);
    await session.submit({ commands: [command('SELECT 1', ['read'])], basis: session.view().basis });
    under.changePolicy({
      ...OPEN,
      digest: 'c'.repeat(64),
      judge: () => ({ kind: 'deny', rules: [], rule: 'x', reason: 'no' }),
    });
    assert.deepEqual(session.signal.reason, { kind: 'policyChanged' });
  });

  test('an idle session ends, a busy one does not', async () => {
    const all = await started();
    all.run.listen(() => {});
    all.under.policy = { ...OPEN, admit: () => ({ ...GRANT, idle: 60_000 }) };
    const idle = await all.under.connect(all.run);
    const busy = await all.under.connect(all.run);
    await busy.session.submit({ commands: [command('SELECT 1', ['read'])], basis: busy.session.view().basis });
    await live(all, 61_000);
    assert.deepEqual(idle.session.signal.reason, { kind: 'idle' });
    assert.equal(busy.session.signal.aborted, false);
  });

  test("session.max counts from the run's first session on the target", async () => {
    const all = await started();
    all.run.listen(() => {});
    all.under.policy = { ...OPEN, admit: () => ({ ...GRANT, sessionMax: 60_000 }) };
    const first = await all.under.connect(all.run);
    await live(all, 40_000);
    const second = await all.under.connect(all.run);
    await live(all, 21_000);
    for (const { session } of [first, second])
      assert.deepEqual(session.signal.reason, { kind: 'expired', deadline: 'session' });
  });

  test('sixty-one refusals in a minute end the session', async () => {
    const { under, run } = await started();
    under.policy = { ...OPEN, judge: () => ({ kind: 'deny', rules: [], rule: 'x', reason: 'no' }) };
    const { session } = await under.connect(run);
    for (let i = 0; i < 61; i++)
      await session.submit({ commands: [command('DROP', ['define'])], basis: session.view().basis });
    assert.equal((session.signal.reason as { kind: string }).kind, 'limit');
  });
});

describe('a restart of the gateway', () => {
  test('finds its runs again by token, with one lease to be heard from', async () => {
    const { store, token, run, clock } = await started();
    const { createRegistry, createRuns } = await import('../../src/gateway/index.ts');
    const again = createRuns({
      store: store.runs,
      policy: { current: () => OPEN, onChange: () => () => {} },
      targets: new Map(),
      registry: createRegistry(),
      clock,
      maxAge: HOUR,
      runsMax: HOUR,
      barred: () => undefined,
      onEnd: () => {},
    });
    await again.restore();
    assert.equal(again.byToken(token.expose())?.id, run.id);
    await clock.advance(16_000);
    assert.equal(again.byId(run.id)?.state, 'suspended');
  });
});

/** The door, attacked: whoever comes while the world changes, in crowds, slowly, or leaves half-way. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PendingSession, Refusal, Session } from '../../src/domain/session.ts';
import { settled } from '../fakes/clock.ts';
import { command, dana, riley } from '../fakes/gate.ts';
import { GRANT, type GatewayOptions, gatewayUnderTest, OPEN, VERIFIER } from '../fakes/gateway.ts';

const request = { kind: 'run', targets: [{ name: 'orders-db', verifier: VERIFIER }] } as const;

async function atTheDoor(options: GatewayOptions = {}) {
  const under = await gatewayUnderTest(options);
  const { run } = await under.runs.start({ principal: dana, vouchedAt: under.clock.now() }, request);
  run.listen(() => {});
  return { under, run, clock: under.clock };
}

type Under = Awaited<ReturnType<typeof atTheDoor>>;

/** Authorises, and says what came of it. */
async function authorized({ under, run }: Under): Promise<Session | Refusal> {
  let answer: Session | Refusal | undefined;
  const { done } = under.visit(run, async (_client, pending) => {
    answer = await pending.authorize({});
  });
  await done;
  return answer as Session | Refusal;
}

/** A client that has connected and says nothing more. */
function silent({ under, run }: Under) {
  const come = Promise.withResolvers<PendingSession>();
  const visit = under.visit(run, async (client, pending) => {
    come.resolve(pending);
    await new Promise((resolve) => client.gone.addEventListener('abort', resolve, { once: true }));
  });
  let inside = false;
  void come.promise.then(() => {
    inside = true;
  });
  return { ...visit, pending: come.promise, isInside: () => inside };
}

describe('while a recording is being opened', () => {
  test('a revocation keeps the session from being given, and its recording is sealed with the reason', async () => {
    const all = await atTheDoor();
    const { under } = all;
    under.meanwhile.set('recordings.open', async () => {
      await under.revocations.revoke({ scope: { kind: 'user', who: dana.name }, reason: 'left' }, riley);
    });
    const answer = await authorized(all);
    assert.equal('kind' in answer && answer.code, 'HOOP_REVOKED');
    assert.equal(under.recorders[0]?.finished?.kind, 'revoked');
    assert.equal(under.registry.all().length, 0);
  });

  test('a policy that takes the access away keeps the session from being given', async () => {
    const all = await atTheDoor();
    const { under } = all;
    under.meanwhile.set('recordings.open', () =>
      under.changePolicy({ ...OPEN, digest: 'b'.repeat(64), admit: () => undefined }),
    );
    const answer = await authorized(all);
    assert.equal('kind' in answer && answer.code, 'HOOP_DENIED');
    assert.deepEqual(under.recorders[0]?.finished, { kind: 'policyChanged' });
  });

  test('a policy that grants less gives the session what it grants now', async () => {
    const all = await atTheDoor();
    const { under, run, clock } = all;
    const shorter = { ...OPEN, digest: 'b'.repeat(64), admit: () => ({ ...GRANT, sessionMax: 60_000 }) };
    under.meanwhile.set('recordings.open', () => under.changePolicy(shorter));
    const { session } = await under.connect(run);
    run.heartbeat();
    await clock.advance(14_000);
    for (let i = 0; i < 4; i++) {
      run.heartbeat();
      await clock.advance(12_000);
    }
    assert.deepEqual(session.signal.reason, { kind: 'expired', deadline: 'session' });
  });

  test('a suspension keeps the session from being given', async () => {
    const all = await atTheDoor();
    all.under.meanwhile.set('recordings.open', () => all.clock.advance(16_000));
    const answer = await authorized(all);
    assert.match('kind' in answer ? answer.message : '', /suspended/);
  });
});

describe('a session that cannot be listed', () => {
  test('is not given, leaves nothing behind, and its recording is sealed', async () => {
    const all = await atTheDoor();
    all.under.meanwhile.set('sessions.insert', () => {
      throw new Error('the store is away');
    });
    await authorized(all);
    assert.equal(all.under.registry.all().length, 0);
    assert.notEqual(all.under.recorders[0]?.finished, undefined);
    assert.equal(all.run.openSessions, 0);
  });

  test('a client that goes while it is being listed ends it', async () => {
    const all = await atTheDoor();
    const { under, run } = all;
    const visit = under.visit(run, async (client, pending) => {
      under.meanwhile.set('sessions.insert', () => client.abort(undefined));
      const session = (await pending.authorize({})) as Session;
      assert.deepEqual(session.signal.reason, { kind: 'clientGone' });
    });
    await visit.done;
    assert.deepEqual(under.faults, []);
  });
});

describe('clients that have not shown the secret', () => {
  test('are at most 32 at a time; the next comes in, in order, when one has gone', async () => {
    const all = await atTheDoor();
    const visits = Array.from({ length: 34 }, () => silent(all));
    await settled();
    assert.deepEqual(
      visits.map((visit) => visit.isInside()),
      [...Array<boolean>(32).fill(true), false, false],
    );
    visits[0]?.channel.abort(undefined);
    await settled();
    assert.equal(visits[32]?.isInside(), true);
    assert.equal(visits[33]?.isInside(), false);
  });

  test('who waits and goes away does not use up a place', async () => {
    const all = await atTheDoor();
    const visits = Array.from({ length: 34 }, () => silent(all));
    await settled();
    visits[32]?.channel.abort(undefined);
    await visits[32]?.done;
    visits[0]?.channel.abort(undefined);
    await settled();
    assert.equal(visits[33]?.isInside(), true);
  });

  test('showing it makes room', async () => {
    const all = await atTheDoor({ limits: { atTheDoor: 1 } });
    await all.under.connect(all.run);
    await all.under.connect(all.run);
    assert.equal(all.under.registry.all().length, 2);
  });

  test('a line without end is cut', async () => {
    const all = await atTheDoor({ limits: { atTheDoor: 1, inLine: 1 } });
    const visits = Array.from({ length: 3 }, () => silent(all));
    await visits[2]?.done;
    assert.equal(visits[2]?.channel.gone.aborted, true);
    assert.equal(visits[1]?.channel.gone.aborted, false);
  });

  test('get 10 s, even when the protocol does not mind', async () => {
    const all = await atTheDoor();
    const { channel, pending } = silent(all);
    const { signal } = await pending;
    await all.clock.advance(9_999);
    assert.equal(signal.aborted, false);
    await all.clock.advance(1);
    assert.equal(signal.aborted, true);
    await all.clock.advance(250);
    assert.equal(channel.gone.aborted, true);
  });

  test('are cut when the run is revoked, those in the line too', async () => {
    const all = await atTheDoor({ limits: { atTheDoor: 1 } });
    const [inside, waiting] = [silent(all), silent(all)];
    await settled();
    await all.under.revocations.revoke({ scope: { kind: 'run', id: all.run.id } }, riley);
    await waiting.done;
    assert.equal((await inside.pending).signal.aborted, true);
    await all.clock.advance(250);
    assert.deepEqual([inside.channel.gone.aborted, waiting.channel.gone.aborted], [true, true]);
  });
});

describe('new streams', () => {
  test('come in at most so many a second; further ones wait', async () => {
    const all = await atTheDoor({ limits: { streamsPerSecond: 2 } });
    const visits = Array.from({ length: 5 }, () => silent(all));
    const inside = () => visits.filter((visit) => visit.isInside()).length;
    await settled();
    assert.equal(inside(), 2);
    await all.clock.advance(500);
    assert.equal(inside(), 3);
    await all.clock.advance(1_000);
    assert.equal(inside(), 5);
  });

  test('a run has so many sessions open and no more, and a closed one makes room', async () => {
    const all = await atTheDoor({ limits: { openSessions: 1 } });
    const first = await all.under.connect(all.run);
    const refused = await authorized(all);
    assert.equal('kind' in refused && refused.code, 'HOOP_LIMIT');
    first.channel.abort(undefined);
    await first.done;
    assert.equal('kind' in (await authorized(all)), false);
  });

  test('sessions that are only being opened count', async () => {
    const all = await atTheDoor({ limits: { openSessions: 1 } });
    const answers = await Promise.all([authorized(all), authorized(all), authorized(all)]);
    assert.equal(answers.filter((answer) => !('kind' in answer)).length, 1);
  });
});

describe('the end of a connection', () => {
  test('what the protocol said last may still be read', async () => {
    const all = await atTheDoor();
    const { channel, done } = all.under.visit(all.run, async (client) => {
      (client as typeof channel).slow = true;
      client.end();
    });
    await done;
    assert.deepEqual(channel.aborted, []);
    await all.clock.advance(60_000);
    assert.equal(channel.gone.aborted, true);
  });

  test('a revoked client is cut, whether or not it reads', async () => {
    const all = await atTheDoor();
    const { channel } = await all.under.connect(all.run);
    channel.slow = true;
    await all.under.revocations.revoke({ scope: { kind: 'run', id: all.run.id } }, riley);
    await all.clock.advance(250);
    assert.equal(channel.gone.aborted, true);
  });

  test('a client that never lets go of its stream keeps its place among the open sessions', async () => {
    const all = await atTheDoor({ limits: { openSessions: 1 } });
    const { channel, done } = all.under.visit(all.run, async (client, pending) => {
      (client as typeof channel).slow = true;
      await pending.authorize({});
    });
    await done;
    const refused = await authorized(all);
    assert.equal('kind' in refused && refused.code, 'HOOP_LIMIT');
    assert.equal(channel.gone.aborted, false);
  });
});

describe('cancel keys', () => {
  const key = Buffer.from('00112233aabbccdd', 'hex');

  test('are found from another stream of the run, also when a third one ended meanwhile', async () => {
    const all = await atTheDoor();
    const first = silent(all);
    const passing = silent(all);
    const { cancels } = await first.pending;
    passing.channel.abort(undefined);
    await passing.done;
    let cancelled = 0;
    cancels.register(key, () => cancelled++);
    const other = silent(all);
    (await other.pending).cancels.request(key);
    assert.equal(cancelled, 1);
  });

  test('are not found by another run, nor by a part of them', async () => {
    const all = await atTheDoor();
    const theirs = await all.under.runs.start({ principal: dana, vouchedAt: all.clock.now() }, request);
    let cancelled = 0;
    (await silent(all).pending).cancels.register(key, () => cancelled++);
    (await silent({ ...all, run: theirs.run }).pending).cancels.request(key);
    (await silent(all).pending).cancels.request(key.subarray(0, 4));
    assert.equal(cancelled, 0);
  });
});

describe('session.max', () => {
  const limited = { ...OPEN, admit: () => ({ ...GRANT, sessionMax: 60_000 }) };

  test('counts on after a restart of the gateway', async () => {
    const { under, run, clock } = await atTheDoor();
    under.policy = limited;
    await under.connect(run);
    await clock.advance(14_000);
    const again = await gatewayUnderTest({ store: under.store, clock });
    again.policy = limited;
    await again.runs.restore();
    const restored = again.runs.byId(run.id);
    assert.ok(restored);
    restored.listen(() => {});
    const { session } = await again.connect(restored);
    for (let passed = 0; passed < 47_000; passed += 5_000) {
      restored.heartbeat();
      await clock.advance(5_000);
    }
    assert.deepEqual(session.signal.reason, { kind: 'expired', deadline: 'session' });
  });

  test('a machine that slept takes no command after it, though no timer has fired', async () => {
    const { under, run, clock } = await atTheDoor();
    under.policy = limited;
    const { session } = await under.connect(run);
    clock.setWall(clock.now() + 61_000);
    const answer = await session.submit({ commands: [command('SELECT 1', ['read'])], basis: session.view().basis });
    assert.equal(answer.kind === 'refusal' && answer.code, 'HOOP_LIMIT');
  });
});

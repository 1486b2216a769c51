/** Revoked means gone: sessions cut, runs ended, tokens dead, and what stays dead after lifting. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { HoopError } from '../../src/base/error.ts';
import { principalKey } from '../../src/domain/principal.ts';
import { command, dana, riley } from '../fakes/gate.ts';
import { gatewayUnderTest, VERIFIER } from '../fakes/gateway.ts';

const request = { kind: 'run', targets: [{ name: 'orders-db', verifier: VERIFIER }] } as const;
const user = { kind: 'user', who: 'dana@example.test' } as const;

async function connected() {
  const under = await gatewayUnderTest();
  const vouchedAt = under.clock.now();
  const { run, token } = await under.runs.start({ principal: dana, vouchedAt }, request);
  const other = await under.runs.start({ principal: riley, vouchedAt }, request);
  return { under, run, token, other: other.run, vouchedAt, ...(await under.connect(run)) };
}

test('revoking a person cuts their sessions, ends their runs, and leaves others alone', async () => {
  const { under, run, token, other, session } = await connected();
  const receipt = await under.revocations.revoke({ scope: user, reason: 'left' }, riley);
  assert.equal((session.signal.reason as { kind: string }).kind, 'revoked');
  assert.equal(run.state, 'revoked');
  assert.equal(under.runs.byToken(token.expose()), undefined);
  assert.equal(other.state, 'live');
  assert.deepEqual(receipt.runs, [run.id]);
  assert.equal(receipt.sessions[0]?.id, session.id);
});

test('the receipt says what became of the statement in flight', async () => {
  const { under, session } = await connected();
  await session.submit({ commands: [command('SELECT pg_sleep(9)', ['read'])], basis: session.view().basis });
  session.onCut(async () => 'cancelled');
  const { sessions } = await under.revocations.revoke({ scope: user }, riley);
  assert.deepEqual(sessions[0]?.inFlight, [{ command: 'c1', state: 'cancelled' }]);
});

test('a cut session takes no command', async () => {
  const { under, session } = await connected();
  await under.revocations.revoke({ scope: { kind: 'session', id: session.id } }, riley);
  const answer = await session.submit({ commands: [command('SELECT 1', ['read'])], basis: session.view().basis });
  assert.equal(answer.kind === 'refusal' && answer.code, 'HOOP_REVOKED');
});

test('who is revoked starts nothing', async () => {
  const { under, clock } = await connected().then(({ under }) => ({ under, clock: under.clock }));
  await under.revocations.revoke({ scope: user, reason: 'left' }, riley);
  const again = under.runs.start({ principal: dana, vouchedAt: clock.now() + 1 }, request);
  await assert.rejects(again, (error: HoopError) => error.code === 'REVOKED' && error.exit === 7);
});

test('lifting keeps the not-before: logins from before stay dead, later ones live', async () => {
  const { under, vouchedAt } = await connected();
  await under.clock.advance(1000);
  const { row } = await under.revocations.revoke({ scope: user }, riley);
  await under.clock.advance(1000);
  await under.revocations.lift(row?.id ?? '', riley, 'a mistake');
  assert.match(under.revocations.barred({ principal: dana, vouchedAt }) ?? '', /older than a revocation/);
  assert.equal(under.revocations.barred({ principal: dana, vouchedAt: under.clock.now() }), undefined);
});

test('nobody lifts a revocation of themselves, and a revoked run stays revoked', async () => {
  const { under, run } = await connected();
  const own = await under.revocations.revoke({ scope: user }, riley);
  await assert.rejects(
    under.revocations.lift(own.row?.id ?? '', dana, 'me'),
    (error: HoopError) => error.code === 'REVOCATION_OWN',
  );
  const final = await under.revocations.revoke({ scope: { kind: 'run', id: run.id } }, riley);
  await assert.rejects(
    under.revocations.lift(final.row?.id ?? '', riley, 'oops'),
    (error: HoopError) => error.code === 'REVOCATION_FINAL',
  );
});

test('a revocation with a time ends by itself', async () => {
  const { under } = await connected();
  await under.revocations.revoke(
    { scope: { kind: 'agent', name: 'weekly-report' }, until: under.clock.now() + 1000 },
    riley,
  );
  const barred = () =>
    under.revocations.barred({ principal: dana, vouchedAt: under.clock.now(), agent: 'weekly-report' });
  assert.notEqual(barred(), undefined);
  await under.clock.advance(1001);
  assert.equal(barred(), undefined);
});

test('a dry run says what it would cut and cuts nothing', async () => {
  const { under, session, run } = await connected();
  const plan = await under.revocations.revoke({ scope: { kind: 'all' } }, riley, true);
  assert.ok(plan.runs.includes(run.id));
  assert.equal(plan.sessions.length, 1);
  assert.equal(session.signal.aborted, false);
  assert.deepEqual(under.revocations.list(), []);
});

test('a revocation written by another gateway on the same store is applied here', async () => {
  const { under, session } = await connected();
  await under.store.revocations.add({ id: 'rev_elsewhere', scope: user, by: riley, at: under.clock.now() });
  await under.clock.advance(600);
  assert.equal((session.signal.reason as { kind: string }).kind, 'revoked');
});

test('two written elsewhere are both applied at once, however slow the first target is', async () => {
  const { under, session, other } = await connected();
  const second = await under.connect(other);
  await session.submit({ commands: [command('SELECT 1', ['read'])], basis: session.view().basis });
  session.onCut(() => new Promise(() => {}));
  await under.store.revocations.add({ id: 'rev_1', scope: user, by: riley, at: under.clock.now() });
  await under.store.revocations.add({
    id: 'rev_2',
    scope: { kind: 'user', who: riley.name },
    by: dana,
    at: under.clock.now(),
  });
  await under.clock.advance(600);
  assert.equal(session.signal.aborted, true);
  assert.equal(second.session.signal.aborted, true);
  assert.equal(under.revocations.standing(), undefined);
});

test('one written elsewhere just before one of ours is not overlooked', async () => {
  const { under, session } = await connected();
  await under.store.revocations.add({ id: 'rev_elsewhere', scope: user, by: riley, at: under.clock.now() });
  await under.revocations.revoke({ scope: { kind: 'agent', name: 'nobody' } }, riley);
  await under.clock.advance(600);
  assert.equal(session.signal.aborted, true);
});

test('a revocation made while another one is lifted is not forgotten', async () => {
  const { under } = await connected();
  const first = await under.revocations.revoke({ scope: { kind: 'agent', name: 'a' } }, riley);
  await Promise.all([
    under.revocations.lift(first.row?.id ?? '', riley, 'a mistake'),
    under.revocations.revoke({ scope: user }, riley),
  ]);
  assert.equal(under.revocations.active({ principal: dana }), true);
  assert.equal(under.revocations.active({ agent: 'a' }), false);
});

test('what is lifted once is not lifted again', async () => {
  const { under } = await connected();
  const { row } = await under.revocations.revoke({ scope: { kind: 'agent', name: 'a' } }, riley);
  await under.revocations.lift(row?.id ?? '', riley, 'a mistake');
  await assert.rejects(
    under.revocations.lift(row?.id ?? '', riley, 'again'),
    (error: HoopError) => error.code === 'REVOCATION_UNKNOWN',
  );
});

test('a name of another issuer is not revoked with the one that was meant', async () => {
  const { under } = await connected();
  const namesake = { ...dana, issuer: 'https://other.test' };
  const vouchedAt = under.clock.now();
  const theirs = await under.runs.start({ principal: namesake, vouchedAt }, request);
  await under.revocations.revoke({ scope: { ...user, principalKey: principalKey(dana) } }, riley);
  assert.equal(theirs.run.state, 'live');
  assert.equal(under.revocations.barred({ principal: namesake, vouchedAt: vouchedAt - 1 }), undefined);
});

test('everybody means everybody but an admin at the API, who starts nothing either', async () => {
  const { under, run, other } = await connected();
  const { row } = await under.revocations.revoke({ scope: { kind: 'all' } }, riley);
  assert.deepEqual([run.state, other.state], ['revoked', 'revoked']);
  const vouchedAt = under.clock.now() + 1;
  assert.notEqual(under.revocations.barred({ principal: dana, vouchedAt }), undefined);
  assert.equal(under.revocations.barred({ principal: riley, vouchedAt, lifts: true }), undefined);
  await assert.rejects(
    under.runs.start({ principal: riley, vouchedAt }, request),
    (error: HoopError) => error.code === 'REVOKED',
  );
  await under.revocations.lift(row?.id ?? '', riley, 'over');
  await under.runs.start({ principal: riley, vouchedAt }, request);
});

test('an admin who is revoked by name stays out of the API too', async () => {
  const { under } = await connected();
  await under.revocations.revoke({ scope: { kind: 'user', who: riley.name } }, dana);
  assert.notEqual(
    under.revocations.barred({ principal: riley, vouchedAt: under.clock.now() + 1, lifts: true }),
    undefined,
  );
});

describe('a gateway that cannot confirm the epoch', () => {
  test('mints nothing after 2 s and cuts its sessions after 5 s', async () => {
    const { under, session, run } = await connected();
    run.listen(() => {});
    await under.store.close();
    await under.clock.advance(2_600);
    const answer = await session.submit({ commands: [command('SELECT 1', ['read'])], basis: session.view().basis });
    assert.equal(answer.kind === 'refusal' && answer.code, 'HOOP_UNAVAILABLE');
    assert.equal(session.signal.aborted, false);
    await under.clock.advance(3_100);
    assert.deepEqual(session.signal.reason, { kind: 'unconfirmed' });
  });

  test('a store that never answers is no different from one that fails', async () => {
    const { under, session, run } = await connected();
    run.listen(() => {});
    under.silence();
    await under.clock.advance(5_600);
    assert.deepEqual(session.signal.reason, { kind: 'unconfirmed' });
  });
});

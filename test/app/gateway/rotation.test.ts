/** Whatever happens between two writes, and however many gateways there are, some stored password opens the account. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createRotation } from '../../../src/app/gateway/rotation.ts';
import { Secret } from '../../../src/base/secret.ts';
import type { Accounts } from '../../../src/domain/protocol.ts';
import type { ServedTarget } from '../../../src/gateway/index.ts';
import { openSealer } from '../../../src/secrets/index.ts';
import { createStore } from '../../../src/store/index.ts';
import { FakeClock, settled } from '../../fakes/clock.ts';
import { until } from '../../fakes/until.ts';

const HOUR = 3_600_000;
const FIRST = Secret.of('first');
const REF = { env: 'FIRST' };

/** A target whose account has one password, and a gateway or two that look after it. */
async function house() {
  const clock = new FakeClock();
  const folder = mkdtempSync(join(tmpdir(), 'hoopctl-rotation-'));
  const store = await createStore({ url: 'sqlite::memory:', clock });
  const sealer = openSealer(folder);
  const target = {
    password: FIRST,
    changes: 0,
    fails: undefined as Error | undefined,
    fate: 'before' as 'before' | 'after',
  };
  let gate: Promise<void> | undefined;
  const accounts: Accounts = {
    secret: 'password',
    plan: () => ({ kind: 'rotate', every: 24 * HOUR }),
    async change(_settings, _reach, password) {
      await gate;
      if (target.fails && target.fate === 'before') throw target.fails;
      target.password = password;
      target.changes++;
      if (target.fails) throw target.fails;
    },
    sweep: async () => ({ removed: [], kept: [] }),
  };
  const served = (name: string) =>
    ({
      target: { name, protocol: 'postgres', labels: {}, account: 'app', settings: {} },
      protocol: { accounts },
      address: { host: 'db.internal', port: 5432 },
      secrets: { password: REF },
    }) as unknown as ServedTarget;
  const errors: unknown[] = [];
  const log = { info: () => {}, warn: () => {}, error: (entry: unknown) => void errors.push(entry) };
  const running: ReturnType<typeof createRotation>[] = [];
  return {
    ...{ clock, store, target, served, errors },
    hold(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
    gateway(gatewayId: string, targets = [served('orders')]) {
      const rotation = createRotation({
        ...{ targets, store: store.credentials, sealer: () => sealer, gatewayId, clock, log },
        secrets: { resolve: async () => FIRST },
      });
      running.push(rotation);
      return rotation;
    },
    /** As a login does: another is asked for when one is refused. */
    async opens(rotation: ReturnType<typeof createRotation>, name = 'orders'): Promise<boolean> {
      const first = await rotation.secret(served(name), 'password', REF);
      if (first.same(target.password)) return true;
      return (await rotation.secret(served(name), 'password', REF, first)).same(target.password);
    },
    until: (done: () => boolean) => until('it is so', done),
    async [Symbol.asyncDispose]() {
      await Promise.all(running.map((rotation) => rotation.stop()));
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

test('the first start changes it, later ones when it is due', async () => {
  await using all = await house();
  const one = all.gateway('gw-1');
  assert.ok(await all.opens(one));
  one.start();
  await all.until(() => all.target.changes === 1);
  await all.clock.advance(23 * HOUR);
  assert.equal(all.target.changes, 1);
  await one.stop();
  const again = all.gateway('gw-1');
  again.start();
  await all.clock.advance(HOUR / 2);
  assert.equal(all.target.changes, 1);
  await all.clock.advance(HOUR);
  await all.until(() => all.target.changes === 2);
  assert.ok(await all.opens(again));
});

test('two gateways of one store change it once', async () => {
  await using all = await house();
  const [one, two] = [all.gateway('gw-1'), all.gateway('gw-2')];
  one.start();
  two.start();
  await all.until(() => all.target.changes === 1);
  await all.clock.advance(23 * HOUR);
  assert.equal(all.target.changes, 1);
  for (const rotation of [one, two]) assert.ok(await all.opens(rotation));
});

test('two targets with one account share its password', async () => {
  await using all = await house();
  const one = all.gateway('gw-1', [all.served('orders'), all.served('reports')]);
  one.start();
  await all.until(() => all.target.changes === 1);
  assert.ok(await all.opens(one, 'orders'));
  assert.ok(await all.opens(one, 'reports'));
  assert.deepEqual(
    (await one.states()).map(({ target }) => target),
    ['orders', 'reports'],
  );
});

for (const fate of ['before', 'after'] as const) {
  test(`a change that fails ${fate} the target took it leaves a login that works, is told, and is tried again with the same`, async () => {
    await using all = await house();
    const one = all.gateway('gw-1');
    all.target.fails = new Error('the line broke');
    all.target.fate = fate;
    one.start();
    await all.until(() => all.errors.length === 1);
    assert.ok(await all.opens(one));
    const [state] = await one.states();
    assert.equal(state?.problem, 'the line broke');
    assert.equal(state?.changedAt, undefined);
    const given = all.target.password;
    await all.clock.advance(9_000);
    assert.equal(all.errors.length, 1);
    await all.clock.advance(1_000);
    await all.until(() => all.errors.length === 2);
    all.target.fails = undefined;
    // The second pause is twice the first.
    await all.clock.advance(19_000);
    assert.equal((await one.states())[0]?.changedAt, undefined);
    const before = all.target.changes;
    await all.clock.advance(1_000);
    await all.until(() => all.target.changes === before + 1);
    if (fate === 'after') assert.ok(all.target.password.same(given));
    assert.ok(await all.opens(one));
    for (let tries = 0; tries < 50; tries++) await settled();
    assert.equal((await one.states())[0]?.problem, undefined);
  });
}

test('while it is being changed, the old one and the new one are both tried', async () => {
  await using all = await house();
  const release = all.hold();
  const one = all.gateway('gw-1');
  one.start();
  for (let tries = 0; tries < 50; tries++) await settled();
  const first = await one.secret(all.served('orders'), 'password', REF);
  assert.ok(first.same(FIRST));
  const second = await one.secret(all.served('orders'), 'password', REF, first);
  assert.ok(!second.same(FIRST));
  release();
  await all.until(() => all.target.changes === 1);
  assert.ok(all.target.password.same(second));
});

test('a gateway that died while it changed it is waited for, then its work is finished with its password', async () => {
  await using all = await house();
  const release = all.hold();
  const dead = all.gateway('gw-1');
  dead.start();
  for (let tries = 0; tries < 50; tries++) await settled();
  const begun = await dead.secret(all.served('orders'), 'password', REF, FIRST);
  const two = all.gateway('gw-2');
  two.start();
  for (let tries = 0; tries < 50; tries++) await settled();
  await assert.rejects(two.rotate(all.served('orders')), { code: 'ROTATION_BUSY' });
  assert.equal(all.target.changes, 0);
  await all.clock.advance(61_000);
  release();
  await all.until(() => all.target.changes >= 1);
  assert.ok(all.target.password.same(begun));
  assert.ok(await all.opens(two));
});

test('an account that somebody else looks after is not rotated', async () => {
  await using all = await house();
  const none = all.gateway('gw-1', []);
  await assert.rejects(none.rotate({ ...all.served('orders'), protocol: {} } as unknown as ServedTarget), {
    code: 'ACCOUNT_STATIC',
  });
  assert.ok((await none.secret(all.served('orders'), 'password', REF)).same(FIRST));
});

/** Of two gateways that change one password at the same moment, one does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStore } from '../../src/store/index.ts';
import { FakeClock } from '../fakes/clock.ts';

const key = 'postgres app@127.0.0.1:5432';

async function memory() {
  const store = await createStore({ url: 'sqlite::memory:', clock: new FakeClock() });
  return { store, [Symbol.asyncDispose]: () => store.close() };
}

test('a credential comes back as it was, with the next version', async () => {
  await using opened = await memory();
  const { credentials } = opened.store;
  const full = { key, current: 'a', pending: 'b', changedAt: 5, claim: { by: 'gw-1', until: 9 } };
  assert.equal(await credentials.find(key), undefined);
  assert.equal(await credentials.save({ ...full, version: 0 }), true);
  assert.deepEqual(await credentials.find(key), { ...full, version: 1 });
  assert.equal(await credentials.save({ key, version: 1 }), true);
  assert.deepEqual(await credentials.find(key), { key, version: 2 });
});

test('whoever wrote on what was read before is told so, and nothing of theirs is kept', async () => {
  await using opened = await memory();
  const { credentials } = opened.store;
  assert.equal(await credentials.save({ key, current: 'first', version: 0 }), true);
  assert.equal(await credentials.save({ key, current: 'also first', version: 0 }), false);
  assert.equal(await credentials.save({ key, current: 'second', version: 1 }), true);
  assert.equal(await credentials.save({ key, current: 'also second', version: 1 }), false);
  assert.deepEqual(await credentials.find(key), { key, current: 'second', version: 2 });
});

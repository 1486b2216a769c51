import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { bench } from './workbench.ts';

test('a gateway with the same id is refused while the first one runs', async () => {
  using at = bench();
  const recordings = await at.start();
  await assert.rejects(at.start(), { code: 'RECORDINGS_LOCKED' });
  const other = await at.start({ gatewayId: 'gw2' });
  await other.close();
  await recordings.close();
  const again = await at.start();
  await again.close();
});

test('a gateway id that is no file name is refused', async () => {
  using at = bench();
  for (const gatewayId of ['', '../gw', 'a/b', '.a', 'a~b']) {
    await assert.rejects(at.start({ gatewayId }), { code: 'GATEWAY_ID_INVALID' });
  }
  mkdirSync(at.recordings, { recursive: true });
  assert.deepEqual(readdirSync(at.recordings), []);
});

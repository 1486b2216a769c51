import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '../../../src/app/gateway/metrics.ts';

test('metrics say of each target that was reached how old its definitions are, and whether they are less than what is there', async () => {
  const catalogs = [
    { target: 'orders-db', ageMs: 12_500, outdated: false },
    { target: 'shop', ageMs: 90_000, outdated: true },
  ];
  const { text } = await createMetrics({ sessions: () => 2, runs: () => 1, catalogs: () => catalogs }).render();
  const lines = text.split('\n').filter((line) => /^hoop_(catalog|sessions)/.test(line));
  assert.deepEqual(lines, [
    'hoop_sessions 2',
    'hoop_catalog_age_seconds{target="orders-db"} 12.5',
    'hoop_catalog_age_seconds{target="shop"} 90',
    'hoop_catalog_outdated{target="orders-db"} 0',
    'hoop_catalog_outdated{target="shop"} 1',
  ]);
});

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

test('what commands count is told each time as the sum since the start, by target and by outcome', async () => {
  const { stats, render } = createMetrics({ sessions: () => 0, runs: () => 0, catalogs: () => [] });
  const told = async () =>
    (await render()).text.split('\n').filter((line) => /^hoop_(commands|rows|masked|outcomes)/.test(line));
  stats.permitted('shop', 2);
  stats.settled('shop', { state: 'completed', rows: 3, maskedCells: 1, durationMs: 1 });
  stats.settled('orders-db', { state: 'failed', durationMs: 1 });
  const first = [
    'hoop_commands_total{target="shop"} 2',
    'hoop_rows_total{target="shop"} 3',
    'hoop_masked_cells_total{target="shop"} 1',
    'hoop_outcomes_total{target="shop",state="completed"} 1',
    'hoop_outcomes_total{target="orders-db",state="failed"} 1',
  ];
  assert.deepEqual((await told()).sort(), [...first].sort());
  assert.deepEqual((await told()).sort(), [...first].sort());
  stats.permitted('shop', 1);
  assert.ok((await told()).includes('hoop_commands_total{target="shop"} 3'));
});

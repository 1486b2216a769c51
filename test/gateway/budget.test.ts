/** Limits: what a statement and a run may take, and that nobody spends the same budget twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMeter, createRunBudget } from '../../src/gateway/budget.ts';

const quiet = { wouldBe: () => {} };
const MiB = 1024 * 1024;

test('the row that goes over the limit is the one that is not let through', () => {
  const meter = createMeter([{ rule: 'small', rowsPerStatement: 2 }], 'postgres', createRunBudget(), quiet);
  assert.equal(meter.take(2, 10), undefined);
  assert.equal(meter.rowsLeft, 0);
  assert.deepEqual(meter.take(1, 10), { rule: 'small', limit: 'rowsPerStatement', allowed: 2 });
});

test('parallel statements of a run draw on one budget', () => {
  const run = createRunBudget();
  const limits = [{ rule: 'run', rowsPerRun: 10 }];
  const one = createMeter(limits, 'postgres', run, quiet);
  const two = createMeter(limits, 'postgres', run, quiet);
  assert.equal(one.take(6, 0), undefined);
  assert.equal(two.rowsLeft, 4);
  assert.equal(two.take(5, 0)?.limit, 'rowsPerRun');
});

test('another run has its own budget', () => {
  const limits = [{ rule: 'run', bytesPerRun: 10 }];
  createMeter(limits, 'postgres', createRunBudget(), quiet).take(0, 10);
  assert.equal(createMeter(limits, 'postgres', createRunBudget(), quiet).take(0, 10), undefined);
});

test('what was taken in an earlier life of the gateway counts', () => {
  const kept = createRunBudget({ run: { rows: 9, bytes: 0 } });
  const meter = createMeter([{ rule: 'run', rowsPerRun: 10 }], 'postgres', kept, quiet);
  assert.equal(meter.rowsLeft, 1);
  assert.equal(meter.take(2, 0)?.limit, 'rowsPerRun');
});

test('it is worth writing down where something counts over the run', () => {
  const unlimited = createRunBudget();
  const none = [{ rule: 'bulk', rowsPerStatement: 5, bytesPerStatement: Infinity, bytesPerRun: Infinity }];
  createMeter(none, 'postgres', unlimited, quiet).take(1, 1);
  const limited = createRunBudget();
  createMeter([], 'postgres', limited, quiet).take(1, 1);
  assert.deepEqual([unlimited.changed, limited.changed], [false, true]);
});

test('the strictest of several limits counts', () => {
  const limits = [
    { rule: 'wide', rowsPerStatement: 100 },
    { rule: 'narrow', rowsPerStatement: 1 },
  ];
  const meter = createMeter(limits, 'postgres', createRunBudget(), quiet);
  assert.equal(meter.take(2, 0)?.rule, 'narrow');
});

test('SQL results have a limit where policy sets none', () => {
  const meter = createMeter([], 'postgres', createRunBudget(), quiet);
  assert.equal(meter.take(1, 10 * MiB), undefined);
  assert.equal(meter.take(1, 1)?.rule, 'default');
});

test('`none` lifts the default', () => {
  const none = [{ rule: 'bulk', bytesPerStatement: Infinity, bytesPerRun: Infinity }];
  const meter = createMeter(none, 'postgres', createRunBudget(), quiet);
  assert.equal(meter.take(1, 1000 * MiB), undefined);
});

test('other protocols have no default', () => {
  const meter = createMeter([], 'http', createRunBudget(), quiet);
  assert.equal(meter.take(0, 1000 * MiB), undefined);
});

test('a limit in shadow is noticed once and stops nothing', () => {
  const noticed: unknown[] = [];
  const limits = [{ rule: 'later', rowsPerStatement: 1, shadow: true }];
  const meter = createMeter(limits, 'postgres', createRunBudget(), { wouldBe: (reached) => noticed.push(reached) });
  for (let i = 0; i < 5; i++) assert.equal(meter.take(1, 0), undefined);
  assert.deepEqual(noticed, [{ rule: 'later', limit: 'rowsPerStatement', allowed: 1 }]);
});

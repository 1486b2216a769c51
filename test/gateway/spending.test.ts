/** A restart of the gateway gives no run a new budget. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createMeter, createRunBudget } from '../../src/gateway/budget.ts';
import { keepSpending } from '../../src/gateway/spending.ts';
import { FakeClock, settled } from '../fakes/clock.ts';
import { dana } from '../fakes/gate.ts';
import { gatewayUnderTest, VERIFIER } from '../fakes/gateway.ts';

type Written = { id: string; spent: Readonly<Record<string, { readonly rows: number; readonly bytes: number }>> };

function book() {
  const clock = new FakeClock();
  const runs = ['one', 'two', 'idle'].map((id) => ({ id, budget: createRunBudget() }));
  const writes: Written[][] = [];
  const faults: unknown[] = [];
  let broken = false;
  const spending = keepSpending({
    clock,
    runs: () => runs,
    onFault: (_where, error) => faults.push(error),
    store: {
      async spent(entries) {
        if (broken) throw new Error('the store is away');
        writes.push(structuredClone(entries) as Written[]);
      },
    },
  });
  const take = (id: string, rows: number) => {
    const run = runs.find((one) => one.id === id);
    assert.ok(run);
    createMeter([{ rule: 'all', rowsPerRun: 100, bytesPerRun: 1e6 }], 'http', run.budget, { wouldBe() {} }).take(
      rows,
      10,
    );
  };
  const fail = (how: boolean): void => {
    broken = how;
  };
  return { clock, writes, faults, spending, take, fail };
}

describe('what runs take', () => {
  test('is written down together from time to time, and not again while nothing more is taken', async () => {
    const { clock, writes, take } = book();
    take('one', 1);
    take('two', 2);
    take('one', 3);
    assert.deepEqual(writes, []);
    await clock.advance(5_000);
    await clock.advance(60_000);
    assert.deepEqual(writes, [
      [
        { id: 'one', spent: { all: { rows: 4, bytes: 20 } } },
        { id: 'two', spent: { all: { rows: 2, bytes: 10 } } },
      ],
    ]);
  });

  test('is written down when the gateway stops, and no more after that', async () => {
    const { clock, writes, take, spending } = book();
    take('one', 1);
    await spending.stop();
    assert.equal(writes.length, 1);
    take('one', 1);
    await clock.advance(60_000);
    assert.equal(writes.length, 1);
  });

  test('is not forgotten while the store is away', async () => {
    const { clock, writes, faults, take, fail } = book();
    fail(true);
    take('one', 1);
    await clock.advance(5_000);
    await settled();
    assert.equal(faults.length, 1);
    fail(false);
    await clock.advance(5_000);
    await settled();
    assert.deepEqual(writes, [[{ id: 'one', spent: { all: { rows: 1, bytes: 10 } } }]]);
  });

  test('is there for the next life of the gateway', async () => {
    const { runs, store, clock, faults } = await gatewayUnderTest();
    const request = { kind: 'run', targets: [{ name: 'orders-db', verifier: VERIFIER }] } as const;
    const { run } = await runs.start({ principal: dana, vouchedAt: clock.now() }, request);
    const spending = keepSpending({
      store: store.runs,
      clock,
      runs: () => runs.all(),
      onFault: (_, e) => faults.push(e as never),
    });
    createMeter([], 'postgres', run.budget, { wouldBe() {} }).take(7, 1_000);
    await spending.stop();
    const again = await gatewayUnderTest({ store, clock });
    await again.runs.restore();
    assert.deepEqual(again.runs.byId(run.id)?.budget.spent.get('default'), { rows: 7, bytes: 1_000 });
  });
});

/** Limits: what a statement and a run may take, and that nobody spends the same budget twice. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
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

const ASK = {
  rule: 'big',
  approvers: { groups: ['db-owners'] },
  within: 1,
  wait: 1,
  self: false,
  proof: { kind: 'login' },
  notify: [],
} as const;

test('what would go over a limit that holds is not taken, and says how much more people are asked for', () => {
  const limits = [{ rule: 'big', rowsPerStatement: 10, bytesPerRun: 100, ask: ASK }];
  const meter = createMeter(limits, 'http', createRunBudget(), quiet);
  meter.take(10, 50);
  assert.equal(meter.reached(1, 1)?.ask?.more, 10);
  // One row that is larger than the limit: as often its amount as it takes.
  assert.equal(meter.reached(0, 351)?.ask?.more, 400);
  assert.deepEqual([meter.rowsLeft, meter.bytesLeft], [0, 50]);
});

test('a limit that cuts is told before one that asks', () => {
  const limits = [
    { rule: 'big', rowsPerStatement: 1, ask: ASK },
    { rule: 'hard', rowsPerStatement: 2 },
  ];
  const meter = createMeter(limits, 'http', createRunBudget(), quiet);
  assert.equal(meter.reached(2, 0)?.rule, 'big');
  assert.equal(meter.reached(3, 0)?.rule, 'hard');
});

test('what people gave one statement is no other statement of the run, and takes nothing from the budget', () => {
  const run = createRunBudget();
  const limits = [{ rule: 'big', rowsPerRun: 10, ask: ASK }];
  const one = createMeter(limits, 'http', run, quiet);
  const two = createMeter(limits, 'http', run, quiet);
  one.take(10, 0);
  const reached = one.reached(1, 0);
  assert.ok(reached);
  one.grant(reached);
  assert.deepEqual([one.rowsLeft, two.rowsLeft], [10, 0]);
  assert.equal(one.take(10, 0), undefined);
  assert.deepEqual([one.rowsLeft, two.rowsLeft, run.spent.get('big')?.rows], [0, 0, 10]);
});

test('a result read in pieces is one statement', () => {
  const limits = [{ rule: 'small', rowsPerStatement: 10 }];
  const first = createMeter(limits, 'http', createRunBudget(), quiet);
  first.take(8, 0);
  const second = createMeter(limits, 'http', createRunBudget(), quiet);
  second.continues?.(first);
  assert.equal(second.rowsLeft, 2);
});

describe('what is asked for', () => {
  const spending = [{ rule: 'model', requestsPerRun: 2, tokensPerRun: 1000, spendPerRun: 0.3 }];

  test('is taken whole, or not at all', () => {
    const run = createRunBudget();
    const meter = createMeter(spending, 'http', run, quiet);
    assert.deepEqual(meter.count({ tokens: 1001, requests: 1 }), {
      rule: 'model',
      limit: 'tokensPerRun',
      allowed: 1000,
    });
    assert.equal(run.spent.get('model')?.requests, undefined);
    assert.equal(meter.count({ tokens: 1000, requests: 2 }), undefined);
    assert.equal(meter.count({ requests: 1 })?.limit, 'requestsPerRun');
  });

  test('is one budget for all sessions of the run', () => {
    const run = createRunBudget();
    assert.equal(createMeter(spending, 'http', run, quiet).count({ tokens: 700 }), undefined);
    const other = createMeter(spending, 'http', run, quiet);
    assert.equal(other.count({ tokens: 301 })?.limit, 'tokensPerRun');
    assert.equal(other.count({ tokens: 300 }), undefined);
  });

  test('is given back where a reservation was too much', () => {
    const meter = createMeter(spending, 'http', createRunBudget(), quiet);
    assert.equal(meter.count({ tokens: 1000, spend: 0.3 }), undefined);
    assert.equal(meter.count({ tokens: -400, spend: -0.1 }), undefined);
    assert.equal(meter.count({ tokens: 400, spend: 0.1 }), undefined);
    assert.equal(meter.count({ spend: 0.000001 })?.limit, 'spendPerRun');
  });

  test('leaves nothing behind of many small amounts', () => {
    const run = createRunBudget();
    const meter = createMeter(spending, 'http', run, quiet);
    for (let i = 0; i < 3000; i++) assert.equal(meter.count({ spend: 0.0001 }), undefined);
    assert.equal(run.spent.get('model')?.spend, 0.3);
    for (let i = 0; i < 3000; i++) meter.count({ spend: -0.0001 });
    assert.equal(run.spent.get('model')?.spend, 0);
  });

  test('counts even beyond the limit where it happened already', () => {
    const meter = createMeter(spending, 'http', createRunBudget(), quiet);
    assert.equal(meter.count({ tokens: 1500 }, 'spent')?.limit, 'tokensPerRun');
    assert.equal(meter.count({ tokens: 1 })?.limit, 'tokensPerRun');
    meter.count({ tokens: -500 });
    assert.equal(meter.count({ tokens: 1 })?.limit, 'tokensPerRun');
  });

  test('never becomes less than nothing, and no credit', () => {
    const meter = createMeter(spending, 'http', createRunBudget(), quiet);
    meter.count({ tokens: -5000 });
    assert.equal(meter.count({ tokens: 1001 })?.limit, 'tokensPerRun');
  });

  test('counts on after a restart of the gateway', () => {
    const before = createRunBudget();
    createMeter(spending, 'http', before, quiet).count({ requests: 2, tokens: 10 });
    assert.equal(before.changed, true);
    const written = JSON.parse(JSON.stringify(Object.fromEntries(before.spent)));
    const meter = createMeter(spending, 'http', createRunBudget(written), quiet);
    assert.equal(meter.count({ requests: 1 })?.limit, 'requestsPerRun');
  });

  test('in shadow is told once for each statement and keeps nothing back', () => {
    const told: string[] = [];
    const run = createRunBudget();
    const shadow = [{ rule: 'model', tokensPerRun: 10, shadow: true }];
    const meter = createMeter(shadow, 'http', run, { wouldBe: ({ limit }) => told.push(limit) });
    for (let i = 0; i < 5; i++) assert.equal(meter.count({ tokens: 5 }), undefined);
    assert.deepEqual([told, run.spent.get('model')?.tokens], [['tokensPerRun'], 25]);
  });

  test('that nobody can put a price on is over every limit, and spoils no sum', () => {
    const run = createRunBudget();
    const meter = createMeter(spending, 'http', run, quiet);
    for (const spend of [Infinity, Number.NaN]) {
      assert.equal(meter.count({ spend })?.limit, 'spendPerRun');
      assert.equal(meter.count({ spend }, 'spent')?.limit, 'spendPerRun');
    }
    assert.equal(meter.count({ spend: 0.3 }), undefined);
    assert.equal(run.spent.get('model')?.spend, 0.3);
    assert.equal(
      createMeter([{ rule: 'rows', rowsPerRun: 1 }], 'http', run, quiet).count({ spend: Infinity }),
      undefined,
    );
  });

  test('is not counted at all where a stricter limit refuses it', () => {
    const run = createRunBudget();
    const both = [
      { rule: 'wide', tokensPerRun: 100 },
      { rule: 'narrow', tokensPerRun: 10 },
    ];
    assert.equal(createMeter(both, 'http', run, quiet).count({ tokens: 11 })?.rule, 'narrow');
    assert.equal(run.spent.get('wide')?.tokens, undefined);
  });
});

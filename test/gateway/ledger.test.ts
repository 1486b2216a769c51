/** Budgets over all runs of an agent or a subject: nobody gets another one by starting anew, by another name, or by waiting for the hour to turn. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LimitRule } from '../../src/domain/verdict.ts';
import { createMeter, createRunBudget } from '../../src/gateway/budget.ts';
import { createLedger, type Ledger, openLedger, type Spender } from '../../src/gateway/ledger.ts';
import { keepSpending } from '../../src/gateway/spending.ts';
import { createStore } from '../../src/store/index.ts';
import { FakeClock } from '../fakes/clock.ts';
import { dana, riley } from '../fakes/gate.ts';

const HOUR = 3_600_000;
const quiet = { wouldBe: () => {} };
const daily = (per: 'agent' | 'subject'): LimitRule => ({
  rule: 'daily',
  rowsPerRun: 100,
  over: { per, windowMs: 24 * HOUR },
});
const registered = { kind: 'registered', name: 'weekly-report', owners: { users: [] } } as const;

/** A new run's meter. */
function meter(ledger: Ledger, rule: LimitRule, spender: Spender) {
  return createMeter(
    [rule],
    'http',
    createRunBudget({}, (limit) => ledger.account(limit, spender)),
    quiet,
  );
}

describe('a budget per agent', () => {
  test('is one for all its runs, whoever launched them', () => {
    const ledger = createLedger(new FakeClock());
    const limit = daily('agent');
    meter(ledger, limit, { principal: dana, agent: registered }).take(60, 0);
    const next = meter(ledger, limit, { principal: riley, agent: registered });
    assert.equal(next.rowsLeft, 40);
    assert.equal(next.take(41, 0)?.limit, 'rowsPerRun');
  });

  test('is not another one under another name that anybody may give', () => {
    const ledger = createLedger(new FakeClock());
    const claimed = (name: string) => ({ principal: dana, agent: { kind: 'claimed', name } as const });
    meter(ledger, daily('agent'), claimed('dana/one')).take(60, 0);
    assert.equal(meter(ledger, daily('agent'), claimed('dana/two')).rowsLeft, 40);
    assert.equal(meter(ledger, daily('agent'), { principal: dana, agent: undefined }).rowsLeft, 40);
    assert.equal(meter(ledger, daily('agent'), { principal: riley, agent: undefined }).rowsLeft, 100);
  });

  test('holds for runs that go on at the same time', () => {
    const ledger = createLedger(new FakeClock());
    const meters = Array.from({ length: 50 }, () =>
      meter(ledger, daily('agent'), { principal: dana, agent: registered }),
    );
    let flowed = 0;
    for (let round = 0; round < 10; round++)
      for (const one of meters) {
        if (one.rowsLeft < 1) continue;
        one.take(1, 10);
        flowed++;
      }
    assert.equal(flowed, 100);
  });
});

describe('a budget per subject', () => {
  test('is one for all agents of a person, and another for another person', () => {
    const ledger = createLedger(new FakeClock());
    meter(ledger, daily('subject'), { principal: dana, agent: registered }).take(60, 0);
    assert.equal(meter(ledger, daily('subject'), { principal: dana, agent: undefined }).rowsLeft, 40);
    assert.equal(meter(ledger, daily('subject'), { principal: riley, agent: registered }).rowsLeft, 100);
  });

  test('does not mix up two people of one name under two issuers', () => {
    const ledger = createLedger(new FakeClock());
    meter(ledger, daily('subject'), { principal: dana, agent: undefined }).take(60, 0);
    const other = { ...dana, issuer: 'https://other.test' };
    assert.equal(meter(ledger, daily('subject'), { principal: other, agent: undefined }).rowsLeft, 100);
  });
});

describe('the window', () => {
  const spender = { principal: dana, agent: undefined };

  test('moves along: what was taken comes back when it is older than the window, and not before', async () => {
    const clock = new FakeClock();
    const ledger = createLedger(clock);
    const one = meter(ledger, daily('subject'), spender);
    one.take(60, 0);
    await clock.advance(12 * HOUR);
    one.take(40, 0);
    await clock.advance(12 * HOUR - 1);
    assert.equal(one.rowsLeft, 0);
    // A sixtieth of the window later at most.
    await clock.advance(0.4 * HOUR + 1);
    assert.equal(one.rowsLeft, 60);
    await clock.advance(12 * HOUR);
    assert.equal(one.rowsLeft, 100);
  });

  test('gives no second budget to who waits for it to turn', async () => {
    const clock = new FakeClock();
    const ledger = createLedger(clock);
    const one = meter(ledger, daily('subject'), spender);
    await clock.advance(23.9 * HOUR);
    one.take(100, 0);
    await clock.advance(0.2 * HOUR);
    assert.equal(one.rowsLeft, 0);
  });

  test('counts on when the clock is set back', async () => {
    let now = 100 * HOUR;
    const ledger = createLedger({ now: () => now });
    const one = meter(ledger, daily('subject'), spender);
    one.take(100, 0);
    now -= 48 * HOUR;
    assert.equal(one.rowsLeft, 0);
  });
});

test('a restart of the gateway gives no agent a new budget', async () => {
  const clock = new FakeClock();
  const store = await createStore({ url: 'sqlite::memory:', clock });
  const spender = { principal: dana, agent: registered };
  const ledger = await openLedger(clock, store.spending);
  const spending = keepSpending({
    store: store.runs,
    shared: { ledger, store: store.spending },
    clock,
    runs: () => [],
    onFault: (_where, error) => assert.fail(String(error)),
  });
  meter(ledger, daily('agent'), spender).take(70, 5);
  await spending.stop();
  const again = await openLedger(clock, store.spending);
  assert.equal(meter(again, daily('agent'), spender).rowsLeft, 30);
  await store.close();
});

test('what could not be written down is written down later', async () => {
  const clock = new FakeClock();
  const ledger = createLedger(clock);
  const spender = { principal: dana, agent: registered };
  const saved: unknown[] = [];
  let broken = true;
  const spending = keepSpending({
    store: { spent: async () => {} },
    shared: {
      ledger,
      store: {
        async save(rows) {
          if (broken) throw new Error('the store is away');
          saved.push(...rows.map(({ slots }) => slots));
        },
      },
    },
    clock,
    runs: () => [],
    onFault: () => {},
  });
  meter(ledger, daily('agent'), spender).take(7, 3);
  await clock.advance(5_000);
  broken = false;
  await spending.stop();
  assert.deepEqual(saved, [[{ at: 1, rows: 7, bytes: 3 }].map((slot) => ({ ...slot, at: clock.now() - 5_000 }))]);
});

test('an account that is empty again is forgotten, in the store too', async () => {
  const clock = new FakeClock();
  const store = await createStore({ url: 'sqlite::memory:', clock });
  const ledger = createLedger(clock);
  const spender = { principal: dana, agent: registered };
  meter(ledger, daily('agent'), spender).take(7, 3);
  await store.spending.save(ledger.changes());
  await clock.advance(25 * HOUR);
  for (let i = 0; i < 1_000; i++) ledger.account(daily('subject'), { principal: riley, agent: undefined });
  await store.spending.save(ledger.changes());
  assert.deepEqual(await store.spending.list(), []);
  await store.close();
});

describe('requests, tokens and spend over a window', () => {
  const spender = { principal: dana, agent: undefined };
  const tokens: LimitRule = { rule: 'tokens', tokensPerRun: 100, over: { per: 'subject', windowMs: 24 * HOUR } };

  test('are one budget over all runs, and come back with the window', async () => {
    const clock = new FakeClock();
    const ledger = createLedger(clock);
    assert.equal(meter(ledger, tokens, spender).count({ tokens: 80 }), undefined);
    const next = meter(ledger, tokens, spender);
    assert.equal(next.count({ tokens: 21 })?.limit, 'tokensPerRun');
    await clock.advance(24.5 * HOUR);
    assert.equal(next.count({ tokens: 100 }), undefined);
  });

  test('what is given back after it left the window is no credit', async () => {
    const clock = new FakeClock();
    const ledger = createLedger(clock);
    const one = meter(ledger, tokens, spender);
    one.count({ tokens: 100 });
    await clock.advance(25 * HOUR);
    one.count({ tokens: -100 });
    assert.equal(one.count({ tokens: 101 })?.limit, 'tokensPerRun');
  });

  test('what is given back leaves what was taken later in its place', async () => {
    const clock = new FakeClock();
    const ledger = createLedger(clock);
    const one = meter(ledger, tokens, spender);
    one.count({ tokens: 50 });
    await clock.advance(12 * HOUR);
    one.count({ tokens: 50 });
    one.count({ tokens: -40 });
    await clock.advance(12.5 * HOUR);
    assert.equal(one.count({ tokens: 51 })?.limit, 'tokensPerRun');
    assert.equal(one.count({ tokens: 50 }), undefined);
  });

  test('are there after a restart, beside what was written down before they were counted', async () => {
    const clock = new FakeClock();
    const store = await createStore({ url: 'sqlite::memory:', clock });
    await store.spending.save([{ key: 'old', slots: [{ at: clock.now(), rows: 5, bytes: 1 }] }]);
    const ledger = await openLedger(clock, store.spending);
    meter(ledger, tokens, spender).count({ tokens: 99 });
    await store.spending.save(ledger.changes());
    const again = await openLedger(clock, store.spending);
    assert.equal(meter(again, tokens, spender).count({ tokens: 2 })?.limit, 'tokensPerRun');
    await store.close();
  });
});

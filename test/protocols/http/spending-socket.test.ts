/** Budgets at a model that is asked over a WebSocket. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMeter, createRunBudget } from '../../../src/gateway/budget.ts';
import { reserve } from '../../../src/protocols/http/spending.ts';
import type { HttpSettings } from '../../../src/protocols/http/settings.ts';
import { command } from '../../fakes/gate.ts';

const SETTINGS = { preset: 'openai', prices: [{ model: 'gpt-5', input: 1, output: 10 }] } as unknown as HttpSettings;

function run(tokensPerRun: number, spendPerRun = 1) {
  const budget = createRunBudget();
  const limits = [{ rule: 'model', tokensPerRun, spendPerRun }];
  const open = (model = 'gpt-5') =>
    reserve(
      SETTINGS,
      command('GET /v1/realtime', ['execute'], { facts: { 'http.upgrade': 'websocket', 'http.query.model': [model] } }),
      createMeter(limits, 'http', budget, { wouldBe() {} }),
    );
  const spent = () => {
    const { tokens = 0, spend = 0 } = budget.spent.get('model') ?? {};
    return { tokens, spend: Math.round(spend * 1e9) / 1e9 };
  };
  return { open, spent };
}

const message = (value: object) => Buffer.from(JSON.stringify(value));
const created = message({ type: 'response.created', response: { usage: null } });
const done = (input: number, output: number) =>
  message({
    type: 'response.done',
    response: {
      usage: { input_tokens: input, output_tokens: output },
      output: [{ type: 'function_call', name: 'query' }],
    },
  });

test('each answer is counted as it ends, and what was reserved is given back', () => {
  const { open, spent } = run(100_000);
  const spending = open();
  assert.equal(spent().tokens, 8_192);
  for (const text of [created, done(100, 20), created, done(200, 30)])
    assert.equal(spending.message?.(text), undefined);
  const usage = { model: 'gpt-5', inputTokens: 300, outputTokens: 50, tools: ['query'] };
  const { cost, ...told } = spending.settle(true) ?? {};
  assert.deepEqual(told, usage);
  assert.equal(cost?.toFixed(6), '0.000800');
  assert.deepEqual(spent(), { tokens: 350, spend: 0.0008 });
});

test('an answer that is not waited for stays taken', () => {
  const { open, spent } = run(100_000);
  const spending = open();
  for (const text of [created, done(100, 20), created]) spending.message?.(text);
  spending.settle(true);
  assert.equal(spent().tokens, 8_192 + 120);
});

test('one that was asked nothing takes nothing', () => {
  const { open, spent } = run(100_000);
  open().settle(true);
  assert.deepEqual(spent(), { tokens: 0, spend: 0 });
});

test('what is over the budget is told', () => {
  const { open } = run(10_000);
  const spending = open();
  spending.message?.(created);
  assert.equal(spending.message?.(done(9_000, 2_000))?.limit, 'tokensPerRun');
  spending.settle(false);
  assert.equal(open().refused?.limit, 'tokensPerRun');
});

test('a model without a price is refused where there are prices and a limit on spend', () => {
  assert.equal(run(100_000).open('other').refused?.limit, 'spendPerRun');
});

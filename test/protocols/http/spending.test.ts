/** Budgets at a model: reserved before the request is sent, settled by what the answer says, and not to be had cheaper by lying. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createMeter, createRunBudget } from '../../../src/gateway/budget.ts';
import { reserve } from '../../../src/protocols/http/spending.ts';
import type { HttpSettings } from '../../../src/protocols/http/settings.ts';
import { command } from '../../fakes/gate.ts';

const SETTINGS = { preset: 'openai', prices: [{ model: 'gpt-5', input: 1, output: 10 }] } as unknown as HttpSettings;

function run(tokensPerRun = 10_000, spendPerRun = 1) {
  const budget = createRunBudget();
  const limits = [{ rule: 'model', tokensPerRun, spendPerRun }];
  const ask = (facts: object, body = 'x'.repeat(200)) =>
    reserve(
      SETTINGS,
      command('POST /v1/chat/completions', ['read'], {
        facts: { 'http.json.model': 'gpt-5', ...facts },
        parameters: [{ type: 'application/json', format: 'text', value: Buffer.from(body) }],
      }),
      createMeter(limits, 'http', budget, { wouldBe() {} }),
    );
  const spent = () => {
    const { tokens = 0, spend = 0 } = budget.spent.get('model') ?? {};
    return { tokens, spend };
  };
  return { ask, spent };
}

function answer(spending: ReturnType<typeof reserve>, said: object) {
  spending.begins('application/json');
  spending.heard(Buffer.from(JSON.stringify(said)));
  return spending.settle(true);
}

describe('a request to a model', () => {
  test('takes what it may need until its answer says what it took', () => {
    const { ask, spent } = run();
    const spending = ask({ 'http.json.max_tokens': 1_000 });
    assert.deepEqual(spent(), { tokens: 1_100, spend: 0.0101 });
    answer(spending, { model: 'gpt-5', usage: { prompt_tokens: 50, completion_tokens: 20 } });
    assert.deepEqual(spent(), { tokens: 70, spend: 0.00025 });
  });

  test('that may take more than is left is refused, and takes nothing', () => {
    const { ask, spent } = run(1_000);
    assert.equal(ask({ 'http.json.max_tokens': 1_000 }).refused?.limit, 'tokensPerRun');
    assert.deepEqual(spent(), { tokens: 0, spend: 0 });
  });

  test('keeps its reservation where the answer does not say what it took', () => {
    const { ask, spent } = run();
    answer(ask({ 'http.json.max_tokens': 1_000 }), { error: 'no' });
    assert.equal(spent().tokens, 1_100);
  });

  test('keeps its reservation where the answer was broken off after its first count', () => {
    const { ask, spent } = run();
    const spending = ask({ 'http.json.max_tokens': 1_000 });
    spending.begins('text/event-stream');
    const begun = { type: 'message_start', message: { model: 'gpt-5', usage: { input_tokens: 50, output_tokens: 1 } } };
    spending.heard(Buffer.from(`data: ${JSON.stringify(begun)}\n\n`));
    assert.equal(spending.settle(false)?.outputTokens, 1);
    assert.equal(spent().tokens, 1_100);
  });

  test('gets no credit by asking for less than nothing', () => {
    const { ask, spent } = run();
    answer(ask({ 'http.json.max_tokens': 5_000 }), {});
    const before = spent();
    ask({ 'http.json.max_tokens': -1_000_000 }).settle(true);
    assert.ok(spent().tokens >= before.tokens && spent().spend >= before.spend);
  });

  test('for a model without a price is over every limit on spend', () => {
    const { ask } = run();
    assert.equal(ask({ 'http.json.model': 'other' }).refused?.limit, 'spendPerRun');
    assert.equal(ask({ 'http.json.model': null }).refused?.limit, 'spendPerRun');
  });

  test('keeps what was reserved of money where the answer names a model without a price', () => {
    const { ask, spent } = run();
    const usage = { prompt_tokens: 50, completion_tokens: 20 };
    answer(ask({ 'http.json.max_tokens': 1_000 }), { model: 'gpt-5-2026-01-01', usage });
    assert.deepEqual(spent(), { tokens: 70, spend: 0.0101 });
  });
});

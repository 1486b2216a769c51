/** Models through the gateway, asked by the libraries that people ask them with: what they are told, what is recorded, and what a budget does. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, tool } from '@openai/agents';
import OpenAI, { APIError } from 'openai';
import { z } from 'zod';
import { CREDENTIAL, type HttpHouse, type HttpRun, startHttpHouse } from '../fakes/http-house.ts';
import { createModelApi, type ModelAsked } from '../fakes/model-api.ts';
import { type ModelTurn, USAGE } from '../fakes/model-dialects.ts';
import { until } from '../fakes/until.ts';
import { decide, openRequest } from './clients.ts';

const POLICY = `version: 1
roles:
  admin: { groups: [db-owners] }
access:
  - { name: models, subjects: { groups: [data-agents] }, targets: ['*'], effects: [read, write] }
rules:
  - name: no-large-models
    targets: ['*']
    when: { http.json.model: large }
    then: deny
    reason: too dear
  - name: no-mails-by-models
    targets: ['*']
    when: { http.json.tools: { any: [send_mail] } }
    then: deny
  - name: people-look
    targets: ['*']
    when: { http.json.model: held }
    then: { hold: { approvers: { groups: [db-owners] }, within: 5m, wait: 1s, self: false, proof: login } }
  - name: people-look-at-once
    targets: ['*']
    when: { http.json.model: looked-at }
    then: { hold: { approvers: { groups: [db-owners] }, within: 5m, wait: 60s, self: false, proof: login } }
masks:
  - { name: mails, targets: [masked], detect: [email], with: redact, direction: both }
limits:
  - { name: few-tokens, targets: [tokens], tokensPerRun: 400, then: deny }
  - { name: little-money, targets: [money], spendPerRun: 0.3, then: deny }
`;

/** What the model does for each model's name; otherwise it greets. */
const turns = new Map<string, (asked: ModelAsked, times: number) => ModelTurn>();
const times = new Map<string, number>();
const GREETING = 'Hello from the model.';
const api = createModelApi({
  key: CREDENTIAL,
  decide(asked) {
    const model = String(asked.body['model']);
    const before = times.get(model) ?? 0;
    times.set(model, before + 1);
    return turns.get(model)?.(asked, before) ?? { say: GREETING };
  },
});

const doors = new Map<string, Promise<HttpRun>>();
let house: HttpHouse;

before(async () => {
  const bearer = 'account: { bearer: { env: BILLING_TOKEN } }';
  const prices = "prices: { '*': { input: 1000, output: 1000, cached: 500 } }";
  const target = (address: string, ...lines: string[]) => [`address: ${address}`, ...lines];
  const listening = Promise.withResolvers<number>();
  api.server.listen(0, '127.0.0.1', () => listening.resolve((api.server.address() as { port: number }).port));
  const at = `http://127.0.0.1:${await listening.promise}`;
  house = await startHttpHouse({
    policy: POLICY,
    others: {
      openai: target(at, bearer, 'preset: openai', prices),
      silent: target(at, bearer, 'preset: openai', 'content: none'),
      masked: target(at, bearer, 'preset: openai'),
      tokens: target(at, bearer, 'preset: openai'),
      money: target(at, bearer, 'preset: openai', prices),
      anthropic: target(
        at,
        'account: { header: { name: x-api-key, value: { env: BILLING_TOKEN } } }',
        'preset: anthropic',
      ),
    },
  });
});

after(async () => {
  for (const opened of doors.values()) await (await opened.catch(() => undefined))?.[Symbol.asyncDispose]();
  await house?.[Symbol.asyncDispose]();
  api.server.closeAllConnections();
  api.server.close();
});

function door(target: string): Promise<HttpRun> {
  const known = doors.get(target) ?? house.run('dana', { target });
  doors.set(target, known);
  return known;
}

interface Counted {
  readonly openai: OpenAI;
  /** How often it asked. */
  asked(): number;
}

/** As a program that only has OPENAI_BASE_URL and OPENAI_API_KEY makes it. */
async function client(target = 'openai'): Promise<Counted> {
  const { url, secret } = await door(target);
  let asked = 0;
  const openai = new OpenAI({
    baseURL: `${url}/v1`,
    apiKey: secret,
    fetch: (input, init) => {
      // It tries out what fetch can do with a data: address.
      if (String(input).startsWith(url)) asked++;
      return fetch(input as string, init as RequestInit);
    },
  });
  return { openai, asked: () => asked };
}

const say = (content: string) => [{ role: 'user' as const, content }];

async function failure(asking: PromiseLike<unknown>): Promise<APIError> {
  const error = await Promise.resolve(asking).then(
    () => assert.fail('it was answered'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof APIError, String(error));
  return error;
}

async function usageOf(model: string, ...tools: string[]): Promise<Record<string, unknown>> {
  return until(`the usage of ${model} is recorded`, async () => {
    const results = (await house.events()).filter(({ type }) => type === 'result');
    return results
      .map(({ usage }) => usage as { readonly model?: string; readonly tools?: readonly string[] } | undefined)
      .find((usage) => usage?.model === model && tools.every((name) => usage.tools?.includes(name)));
  });
}

const COUNTED = { inputTokens: USAGE.input, outputTokens: USAGE.output, cachedTokens: USAGE.cached };
const WEATHER = {
  name: 'weather',
  description: 'tells the weather',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  },
};

describe('the openai client', () => {
  test('asks by Responses, whole and as a stream', async () => {
    const { openai } = await client();
    const answer = await openai.responses.create({ model: 'responses-whole', input: 'hello' });
    assert.equal(answer.output_text, GREETING);
    const stream = await openai.responses.create({ model: 'responses-stream', input: 'hello', stream: true });
    const kinds = new Set<string>();
    let text = '';
    for await (const event of stream) {
      kinds.add(event.type);
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    assert.equal(text, GREETING);
    assert.deepEqual([[...kinds][0], [...kinds].at(-1)], ['response.created', 'response.completed']);
    // 80 fresh tokens and 30 for 1000 a million, 40 cached ones for half of it.
    for (const model of ['responses-whole', 'responses-stream'])
      assert.deepEqual(await usageOf(model), { model, ...COUNTED, cost: 0.13 });
  });

  test('asks by Chat Completions, whole and as a stream', async () => {
    const { openai } = await client();
    const answer = await openai.chat.completions.create({ model: 'chat-whole', messages: say('hello') });
    assert.equal(answer.choices[0]?.message.content, GREETING);
    const stream = openai.chat.completions.stream({
      ...{ model: 'chat-stream', messages: say('hello') },
      stream_options: { include_usage: true },
    });
    let deltas = 0;
    stream.on('content', () => deltas++);
    assert.equal(await stream.finalContent(), GREETING);
    assert.ok(deltas > 2, 'in pieces');
    for (const model of ['chat-whole', 'chat-stream'])
      assert.deepEqual(await usageOf(model), { model, ...COUNTED, cost: 0.13 });
  });

  for (const stream of [false, true])
    test(`has tools called ${stream ? 'in a stream' : 'in a whole answer'}, and their names are recorded`, async () => {
      const { openai } = await client();
      const turn = ({ results }: ModelAsked): ModelTurn =>
        results.length === 0 ? { call: 'weather', with: { city: 'Paris' } } : { say: `it is ${results[0]}` };
      const [chat, responses] = [`chat-tools-${stream}`, `responses-tools-${stream}`];
      turns.set(chat, turn).set(responses, turn);
      const runner = openai.chat.completions.runTools({
        ...{ model: chat, messages: say('how is the weather?'), stream: stream as false },
        tools: [
          {
            type: 'function',
            function: {
              ...WEATHER,
              parse: JSON.parse,
              function: ({ city }: { city: string }) => `${city} is sunny`,
            },
          },
        ],
      });
      assert.equal(await runner.finalContent(), 'it is Paris is sunny');
      assert.deepEqual((await usageOf(chat, 'weather'))['tools'], ['weather']);
      const asking = { model: responses, tools: [{ type: 'function' as const, strict: true, ...WEATHER }], input: 'x' };
      const answer = stream
        ? await openai.responses.stream(asking).finalResponse()
        : await openai.responses.create(asking);
      const [call] = answer.output;
      assert.deepEqual(call?.type === 'function_call' && [call.name, call.arguments], ['weather', '{"city":"Paris"}']);
      assert.deepEqual((await usageOf(responses, 'weather'))['tools'], ['weather']);
    });

  test('lists models, and makes embeddings', async () => {
    const { openai } = await client();
    assert.deepEqual(
      (await openai.models.list()).data.map(({ id }) => id),
      ['small'],
    );
    const { data } = await openai.embeddings.create({ model: 'embedding', input: 'x', encoding_format: 'float' });
    assert.deepEqual(data[0]?.embedding, [0.5, 0.25]);
    assert.equal((await usageOf('embedding'))['inputTokens'], 8);
  });

  test('tries again what the provider failed at, and is told what it refuses', async () => {
    const { openai, asked } = await client();
    const headers = { 'retry-after-ms': '1' };
    turns.set('flaky', (_, before) => (before === 0 ? { fails: 500, headers } : { say: 'at last' }));
    turns.set('busy', (_, before) => (before === 0 ? { fails: 429, headers } : { say: 'now' }));
    turns.set('broken', () => ({ fails: 400, message: 'no such model' }));
    for (const [model, said] of [
      ['flaky', 'at last'],
      ['busy', 'now'],
    ] as const) {
      const answer = await openai.chat.completions.create({ model, messages: say('x') });
      assert.equal(answer.choices[0]?.message.content, said);
    }
    assert.equal(asked(), 4);
    const error = await failure(openai.chat.completions.create({ model: 'broken', messages: say('x') }));
    assert.deepEqual([error.status, error.code, error.requestID], [400, 'server_error', 'req_1']);
  });

  test('without the secret of its run asks nobody', async () => {
    const { url } = await door('openai');
    for (const apiKey of ['sk-wrong', CREDENTIAL]) {
      const before = api.asked.length;
      const error = await failure(
        new OpenAI({ baseURL: `${url}/v1`, apiKey }).chat.completions.create({ model: 'x', messages: say('x') }),
      );
      assert.deepEqual([error.status, error.code], [401, 'HOOP_DENIED']);
      assert.equal(api.asked.length, before);
    }
  });

  test('is told what policy denies, once, in words that it can act on', async () => {
    const { openai, asked } = await client();
    const before = api.asked.length;
    const error = await failure(openai.chat.completions.create({ model: 'large', messages: say('x') }));
    assert.deepEqual([error.status, error.code, error.type], [403, 'HOOP_DENIED', 'hoop_refusal']);
    assert.equal(error.message, '403 HOOP_DENIED: rule "no-large-models": too dear');
    const streaming = await failure(openai.responses.create({ model: 'large', input: 'x', stream: true }));
    assert.equal(streaming.code, 'HOOP_DENIED');
    const tools = [{ type: 'function' as const, function: { ...WEATHER, name: 'send_mail' } }];
    const mailing = await failure(openai.chat.completions.create({ model: 'x', messages: say('x'), tools }));
    assert.match(mailing.message, /no-mails-by-models/);
    const hosted = await failure(
      openai.responses.create({ model: 'x', input: 'x', tools: [{ type: 'web_search_preview' }] }),
    );
    assert.match(hosted.message, /execute/);
    const file = await failure(openai.files.create({ file: new File(['rows'], 'rows.jsonl'), purpose: 'fine-tune' }));
    assert.equal(file.code, 'HOOP_DENIED');
    assert.deepEqual([api.asked.length, asked()], [before, 5]);
  });

  test('waits for people, and is told what they say', async () => {
    const { openai, asked } = await client();
    const run = await door('openai');
    const ask = () => openai.responses.create({ model: 'looked-at', input: 'please' });
    const agreed = ask();
    const first = await openRequest(house.stack, run, 'POST /v1/responses');
    await decide(house.stack, first.id, 'riley');
    assert.equal((await agreed).output_text, GREETING);
    const denied = failure(ask());
    const second = await openRequest(house.stack, run, 'POST /v1/responses', [first.id]);
    await decide(house.stack, second.id, 'riley', 'deny', 'not this one');
    const error = await denied;
    assert.deepEqual([error.status, error.code], [403, 'HOOP_DENIED']);
    assert.match(error.message, /not this one/);
    assert.equal(asked(), 2);
  });

  test('tries again by itself where people take longer', async () => {
    const { openai } = await client();
    const run = await door('openai');
    const before = run.events.flatMap((event) => (event.type === 'held' ? [event.approval] : []));
    const asking = openai.chat.completions.create({ model: 'held', messages: say('please') });
    const request = await openRequest(house.stack, run, '/v1/chat/completions', before);
    await decide(house.stack, request.id, 'riley');
    assert.equal((await asking).choices[0]?.message.content, GREETING);
  });

  test('is told what waits for longer, and the same request goes once it is approved', async () => {
    const { openai } = await client();
    const ask = () => openai.responses.create({ model: 'held', input: 'again' }, { maxRetries: 0 });
    const error = await failure(ask());
    assert.deepEqual([error.status, error.code], [409, 'HOOP_HELD']);
    await decide(house.stack, String((error.error as { request: string }).request), 'riley');
    assert.equal((await ask()).output_text, GREETING);
  });
});

describe('budgets', () => {
  for (const [target, limit] of [
    ['tokens', 'few-tokens'],
    ['money', 'little-money'],
  ] as const)
    test(`what is left of ${target} is asked for; the rest is refused, and not tried again`, async () => {
      const { openai, asked } = await client(target);
      const before = api.asked.length;
      const ask = () =>
        openai.chat.completions.create({ model: 'small', messages: say('x'), max_completion_tokens: 100 });
      await ask();
      await ask();
      const error = await failure(ask());
      assert.deepEqual([error.status, error.code], [429, 'HOOP_LIMIT']);
      assert.match(error.message, new RegExp(limit));
      assert.deepEqual([asked(), api.asked.length - before], [3, 2]);
      // What does not ask a model takes nothing of it.
      assert.equal((await openai.models.list()).data.length, 1);
    });

  test('an answer that may be longer than what is left is not begun', async () => {
    await using run = await house.run('dana', { target: 'tokens' });
    const openai = new OpenAI({ baseURL: `${run.url}/v1`, apiKey: run.secret });
    const before = api.asked.length;
    const error = await failure(
      openai.responses.create({ model: 'small', input: 'x', max_output_tokens: 5000, stream: true }),
    );
    assert.deepEqual([error.code, api.asked.length], ['HOOP_LIMIT', before]);
  });
});

describe('what is said to a model', () => {
  test('is recorded with what detectors find taken out, or not at all', async () => {
    const secretive = 'mail ann@example.test about the blue heron';
    for (const target of ['openai', 'silent']) {
      const { openai } = await client(target);
      turns.set(`recorded-${target}`, () => ({ say: 'I wrote to bob@example.test: the heron is grey' }));
      const { output_text } = await openai.responses.create({ model: `recorded-${target}`, input: secretive });
      assert.match(output_text, /bob@example\.test/);
      await usageOf(`recorded-${target}`);
    }
    const events = await house.events();
    const of = (target: string) =>
      JSON.stringify(events.filter((event) => JSON.stringify(event).includes(`recorded-${target}`)));
    assert.match(of('openai'), /about the blue heron/);
    assert.match(of('openai'), /the heron is grey/);
    const all = JSON.stringify(events);
    assert.doesNotMatch(all, /ann@example|bob@example/);
    assert.equal(all.match(/blue heron/g)?.length, of('openai').match(/blue heron/g)?.length);
    assert.doesNotMatch(of('silent'), /heron/);
    assert.doesNotMatch(all, new RegExp(CREDENTIAL));
  });

  test('is masked on its way out and back, also where it is told in pieces', async () => {
    const { openai } = await client('masked');
    turns.set('masked', () => ({ say: 'Write to ann@example.test today, please.' }));
    turns.set('masked-call', () => ({ call: 'weather', with: { city: 'ann@example.test' } }));
    for (const asking of [
      async () => (await openai.responses.create({ model: 'masked', input: 'I am dana@example.test' })).output_text,
      async () =>
        (await openai.responses.stream({ model: 'masked', input: 'I am dana@example.test' }).finalResponse())
          .output_text,
      async () =>
        await openai.chat.completions
          .stream({ model: 'masked', messages: say('I am dana@example.test') })
          .finalContent(),
    ]) {
      assert.equal(await asking(), 'Write to *** today, please.');
      assert.match(JSON.stringify(api.asked.at(-1)?.body), /I am \*\*\*/);
    }
    let deltas = '';
    const stream = await openai.responses.create({ model: 'masked', input: 'x', stream: true });
    for await (const event of stream) if (event.type === 'response.output_text.delta') deltas += event.delta;
    assert.equal(deltas, 'Write to *** today, please.');
    const { output } = await openai.responses
      .stream({ model: 'masked-call', input: 'x', tools: [{ type: 'function', strict: true, ...WEATHER }] })
      .finalResponse();
    assert.equal(output[0]?.type === 'function_call' && output[0].arguments, '{"city":"***"}');
  });
});

describe("OpenAI's Agents SDK", () => {
  const weather = tool({
    name: 'weather',
    description: 'tells the weather',
    parameters: z.object({ city: z.string() }),
    execute: async ({ city }) => `${city} is sunny`,
  });
  const turn = ({ results }: ModelAsked): ModelTurn =>
    results.length === 0 ? { call: 'weather', with: { city: 'Oslo' } } : { say: `So ${results[0]}.` };
  const runner = new Runner({ tracingDisabled: true });

  for (const [api, Model] of [
    ['responses', OpenAIResponsesModel],
    ['chat', OpenAIChatCompletionsModel],
  ] as const)
    test(`runs an agent with a tool by ${api}, whole and as a stream`, async () => {
      const { openai } = await client();
      turns.set(`agent-${api}`, turn);
      const agent = new Agent({
        ...{ name: 'a', instructions: 'use your tools', tools: [weather] },
        model: new Model(openai as never, `agent-${api}`),
      });
      assert.equal((await runner.run(agent, 'weather?')).finalOutput, 'So Oslo is sunny.');
      const streamed = await runner.run(agent, 'weather?', { stream: true });
      let text = '';
      for await (const part of streamed.toTextStream()) text += part;
      await streamed.completed;
      assert.equal(text, 'So Oslo is sunny.');
      assert.deepEqual((await usageOf(`agent-${api}`, 'weather'))['tools'], ['weather']);
    });

  test('hands on what policy denies', async () => {
    const { openai } = await client();
    const agent = new Agent({ name: 'a', model: new OpenAIResponsesModel(openai as never, 'large') });
    const error = await failure(runner.run(agent, 'x'));
    assert.equal(error.code, 'HOOP_DENIED');
    const streamed = await runner.run(agent, 'x', { stream: true });
    await assert.rejects(async () => {
      for await (const _ of streamed.toTextStream());
      await streamed.completed;
    }, /HOOP_DENIED/);
  });
});

describe("Anthropic's Messages", () => {
  const ask = async (body: Record<string, unknown>) => {
    const { url, secret } = await door('anthropic');
    return fetch(`${url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': secret, 'anthropic-version': '2023-06-01', 'content-type': 'application/json' },
      body: JSON.stringify({ max_tokens: 100, messages: say('hello'), ...body }),
    });
  };

  test('are answered whole and as a stream, with the key as its header has it', async () => {
    turns.set('claude-stream', () => ({ call: 'weather', with: { city: 'Rome' } }));
    const whole = (await (await ask({ model: 'claude-whole' })).json()) as { content: { text: string }[] };
    assert.equal(whole.content[0]?.text, GREETING);
    assert.equal(api.asked.at(-1)?.headers['anthropic-version'], '2023-06-01');
    assert.deepEqual(await usageOf('claude-whole'), { model: 'claude-whole', ...COUNTED });
    const streamed = await ask({ model: 'claude-stream', stream: true });
    assert.match(streamed.headers.get('content-type') ?? '', /^text\/event-stream/);
    const events = [...(await streamed.text()).matchAll(/^event: (\w+)$/gm)].map(([, name]) => name);
    assert.deepEqual([events[0], events.at(-1)], ['message_start', 'message_stop']);
    assert.deepEqual(await usageOf('claude-stream'), { model: 'claude-stream', ...COUNTED, tools: ['weather'] });
  });

  test('are refused where policy says so', async () => {
    const refused = await ask({ model: 'large' });
    const { error } = (await refused.json()) as { error: { code: string } };
    assert.deepEqual([refused.status, error.code], [403, 'HOOP_DENIED']);
    const mcp = await ask({ model: 'x', mcp_servers: [{ type: 'url', url: 'https://mcp.example' }] });
    assert.equal(mcp.status, 403);
  });
});

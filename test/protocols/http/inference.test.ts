/** What asking a model does, and what rules may look at in the asking. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PRESETS, presetRoutes } from '../../../src/protocols/http/presets.ts';
import { ambiguities } from '../../../src/protocols/http/ambiguity.ts';
import { commandOf, effectsOf, json, settingsWith } from './reading.ts';

const OPENAI = settingsWith({ preset: 'openai' });
const ANTHROPIC = settingsWith({ preset: 'anthropic' });
const RESPONSES = 'POST /v1/responses';
const CHAT = 'POST /v1/chat/completions';
const MESSAGES = 'POST /v1/messages';
const tool = { type: 'function', name: 'look' };

for (const [what, line, settings, body, effects] of [
  ['a response', RESPONSES, OPENAI, { model: 'm', input: 'hi' }, 'read write'],
  ['a response that is not kept', RESPONSES, OPENAI, { store: false }, 'read'],
  ['a response that says so strangely', RESPONSES, OPENAI, { store: 'false' }, 'read write'],
  ['one whose name differs', RESPONSES, OPENAI, { Store: false }, 'read write'],
  ['tools of the client', RESPONSES, OPENAI, { store: false, tools: [tool, { type: 'custom', name: 'x' }] }, 'read'],
  ['a search of the web', RESPONSES, OPENAI, { store: false, tools: [tool, { type: 'web_search' }] }, 'execute read'],
  ['an MCP server', RESPONSES, OPENAI, { store: false, tools: [{ type: 'mcp', server_url: 'x' }] }, 'execute read'],
  ['running code', RESPONSES, OPENAI, { store: false, tools: [{ type: 'code_interpreter' }] }, 'execute read'],
  ['a tool of the future', RESPONSES, OPENAI, { store: false, tools: [{ type: 'launch' }] }, 'execute read'],
  ['tools that are no list', RESPONSES, OPENAI, { store: false, tools: {} }, 'execute read'],
  ['no tools', RESPONSES, OPENAI, { store: false, tools: [] }, 'read'],
  ['a prompt that is kept there', RESPONSES, OPENAI, { store: false, prompt: { id: 'p' } }, 'execute read'],
  ['a completion', CHAT, OPENAI, { messages: [] }, 'read'],
  ['a completion that is kept', CHAT, OPENAI, { store: true }, 'read write'],
  ['a completion with a search', CHAT, OPENAI, { web_search_options: {} }, 'execute read'],
  ['a message', MESSAGES, ANTHROPIC, { messages: [] }, 'read'],
  [
    'a message with tools',
    MESSAGES,
    ANTHROPIC,
    { tools: [{ name: 'look' }, { type: 'bash_20250124', name: 'bash' }] },
    'read',
  ],
  [
    'a message with a search',
    MESSAGES,
    ANTHROPIC,
    { tools: [{ type: 'web_search_20250305', name: 'w' }] },
    'execute read',
  ],
  ['a message with MCP servers', MESSAGES, ANTHROPIC, { mcp_servers: [{ url: 'x' }] }, 'execute read'],
] as const)
  test(`${what}: ${effects}`, () => {
    assert.equal(effectsOf(line, settings, { body: json(body) }), effects);
  });

test('asking that cannot be read is unknown', () => {
  assert.equal(effectsOf(CHAT, OPENAI, { body: json('{"store":false,"store":true}') }), 'unknown');
  assert.equal(effectsOf(CHAT, OPENAI, { body: { kind: 'streamed', type: 'application/json' } }), 'unknown');
  assert.equal(effectsOf(CHAT, OPENAI), 'unknown');
  assert.equal(effectsOf(CHAT, OPENAI, { body: json([]) }), 'unknown');
});

test('what administers the organisation says so', () => {
  assert.equal(effectsOf('GET /v1/organization/usage/costs', OPENAI), 'administer');
  assert.equal(effectsOf('POST /v1/organization/admin_api_keys', OPENAI), 'administer');
  assert.equal(effectsOf('POST /v1/organizations/users', ANTHROPIC), 'administer');
  assert.equal(effectsOf('POST /v1/realtime/client_secrets', OPENAI), 'administer');
});

test('files go there and stay there', () => {
  assert.equal(effectsOf('POST /v1/files', OPENAI), 'transfer write');
  assert.equal(effectsOf('POST /v1/embeddings', OPENAI, { body: json({}) }), 'read');
});

test('rules may look at the model, the tools and how much is asked for', () => {
  const body = json({
    ...{ model: 'gpt-5', stream: true, max_output_tokens: 100 },
    tools: [tool, { type: 'function', function: { name: 'do' } }, { type: 'web_search' }],
  });
  const { facts } = commandOf(RESPONSES, OPENAI, { body });
  assert.deepEqual(
    ['model', 'stream', 'tools', 'max_tokens'].map((name) => facts[`http.json.${name}`]),
    ['gpt-5', true, ['look', 'do', 'web_search'], 100],
  );
});

test('what is asked for in two ways counts as the larger', () => {
  const body = json({ max_tokens: 10, max_completion_tokens: 5000 });
  assert.equal(commandOf(CHAT, OPENAI, { body }).facts['http.json.max_tokens'], 5000);
  assert.equal(commandOf(CHAT, OPENAI, { body: json({ max_tokens: 'all' }) }).facts['http.json.max_tokens'], null);
});

test('of a body that cannot be read all these are not to be told', () => {
  const { facts } = commandOf(CHAT, OPENAI, { body: json('{') });
  for (const name of ['model', 'stream', 'tools', 'max_tokens']) assert.equal(facts[`http.json.${name}`], null, name);
});

test('a target without a preset has none of these facts', () => {
  assert.equal(commandOf(CHAT, settingsWith(), { body: json({ model: 'm' }) }).facts['http.json.model'], undefined);
});

test('a route of gateway.yaml says what asking does', () => {
  const exact = settingsWith({
    preset: 'openai',
    routes: [{ method: 'POST', path: '/v1/responses', effects: ['read'] }],
  });
  assert.equal(effectsOf(RESPONSES, exact, { body: json({}) }), 'read');
  const wide = settingsWith({ preset: 'openai', routes: [{ path: '/v1/**', effects: ['read'] }] });
  assert.equal(effectsOf(RESPONSES, wide, { body: json({}) }), 'read write');
  assert.equal(effectsOf('POST /v1/rerank', wide, { body: json({}) }), 'read');
});

for (const preset of PRESETS)
  test(`no two routes of ${preset} stand for the same paths`, () => {
    const routes = presetRoutes(preset);
    assert.ok(routes.length > 10);
    assert.deepEqual(ambiguities(routes), []);
  });

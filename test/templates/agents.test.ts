/** The agents of the templates, with a model, an API and a host that stand in for what lies behind the tunnels. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { packageRoot } from '../../src/base/entry.ts';
import { refusalAnswer } from '../../src/protocols/http/refuse.ts';
import { readSettings } from '../../src/protocols/http/settings.ts';
import { startFakeTarget } from '../fakes/pg-target.ts';
import { temporaryFolder } from '../fakes/resources.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';

describe('the agent in TypeScript', () => {
  test('asks an API and a host through their tunnels, and hands the model what a refusal means', async (t) => {
    const { run, asked, given } = await setUp(t, [
      { call: 'call_api', with: { api: 'billing-eu', method: 'GET', path: '/v1/customers?limit=3', body: null } },
      { call: 'call_api', with: { api: 'billing-eu', method: 'POST', path: '/v1/refunds', body: '{"order":7}' } },
      { call: 'remote', with: { host: 'web-1', command: 'uptime' } },
      { call: 'remote', with: { host: 'web-1', command: 'rm -rf /' } },
      { say: 'Some things I may not do.' },
    ]);
    const { stdout, code } = await run();
    assert.match(stdout, /^Some things I may not do\.$/m);
    assert.equal(code, 0);
    assert.deepEqual(
      asked.map(({ line, headers }) => [line, headers.authorization, headers['traceparent']]),
      [
        ['GET /v1/customers?limit=3', 'Bearer secret-of-billing', `00-${TRACE}-00f067aa0ba902b7-01`],
        ['POST /v1/refunds', 'Bearer secret-of-billing', `00-${TRACE}-00f067aa0ba902b7-01`],
      ],
    );
    const [customers, refund, uptime, rm] = given.results;
    assert.deepEqual(customers, { status: 200, body: '[{"ssn":"***"}]' });
    assert.equal(refund?.['status'], 403);
    assert.match(String(refund?.['body']), /HOOP_DENIED: no refunds by agents/);
    assert.match(String(refund?.['meaning']), /^Not allowed\./);
    assert.deepEqual(uptime, { exit: 0, stdout: '-F /run/x/ssh_config web-1 -- uptime\n', stderr: '' });
    assert.equal(rm?.['exit'], 254);
    assert.match(String(rm?.['meaning']), /^A person has to approve it first\./);
    assert.deepEqual(given.tools, ['query', 'call_api', 'remote']);
    assert.deepEqual([...new Set(given.traces)], [`00-${TRACE}-00f067aa0ba902b7-01`]);
  });

  test('has only the tools that its targets are for, and shows a streamed answer', async (t) => {
    const { run, given } = await setUp(t, [{ say: 'Nothing to do.' }]);
    const { stdout } = await run({ HOOP_TARGETS: '[]' }, ['--stream', 'Anything?']);
    assert.equal(stdout, 'Nothing to do.\n');
    assert.deepEqual(given.tools, ['query']);
    assert.equal(given.streamed, true);
  });

  test('ends with the gateway’s words where the model is refused', async (t) => {
    const { run, given } = await setUp(t, [{ refuse: 'HOOP_LIMIT' }]);
    const { stderr, code } = await run();
    assert.equal(code, 1);
    assert.match(stderr, /HOOP_LIMIT: the budget of this run is spent\nToo much\./);
    assert.equal(given.requests, 1, 'what is spent is not asked for again');
  });

  test('says how it is started where it was not', async (t) => {
    const { run } = await setUp(t, []);
    for (const name of ['DATABASE_URL', 'OPENAI_API_KEY']) {
      const { stderr, code } = await run({ [name]: '' });
      assert.deepEqual([code, stderr.startsWith(`${name} is not set: `)], [1, true]);
    }
  });
});

describe('the agent in Python', () => {
  test('is Python', async (t) => {
    const folder = temporaryFolder(t);
    const file = join(packageRoot(), 'templates/openai-agent-python/agent.py');
    const script = 'import py_compile, sys; py_compile.compile(sys.argv[1], cfile=sys.argv[2], doraise=True)';
    assert.deepEqual(await finished('python3', ['-c', script, file, join(folder, 'agent.pyc')], {}), {
      ...{ code: 0, stdout: '', stderr: '' },
    });
  });

  test('asks an API and a host through their tunnels, and hands the model what a refusal means', async (t) => {
    const { env, asked } = await setUp(t, []);
    const folder = temporaryFolder(t);
    mkdirSync(join(folder, 'psycopg'));
    for (const [name, text] of Object.entries(STAND_INS)) writeFileSync(join(folder, name), text);
    const calls = [
      ['call_api', { api: 'billing-eu', method: 'GET', path: '/v1/customers?limit=3', body: null }],
      ['call_api', { api: 'billing-eu', method: 'POST', path: '/v1/refunds', body: '{"order":7}' }],
      ['call_api', { api: 'elsewhere', method: 'GET', path: '/', body: null }],
      ['remote', { host: 'web-1', command: 'rm -rf /' }],
    ];
    const agent = join(packageRoot(), 'templates/openai-agent-python/agent.py');
    const given = { PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1', CALLS: JSON.stringify(calls) };
    const { stdout, stderr, code } = await finished('python3', [agent], { ...env, ...given });
    assert.deepEqual([code, stderr], [0, '']);
    const { trace, headers, results } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    assert.deepEqual([trace, headers], [`trace_${TRACE}`, { traceparent: env.TRACEPARENT }]);
    const [customers, refund, elsewhere, rm] = results.map((text: string) => JSON.parse(text));
    assert.deepEqual(customers, { status: 200, body: '[{"ssn":"***"}]' });
    assert.deepEqual([refund.status, refund.meaning.slice(0, 11)], [403, 'Not allowed']);
    assert.match(elsewhere.error, /^there is billing-eu,/);
    assert.deepEqual([rm.exit, rm.meaning.slice(0, 8)], [254, 'A person']);
    assert.deepEqual(
      asked.map(({ line, headers }) => [line, headers.authorization, headers['content-type']]),
      [
        ['GET /v1/customers?limit=3', 'Bearer secret-of-billing', undefined],
        ['POST /v1/refunds', 'Bearer secret-of-billing', 'application/json'],
      ],
    );
  });

  test('does what the one in TypeScript does, by the same words', () => {
    const read = (path: string) => readFileSync(join(packageRoot(), 'templates', path), 'utf8');
    const [ours, theirs] = [read('openai-agent-python/agent.py'), read('openai-agent/agent.ts')];
    const refusals = (text: string) =>
      [...text.matchAll(/['"](HOOP_(?:DENIED|HELD|LIMIT|REVOKED))['"]/g)].map((m) => m[1]);
    assert.deepEqual(refusals(ours), refusals(theirs));
    for (const name of [
      'DATABASE_URL',
      'HOOP_SSH_CONFIG',
      'HOOP_TARGETS',
      'HOOP_RUN_ID',
      'TRACEPARENT',
      'hoop-refusal',
    ])
      assert.ok(ours.includes(name) && theirs.includes(name), name);
    const { command, env } = parse(read('openai-agent-python/hoop.yaml'));
    assert.deepEqual([command, env], [['agent.py'], undefined]);
  });
});

test('the http targets that both READMEs show a gateway are ones, and the same', () => {
  const shown = ['openai-agent', 'openai-agent-python'].map((template) => {
    const readme = readFileSync(join(packageRoot(), 'templates', template, 'README.md'), 'utf8');
    const [gateway = '', policy = ''] = [...readme.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, yaml]) => yaml ?? '');
    const { targets } = parse(gateway) as { targets: Record<string, Record<string, unknown>> };
    const http = Object.values(targets).filter(({ protocol }) => protocol === 'http');
    assert.equal(http.length, 2);
    for (const { protocol, ...settings } of http) {
      const read = readSettings(settings);
      assert.deepEqual(read.ok ? [] : read.problems, []);
    }
    const granted = (parse(policy) as { access: { targets: string[] }[] }).access.flatMap((entry) => entry.targets);
    assert.deepEqual(granted, Object.keys(targets));
    return [gateway, policy];
  });
  assert.deepEqual(shown[0], shown[1]);
});

/** Of the packages that are not there: only what the agent uses of them. */
const STAND_INS = {
  'psycopg/__init__.py':
    'from types import SimpleNamespace\nclass Error(Exception): pass\ndef connect(url, **options): return SimpleNamespace(close=lambda: None)\n',
  'psycopg/rows.py': 'dict_row = None\n',
  'agents.py': `
import json, os
from types import SimpleNamespace
function_tool = lambda function: function
Agent = ModelSettings = RunConfig = SimpleNamespace
class Runner:
    @staticmethod
    async def run(agent, task, run_config):
        tools = {tool.__name__: tool for tool in agent.tools}
        results = [tools[name](**given) for name, given in json.loads(os.environ['CALLS'])]
        said = {'trace': run_config.trace_id, 'headers': agent.model_settings.extra_headers, 'results': results}
        return SimpleNamespace(final_output=json.dumps(said))
`,
};

type Turn =
  | { readonly call: string; readonly with: Readonly<Record<string, unknown>> }
  | { readonly say: string }
  | { readonly refuse: 'HOOP_LIMIT' };

interface ModelRequest {
  readonly stream?: boolean;
  readonly tools?: readonly { readonly name: string }[];
  readonly input: readonly { readonly type?: string; readonly output?: string }[];
}

async function setUp(t: TestContext, script: readonly Turn[]) {
  const asked: { line: string; headers: IncomingHttpHeaders }[] = [];
  const given = {
    requests: 0,
    streamed: false,
    tools: [] as string[],
    traces: [] as unknown[],
    results: [] as Record<string, unknown>[],
  };
  const model = await serving(t, async (request, response) => {
    const { stream = false, tools = [], input } = (await json(request)) as ModelRequest;
    const outputs = (typeof input === 'string' ? [] : input).filter(({ type }) => type === 'function_call_output');
    given.requests += 1;
    given.streamed = stream;
    given.tools = tools.map(({ name }) => name);
    given.traces.push(request.headers['traceparent']);
    given.results = outputs.map(({ output = '' }) => JSON.parse(output));
    const turn = script[outputs.length];
    if (turn === undefined || 'refuse' in turn)
      return refuse(response, 'HOOP_LIMIT', 'the budget of this run is spent');
    const answer = responseOf(turn, outputs.length);
    if (!stream) return response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
    response.setHeader('content-type', 'text/event-stream');
    for (const event of eventsOf(answer)) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    return response.end();
  });
  const api = await serving(t, (request, response) => {
    asked.push({ line: `${request.method} ${request.url}`, headers: request.headers });
    request.resume();
    if (request.method === 'GET') response.end('[{"ssn":"***"}]');
    else refuse(response, 'HOOP_DENIED', 'no refunds by agents');
  });
  const database = await startFakeTarget();
  t.after(() => database.close());
  const folder = temporaryFolder(t);
  const held = 'echo "hoop: HOOP_HELD: request apr_1 waits for a person" >&2; exit 254';
  writeFileSync(join(folder, 'ssh'), `#!/bin/sh\ncase "$*" in *rm*) ${held};; esac\necho "$@"\n`, { mode: 0o755 });
  const targets = [
    { name: 'shop', protocol: 'postgres', variables: ['DATABASE_URL'] },
    { name: 'billing-eu', protocol: 'http', variables: ['HOOP_BILLING_EU_URL'] },
    { name: 'openai', protocol: 'http', variables: ['OPENAI_API_KEY'] },
    { name: 'web-1', protocol: 'ssh', variables: ['HOOP_SSH_CONFIG'] },
  ];
  const env = {
    PATH: `${folder}:${process.env['PATH']}`,
    DATABASE_URL: `postgres://run:target-password-1@${database.host}:${database.port}/shop`,
    OPENAI_BASE_URL: `${model}/v1`,
    OPENAI_API_KEY: 'secret-of-openai',
    OPENAI_AGENTS_DISABLE_TRACING: '1',
    HOOP_TARGETS: JSON.stringify(targets),
    HOOP_RUN_ID: 'run_1',
    HOOP_BILLING_EU_URL: api,
    HOOP_BILLING_EU_HOST: new URL(api).hostname,
    HOOP_BILLING_EU_PORT: new URL(api).port,
    HOOP_BILLING_EU_TOKEN: 'secret-of-billing',
    HOOP_SSH_CONFIG: '/run/x/ssh_config',
    TRACEPARENT: `00-${TRACE}-00f067aa0ba902b7-01`,
  };
  const agent = join(packageRoot(), 'templates/openai-agent/agent.ts');
  const run = (other: Record<string, string> = {}, args: readonly string[] = []) =>
    finished(process.execPath, [agent, ...args], { ...env, ...other });
  return { run, env, asked, given };
}

function refuse(response: Parameters<RequestListener>[1], code: 'HOOP_LIMIT' | 'HOOP_DENIED', why: string): void {
  const { status, headers, body } = refusalAnswer({ kind: 'refusal', code, message: `${code}: ${why}` });
  for (const [name, value] of headers) response.setHeader(name, value);
  response.writeHead(status).end(body);
}

function responseOf(turn: Exclude<Turn, { refuse: string }>, at: number) {
  const item =
    'say' in turn
      ? {
          ...{ type: 'message', id: `msg_${at}`, role: 'assistant', status: 'completed' },
          content: [{ type: 'output_text', text: turn.say, annotations: [] }],
        }
      : {
          ...{ type: 'function_call', id: `fc_${at}`, call_id: `call_${at}`, status: 'completed' },
          ...{ name: turn.call, arguments: JSON.stringify(turn.with) },
        };
  return {
    ...{ id: `resp_${at}`, object: 'response', created_at: 1_790_000_000, status: 'completed', model: 'test' },
    ...{ parallel_tool_calls: false, tool_choice: 'auto', tools: [], output: [item] },
    usage: {
      ...{ input_tokens: 1, output_tokens: 1, total_tokens: 2 },
      ...{ input_tokens_details: { cached_tokens: 0 }, output_tokens_details: { reasoning_tokens: 0 } },
    },
  };
}

/** OpenAI, "Streaming API responses". */
function eventsOf(response: ReturnType<typeof responseOf>) {
  const [item] = response.output;
  const text = item && 'content' in item ? (item.content[0]?.text ?? '') : '';
  const place = { item_id: item?.id, output_index: 0, content_index: 0 };
  return [
    { type: 'response.created', response: { ...response, status: 'in_progress', output: [] } },
    { type: 'response.output_item.added', output_index: 0, item },
    ...[...text].map((delta) => ({ type: 'response.output_text.delta', ...place, delta })),
    { type: 'response.output_item.done', output_index: 0, item },
    { type: 'response.completed', response },
  ].map((event, at) => ({ ...event, sequence_number: at }));
}

async function serving(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function finished(command: string, args: readonly string[], env: Record<string, string>) {
  const all = { PATH: process.env['PATH'] ?? '', ...env };
  return new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) =>
    execFile(command, args, { env: all, timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    ),
  );
}

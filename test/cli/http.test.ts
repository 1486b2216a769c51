/** Commands on an http target, as a person types them. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { delimiter, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { duplexOf } from '../../src/protocols/duplex.ts';
import { refusalAnswer } from '../../src/protocols/http/refuse.ts';
import { startRunGateway } from '../fakes/run-gateway.ts';
import { jsonError, newHome } from './cli.ts';
import { onTerminal } from './on-terminal.ts';

describe('hoopctl exec on http', () => {
  test('writes the body and nothing else to stdout, the status to stderr', async (t) => {
    const { run } = await setUp(t);
    const { code, stdout, stderr } = await run(['exec', 'billing', '--', '/v1/customers?limit=3']);
    assert.deepEqual(
      [code, stdout, stderr],
      [0, '{"method":"GET","path":"/v1/customers?limit=3","body":""}', 'hoopctl: 200 OK\n'],
    );
  });

  test('joins words to a request, and sends standard input as its body', async (t) => {
    const { run } = await setUp(t);
    const ended = await run(['exec', 'billing', '--json', '--', 'POST', '/v1/refunds'], { input: '{"order":7}' });
    const { status, headers, body } = JSON.parse(ended.stdout);
    assert.deepEqual([ended.code, status, headers['content-type']], [0, 200, 'application/json']);
    assert.deepEqual(body, { method: 'POST', path: '/v1/refunds', body: '{"order":7}' });
  });

  test('takes a whole request from a file', async (t) => {
    const { run, home } = await setUp(t);
    writeFileSync(join(home.dir, 'request'), 'PUT /v1/x\nContent-Type: text/csv\n\na,b\n1,2\n');
    const { stdout } = await run(['exec', 'billing', '--file', 'request']);
    assert.deepEqual(JSON.parse(stdout), { method: 'PUT', path: '/v1/x', body: 'a,b\n1,2\n' });
  });

  test('ends with 1 and the status where the target fails, with its body on stdout', async (t) => {
    const { run } = await setUp(t);
    const ended = await run(['exec', 'billing', '--json', '--', '/missing']);
    assert.deepEqual([ended.code, JSON.parse(ended.stdout).status], [1, 404]);
    assert.deepEqual(jsonError(ended), {
      ...{ status: 404, code: 'TARGET_ERROR', message: 'billing: answered 404 Not Found', exit: 1 },
    });
  });

  test('ends with 4 where the gateway refuses, with its hint', async (t) => {
    const { run } = await setUp(t);
    const { code, stdout, stderr } = await run(['exec', 'billing', '--', 'DELETE', '/denied']);
    assert.deepEqual([code, stdout], [4, '']);
    assert.equal(
      stderr,
      'hoopctl: error: rule "no-deletes": not by agents [HOOP_DENIED]\nhoopctl: hint: ask a person\n',
    );
  });

  test('shows a body on a terminal without obeying it, and begins a line of its own after it', async (t) => {
    const { home, env } = await setUp(t);
    const where = { env: { ...home.env, ...env }, cwd: home.dir };
    const ended = await onTerminal(t, ['exec', 'billing', '--', '/escapes'], where).ended;
    assert.equal(ended.shown.replaceAll('\r', ''), 'a\\x1b[31mred\nhoopctl: 200 OK\n');
  });

  test('ends with 2 for a text that is no request', async (t) => {
    const { run } = await setUp(t);
    const ended = await run(['exec', 'billing', '--json', '--', 'https://billing.internal/v1']);
    const { code, exit } = jsonError(ended);
    assert.deepEqual([ended.code, code, exit], [2, 'REQUEST_FORM', 2]);
  });
});

test('hoopctl connect hands curl the secret in a file, in neither its command line nor its environment', async (t) => {
  const { run, home, asked } = await setUp(t);
  const bin = join(home.dir, 'bin');
  mkdirSync(bin);
  const note = '{ echo "$@"; env; } > "$HOME/seen"; cp "$3" "$HOME/config"; exec /usr/bin/curl "$@"';
  writeFileSync(join(bin, 'curl'), `#!/bin/sh\n${note}\n`, { mode: 0o755 });
  const env = { PATH: [bin, home.env['PATH']].join(delimiter), http_proxy: 'http://127.0.0.1:1' };
  const { code, stdout } = await run(['connect', 'billing', '--', '/v1/x', '-s', '-X', 'PATCH', '-d', 'a=1'], { env });
  assert.deepEqual([code, JSON.parse(stdout).method], [0, 'PATCH']);
  const secret = asked[0]?.headers.authorization?.replace('Bearer ', '') ?? '';
  assert.ok(secret.length > 40);
  assert.ok(readFileSync(join(home.dir, 'config'), 'utf8').includes(secret));
  assert.equal(readFileSync(join(home.dir, 'seen'), 'utf8').includes(secret), false);
});

test('hoopctl connect without a path says how it is given, and ends with 2', async (t) => {
  const { run } = await setUp(t);
  const ended = await run(['connect', 'billing', '--', '-X', 'POST']);
  assert.equal(ended.code, 2);
  assert.match(ended.stderr, /"-X" is no path of billing.*\[CONNECT_PATH\]\nhoopctl: hint: the path stands first/);
});

test('an agent that a model serves finds the usual names, and is told how its targets are used', async (t) => {
  const { run, gateway } = await setUp(t);
  const [billing] = gateway.targets;
  assert.ok(billing);
  gateway.targets = [billing, { ...billing, name: 'openai', shown: { preset: 'openai' } }];
  const script =
    'curl -s -K "$HOOP_CURL_DIR/billing.curlrc" "$HOOP_BILLING_URL/v1/x"; echo; env; cat "$HOOP_CONTEXT_FILE"';
  const { stdout } = await run(['run', '--', 'sh', '-c', script], { env: { OPENAI_API_KEY: 'sk-canary' } });
  const [answer = '', ...said] = stdout.split('\n');
  assert.equal(JSON.parse(answer).path, '/v1/x');
  const text = said.join('\n');
  assert.match(text, /^OPENAI_BASE_URL=http:\/\/127\.0\.0\.1:\d+\/v1$/m);
  assert.match(text, /^OPENAI_API_KEY=[\w-]{43}$/m);
  assert.match(text, /^OPENAI_AGENTS_DISABLE_TRACING=1$/m);
  assert.match(text, /^- to use it: `curl -K "\$HOOP_CURL_DIR\/billing\.curlrc" "\$HOOP_BILLING_URL\/PATH"/m);
  assert.doesNotMatch(stdout, /sk-canary/);
});

async function setUp(t: TestContext) {
  const gateway = await startRunGateway(t);
  gateway.targets = [{ name: 'billing', protocol: 'http', effects: ['read', 'write'], labels: {} }];
  const asked: IncomingMessage[] = [];
  const server = createServer(async (request, response) => {
    asked.push(request);
    const { method, url: path } = request;
    const body = (await buffer(request)).toString();
    response.setHeader('content-type', 'application/json');
    if (path === '/denied') {
      const message = 'HOOP_DENIED: rule "no-deletes": not by agents';
      const answer = refusalAnswer({ kind: 'refusal', code: 'HOOP_DENIED', message, hint: 'ask a person' });
      for (const [name, value] of answer.headers) response.setHeader(name, value);
      response.writeHead(answer.status).end(answer.body);
    } else if (path === '/escapes') response.end('a\x1b[31mred');
    else response.writeHead(path === '/missing' ? 404 : 200).end(JSON.stringify({ method, path, body }));
  });
  gateway.serveBearer = (channel) => void server.emit('connection', duplexOf(channel));
  const home = newHome(t);
  const env = { HOOPCTL_GATEWAY: gateway.url, HOOPCTL_TOKEN: 'user-token' };
  const run: typeof home.run = (args, extra = {}) => home.run(args, { ...extra, env: { ...env, ...extra.env } });
  return { gateway, home, env, run, asked };
}

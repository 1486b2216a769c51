/** HTTP at the launcher's side: what an agent finds, and what exec, connect and clients meet at the local end of a tunnel. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { connectNative } from '../../src/app/connect.ts';
import { prepare } from '../../src/app/endpoint.ts';
import { execute } from '../../src/app/exec.ts';
import type { ExecFormat } from '../../src/app/exec-rows.ts';
import { openRun } from '../../src/app/run-open.ts';
import { targetVariables } from '../../src/app/run-variables.ts';
import { systemClock } from '../../src/base/clock.ts';
import type { Endpoint } from '../../src/domain/protocol.ts';
import { makeRunFolder } from '../../src/launcher/index.ts';
import { duplexOf } from '../../src/protocols/duplex.ts';
import { client } from '../../src/protocols/http/client.ts';
import { refusalAnswer } from '../../src/protocols/http/refuse.ts';
import { matchesBearer } from '../../src/protocols/http-wire/bearer.ts';
import { temporaryFolder } from '../fakes/resources.ts';
import { startRunGateway } from '../fakes/run-gateway.ts';

describe('an agent with http targets', () => {
  const reach = (target: string, port: number, preset?: string) => {
    const shown = preset === undefined ? {} : { shown: { preset } };
    const endpoint: Endpoint = { target, host: '127.0.0.1', port, user: 'run', secret: `secret-${port}`, ...shown };
    return { endpoint, client, protocol: 'http' };
  };
  const billing = reach('billing', 1);
  const openai = reach('openai', 2, 'openai');

  test('finds the usual names of a model beside its other targets, and a file of curl for each', () => {
    const { env, names, files } = targetVariables([billing, openai], {}, '/run/x');
    assert.equal(env['OPENAI_BASE_URL'], 'http://127.0.0.1:2/v1');
    assert.equal(env['OPENAI_API_KEY'], 'secret-2');
    assert.equal(env['HOOP_BILLING_TOKEN'], 'secret-1');
    assert.deepEqual(Object.keys(files), ['billing.curlrc', 'openai.curlrc']);
    assert.ok(names.get('billing')?.includes('HOOP_CURL_DIR'));
    assert.ok(!names.get('billing')?.includes('OPENAI_API_KEY'));
  });

  test('finds those of two models where they are of two providers', () => {
    const { env } = targetVariables([openai, reach('claude', 3, 'anthropic')], {});
    assert.deepEqual([env['OPENAI_API_KEY'], env['ANTHROPIC_API_KEY']], ['secret-2', 'secret-3']);
  });

  test('finds none of two models of one provider, but of the one that hoop.yaml maps', () => {
    const two = [openai, reach('openai-eu', 3, 'openai')];
    assert.equal(targetVariables(two, {}).env['OPENAI_API_KEY'], undefined);
    const { env } = targetVariables(two, { 'openai-eu': { OPENAI_BASE_URL: 'url' } });
    assert.deepEqual([env['OPENAI_BASE_URL'], env['OPENAI_API_KEY']], ['http://127.0.0.1:3/v1', 'secret-3']);
  });

  test('finds what hoop.yaml maps under its own names', () => {
    const mapping = { API: 'url', API_KEY: 'token', API_PORT: 'port', API_PASSWORD: 'password' } as const;
    const { env } = targetVariables([billing], { billing: mapping });
    assert.deepEqual(
      Object.keys(mapping).map((name) => env[name]),
      ['http://127.0.0.1:1', 'secret-1', '1', 'secret-1'],
    );
  });
});

describe('hoopctl exec on http', () => {
  test('shows the run’s secret through the tunnel, and writes the body', async (t) => {
    const { exec, authorized } = await setUp(t, (_request, response) => void response.end('{"a":1}'));
    assert.deepEqual(await exec('/v1/x'), { exit: 0, stdout: '{"a":1}' });
    assert.deepEqual(authorized, [true]);
  });

  test('writes a line of JSON with --json', async (t) => {
    const { exec } = await setUp(
      t,
      (_request, response) =>
        void response.writeHead(200, { 'content-type': 'application/json', date: 'x' }).end('{"a":\n1}'),
    );
    const { stdout } = await exec('/v1/x', 'json');
    assert.equal(stdout.split('\n').length, 2);
    const { status, headers, body } = JSON.parse(stdout);
    assert.deepEqual([status, headers['content-type'], body], [200, 'application/json', { a: 1 }]);
  });

  test('ends with 1 and the status where the target fails', async (t) => {
    const { exec } = await setUp(t, (_request, response) => void response.writeHead(500).end('oh'));
    await assert.rejects(exec('/v1/x'), {
      ...{ code: 'TARGET_ERROR', exit: 1, message: 'billing: answered 500 Internal Server Error' },
      details: { status: 500 },
    });
  });

  for (const [code, exit] of [
    ['HOOP_DENIED', 4],
    ['HOOP_HELD', 5],
    ['HOOP_LIMIT', 9],
    ['HOOP_REVOKED', 7],
    ['HOOP_UNAVAILABLE', 6],
  ] as const)
    test(`ends with ${exit} on ${code}`, async (t) => {
      const { exec, gateway } = await setUp(t, (_request, response) => {
        const { status, headers, body } = refusalAnswer({ kind: 'refusal', code, message: `${code}: why`, hint: 'do' });
        for (const [name, value] of headers) response.setHeader(name, value);
        response.writeHead(status).end(body);
      });
      await assert.rejects(exec('POST /v1/x'), { code, exit, hint: 'do', message: 'why', processExit: undefined });
      assert.equal(gateway.runs[0]?.state, 'ended');
    });
});

test('hoopctl connect starts curl with a configuration of its own, and takes it away again', async (t) => {
  const { gear, folder, authorized, asked } = await setUp(t, (_request, response) => void response.end());
  const env = { PATH: process.env['PATH'], XDG_RUNTIME_DIR: folder, http_proxy: 'http://127.0.0.1:1' };
  const args = ['/v1/x', '-s', '-f', '-X', 'PUT', '-d', 'a=1'];
  const request = { target: 'billing', args, cwd: folder, env, signals: new EventEmitter() };
  assert.equal(await connectNative(gear, request, () => undefined), 0);
  assert.deepEqual([authorized, asked[0]?.method], [[true], 'PUT']);
  assert.deepEqual(readdirSync(folder), []);
});

test('the file of curl that an agent is given is its owner’s alone', async (t) => {
  const { gear, folder } = await setUp(t, () => undefined);
  const run = makeRunFolder({ XDG_RUNTIME_DIR: folder });
  t.after(() => run.remove());
  const prepared = await prepare((await gear.client.targets())[0] as never, gear.clients);
  const endpoint = { target: 'billing', host: '127.0.0.1', port: 1, user: 'run', secret: prepared.secret.expose() };
  const { files } = targetVariables([{ endpoint, client, protocol: 'http' }], {}, run.path);
  const path = run.write('billing.curlrc', files['billing.curlrc'] ?? '');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(dirname(path)).mode & 0o777, 0o700);
  assert.match(readFileSync(join(run.path, 'billing.curlrc'), 'utf8'), new RegExp(endpoint.secret));
});

describe('an http client of an agent', () => {
  test('is told with a 503 when the run is suspended', async (t) => {
    const { gear, gateway } = await setUp(t, () => undefined);
    const prepared = await prepare((await gear.client.targets())[0] as never, gear.clients);
    const opened = await openRun(gear, 'run', [prepared], {}, () => undefined);
    t.after(() => opened.close('over'));
    gateway.suspend();
    const { host, port } = opened.doors[0]?.endpoint ?? { host: '', port: 0 };
    const response = await fetch(`http://${host}:${port}/v1/x`, { method: 'POST', body: 'x'.repeat(100_000) });
    assert.equal(response.status, 503);
    assert.equal(((await response.json()) as { error: { code: string } }).error.code, 'HOOP_UNAVAILABLE');
  });

  test('is told with a 503, not to be repeated, when its connection is cut before an answer', async (t) => {
    const { gear, gateway, asked } = await setUp(t, () => undefined);
    const prepared = await prepare((await gear.client.targets())[0] as never, gear.clients);
    const opened = await openRun(gear, 'run', [prepared], {}, () => undefined);
    t.after(() => opened.close('over'));
    const { host, port } = opened.doors[0]?.endpoint ?? { host: '', port: 0 };
    const answer = fetch(`http://${host}:${port}/v1/x`);
    await until(() => asked.length === 1);
    for (const session of gateway.sessions) session.destroy();
    const response = await answer;
    assert.deepEqual([response.status, response.headers.get('x-should-retry')], [503, 'false']);
    assert.match(await response.text(), /may or may not have been carried out/);
  });
});

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setImmediate(resolve));
}

async function setUp(t: TestContext, answer: (request: IncomingMessage, response: ServerResponse) => unknown) {
  const gateway = await startRunGateway(t);
  gateway.targets = [{ name: 'billing', protocol: 'http', effects: ['read'], labels: {} }];
  const asked: IncomingMessage[] = [];
  const authorized: boolean[] = [];
  let digest = '';
  const server = createServer((request, response) => {
    asked.push(request);
    const secret = request.headers.authorization?.replace(/^Bearer /, '') ?? '';
    authorized.push(matchesBearer({ kind: 'sha-256', digest }, secret));
    request.resume();
    answer(request, response);
  });
  gateway.serveBearer = (channel, given) => {
    digest = given;
    server.emit('connection', duplexOf(channel));
  };
  const folder = temporaryFolder(t);
  const gear = { client: gateway.client, clock: systemClock, clients: async () => client };
  const exec = async (text: string, format: ExecFormat = 'text') => {
    let stdout = '';
    const signal = new AbortController().signal;
    const exit = await execute(
      gear,
      { target: 'billing', text, format, header: true, signal },
      {
        write: (written) => {
          stdout += written;
        },
        done: () => undefined,
        notice: () => undefined,
        bytes(_stream, chunk) {
          stdout += Buffer.from(chunk).toString();
        },
      },
    );
    return { exit, stdout };
  };
  return { gateway, gear, folder, asked, authorized, exec };
}

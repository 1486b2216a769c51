import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { connectNative, connectStdio } from '../../src/app/connect.ts';
import type { TunnelMemory } from '../../src/app/tunnel-memory.ts';
import { systemClock } from '../../src/base/clock.ts';
import { HoopError } from '../../src/base/error.ts';
import type { Token } from '../../src/base/secret.ts';
import type { ProtocolClient } from '../../src/domain/protocol.ts';
import { linesClient } from '../fakes/lines-client.ts';
import { temporaryFolder } from '../fakes/resources.ts';
import { startRunGateway } from '../fakes/run-gateway.ts';

describe("a person's own client", () => {
  test('gets the endpoint in its environment, beside their own but without what leads elsewhere', async (t) => {
    const { connect, folder, gateway } = await setUp(t, 'env > env');
    assert.equal(
      await connect({ PATH: process.env['PATH'], EDITOR: 'vi', LINES_ELSEWHERE: 'trap', LINES_PORT: '1' }),
      0,
    );
    const env = readFileSync(join(folder, 'env'), 'utf8');
    assert.match(env, /^EDITOR=vi$/m);
    assert.doesNotMatch(env, /trap/);
    assert.match(env, /^LINES_PORT=\d{4,}$/m);
    assert.equal(gateway.runs[0]?.request.kind, 'connect');
    assert.equal(gateway.runs[0]?.state, 'ended');
  });

  test('ends with its own exit code', async (t) => {
    const { connect } = await setUp(t, 'exit 3');
    assert.equal(await connect(), 3);
  });

  test('is killed when its run is revoked, and hoopctl ends with 7', async (t) => {
    const { connect, gateway } = await setUp(t, "trap '' TERM; while :; do sleep 0.05; done");
    const connecting = connect();
    await gateway.until(() => gateway.runs[0]?.streams === 1);
    gateway.revoke();
    assert.equal(await connecting, 7);
  });

  test('that is not installed is named', async (t) => {
    const { connect, gateway } = await setUp(t, '', 'no-such-client');
    await assert.rejects(
      connect(),
      (error) => error instanceof HoopError && error.exit === 127 && error.message.includes('no-such-client'),
    );
    assert.equal(gateway.runs[0]?.state, 'ended');
  });
});

describe('raw bytes', () => {
  test('pass both ways for whoever knows the remembered secret, and the end of the input passes too', async (t) => {
    const { stdio, secrets } = await setUp(t);
    const { input, output, done } = stdio();
    const secret = await secrets.next();
    input.end(`${secret.expose()}\nhello\n`);
    assert.equal(await output, 'welcome\nhello\n');
    await done;
  });

  test('end with an error when the gateway refuses', async (t) => {
    const { stdio, gateway } = await setUp(t);
    const { done } = stdio();
    await gateway.until(() => gateway.runs.length === 1);
    gateway.suspend();
    await assert.rejects(done, { code: 'RUN_SUSPENDED' });
  });

  test('end with 7 when the run is revoked', async (t) => {
    const { stdio, gateway } = await setUp(t);
    const { done } = stdio();
    await gateway.until(() => gateway.runs[0]?.streams === 1 && gateway.runs[0].tunnels.size === 1);
    gateway.revoke();
    await assert.rejects(done, (error) => error instanceof HoopError && error.exit === 7);
  });
});

async function setUp(t: TestContext, script = '', command = 'sh') {
  const gateway = await startRunGateway(t);
  const folder = temporaryFolder(t);
  const client: ProtocolClient = {
    ...linesClient,
    native: (endpoint) => ({
      command,
      args: ['-c', script],
      env: { LINES_PORT: String(endpoint.port) },
      without: ['LINES_ELSEWHERE'],
    }),
  };
  const gear = { client: gateway.client, clock: systemClock, clients: async () => client };
  const connect = (env: Record<string, string | undefined> = { PATH: process.env['PATH'] }) =>
    connectNative(
      gear,
      { target: 'orders-db', args: [], cwd: folder, env, signals: new EventEmitter() },
      () => undefined,
    );
  const kept = Promise.withResolvers<Token>();
  const memory: TunnelMemory = {
    port: () => undefined,
    secret: async () => undefined,
    keepPort: () => undefined,
    keepSecret: async (_target, secret) => kept.resolve(secret),
  };
  const stdio = () => {
    const input = new PassThrough();
    const out = new PassThrough();
    const stop = new AbortController();
    t.after(() => stop.abort());
    const output = text(out);
    const done = connectStdio(
      gear,
      { target: 'orders-db', input, output: out, signal: stop.signal },
      memory,
      () => undefined,
    ).finally(() => out.end());
    return { input, output, done };
  };
  return { gateway, folder, connect, stdio, secrets: { next: () => kept.promise } };
}

import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { createGatewayClient, type GatewayClient } from '../../src/api/client.ts';
import { HoopError } from '../../src/base/error.ts';
import { Token } from '../../src/base/secret.ts';

describe('a call to the gateway', () => {
  test('carries the user token of this moment, and JSON both ways', async (t) => {
    let n = 0;
    const { client, asked } = await gateway(
      t,
      (stream) => json(stream, 200, { id: 'run_1' }),
      async () => `token-${++n}`,
    );
    assert.deepEqual(await client.renewRun('run_1'), { id: 'run_1' });
    await client.startRun({ kind: 'run', targets: [] });
    assert.deepEqual(asked, [
      'POST /v1/runs/run_1/renew Bearer token-1 - ',
      'POST /v1/runs Bearer token-2 application/json {"kind":"run","targets":[]}',
    ]);
  });

  test('of a run carries the run token, not the user one', async (t) => {
    const { client, asked } = await gateway(
      t,
      (stream) => json(stream, 200, {}),
      async () => 'user',
    );
    await client.heartbeat({ id: 'run_1', token: Token.of('run-token') });
    await client.endRun({ id: 'run_1', token: Token.of('run-token') }, 'done');
    assert.deepEqual(asked, [
      'POST /v1/runs/run_1/heartbeat Bearer run-token - ',
      'POST /v1/runs/run_1/end Bearer run-token application/json {"reason":"done"}',
    ]);
  });

  test('that needs no token sends none', async (t) => {
    const { client, asked } = await gateway(
      t,
      (stream) => json(stream, 200, {}),
      async () => 'user',
    );
    await client.config();
    await client.startApprovalLogin('apr_1');
    assert.deepEqual(asked, [
      'GET /v1/config - - ',
      'POST /v1/approval-logins - application/json {"approval":"apr_1"}',
    ]);
  });

  test('without a login fails before anything is sent', async (t) => {
    const { client, asked } = await gateway(t, (stream) => json(stream, 200, {}));
    await assert.rejects(client.me(), failsAs('NOT_LOGGED_IN', 3));
    assert.deepEqual(asked, []);
  });

  test('escapes what people named', async (t) => {
    const { client, asked } = await gateway(
      t,
      (stream) => json(stream, 200, {}),
      async () => 'user',
    );
    await client.person('../admin?x');
    await client.agent('dana@example.test/weekly report');
    await client.sessions({ live: true, run: 'a&b', limit: 5 });
    assert.deepEqual(
      asked.map((line) => line.split(' ')[1]),
      [
        '/v1/people/..%2Fadmin%3Fx',
        '/v1/agents/dana%40example.test/weekly%20report',
        '/v1/sessions?live=true&run=a%26b&limit=5',
      ],
    );
  });
});

describe('an answer that is an error', () => {
  const refusal = { error: { code: 'TARGET_UNKNOWN', message: 'no target "x"', hint: 'list them', exit: 4 } };

  test('becomes the error that the gateway describes', async (t) => {
    const { client } = await gateway(
      t,
      (stream) => json(stream, 404, refusal),
      async () => 'user',
    );
    await assert.rejects(client.targets(), (error) => {
      assert.ok(error instanceof HoopError);
      const { code, message, hint, exit } = error;
      assert.deepEqual({ code, message, hint, exit }, refusal.error);
      return true;
    });
  });

  for (const [status, exit] of [
    [401, 3],
    [403, 4],
    [502, 6],
    [500, 1],
  ] as const) {
    test(`of status ${status} without our body ends with exit ${exit}`, async (t) => {
      const { client } = await gateway(
        t,
        (stream) => page(stream, status, '<h1>oops</h1>'),
        async () => 'user',
      );
      await assert.rejects(client.me(), failsAs('GATEWAY_ANSWER', exit));
    });
  }

  test('can not choose an exit code that means something else', async (t) => {
    const body = { error: { code: 'X', message: 'x', exit: 0 } };
    const { client } = await gateway(
      t,
      (stream) => json(stream, 400, body),
      async () => 'user',
    );
    await assert.rejects(client.me(), failsAs('X', 2));
  });

  test('is told apart from an answer that is no JSON', async (t) => {
    const { client } = await gateway(
      t,
      (stream) => page(stream, 200, 'hello'),
      async () => 'user',
    );
    await assert.rejects(client.me(), failsAs('ANSWER_INVALID', 1));
  });

  test('is not taken from half an answer', async (t) => {
    const { client } = await gateway(
      t,
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.write('{"name":"da', () => stream.destroy(new Error('cut')));
      },
      async () => 'user',
    );
    await assert.rejects(client.me(), failsAs('GATEWAY_LOST', 6));
  });
});

test('a gateway that is not there ends with exit 6', async (t) => {
  const { client, stop } = await gateway(
    t,
    () => undefined,
    async () => 'user',
  );
  await stop();
  await assert.rejects(client.me(), failsAs('GATEWAY_UNREACHABLE', 6));
});

test('a request that a closing gateway refused unread is asked again', async (t) => {
  let n = 0;
  const { client } = await gateway(
    t,
    (stream) => {
      n += 1;
      if (n === 1)
        stream.close(7); // REFUSED_STREAM
      else json(stream, 200, { n });
    },
    async () => 'user',
  );
  assert.deepEqual(await client.me(), { n: 2 });
});

describe('an event stream', () => {
  const run = { id: 'run_1', token: Token.of('run-token') };

  test('gives each event, however its bytes are cut', async (t) => {
    const { client } = await gateway(t, async (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'text/event-stream' });
      const body =
        ': alive\n\nevent: lease\ndata: {"type":"lease","until":"ä"}\n\nid: 7\ndata: {"type":\ndata: "loginRequired","by":"x"}\r\n\r\ndata: {"cut":';
      for (const byte of Buffer.from(body)) stream.write(Buffer.from([byte]));
      stream.end();
    });
    const got: unknown[] = [];
    for await (const event of client.runEvents(run)) got.push(event);
    assert.deepEqual(got, [
      { type: 'lease', until: 'ä' },
      { type: 'loginRequired', by: 'x' },
    ]);
  });

  test('ends quietly when its signal aborts, and lets go of the stream', async (t) => {
    const closed = Promise.withResolvers<void>();
    const { client } = await gateway(t, (stream) => {
      stream.once('close', closed.resolve);
      stream.respond({ ':status': 200 });
      stream.write('data: {"type":"lease","until":"x"}\n\n');
    });
    const stop = new AbortController();
    const got: unknown[] = [];
    for await (const event of client.runEvents(run, stop.signal)) {
      got.push(event);
      stop.abort();
    }
    await closed.promise;
    assert.equal(got.length, 1);
  });

  test('throws when it is cut', async (t) => {
    const { client, sessions } = await gateway(t, (stream) => {
      stream.respond({ ':status': 200 });
      stream.write('data: {"type":"lease","until":"x"}\n\n');
    });
    const read = async () => {
      for await (const _ of client.runEvents(run)) for (const session of sessions) session.destroy();
    };
    await assert.rejects(read(), failsAs('GATEWAY_LOST', 6));
  });
});

test('a recording comes line by line as it is kept', async (t) => {
  const { client } = await gateway(
    t,
    (stream) => {
      stream.respond({ ':status': 200 });
      stream.end('{"seq":0}\n{"seq": 1}\n');
    },
    async () => 'user',
  );
  const lines: string[] = [];
  for await (const line of client.sessionEvents('ses_1')) lines.push(line);
  assert.deepEqual(lines, ['{"seq":0}', '{"seq": 1}']);
});

function failsAs(code: string, exit: number): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof HoopError, String(error));
    assert.deepEqual([error.code, error.exit], [code, exit]);
    return true;
  };
}

function json(stream: ServerHttp2Stream, status: number, body: unknown): void {
  stream.respond({ ':status': status, 'content-type': 'application/json' });
  stream.end(JSON.stringify(body));
}

function page(stream: ServerHttp2Stream, status: number, body: string): void {
  stream.respond({ ':status': status, 'content-type': 'text/html' });
  stream.end(body);
}

async function gateway(
  t: TestContext,
  answer: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  token?: () => Promise<string>,
): Promise<{ client: GatewayClient; asked: string[]; sessions: Set<ServerHttp2Session>; stop: () => Promise<void> }> {
  const asked: string[] = [];
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer();
  server.on('session', (session) => sessions.add(session.on('error', () => undefined)));
  server.on('stream', async (stream, headers) => {
    stream.on('error', () => undefined);
    const body = await text(stream);
    const { ':method': method, ':path': path, authorization = '-', 'content-type': type = '-' } = headers;
    asked.push(`${method} ${path} ${authorization} ${type} ${body}`);
    answer(stream, headers);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const client = createGatewayClient({ url: `http://127.0.0.1:${port}`, token });
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const session of sessions) session.destroy();
    });
  t.after(async () => {
    client.close();
    if (server.listening) await stop();
  });
  return { client, asked, sessions, stop };
}

import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, type Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { freePort } from '../../../src/app/demo/free-port.ts';
import type { Endpoint, ExecResult, ExecSink } from '../../../src/domain/protocol.ts';
import { execute } from '../../../src/protocols/http/client-exec.ts';
import { readRequestText } from '../../../src/protocols/http/client-request.ts';
import { refusalAnswer } from '../../../src/protocols/http/refuse.ts';

describe('the text of a request', () => {
  test('is a target alone, or a request line', () => {
    const plain = { headers: [], body: undefined };
    assert.deepEqual(readRequestText('/v1/x?limit=3'), { method: 'GET', target: '/v1/x?limit=3', ...plain });
    assert.deepEqual(readRequestText('DELETE  /v1/x\n'), { method: 'DELETE', target: '/v1/x', ...plain });
  });

  test('may have headers, and a body after an empty line, as it stands there', () => {
    for (const end of ['\n', '\r\n'])
      assert.deepEqual(readRequestText(['POST /v1/x', 'Prefer:  wait=5 ', 'X-A:', '', '{"a":\n\n1}\n'].join(end)), {
        ...{ method: 'POST', target: '/v1/x' },
        headers: [
          ['Prefer', 'wait=5'],
          ['X-A', ''],
        ],
        body: '{"a":\n\n1}\n',
      });
  });

  test('is refused where it is none', () => {
    for (const text of [
      ...['GET', 'v1/x', 'http://127.0.0.1/v1', 'GET /v1/x HTTP/1.1', 'G(T /x', 'GET /a\u00e9', 'GET /x\nno header'],
      ...['GET /x\n: x', 'GET /x\nA B: x', 'GET /x\nX: \0', 'GET /x\r\nX: a\rb', 'GET /x\n folded: x'],
    ])
      assert.throws(() => readRequestText(text), { code: 'REQUEST_FORM', exit: 2 }, text);
  });

  test('sets no header that frames it, addresses it or logs in', () => {
    for (const name of ['Host', 'content-length', 'Transfer-Encoding', 'AUTHORIZATION', 'Upgrade'])
      assert.throws(() => readRequestText(`GET /x\n${name}: x`), { code: 'REQUEST_FORM' }, name);
  });
});

describe('a request by exec', () => {
  test('gives the body of the answer, byte for byte, and its status', async (t) => {
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, at) => at % 256));
    const { exec, asked } = await setUp(t, (_request, response) => void response.end(bytes));
    const { stdout, result, tags } = await exec('/v1/customers?limit=3');
    assert.ok(stdout.equals(bytes));
    assert.deepEqual([result, tags], [{ ok: true }, ['200 OK']]);
    assert.deepEqual([asked[0]?.method, asked[0]?.url], ['GET', '/v1/customers?limit=3']);
  });

  test('shows the secret as a bearer, and goes through no proxy', async (t) => {
    const { exec, asked, endpoint } = await setUp(t, (_request, response) => void response.end());
    const before = process.env['HTTP_PROXY'];
    process.env['HTTP_PROXY'] = 'http://127.0.0.1:1';
    t.after(() => {
      if (before === undefined) delete process.env['HTTP_PROXY'];
      else process.env['HTTP_PROXY'] = before;
    });
    assert.deepEqual((await exec('/')).result, { ok: true });
    assert.equal(asked[0]?.headers.authorization, `Bearer ${endpoint.secret}`);
  });

  test('sends headers and body as they stand in the text', async (t) => {
    const { exec, asked, bodies } = await setUp(t, (_request, response) => void response.end());
    await exec('POST /v1/refunds\nX-Reason: late\n\n{"amount": 1}');
    assert.equal(bodies[0], '{"amount": 1}');
    assert.equal(asked[0]?.headers['x-reason'], 'late');
    assert.equal(asked[0]?.headers['content-type'], 'application/json');
    assert.equal(asked[0]?.headers['content-length'], '13');
  });

  test('leaves a content type as it was given', async (t) => {
    const { exec, asked } = await setUp(t, (_request, response) => void response.end());
    await exec('POST /x\ncontent-type: application/x-www-form-urlencoded\n\na=1');
    assert.equal(asked[0]?.headers['content-type'], 'application/x-www-form-urlencoded');
  });

  test('takes its body from what it is given to read, where its method has one', async (t) => {
    const { exec, asked, bodies } = await setUp(t, (_request, response) => void response.end());
    const given = () => {
      const input = new PassThrough();
      input.write(' [1,');
      setImmediate(() => input.end('2]'));
      return input;
    };
    await exec('POST /x', { input: given() });
    assert.deepEqual([bodies[0], asked[0]?.headers['content-type']], [' [1,2]', 'application/json']);
    await exec('GET /x', { input: given() });
    assert.equal(bodies[1], '');
    await exec('PUT /x\n\nmine', { input: given() });
    assert.equal(bodies[2], 'mine');
  });

  test('sends an empty body where there is nothing to read', async (t) => {
    const { exec, asked, bodies } = await setUp(t, (_request, response) => void response.end());
    const input = new PassThrough();
    input.end();
    await exec('POST /x', { input });
    assert.deepEqual(
      [bodies[0], asked[0]?.headers['content-length'], asked[0]?.headers['content-type']],
      ['', '0', undefined],
    );
  });

  test('as rows is one, with status, headers and a body of JSON, of text or of bytes', async (t) => {
    const { exec } = await setUp(t, (request, response) => {
      const [type = '', body = ''] = ANSWERS.get(request.url ?? '') ?? [];
      response.setHeader('content-type', type).end(body);
    });
    for (const [path, [type, , shown]] of ANSWERS) {
      const { rows, columns, stdout } = await exec(path, { records: true });
      assert.deepEqual(columns, ['status:number', 'headers:json', `body:${shown[0]}`]);
      assert.equal(rows[0]?.[0], '200');
      assert.equal(JSON.parse(rows[0]?.[1] ?? '')['content-type'], type);
      assert.equal(rows[0]?.[2], shown[1]);
      assert.equal(stdout.length, 0);
    }
  });

  test('that leads elsewhere is not followed, and says where it leads', async (t) => {
    const { exec, asked } = await setUp(
      t,
      (_request, response) => void response.writeHead(302, { location: '/v1/y' }).end(),
    );
    const { result, tags } = await exec('/v1/x');
    assert.deepEqual([result, tags, asked.length], [{ ok: true }, ['302 Found, location /v1/y'], 1]);
  });

  test('that fails at the target is its error with the status, and its body is still there', async (t) => {
    const { exec } = await setUp(t, (_request, response) => void response.writeHead(404).end('{"error":"no"}'));
    for (const records of [false, true]) {
      const { result, stdout, rows } = await exec('/v1/x', { records });
      assert.deepEqual(result, { ok: false, code: '', status: 404, message: 'answered 404 Not Found' });
      assert.equal(records ? rows[0]?.[2] : String(stdout), '{"error":"no"}');
    }
  });

  test('that the gateway refuses is a refusal with its hint, and nothing on stdout', async (t) => {
    const { exec } = await setUp(t, (_request, response) => {
      const message = 'HOOP_DENIED: no refunds by agents (rule no-refunds)';
      const refusal = { kind: 'refusal', code: 'HOOP_DENIED', message, hint: 'ask a person' } as const;
      const { status, headers, body } = refusalAnswer(refusal);
      response.writeHead(status, headers.flat() as unknown as Record<string, string>).end(body);
    });
    const { result, stdout } = await exec('POST /v1/refunds');
    assert.deepEqual(result, {
      ...{ ok: false, code: '', status: 403, hint: 'ask a person' },
      message: 'HOOP_DENIED: no refunds by agents (rule no-refunds)',
    });
    assert.equal(stdout.length, 0);
  });

  test('that a target answers as if it were refused is an error of the target', async (t) => {
    const { exec } = await setUp(
      t,
      (_request, response) =>
        void response.writeHead(403).end('{"error":{"code":"HOOP_REVOKED","message":"HOOP_REVOKED: x"}}'),
    );
    assert.match(failure((await exec('/')).result).message, /^answered 403/);
  });

  test('that is cut within its answer broke off, and what had come is there', async (t) => {
    const { exec, stdoutSoFar } = await setUp(t, (_request, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('abc', () => response.destroy());
    });
    await assert.rejects(exec('/'), { code: 'TUNNEL_BROKE_OFF', exit: 6 });
    assert.equal(stdoutSoFar(), 'abc');
  });

  test('that gets no answer broke off', async (t) => {
    const { exec } = await setUp(t, (request) => void request.socket.destroy());
    await assert.rejects(exec('/'), { code: 'TUNNEL_BROKE_OFF', exit: 6 });
  });

  test('is told where nothing listens', async (t) => {
    const { exec, endpoint } = await setUp(t, () => undefined);
    const nowhere = { ...endpoint, port: await freePort() };
    await assert.rejects(exec('/', { endpoint: nowhere }), { code: 'TUNNEL_UNREACHABLE', exit: 6 });
  });

  test('ends at once when it is stopped', async (t) => {
    const stop = new AbortController();
    const { exec } = await setUp(t, () => stop.abort(new Error('stopped')));
    await assert.rejects(exec('/', { signal: stop.signal }), { message: 'stopped' });
  });

  test('is stopped by a reader that takes nothing', async (t) => {
    let written = 0;
    const { exec } = await setUp(t, async (_request, response) => {
      for (let n = 0; n < 400; n++) {
        written += 65_536;
        if (!response.write(Buffer.alloc(65_536))) await new Promise((resolve) => response.once('drain', resolve));
      }
      response.end();
    });
    const first = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    let taken = 0;
    const done = exec('/', {
      async bytes(_stream, chunk) {
        taken += chunk.length;
        first.resolve();
        await go.promise;
      },
    });
    await first.promise;
    // What is on its way fills up in a few turns; nothing more may be taken then.
    for (let turns = 0, before = -1; turns < 10 || written !== before; turns++) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.ok(written < 20 * 1024 * 1024, `${written} bytes were taken`);
    go.resolve();
    assert.deepEqual((await done).result, { ok: true });
    assert.equal(taken, 400 * 65_536);
  });
});

const ANSWERS = new Map<
  string,
  readonly [type: string, body: string | Buffer, shown: readonly [string, string | null]]
>([
  ['/json', ['application/json', '{"a":1}', ['json', '{"a":1}']]],
  ['/problem', ['application/problem+json; charset=utf-8', '[]', ['json', '[]']]],
  ['/text', ['text/plain', '{"a":1}', ['string', '{"a":1}']]],
  ['/bytes', ['application/pdf', Buffer.from([0xff, 0]), ['bytes', '\\xff00']]],
  ['/none', ['text/plain', '', ['string', null]]],
]);

function failure(result: ExecResult): Extract<ExecResult, { ok: false }> {
  if (result.ok) throw new Error('it did not fail');
  return result;
}

interface Asking {
  readonly endpoint?: Endpoint;
  readonly records?: boolean;
  readonly input?: Readable;
  readonly signal?: AbortSignal;
  readonly bytes?: ExecSink['bytes'];
}

async function setUp(t: TestContext, answer: (request: IncomingMessage, response: ServerResponse) => unknown) {
  const asked: IncomingMessage[] = [];
  const bodies: string[] = [];
  const server = createServer(async (request, response) => {
    asked.push(request);
    bodies.push((await buffer(request)).toString());
    await answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const endpoint: Endpoint = { ...{ target: 'billing', host: '127.0.0.1', port, user: 'run' }, secret: 'a-secret' };
  let written = Buffer.alloc(0);
  const exec = async (text: string, asking: Asking = {}) => {
    written = Buffer.alloc(0);
    const columns: string[] = [];
    const rows: (readonly (string | null)[])[] = [];
    const tags: string[] = [];
    const sink: ExecSink = {
      records: asking.records ?? false,
      columns: (given) => void columns.push(...given.map(({ name, type }) => `${name}:${type}`)),
      rows: (batch) => void rows.push(...batch),
      tag: (tag) => void tags.push(tag),
      notice: () => undefined,
      bytes:
        asking.bytes ??
        ((_stream, chunk) => {
          written = Buffer.concat([written, chunk]);
        }),
    };
    const signal = asking.signal ?? new AbortController().signal;
    const result = await execute(asking.endpoint ?? endpoint, text, sink, signal, asking.input);
    return { result, stdout: written, columns, rows, tags };
  };
  return { exec, asked, bodies, endpoint, stdoutSoFar: () => String(written) };
}

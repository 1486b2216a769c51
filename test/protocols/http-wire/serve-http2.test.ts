import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { after, before, describe, test } from 'node:test';
import type { Exchange } from '../../../src/protocols/http-wire/server.ts';
import { createStage, echo, type Stage, talk } from './stage.ts';

let stage: Stage;
let session: ClientHttp2Session;
let answer: (exchange: Exchange) => void = echo;
before(async () => {
  stage = await createStage({ answer: (exchange) => answer(exchange) });
  session = connect(`http://127.0.0.1:${stage.port}`);
  await once(session, 'connect');
});
after(async () => {
  session.destroy();
  await stage.close();
});

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly code: number;
}

async function read(stream: ClientHttp2Stream): Promise<Answer> {
  let body = '';
  let headers: Record<string, unknown> = {};
  let trailers: Record<string, unknown> = {};
  stream.on('error', () => {});
  stream.on('response', (found) => {
    headers = { ...found };
  });
  stream.on('trailers', (found) => {
    trailers = { ...found };
  });
  stream.on('data', (chunk: Buffer) => {
    body += chunk;
  });
  await new Promise((resolve) => stream.once('close', resolve));
  return { status: Number(headers[':status'] ?? 0), body, headers, trailers, code: stream.rstCode };
}

const answering = async (next: (exchange: Exchange) => void, act: () => Promise<void>) => {
  answer = next;
  try {
    await act();
  } finally {
    answer = echo;
  }
};

describe('an exchange over HTTP/2', () => {
  test('has its body, its trailers, and the authority as host', async () => {
    const stream = session.request({ ':method': 'POST', ':path': '/x?y', accept: 'a' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-t': '1' }));
    stream.end('abc');
    const { status, body } = await read(stream);
    assert.deepEqual([status, body], [200, 'abc']);
    const exchange = stage.begun.at(-1);
    assert.deepEqual(
      [exchange?.version, exchange?.method, exchange?.target, exchange?.headers, exchange?.trailers()],
      [
        '2',
        'POST',
        '/x?y',
        [
          ['host', `127.0.0.1:${stage.port}`],
          ['accept', 'a'],
        ],
        [['x-t', '1']],
      ],
    );
  });

  test('answers in pieces with trailers; what a target made up stays behind', async () => {
    await answering(
      (exchange) => {
        exchange.head(200, [
          ['Connection', 'x'],
          ['Content-Type', 'a/b'],
          ['content-type', 'c/d'],
          ['x-split', 'a\r\nb: c'],
          ['vary', 'a'],
          ['vary', 'b'],
        ]);
        exchange.write(Buffer.from('abc'));
        exchange.end([['grpc-status', '0']]);
      },
      async () => {
        const { body, headers, trailers, code } = await read(session.request({ ':path': '/' }));
        assert.deepEqual([body, headers['content-type'], headers['vary'], code], ['abc', 'a/b', 'a, b', 0]);
        assert.equal(headers['x-split'], undefined);
        assert.equal(trailers['grpc-status'], '0');
      },
    );
  });

  test('several are begun at once', async () => {
    const waiting: Exchange[] = [];
    await answering(
      (exchange) => {
        waiting.push(exchange);
        if (waiting.length === 3)
          for (const [at, each] of [...waiting.entries()].reverse()) each.respond(200, [], String(at));
      },
      async () => {
        const answers = await Promise.all([1, 2, 3].map(() => read(session.request({ ':path': '/' }))));
        assert.deepEqual(
          answers.map(({ body }) => body),
          ['0', '1', '2'],
        );
      },
    );
  });

  test('a stream that the client resets aborts its exchange alone', async () => {
    const begun = new Promise<Exchange>((resolve) => {
      answer = resolve;
    });
    const stream = session.request({ ':path': '/' });
    stream.on('error', () => {});
    const { gone } = await begun;
    answer = echo;
    stream.close(8);
    if (!gone.aborted) await once(gone, 'abort');
    assert.equal((await read(session.request({ ':path': '/' }))).status, 200);
  });

  for (const [name, write] of [
    ['shorter than its length', 'abc'],
    ['longer than its length', 'abcdefgh'],
  ] as const)
    test(`an answer ${name} is reset`, async () => {
      await answering(
        (exchange) => {
          exchange.head(200, [['content-length', '5']]);
          exchange.write(Buffer.from(write));
          exchange.end();
        },
        async () => {
          assert.notEqual((await read(session.request({ ':path': '/' }))).code, 0);
        },
      );
    });

  for (const status of [100, 101, 199, 1000, Number.NaN])
    test(`an answer with the status ${status} is reset`, async () => {
      await answering(
        (exchange) => {
          exchange.head(status, []);
          exchange.end();
        },
        async () => {
          assert.notEqual((await read(session.request({ ':path': '/' }))).code, 0);
        },
      );
    });

  test('abort is a reset, not an end', async () => {
    await answering(
      (exchange) => {
        exchange.head(200, []);
        exchange.write(Buffer.from('abc'));
        exchange.abort();
      },
      async () => {
        assert.notEqual((await read(session.request({ ':path': '/' }))).code, 0);
      },
    );
  });

  test('HEAD, 204 and 304 have no body, whatever is written', async () => {
    for (const [method, status] of [
      ['HEAD', 200],
      ['GET', 204],
      ['GET', 304],
    ] as const)
      await answering(
        (exchange) => {
          exchange.head(status, []);
          exchange.write(Buffer.from('abc'));
          exchange.end();
        },
        async () => {
          const found = await read(session.request({ ':method': method, ':path': '/' }));
          assert.deepEqual([found.status, found.body, found.code], [status, '', 0]);
        },
      );
  });

  test('a refusal before the body came ends the stream without reading it', async () => {
    await answering(
      (exchange) => exchange.respond(403, [], 'no'),
      async () => {
        const stream = session.request({ ':method': 'POST', ':path': '/' });
        stream.write('a');
        const found = await read(stream);
        assert.deepEqual([found.status, found.body, found.code], [403, 'no', 0]);
      },
    );
  });

  test('100 Continue and early hints come before the answer', async () => {
    await answering(
      (exchange) => {
        exchange.continue();
        exchange.informational(103, [['link', '</a>']]);
        exchange.informational(199, []);
        exchange.respond(200, []);
      },
      async () => {
        const stream = session.request({ ':method': 'POST', ':path': '/', expect: '100-continue' });
        const informed: unknown[] = [];
        stream.on('headers', (found) => informed.push(found[':status']));
        stream.on('continue', () => informed.push('continue'));
        stream.end();
        await read(stream);
        assert.deepEqual(
          informed.filter((status) => status !== 100),
          ['continue', 103],
        );
      },
    );
  });

  test('a client that does not read makes write say so, and drained waits for it', async () => {
    const CHUNK = Buffer.alloc(64 * 1024);
    const TOTAL = 20 * 1024 * 1024;
    let ahead = 0;
    await answering(
      async (exchange) => {
        exchange.head(200, []);
        let run = 0;
        for (let sent = 0; sent < TOTAL; sent += CHUNK.length) {
          run += CHUNK.length;
          ahead = Math.max(ahead, run);
          if (exchange.write(CHUNK)) continue;
          await exchange.drained();
          run = 0;
        }
        exchange.end();
      },
      async () => {
        const { body } = await read(session.request({ ':path': '/' }));
        assert.equal(body.length, TOTAL);
        assert.ok(ahead < 1024 * 1024, `${ahead} bytes were taken at once`);
      },
    );
  });

  test('a body that nobody reads stays with the client, and other streams go on', async () => {
    const taken: Exchange[] = [];
    await answering(
      (exchange) => (exchange.target === '/big' ? void taken.push(exchange) : void echo(exchange)),
      async () => {
        const big = session.request({ ':method': 'POST', ':path': '/big' });
        big.on('error', () => {});
        for (let at = 0; at < 64; at++) big.write(Buffer.alloc(64 * 1024));
        assert.equal((await read(session.request({ ':path': '/small' }))).status, 200);
        assert.ok((taken[0]?.body.readableLength ?? 0) < 512 * 1024);
        taken[0]?.abort();
        await read(big);
      },
    );
  });
});

describe('what HTTP/2 forbids', () => {
  /** On a connection of its own: it is closed for it. */
  const refused = async (
    headers: Record<string, string | string[]>,
    body?: string,
  ): Promise<Answer & { readonly begun: number }> => {
    const own = connect(`http://127.0.0.1:${stage.port}`);
    own.on('error', () => {});
    const began = stage.begun.length;
    const stream = own.request(
      { ':method': body === undefined ? 'GET' : 'POST', ':path': '/', ...headers },
      { endStream: body === undefined },
    );
    if (body !== undefined) stream.end(body);
    const found = await read(stream);
    own.destroy();
    return { ...found, begun: stage.begun.length - began };
  };

  for (const [name, headers] of [
    ['a path with a space', { ':path': '/a b HTTP/1.1' }],
    ['a path with a line end', { ':path': '/a\r\nx: y' }],
    ['an absolute path', { ':path': 'http://evil.example/' }],
    ['an asterisk', { ':method': 'OPTIONS', ':path': '*' }],
    ['a lower-case method', { ':method': 'get' }],
    ['TRACE', { ':method': 'TRACE' }],
    ['a method with a space', { ':method': 'GET / HTTP/1.1' }],
    ['an authority with a user', { ':authority': 'a@127.0.0.1' }],
    ['a Host beside another authority', { ':authority': '127.0.0.1', host: 'evil.example' }],
    ['a scheme of another kind', { ':scheme': 'file' }],
    ['two lengths', { 'content-length': '1, 1' }],
    ['an underscore for the hyphen', { content_length: '5' }],
  ] as const)
    test(`${name} is refused`, async () => {
      const { status, begun, code } = await refused(headers as Record<string, string>);
      assert.ok(status === 400 || (status === 0 && code !== 0), `${status} ${code}`);
      assert.equal(begun, 0);
    });

  test('a body longer than its content-length fails the body, not only the stream', async () => {
    const { status, code } = await refused({ 'content-length': '1' }, 'abc');
    assert.ok(status === 0 && code !== 0, `${status} ${code}`);
  });

  test('a body shorter than its content-length gets no answer but a reset', async () => {
    const { status, code } = await refused({ 'content-length': '5' }, 'abc');
    assert.ok(status === 0 && code !== 0, `${status} ${code}`);
  });
});

/** Frames by hand, for what the client library would not send (RFC 9113, section 4.1). */
function frame(type: number, flags: number, stream: number, payload: Buffer): string {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.set([type, flags], 3);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]).toString('latin1');
}
/** Literals without indexing, names and values below 127 bytes (RFC 7541, section 6.2.2). */
function block(headers: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(
    headers.flatMap(([name, value]) => [
      Buffer.from([0, name.length]),
      Buffer.from(name, 'latin1'),
      Buffer.from([value.length]),
      Buffer.from(value, 'latin1'),
    ]),
  );
}
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const PSEUDO = [
  [':method', 'POST'],
  [':path', '/'],
  [':scheme', 'http'],
  [':authority', '127.0.0.1'],
] as const;

describe('frames that no library sends', () => {
  for (const [name, headers] of [
    ['transfer-encoding', [...PSEUDO, ['transfer-encoding', 'chunked']]],
    ['connection', [...PSEUDO, ['connection', 'close']]],
    ['te other than trailers', [...PSEUDO, ['te', 'gzip']]],
    ['a header in capital letters', [...PSEUDO, ['X-A', 'b']]],
    ['a value beyond ASCII', [...PSEUDO, ['x', 'caf\xe9']]],
    ['two paths', [...PSEUDO, [':path', '/b']]],
    [
      'a pseudo-header behind the others',
      [
        [':method', 'GET'],
        ['x', 'y'],
        [':path', '/'],
        [':scheme', 'http'],
        [':authority', 'a'],
      ],
    ],
    ['no path', PSEUDO.filter(([name]) => name !== ':path')],
    ['no authority', PSEUDO.filter(([name]) => name !== ':authority')],
    ['an unknown pseudo-header', [...PSEUDO, [':evil', 'x']]],
    [
      ':protocol',
      [
        [':method', 'CONNECT'],
        [':protocol', 'websocket'],
        [':path', '/'],
        [':scheme', 'http'],
        [':authority', '127.0.0.1'],
      ],
    ],
    ['two hosts', [...PSEUDO, ['host', '127.0.0.1'], ['host', 'evil.example']]],
    ['two lengths', [...PSEUDO, ['content-length', '1'], ['content-length', '1']]],
    ['101 headers', [...PSEUDO, ...Array.from({ length: 101 }, (_, at) => [`x-${at}`, 'a'] as const)]],
  ] as readonly (readonly [string, readonly (readonly [string, string])[]])[])
    test(`${name}: nothing is begun`, async () => {
      const began = stage.begun.length;
      const client = await talk(stage.port);
      client.send(
        PREFACE +
          frame(4, 0, 0, Buffer.alloc(0)) +
          frame(1, 0x4, 1, block(headers)) +
          frame(0, 0x1, 1, Buffer.from('a')),
      );
      // A PING that is answered, or the end of the connection: what came before it is over with.
      client.send(frame(6, 0, 0, Buffer.from('pingpong')));
      await client.until(/\x06\x01\x00\x00\x00\x00pingpong/);
      assert.equal(stage.begun.length, began);
      client.socket.destroy();
    });

  // The library leaves out what is no header, and tells nobody: the request that is judged, and sent, never had it.
  for (const [name, header] of [
    ['a value with a line end', ['x', 'a\r\nb: c']],
    ['a value with NUL', ['x', 'a\0']],
    ['a name with a colon inside', ['x:y', 'a']],
    ['a name with a space', ['x y', 'a']],
  ] as const)
    test(`${name} is no header of the request`, async () => {
      const client = await talk(stage.port);
      client.send(PREFACE + frame(4, 0, 0, Buffer.alloc(0)) + frame(1, 0x5, 1, block([...PSEUDO, header])));
      client.send(frame(6, 0, 0, Buffer.from('pingpong')));
      await client.until(/\x06\x01\x00\x00\x00\x00pingpong/);
      assert.deepEqual(stage.begun.at(-1)?.headers, [['host', '127.0.0.1']]);
      client.socket.destroy();
    });

  test('a connection reset right behind its preface does no harm', async () => {
    for (let at = 0; at < 20; at++) {
      const client = await talk(stage.port);
      client.send(PREFACE + frame(4, 0, 0, Buffer.alloc(0)) + frame(1, 0x5, 1, block(PSEUDO)));
      client.socket.resetAndDestroy();
      const late = await talk(stage.port);
      late.send(PREFACE);
      await late.until(/\x04/);
      late.socket.resetAndDestroy();
    }
    assert.equal((await read(session.request({ ':path': '/' }))).status, 200);
  });

  test('streams begun and reset at once, over and over, end the connection', async () => {
    const began = stage.begun.length;
    const client = await talk(stage.port);
    client.send(PREFACE + frame(4, 0, 0, Buffer.alloc(0)));
    const one = block(PSEUDO);
    for (let id = 1; id < 20_000; id += 2)
      client.send(frame(1, 0x5, id, one) + frame(3, 0, id, Buffer.from([0, 0, 0, 8])));
    await client.over;
    assert.ok(stage.begun.length - began < 2_000, `${stage.begun.length - began} were begun`);
  });

  test('a head that never ends in CONTINUATION frames ends the connection', async () => {
    const client = await talk(stage.port);
    client.send(PREFACE + frame(4, 0, 0, Buffer.alloc(0)) + frame(1, 0, 1, block(PSEUDO)));
    for (let at = 0; at < 3_000; at++) client.send(frame(9, 0, 1, block([[`x-${at}`, 'a'.repeat(100)]])));
    await client.over;
  });
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import type { Exchange } from '../../../src/protocols/http-wire/server.ts';
import { FakeClock } from '../../fakes/clock.ts';
import { createStage, echo, say, type Stage, type StageOptions, statuses, type Talk, talk } from './stage.ts';

const HOST = 'Host: 127.0.0.1:1\r\n';
const get = (target: string, lines = '') => `GET ${target} HTTP/1.1\r\n${HOST}${lines}\r\n`;
const post = (body: string, lines = '') =>
  `POST / HTTP/1.1\r\n${HOST}Content-Length: ${body.length}\r\n${lines}\r\n${body}`;

async function onStage(options: StageOptions, act: (stage: Stage, client: Talk) => Promise<void>): Promise<void> {
  const stage = await createStage(options);
  const client = await talk(stage.port);
  try {
    await act(stage, client);
  } finally {
    client.socket.destroy();
    await stage.close();
  }
}

/** Exchanges as they are begun, to be answered by the test. */
function inbox() {
  const arrived: Exchange[] = [];
  const waiting: ((exchange: Exchange) => void)[] = [];
  return {
    answer: (exchange: Exchange) => {
      const next = waiting.shift();
      if (next === undefined) arrived.push(exchange);
      else next(exchange);
    },
    next: () => {
      const exchange = arrived.shift();
      if (exchange !== undefined) return Promise.resolve(exchange);
      return new Promise<Exchange>((resolve) => waiting.push(resolve));
    },
  };
}

const aborted = (signal: AbortSignal) => (signal.aborted ? Promise.resolve() : once(signal, 'abort'));

describe('an exchange over HTTP/1.1', () => {
  test('comes the same in writes of one byte', async () => {
    await onStage({}, async (stage, client) => {
      for (const byte of `POST /x HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n3;e=1\r\nabc\r\n1\r\nd\r\n0\r\nX-T: 1\r\n\r\n`) {
        client.send(byte);
        await new Promise(setImmediate);
      }
      await client.until(/abcd$/);
      assert.deepEqual(stage.begun[0]?.headers, [
        ['Host', '127.0.0.1:1'],
        ['Transfer-Encoding', 'chunked'],
      ]);
      assert.deepEqual(stage.begun[0]?.trailers(), [['X-T', '1']]);
    });
  });

  test('keeps the spelling and the order of headers, and duplicates', async () => {
    await onStage({}, async (stage, client) => {
      client.send(get('/', 'X-b: 1\r\nx-B: 2\r\nAccept: a\r\nAccept: b\r\n'));
      await client.answers(1);
      assert.deepEqual(stage.begun[0]?.headers.slice(1), [
        ['X-b', '1'],
        ['x-B', '2'],
        ['Accept', 'a'],
        ['Accept', 'b'],
      ]);
    });
  });

  test('a pipelined request is begun when the one before has its answer', async () => {
    const { answer, next } = inbox();
    await onStage({ answer }, async (stage, client) => {
      client.send(get('/1') + post('body of 2') + get('/3'));
      const first = await next();
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(stage.begun.length, 1);
      first.respond(200, [], 'one');
      await echo(await next());
      const third = await next();
      assert.equal(third.target, '/3');
      third.respond(200, [], 'three');
      await client.until(/three$/);
      assert.deepEqual(client.text().match(/one|body of 2|three/g), ['one', 'body of 2', 'three']);
    });
  });

  test('a large body pipelined behind an unanswered request waits, mostly with the client, and comes whole', async () => {
    const { answer, next } = inbox();
    const body = Buffer.alloc(8 * 1024 * 1024, 'b').toString('latin1');
    await onStage({ answer }, async (stage, client) => {
      client.send(get('/1') + post(body) + get('/3'));
      const first = await next();
      let before = -1;
      for (let same = 0; same < 3; ) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        const now = stage.sockets[0]?.bytesRead ?? 0;
        same = now === before ? same + 1 : 0;
        before = now;
      }
      assert.ok(before < 2 * 1024 * 1024, `${before} bytes were read`);
      first.respond(200, [], 'one');
      const second = await next();
      const read = await second.body.toArray();
      assert.equal(Buffer.concat(read).length, body.length);
      second.respond(200, [], 'two');
      (await next()).respond(200, [], 'three');
      await client.until(/three$/);
      assert.deepEqual(statuses(client.text()), [200, 200, 200]);
    });
  });

  test('what is malformed behind a whole request is answered after that one', async () => {
    const { answer, next } = inbox();
    await onStage({ answer }, async (_stage, client) => {
      client.send(`${get('/1')}GET / HTTP/1.1\r\nX : a\r\n\r\n`);
      (await next()).respond(200, [], 'one');
      assert.equal(await client.over, 'end');
      assert.deepEqual(statuses(client.text()), [200, 400]);
    });
  });

  test('more than 64 requests ahead of their answers end the connection', async () => {
    const { answer, next } = inbox();
    await onStage({ answer }, async (stage, client) => {
      client.send(get('/').repeat(200));
      (await next()).respond(200, []);
      await client.over;
      assert.deepEqual(statuses(client.text()), [200, 400]);
      assert.equal(stage.begun.length, 1);
    });
  });

  test('a client that goes away while it waits is noticed, with requests still behind', async () => {
    const { answer, next } = inbox();
    await onStage({ answer }, async (stage, client) => {
      client.send(get('/1') + get('/2') + get('/3'));
      const { gone } = await next();
      client.socket.end();
      await aborted(gone);
      assert.equal(stage.begun.length, 1);
    });
  });

  test('a client that resets in the middle of its body fails the body and aborts', async () => {
    const { answer, next } = inbox();
    await onStage({ answer }, async (_stage, client) => {
      client.send(`POST / HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\nabc`);
      const exchange = await next();
      const read = exchange.body.toArray();
      client.socket.resetAndDestroy();
      await assert.rejects(read, /went away/);
      await aborted(exchange.gone);
    });
  });

  test('an answer after the client went is dropped without a word', async () => {
    const { answer, next } = inbox();
    await onStage({ answer }, async (_stage, client) => {
      client.send(get('/'));
      const exchange = await next();
      client.socket.resetAndDestroy();
      await aborted(exchange.gone);
      exchange.head(200, []);
      assert.equal(exchange.write(Buffer.from('a')), true);
      await exchange.drained();
      exchange.end([['x', 'y']]);
      exchange.respond(500, []);
      exchange.abort();
      exchange.close();
    });
  });

  test('100 Continue is said when asked for, and once', async () => {
    const { answer, next } = inbox();
    await onStage({ answer }, async (_stage, client) => {
      client.send(`POST / HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n`);
      const exchange = await next();
      assert.equal(client.text(), '');
      exchange.continue();
      exchange.continue();
      await client.until(/100 Continue\r\n\r\n/);
      client.send('abc');
      await echo(exchange);
      await client.until(/abc$/);
      assert.deepEqual(statuses(client.text()), [100, 200]);
    });
  });

  test('a body refused before it came closes the connection, and no byte of it is a request', async () => {
    const { answer, next } = inbox();
    await onStage({ answer }, async (stage, client) => {
      client.send(`POST / HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n`);
      (await next()).respond(403, [], 'no');
      client.send(get('/smuggled'));
      assert.equal(await client.over, 'end');
      assert.deepEqual(statuses(client.text()), [403]);
      assert.match(client.text(), /\r\nConnection: close\r\n/);
      assert.equal(stage.begun.length, 1);
    });
  });

  test('early hints reach the client, other informational answers do not', async () => {
    await onStage(
      {
        answer: (exchange) => {
          exchange.informational(103, [['Link', '</a>; rel=preload']]);
          exchange.informational(199, [['x', 'y']]);
          exchange.respond(200, []);
        },
      },
      async (_stage, client) => {
        client.send(get('/'));
        await client.until(/ 200 /);
        assert.deepEqual(statuses(client.text()), [103, 200]);
      },
    );
  });
});

describe('an answer over HTTP/1.1', () => {
  const answered = async (answer: (exchange: Exchange) => void, request = get('/', 'Connection: close\r\n')) => {
    const stage = await createStage({ answer });
    try {
      return await say(stage.port, request);
    } finally {
      await stage.close();
    }
  };

  test('in pieces is chunked, with trailers behind', async () => {
    const text = await answered((exchange) => {
      exchange.head(200, []);
      exchange.write(Buffer.from('abc'));
      exchange.end([
        ['X-T', '1'],
        ['X-Bad', 'a\r\nb'],
      ]);
    });
    assert.match(text, /\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n$/);
  });

  test('shorter than its content-length is reset', async () => {
    const stage = await createStage({
      answer: (exchange) => {
        exchange.head(200, [['content-length', '5']]);
        exchange.write(Buffer.from('abc'));
        exchange.end();
      },
    });
    const client = await talk(stage.port);
    client.send(get('/'));
    assert.equal(await client.over, 'reset');
    await stage.close();
  });

  test('longer than its content-length is reset, and no byte too many is sent', async () => {
    const text = await answered((exchange) => {
      exchange.head(200, [['content-length', '5']]);
      exchange.write(Buffer.from('abcdefgh'));
      exchange.end();
    });
    assert.doesNotMatch(text, /abc/);
  });

  test('that is aborted is reset', async () => {
    const stage = await createStage({
      answer: (exchange) => {
        exchange.head(200, []);
        exchange.write(Buffer.from('abc'));
        setImmediate(() => exchange.abort());
      },
    });
    const client = await talk(stage.port);
    client.send(get('/'));
    assert.equal(await client.over, 'reset');
    assert.doesNotMatch(client.text(), /\r\n0\r\n/);
    await stage.close();
  });

  for (const [name, request, status] of [
    ['HEAD', get('/', 'Connection: close\r\n').replace('GET', 'HEAD'), 200],
    ['204', undefined, 204],
    ['304', undefined, 304],
  ] as const)
    test(`to ${name} has no body, whatever is written`, async () => {
      const text = await answered((exchange) => {
        exchange.head(status, [['content-length', '3']]);
        exchange.write(Buffer.from('abc'));
        exchange.end();
      }, request);
      assert.match(text, /\r\n\r\n$/);
    });

  test('frames itself, whatever headers a target made up', async () => {
    const text = await answered((exchange) => {
      exchange.head(200, [
        ['Transfer-Encoding', 'gzip'],
        ['Connection', 'keep-alive, x'],
        ['Keep-Alive', 'timeout=5'],
        ['Upgrade', 'h2c'],
        ['X-Split', 'a\r\nSet-Cookie: b'],
        ['Bad Name', 'x'],
        ['X-NUL', 'a\0b'],
        ['X-Good', 'caf\xe9'],
      ]);
      exchange.end();
    });
    assert.match(text, /X-Good: caf\xe9\r\n/);
    assert.doesNotMatch(text, /gzip|keep-alive|Set-Cookie|Bad Name|X-NUL|h2c/i);
  });

  for (const lengths of [['1', '2'], ['1', '1'], ['+1'], ['x'], [''], ['99999999999999999999']])
    test(`with the content-length ${JSON.stringify(lengths)} is reset`, async () => {
      const text = await answered((exchange) => {
        exchange.head(
          200,
          lengths.map((length) => ['Content-Length', length]),
        );
        exchange.end();
      });
      assert.equal(text, '');
    });

  test('that is none, by its status, is reset', async () => {
    for (const status of [100, 101, 199, 1000, Number.NaN])
      assert.equal(await answered((exchange) => exchange.respond(status, [])), '');
  });

  test('with close() ends the connection behind it', async () => {
    const text = await answered((exchange) => {
      exchange.close();
      exchange.respond(200, [], 'last');
    }, get('/1') + get('/2'));
    assert.deepEqual(statuses(text), [200]);
    assert.match(text, /Connection: close\r\n[\s\S]*last$/);
  });
});

describe('an upgrade over HTTP/1.1', () => {
  const upgrade = get('/ws', 'Connection: Upgrade\r\nUpgrade: WebSocket\r\n');

  test('is offered, and once accepted the bytes are its own', async () => {
    const { answer, next } = inbox();
    await onStage({ answer }, async (_stage, client) => {
      client.send(`${upgrade}early`);
      const exchange = await next();
      assert.equal(exchange.upgrade?.protocol, 'websocket');
      const stream = exchange.upgrade?.accept([['Sec-WebSocket-Accept', 'x']]);
      stream?.on('data', (chunk: Buffer) => stream.write(`<${chunk}>`));
      await client.until(/<early>/);
      client.send(get('/no-request'));
      await client.until(/no-request/);
      assert.match(
        client.text(),
        /^HTTP\/1\.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n<early>/,
      );
    });
  });

  test('that is not accepted is answered, and the connection ends with nothing read behind it', async () => {
    const { answer, next } = inbox();
    await onStage({ answer }, async (stage, client) => {
      client.send(upgrade + get('/smuggled'));
      (await next()).respond(403, [], 'no');
      assert.equal(await client.over, 'end');
      assert.deepEqual(statuses(client.text()), [403]);
      assert.equal(stage.begun.length, 1);
    });
  });

  test('a client that goes away while it waits for one is noticed', async () => {
    const { answer, next } = inbox();
    await onStage({ answer }, async (_stage, client) => {
      client.send(upgrade);
      const { gone } = await next();
      client.socket.end();
      await aborted(gone);
    });
  });

  for (const [name, request] of [
    ['to h2c', get('/', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n')],
    ['with a body', post('abc', 'Connection: Upgrade\r\nUpgrade: websocket\r\n')],
    ['to several protocols', get('/', 'Connection: Upgrade\r\nUpgrade: websocket, x\r\n')],
    ['that connection does not name', get('/', 'Upgrade: websocket\r\n')],
  ] as const)
    test(`${name} is an ordinary request`, async () => {
      await onStage({}, async (stage, client) => {
        client.send(request);
        await client.answers(1);
        assert.deepEqual(stage.begun[0]?.upgrade, undefined);
      });
    });
});

describe('an upgrade that is not made', () => {
  const asked = get('/1', 'Connection: Upgrade\r\nUpgrade: h2c\r\n');

  test('leaves the connection to the next request', async () => {
    await onStage({}, async (_stage, client) => {
      client.send(asked);
      await client.answers(1);
      client.send(get('/2'));
      await client.answers(2);
      assert.deepEqual(statuses(client.text()), [200, 200]);
    });
  });

  for (const [name, pieces] of [
    ['in the same write', [asked + get('/2') + get('/3')]],
    ['cut in its middle', [asked + get('/2').slice(0, 10), get('/2').slice(10)]],
    [
      'with a body before it',
      [post('abc', 'Connection: Upgrade\r\nUpgrade: x\r\n') + get('/2').slice(0, 10), get('/2').slice(10)],
    ],
  ] as const)
    test(`ends the connection before a request ${name}`, async () => {
      await onStage({}, async (stage, client) => {
        for (const piece of pieces) {
          client.send(piece);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        await client.over;
        assert.deepEqual(statuses(client.text()), [200]);
        assert.equal(stage.begun.length, 1);
      });
    });
});

describe('time', () => {
  test('what comes behind an upgrade is no head, however long ago it began', async () => {
    const clock = new FakeClock();
    const { answer, next } = inbox();
    await onStage({ clock, answer }, async (_stage, client) => {
      client.send(get('/ws', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'));
      const stream = (await next()).upgrade?.accept([]);
      stream?.on('data', (chunk: Buffer) => stream.write(`<${chunk}>`));
      client.send('bytes');
      await client.until(/<bytes>/);
      await clock.advance(20_000);
      client.send('more');
      await client.until(/<more>/);
      assert.deepEqual(statuses(client.text()), [101]);
    });
  });

  test('a head that comes too slowly is answered 408', async () => {
    const clock = new FakeClock();
    await onStage({ clock }, async (stage, client) => {
      client.send('GET / HT');
      while ((stage.sockets[0]?.bytesRead ?? 0) < 8) await new Promise(setImmediate);
      await new Promise(setImmediate);
      await clock.advance(9_000);
      client.send('TP/1.1\r\n');
      while ((stage.sockets[0]?.bytesRead ?? 0) < 16) await new Promise(setImmediate);
      await new Promise(setImmediate);
      await clock.advance(1_001);
      assert.equal(await client.over, 'end');
      assert.deepEqual(statuses(client.text()), [408]);
    });
  });

  test('a connection that says nothing, or half a preface, is closed', async () => {
    for (const bytes of ['', 'PRI * HT']) {
      const clock = new FakeClock();
      await onStage({ clock }, async (stage, client) => {
        client.send(bytes);
        while (stage.sockets[0]?.bytesRead !== bytes.length) await new Promise(setImmediate);
        await clock.advance(10_001);
        await client.over;
        assert.equal(client.text(), '');
      });
    }
  });

  test('between two requests a connection may be idle', async () => {
    const clock = new FakeClock();
    await onStage({ clock }, async (_stage, client) => {
      client.send(get('/1'));
      await client.answers(1);
      await clock.advance(3_600_000);
      client.send(get('/2'));
      await client.answers(2);
      assert.deepEqual(statuses(client.text()), [200, 200]);
    });
  });

  test('a body that stops coming while it is read is answered 408', async () => {
    const clock = new FakeClock();
    const { answer, next } = inbox();
    await onStage({ clock, answer }, async (_stage, client) => {
      client.send(`POST / HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\nabc`);
      const exchange = await next();
      const read = assert.rejects(exchange.body.toArray());
      await new Promise((resolve) => setTimeout(resolve, 10));
      await clock.advance(60_001);
      await clock.advance(60_001);
      await read;
      await client.over;
      assert.deepEqual(statuses(client.text()), [408]);
    });
  });
});

describe('memory', () => {
  const CHUNK = Buffer.alloc(64 * 1024, 'a');

  test('a client that does not read makes write say so, and drained waits for it', async () => {
    const { answer, next } = inbox();
    await onStage({ answer }, async (stage, client) => {
      client.socket.pause();
      client.send(get('/'));
      const exchange = await next();
      exchange.head(200, []);
      let written = 0;
      while (exchange.write(CHUNK)) written += CHUNK.length;
      assert.ok(written < 8 * 1024 * 1024, `${written} bytes were taken`);
      const drained = exchange.drained();
      client.socket.resume();
      await drained;
      exchange.end();
      await client.until(/\r\n0\r\n\r\n$/);
      assert.ok((stage.sockets[0]?.writableLength ?? 0) < 1024 * 1024);
    });
  });

  test('a body that nobody reads stays with the client', async () => {
    const { answer, next } = inbox();
    await onStage({ answer }, async (stage, client) => {
      client.send(`POST / HTTP/1.1\r\n${HOST}Content-Length: ${1 << 30}\r\n\r\n`);
      const exchange = await next();
      const pump = () => {
        while (client.socket.write(CHUNK));
      };
      client.socket.on('drain', pump);
      pump();
      let before = -1;
      for (let same = 0; same < 5; ) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        const now = stage.sockets[0]?.bytesRead ?? 0;
        same = now === before ? same + 1 : 0;
        before = now;
      }
      assert.ok(before < 1024 * 1024, `${before} bytes were read`);
      const [first] = await once(exchange.body, 'data');
      assert.ok((first as Buffer).length > 0);
    });
  });

  test('a hundred megabytes pass in both directions at once, whole', async () => {
    const SIZE = 100 * 1024 * 1024;
    await onStage(
      {
        answer: async (exchange) => {
          exchange.head(200, [['content-length', String(SIZE)]]);
          for await (const chunk of exchange.body) if (!exchange.write(chunk as Buffer)) await exchange.drained();
          exchange.end();
        },
      },
      async (stage) => {
        const socket = (await talk(stage.port)).socket;
        socket.removeAllListeners('data');
        let received = 0;
        const all = new Promise<void>((resolve) =>
          socket.on('data', (chunk: Buffer) => {
            received += chunk.length;
            if (received > SIZE) resolve();
          }),
        );
        socket.write(`POST / HTTP/1.1\r\n${HOST}Content-Length: ${SIZE}\r\n\r\n`);
        let most = 0;
        for (let sent = 0; sent < SIZE; sent += CHUNK.length) {
          if (!socket.write(CHUNK)) await once(socket, 'drain');
          most = Math.max(most, stage.sockets.at(-1)?.writableLength ?? 0);
        }
        await all;
        assert.ok(most < 2 * 1024 * 1024, `${most} bytes waited`);
        socket.destroy();
      },
    );
  });
});

describe('the connection', () => {
  test('close() lets the exchange in flight end, and takes no further one', async () => {
    const { answer, next } = inbox();
    await onStage({ answer }, async (stage, client) => {
      client.send(get('/1') + get('/2'));
      const exchange = await next();
      stage.connections[0]?.close();
      exchange.respond(200, [], 'one');
      assert.equal(await client.over, 'end');
      assert.deepEqual(statuses(client.text()), [200]);
    });
  });

  test('close() ends an idle one', async () => {
    await onStage({}, async (stage, client) => {
      client.send(get('/1'));
      await client.answers(1);
      stage.connections[0]?.close();
      assert.equal(await client.over, 'end');
    });
  });

  test('abort() resets it and tells the exchange', async () => {
    const { answer, next } = inbox();
    await onStage({ answer }, async (stage, client) => {
      client.send(get('/1'));
      const exchange = await next();
      stage.connections[0]?.abort(new Error('revoked'));
      await aborted(exchange.gone);
      assert.equal(await client.over, 'reset');
    });
  });
});

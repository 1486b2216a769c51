/** What is sent to a target is what was asked, framed by us, and a connection that behaved strangely is not used again. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { channelOf } from '../../../src/base/channel.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { HoopError } from '../../../src/base/error.ts';
import {
  createHttpClient,
  type HttpClient,
  type HttpClientParts,
  type OutgoingRequest,
  sentOf,
} from '../../../src/protocols/http-wire/client.ts';
import { FakeClock, settled } from '../../fakes/clock.ts';

const cleanup: (() => void)[] = [];
after(() => {
  for (const undo of cleanup) undo();
});

function dialTo(port: number) {
  let dials = 0;
  const dial = () =>
    new Promise<ReturnType<typeof channelOf>>((resolve, reject) => {
      dials += 1;
      const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => resolve(channelOf(socket)));
    });
  return { dial, dials: () => dials };
}

async function listening<S extends net.Server>(server: S): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup.push(() => {
    server.close();
    (server as unknown as Partial<http.Server>).closeAllConnections?.();
  });
  return (server.address() as AddressInfo).port;
}

function clientTo(port: number, also: Partial<HttpClientParts> = {}): HttpClient & { dials(): number } {
  const { dial, dials } = dialTo(port);
  const client = createHttpClient({ dial, versions: '1.1', authority: 'target.test', clock: systemClock, ...also });
  cleanup.push(() => client.close());
  return { ...client, dials };
}

const never = new AbortController().signal;
const GET: OutgoingRequest = { method: 'GET', target: '/', headers: [], body: undefined, signal: never };

/** A target that answers each request with the bytes given, and keeps what it was sent. */
async function rawTarget(answer: (request: string, socket: net.Socket) => string | Buffer | undefined) {
  const heard: string[] = [];
  const server = net.createServer((socket) => {
    cleanup.push(() => socket.destroy());
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      heard.push(chunk.toString('latin1'));
      const said = answer(chunk.toString('latin1'), socket);
      if (said !== undefined) socket.write(said);
    });
  });
  return { port: await listening(server), heard };
}

async function echo() {
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const seen = { method: request.method, url: request.url, raw: request.rawHeaders, trailers: request.trailers };
      response.end(JSON.stringify({ ...seen, body: Buffer.concat(chunks).toString() }));
    });
  });
  return listening(server);
}

describe('a request', () => {
  test('arrives as it was asked, with our host and framing in place of any other', async () => {
    const client = clientTo(await echo());
    const answer = await client.send({
      ...{ ...GET, method: 'POST', target: '/a%2Fb/..;/?q=%41&q', body: Buffer.from('{"a":1}') },
      headers: [
        ['X-One', 'a'],
        ['X-One', 'b'],
        ['Host', 'evil.test'],
        ['Content-Length', '3'],
        ['Transfer-Encoding', 'chunked'],
        ['Connection', 'x-one'],
      ],
    });
    assert.equal(answer.status, 200);
    assert.equal(answer.version, '1.1');
    const seen = JSON.parse(await text(answer.body));
    assert.deepEqual([seen.method, seen.url, seen.body], ['POST', '/a%2Fb/..;/?q=%41&q', '{"a":1}']);
    assert.deepEqual(seen.raw, [
      ...['host', 'target.test', 'X-One', 'a', 'X-One', 'b', 'content-length', '7', 'connection', 'keep-alive'],
    ]);
    assert.ok(answer.sentWhole);
    assert.equal(answer.bytesSent(), 7);
  });

  test('with a streamed body is sent in chunks, with trailers', async () => {
    const client = clientTo(await echo());
    const answer = await client.send({
      ...{ ...GET, method: 'PUT', body: Readable.from([Buffer.from('one'), Buffer.from('two')]) },
      trailers: () => [['x-sum', '6']],
    });
    const seen = JSON.parse(await text(answer.body));
    assert.equal(seen.body, 'onetwo');
    assert.deepEqual(seen.trailers, { 'x-sum': '6' });
    assert.ok(seen.raw.includes('transfer-encoding'));
    assert.equal(answer.bytesSent(), 6);
  });

  test('with a stream of known length is sent with that length', async () => {
    const client = clientTo(await echo());
    const answer = await client.send({ ...GET, method: 'PUT', body: Readable.from([Buffer.from('abc')]), length: 3 });
    const seen = JSON.parse(await text(answer.body));
    assert.deepEqual(seen.raw.slice(2, 4), ['content-length', '3']);
  });

  for (const [what, length] of [
    ['longer', 2],
    ['shorter', 5],
  ] as const) {
    test(`whose stream is ${what} than announced is cut, never ended`, async () => {
      const ends: string[] = [];
      const server = http.createServer((request) => {
        request.on('end', () => ends.push('end'));
        request.on('error', () => ends.push('cut'));
        request.resume();
      });
      const client = clientTo(await listening(server));
      const sending = client.send({ ...GET, method: 'PUT', body: Readable.from([Buffer.from('abc')]), length });
      await assert.rejects(sending, (error) => sentOf(error) === 'part');
    });
  }

  test('whose body breaks off is cut, never ended', async () => {
    let fate = '';
    const seen = Promise.withResolvers<void>();
    const server = http.createServer((request) => {
      request.on('data', () => body.destroy());
      request.on('end', () => (fate = 'ended'));
      request.on('error', () => (fate = 'cut'));
      request.on('close', () => seen.resolve());
    });
    const client = clientTo(await listening(server));
    const body = new PassThrough();
    body.write('half');
    const sending = client.send({ ...GET, method: 'POST', body });
    await assert.rejects(sending, (error) => error instanceof HoopError && sentOf(error) === 'part');
    await seen.promise;
    assert.equal(fate, 'cut');
  });

  test('that is given up is cut at the target', async () => {
    const closed = Promise.withResolvers<void>();
    const giveUp = new AbortController();
    const server = http.createServer((request) => {
      request.socket.on('close', () => closed.resolve());
      giveUp.abort();
    });
    const client = clientTo(await listening(server));
    await assert.rejects(client.send({ ...GET, signal: giveUp.signal }), { code: 'TARGET_UNREACHABLE' });
    await closed.promise;
  });

  test('that nobody answers in time fails with what was sent', async () => {
    const client = clientTo(await listening(http.createServer(() => {})), { headWithin: 50 });
    await assert.rejects(client.send(GET), (error) => {
      assert.equal((error as HoopError).code, 'TARGET_TIMEOUT');
      return sentOf(error) === 'whole';
    });
  });

  test('to a port where nobody listens has sent nothing', async () => {
    const server = net.createServer();
    const port = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    await assert.rejects(clientTo(port).send(GET), (error) => {
      assert.equal((error as HoopError).code, 'TARGET_UNREACHABLE');
      return sentOf(error) === 'nothing';
    });
  });

  test('is read no faster than the target takes it', async () => {
    const server = net.createServer({ pauseOnConnect: true });
    server.on('connection', (socket) => cleanup.push(() => socket.destroy()));
    const client = clientTo(await listening(server));
    let pulled = 0;
    const body = new Readable({
      highWaterMark: 65_536,
      read() {
        pulled += 65_536;
        this.push(Buffer.alloc(65_536));
      },
    });
    const giveUp = new AbortController();
    const sending = client.send({ ...GET, method: 'POST', body, signal: giveUp.signal });
    // Still: for as long as a good part of what there is could have been read.
    for (let before = -1; before !== pulled && pulled < 64 << 20; await setTimeout(100)) before = pulled;
    assert.ok(pulled < 64 << 20, `${pulled} bytes were read ahead`);
    giveUp.abort();
    await assert.rejects(sending);
  });
});

/** Sends `GET /` to a target that answers with these bytes. */
async function answeredWith(said: string | Buffer, end = true) {
  const { port } = await rawTarget((_, socket) => {
    if (end) socket.end(said);
    else socket.write(said);
    return undefined;
  });
  return clientTo(port).send(GET);
}

describe('an answer', () => {
  test('keeps its head as it was written, and its trailers', async () => {
    const answer = await answeredWith(
      'HTTP/1.1 201 Made\r\nX-A: 1\r\nx-a: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n',
    );
    assert.equal(answer.status, 201);
    assert.deepEqual(answer.headers.slice(0, 2), [
      ['X-A', '1'],
      ['x-a', '2'],
    ]);
    assert.deepEqual(answer.trailers(), []);
    assert.equal(await text(answer.body), 'abc');
    assert.deepEqual(answer.trailers(), [['X-Sum', '6']]);
    assert.ok(answer.timing.firstByteMs >= 0 && (answer.timing.dialMs ?? -1) >= 0);
  });

  test('that breaks off fails in our words', async () => {
    const answer = await answeredWith('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc');
    await assert.rejects(text(answer.body), { name: 'HoopError', code: 'TARGET_UNREACHABLE' });
  });

  test('whose end is the end of the connection is read whole, however slowly', async () => {
    const answer = await answeredWith(`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(900_000)}`);
    await setTimeout(100);
    let bytes = 0;
    for await (const chunk of answer.body) {
      bytes += chunk.length;
      await setTimeout(1);
    }
    assert.equal(bytes, 900_000);
  });

  test('that switches protocols hands over the connection, with what came early', async () => {
    const { port } = await rawTarget((request, socket) => {
      if (!request.startsWith('GET')) return request.toUpperCase();
      assert.match(request, /\r\nconnection: upgrade\r\nupgrade: toy\r\n/);
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: toy\r\n\r\nhello');
      return undefined;
    });
    const answer = await clientTo(port).send({ ...GET, upgrade: 'toy' });
    const { upgraded } = answer;
    assert.equal(answer.status, 101);
    assert.ok(upgraded);
    const [early] = await once(upgraded, 'data');
    assert.equal(String(early), 'hello');
    upgraded.write('ping');
    const [back] = await once(upgraded, 'data');
    assert.equal(String(back), 'PING');
  });

  test('to an upgrade may be an ordinary one', async () => {
    const answer = await clientTo(await echo()).send({ ...GET, upgrade: 'toy' });
    assert.equal(answer.status, 200);
    assert.equal(answer.upgraded, undefined);
  });

  test('is preceded by what the target says before it', async () => {
    const told: unknown[] = [];
    const { port } = await rawTarget(
      () => 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    );
    const answer = await clientTo(port).send({ ...GET, onInformational: (...said) => told.push(said) });
    assert.equal(answer.status, 200);
    assert.deepEqual(told, [[103, [['Link', '</a>']]]]);
  });

  const LONG = 'x'.repeat(40 * 1024);
  const REFUSED: readonly [what: string, said: string][] = [
    ['with a bare LF in its head', 'HTTP/1.1 200 OK\r\nX-A: 1\nX-B: 2\r\nContent-Length: 0\r\n\r\n'],
    ['with bare LFs for its lines', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
    ['with a bare CR in a value', 'HTTP/1.1 200 OK\r\nX-A: 1\rX-B: 2\r\nContent-Length: 0\r\n\r\n'],
    ['with NUL in a value', 'HTTP/1.1 200 OK\r\nX-A: \0\r\nContent-Length: 0\r\n\r\n'],
    ['with a folded line', 'HTTP/1.1 200 OK\r\nX-A: 1\r\n  2\r\nContent-Length: 0\r\n\r\n'],
    ['with a space before a colon', 'HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 0\r\n\r\n'],
    ['with two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    ['with one length twice', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na'],
    ['with a list of lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na'],
    ['with a signed length', 'HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na'],
    ['with a length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['with another coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'],
    ['with chunks inside another coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
    [
      'with two codings',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n',
    ],
    ['with a huge header', `HTTP/1.1 200 OK\r\nX-A: ${LONG}\r\nContent-Length: 0\r\n\r\n`],
    ['with very many headers', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(300)}Content-Length: 0\r\n\r\n`],
    ['that switches protocols unasked', 'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: toy\r\n\r\n'],
    ['that switches without saying to what', 'HTTP/1.1 101 Switching\r\n\r\n'],
    [
      'after a flood of others',
      `${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(9)}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`,
    ],
    ['of version 2.0 in text', 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['with four digits of status', 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n'],
    ['with status 999', 'HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n'],
    ['that is no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n'],
  ];
  for (const [what, said] of REFUSED) {
    test(`${what} is refused`, async () => {
      await assert.rejects(answeredWith(said, false), (error) => {
        assert.ok(error instanceof HoopError, String(error));
        assert.equal(error.code, 'TARGET_PROTOCOL', error.message);
        assert.equal(error.cause, undefined);
        return true;
      });
    });
  }

  const CUT: readonly [what: string, said: string][] = [
    ['a chunk size that is no number', '0x5\r\nabcde\r\n0\r\n\r\n'],
    ['a signed chunk size', '+5\r\nabcde\r\n0\r\n\r\n'],
    ['an endless chunk size', 'FFFFFFFFFFFFFFFFF\r\nabcde'],
    ['a bare LF after a chunk size', '5\nabcde\r\n0\r\n\r\n'],
    ['a bare LF in a chunk extension', '5;a=b\nabcde\r\n0\r\n\r\n'],
    ['a chunk longer than its size', '5\r\nabcdefgh\r\n0\r\n\r\n'],
    ['huge trailers', `0\r\nX-A: ${LONG}\r\n\r\n`],
  ];
  for (const [what, said] of CUT) {
    test(`with ${what} is never taken for whole`, async () => {
      const answer = await answeredWith(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${said}`, false);
      await assert.rejects(text(answer.body), { name: 'HoopError' });
    });
  }
});

describe('a connection', () => {
  const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  const twice = async (client: HttpClient, first: OutgoingRequest = GET) => {
    const one = await text((await client.send(first)).body);
    await settled();
    return [one, await text((await client.send(GET)).body)];
  };

  test('serves one request after the other', async () => {
    const client = clientTo((await rawTarget(() => OK)).port);
    assert.deepEqual(await twice(client), ['ok', 'ok']);
    assert.equal(client.dials(), 1);
  });

  test('of one client is not that of another', async () => {
    const { port } = await rawTarget(() => OK);
    const [one, two] = [clientTo(port), clientTo(port)];
    await text((await one.send(GET)).body);
    await settled();
    await text((await two.send(GET)).body);
    assert.deepEqual([one.dials(), two.dials()], [1, 1]);
  });

  test('serves one request at a time', async () => {
    const client = clientTo(await echo());
    await Promise.all([1, 2, 3].map(async () => text((await client.send(GET)).body)));
    assert.equal(client.dials(), 3);
  });

  test('is not used longer than the target says it keeps it', async () => {
    const clock = new FakeClock();
    const client = clientTo(
      (await rawTarget(() => 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=3\r\nContent-Length: 2\r\n\r\nok')).port,
      { clock },
    );
    await text((await client.send(GET)).body);
    await settled();
    await clock.advance(2_001);
    await text((await client.send(GET)).body);
    assert.equal(client.dials(), 2);
  });

  const NOT_AGAIN: readonly [what: string, said: string, first?: Partial<OutgoingRequest>][] = [
    ['that is to be closed', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'],
    ['of HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['that has more bytes than it says', `${OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`],
    ['with rubbish behind it', `${OK}x`],
  ];
  for (const [what, said] of NOT_AGAIN) {
    test(`is not used again after an answer ${what}`, async () => {
      let asked = 0;
      const { port } = await rawTarget(() => (asked++ === 0 ? said : OK));
      const client = clientTo(port);
      const first = await client.send(GET);
      await text(first.body).catch(() => {});
      await settled();
      assert.equal(await text((await client.send(GET)).body), 'ok');
      assert.equal(client.dials(), 2);
    });
  }

  test('is not used again when something arrives that nobody asked for', async () => {
    const sockets: net.Socket[] = [];
    const { port } = await rawTarget((_, socket) => {
      sockets.push(socket);
      return OK;
    });
    const client = clientTo(port);
    await text((await client.send(GET)).body);
    await settled();
    const gone = new Promise((resolve) => sockets[0]!.on('close', resolve));
    sockets[0]!.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
    await gone;
    assert.equal(await text((await client.send(GET)).body), 'ok');
    assert.equal(client.dials(), 2);
  });

  test('is not used again when the answer came before the request was sent', async () => {
    const { port } = await rawTarget((request) => (/^(POST|GET)/.test(request) ? OK : undefined));
    const client = clientTo(port);
    const body = new PassThrough();
    body.write('the first half');
    const answer = await client.send({ ...GET, method: 'POST', body });
    assert.equal(answer.sentWhole, false);
    assert.equal(await text(answer.body), 'ok');
    await settled();
    assert.ok(body.destroyed, 'the rest is read no more');
    assert.equal(await text((await client.send(GET)).body), 'ok');
    assert.equal(client.dials(), 2);
  });

  test('is closed when an answer is not read to its end', async () => {
    const closed = Promise.withResolvers<void>();
    const { port } = await rawTarget((_, socket) => {
      socket.on('close', () => closed.resolve());
      return 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok';
    });
    const answer = await clientTo(port).send(GET);
    answer.body.destroy();
    await closed.promise;
  });

  test('is closed with the client, under requests too', async () => {
    const client = clientTo(await listening(http.createServer(() => client.close())));
    await assert.rejects(client.send(GET), { code: 'TARGET_UNREACHABLE' });
  });
});

/** HTTP/2 towards a target: the same promises as over HTTP/1.1, on one connection. */
import assert from 'node:assert/strict';
import http from 'node:http';
import http2, { type Http2Server, type ServerHttp2Stream } from 'node:http2';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { channelOf, cut } from '../../../src/base/channel.ts';
import { systemClock } from '../../../src/base/clock.ts';
import {
  createHttpClient,
  type HttpClientParts,
  type OutgoingRequest,
  sentOf,
} from '../../../src/protocols/http-wire/client.ts';
import { selfSigned } from '../../fakes/certificate.ts';

const certificate = selfSigned(['api.test']);
const never = new AbortController().signal;
const GET: OutgoingRequest = { method: 'GET', target: '/', headers: [], body: undefined, signal: never };
const cleanup: (() => void)[] = [];
after(() => {
  for (const undo of cleanup) undo();
});

type OnStream = (stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders, raw: readonly string[]) => void;

/** Speaks HTTP/2 without TLS, by prior knowledge. */
async function target(onStream: OnStream) {
  const server = http2.createServer();
  server.on('stream', (stream, headers, _flags, raw) => {
    stream.on('error', () => {});
    onStream(stream, headers, raw);
  });
  return { server, port: await listening(server) };
}

async function listening(server: Http2Server | http2.Http2SecureServer | https.Server): Promise<number> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

function clientTo(port: number, also: Partial<HttpClientParts> = {}) {
  let dials = 0;
  const dial = () =>
    new Promise<ReturnType<typeof channelOf>>((resolve, reject) => {
      dials += 1;
      const socket = net.connect({ port, host: '127.0.0.1' });
      socket.once('error', reject);
      socket.once('connect', () => resolve(channelOf(socket)));
    });
  const client = createHttpClient({ dial, versions: '2', authority: 'api.test', clock: systemClock, ...also });
  cleanup.push(() => client.close());
  return { ...client, dials: () => dials };
}

const echo: OnStream = async (stream, headers, raw) => {
  let trailers = {};
  stream.on('trailers', (all) => {
    trailers = { ...all };
  });
  const body = await text(stream);
  stream.respond({ ':status': 200 }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(JSON.stringify({ body, trailers, path: headers[':path'], raw }));
};

describe('a request over HTTP/2', () => {
  test('arrives as it was asked, without what belongs to HTTP/1.1', async () => {
    const { port } = await target(echo);
    const answer = await clientTo(port).send({
      ...{ ...GET, method: 'POST', target: '/a%2Fb/..;/?q=%41', body: Buffer.from('hello') },
      headers: [
        ...([
          ['X-One', 'a'],
          ['X-One', 'b'],
          ['Connection', 'x'],
          ['Upgrade', 'h2c'],
          ['Host', 'evil.test'],
        ] as const),
        ...([
          ['TE', 'trailers'],
          ['Transfer-Encoding', 'chunked'],
          ['Content-Length', '1'],
        ] as const),
      ],
    });
    const seen = JSON.parse(await text(answer.body));
    assert.deepEqual([answer.version, answer.status, seen.body, seen.path], ['2', 200, 'hello', '/a%2Fb/..;/?q=%41']);
    assert.deepEqual(seen.raw, [
      ...[':method', 'POST', ':scheme', 'http', ':authority', 'api.test', ':path', '/a%2Fb/..;/?q=%41'],
      ...['x-one', 'a', 'x-one', 'b', 'te', 'trailers', 'content-length', '5'],
    ]);
    assert.deepEqual(answer.trailers(), [['grpc-status', '0']]);
    assert.equal(answer.bytesSent(), 5);
    assert.ok(answer.sentWhole);
  });

  test('streams its body, with trailers', async () => {
    const { port } = await target(echo);
    const body = Readable.from([Buffer.from('one'), Buffer.from('two')]);
    const answer = await clientTo(port).send({ ...GET, method: 'POST', body, trailers: () => [['X-Sum', '6']] });
    const seen = JSON.parse(await text(answer.body));
    assert.deepEqual([seen.body, seen.trailers], ['onetwo', { 'x-sum': '6' }]);
  });

  test('with trailers that HTTP/2 does not have fails by itself, and nothing else does', async () => {
    const { port } = await target((stream) => {
      stream.resume();
      stream.once('end', () => {
        if (!stream.destroyed) stream.respond({ ':status': 200 }, { endStream: true });
      });
    });
    const client = clientTo(port);
    for (const name of ['connection', 'transfer-encoding', ':path']) {
      const body = Readable.from([Buffer.from('one')]);
      await client
        .send({ ...GET, method: 'POST', body, trailers: () => [[name, 'x']] })
        .then((answer) => text(answer.body))
        .catch(() => '');
    }
    assert.equal((await client.send(GET)).status, 200);
  });

  test('shares its connection with others of the same client', async () => {
    const { port } = await target(echo);
    const client = clientTo(port);
    await Promise.all([1, 2, 3].map(async () => text((await client.send(GET)).body)));
    await text((await client.send(GET)).body);
    assert.equal(client.dials(), 1);
  });

  test('whose body breaks off is reset, never ended', async () => {
    const fate = Promise.withResolvers<string>();
    const body = new PassThrough();
    const { port } = await target((stream) => {
      stream.on('data', () => body.destroy());
      stream.on('end', () => fate.resolve('ended'));
      stream.on('aborted', () => fate.resolve('reset'));
    });
    body.write('half');
    const sending = clientTo(port).send({ ...GET, method: 'POST', body });
    await assert.rejects(sending, (error) => sentOf(error) === 'part');
    assert.equal(await fate.promise, 'reset');
  });

  test('that is given up is reset, and leaves the connection to others', async () => {
    const giveUp = new AbortController();
    const reset = Promise.withResolvers<void>();
    const { port } = await target((stream, headers, raw) => {
      if (headers[':path'] !== '/slow') return echo(stream, headers, raw);
      stream.on('aborted', () => reset.resolve());
      giveUp.abort();
    });
    const client = clientTo(port);
    await assert.rejects(client.send({ ...GET, target: '/slow', signal: giveUp.signal }), {
      code: 'TARGET_UNREACHABLE',
    });
    await reset.promise;
    assert.equal((await client.send(GET)).status, 200);
    assert.equal(client.dials(), 1);
  });

  test('that the target refuses to look at has sent nothing', async () => {
    const { port } = await target((stream) => stream.close(http2.constants.NGHTTP2_REFUSED_STREAM));
    await assert.rejects(clientTo(port).send(GET), (error) => sentOf(error) === 'nothing');
  });

  test('after the target said goodbye goes over another connection', async () => {
    const { port } = await target((stream, headers, raw) => {
      void echo(stream, headers, raw);
      stream.session?.goaway();
    });
    const client = clientTo(port);
    await text((await client.send(GET)).body);
    await setTimeout(20);
    await text((await client.send(GET)).body);
    assert.equal(client.dials(), 2);
  });

  test('that the target did not look at when it said goodbye goes over another connection', async () => {
    const seen: string[] = [];
    let leaving: ServerHttp2Stream['session'];
    const { port } = await target((stream, headers) => {
      // What came behind that one is not looked at, as it was told.
      if (stream.session === leaving) return;
      seen.push(String(headers[':path']));
      if (leaving === undefined) {
        leaving = stream.session;
        leaving?.goaway(http2.constants.NGHTTP2_NO_ERROR, stream.id);
      }
      stream.respond({ ':status': 200 });
      stream.end(headers[':path']);
    });
    const client = clientTo(port);
    const paths = ['/1', '/2', '/3'];
    const answers = await Promise.all(paths.map((path) => client.send({ ...GET, target: path })));
    assert.deepEqual(await Promise.all(answers.map(({ body }) => text(body))), paths);
    assert.deepEqual([seen.sort(), client.dials()], [paths, 2]);
  });

  test('that was sent is not sent again when the connection breaks', async () => {
    let seen = 0;
    const { port } = await target((stream) => {
      seen += 1;
      stream.session?.destroy();
    });
    await assert.rejects(clientTo(port).send(GET), (error) => sentOf(error) === 'whole');
    assert.equal(seen, 1);
  });

  test('to a target that speaks something else fails in our words', async () => {
    const server = http.createServer(() => {});
    const port = await listening(server as unknown as Http2Server);
    await assert.rejects(clientTo(port).send(GET), { name: 'HoopError' });
  });
});

describe('an answer over HTTP/2', () => {
  test('waits for whoever reads it late, and slowly', async () => {
    const { port } = await target((stream) => {
      stream.respond({ ':status': 200 });
      stream.end(Buffer.alloc(300_000, 'x'));
    });
    const answer = await clientTo(port).send(GET);
    await setTimeout(100);
    let bytes = 0;
    for await (const chunk of answer.body) {
      bytes += chunk.length;
      await setTimeout(1);
    }
    assert.equal(bytes, 300_000);
  });

  test('that is reset fails, and is never taken for whole', async () => {
    const { port } = await target((stream) => {
      stream.respond({ ':status': 200 });
      stream.write('part');
      setImmediate(() => cut(stream));
    });
    const answer = await clientTo(port).send(GET);
    await assert.rejects(text(answer.body), { name: 'HoopError' });
  });

  test('that is shorter than its length fails', async () => {
    const { port } = await target((stream) => {
      stream.respond({ ':status': 200, 'content-length': 10 });
      stream.end('abc');
    });
    const client = clientTo(port);
    await assert.rejects(async () => text((await client.send(GET)).body), { name: 'HoopError' });
  });

  test('is preceded by what the target says before it, within bounds', async () => {
    const { port } = await target((stream, headers) => {
      const times = Number(headers['x-times']);
      for (let at = 0; at < times; at++) stream.additionalHeaders({ ':status': 103, link: '</a>' });
      stream.respond({ ':status': 204 }, { endStream: true });
    });
    const told: unknown[] = [];
    const client = clientTo(port);
    const ask = (times: string) =>
      client.send({ ...GET, headers: [['x-times', times]], onInformational: (...said) => told.push(said) });
    assert.equal((await ask('1')).status, 204);
    assert.deepEqual(told, [[103, [['link', '</a>']]]]);
    await assert.rejects(ask('9'), { code: 'TARGET_PROTOCOL' });
  });

  test('with a giant head is refused', async () => {
    const { port } = await target((stream) => {
      const fields = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`x-${at}`, 'x'.repeat(1_000)]));
      stream.respond({ ':status': 200, ...fields }, { endStream: true });
    });
    await assert.rejects(clientTo(port).send(GET), { name: 'HoopError' });
  });
});

describe('over TLS', () => {
  const tls = { host: 'api.test', ca: certificate.cert };
  const handler: http.RequestListener = (request, response) => response.end(request.httpVersion);

  test('what both know is spoken', async () => {
    const server = http2.createSecureServer({ ...certificate, allowHTTP1: true });
    server.on('request', (request, response) => response.end(request.httpVersion));
    const port = await listening(server);
    for (const [versions, spoken] of [
      ['auto', '2.0'],
      ['2', '2.0'],
      ['1.1', '1.1'],
    ] as const) {
      const client = clientTo(port, { tls, versions });
      assert.equal(await text((await client.send(GET)).body), spoken);
    }
  });

  test('a target that knows HTTP/1.1 alone is spoken to in it, over the first connection', async () => {
    const port = await listening(https.createServer(certificate, handler));
    const client = clientTo(port, { tls, versions: 'auto' });
    assert.equal(await text((await client.send(GET)).body), '1.1');
    await new Promise(setImmediate);
    assert.equal(await text((await client.send(GET)).body), '1.1');
    assert.equal(client.dials(), 1);
    await assert.rejects(clientTo(port, { tls, versions: '2' }).send(GET), { name: 'HoopError' });
  });

  test('an upgrade is asked for in HTTP/1.1', async () => {
    const server = http2.createSecureServer({ ...certificate, allowHTTP1: true });
    server.on('request', (request, response) => response.end(request.httpVersion));
    const client = clientTo(await listening(server), { tls, versions: 'auto' });
    assert.equal((await client.send({ ...GET, upgrade: 'websocket' })).version, '1.1');
  });
});

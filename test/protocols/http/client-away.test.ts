import assert from 'node:assert/strict';
import { connect as connectHttp2 } from 'node:http2';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import type { Parting, Unavailable } from '../../../src/domain/protocol.ts';
import { unavailable } from '../../../src/protocols/http/client-away.ts';
import { createParting } from '../../../src/protocols/http/client-parting.ts';

const AWAY: Unavailable = { kind: 'unreachable', message: 'the gateway is away: connection refused (try later)' };
const SAID = 'HOOP_UNAVAILABLE: the gateway is away: connection refused (try later)';
const REQUEST = 'GET /v1/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';

describe('an http client that comes while the gateway is away', () => {
  test('is told so with a 503 as the gateway refuses, once it has asked', async (t) => {
    const response = await fetch(`${await answering(t)}/v1/x`);
    assert.equal(response.status, 503);
    assert.equal(response.headers.get('hoop-refusal'), 'HOOP_UNAVAILABLE');
    assert.deepEqual(await response.json(), {
      error: { code: 'HOOP_UNAVAILABLE', message: SAID, type: 'hoop_refusal', param: null },
    });
  });

  test('is told so though it sends a large body', async (t) => {
    const response = await fetch(await answering(t), { method: 'POST', body: 'x'.repeat(300_000) });
    assert.equal(response.status, 503);
  });

  test('is told so in HTTP/2, where it speaks that', async (t) => {
    const session = connectHttp2(await answering(t));
    t.after(() => session.destroy());
    session.on('error', () => undefined);
    const stream = session.request({ ':path': '/v1/x', ':method': 'POST' });
    const head = new Promise<{ status: unknown; code: unknown }>((resolve, reject) => {
      stream.once('response', (headers) => resolve({ status: headers[':status'], code: headers['hoop-refusal'] }));
      stream.once('error', reject);
    });
    stream.end('{}');
    assert.deepEqual(await head, { status: 503, code: 'HOOP_UNAVAILABLE' });
    assert.equal(JSON.parse(await text(stream)).error.message, SAID);
  });

  test('hears nothing before the end of its head, and the same whatever the pieces', () => {
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
    for (const said of [
      REQUEST,
      REQUEST.replace('GET', 'PROPFIND'),
      `${preface}\0\0\0\x04\0\0\0\0\0\0\0\0\x01\x05\0\0\0\x01`,
    ]) {
      const whole = answerTo(said);
      assert.equal(whole.done, true);
      for (let length = 0; length < said.length; length++) {
        const part = answerTo(said.slice(0, length));
        assert.equal(part.done, false, `after ${length} bytes`);
        assert.ok(whole.answer.startsWith(part.answer));
      }
    }
    assert.equal(answerTo(REQUEST.slice(0, -1)).answer, '');
  });

  test('hears it within a head without end, too', () => {
    assert.equal(answerTo(`GET / HTTP/1.1\r\nX: ${'x'.repeat(9_000)}`).done, true);
  });

  test('gets no body for a HEAD', () => {
    const { answer } = answerTo(REQUEST.replace('GET', 'HEAD'));
    assert.match(answer, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
    assert.ok(answer.endsWith('\r\n\r\n'));
  });

  test('may ask again, unless that is of no use', () => {
    assert.match(answerTo(REQUEST).answer, /\r\nretry-after: \d+\r\n/);
    for (const kind of ['login', 'refused'] as const) {
      const { answer } = answerTo(REQUEST, { kind, message: 'log in again' });
      assert.match(answer, /\r\nx-should-retry: false\r\n/);
      assert.doesNotMatch(answer, /retry-after/);
    }
  });

  test('is told what the gateway said, with the status that goes with it', () => {
    for (const [word, status] of [
      ['HOOP_DENIED', 403],
      ['HOOP_REVOKED', 403],
      ['HOOP_LIMIT', 429],
    ] as const) {
      const { answer } = answerTo(REQUEST, { kind: 'refused', message: `${word}: no` });
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
      assert.match(answer, new RegExp(`"code":"${word}","message":"${word}: no"`));
    }
  });

  test('is told one line, which ends no header', () => {
    const { answer } = answerTo(REQUEST, { kind: 'login', message: 'HOOP_X\r\nSet-Cookie: a\r\n\r\n\u001b[2J' });
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    assert.doesNotMatch(head, /Set-Cookie/);
    assert.equal(JSON.parse(body).error.message, 'HOOP_UNAVAILABLE: HOOP_X Set-Cookie: a [2J');
  });
});

const HEAD = 'HTTP/1.1 200 OK\r\n';
const EXCHANGES = {
  'with a length': `${HEAD}Content-Length: 5\r\n\r\nabcde`,
  'without a body': `${HEAD}content-length: 0\r\n\r\n`,
  'not modified': 'HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n',
  'in chunks': `${HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n`,
  'with trailers': `${HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n`,
  'after an interim one': `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n${HEAD}Content-Length: 1\r\n\r\na`,
} as const;

describe('an http connection that is cut', () => {
  test('before an answer began is told why, and not to ask again by itself', () => {
    for (const said of ['', 'HTTP/1.1 100 Continue\r\n\r\n']) {
      const words = saidAt(heard(said)) ?? '';
      assert.match(words, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
      assert.match(words, /\r\nx-should-retry: false\r\nconnection: close\r\n/i);
    }
  });

  for (const [what, exchange] of Object.entries(EXCHANGES))
    test(`after a whole answer ${what} is told why; within it, it is just reset`, () => {
      const begins = exchange.indexOf(HEAD) < 0 ? 0 : exchange.indexOf(HEAD);
      for (let length = begins + 1; length < exchange.length; length++)
        assert.equal(saidAt(heard(exchange.slice(0, length))), undefined, `after ${length} bytes`);
      for (const size of [1, 3, 1_000])
        for (const said of [exchange, exchange + exchange])
          assert.match(saidAt(heard(said, size)) ?? '', /^HTTP\/1\.1 503 /, `in pieces of ${size}`);
    });

  test('within an answer whose end is the end of the connection, or that became another protocol, is just reset', () => {
    for (const said of [
      `${HEAD}\r\nabc`,
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n',
      'SSH-2.0-x\r\n',
    ])
      assert.equal(saidAt(heard(said)), undefined);
  });

  test('after an answer that said it ends is told nothing more', () => {
    assert.equal(saidAt(heard(`${HEAD}Connection: keep-alive, close\r\nContent-Length: 1\r\n\r\na`)), '');
  });

  test('where answers to HEAD were among them is never told within another one', () => {
    const toHead = `${HEAD}Content-Length: 40\r\n\r\n`;
    const next = `${HEAD}Content-Length: 90\r\n\r\n${'x'.repeat(90)}`;
    for (const size of [1, 7, 1_000])
      for (let length = toHead.length + 1; length <= toHead.length + next.length; length++)
        assert.equal(saidAt(heard((toHead + next).slice(0, length), size)), undefined, `after ${length} bytes`);
  });

  test('with lengths that are none is just reset', () => {
    for (const said of [
      `${HEAD}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`,
      `${HEAD}Content-Length: 99999999999999999999\r\n\r\n`,
      `${HEAD}X: ${'x'.repeat(70_000)}`,
      'HTTP/1.1 nonsense\r\n\r\n',
    ])
      assert.equal(saidAt(heard(said)), undefined);
  });

  test('in HTTP/2 is told between frames, but not within a head', () => {
    const settings = '\0\0\0\x04\0\0\0\0\0';
    const data = '\0\0\x03\0\0\0\0\0\x01abc';
    const openHead = '\0\0\x01\x01\0\0\0\0\x01x';
    const restOfHead = '\0\0\x01\x09\x04\0\0\0\x01y';
    for (const size of [1, 4, 100]) {
      for (const said of [settings, settings + data, settings + openHead + restOfHead])
        assert.match(saidAt(heard(said, size)) ?? '', /^\0\0.\x07.*the gateway is away/s);
      for (const said of ['\0', settings + data.slice(0, 5), settings + data.slice(0, -1), settings + openHead])
        assert.equal(saidAt(heard(said, size)), undefined);
    }
    assert.equal(saidAt(heard(`${settings}\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0`)), '');
  });

  test('in HTTP/2 is understood by its client as an end with an error', async (t) => {
    const origin = await serving(t, (socket) => {
      const settings = Buffer.from('000000040000000000', 'hex');
      const parting = createParting();
      parting.heard(settings);
      socket.write(settings);
      socket.once('data', () => socket.end(parting.words(AWAY) ?? ''));
    });
    const session = connectHttp2(origin);
    t.after(() => session.destroy());
    const [code, words] = await new Promise<[number, string]>((resolve) => {
      session.on('error', () => undefined);
      session.request({ ':path': '/' }).on('error', () => undefined);
      session.once('goaway', (errorCode, _last, data) => resolve([errorCode, String(data)]));
    });
    assert.deepEqual([code, words], [2, AWAY.message]);
  });
});

function answerTo(received: string, reason = AWAY): { answer: string; done: boolean } {
  const { answer, done } = unavailable(reason, Buffer.from(received, 'latin1'));
  return { answer: Buffer.from(answer).toString('latin1'), done };
}

function heard(said: string, size = Math.max(1, said.length)): Parting {
  const parting = createParting();
  for (let at = 0; at < said.length; at += size) parting.heard(Buffer.from(said.slice(at, at + size), 'latin1'));
  return parting;
}

function saidAt(parting: Parting): string | undefined {
  const words = parting.words(AWAY);
  return words && Buffer.from(words).toString('latin1');
}

/** As the local end of a tunnel does it. */
function answering(t: TestContext): Promise<string> {
  return serving(t, (socket) => {
    let received = Buffer.alloc(0);
    let said = 0;
    socket.on('data', function hear(chunk: Buffer) {
      received = Buffer.concat([received, chunk]);
      const { answer, done } = unavailable(AWAY, received);
      socket.write(answer.subarray(said));
      said = answer.length;
      if (done) socket.off('data', hear).resume().end();
    });
  });
}

async function serving(t: TestContext, onConnection: (socket: Socket) => void): Promise<string> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    t.after(() => socket.destroy());
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

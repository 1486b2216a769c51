/** The port, attacked by whoever connects and takes their time. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { connect as tcp } from 'node:net';
import { after, describe, test } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { createListener } from '../../src/api/listener.ts';
import { systemClock } from '../../src/base/clock.ts';
import { selfSigned } from '../fakes/certificate.ts';

const patience = { greeting: 60, request: 120, look: 20, idle: 60 };

async function listening(tls = false): Promise<number> {
  const { cert, key } = selfSigned(['127.0.0.1']);
  const server = createListener({
    tls: tls ? { cert: Buffer.from(cert), key: Buffer.from(key) } : undefined,
    handler: (request, response) => {
      // Answers once the whole request is there.
      request.resume();
      request.on('end', () => response.end('done'));
    },
    clock: systemClock,
    patience,
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** Says this, keeps quiet, and gives what came until the other side closes. */
function said(socket: ReturnType<typeof tcp>, text: string): Promise<string> {
  let heard = '';
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.toString('latin1');
  });
  if (text !== '') socket.write(text);
  return new Promise((resolve) => socket.once('close', () => resolve(heard)));
}

const UNFINISHED = {
  'says nothing': '',
  'says the beginning of a preface': 'PRI * HT',
  'says half of its headers': 'GET / HTTP/1.1\r\nHost: ',
  'says half of its body': 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf',
  'says an HTTP/2 preface and nothing more': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0',
} as const;

describe('a client without TLS that', () => {
  for (const [what, text] of Object.entries(UNFINISHED)) {
    test(`${what} is let go`, async () => {
      const port = await listening();
      assert.doesNotMatch(await said(tcp(port, '127.0.0.1'), text), /done/);
    });
  }
});

describe('a client with TLS that', () => {
  test('withholds its handshake is let go', async () => {
    const port = await listening(true);
    assert.equal(await said(tcp(port, '127.0.0.1'), '\x16\x03'), '');
  });

  for (const [what, text] of Object.entries(UNFINISHED).slice(2, 4)) {
    test(`${what} is let go`, async () => {
      const port = await listening(true);
      const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
      assert.doesNotMatch(await said(socket, text), /done/);
    });
  }

  test('says an HTTP/2 preface and nothing more is let go', async () => {
    const port = await listening(true);
    const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    assert.doesNotMatch(await said(socket, UNFINISHED['says an HTTP/2 preface and nothing more']), /done/);
  });
});

/** Whether somebody reads on: what a connection says of it that says nothing by itself. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp1, get, type ServerResponse } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { type Presence, presenceOf } from '../../src/api/presence.ts';

/** An answer that has begun, and who reads it. */
async function answering(): Promise<
  {
    response: ServerResponse;
    presence: Presence;
    session: ClientHttp2Session;
    stream: ClientHttp2Stream;
  } & AsyncDisposable
> {
  const server = createServer();
  const asked = new Promise<ServerResponse>((resolve) =>
    server.once('request', (_request, response) => resolve(response as unknown as ServerResponse)),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  session.on('error', () => {});
  const stream = session.request({ ':path': '/' });
  stream.on('error', () => {});
  const response = await asked;
  response.on('error', () => {});
  response.writeHead(200);
  response.write('line\n');
  const presence = presenceOf(response);
  assert.ok(presence);
  return {
    ...{ response, presence, session, stream },
    async [Symbol.asyncDispose]() {
      session.destroy();
      server.close();
    },
  };
}

const gone = ({ gone }: Presence) => (gone.aborted ? undefined : once(gone, 'abort'));

describe('whoever reads an answer', () => {
  test('is gone once they close it', async () => {
    await using here = await answering();
    here.stream.close();
    await gone(here.presence);
  });

  test('is gone once they take nothing any more, though their program lives', async () => {
    await using here = await answering();
    // Nobody reads the stream: its window fills up, and pings are answered all the same.
    while (here.response.write('x'.repeat(64 * 1024)));
    await gone(here.presence);
    assert.equal(here.session.destroyed, false);
    here.presence.cut();
    await once(here.stream.resume(), 'close');
  });

  test('is there while they read and answer', async () => {
    await using here = await answering();
    here.stream.resume();
    const answered = new Promise<void>((resolve) => here.session.ping(() => resolve()));
    await answered;
    assert.equal(here.presence.gone.aborted, false);
  });

  test('cannot be told over HTTP/1.1', async () => {
    const server = createHttp1((_request, response) => {
      assert.equal(presenceOf(response), undefined);
      response.end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const [answer] = await once(get({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' }), 'response');
    assert.equal(answer.statusCode, 200);
    answer.resume();
    server.close();
  });
});

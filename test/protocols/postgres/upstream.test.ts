/** Logging in to a target that says nothing: the session ends with a reason, and nothing is left behind. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { Secret } from '../../../src/base/secret.ts';
import { dial } from '../../../src/gateway/index.ts';
import { readSettings } from '../../../src/protocols/postgres/settings.ts';
import { connectUpstream } from '../../../src/protocols/postgres/upstream.ts';
import { FakeClock, settled } from '../../fakes/clock.ts';

/** A port behind which somebody listens, says this much, and then nothing more. */
async function mute(t: TestContext, words: string = '') {
  const heard = Promise.withResolvers<Socket>();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write(Buffer.from(words, 'latin1'));
      heard.resolve(socket);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { port: (server.address() as AddressInfo).port, heard: heard.promise };
}

function loggingIn(port: number, tls: string, signal = new AbortController().signal) {
  const clock = new FakeClock();
  const read = readSettings({
    address: `127.0.0.1:${port}`,
    database: 'shop',
    tls,
    account: { user: 'app', password: { env: 'UNUSED' } },
  });
  assert.ok(read.ok, JSON.stringify(read));
  const way = {
    dial: () => dial({ host: '127.0.0.1', port }),
    secret: async () => Secret.of('canary-password'),
    signal,
    clock,
  };
  return { clock, login: connectUpstream(way, read.settings, new Map()) };
}

describe('a target that falls silent', () => {
  const silences: readonly (readonly [string, string, string])[] = [
    ['before it asks for a password', 'disable', ''],
    ['within a message', 'disable', 'R\0\0\0'],
    ['when it is asked for TLS', 'require', ''],
    ['in the TLS handshake', 'require', 'S'],
  ];
  for (const [when, tls, words] of silences) {
    test(`${when} is given 15 s, and the connection is closed`, async (t) => {
      const target = await mute(t, words);
      const { clock, login } = loggingIn(target.port, tls);
      const told = assert.rejects(login, (error: { code: string; message: string; hint: string }) => {
        assert.equal(error.code, 'TARGET_UNREACHABLE');
        assert.match(error.message, /did not finish the login within 15 s/);
        return true;
      });
      const socket = await target.heard;
      await clock.advance(14_999);
      assert.equal(socket.destroyed, false);
      const closed = new Promise((resolve) => socket.once('close', resolve));
      await clock.advance(1);
      await told;
      await closed;
    });
  }

  test('is not waited for once the session is over', async (t) => {
    const target = await mute(t);
    const over = new AbortController();
    const { login } = loggingIn(target.port, 'disable', over.signal);
    const told = assert.rejects(login, /the session ended meanwhile/);
    await target.heard;
    over.abort();
    await settled();
    await told;
  });
});

/** A channel that is cut lets go of its socket, also when our side had already ended it. */
import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { channelOf } from '../../src/base/channel.ts';

test('a channel that has ended and is then cut closes', async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  await new Promise((resolve) => socket.once('connect', resolve));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const channel = channelOf(socket);
  channel.end();
  channel.abort(undefined);
  await closed;
  assert.equal(socket.destroyed, true);
  server.close();
});

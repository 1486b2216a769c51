import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { ByteChannel } from '../../src/base/channel.ts';
import { HoopError } from '../../src/base/error.ts';
import { createHttp2Link, type Http2Link } from '../../src/base/http2-link.ts';
import { Token } from '../../src/base/secret.ts';
import { type Listener, type ListenerOptions, listen, openTunnel } from '../../src/tunnel/index.ts';
import { FakeClock, settled } from '../fakes/clock.ts';
import { keepUntilEnd, temporaryFolder } from '../fakes/resources.ts';
import { echo, startTunnelGateway, type TunnelGatewayOptions } from '../fakes/tunnel-gateway.ts';

const token = Token.of('run-token');

describe('a tunnel', () => {
  test('carries bytes both ways unchanged', async (t) => {
    const { dial } = await tunnel(t, { serve: echo });
    const sent = randomBytes(3_000_000);
    const local = await dial();
    const received = buffer(local);
    local.end(sent);
    assert.ok(sent.equals(await received));
  });

  test('asks for the run and the target by name, with the run token', async (t) => {
    const asked: string[] = [];
    const { dial } = await tunnel(t, {
      serve: echo,
      authorise: (_stream, authorization, path) => void asked.push(`${path} ${authorization}`),
    });
    const local = await dial();
    local.end('x');
    assert.equal(await text(local), 'x');
    assert.deepEqual(asked, ['/v1/runs/r1/targets/orders-db/stream Bearer run-token']);
  });

  test('passes a half-close of the client on, and still brings the answer', async (t) => {
    const { dial } = await tunnel(t, {
      serve: (channel) => {
        const chunks: Buffer[] = [];
        channel.read({
          onBytes: (chunk) => chunks.push(chunk),
          onEnd: () => {
            channel.write(Buffer.from(`got ${Buffer.concat(chunks)}`));
            channel.end();
          },
        });
      },
    });
    const local = await dial();
    local.end('question');
    assert.equal(await text(local), 'got question');
  });

  test('passes a half-close of the target on, and still takes what the client says', async (t) => {
    const heard = Promise.withResolvers<string>();
    const { dial } = await tunnel(t, {
      serve: (channel) => {
        channel.write(Buffer.from('bye'));
        channel.end();
        let all = '';
        channel.read({ onBytes: (chunk) => (all += chunk), onEnd: () => heard.resolve(all) });
      },
    });
    const local = await dial();
    assert.equal(await text(local), 'bye');
    local.end('last words');
    assert.equal(await heard.promise, 'last words');
  });

  test('a reset by the client reaches the gateway as a lost channel, not as a clean end', async (t) => {
    const { dial, channels } = await tunnel(t, { serve: () => undefined });
    const ended = { clean: false };
    const local = await dial();
    local.write('x');
    const channel = await channels.next();
    const heard = Promise.withResolvers<void>();
    channel.read({ onBytes: () => heard.resolve(), onEnd: () => (ended.clean = true) });
    await heard.promise;
    local.resetAndDestroy();
    await aborted(channel.gone);
    assert.equal(ended.clean, false);
  });

  test('a channel that the gateway cuts reaches the client as a reset, not as a clean end', async (t) => {
    const { dial, channels } = await tunnel(t, { serve: () => undefined });
    const local = await dial();
    local.write('x');
    const channel = await channels.next();
    channel.write(Buffer.from('partial'));
    await once(local, 'data');
    channel.abort(new Error('revoked'));
    const [error] = await once(local, 'error');
    assert.equal(error.code, 'ECONNRESET');
  });

  test('a channel that is cut ends with the last words of its protocol, where it has any', async (t) => {
    const heard: string[] = [];
    const { dial, channels } = await tunnel(
      t,
      { serve: () => undefined },
      {
        parting: () => ({
          heard: (chunk) => void heard.push(String(chunk)),
          words: () => (heard.join('').endsWith('.') ? Buffer.from(' farewell') : undefined),
        }),
      },
    );
    for (const [said, end] of [
      ['whole.', 'whole. farewell'],
      ['half', undefined],
    ] as const) {
      const local = await dial();
      local.write('x');
      const channel = await channels.next();
      channel.write(Buffer.from(said));
      await once(local, 'readable');
      channel.abort(new Error('lost'));
      if (end === undefined) await assert.rejects(text(local), { code: 'ECONNRESET' });
      else assert.equal(await text(local), end);
    }
  });

  test('a gateway that refuses is quoted to the client in its protocol', async (t) => {
    const { dial } = await tunnel(
      t,
      {
        serve: echo,
        authorise: () => ({ status: 409, body: { error: { code: 'RUN_SUSPENDED', message: 'try later' } } }),
      },
      {
        unavailable: (error, received) => ({
          answer: Buffer.from(`${error.code} ${error.message} to ${received}`),
          done: received.length > 0,
        }),
      },
    );
    const local = await dial();
    local.write('hello');
    assert.equal(
      await text(local),
      'RUN_SUSPENDED try later toRUN_SUSPENDED try later to hello'.slice('RUN_SUSPENDED try later to'.length),
    );
  });

  test('a gateway that cannot be reached is told in the protocol, and the door stays open for later', async (t) => {
    const gateway = await startTunnelGateway({ serve: echo });
    await gateway.stop();
    const link = keepUntilEnd(t, createHttp2Link({ url: gateway.url }), (it) => it.close());
    const listener = await door(t, link, {
      unavailable: (error) => ({ answer: Buffer.from(`${error.code} ${error.exit}`), done: true }),
    });
    assert.equal(await text(connect(listener.port, '127.0.0.1')), 'GATEWAY_UNREACHABLE 6');
    const again = await startTunnelGateway({ serve: echo, port: gateway.port });
    t.after(() => again.stop());
    link.retryNow();
    const local = connect(listener.port, '127.0.0.1');
    local.end('back');
    assert.equal(await text(local), 'back');
  });

  test('the refusal reaches a client that already sent much', async (t) => {
    const { dial } = await tunnel(
      t,
      { serve: echo, authorise: () => ({ status: 404, body: {} }) },
      { unavailable: (_error, received) => ({ answer: Buffer.from('no'), done: received.length >= 4_000 }) },
    );
    const local = await dial();
    local.write(Buffer.alloc(4_000));
    assert.equal(await text(local), 'no');
  });
});

describe('many tunnels in one connection', () => {
  test('a thousand stalled ones leave room for one that moves', async (t) => {
    const { dial, gateway } = await tunnel(
      t,
      {
        serve: (channel, path) => {
          if (!path.includes('stalled')) return echo(channel);
          channel.write(Buffer.alloc(100_000));
        },
      },
      { targetOf: (n) => (n < 1000 ? 'stalled' : 'moving') },
    );
    const stalled = await Promise.all(Array.from({ length: 1000 }, () => dial()));
    for (const local of stalled) local.pause();
    const local = await dial();
    const sent = randomBytes(500_000);
    const received = buffer(local);
    local.end(sent);
    assert.ok(sent.equals(await received));
    assert.equal(gateway.sessions.size, 1);
    assert.equal(stalled.filter((one) => one.destroyed).length, 0);
    for (const one of stalled) one.destroy();
  });

  test('five thousand quick connections, a third of them reset, do not end the session', async (t) => {
    const { dial, gateway } = await tunnel(t, { serve: echo });
    const first = await dial();
    first.write('still here');
    await once(first, 'data');
    const session = [...gateway.sessions][0];
    let answered = 0;
    const visit = async (n: number) => {
      const local = await dial();
      local.write('ping');
      await once(local, 'data');
      answered += 1;
      if (n % 3 === 0) local.resetAndDestroy();
      else local.end();
      await once(local, 'close');
    };
    for (let done = 0; done < 5000; done += 100) await Promise.all(Array.from({ length: 100 }, (_, n) => visit(n)));
    assert.equal(answered, 5000);
    assert.deepEqual([...gateway.sessions], [session]);
    first.end();
    await once(first, 'close');
  });

  test('a slow reader holds its own stream back: what is in flight stays bounded', async (t) => {
    let sent = 0;
    const { dial } = await tunnel(t, {
      serve: (channel) => {
        const chunk = Buffer.alloc(64 * 1024);
        const flood = async () => {
          while (!channel.gone.aborted && sent < 256 * 1024 * 1024) {
            sent += chunk.length;
            if (!channel.write(chunk)) await channel.drained();
          }
        };
        void flood();
      },
    });
    const local = await dial();
    local.pause();
    // Nothing may move any more once every buffer between is full.
    let before = -1;
    while (before !== sent) {
      before = sent;
      for (let i = 0; i < 200; i++) await settled();
    }
    assert.ok(sent > 0 && sent < 32 * 1024 * 1024, `${sent} bytes were taken`);
    local.destroy();
  });
});

describe('when the gateway goes away', () => {
  test('open connections are reset, and new ones go to the restarted gateway', async (t) => {
    const { dial, gateway, link } = await tunnel(t, { serve: echo });
    const local = await dial();
    local.write('x');
    await once(local, 'data');
    const reset = once(local, 'error');
    await gateway.stop();
    assert.equal((await reset)[0].code, 'ECONNRESET');
    const again = await startTunnelGateway({ serve: echo, port: gateway.port });
    t.after(() => again.stop());
    link.retryNow();
    const next = await dial();
    next.end('hello again');
    assert.equal(await text(next), 'hello again');
  });

  test('after a GOAWAY old connections live on, and new ones get a new session', async (t) => {
    const { dial, gateway } = await tunnel(t, { serve: echo });
    const old = await dial();
    old.write('one');
    await once(old, 'data');
    const [session] = gateway.sessions;
    assert.ok(session);
    session.goaway(0);
    await new Promise((resolve) => session.ping(resolve));
    const fresh = await dial();
    fresh.write('two');
    assert.equal(String((await once(fresh, 'data'))[0]), 'two');
    assert.equal(gateway.sessions.size, 2);
    old.write('three');
    assert.equal(String((await once(old, 'data'))[0]), 'three');
    old.end();
    fresh.end();
    await Promise.all([once(old, 'close'), once(fresh, 'close')]);
  });

  test('a gateway that falls silent is given up after 20 seconds, and its connections are reset', async (t) => {
    const clock = new FakeClock();
    const silent = createServer((socket) => socket.on('error', () => undefined).resume());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    t.after(() => silent.close());
    const { port } = silent.address() as { port: number };
    const link = keepUntilEnd(t, createHttp2Link({ url: `http://127.0.0.1:${port}`, clock }), (it) => it.close());
    const { stream, admitted } = await openTunnel(link, { run: 'r1', target: 'orders-db', token });
    const lost = assert.rejects(admitted, (error) => error instanceof HoopError && error.code === 'TUNNEL_LOST');
    await clock.advance(19_999);
    assert.equal(stream.destroyed, false);
    await clock.advance(1);
    await lost;
  });

  test('a client that falls silent is given up by the gateway after 20 seconds', async (t) => {
    const clock = new FakeClock();
    const channels = queue<ByteChannel>();
    const gateway = await startTunnelGateway({ serve: channels.push, clock });
    t.after(() => gateway.stop());
    const link = keepUntilEnd(t, createHttp2Link({ url: gateway.url }), (it) => it.close());
    const opened = await openTunnel(link, { run: 'r1', target: 'orders-db', token });
    await opened.admitted;
    const channel = await channels.next();
    const [session] = gateway.sessions;
    // Its answers to pings no longer come.
    Object.defineProperty(session, 'ping', { value: () => true });
    await clock.advance(20_000);
    await aborted(channel.gone);
  });
});

describe('a local door', () => {
  test('as a Unix socket stands in a private folder and is open to its owner alone', async (t) => {
    const path = join(temporaryFolder(t), 'sockets', '.s.PGSQL.5432');
    const gateway = await startTunnelGateway({ serve: echo });
    t.after(() => gateway.stop());
    const link = keepUntilEnd(t, createHttp2Link({ url: gateway.url }), (it) => it.close());
    const listener = await door(t, link, { place: { kind: 'socket', path } });
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await stat(join(path, '..'))).mode & 0o777, 0o700);
    const local = connect({ path });
    local.end('through a socket');
    assert.equal(await text(local), 'through a socket');
    await listener.close();
    await assert.rejects(stat(path), { code: 'ENOENT' });
  });

  test('takes the place of a socket that a killed process left behind, but not of one that answers', async (t) => {
    const path = join(temporaryFolder(t), '.s.PGSQL.5432');
    await abandonSocket(path);
    const place = { kind: 'socket', path } as const;
    const first = await listen({ place, open: () => Promise.reject(new Error('unused')) });
    t.after(() => first.close());
    await assert.rejects(listen({ place, open: () => Promise.reject(new Error('unused')) }), { code: 'PORT_IN_USE' });
  });

  test('on a port in use fails and names who holds it', async (t) => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    t.after(() => holder.close());
    const { port } = holder.address() as { port: number };
    const refused = listen({ place: { kind: 'port', port }, open: () => Promise.reject(new Error('unused')) });
    await assert.rejects(refused, (error) => {
      assert.ok(error instanceof HoopError);
      assert.equal(error.code, 'PORT_IN_USE');
      assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port} is in use by .+ \\(pid ${process.pid}\\)`));
      return true;
    });
  });

  test('of a path too long for a socket is refused before anything is made', async () => {
    const place = { kind: 'socket', path: `/tmp/${'long/'.repeat(30)}s` } as const;
    await assert.rejects(listen({ place, open: () => Promise.reject(new Error('unused')) }), { code: 'LISTEN_FAILED' });
  });
});

interface Local {
  dial(): Promise<Socket>;
  link: Http2Link;
  gateway: Awaited<ReturnType<typeof startTunnelGateway>>;
  channels: { next(): Promise<ByteChannel> };
}

async function tunnel(
  t: TestContext,
  options: TunnelGatewayOptions,
  door_: Partial<ListenerOptions> & { targetOf?: (n: number) => string } = {},
): Promise<Local> {
  const channels = queue<ByteChannel>();
  const gateway = await startTunnelGateway({
    ...options,
    serve: (channel, path) => {
      channels.push(channel);
      options.serve(channel, path);
    },
  });
  t.after(() => gateway.stop());
  const link = keepUntilEnd(t, createHttp2Link({ url: gateway.url }), (it) => it.close());
  const listener = await door(t, link, door_);
  return {
    link,
    gateway,
    channels,
    dial: async () => {
      const local = connect({ port: listener.port, host: '127.0.0.1', allowHalfOpen: true });
      await once(local, 'connect');
      return local;
    },
  };
}

async function door(
  t: TestContext,
  link: Http2Link,
  options: Partial<ListenerOptions> & { targetOf?: (n: number) => string },
): Promise<Listener> {
  let n = 0;
  const { targetOf = () => 'orders-db', ...rest } = options;
  const listener = await listen({
    place: { kind: 'port', port: 0 },
    open: () => openTunnel(link, { run: 'r1', target: targetOf(n++), token }),
    ...rest,
  });
  return keepUntilEnd(t, listener, (it) => it.close());
}

// A process that is killed leaves its socket behind; here one that exits without closing it.
async function abandonSocket(path: string): Promise<void> {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  const child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
  await once(child, 'exit');
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function queue<T>(): { push(item: T): void; next(): Promise<T> } {
  const items: T[] = [];
  const waiting: ((item: T) => void)[] = [];
  return {
    push(item) {
      const taker = waiting.shift();
      if (taker) taker(item);
      else items.push(item);
    },
    next() {
      const item = items.shift();
      return item === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(item);
    },
  };
}

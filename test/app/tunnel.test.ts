import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { holdTunnels, parseTunnelWish, type TunnelRequest } from '../../src/app/tunnel.ts';
import { type HeldEndpoint, heldEndpoints, holders, stopHeld } from '../../src/app/tunnel-control.ts';
import { openTunnelMemory } from '../../src/app/tunnel-memory.ts';
import { systemClock } from '../../src/base/clock.ts';
import { HoopError } from '../../src/base/error.ts';
import type { Login, LoginKey } from '../../src/identity/index.ts';
import { connectTo, linesClients } from '../fakes/lines-client.ts';
import { temporaryFolder } from '../fakes/resources.ts';
import { ORDERS, STOCK, startRunGateway } from '../fakes/run-gateway.ts';

describe('a tunnel', () => {
  test('reaches its target with the secret of its endpoint', async (t) => {
    const { hold } = await setUp(t);
    const held = await hold(['orders-db']);
    const [{ endpoint }] = held.doors as [HeldEndpoint];
    const local = connectTo(endpoint);
    local.end(`${endpoint.secret}\nhello\n`);
    assert.equal(await text(local), 'welcome\nhello\n');
    await held.stop();
  });

  test('has the same port and the same secret the next time', async (t) => {
    const { hold, gateway } = await setUp(t);
    const first = await hold(['orders-db']);
    await first.stop();
    const second = await hold(['orders-db']);
    assert.deepEqual(second.doors, first.doors);
    assert.deepEqual(gateway.runs[0]?.request.targets, gateway.runs[1]?.request.targets);
    await second.stop();
  });

  test('has a new secret with --rotate-secret, and any port with =0', async (t) => {
    const { hold } = await setUp(t);
    const first = await hold(['orders-db']);
    const second = await hold(['orders-db=0'], { rotateSecret: true });
    assert.notEqual(second.doors[0]?.endpoint.secret, first.doors[0]?.endpoint.secret);
    assert.notEqual(second.doors[0]?.endpoint.port, first.doors[0]?.endpoint.port);
    await Promise.all([first.stop(), second.stop()]);
  });

  test('of another person has neither', async (t) => {
    const { hold } = await setUp(t);
    const dana = await hold(['orders-db']);
    await dana.stop();
    const riley = await hold(['orders-db'], {}, 'riley');
    assert.notEqual(riley.doors[0]?.endpoint.secret, dana.doors[0]?.endpoint.secret);
    await riley.stop();
  });

  test('keeps its port in a file of its owner, and its secret only where logins are kept', async (t) => {
    const { hold, folder } = await setUp(t);
    const held = await hold(['orders-db']);
    const file = join(folder, 'tunnels.json');
    const content = readFileSync(file, 'utf8');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.ok(content.includes(String(held.doors[0]?.endpoint.port)));
    assert.ok(!content.includes(held.doors[0]?.endpoint.secret ?? ''));
    await held.stop();
  });

  test('works without a place for its secret, and says that it is not remembered', async (t) => {
    const { hold } = await setUp(t, { locked: true });
    const held = await hold(['orders-db']);
    assert.match(held.said[0] ?? '', /^the secret of orders-db is not remembered: it is locked/);
    await held.stop();
  });

  test('in a folder is a Unix socket of the name that clients look for', async (t) => {
    const { hold } = await setUp(t);
    const sockets = join(temporaryFolder(t), 'sockets');
    const held = await hold([`orders-db=${sockets}`]);
    const [{ endpoint }] = held.doors as [HeldEndpoint];
    assert.deepEqual([endpoint.host, endpoint.port], [sockets, 7007]);
    assert.equal(statSync(join(sockets, '.lines.7007')).mode & 0o777, 0o600);
    const local = connectTo(endpoint);
    local.end(`${endpoint.secret}\nhello\n`);
    assert.equal(await text(local), 'welcome\nhello\n');
    await held.stop();
  });

  test('on a port in use fails, names who holds it, and leaves no run behind', async (t) => {
    const { hold, gateway } = await setUp(t);
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    t.after(() => holder.close());
    const { port } = holder.address() as { port: number };
    await assert.rejects(hold([`orders-db=${port}`]), (error) => {
      assert.ok(error instanceof HoopError);
      assert.match(error.message, new RegExp(`is in use by .+ \\(pid ${process.pid}\\)`));
      return error.code === 'PORT_IN_USE';
    });
    assert.equal(gateway.runs[0]?.state, 'ended');
  });

  test('ends with 7 when it is revoked, and its door is closed', async (t) => {
    const { hold, gateway } = await setUp(t);
    const held = await hold(['orders-db']);
    await gateway.until(() => gateway.runs[0]?.streams === 1);
    gateway.revoke();
    await assert.rejects(held.over, (error) => error instanceof HoopError && error.exit === 7);
    const late = connect(held.doors[0]?.endpoint.port ?? 0, '127.0.0.1');
    await assert.rejects(text(late), { code: 'ECONNREFUSED' });
  });
});

describe('from another terminal', () => {
  test('tunnels are listed with how they are', async (t) => {
    const { hold, control, gateway } = await setUp(t);
    const held = await hold(['orders-db', 'stock-db']);
    const [status] = await holders(control);
    const ports = held.doors.map(({ endpoint }) => endpoint.port);
    assert.deepEqual(
      [status?.pid, status?.run, status?.state, status?.gateway],
      [process.pid, gateway.runs[0]?.id, 'live', gateway.url],
    );
    assert.deepEqual(status?.tunnels, [
      { target: 'orders-db', protocol: 'lines', host: '127.0.0.1', port: ports[0], connections: 0 },
      { target: 'stock-db', protocol: 'lines', host: '127.0.0.1', port: ports[1], connections: 0 },
    ]);
    await held.stop();
    assert.deepEqual(await holders(control), []);
  });

  test('their endpoints can be asked for, by their owner alone', async (t) => {
    const { hold, control } = await setUp(t);
    const held = await hold(['orders-db']);
    assert.deepEqual(await heldEndpoints(control), held.doors);
    assert.equal(statSync(control).mode & 0o777, 0o700);
    assert.equal(statSync(join(control, `tunnel-${process.pid}.sock`)).mode & 0o777, 0o600);
    await held.stop();
  });

  test('one of several is stopped alone, and the last one ends the run', async (t) => {
    const { hold, control, gateway } = await setUp(t);
    const held = await hold(['orders-db', 'stock-db']);
    assert.deepEqual(await stopHeld(control, ['orders-db', 'other-db']), ['orders-db']);
    const [status] = await holders(control);
    assert.deepEqual(
      status?.tunnels.map(({ target }) => target),
      ['stock-db'],
    );
    assert.deepEqual(await stopHeld(control, 'all'), ['stock-db']);
    await held.over;
    assert.equal(gateway.runs[0]?.state, 'ended');
  });
});

describe('TARGET[=PORT|=DIR]', () => {
  for (const [text, place] of [
    ['orders-db', { kind: 'remembered' }],
    ['orders-db=5433', { kind: 'port', port: 5433 }],
    ['orders-db=0', { kind: 'port', port: 0 }],
    ['orders-db=./pg', { kind: 'folder', path: '/work/pg' }],
    ['orders-db=/run/x=y', { kind: 'folder', path: '/run/x=y' }],
  ] as const) {
    test(`${text} is ${JSON.stringify(place)}`, () => {
      assert.deepEqual(parseTunnelWish(text, '/work'), { target: 'orders-db', place });
    });
  }

  for (const text of ['Orders', '', '../x', 'orders-db=70000', 'orders-db=pg', 'orders-db=']) {
    test(`"${text}" is refused`, () => {
      assert.throws(() => parseTunnelWish(text, '/work'), { code: 'PLACE_UNKNOWN', exit: 2 });
    });
  }
});

interface Held {
  readonly doors: readonly HeldEndpoint[];
  readonly said: string[];
  readonly over: Promise<void>;
  stop(): Promise<void>;
}

async function setUp(t: TestContext, { locked = false } = {}) {
  const gateway = await startRunGateway(t);
  gateway.targets = [ORDERS, STOCK];
  const folder = temporaryFolder(t);
  const control = join(temporaryFolder(t), 'hoopctl');
  const logins = new Map<string, Login>();
  const store = {
    read: async (key: LoginKey) => logins.get(JSON.stringify(key)),
    write: async (key: LoginKey, login: Login) => {
      if (locked) throw new HoopError('TOKEN_STORE_LOCKED', 'it is locked');
      logins.set(JSON.stringify(key), login);
    },
  };
  const gear = { client: gateway.client, clock: systemClock, clients: linesClients };
  const hold = async (
    wishes: readonly string[],
    more: Partial<TunnelRequest> = {},
    subject = 'dana',
  ): Promise<Held> => {
    const stop = new AbortController();
    const said: string[] = [];
    const ready = Promise.withResolvers<readonly HeldEndpoint[]>();
    const memory = openTunnelMemory({
      folder,
      owner: { gateway: gateway.url, issuer: 'https://idp.test', subject },
      store: async () => store,
    });
    const request = {
      wishes: wishes.map((wish) => parseTunnelWish(wish, folder)),
      rotateSecret: false,
      control,
      signal: stop.signal,
      ...more,
    };
    const voice = { ready: ready.resolve, notice: (line: string) => void said.push(line), bell: () => undefined };
    const over = holdTunnels(gear, request, memory, voice);
    over.catch(ready.reject);
    const end = async () => {
      stop.abort();
      await over;
    };
    t.after(() => stop.abort());
    return { doors: await ready.promise, said, over, stop: end };
  };
  return { gateway, folder, control, hold };
}

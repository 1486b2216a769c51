import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { createGatewayClient } from '../../src/api/client.ts';
import { prepare } from '../../src/app/endpoint.ts';
import type { LeaseEnd } from '../../src/app/run-lease.ts';
import { openRun, type RunHappening } from '../../src/app/run-open.ts';
import type { LoginKeeper } from '../../src/app/run-renewal.ts';
import type { Clock } from '../../src/base/clock.ts';
import { FakeClock, settled } from '../fakes/clock.ts';
import { startLine } from '../fakes/line.ts';
import { linesClients } from '../fakes/lines-client.ts';
import { ORDERS, type RunGateway, startRunGateway } from '../fakes/run-gateway.ts';

describe('a lease', () => {
  test('sends a heartbeat every five seconds', async (t) => {
    const { gateway, clock, run } = await open(t);
    await clock.advance(5_000);
    await gateway.until(() => run.beats === 1);
    await clock.advance(5_000);
    await gateway.until(() => run.beats === 2);
  });

  test('tells what the gateway tells', async (t) => {
    const { gateway, next } = await open(t);
    const held: RunHappening = {
      type: 'held',
      approval: 'apr_1',
      link: 'https://x',
      rule: 'r',
      session: 's',
      target: 'orders-db',
      within: 1,
      wait: 2,
    };
    gateway.tell(held);
    assert.deepEqual(await next('held'), held);
  });

  test('ends when the run is revoked', async (t) => {
    const { gateway, opened } = await open(t);
    gateway.revoke();
    assert.deepEqual(await opened.lease.ended, { kind: 'revoked', reason: 'lost laptop' } satisfies LeaseEnd);
  });

  test('ends with a limit when the gateway says that its time is over', async (t) => {
    const { gateway, opened } = await open(t);
    gateway.tell({ type: 'run.ended', state: 'ended', reason: 'its time was over', exit: 9 });
    assert.equal((await opened.lease.ended).kind, 'limit');
  });

  test('ends with its deadline even when nobody can say so any more', async (t) => {
    const { gateway, clock, opened } = await open(t);
    await gateway.stop();
    await clock.advance(3_600_000 + 10_000);
    const end = await opened.lease.ended;
    // Whichever comes first: a run may be out of touch for 15 minutes.
    assert.equal(end.kind, 'lost');
  });

  test('renews the groups with the user token when the gateway asks, and every half hour', async (t) => {
    const { gateway, clock, run } = await open(t);
    gateway.tell({ type: 'loginRequired', by: '2026-11-21T19:00:00.000Z' });
    await gateway.until(() => run.renewed === 1);
    await advanceUntil(clock, () => run.renewed === 2, 60_000);
  });

  test('after its connection was cut resumes the run and hears events again', async (t) => {
    const { gateway, run, next } = await open(t);
    gateway.suspend();
    gateway.cut();
    assert.equal((await next('reconnecting')).type, 'reconnecting');
    await next('reconnected');
    await gateway.until(() => run.streams === 2);
    assert.deepEqual([run.state, run.resumed], ['live', 1]);
    gateway.tell({ type: 'session.opened', session: 'ses_2', target: 'orders-db' });
    await next('session.opened');
  });

  test('comes back after a restart of the gateway: same door, same secret', async (t) => {
    const { gateway, clock, run, opened, next } = await open(t);
    await gateway.stop();
    await next('reconnecting');
    const [door] = opened.doors;
    assert.ok(door);
    const waiting = connect(door.endpoint.port, '127.0.0.1');
    waiting.write('hello\n');
    assert.match(await text(waiting), /^sorry unreachable: hoopctl has lost touch with the gateway/);
    await gateway.start();
    run.state = 'suspended';
    await advanceUntil(clock, () => opened.lease.problem() === undefined);
    const local = connect(door.endpoint.port, '127.0.0.1');
    local.end(`${door.endpoint.secret}\nhello\n`);
    assert.equal(await text(local), 'welcome\nhello\n');
  });

  test('renews without a word, and asks for a login once when it cannot', async (t) => {
    const { gateway, clock, run, happened, next } = await open(t);
    gateway.tell({ type: 'loginRequired', by: '2026-11-21T18:15:00.000Z' });
    await gateway.until(() => run.renewed === 1);
    await advanceUntil(clock, () => run.beats > 0);
    assert.deepEqual(happened, []);
    gateway.loginExpired = true;
    gateway.tell({ type: 'loginRequired', by: '2026-11-21T18:15:00.000Z' });
    const asked = await next('loginRequired');
    assert.deepEqual(asked, {
      type: 'loginRequired',
      by: '2026-11-21T18:15:00.000Z',
      message: 'TOKEN_REFUSED: said the gateway',
    });
    for (let i = 0; i < 6; i++) await advance(clock, 10_000);
    assert.deepEqual(happened, []);
    gateway.loginExpired = false;
    await advanceUntil(clock, () => run.renewed === 2, 1_000);
    assert.deepEqual(await next('loginRenewed'), { type: 'loginRenewed' });
  });

  test('takes up a login as soon as somebody has made one, not at the next look', async (t) => {
    const changed = Promise.withResolvers<void>();
    const { gateway, run, opened, next } = await open(t, { changed: () => changed.promise });
    gateway.loginExpired = true;
    gateway.tell({ type: 'loginRequired', by: '2026-11-21T18:15:00.000Z' });
    await next('loginRequired');
    gateway.loginExpired = false;
    changed.resolve();
    await next('loginRenewed');
    assert.deepEqual([run.renewed, opened.lease.problem()], [1, undefined]);
  });

  test('asks the identity provider for a newer token where the gateway no longer takes the one it has', async (t) => {
    const { gateway, run, next } = await open(t, {
      renew: async () => {
        gateway.loginExpired = false;
      },
    });
    gateway.loginExpired = true;
    gateway.suspend();
    gateway.cut();
    await next('reconnected');
    assert.equal(run.resumed, 1);
  });

  test('is not taken over, nor ended, by a login of somebody else', async (t) => {
    const { gateway, clock, run, opened, next } = await open(t);
    gateway.otherLogin = true;
    gateway.suspend();
    gateway.cut();
    const asked = await next('loginRequired');
    assert.match(JSON.stringify(asked), /not that of dana@example.test/);
    assert.equal(opened.lease.problem()?.exit, 3);
    gateway.otherLogin = false;
    await advanceUntil(clock, () => opened.lease.problem() === undefined);
    assert.equal(run.state, 'live');
  });

  test('that was revoked meanwhile ends as revoked, and is not resumed', async (t) => {
    const { gateway, run, opened } = await open(t);
    run.state = 'revoked';
    gateway.cut();
    assert.equal((await opened.lease.ended).kind, 'revoked');
    assert.equal(run.resumed, 0);
  });

  test('is shown to no other gateway that answers at the same address', async (t) => {
    const { gateway, clock, run, opened, next } = await open(t);
    await gateway.stop();
    await next('reconnecting');
    gateway.keyId = 'key-2';
    gateway.asked.length = 0;
    await gateway.start();
    await advanceUntil(clock, () => /another gateway answers/.test(opened.lease.problem()?.message ?? ''));
    assert.match(JSON.stringify(await next('reconnecting')), /another gateway answers/);
    const [door] = opened.doors;
    assert.ok(door);
    const waiting = connect(door.endpoint.port, '127.0.0.1');
    waiting.write('hello\n');
    assert.match(await text(waiting), /^sorry unreachable: .*another gateway answers/);
    assert.deepEqual(gateway.asked, []);
    gateway.keyId = 'key-1';
    await advanceUntil(clock, () => opened.lease.problem() === undefined);
    assert.equal(run.resumed, 1);
  });

  test("lasts as long as the gateway gave it, whatever this machine's clock says", async (t) => {
    const { clock, opened } = await open(t, {}, (at) => at - 30 * 3_600_000);
    let ended = false;
    void opened.lease.ended.then(() => (ended = true));
    await clock.advance(60_000);
    assert.equal(ended, false);
  });

  test('says that the login is needed when it ran out meanwhile, and goes on when it is back', async (t) => {
    const { gateway, clock, opened, next } = await open(t);
    gateway.loginExpired = true;
    gateway.suspend();
    gateway.cut();
    await next('loginRequired');
    const [door] = opened.doors;
    assert.ok(door);
    const refused = connect(door.endpoint.port, '127.0.0.1');
    refused.write('hello\n');
    assert.match(await text(refused), /^sorry login: /);
    gateway.loginExpired = false;
    await advanceUntil(clock, () => opened.lease.problem() === undefined);
  });

  test('ends when the gateway no longer knows the run', async (t) => {
    const { gateway, run, opened } = await open(t);
    run.state = 'ended';
    gateway.cut();
    assert.equal((await opened.lease.ended).kind, 'ended');
  });

  test('resumes after the machine slept, though the connection looks open', async (t) => {
    const { gateway, clock, run, next } = await open(t);
    gateway.suspend();
    clock.setWall(clock.now() + 60_000);
    await clock.advance(5_000);
    const told = await next('reconnecting');
    assert.deepEqual(told, {
      type: 'reconnecting',
      message: 'this machine or hoopctl slept for 1m 5s',
      cause: 'slept',
    });
    assert.deepEqual(await next('reconnected'), { type: 'reconnected', awayMs: 65_000, cause: 'slept' });
    assert.equal(run.state, 'live');
  });

  test('says nothing of a clock that was set, or a sleep that nobody noticed', async (t) => {
    const { gateway, clock, run, happened } = await open(t);
    clock.setWall(clock.now() + 60_000);
    await clock.advance(5_000);
    await gateway.until(() => run.streams === 2);
    assert.deepEqual([happened, run.resumed], [[], 0]);
  });

  test('notices a line that fell silent within half a minute, and comes back by a new one', async (t) => {
    const { clock, run, line, next } = await open(t);
    line.silence();
    const lost = next('reconnecting');
    let told = false;
    void lost.then(() => (told = true));
    let waited = 0;
    for (; !told; waited += 1_000) await advance(clock, 1_000);
    assert.ok(waited >= 20_000 && waited <= 31_000, `${waited} ms`);
    assert.equal(((await lost) as { cause?: string }).cause, 'lost');
    line.cut();
    await line.up();
    await advanceUntil(clock, () => run.resumed === 1);
    await next('reconnected');
    assert.ok(line.connections >= 2);
  });

  test('resumes where the gateway says that it had not heard of it in time', async (t) => {
    const { gateway, clock, next } = await open(t);
    gateway.suspend();
    await clock.advance(5_000);
    assert.equal(((await next('reconnecting')) as { cause?: string }).cause, 'suspended');
    await next('reconnected');
  });

  test('gives up after fifteen minutes out of touch', async (t) => {
    const { gateway, clock, opened, next } = await open(t);
    await gateway.stop();
    await next('reconnecting');
    let end: LeaseEnd | undefined;
    void opened.lease.ended.then((it) => (end = it));
    await advanceUntil(clock, () => end !== undefined, 1_000);
    assert.equal(end?.kind, 'lost');
  });
});

async function open(t: TestContext, login: LoginKeeper = {}, gatewayTime = (at: number) => at) {
  const clock = new FakeClock();
  const theirs: Clock = {
    ...clock,
    bootId: clock.bootId,
    now: () => gatewayTime(clock.now()),
    monotonic: () => clock.monotonic(),
    after: (ms, fn) => clock.after(ms, fn),
  };
  const gateway: RunGateway = await startRunGateway(t, theirs);
  const line = await startLine(t, Number(new URL(gateway.url).port));
  const client = createGatewayClient({
    url: `http://127.0.0.1:${line.port}`,
    clock,
    token: async () => 'user-token',
  });
  t.after(() => client.close());
  const happened: RunHappening[] = [];
  const waiting: (() => void)[] = [];
  const prepared = await prepare(ORDERS, linesClients);
  const opened = await openRun({ client, clock, clients: linesClients, login }, 'run', [prepared], {}, (event) => {
    happened.push(event);
    for (const wake of waiting.splice(0)) wake();
  });
  t.after(() => {
    opened.lease.stop();
    return Promise.all(opened.doors.map(({ listener }) => listener.close()));
  });
  const [run] = gateway.runs;
  assert.ok(run);
  await gateway.until(() => run.streams === 1);
  const next = async (type: RunHappening['type']): Promise<RunHappening> => {
    for (;;) {
      const index = happened.findIndex((event) => event.type === type);
      const [found] = index < 0 ? [] : happened.splice(index, 1);
      if (found) return found;
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  };
  return { gateway, line, clock, run, opened, happened, next };
}

/** Lets the network do its part too. */
async function advance(clock: FakeClock, ms: number): Promise<void> {
  await clock.advance(ms);
  for (let i = 0; i < 20; i++) await settled();
}

/** Pauses between attempts are on the fake clock, the attempts themselves are real. */
async function advanceUntil(clock: FakeClock, condition: () => boolean, step = 250): Promise<void> {
  while (!condition()) {
    await advance(clock, step);
  }
}

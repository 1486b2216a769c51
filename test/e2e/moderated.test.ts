/** Moderated statements from end to end: they run, and their results flow, only while an approver follows the session. */
import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { createGatewayClient } from '../../src/api/client.ts';
import { systemClock } from '../../src/base/clock.ts';
import type { RecordedEvent } from '../../src/record/index.ts';
import { type Stack, type StackRun, startStack } from '../fakes/stack.ts';
import { watchSession } from '../fakes/watcher.ts';
import {
  type Connected,
  connected,
  later,
  openRequest,
  ran,
  recorded,
  refused,
  sessionOf,
  until,
  verified,
} from './clients.ts';

const POLICY = `version: 1
access:
  - { name: all, subjects: { groups: [data-agents] }, targets: [shop], effects: [read, write, delete] }
rules:
  - name: eyes-on-orders
    targets: [shop]
    subjects: { users: [dana@example.test] }
    when: { resources: [public.orders] }
    then: { hold: { approvers: { groups: [db-owners, data-agents] }, proof: login, moderated: true } }
  - name: short-eyes
    targets: [shop]
    subjects: { users: [hurried@example.test] }
    when: { resources: [public.orders] }
    then: { hold: { approvers: { groups: [db-owners] }, proof: login, moderated: true, wait: 3s } }
limits:
  - { name: none, targets: [shop], bytesPerStatement: none, bytesPerRun: none }
`;

const users = [
  { email: 'hurried@example.test', groups: ['data-agents'] },
  { email: 'sam@example.test', groups: ['db-owners'] },
  { email: 'marketing@example.test', groups: ['marketing'] },
];

let stack: Stack;
before(async () => {
  stack = await startStack({ policy: POLICY, users });
});
after(() => stack[Symbol.asyncDispose]());

const ROWS = 100_000;
/** Far more than any buffer on its way. */
const MANY = `SELECT o.id, repeat('x', 300) AS filler FROM (SELECT id FROM orders LIMIT 1) o, generate_series(1, ${ROWS})`;

const PgQuery = pg.Query as unknown as new (
  text: string,
) => pg.Submittable & {
  on(event: string, listener: (value: Error) => void): void;
};

interface Here extends AsyncDisposable {
  readonly run: StackRun;
  readonly client: Connected;
  readonly session: string;
}

async function open(who: string): Promise<Here> {
  const run = await stack.run(who);
  const client = await connected(run);
  const session = await sessionOf(stack, client);
  return {
    ...{ run, client, session },
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await run[Symbol.asyncDispose]();
    },
  };
}

function reading(client: pg.Client, text: string) {
  const query = new PgQuery(text);
  const seen = { rows: 0 };
  query.on('row', () => void seen.rows++);
  const ended = new Promise<Error | undefined>((resolve) => {
    query.on('error', resolve);
    query.on('end', () => resolve(undefined));
  });
  client.query(query);
  return { seen, ended };
}

async function approve({ run }: Here, text: string, who = 'riley'): Promise<void> {
  const view = await openRequest(stack, run, text);
  assert.equal(view.moderated, true);
  await (await stack.client(who)).decide(view.id, { decision: 'approve', digest: view.digest });
}

const watch = async (who: string, session: string) => watchSession(await stack.client(who), session);

async function told(session: string): Promise<string[]> {
  return (await recorded(stack, session)).flatMap((event: RecordedEvent) => {
    if (event.type !== 'notice' || !/^(watch|session)\./.test(event.notice)) return [];
    return [[event.notice, event['by'], event['reason']].filter((word) => word !== undefined).join(' ')];
  });
}

const hears = (session: string, notice: string, times = 1) =>
  until(
    `${notice} is recorded`,
    async () => (await told(session)).filter((line) => line.startsWith(notice)).length >= times,
  );

/** Whatever is on its way has arrived once nothing did for a while; from then on nothing may. */
async function stands(count: () => number): Promise<number> {
  for (let before = -1; before !== count(); await setTimeout(300)) before = count();
  const still = count();
  await setTimeout(500);
  assert.equal(count(), still);
  return still;
}

describe('a moderated statement', () => {
  test('runs once an approver watches, pauses in the middle of its result when they leave, and goes on when they are back', async () => {
    await using here = await open('dana');
    const { client, session } = here;
    const { seen, ended } = reading(client, MANY);
    await approve(here, 'generate_series');
    await until('the client is told', () => client.notices.some(({ message }) => message.includes(`tail ${session}`)));
    assert.equal(seen.rows, 0);
    assert.equal(await ran(stack, 'generate_series'), 0);
    const first = await watch('riley', session);
    await until('rows come', () => seen.rows > 1000);
    await first.stop();
    await hears(session, 'session.paused');
    const still = await stands(() => seen.rows);
    assert.ok(still < ROWS, String(still));
    await using again = await watch('riley', session);
    assert.equal(await ended, undefined);
    assert.equal(seen.rows, ROWS);
    await until('the watcher sees its outcome', () =>
      again.events.some(({ type, ...more }) => type === 'outcome' && 'rows' in more && more.rows === ROWS),
    );
    assert.deepEqual(await told(session), [
      'watch.began riley@example.test',
      'watch.ended riley@example.test left',
      'session.paused',
      'watch.began riley@example.test',
      'session.resumed',
      'watch.ended riley@example.test over',
    ]);
    assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
    await verified(stack, { allow: 'open' });
  });

  test('is not begun by somebody who follows over HTTP/1.1, where nobody can be asked whether they are there', async () => {
    await using here = await open('dana');
    const answer = later(here.client.query('SELECT id AS plainly FROM orders LIMIT 1'));
    await approve(here, 'plainly');
    const url = `${stack.gateway.url}/v1/sessions/${here.session}/events?follow=true`;
    const over = new AbortController();
    const headers = { authorization: `Bearer ${await stack.token('riley')}` };
    const following = await fetch(url, { headers, signal: over.signal });
    assert.equal(following.status, 200);
    await following.body?.getReader().read();
    assert.deepEqual(await told(here.session), []);
    assert.equal(await ran(stack, 'AS plainly'), 0);
    over.abort();
    await using _watcher = await watch('riley', here.session);
    assert.equal((await answer).ok, true);
  });

  test('of two who watch, one may leave', async () => {
    await using here = await open('dana');
    const { seen, ended } = reading(here.client, MANY);
    await openRequest(stack, here.run);
    const [one, other] = [await watch('riley', here.session), await watch('sam', here.session)];
    await until('both follow', () => one.events.length > 0 && other.events.length > 0);
    await approve(here, 'generate_series');
    await until('rows come', () => seen.rows > 1000);
    await one.stop();
    assert.equal(await ended, undefined);
    assert.doesNotMatch((await told(here.session)).join(), /paused/);
    await other.stop();
  });

  test('is not begun by the eyes of the one who asked, nor of somebody who is no approver', async () => {
    await using here = await open('dana');
    const before = await ran(stack, 'AS unseen');
    const answer = later(here.client.query('SELECT id AS unseen FROM orders LIMIT 1'));
    await approve(here, 'unseen', 'sam');
    await using own = await watch('dana', here.session);
    await until('the one who asked follows', () => own.events.length > 0);
    const stranger = await watch('marketing', here.session);
    assert.match(String(await stranger.ended), /no session/);
    await setTimeout(300);
    assert.equal(await ran(stack, 'AS unseen'), before);
    assert.deepEqual(await told(here.session), []);
    await using watcher = await watch('sam', here.session);
    assert.equal((await answer).ok, true);
    assert.ok(watcher.events.length > 0);
  });

  test('what the client sends meanwhile does not reach the target', async () => {
    await using here = await open('dana');
    const { client, session } = here;
    const { seen, ended } = reading(client, MANY);
    await openRequest(stack, here.run);
    const watcher = await watch('riley', session);
    await approve(here, 'generate_series');
    await until('rows come', () => seen.rows > 1000);
    const next = later(client.query('SELECT 2 AS afterwards'));
    await watcher.stop();
    await hears(session, 'session.paused');
    await stands(() => seen.rows);
    assert.equal(await ran(stack, 'AS afterwards'), 0);
    await using _again = await watch('sam', session);
    await ended;
    assert.equal((await next).ok, true);
  });

  /** It reads no more until it goes on: what it asked for stays in flight. */
  const stall = ({ client }: Here) => {
    const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
    stream.pause();
    return () => stream.resume();
  };

  test('a watcher who is revoked has left', async () => {
    await using here = await open('dana');
    const { seen, ended } = reading(here.client, MANY);
    await openRequest(stack, here.run);
    const watcher = await watch('sam', here.session);
    await approve(here, 'generate_series');
    await until('rows come', () => seen.rows > 1000);
    const goOn = stall(here);
    await (await stack.client('sam')).revoke({ scope: { kind: 'user', who: 'sam@example.test' } });
    await hears(here.session, 'session.paused');
    await watcher.ended;
    goOn();
    await stands(() => seen.rows);
    await using _riley = await watch('riley', here.session);
    assert.equal(await ended, undefined);
  });

  test('a watcher whose line is dead, without a word, has left', async () => {
    await using line = await startLine(Number(new URL(stack.gateway.url).port));
    await using here = await open('dana');
    const { seen, ended } = reading(here.client, MANY);
    const away = createGatewayClient({
      url: line.url,
      env: {},
      clock: systemClock,
      token: () => stack.token('riley'),
    });
    await openRequest(stack, here.run);
    const watcher = watchSession(away, here.session);
    await approve(here, 'generate_series');
    await until('rows come', () => seen.rows > 1000);
    const goOn = stall(here);
    line.freeze();
    await hears(here.session, 'session.paused');
    goOn();
    await stands(() => seen.rows);
    await using _riley = await watch('riley', here.session);
    assert.equal(await ended, undefined);
    await watcher.stop();
    await away.close();
  });

  test('ends its session when nobody comes back in time, and says so', async () => {
    await using here = await open('hurried');
    const { seen, ended } = reading(here.client, MANY);
    await openRequest(stack, here.run);
    const watcher = await watch('riley', here.session);
    await approve(here, 'generate_series');
    await until('rows come', () => seen.rows > 1000);
    await watcher.stop();
    assert.ok(await ended);
    await here.run.event('session.closed');
    const events = await recorded(stack, here.session);
    const closed = events.findLast(({ type }) => type === 'session.closed');
    assert.deepEqual(closed?.type === 'session.closed' && closed.end, {
      kind: 'unwatched',
      rule: 'short-eyes',
      waitedMs: 3000,
    });
    const outcome = events.findLast((event) => event.type === 'outcome');
    assert.equal(outcome?.type === 'outcome' && outcome.state, 'cancelled');
    // Following it was for its watchers, and only while it lived.
    await assert.rejects((await stack.client('riley')).session(here.session), /no session/);
  });

  test('that nobody comes to watch is HOOP_HELD, and the approval is good for the same statement again', async () => {
    await using here = await open('hurried');
    const text = 'SELECT id AS patient FROM orders LIMIT 1';
    const first = refused(here.client.query(text));
    await approve(here, 'patient');
    const { code, message } = await first;
    assert.equal(code, '55000');
    assert.match(message, /HOOP_HELD: rule "short-eyes" has this watched/);
    await using _watcher = await watch('riley', here.session);
    await here.client.query(text);
    const asked = (await recorded(stack, here.session)).filter(({ type }) => type === 'approval.requested');
    assert.equal(new Set(asked.map((event) => 'approval' in event && event.approval)).size, 1);
  });

  test('a restarted gateway knows no watchers: nothing of what waited is run, and it waits for one again', async () => {
    await using here = await open('dana');
    const text = 'SELECT id AS restarted FROM orders LIMIT 1';
    const answer = later(here.client.query(text));
    const { id } = await openRequest(stack, here.run, 'restarted');
    await approve(here, 'restarted');
    await until('it waits for a watcher', () => here.client.notices.length > 1);
    await stack.restart();
    assert.equal((await answer).ok, false);
    await using client = await until('the door is open again', () => connected(here.run).catch(() => undefined));
    const session = await sessionOf(stack, client);
    const again = later(client.query(text));
    const view = await openRequest(stack, here.run, 'restarted', [id]);
    await (await stack.client('riley')).decide(view.id, { decision: 'approve', digest: view.digest });
    await until('it waits for a watcher again', () => client.notices.some(({ message }) => message.includes(session)));
    assert.equal(await ran(stack, 'AS restarted'), 0);
    await using _watcher = await watch('riley', session);
    assert.equal((await again).ok, true);
  });
});

/** A line to a port that can go dead without a word. */
async function startLine(port: number): Promise<{ url: string; freeze(): void } & AsyncDisposable> {
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    sockets.push(near, far);
    near.on('error', () => {}).pipe(far);
    far.on('error', () => {}).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    freeze() {
      for (const socket of sockets) socket.unpipe().pause();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * A laptop's life: it sleeps, moves to another network, its login runs out, its gateway restarts. Ports and secrets stay, clients hear why in their
 * protocol, a person hears it once, and PostgreSQL's own log shows that nothing was sent twice.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { packageRoot } from '../../src/base/entry.ts';
import { newHome } from '../cli/cli.ts';
import { startLine } from '../fakes/line.ts';
import { type Stack, startStack } from '../fakes/stack.ts';
import { connected, holdUp, later, ran, recorded, refused, SLOW, sessionOf, until } from './clients.ts';
import { ask, toldIn, tunnelIn } from './tunnels.ts';

/** Real times, only shorter: a run sleeps for some seconds here where it would for a minute. */
const TIMES = { heartbeatMs: 1_000, leaseMs: 6_000 };

let stack: Stack;
before(async () => {
  stack = await startStack({
    gateway: 'process',
    sql: SLOW,
    env: { TEST_LIMITS: JSON.stringify(TIMES) },
  });
});
after(() => stack[Symbol.asyncDispose]());

describe('sleep', () => {
  test('of a tunnel: old connections are told, the same URL works at once afterwards, nothing is replayed', async (t) => {
    const { child, url, run } = await tunnel(t);
    await using holder = await holdUp(stack);
    await using idle = await connected({ connection: { connectionString: url } });
    await idle.query('SELECT 1');
    await using busy = await connected({ connection: { connectionString: url } });
    const answer = later(busy.query('SELECT id FROM slow WHERE id = 7000101'));
    await holder.waiting(1);
    child.kill('SIGSTOP');
    await holder.waiting(0);
    await suspended(run);
    child.kill('SIGCONT');
    const told = (await idle.ended) as Error & { code?: string };
    assert.deepEqual(
      [told.code, told.message],
      ['08006', 'the launcher lost touch with the gateway; the run is suspended'],
    );
    const inFlight = await answer;
    assert.ok(!inFlight.ok && inFlight.told.code === '08006', JSON.stringify(inFlight));
    await child.says('awake again after');
    assert.equal(await ask(url, 'SELECT 7 AS n'), 7);
    assert.equal(await ran(stack, '7000101'), 1);
    child.kill('SIGINT');
    const lines = toldIn(await child.ended);
    assert.equal(lines.length, 1, lines.join('\n'));
    assert.match(lines[0] ?? '', /awake again after \S+, and back in touch; open connections were cut$/);
  });

  test('of a run and its agent: the agent hears why, and goes on with what it was given', async (t) => {
    const { home, env } = await withToken(t);
    const agent = join(home.dir, 'agent.mjs');
    const events = join(home.dir, 'events');
    writeFileSync(agent, AGENT);
    const child = home.start(['run', '--events', events, agent], { env });
    const [, pid] = /agent (\d+) asks/.exec(await child.says(/agent \d+ asks/)) ?? [];
    for (const one of [child.pid, Number(pid)]) process.kill(one, 'SIGSTOP');
    await suspended(runOf(events));
    for (const one of [Number(pid), child.pid]) process.kill(one, 'SIGCONT');
    const ended = await child.ended;
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stdout, /told 08006 .*the run is suspended\n(told .*\n)*again 1\n/);
    const happened = eventsIn(events).filter(({ type }) => /^reconnect/.test(type));
    assert.deepEqual(
      happened.map(({ type, cause }) => [type, cause]),
      [
        ['reconnecting', 'slept'],
        ['reconnected', 'slept'],
      ],
    );
  });

  test('during which the run was revoked: it ends with 7 and is never resumed', async (t) => {
    const { child, run } = await tunnel(t);
    child.kill('SIGSTOP');
    await (await stack.client('riley')).revoke({ scope: { kind: 'run', id: run }, reason: 'lost laptop' });
    child.kill('SIGCONT');
    const { code, stderr } = await child.ended;
    assert.equal(code, 7, stderr);
    assert.match(stderr, /access was revoked: lost laptop/);
  });
});

describe('a network', () => {
  test('that is lost and comes back by another way: said once, and what was open is told', async (t) => {
    const line = await startLine(t, portOf(stack.gateway.url));
    const { child, url } = await tunnel(t, `http://127.0.0.1:${line.port}`);
    await using client = await connected({ connection: { connectionString: url } });
    await client.query('SELECT 1');
    await line.down();
    const told = (await client.ended) as Error & { code?: string };
    assert.equal(told.code, '08006');
    assert.match(told.message, /^the connection to the gateway was cut.*is not sent again/);
    await child.says('lost touch');
    const meanwhile = await refused(ask(url, 'SELECT 1'));
    assert.equal(meanwhile.code, '08006');
    assert.match(meanwhile.message, /lost touch with the gateway and is trying again: .*connection refused/);
    await line.up();
    await child.says('back in touch with the gateway after');
    assert.equal(await ask(url, 'SELECT 7 AS n'), 7);
    child.kill('SIGINT');
    assert.equal(toldIn(await child.ended).filter((text) => /touch/.test(text)).length, 2);
  });
});

describe('a gateway that is killed', () => {
  test('under a tunnel: what was under way is not sent again, and its recording says that nobody knows', async (t) => {
    const { child, url } = await tunnel(t);
    await using holder = await holdUp(stack);
    await using idle = await connected({ connection: { connectionString: url } });
    await idle.query('SELECT 1');
    await using busy = await connected({ connection: { connectionString: url } });
    const session = await sessionOf(stack, busy);
    const answer = later(busy.query('SELECT id FROM slow WHERE id = 7000102'));
    await holder.waiting(1);
    await stack.process.kill();
    const told = (await idle.ended) as Error & { code?: string };
    assert.deepEqual([told.code, /may or may not have been carried out/.test(told.message)], ['08006', true]);
    const inFlight = await answer;
    assert.ok(!inFlight.ok && inFlight.told.code === '08006', JSON.stringify(inFlight));
    await stack.start();
    await child.says('back in touch');
    assert.equal(await ask(url, 'SELECT 7 AS n'), 7);
    assert.equal(await ran(stack, '7000102'), 1);
    // The next life of the gateway closes it, and says of what was under way that nobody knows.
    const events = await recorded(stack, session);
    const asked = events.find((event) => event.type === 'command' && event.sent.text.includes('7000102'));
    assert.ok(asked && 'command' in asked, 'it was recorded before it was sent');
    const outcome = events.find((event) => event.type === 'outcome' && event.command === asked.command);
    assert.equal(outcome && 'state' in outcome && outcome.state, 'unknown');
  });
});

async function withToken(t: TestContext, gateway = stack.gateway.url) {
  const home = newHome(t);
  stack.logOut('dana');
  return { home, env: { ...home.env, HOOPCTL_GATEWAY: gateway, HOOPCTL_TOKEN: await stack.token('dana') } };
}

async function tunnel(t: TestContext, gateway?: string) {
  const { home, env } = await withToken(t, gateway);
  return tunnelIn(home, env);
}

/** The gateway suspended it: who holds it was not heard in time. */
function suspended(run: string): Promise<true> {
  const line = new RegExp(`"suspended"[^\\n]*${run}|${run}[^\\n]*"suspended"`);
  return until('the run is suspended', async () => {
    const sessions = await (await stack.client('riley')).sessions({ run, live: true });
    return sessions.length === 0 || stack.log.some((text) => line.test(text));
  });
}

function eventsIn(file: string): { type: string; cause?: string; run?: string }[] {
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

function runOf(file: string): string {
  return eventsIn(file).find(({ type }) => type === 'ready')?.run ?? '';
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

const AGENT = `
import { createRequire } from 'node:module';
const pg = createRequire(${JSON.stringify(join(packageRoot(), 'package.json'))})('pg');
const open = async () => {
  const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
  const ended = new Promise((resolve) => client.on('error', resolve));
  await client.connect();
  await client.query('SELECT 1');
  return { client, ended };
};
const { ended } = await open();
console.log(\`agent \${process.pid} asks\`);
const why = await ended;
console.log('told', why.code, why.message);
for (;;) {
  try {
    const { client } = await open();
    console.log('again', (await client.query('SELECT 1 AS n')).rows[0].n);
    await client.end();
    break;
  } catch (error) {
    console.log('told', error.code, error.message);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
process.exit(0);
`;

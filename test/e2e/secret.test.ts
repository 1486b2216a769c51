/** The door's secret: whoever does not have it gets nothing, no session at the gateway, and no connection at the target. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { Token } from '../../src/base/secret.ts';
import { openTunnel } from '../../src/tunnel/client.ts';
import { DATABASE_PASSWORD, type Stack, type StackRun, startStack } from '../fakes/stack.ts';
import { connected, refused } from './clients.ts';

let stack: Stack;
before(async () => {
  stack = await startStack({ postgres: { settings: { log_connections: 'on' } } });
});
after(() => stack[Symbol.asyncDispose]());

/** Connections PostgreSQL has seen from the gateway. */
async function dialled(): Promise<number> {
  return (await stack.postgres.log()).split('\n').filter((line) => line.includes('connection received')).length;
}

/** Does what shall not get in, and holds that nobody noticed: neither the gateway's list nor PostgreSQL. */
async function assertNothing(run: StackRun, attempt: () => Promise<unknown>): Promise<void> {
  const dana = await stack.client('dana');
  const [calls, sessions] = [await dialled(), (await dana.sessions()).length];
  await attempt();
  assert.equal((await dana.sessions()).length, sessions);
  assert.ok(!run.events.some(({ type }) => type === 'session.opened'));
  // Counted last: what PostgreSQL was asked meanwhile is in its log by now, since it is asked once more.
  await stack.sql('SELECT 1');
  assert.equal(await dialled(), calls + 1);
}

describe('a client that does not show the secret', () => {
  const wrong: Record<string, () => string> = {
    'shows another one': () => randomBytes(32).toString('base64url'),
    'shows none': () => '',
    "shows the target's own credential": () => DATABASE_PASSWORD,
  };
  for (const [what, password] of Object.entries(wrong)) {
    test(`and ${what} is refused before anybody is dialled`, async () => {
      await using run = await stack.run('dana');
      await assertNothing(run, async () => {
        const told = await refused(connected({ connection: { ...run.connection, password: password() } }));
        assert.match(told.code ?? told.message, /^28P01$|SASL/);
      });
    });
  }

  test("and shows another run's secret is refused, though both are the same person's", async () => {
    await using run = await stack.run('dana');
    await using other = await stack.run('dana');
    await assertNothing(run, async () => {
      const { password } = other.connection;
      assert.equal((await refused(connected({ connection: { ...run.connection, password } }))).code, '28P01');
    });
  });

  test('and comes as somebody else is refused', async () => {
    await using run = await stack.run('dana');
    for (const user of ['shop_agent', 'postgres', 'dana@example.test']) {
      await assertNothing(run, async () => {
        assert.equal((await refused(connected({ connection: { ...run.connection, user } }))).code, '28P01');
      });
    }
  });
});

describe("a run's token", () => {
  test("opens no other run's tunnels, and none at all once its run is over", async () => {
    const run = await stack.run('dana');
    await using other = await stack.run('dana');
    const { link } = await stack.client('dana');
    const open = async (id: string, token: Token, target = 'shop') => {
      const { stream, admitted } = await openTunnel(link, { run: id, target, token });
      await admitted.finally(() => stream.close());
    };
    await assertNothing(other, async () => {
      await assert.rejects(open(other.view.id, run.token), { name: 'HoopError' });
      await assert.rejects(
        open(run.view.id, Token.of(await stack.token('dana'))),
        { name: 'HoopError' },
        'a login opens no tunnel',
      );
      await assert.rejects(open(run.view.id, run.token, 'shops'), { name: 'HoopError' });
      await open(run.view.id, run.token);
      await run.close('done');
      await assert.rejects(open(run.view.id, run.token), { name: 'HoopError' });
    });
  });

  test('does nothing but its own run: no sessions, no approvals, no people, no explaining', async () => {
    await using run = await stack.run('dana');
    const call = async (method: string, path: string) => {
      const headers = { authorization: `Bearer ${run.token.expose()}`, 'content-type': 'application/json' };
      return (await fetch(stack.gateway.url + path, { method, headers, ...(method === 'GET' ? {} : { body: '{}' }) }))
        .status;
    };
    const closed = [
      '/v1/me',
      '/v1/targets',
      '/v1/sessions',
      '/v1/approvals',
      '/v1/people',
      '/v1/agents',
      '/v1/revocations',
    ];
    for (const path of closed) assert.match(String(await call('GET', path)), /^40[134]$/, path);
    for (const path of [
      '/v1/runs',
      '/v1/revocations',
      '/v1/policy/explain',
      `/v1/runs/${run.view.id}/renew`,
      `/v1/runs/${run.view.id}/resume`,
    ]) {
      assert.match(String(await call('POST', path)), /^40[0134]$/, path);
    }
  });
});

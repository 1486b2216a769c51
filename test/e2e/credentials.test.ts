/** Accounts that the gateway looks after, against a real PostgreSQL: passwords that change, roles that live as long as a session. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import pg from 'pg';
import { HoopError } from '../../src/base/error.ts';
import { systemClock } from '../../src/base/clock.ts';
import { Secret } from '../../src/base/secret.ts';
import { scramVerifier } from '../../src/protocols/postgres/scram.ts';
import { openSealer } from '../../src/secrets/index.ts';
import { createStore } from '../../src/store/index.ts';
import { DATABASE_PASSWORD, type Stack, startStack } from '../fakes/stack.ts';
import { connected } from './clients.ts';
import { until } from '../fakes/until.ts';

const ADMIN_PASSWORD = 'canary-of-the-administrator-7b31';
const ADMIN = '{ user: hoop_admin, password: { env: ADMIN_PASSWORD } }';

const ROLES = `
CREATE ROLE hoop_admin LOGIN CREATEROLE PASSWORD '${ADMIN_PASSWORD}';
CREATE ROLE shop_reader NOLOGIN;
CREATE ROLE shop_maker NOLOGIN;
CREATE ROLE maker_of_roles NOLOGIN CREATEROLE;
CREATE SCHEMA made AUTHORIZATION shop_maker;
GRANT CONNECT ON DATABASE shop TO shop_reader, shop_maker, maker_of_roles;
GRANT USAGE ON SCHEMA public TO shop_reader, shop_maker, maker_of_roles;
GRANT SELECT ON customers, orders TO shop_reader, shop_maker, maker_of_roles;
`;

const POLICY = `version: 1
roles:
  admin: { groups: [db-owners] }
access:
  - name: reading
    subjects: { groups: [data-agents] }
    targets: [shop, reports, wide]
    effects: [read]
    scope: { schemas: [public] }
    session: { max: 1h }
  - name: making
    subjects: { groups: [data-agents] }
    targets: [workshop]
    effects: [read, write, delete, define]
`;

let stack: Stack;
before(async () => {
  stack = await startStack({
    sql: ROLES,
    policy: POLICY,
    env: { ADMIN_PASSWORD },
    gatewayYaml: (yaml) => {
      const [, address] = /address: (127\.0\.0\.1:\d+)/.exec(yaml.slice(yaml.indexOf('targets:'))) ?? [];
      const dynamic = (name: string, role: string) => `  ${name}:
    protocol: postgres
    address: ${address}
    database: shop
    tls: disable
    account: { dynamic: { roles: [${role}], admin: ${ADMIN} } }
`;
      const rotated = yaml.replace(
        'password: { env: SHOP_PASSWORD } }',
        `password: { env: SHOP_PASSWORD }, rotate: { every: 24h, admin: ${ADMIN} } }`,
      );
      return (
        rotated +
        dynamic('reports', 'shop_reader') +
        dynamic('workshop', 'shop_maker') +
        dynamic('wide', 'maker_of_roles')
      );
    },
  });
  await changed();
});
after(() => stack[Symbol.asyncDispose]());

/** Waits for the password that is changed when a gateway starts. */
async function changed(): Promise<string> {
  const riley = await stack.client('riley');
  return until('the password was changed', async () => {
    const { accounts = [] } = await riley.health();
    return accounts.find(({ target }) => target === 'shop')?.changedAt;
  });
}

const KEY = () => `postgres shop_agent@127.0.0.1:${stack.postgres.port}`;

/** What the store holds, opened with the gateway's own key. */
async function stored() {
  const store = await createStore({ url: `sqlite:${join(stack.gatewayFolder, 'data/hoop.db')}`, clock: systemClock });
  const sealer = openSealer(join(stack.gatewayFolder, 'keys'));
  const row = await store.credentials.find(KEY());
  return { store, sealer, row, password: row?.current && sealer.unseal(row.current, KEY()).reveal() };
}

async function currentPassword(): Promise<string> {
  const { store, password } = await stored();
  await store.close();
  assert.ok(password);
  return password;
}

function directly(user: string, password: string) {
  return new pg.Client({ host: '127.0.0.1', port: stack.postgres.port, database: 'shop', user, password });
}

async function opens(user: string, password: string): Promise<boolean> {
  const client = directly(user, password);
  try {
    await client.connect();
    await client.end();
    return true;
  } catch (error) {
    assert.equal((error as { code?: string }).code, '28P01');
    return false;
  }
}

async function rolesOfOurs(): Promise<string[]> {
  const told = await stack.sql(
    "SELECT rolname FROM pg_roles WHERE rolname LIKE 'hoop\\_%\\_%' AND rolname <> 'hoop_admin' ORDER BY 1",
  );
  return told.split('\n').filter(Boolean);
}

const seen: string[] = [];

describe('a password that the gateway changes', () => {
  test('is another than in gateway.yaml from the start on, and sessions do not notice', async () => {
    assert.equal(await opens('shop_agent', DATABASE_PASSWORD), false);
    seen.push(await currentPassword());
    assert.equal(await opens('shop_agent', seen[0] as string), true);
    await using run = await stack.run('dana');
    await using client = await connected(run);
    assert.equal((await client.query('SELECT count(*) FROM orders')).rows[0].count, '400');
  });

  test('is changed at once when an administrator says so; what is open stays open', async () => {
    await using run = await stack.run('dana');
    await using client = await connected(run);
    await client.query('BEGIN');
    const before = await currentPassword();
    const riley = await stack.client('riley');
    const done = await riley.rotateTarget('shop');
    assert.equal(done.target, 'shop');
    assert.equal(done.account, 'shop_agent');
    assert.equal(Date.parse(done.nextAt) - Date.parse(done.changedAt), 86_400_000);
    seen.push(await currentPassword());
    assert.notEqual(seen.at(-1), before);
    assert.equal(await opens('shop_agent', before), false);
    assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
    await client.query('COMMIT');
    await using next = await connected(run);
    assert.equal((await next.query('SELECT 1 AS one')).rows[0].one, 1);
  });

  test('is nobody else’s to change', async () => {
    const dana = await stack.client('dana');
    for (const name of ['shop', 'reports', 'no-such'])
      for (const attempt of [() => dana.rotateTarget(name), () => dana.refreshTarget(name)])
        await assert.rejects(
          attempt(),
          (error) => error instanceof HoopError && error.code === 'FORBIDDEN' && error.exit === 4,
        );
    const riley = await stack.client('riley');
    await assert.rejects(riley.rotateTarget('no-such'), { code: 'TARGET_UNKNOWN' });
    await assert.rejects(riley.rotateTarget('reports'), { code: 'ACCOUNT_DYNAMIC', exit: 2 });
  });

  test('is not changed again by a restart', async () => {
    const [before, at] = [await currentPassword(), await changed()];
    await stack.restart();
    assert.equal(await changed(), at);
    const riley = await stack.client('riley');
    await until('the next change is known', async () => (await riley.health()).accounts?.[0]?.nextAt);
    assert.equal(await currentPassword(), before);
  });

  for (const [when, given] of [
    ['before the target was given the new one', false],
    ['after the target was given it', true],
  ] as const) {
    test(`a crash ${when} is mended by the next start, with the same password`, async () => {
      await stack.gateway.stop();
      const { store, sealer, row } = await stored();
      assert.ok(row);
      const fresh = `begun-${given}-canary-0f6e5d4c3b2a1`;
      const pending = sealer.seal(Secret.of(fresh), KEY());
      const [gateway] = await claimants();
      assert.ok(
        await store.credentials.save({ ...row, pending, claim: { by: gateway as string, until: Date.now() + 60_000 } }),
      );
      await store.close();
      if (given) await stack.sql(`ALTER ROLE shop_agent PASSWORD '${await verifier(fresh)}'`);
      await stack.start();
      await using run = await stack.run('dana');
      await using client = await connected(run);
      assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
      await until('it is the current one', async () => (await currentPassword()) === fresh);
      assert.equal(await opens('shop_agent', fresh), true);
      seen.push(fresh);
    });
  }

  test('another gateway that changes it just now is left alone', async () => {
    const { store, row } = await stored();
    assert.ok(row);
    assert.ok(await store.credentials.save({ ...row, claim: { by: 'gw-another', until: Date.now() + 60_000 } }));
    const riley = await stack.client('riley');
    await assert.rejects(riley.rotateTarget('shop'), { code: 'ROTATION_BUSY' });
    const claimed = await store.credentials.find(KEY());
    assert.ok(claimed);
    const { claim: _, ...free } = claimed;
    assert.ok(await store.credentials.save(free));
    await store.close();
  });

  test('that cannot be changed stays, and everybody who should know is told', async () => {
    const before = await currentPassword();
    await stack.sql('ALTER ROLE hoop_admin NOCREATEROLE');
    const riley = await stack.client('riley');
    await assert.rejects(riley.rotateTarget('shop'), (error) => {
      assert.ok(error instanceof HoopError);
      assert.equal(error.code, 'ACCOUNT_ADMIN');
      assert.equal(error.exit, 6);
      assert.match(error.hint ?? '', /CREATEROLE/);
      return true;
    });
    assert.equal(await currentPassword(), before);
    const ready = (await (await fetch(`${stack.gateway.adminUrl}/readyz`)).json()) as {
      ok: boolean;
      problems: string[];
    };
    assert.equal(ready.ok, true);
    assert.match(ready.problems.join('\n'), /account of shop: the target refused/);
    const told = (await riley.health()).accounts?.find(({ target }) => target === 'shop');
    assert.equal(told?.state, 'failing');
    assert.match(told?.problem ?? '', /the target refused/);
    const shown = (await (await stack.client('dana')).health()).accounts?.find(({ target }) => target === 'shop');
    assert.equal(shown?.state, 'failing');
    assert.equal(shown?.problem, undefined);
    assert.ok(stack.log.some((line) => line.includes('the password could not be changed')));
    await using run = await stack.run('dana');
    await using client = await connected(run);
    await client.query('SELECT 1');
    await stack.sql('ALTER ROLE hoop_admin CREATEROLE');
    await riley.rotateTarget('shop');
    seen.push(await currentPassword());
    assert.equal((await riley.health()).accounts?.find(({ target }) => target === 'shop')?.state, 'ok');
  });
});

describe('a role for each session', () => {
  test('is made for it, is good until its end, and goes with it', async () => {
    const run = await stack.run('dana', { target: 'reports' });
    const client = await connected(run);
    const role = (await client.query('SELECT current_user AS who')).rows[0].who as string;
    assert.match(role, /^hoop_gw[0-9a-f]{12}_[0-9a-f]{16}$/);
    assert.equal((await client.query('SELECT count(*) FROM orders')).rows[0].count, '400');
    const told = await stack.sql(
      `SELECT rolcanlogin, rolinherit, rolconnlimit, rolvaliduntil > now() + interval '50 min', rolvaliduntil <= now() + interval '1 h',
        (SELECT string_agg(g.rolname, ',') FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid)
        FROM pg_roles r WHERE rolname = '${role}'`,
    );
    assert.deepEqual(told.trim().split('\t'), ['t', 't', '4', 't', 't', 'shop_reader']);
    await using second = await connected(run);
    const another = (await second.query('SELECT current_user AS who')).rows[0].who as string;
    assert.notEqual(another, role);
    await client[Symbol.asyncDispose]();
    await until('its role is gone', async () => !(await rolesOfOurs()).includes(role));
    assert.deepEqual(await rolesOfOurs(), [another]);
    await run.close('done');
    await until('no role is left', async () => (await rolesOfOurs()).length === 0);
  });

  test('goes when the session is cut in the middle of a statement', async () => {
    await using run = await stack.run('dana', { target: 'reports' });
    await using client = await connected(run);
    const [role] = await rolesOfOurs();
    assert.ok(role);
    const busy = client
      .query('SELECT count(*) FROM orders a, orders b, orders c, orders d')
      .catch((error: Error) => error);
    const active = `SELECT count(*) FROM pg_stat_activity WHERE usename = '${role}' AND state = 'active'`;
    await until('its statement runs', async () => (await stack.sql(active)).trim() === '1');
    const riley = await stack.client('riley');
    await riley.revoke({ scope: { kind: 'run', id: run.view.id } });
    assert.ok((await busy) instanceof Error);
    await until('no role is left', async () => (await rolesOfOurs()).length === 0);
    assert.equal((await stack.sql(`SELECT count(*) FROM pg_stat_activity WHERE usename = '${role}'`)).trim(), '0');
  });

  test('leaves what it made to the first of its roles', async () => {
    const run = await stack.run('dana', { target: 'workshop' });
    const client = await connected(run);
    await client.query('CREATE TABLE made.things (id int)');
    await client.query('INSERT INTO made.things VALUES (1)');
    await client[Symbol.asyncDispose]();
    await until('no role is left', async () => (await rolesOfOurs()).length === 0);
    await run.close('done');
    assert.equal((await stack.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'things'")).trim(), 'shop_maker');
    assert.equal((await stack.sql('SELECT count(*) FROM made.things')).trim(), '1');
  });

  test('may do no more than masks and scopes can hold, or is refused', async () => {
    await using run = await stack.run('dana', { target: 'wide' });
    await assert.rejects(connected(run), (error: { code?: string; message: string }) => {
      assert.equal(error.code, '42501');
      assert.match(error.message, /may create roles/);
      return true;
    });
    await until('no role is left', async () => (await rolesOfOurs()).length === 0);
  });

  test('that a crash left behind is removed by the next start; those of other gateways are not', async () => {
    const [gateway] = await claimants();
    const prefix = `hoop_${(gateway as string).replace('-', '')}`;
    await stack.gateway.stop();
    for (const role of [`${prefix}_0000000000000001`, 'hoop_gw0123456789ab_0000000000000002'])
      await stack.sql(`SET ROLE hoop_admin; CREATE ROLE ${role} LOGIN IN ROLE shop_reader ROLE hoop_admin`);
    await stack.start();
    await until('one role is left', async () => (await rolesOfOurs()).length === 1);
    assert.deepEqual(await rolesOfOurs(), ['hoop_gw0123456789ab_0000000000000002']);
    await stack.sql('DROP ROLE hoop_gw0123456789ab_0000000000000002');
  });

  test('of a live session is not swept', async () => {
    await using run = await stack.run('dana', { target: 'reports' });
    await using client = await connected(run);
    const before = await rolesOfOurs();
    assert.equal(before.length, 1);
    // What sweeps looks on a connection of its own, as each new session's end does.
    await using other = await connected(run);
    await other[Symbol.asyncDispose]();
    assert.equal((await client.query('SELECT current_user AS who')).rows[0].who, before[0]);
  });
});

test("a target's catalog is read anew when an administrator says so", async () => {
  await using run = await stack.run('dana');
  await using client = await connected(run);
  await client.query('SELECT count(*) FROM orders');
  await stack.sql('CREATE TABLE public.fresh AS SELECT 7 AS n; GRANT SELECT ON public.fresh TO shop_agent');
  const riley = await stack.client('riley');
  const done = await riley.refreshTarget('shop');
  assert.equal(done.target, 'shop');
  assert.ok(done.sessions >= 1);
  assert.equal((await client.query('SELECT n FROM fresh')).rows[0].n, 7);
});

describe('no password is anywhere in clear', () => {
  const all = () => [DATABASE_PASSWORD, ADMIN_PASSWORD, ...seen];

  test('not in what the gateway writes, nor in its log, nor a verifier of one', async () => {
    assert.ok(seen.length >= 4);
    const found: string[] = [];
    let looked = 0;
    for (const entry of await readdir(stack.gatewayFolder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      // One that is renamed meanwhile is looked at under its other name.
      const raw = await readFile(join(entry.parentPath, entry.name)).catch(() => Buffer.alloc(0));
      const bytes = raw[0] === 0x1f && raw[1] === 0x8b ? gunzipSync(raw) : raw;
      looked += bytes.length;
      if ([...all(), 'SCRAM-SHA-256$'].some((needle) => bytes.includes(needle))) found.push(entry.name);
    }
    assert.deepEqual(found, []);
    assert.ok(looked > 10_000);
    const log = stack.log.join('\n');
    for (const needle of [...all(), 'SCRAM-SHA-256$']) assert.ok(!log.includes(needle));
    assert.match(log, /ALTER ROLE \\"shop_agent\\" PASSWORD '\*\*\*'/);
  });

  test("not in the target's log, which has every statement: verifiers alone", async () => {
    const log = await stack.postgres.log();
    const setup = log.indexOf('hoop_gw');
    assert.ok(setup > 0);
    const given = [...log.slice(log.indexOf('ALTER ROLE "shop_agent"')).matchAll(/PASSWORD '([^']*)'/g)].map(
      ([, text]) => text as string,
    );
    assert.ok(given.length > 5);
    for (const text of given) assert.match(text, /^SCRAM-SHA-256\$4096:/);
    for (const password of seen) assert.ok(!log.includes(password));
  });

  test('not in any process of the machine that is ours', async () => {
    const needles = [ADMIN_PASSWORD, ...seen].map((text) => Buffer.from(text));
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)))
      for (const file of ['cmdline', 'environ']) {
        const bytes = await readFile(`/proc/${pid}/${file}`).catch(() => Buffer.alloc(0));
        assert.ok(!needles.some((needle) => bytes.includes(needle)), `${pid} ${file}`);
      }
  });

  test('not in what the API answers, nor in recordings, where the statements are', async () => {
    const riley = await stack.client('riley');
    const answers = [await riley.targets(), await riley.health(), await riley.sessions(), await riley.config()];
    const sessions = await riley.sessions();
    const reports = sessions.filter(({ target }) => target === 'reports');
    const lines: string[] = [];
    for (const { id } of reports) for await (const line of riley.sessionEvents(id)) lines.push(line);
    const text = JSON.stringify(answers) + lines.join('\n');
    for (const needle of [...all(), 'SCRAM-SHA-256$']) assert.ok(!text.includes(needle));
    const made = lines
      .map((line) => JSON.parse(line))
      .filter(({ type, sent }) => type === 'command' && /^CREATE ROLE/.test(sent?.text));
    assert.ok(made.length >= 3);
    for (const { by, sent, effects } of made) {
      assert.equal(by, 'gateway');
      assert.deepEqual(effects, ['administer']);
      assert.match(sent.text, /PASSWORD '\*\*\*' VALID UNTIL/);
      assert.ok(sent.hmac);
    }
    const dropped = lines
      .map((line) => JSON.parse(line))
      .filter(({ notice, text: said }) => notice === 'account.statement' && /^DROP ROLE/.test(said));
    assert.ok(dropped.length >= 3);
  });
});

/** The gateway's own id, as its files have it. */
async function claimants(): Promise<string[]> {
  return [(await readFile(join(stack.gatewayFolder, 'data/gateway-id'), 'utf8')).trim()];
}

async function verifier(password: string): Promise<string> {
  const { salt, iterations, storedKey, serverKey } = await scramVerifier(password);
  return `SCRAM-SHA-256$${iterations}:${salt}$${storedKey}:${serverKey}`;
}

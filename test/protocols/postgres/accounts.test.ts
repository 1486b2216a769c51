/** Roles and passwords on the newest server, where an administrator is not what it makes: PostgreSQL 16 took CREATEROLE's other rights away. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { type DemoPostgres, startDemoPostgres } from '../../../src/app/demo/postgres.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { Secret } from '../../../src/base/secret.ts';
import type { Reach } from '../../../src/domain/protocol.ts';
import type { Session, Turn } from '../../../src/domain/session.ts';
import { dial } from '../../../src/gateway/index.ts';
import { makePassword } from '../../../src/secrets/index.ts';
import { createKeeper, type Loan } from '../../../src/protocols/postgres/accounts.ts';
import { createProtocol } from '../../../src/protocols/postgres/index.ts';
import type { PostgresSettings } from '../../../src/protocols/postgres/settings.ts';
import { readSettings } from '../../../src/protocols/postgres/settings.ts';
import { connectUpstream } from '../../../src/protocols/postgres/upstream.ts';

let folder: string;
let server: DemoPostgres;
let root: pg.Client;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hoopctl-accounts-'));
  await chmod(folder, 0o755);
  server = await startDemoPostgres(join(folder, 'pg'), 'superuser');
  root = new pg.Client({ host: '127.0.0.1', port: server.port, ...server.superuser, database: 'postgres' });
  await root.connect();
  for (const statement of [
    "CREATE ROLE hoop_admin LOGIN CREATEROLE PASSWORD 'admin-password'",
    "CREATE ROLE app LOGIN PASSWORD 'old-password'",
    'CREATE ROLE maker NOLOGIN',
    'GRANT CREATE, USAGE ON SCHEMA public TO maker',
    'GRANT app, maker TO hoop_admin WITH ADMIN OPTION',
  ])
    await root.query(statement);
});
after(async () => {
  await root.end();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const PASSWORDS: Readonly<Record<string, string>> = { password: 'old-password', adminPassword: 'admin-password' };
const ADMIN = { user: 'hoop_admin', password: { env: 'ADMIN' } };

function settingsOf(account: unknown): PostgresSettings {
  const read = readSettings({ address: `127.0.0.1:${server.port}`, database: 'postgres', tls: 'disable', account });
  assert.ok(read.ok, JSON.stringify(read));
  return read.settings;
}
const rotated = () => settingsOf({ user: 'app', password: { env: 'P' }, rotate: { every: '24h', admin: ADMIN } });
const dynamic = (...roles: string[]) => settingsOf({ dynamic: { roles, admin: ADMIN } });

function reach(told: string[] = []): Reach {
  return {
    dial: () => dial({ host: '127.0.0.1', port: server.port }),
    secret: async (name) => Secret.of(PASSWORDS[name] ?? ''),
    signal: new AbortController().signal,
    tell: (statement) => void told.push(statement),
  };
}

const keeper = createKeeper({ clock: systemClock, gateway: () => 'gw-0123456789ab' });

async function lend(settings: PostgresSettings, asked: Turn[] = [], notes: unknown[] = []): Promise<Loan> {
  const session = {
    target: { settings },
    deadline: () => Date.now() + 60_000,
    note: (event: unknown) => void notes.push(event),
    submit: (turn: Turn) => {
      asked.push(turn);
      return { kind: 'permit', settle: () => {} };
    },
  } as unknown as Session<PostgresSettings>;
  return keeper.lend(session, reach());
}

async function as(loan: Loan) {
  const { user } = loan.settings;
  const password = (await loan.way.secret('password')).reveal();
  const client = new pg.Client({ host: '127.0.0.1', port: server.port, database: 'postgres', user, password });
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function roles(): Promise<string[]> {
  const { rows } = await root.query("SELECT rolname FROM pg_roles WHERE rolname LIKE 'hoop\\_gw%' ORDER BY 1");
  return rows.map(({ rolname }) => rolname as string);
}

test('an administrator without other rights makes a role, ends what it runs, and inherits what it made for its roles', async () => {
  const notes: unknown[] = [];
  const loan = await lend(dynamic('maker'), [], notes);
  const client = await as(loan);
  await client.query('CREATE TABLE public.made AS SELECT 1 AS n');
  const busy = client.query('SELECT pg_sleep(30)').catch((error: Error) => error);
  await loan.giveBack();
  assert.match(String(await busy), /terminat/);
  assert.deepEqual(await roles(), []);
  assert.equal(
    (await root.query("SELECT tableowner FROM pg_tables WHERE tablename = 'made'")).rows[0].tableowner,
    'maker',
  );
  assert.ok(!JSON.stringify(notes).includes('account.kept'), JSON.stringify(notes));
});

test('what the record is handed of a role has its verifier marked as hidden', async () => {
  const asked: Turn[] = [];
  const loan = await lend(dynamic('maker'), asked);
  await loan.giveBack();
  const made = asked.flatMap(({ commands }) => commands).find(({ text }) => text.startsWith('CREATE ROLE'));
  const [span] = made?.struck ?? [];
  assert.ok(made && span);
  assert.match(Buffer.from(made.bytes).subarray(span.start, span.end).toString(), /^'SCRAM-SHA-256\$4096:[^']+'$/);
});

test('a role whose end the administrator is not let near loses its login, and both are told', async () => {
  const notes: { notice?: string; message?: string }[] = [];
  const loan = await lend(dynamic('maker'), [], notes);
  const role = loan.settings.user;
  // Something of the role's in another database is out of reach from here.
  await root.query('CREATE DATABASE elsewhere');
  await root.query(`ALTER DATABASE elsewhere OWNER TO "${role}"`);
  const other = new pg.Client({ host: '127.0.0.1', port: server.port, ...server.superuser, database: 'elsewhere' });
  await other.connect();
  await other.query(`CREATE TABLE public.far (); ALTER TABLE public.far OWNER TO "${role}"`);
  await loan.giveBack();
  const kept = notes.find(({ notice }) => notice === 'account.kept');
  assert.match(kept?.message ?? '', /cannot be removed/);
  const { rows } = await root.query('SELECT rolcanlogin FROM pg_roles WHERE rolname = $1', [role]);
  assert.deepEqual(rows, [{ rolcanlogin: false }]);
  const swept = await keeper.sweep(dynamic('maker'), reach());
  assert.deepEqual(swept.removed, []);
  assert.equal(swept.kept[0]?.account, role);
  await other.query(`DROP TABLE public.far`);
  await other.end();
  await root.query('DROP DATABASE elsewhere');
  assert.deepEqual((await keeper.sweep(dynamic('maker'), reach())).removed, [role]);
});

test('a sweep leaves roles that are in use', async () => {
  const loan = await lend(dynamic('maker'));
  assert.deepEqual(await keeper.sweep(dynamic('maker'), reach()), { removed: [], kept: [] });
  assert.deepEqual(await roles(), [loan.settings.user]);
  await loan.giveBack();
});

test('a role that the administrator may not give is refused, with what it needs', async () => {
  await assert.rejects(lend(dynamic('pg_read_all_data')), (error: { code: string; hint: string }) => {
    assert.equal(error.code, 'ACCOUNT_ADMIN');
    assert.match(error.hint, /WITH ADMIN OPTION/);
    return true;
  });
  await assert.rejects(lend(dynamic('no such role')), { code: 'ACCOUNT_ADMIN' });
  assert.deepEqual(await roles(), []);
});

test('names that are SQL stay names', async () => {
  const evil = `x" SUPERUSER; DROP ROLE app; --`;
  await root.query(`CREATE ROLE ${pg.escapeIdentifier(evil)}`);
  await root.query(`GRANT ${pg.escapeIdentifier(evil)} TO hoop_admin WITH ADMIN OPTION`);
  const loan = await lend(dynamic(evil));
  const { rows } = await root.query(
    'SELECT rolsuper, pg_has_role(rolname, $2, $3) AS member FROM pg_roles WHERE rolname = $1',
    [loan.settings.user, evil, 'MEMBER'],
  );
  assert.deepEqual(rows, [{ rolsuper: false, member: true }]);
  await loan.giveBack();
  assert.equal((await root.query("SELECT count(*) FROM pg_roles WHERE rolname = 'app'")).rows[0].count, '1');
});

test('a password is changed by its verifier, and a login that has read the old one gets the new one', async () => {
  const told: string[] = [];
  const fresh = makePassword();
  await keeper.change(rotated(), reach(told), fresh);
  assert.deepEqual(told, [`ALTER ROLE "app" PASSWORD '***'`]);
  const asked: (Secret | undefined)[] = [];
  const way = {
    ...reach(),
    secret: async (_name: string, refused?: Secret) => {
      asked.push(refused);
      return refused ? fresh : Secret.of('old-password');
    },
  };
  const upstream = await connectUpstream(way, rotated(), new Map());
  upstream.channel.abort(undefined);
  assert.deepEqual(
    asked.map((refused) => refused?.reveal()),
    [undefined, 'old-password'],
  );
  // Where there is no other, it is asked for once more and no login is tried again.
  let reads = 0;
  const stubborn = {
    ...reach(),
    secret: async () => {
      reads++;
      return Secret.of('old-password');
    },
  };
  await assert.rejects(connectUpstream(stubborn, rotated(), new Map()), { code: 'TARGET_LOGIN' });
  assert.equal(reads, 2);
  assert.ok(!(await readFile(server.logPath, 'utf8')).includes(fresh.reveal()));
});

test('a login check says what the administrator and the roles are, and makes nothing', async () => {
  const protocol = createProtocol({ clock: systemClock, fingerprint: () => '' });
  await root.query('CREATE ROLE mighty CREATEROLE NOLOGIN');
  await root.query('CREATE ROLE through_another NOLOGIN IN ROLE mighty');
  const found = await protocol.probe(dynamic('through_another', 'nobody_such'), reach());
  assert.match(found.server, /^PostgreSQL 18/);
  assert.deepEqual(found.warnings, ['the role through_another may create roles', 'there is no role nobody_such']);
  assert.deepEqual(await roles(), []);
  assert.deepEqual((await protocol.probe(rotated(), reach())).warnings, []);
  await protocol.close();
});

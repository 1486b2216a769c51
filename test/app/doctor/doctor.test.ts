/** Each thing that can be wrong is named by the check it belongs to, with what to do; nothing keeps the others from being looked at. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { examine, type Finding } from '../../../src/app/doctor/index.ts';
import { systemClock } from '../../../src/base/clock.ts';
import type { HealthView } from '../../../src/api/shapes.ts';
import { selfSigned } from '../../fakes/certificate.ts';
import { refusal, startApi, targetView } from '../../cli/api.ts';

type Env = Record<string, string>;

interface Place {
  readonly dir: string;
  readonly config: string;
  look(env?: Env, more?: { gateway?: string; ca?: string }): Promise<Finding[]>;
}

function place(t: TestContext): Place {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'hoopctl-doctor-')));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const config = join(dir, '.config', 'hoopctl');
  mkdirSync(config, { recursive: true, mode: 0o700 });
  const base = { HOME: dir, PATH: process.env['PATH'] ?? '', HOOPCTL_TOKEN_STORE: 'file' };
  return {
    dir,
    config,
    async look(env = {}, more = {}) {
      const findings: Finding[] = [];
      const around = { env: { ...base, ...env }, cwd: dir, clock: systemClock, notice: () => {}, ...more };
      for await (const finding of examine(around, '0.1.0', AbortSignal.timeout(30_000))) findings.push(finding);
      for (const { state, advice, check } of findings) assert.equal(advice !== undefined, state !== 'ok', check);
      return findings;
    },
  };
}

const one = (findings: readonly Finding[], group: Finding['group'], check: string) => {
  const found = findings.filter((each) => each.group === group && each.check === check);
  assert.equal(found.length, 1, `${group} ${check}: ${JSON.stringify(findings)}`);
  return found[0]!;
};
const problems = (findings: readonly Finding[]) =>
  findings.filter(({ state }) => state === 'problem').map(({ group, check }) => `${group} ${check}`);

async function gateway(t: TestContext, health: Partial<HealthView> = {}) {
  const api = await startApi(t);
  const policy = { state: 'inForce', digest: 'd'.repeat(64) } as const;
  api.on('GET /v1/targets', { json: [{ ...targetView(), name: 'orders' }] });
  api.on('GET /v1/health', {
    json: { version: '0.1.0', ok: true, problems: [], policy, leastPrivilegeOff: [], ...health },
  });
  return { api, env: { HOOPCTL_GATEWAY: api.url, HOOPCTL_TOKEN: 'a.b.c' } };
}

test('with nothing configured there is no problem, and it says how to begin', async (t) => {
  const findings = await place(t).look();
  assert.deepEqual(problems(findings), []);
  assert.match(one(findings, 'Configuration', 'gateway').advice!, /hoopctl login --gateway URL/);
});

test('a broken file is named, and the gateway is looked at all the same', async (t) => {
  const { dir, look } = place(t);
  const { api, env } = await gateway(t);
  writeFileSync(join(dir, 'hoop.yaml'), 'agent: [');
  const findings = await look(env);
  assert.deepEqual(problems(findings), ['Configuration files']);
  assert.match(one(findings, 'Configuration', 'files').found, /hoop\.yaml:\d/);
  assert.equal(one(findings, 'Gateway', 'connection').state, 'ok');
  assert.deepEqual(
    api.asked.filter(({ token }) => token !== undefined),
    [],
  );
});

test('keys of a folder that is not trusted, and who may write where logins are, are told', async (t) => {
  const { dir, config, look } = place(t);
  writeFileSync(join(dir, 'hoop.yaml'), 'gateway: https://evil.example\n');
  chmodSync(config, 0o777);
  const findings = await look();
  assert.match(
    findings.find(({ state, check }) => check === 'hoop.yaml' && state === 'warning')!.found,
    /ignored gateway/,
  );
  assert.equal(one(findings, 'Configuration', 'folder').advice, `chmod 700 ${config}`);
});

describe('the login', () => {
  test('a token from the environment is told by where it is from and how long it lasts, never by itself', async (t) => {
    const { env } = await gateway(t);
    const claims = Buffer.from(JSON.stringify({ exp: Math.floor(Date.now() / 1000) + 3_600 })).toString('base64url');
    const findings = await place(t).look({ ...env, HOOPCTL_TOKEN: `e30.${claims}.x` });
    assert.match(one(findings, 'Login', 'token').found, /^from the variable HOOPCTL_TOKEN, good for (59m|1h)\b/);
    assert.ok(!JSON.stringify(findings).includes(claims));
  });

  test('one that has ended is a problem', async (t) => {
    const { env } = await gateway(t);
    const claims = Buffer.from(JSON.stringify({ exp: 1 })).toString('base64url');
    const findings = await place(t).look({ ...env, HOOPCTL_TOKEN: `e30.${claims}.x` });
    assert.equal(one(findings, 'Login', 'token').state, 'problem');
  });

  test('nobody logged in is a problem with the command that mends it', async (t) => {
    const { api } = await gateway(t);
    const findings = await place(t).look({ HOOPCTL_GATEWAY: api.url });
    assert.equal(one(findings, 'Login', 'login').advice, `run: hoopctl login --gateway ${api.url}`);
    assert.deepEqual(problems(findings), ['Login login']);
  });

  test('inside a run the login of its user is not looked at', async (t) => {
    const { api } = await gateway(t);
    const findings = await place(t).look({ HOOPCTL_GATEWAY: api.url, HOOP_RUN_ID: 'run_1' });
    assert.equal(one(findings, 'Login', 'login').state, 'warning');
  });

  test('a file of logins that others can read is a problem, one in plain text a warning', async (t) => {
    const { config, look } = place(t);
    writeFileSync(join(config, 'logins.json'), '{"a":"b"}', { mode: 0o600 });
    assert.equal(one(await look(), 'Login', 'file of logins').state, 'warning');
    chmodSync(join(config, 'logins.json'), 0o644);
    assert.equal(one(await look(), 'Login', 'file of logins').state, 'problem');
  });
});

describe('the way to the gateway', () => {
  test('a port that nobody listens on', async (t) => {
    const findings = await place(t).look({ HOOPCTL_GATEWAY: 'http://127.0.0.1:1' });
    const found = one(findings, 'Gateway', 'connection');
    assert.deepEqual([found.state, found.unreachable], ['problem', true]);
    assert.match(found.found, /connection refused/);
  });

  test('a name that does not exist', async (t) => {
    const findings = await place(t).look({ HOOPCTL_GATEWAY: 'https://no-such-host.invalid' });
    assert.equal(one(findings, 'Gateway', 'name').unreachable, true);
  });

  test('a proxy that refuses is named without its password', async (t) => {
    const port = await listen(
      t,
      createServer((socket) => void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')),
    );
    const env = { HOOPCTL_GATEWAY: 'https://gateway.invalid', HTTPS_PROXY: `http://me:hush@127.0.0.1:${port}` };
    const findings = await place(t).look(env);
    assert.equal(one(findings, 'Gateway', 'proxy').found, `through 127.0.0.1:${port} (HTTPS_PROXY)`);
    assert.match(one(findings, 'Gateway', 'connection').found, /answered 403/);
    assert.ok(!JSON.stringify(findings).includes('hush'));
  });

  test('a certificate of an unknown authority, and how to give it', async (t) => {
    const { url, ca, dir, look } = await withTls(t, ['127.0.0.1']);
    const stranger = await look({ HOOPCTL_GATEWAY: url });
    assert.match(
      one(stranger, 'Gateway', 'TLS').found,
      /is not trusted by this system's authorities \(\w*SELF_SIGNED\w*\)/,
    );
    assert.match(one(stranger, 'Gateway', 'TLS').advice!, /--ca FILE/);
    writeFileSync(join(dir, 'ca.pem'), ca);
    const known = await look({ HOOPCTL_GATEWAY: url, HOOPCTL_CA_FILE: join(dir, 'ca.pem') });
    assert.match(one(known, 'Gateway', 'TLS').found, /^TLSv1\.[23], certificate of .* trusted by the private CA/);
    const { state, found } = one(known, 'Gateway', 'certificate');
    assert.match(found, /^good until \d{4}-\d\d-\d\d \([01] days\)$/);
    assert.equal(state, 'warning', 'it ends soon');
  });

  test('a certificate for another name', async (t) => {
    const { url, ca, dir, look } = await withTls(t, ['gateway.example']);
    writeFileSync(join(dir, 'ca.pem'), ca);
    const findings = await look({ HOOPCTL_GATEWAY: url, HOOPCTL_CA_FILE: join(dir, 'ca.pem') });
    assert.match(one(findings, 'Gateway', 'TLS').found, /ERR_TLS_CERT_ALTNAME_INVALID/);
  });

  test('something else than TLS', async (t) => {
    const port = await listen(
      t,
      createServer((socket) => void socket.end('SSH-2.0-OpenSSH\r\n')),
    );
    const findings = await place(t).look({ HOOPCTL_GATEWAY: `https://127.0.0.1:${port}` });
    assert.equal(one(findings, 'Gateway', 'TLS').unreachable, true);
  });

  test('a clock that differs', async (t) => {
    const { api, env } = await gateway(t);
    const clock = { ...systemClock, now: () => Date.now() + 3_600_000 };
    const { dir } = place(t);
    const around = { env: { HOME: dir, ...env, HOOPCTL_TOKEN_STORE: 'file' }, cwd: dir, clock, notice: () => {} };
    const findings: Finding[] = [];
    for await (const each of examine(around, '0.1.0', AbortSignal.timeout(30_000))) findings.push(each);
    assert.match(one(findings, 'Gateway', 'clock').found, /^this clock is (1h|59m).* ahead of the gateway's/);
    assert.ok(api.asked.length > 0);
  });
});

describe('what the gateway tells', () => {
  test('all is well', async (t) => {
    const { env } = await gateway(t);
    const findings = await place(t).look(env);
    assert.deepEqual(problems(findings), []);
    assert.equal(one(findings, 'Gateway', 'you').found, 'dana@example.test');
    assert.equal(one(findings, 'Gateway', 'policy').found, 'in force, digest dddddddddddd');
    assert.equal(one(findings, 'Gateway', 'targets').found, 'orders');
  });

  test('a policy that does not load, work that stands still, and accounts that may too much', async (t) => {
    const { env } = await gateway(t, {
      ok: false,
      problems: ['store: disk is full'],
      policy: { state: 'lastGood', digest: 'e'.repeat(64), problem: 'policy.yaml:3 no such target' },
      leastPrivilegeOff: ['orders'],
    });
    const findings = await place(t).look(env);
    assert.deepEqual(problems(findings), ['Gateway work', 'Gateway policy']);
    assert.match(one(findings, 'Gateway', 'work').found, /store: disk is full/);
    assert.match(one(findings, 'Gateway', 'policy').found, /last good one is in force.*policy\.yaml:3 no such target/);
    assert.match(one(findings, 'Gateway', 'least privilege').found, /orders/);
  });

  test('how the accounts are that it looks after', async (t) => {
    const at = (ms: number) => new Date(Date.now() + ms).toISOString();
    const whole = { changedAt: at(-7_200_000), nextAt: at(79_200_000) };
    const { env } = await gateway(t, {
      accounts: [
        { target: 'orders', account: 'app', kind: 'rotate', state: 'ok', ...whole },
        { target: 'reports', account: 'reader', kind: 'dynamic', state: 'ok' },
        { target: 'shop', account: 'shop', kind: 'rotate', state: 'failing', problem: 'permission denied' },
      ],
    });
    const findings = await place(t).look(env);
    assert.deepEqual(problems(findings), ['Gateway account of shop']);
    assert.match(
      one(findings, 'Gateway', 'account of orders').found,
      /^its password was changed .+ ago, the next time in .+/,
    );
    assert.match(one(findings, 'Gateway', 'account of reports').found, /each session/);
    assert.match(one(findings, 'Gateway', 'account of shop').found, /the one in use stays: permission denied/);
  });

  test('a token it does not take', async (t) => {
    const { api, env } = await gateway(t);
    api.on('GET /v1/me', refusal(401, 'TOKEN_REFUSED', 'the token has expired (TOKEN_EXPIRED)', 3, 'log in again'));
    const findings = await place(t).look(env);
    assert.deepEqual(problems(findings), ['Gateway you']);
  });

  test('an evidence key that is not the pinned one', async (t) => {
    const { api, env } = await gateway(t);
    const { config, look } = place(t);
    const known = { gateways: [{ url: api.url, evidenceKey: { id: 'old', pem: 'another' } }] };
    writeFileSync(join(config, 'gateways.json'), JSON.stringify(known), { mode: 0o600 });
    assert.deepEqual(problems(await look(env)), ['Gateway evidence key']);
  });

  test('a gateway of an older version that does not tell how it is', async (t) => {
    const { api, env } = await gateway(t);
    api.on('GET /v1/health', refusal(404, 'NOT_FOUND', 'no route', 4));
    assert.equal(one(await place(t).look(env), 'Gateway', 'work').state, 'warning');
  });
});

describe('isolation', () => {
  test('credentials around an agent are named, and none of their values', async (t) => {
    const { dir, look } = place(t);
    writeFileSync(join(dir, '.env'), 'PGPASSWORD=hush-1\nREPORT_TZ=UTC\n');
    writeFileSync(join(dir, '.pgpass'), 'db:5432:*:me:hush-2\n', { mode: 0o600 });
    const findings = await look({
      PGPASSWORD: 'hush-3',
      AWS_SECRET_ACCESS_KEY: 'hush-4',
      DATABASE_URL: 'postgres://me:hush-5@db/x',
      LANG: 'C',
    });
    assert.equal(
      one(findings, 'Isolation', 'environment').found,
      'holds AWS_SECRET_ACCESS_KEY, DATABASE_URL, PGPASSWORD',
    );
    assert.match(one(findings, 'Isolation', '.env').found, /holds PGPASSWORD$/);
    assert.match(one(findings, 'Isolation', 'files').found, /\.pgpass/);
    assert.doesNotMatch(JSON.stringify(findings), /hush/);
  });

  test('a gateway under the same account on this machine is seen', async (t) => {
    const { env } = await gateway(t);
    assert.match(one(await place(t).look(env), 'Isolation', 'gateway').found, /^runs under your own account/);
  });
});

test('a client that is missing, and a tunnel whose holder was killed', async (t) => {
  const { config, look } = place(t);
  mkdirSync(join(config, 'run'));
  await leftBehind(join(config, 'run', 'tunnel-999999.sock'));
  const findings = await look({ PATH: '/nowhere' });
  assert.equal(one(findings, 'Tools', 'psql').state, 'warning');
  assert.match(one(findings, 'Tools', 'tunnels').found, /^1 left by a hoopctl that was killed/);
  assert.equal(one(await look(), 'Tools', 'tunnels').found, 'none is open');
});

async function withTls(t: TestContext, names: readonly string[]) {
  const { cert, key } = selfSigned(names);
  const server = createSecureServer({ cert, key }, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end('{}');
  });
  const port = await listen(t, server as unknown as Server);
  return { ...place(t), url: `https://127.0.0.1:${port}`, ca: cert };
}

async function listen(t: TestContext, server: Server): Promise<number> {
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A socket's file whose server is gone: closing removes it, so the link is renamed first. */
async function leftBehind(path: string): Promise<void> {
  const { renameSync } = await import('node:fs');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.x`, resolve));
  renameSync(`${path}.x`, path);
  await new Promise((resolve) => server.close(resolve));
}

/** A login is renewed without a word, once, by whoever comes first. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { systemClock } from '../../src/base/clock.ts';
import { HoopError } from '../../src/base/error.ts';
import { Token } from '../../src/base/secret.ts';
import { deviceLogin, freshLogin, type Login, type LoginKey, type TokenStore } from '../../src/identity/index.ts';
import { openTokenStore } from '../../src/identity/index.ts';
import { FakeClock } from '../fakes/clock.ts';
import { DANA, startFakeIdp } from '../fakes/idp.ts';
import { issuerOf, quickly } from './logins.ts';

const MINUTE = 60_000;
const RENEWER = fileURLToPath(new URL('renewer.ts', import.meta.url));

describe('the stored login', () => {
  test('is handed out as it is while it is good', async () => {
    const f = fixture(10 * MINUTE);
    assert.equal((await f.fresh())?.token.expose(), 'old');
    assert.equal(f.refreshed(), 0);
  });

  test('is renewed a minute before it ends, and the new one is kept', async () => {
    const f = fixture(MINUTE);
    assert.equal((await f.fresh())?.token.expose(), 'new-1');
    assert.equal((await f.fresh())?.token.expose(), 'new-1');
    assert.equal(f.refreshed(), 1);
  });

  test('is not made up where there is none', async () => {
    const f = fixture(undefined);
    assert.equal(await f.fresh(), undefined);
    assert.equal(f.refreshed(), 0);
  });

  test('that another terminal renewed while we waited is picked up', async () => {
    const f = fixture(0);
    f.whileLocked(() => f.put('from-the-other', 60 * MINUTE));
    assert.equal((await f.fresh())?.token.expose(), 'from-the-other');
    assert.equal(f.refreshed(), 0);
  });

  test('that was logged out meanwhile does not come back', async () => {
    const f = fixture(0);
    f.whileLocked(() => f.put(undefined, 0));
    assert.equal(await f.fresh(), undefined);
    assert.equal(f.refreshed(), 0);
  });

  test('still counts for its last minute while the issuer cannot be asked', async () => {
    const f = fixture(MINUTE / 2, () => Promise.reject(new HoopError('ISSUER_UNREACHABLE', 'x')));
    assert.equal((await f.fresh())?.token.expose(), 'old');
    await f.clock.advance(MINUTE);
    await assert.rejects(f.fresh(), { code: 'ISSUER_UNREACHABLE' });
  });

  test('that the issuer has ended counts no more, however long it says', async () => {
    const f = fixture(MINUTE / 2, () => Promise.reject(new HoopError('LOGIN_EXPIRED', 'x')));
    await assert.rejects(f.fresh(), { code: 'LOGIN_EXPIRED' });
  });
});

describe('what somebody wants to hear anew', () => {
  test('is asked of the issuer, though the token is good for long', async () => {
    const f = fixture(60 * MINUTE);
    assert.equal((await f.fresh(f.clock.now()))?.token.expose(), 'new-1');
  });

  test('is not asked again where somebody else has just done so', async () => {
    const f = fixture(60 * MINUTE);
    const since = f.clock.now();
    await f.clock.advance(1_000);
    await f.fresh(since);
    assert.equal((await f.fresh(since))?.token.expose(), 'new-1');
    assert.equal(f.refreshed(), 1);
  });

  test('cannot be heard while the issuer cannot be asked: what still counts is used', async () => {
    const f = fixture(60 * MINUTE, () => Promise.reject(new HoopError('ISSUER_UNREACHABLE', 'x')));
    assert.equal((await f.fresh(f.clock.now()))?.token.expose(), 'old');
  });
});

test('while another process keeps the logins to itself, what still counts is used, and what does not is not renewed beside it', async () => {
  const f = fixture(MINUTE / 2);
  f.whileLocked(() => {
    throw new HoopError('TOKEN_STORE_BUSY', 'x');
  });
  assert.equal((await f.fresh())?.token.expose(), 'old');
  await f.clock.advance(MINUTE);
  await assert.rejects(f.fresh(), { code: 'TOKEN_STORE_BUSY' });
  assert.equal(f.refreshed(), 0);
});

test('a process that is stopped in the middle of a renewal loses nothing: others wait, and all have its token', async (t) => {
  const issuer = await rotatingIssuer(t);
  const folder = mkdtempSync(join(tmpdir(), 'hoopctl-renew-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const store = await openTokenStore({ folder, env: { HOOPCTL_TOKEN_STORE: 'plain' }, clock: systemClock });
  const key = { gateway: 'https://gateway.example', issuer: issuer.url, subject: 'dana' };
  const { issuer: name, subject } = key;
  const old = { issuer: name, clientId: 'hoopctl', subject, token: Token.of('old'), expiresAt: 0 };
  await store.write(key, { ...old, refreshToken: Token.of('refresh-0') });

  const first = renewer(t, folder, key);
  await issuer.asked;
  first.child.kill('SIGSTOP');
  const second = renewer(t, folder, key);
  issuer.answer();
  // Longer than the issuer is waited for: what it said meanwhile is there, and unread.
  await new Promise((resolve) => setTimeout(resolve, 5_500));
  first.child.kill('SIGCONT');
  assert.deepEqual([await first.token, await second.token], ['access-1', 'access-1']);
  assert.equal(issuer.renewals(), 1);
  assert.equal((await store.read(key))?.refreshToken?.expose(), 'refresh-1');
});

test('six processes at once renew it once, and all have the same token', async () => {
  await using idp = await startFakeIdp({ accessTokenLife: 3_600 });
  const folder = mkdtempSync(join(tmpdir(), 'hoopctl-renew-'));
  try {
    let visit: Promise<unknown> | undefined;
    const login = await deviceLogin({
      issuer: issuerOf(idp),
      clock: systemClock,
      fetch: quickly,
      onPrompt: ({ verificationUriComplete = '' }) => {
        visit = idp.visit(verificationUriComplete, { user: DANA.email });
      },
    });
    await visit;
    const store = await openTokenStore({ folder, env: { HOOPCTL_TOKEN_STORE: 'plain' }, clock: systemClock });
    const key = { gateway: 'https://gateway.example', issuer: idp.issuer, subject: login.subject };
    await store.write(key, { ...login, expiresAt: 0 });
    const run = () => promisify(execFile)(process.execPath, [RENEWER, folder, idp.issuer, login.subject]);
    const tokens = (await Promise.all(Array.from({ length: 6 }, run))).map(({ stdout }) => stdout);
    assert.equal(new Set(tokens).size, 1, 'a second renewal would have ended the login');
    assert.notEqual(tokens[0], login.token.expose());
    assert.equal((await store.read(key))?.token.expose(), tokens[0]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

function renewer(t: TestContext, folder: string, { issuer, subject }: LoginKey) {
  const child = spawn(process.execPath, [RENEWER, folder, issuer, subject], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  return { child, token: text(child.stdout) };
}

/** Gives each refresh token once, and takes a used one for stolen. Waits with its first answer to be told. */
async function rotatingIssuer(t: TestContext) {
  const asked = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  let renewals = 0;
  let url = '';
  const server = createServer(async (request, response) => {
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.url?.startsWith('/.well-known/')) return answer(200, { issuer: url, token_endpoint: `${url}/token` });
    const form = new URLSearchParams(await text(request));
    if (form.get('refresh_token') !== `refresh-${renewals}`) return answer(400, { error: 'invalid_grant' });
    renewals++;
    asked.resolve();
    await go.promise;
    const tokens = { access_token: `access-${renewals}`, refresh_token: `refresh-${renewals}` };
    answer(200, { ...tokens, token_type: 'bearer', expires_in: 3600 });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, asked: asked.promise, answer: () => go.resolve(), renewals: () => renewals };
}

function fixture(life: number | undefined, refresh?: (login: Login) => Promise<Login>) {
  const clock = new FakeClock();
  const key: LoginKey = { gateway: 'g', issuer: 'i', subject: 's' };
  let kept: Login | undefined;
  let renewals = 0;
  let happens = () => {};
  const put = (token: string | undefined, left: number) => {
    kept =
      token === undefined
        ? undefined
        : { issuer: 'i', clientId: 'c', subject: 's', token: Token.of(token), expiresAt: clock.now() + left };
  };
  put(life === undefined ? undefined : 'old', life ?? 0);
  const store: TokenStore = {
    kind: 'plain',
    read: async () => kept,
    async write(_key, login) {
      kept = login;
    },
    async remove() {
      kept = undefined;
    },
    async locked(work) {
      happens();
      return await work();
    },
  };
  const byDefault = async (login: Login) => ({
    ...login,
    token: Token.of(`new-${renewals}`),
    obtainedAt: clock.now(),
    expiresAt: clock.now() + 60 * MINUTE,
  });
  return {
    clock,
    put,
    refreshed: () => renewals,
    whileLocked(fn: () => void) {
      happens = fn;
    },
    fresh: (newerThan?: number) =>
      freshLogin({
        ...(newerThan === undefined ? {} : { newerThan }),
        store,
        key,
        clock,
        refresh(login) {
          renewals++;
          return (refresh ?? byDefault)(login);
        },
      }),
  };
}

/** A login is renewed without a word, once, by whoever comes first. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
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
    expiresAt: clock.now() + 60 * MINUTE,
  });
  return {
    clock,
    put,
    refreshed: () => renewals,
    whileLocked(fn: () => void) {
      happens = fn;
    },
    fresh: () =>
      freshLogin({
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

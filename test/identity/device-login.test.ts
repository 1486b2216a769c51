/** A device login ends as the person ends it, and is renewed and ended without them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { decodeJwt } from 'jose';
import { systemClock } from '../../src/base/clock.ts';
import { HoopError } from '../../src/base/error.ts';
import { type DevicePrompt, deviceLogin } from '../../src/identity/device-login.ts';
import type { Fetch } from '../../src/identity/issuer-fetch.ts';
import { type Login, refreshLogin, revokeLogin } from '../../src/identity/login.ts';
import type { LoginIssuer } from '../../src/identity/oauth.ts';
import { DANA, type FakeIdp, type Person, startFakeIdp } from '../fakes/idp.ts';
import { answering, changing, issuerOf, oauthError, quickly } from './logins.ts';

const dana: Person = { user: DANA.email };

test('the person sees link and code, signs in, and the login is theirs', async () => {
  await using idp = await startFakeIdp();
  const prompts: DevicePrompt[] = [];
  const login = await signIn(idp, dana, { onPrompt: (prompt) => prompts.push(prompt) });
  const [prompt] = prompts;
  assert.equal(prompts.length, 1);
  assert.equal(prompt?.verificationUri, `${idp.issuer}/device`);
  assert.equal(prompt?.verificationUriComplete, `${idp.issuer}/device?user_code=${prompt?.userCode}`);
  assert.deepEqual([prompt?.expiresIn, Math.round(((prompt?.expiresAt ?? 0) - Date.now()) / 10_000)], [600, 60]);
  assert.deepEqual([login.issuer, login.clientId, login.subject], [idp.issuer, 'hoopctl', 'user-dana@example.test']);
  assert.equal(decodeJwt(login.token.expose()).aud, 'hoop-gateway');
  assert.ok(Math.abs(login.expiresAt - Date.now() - 3_600_000) < 10_000);
});

test('where the gateway wants ID tokens, that is what is kept', async () => {
  await using idp = await startFakeIdp();
  const login = await signIn(idp, dana, { issuer: { use: 'idToken' } });
  assert.equal(decodeJwt(login.token.expose()).aud, 'hoopctl');
  const renewed = await refreshLogin(login, { issuer: issuerOf(idp, { use: 'idToken' }), clock: systemClock });
  assert.equal(decodeJwt(renewed.token.expose()).aud, 'hoopctl');
});

test('a login shows none of its tokens when it is printed', async () => {
  await using idp = await startFakeIdp();
  const login = await signIn(idp, dana);
  const shown = inspect(login, { depth: 9 }) + JSON.stringify(login);
  assert.ok(!shown.includes(login.token.expose()) && !shown.includes(login.refreshToken?.expose() ?? '?'));
});

describe('it fails, in words for the person, when', () => {
  test('they cancel', async () => {
    await using idp = await startFakeIdp();
    await assert.rejects(signIn(idp, { ...dana, answer: 'no' }), failure('LOGIN_DENIED', 3));
  });

  test('nobody signs in before the code expires', async () => {
    await using idp = await startFakeIdp();
    const fetch = answering('/token', () => oauthError('expired_token'));
    await assert.rejects(start(idp, { fetch, onPrompt: () => {} }), failure('LOGIN_EXPIRED', 3));
  });

  test('the issuer does not know the client', async () => {
    await using idp = await startFakeIdp();
    await assert.rejects(
      start(idp, { issuer: { clientId: 'nobody' }, onPrompt: () => {} }),
      failure('LOGIN_REJECTED', 3, /invalid_client/),
    );
  });

  test('the issuer has no device login', async () => {
    await using idp = await startFakeIdp();
    const fetch = changing('/openid-configuration', (json) => ({
      ...json,
      device_authorization_endpoint: undefined,
    }));
    await assert.rejects(start(idp, { fetch, onPrompt: () => {} }), failure('LOGIN_UNSUPPORTED', 2));
  });

  test('the issuer cannot be reached', async () => {
    const idp = await startFakeIdp();
    await idp.close();
    await assert.rejects(start(idp, { onPrompt: () => {} }), failure('ISSUER_UNREACHABLE', 6, /ECONNREFUSED/));
  });

  test("the document is another issuer's", async () => {
    await using idp = await startFakeIdp();
    const fetch = changing('/openid-configuration', (json) => ({ ...json, issuer: 'https://evil.example' }));
    await assert.rejects(start(idp, { fetch, onPrompt: () => {} }), failure('ISSUER_ANSWER', 1));
  });

  test('the issuer gives no token for the gateway', async () => {
    await using idp = await startFakeIdp();
    const fetch = changing('/token', ({ id_token: _, ...rest }) => rest, quickly);
    await assert.rejects(signIn(idp, dana, { fetch, issuer: { use: 'idToken' } }), failure('LOGIN_NO_TOKEN', 3));
  });

  test('the clocks differ: and it says by how much, and whose to set', async () => {
    await using idp = await startFakeIdp();
    const old = decodedShift(-3_600);
    const fetch = changing(
      '/token',
      (json) => ({ ...json, ...(json['id_token'] ? { id_token: old(String(json['id_token'])) } : {}) }),
      quickly,
    );
    const dated: Fetch = async (input, init) => {
      const { body, status, headers } = await fetch(input, init);
      const dated = new Headers(headers);
      dated.set('date', new Date(Date.now() - 3_600_000).toUTCString());
      return new Response(body, { status, headers: dated });
    };
    await assert.rejects(signIn(idp, dana, { fetch: dated }), (error: HoopError) => {
      assert.match(error.message, /differ by 36\d\d s/);
      assert.match(error.hint ?? '', /clock is ahead/);
      return true;
    });
  });

  test('someone presses Ctrl-C: at once, with that reason, and without asking further', async () => {
    await using idp = await startFakeIdp();
    const abort = new AbortController();
    const reason = new Error('interrupted');
    let polls = 0;
    const count = () => {
      polls++;
      return undefined;
    };
    const every5s = answering('/token', count, fetch);
    const login = start(idp, {
      fetch: every5s,
      signal: abort.signal,
      onPrompt: () => setImmediate(() => abort.abort(reason)),
    });
    await assert.rejects(login, reason);
    assert.equal(polls, 0);
  });
});

describe('it goes on when', () => {
  test('the issuer cannot be reached for a moment', async () => {
    await using idp = await startFakeIdp();
    let failures = 2;
    const fetch = answering('/token', () => {
      if (failures-- > 0) throw new TypeError('fetch failed');
      return undefined;
    });
    assert.ok((await signIn(idp, dana, { fetch })).token);
  });

  test('the issuer asks for patience, and it is more patient then', async (t) => {
    await using idp = await startFakeIdp();
    const waits: number[] = [];
    const real = globalThis.setTimeout;
    t.mock.method(globalThis, 'setTimeout', (fn: (...args: unknown[]) => void, ms: number, ...args: unknown[]) => {
      if (ms !== 2_000 && ms !== 5_000) return real(fn, ms, ...args);
      waits.push(ms);
      return real(fn, 20, ...args);
    });
    const answers = ['authorization_pending', 'slow_down', 'authorization_pending'];
    const said = () => {
      const error = answers.shift();
      return error === undefined ? undefined : oauthError(error);
    };
    const every2s = changing('/device/auth', (json) => ({ ...json, interval: 2 }));
    await signIn(idp, dana, { fetch: answering('/token', said, every2s) });
    // A wait of seven seconds is made of two.
    assert.deepEqual(waits, [2_000, 2_000, 5_000, 2_000, 5_000, 2_000]);
  });
});

describe('renewing', () => {
  test('gives a new token for the same person', async () => {
    await using idp = await startFakeIdp();
    const login = await signIn(idp, dana);
    const renewed = await refreshLogin(login, { issuer: issuerOf(idp), clock: systemClock });
    assert.notEqual(renewed.token.expose(), login.token.expose());
    assert.notEqual(renewed.refreshToken?.expose(), login.refreshToken?.expose());
    assert.equal(renewed.subject, login.subject);
  });

  test('keeps the old refresh token where the issuer sends no new one', async () => {
    await using idp = await startFakeIdp();
    const login = await signIn(idp, dana);
    const fetch = changing('/token', ({ refresh_token: _, ...rest }) => rest);
    const renewed = await refreshLogin(login, { issuer: issuerOf(idp), clock: systemClock, fetch });
    assert.equal(renewed.refreshToken?.expose(), login.refreshToken?.expose());
  });

  test("never makes it someone else's", async () => {
    await using idp = await startFakeIdp();
    const login: Login = { ...(await signIn(idp, dana)), subject: 'someone-else' };
    await assert.rejects(
      refreshLogin(login, { issuer: issuerOf(idp), clock: systemClock }),
      failure('ISSUER_ANSWER', 1),
    );
  });

  test('is over once the login was ended', async () => {
    await using idp = await startFakeIdp();
    const login = await signIn(idp, dana);
    const parts = { issuer: issuerOf(idp), clock: systemClock };
    assert.equal(await revokeLogin(login, parts), 'revoked');
    await assert.rejects(refreshLogin(login, parts), failure('LOGIN_EXPIRED', 3));
  });

  test('is not possible without a refresh token', async () => {
    await using idp = await startFakeIdp();
    const { refreshToken: _, ...login } = await signIn(idp, dana, { issuer: { scopes: ['openid'] } });
    await assert.rejects(
      refreshLogin(login, { issuer: issuerOf(idp), clock: systemClock }),
      failure('LOGIN_EXPIRED', 3),
    );
  });
});

test('logging out where the issuer does not end logins of this kind says so', async () => {
  await using idp = await startFakeIdp();
  const login = await signIn(idp, dana);
  const fetch = answering('/revocation', () => oauthError('unsupported_token_type'));
  assert.equal(await revokeLogin(login, { issuer: issuerOf(idp), clock: systemClock, fetch }), 'unsupported');
});

test('logging out where the issuer has no way to end a login says so', async () => {
  await using idp = await startFakeIdp();
  const login = await signIn(idp, dana);
  const fetch = changing('/openid-configuration', (json) => ({ ...json, revocation_endpoint: undefined }));
  assert.equal(await revokeLogin(login, { issuer: issuerOf(idp), clock: systemClock, fetch }), 'unsupported');
});

interface Change {
  fetch?: Fetch;
  issuer?: Partial<LoginIssuer>;
  signal?: AbortSignal;
  onPrompt?(prompt: DevicePrompt): void;
}

function start(idp: FakeIdp, { fetch = quickly, issuer, signal, onPrompt = () => {} }: Change): Promise<Login> {
  return deviceLogin({
    issuer: issuerOf(idp, issuer),
    clock: systemClock,
    fetch,
    onPrompt,
    ...(signal ? { signal } : {}),
  });
}

/** Starts a login, and is the person who signs in. */
async function signIn(idp: FakeIdp, person: Person, change: Change = {}): Promise<Login> {
  let visit: Promise<unknown> | undefined;
  const login = start(idp, {
    ...change,
    onPrompt(prompt) {
      change.onPrompt?.(prompt);
      visit = idp.visit(prompt.verificationUriComplete ?? '', person);
    },
  });
  await login.catch(() => {});
  await visit;
  return login;
}

/** Moves the times of a JWT; nobody checks its signature here, since it came from the issuer directly. */
function decodedShift(seconds: number): (token: string) => string {
  return (token) => {
    const [header, , signature] = token.split('.');
    const { iat = 0, exp = 0, ...claims } = decodeJwt(token);
    const moved = { ...claims, iat: iat + seconds, exp: exp + seconds - 3_600 };
    return [header, Buffer.from(JSON.stringify(moved)).toString('base64url'), signature].join('.');
  };
}

function failure(code: string, exit: number, message = /./) {
  return (error: unknown) => {
    assert.ok(error instanceof HoopError, String(error));
    assert.deepEqual([error.code, error.exit], [code, exit], error.message);
    assert.match(error.message, message);
    assert.ok(error.hint);
    return true;
  };
}

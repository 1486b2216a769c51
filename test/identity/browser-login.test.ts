/** A browser login takes the one answer that is its own, from the one place it can come from. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { systemClock } from '../../src/base/clock.ts';
import { browserLogin, type Login } from '../../src/identity/index.ts';
import { refreshLogin } from '../../src/identity/login.ts';
import { FakeClock } from '../fakes/clock.ts';
import { DANA, type FakeIdp, startFakeIdp } from '../fakes/idp.ts';
import { issuerOf } from './logins.ts';

const dana = { user: DANA.email };

test('the person signs in, the browser comes back, and the login is theirs', async () => {
  await using f = await fixture();
  const link = new URL(await f.link);
  assert.deepEqual(
    [
      link.searchParams.get('code_challenge_method'),
      link.searchParams.get('response_type'),
      link.searchParams.get('prompt'),
    ],
    ['S256', 'code', null],
  );
  const back = await f.signIn();
  assert.match(back.href, /^http:\/\/127\.0\.0\.1:\d+\/callback\?/);
  const page = await fetch(back);
  assert.match(await page.text(), /Back to your terminal/);
  const login = await f.login;
  assert.equal(login.subject, 'user-dana@example.test');
  assert.equal(decodeJwt(login.token.expose()).aud, 'hoop-gateway');
});

test('the login can be renewed, as one by device can', async () => {
  await using f = await fixture();
  await fetch(await f.signIn());
  const login = await f.login;
  const renewed = await refreshLogin(login, { issuer: f.issuer, clock: systemClock });
  assert.equal(renewed.subject, login.subject);
  assert.notEqual(renewed.refreshToken?.expose(), login.refreshToken?.expose());
});

test('each login has its own port, state, nonce and challenge', async () => {
  await using one = await fixture();
  await using two = await fixture();
  const [a, b] = [new URL(await one.link), new URL(await two.link)];
  for (const name of ['redirect_uri', 'state', 'nonce', 'code_challenge']) {
    assert.notEqual(a.searchParams.get(name), b.searchParams.get(name), name);
    assert.ok((a.searchParams.get(name) ?? '').length >= 20, name);
  }
  await one.cancel();
  await two.cancel();
});

describe('nothing comes of', () => {
  const strangers: readonly [string, (back: URL) => [URL, object?]][] = [
    ['a request without our state', (back) => [changed(back, 'state', 'guessed')]],
    ['one without any state', (back) => [changed(back, 'state', undefined)]],
    ['an error that someone else invents', (back) => [new URL('/callback?error=access_denied', back)]],
    ['another path', (back) => [new URL(`/other${back.search}`, back)]],
    ['a POST', (back) => [back, { method: 'POST' }]],
    ['a name that leads here', (back) => [back, { headers: { host: 'evil.example' } }]],
  ];
  for (const [name, make] of strangers) {
    test(`${name}; the login goes on`, async () => {
      await using f = await fixture();
      const back = await f.signIn();
      const [url, options] = make(back);
      assert.equal(await statusOf(url, options), 404);
      await fetch(back);
      assert.ok((await f.login).token);
    });
  }

  test('an answer that comes twice: the port is closed after the first', async () => {
    await using f = await fixture();
    const back = await f.signIn();
    await fetch(back);
    await f.login;
    await assert.rejects(fetch(back));
  });
});

describe('it fails when', () => {
  test('the person cancels', async () => {
    await using f = await fixture();
    const back = await f.signIn('no');
    await fetch(back);
    await assert.rejects(f.login, { code: 'LOGIN_DENIED' });
  });

  test('the code in the answer is not the one that was given', async () => {
    await using f = await fixture();
    const back = await f.signIn();
    await fetch(changed(back, 'code', 'stolen-elsewhere'));
    await assert.rejects(f.login, { code: 'LOGIN_REJECTED' });
  });

  test('nobody comes back in ten minutes', async () => {
    const clock = new FakeClock();
    await using f = await fixture(clock);
    await f.link;
    await clock.advance(10 * 60_000);
    await assert.rejects(f.login, { code: 'LOGIN_EXPIRED' });
  });

  test('someone presses Ctrl-C', async () => {
    await using f = await fixture();
    await f.link;
    await f.cancel();
    await assert.rejects(f.login, /interrupted/);
  });
});

async function fixture(clock = systemClock) {
  const idp: FakeIdp = await startFakeIdp();
  const link = Promise.withResolvers<string>();
  const abort = new AbortController();
  const login: Promise<Login> = browserLogin({
    issuer: issuerOf(idp),
    clock,
    signal: abort.signal,
    onLink: link.resolve,
  });
  login.catch(link.reject);
  return {
    login,
    issuer: issuerOf(idp),
    link: link.promise,
    async signIn(answer: 'yes' | 'no' = 'yes'): Promise<URL> {
      const end = await idp.visit(await link.promise, { ...dana, answer });
      return new URL('leavesTo' in end ? end.leavesTo : assert.fail(end.text));
    },
    async cancel() {
      abort.abort(new Error('interrupted'));
      await login.catch(() => {});
    },
    async [Symbol.asyncDispose]() {
      abort.abort(new Error('the test is over'));
      await login.catch(() => {});
      await idp.close();
    },
  };
}

function changed(url: URL, name: string, value: string | undefined): URL {
  const other = new URL(url);
  if (value === undefined) other.searchParams.delete(name);
  else other.searchParams.set(name, value);
  return other;
}

function statusOf(url: URL, options: object = {}): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request(url, options, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on('error', reject).end();
  });
}

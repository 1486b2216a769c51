/** Only a login made for the request, after it existed, by a principal, gives a token; and that opens nothing else for minutes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { IssuerConfig } from '../../src/domain/issuer.ts';
import type { Principal } from '../../src/domain/principal.ts';
import { type ApprovalLoginsParts, createApprovalLogins, type PolledLogin } from '../../src/identity/approval-login.ts';
import { createIdentity } from '../../src/identity/identity.ts';
import type { Fetch } from '../../src/identity/issuer-fetch.ts';
import { FakeClock } from '../fakes/clock.ts';
import { type Person, RILEY, startFakeIdp } from '../fakes/idp.ts';
import { answering, changing, oauthError } from './logins.ts';

const MINUTE = 60_000;
const riley: Person = { user: RILEY.email };

test('the approver signs in for the request, and the token stands for them and for it', async () => {
  await using f = await fixture();
  const startedAt = f.clock.now();
  const login = await f.start('apr_1');
  assert.deepEqual(await f.poll(login.id), { state: 'pending', interval: 5 });
  await f.idp.visit(login.verificationUriComplete ?? '', riley);
  await f.clock.advance(5_000);
  const done = await f.poll(login.id);
  assert.ok(done.state === 'done', JSON.stringify(done));
  assert.deepEqual([done.name, done.expiresIn], ['riley@example.test', 300]);
  const proof = f.logins.check(done.token);
  assert.deepEqual([proof?.principal.name, proof?.principal.groups], ['riley@example.test', ['db-owners']]);
  assert.deepEqual(proof?.proof, { kind: 'fresh', request: 'apr_1', madeAt: startedAt });
});

test('the issuer is told to ask the person anew, and is asked for nothing that lasts', async () => {
  const bodies: URLSearchParams[] = [];
  await using f = await fixture({}, (input, init) => {
    if (String(input).endsWith('/device/auth')) bodies.push(new URLSearchParams(String(init?.body)));
    return fetch(input, init);
  });
  await f.start('apr_1');
  const [body] = bodies;
  assert.deepEqual([body?.get('max_age'), body?.get('prompt'), body?.get('scope')], ['0', 'login', 'openid email']);
});

describe('no token comes of', () => {
  test('a sign-in from before the login was started, at an issuer that does not heed max_age', async () => {
    await using f = await fixture({}, forgetful);
    const login = await f.start('apr_1');
    const before = Math.floor(f.clock.now() / 1000) - 1;
    await f.idp.visit(login.verificationUriComplete ?? '', { ...riley, authTime: before });
    assert.deepEqual(stateOf(await f.finish(login.id)), ['failed', 'SIGN_IN_STALE']);
  });

  test('but of one in the same second', async () => {
    await using f = await fixture({}, forgetful);
    const login = await f.start('apr_1');
    const second = Math.floor(f.clock.now() / 1000);
    await f.idp.visit(login.verificationUriComplete ?? '', { ...riley, authTime: second });
    assert.equal((await f.finish(login.id)).state, 'done');
  });

  test('an undated sign-in, where the gateway requires a date', async () => {
    const undated = changing('/token', ({ id_token: _, ...rest }) => rest, fetch);
    await using strict = await fixture({ requireAuthTime: true }, undated);
    assert.deepEqual(stateOf(await strict.signIn('apr_1', riley)), ['failed', 'SIGN_IN_UNDATED']);
    await using lenient = await fixture({}, undated);
    assert.equal((await lenient.signIn('apr_1', riley)).state, 'done');
  });

  test('an ID token that someone else signed', async () => {
    const forged = changing('/token', (json) => ({ ...json, id_token: tampered(json['id_token']) }), fetch);
    await using f = await fixture({}, forged);
    assert.deepEqual(stateOf(await f.signIn('apr_1', riley)), ['failed', 'TOKEN_SIGNATURE']);
  });

  test('someone whom the gateway does not take for a principal', async () => {
    await using f = await fixture({ groupsClaim: 'roles' });
    assert.deepEqual(stateOf(await f.signIn('apr_1', riley)), ['failed', 'GROUPS_MISSING']);
  });

  test('a sign-in that is cancelled', async () => {
    await using f = await fixture();
    assert.deepEqual(stateOf(await f.signIn('apr_1', { ...riley, answer: 'no' })), ['failed', 'LOGIN_DENIED']);
  });

  test('a code that ran out, and of an id that nobody started', async () => {
    await using f = await fixture();
    const login = await f.start('apr_1');
    await f.clock.advance(10 * MINUTE);
    assert.deepEqual(stateOf(await f.poll(login.id)), ['failed', 'LOGIN_UNKNOWN']);
    assert.deepEqual(stateOf(await f.poll('x')), ['failed', 'LOGIN_UNKNOWN']);
  });
});

describe('a token', () => {
  test('is said once', async () => {
    await using f = await fixture();
    const login = await f.start('apr_1');
    await f.idp.visit(login.verificationUriComplete ?? '', riley);
    await f.clock.advance(5_000);
    const both = await Promise.all([f.poll(login.id), f.poll(login.id)]);
    assert.deepEqual(
      both.map((each) => each.state),
      ['done', 'pending'],
    );
    assert.deepEqual(stateOf(await f.poll(login.id)), ['failed', 'LOGIN_UNKNOWN']);
  });

  test('lives five minutes', async () => {
    await using f = await fixture();
    const token = await f.token('apr_1');
    await f.clock.advance(5 * MINUTE - 1);
    assert.ok(f.logins.check(token));
    await f.clock.advance(1);
    assert.equal(f.logins.check(token), undefined);
  });

  test('lives as long as the rule takes it, where the rule says how fresh it must be', async () => {
    await using f = await fixture();
    const token = await f.token('apr_1', 15 * MINUTE);
    await f.clock.advance(15 * MINUTE - 1);
    assert.equal(f.logins.check(token)?.proof.request, 'apr_1');
    await f.clock.advance(1);
    assert.equal(f.logins.check(token), undefined);
  });

  test('of someone revoked is gone', async () => {
    await using f = await fixture();
    const token = await f.token('apr_1');
    f.logins.forget((principal: Principal) => principal.name === 'dana@example.test');
    assert.ok(f.logins.check(token));
    f.logins.forget((principal: Principal) => principal.name === 'riley@example.test');
    assert.equal(f.logins.check(token), undefined);
  });

  test('is known to the process that made it alone, and is no other text', async () => {
    await using f = await fixture();
    const token = await f.token('apr_1');
    assert.equal(f.again().check(token), undefined);
    for (const text of ['', `${token} `, token.slice(1), token.toLowerCase()])
      assert.equal(f.logins.check(text), undefined);
  });
});

describe('the issuer', () => {
  test('is not asked more often than it wants, however often we are', async () => {
    let polls = 0;
    const count = answering(
      '/token',
      () => {
        polls++;
        return oauthError(polls === 2 ? 'slow_down' : 'authorization_pending');
      },
      fetch,
    );
    await using f = await fixture({}, count);
    const login = await f.start('apr_1');
    const many = () => Promise.all(Array.from({ length: 50 }, () => f.poll(login.id)));
    await many();
    assert.equal(polls, 0);
    await f.clock.advance(5_000);
    await many();
    assert.equal(polls, 1);
    await f.clock.advance(5_000);
    assert.deepEqual((await many()).at(0), { state: 'pending', interval: 10 });
    await f.clock.advance(9_999);
    await many();
    assert.equal(polls, 2);
    await f.clock.advance(1);
    await many();
    assert.equal(polls, 3);
  });

  test('that cannot be reached for a moment ends nothing', async () => {
    let down = true;
    const flaky = answering(
      '/token',
      () => {
        if (!down) return undefined;
        down = false;
        throw new TypeError('fetch failed');
      },
      fetch,
    );
    await using f = await fixture({}, flaky);
    const login = await f.start('apr_1');
    await f.idp.visit(login.verificationUriComplete ?? '', riley);
    await f.clock.advance(5_000);
    assert.equal((await f.poll(login.id)).state, 'pending');
    assert.equal((await f.finish(login.id)).state, 'done');
  });

  test('that nobody can log in at is said', async () => {
    await using f = await fixture({ clientId: undefined } as unknown as Partial<IssuerConfig>);
    await assert.rejects(f.start('apr_1'), { code: 'ISSUER_CLIENT' });
  });
});

describe('starting is limited', () => {
  test('for each address, and for all together', async () => {
    await using f = await fixture({}, fetch, { perMinute: 5, perMinuteFrom: 3 });
    for (let i = 0; i < 3; i++) await f.start('apr_1', 'one');
    await assert.rejects(f.start('apr_1', 'one'), { code: 'RATE_LIMITED' });
    await f.start('apr_1', 'two');
    await f.start('apr_1', 'three');
    await assert.rejects(f.start('apr_1', 'four'), { code: 'RATE_LIMITED' });
    await f.clock.advance(MINUTE);
    await f.start('apr_1', 'one');
  });

  test('to so many at a time', async () => {
    await using f = await fixture({}, fetch, { pending: 2 });
    await f.start('apr_1', 'one');
    await f.start('apr_1', 'two');
    await assert.rejects(f.start('apr_1', 'three'), { code: 'RATE_LIMITED' });
    await f.clock.advance(10 * MINUTE);
    await f.start('apr_1', 'three');
  });
});

/** An issuer that does not heed what it is asked about the age of the sign-in. */
const forgetful: Fetch = (input, init) => {
  if (!String(input).endsWith('/device/auth')) return fetch(input, init);
  const body = new URLSearchParams(String(init?.body));
  body.delete('max_age');
  body.delete('prompt');
  return fetch(input, { ...init, body });
};

async function fixture(
  change: Partial<IssuerConfig> = {},
  network: Fetch = fetch,
  limits: ApprovalLoginsParts['limits'] = {},
) {
  const idp = await startFakeIdp();
  const clock = new FakeClock();
  clock.setWall(Date.now()); // the provider lives in the real time
  const { issuer, clientId, audience } = idp;
  const scopes = ['openid', 'offline_access', 'email'];
  const config: IssuerConfig = {
    ...{ issuer, clientId, audience, scopes, use: 'accessToken', groupsClaim: 'groups', subjectClaim: 'email' },
    ...change,
  };
  const identity = createIdentity({ issuers: [config], clock });
  const every5s = changing('/device/auth', (json) => ({ ...json, interval: 5 }), network);
  const make = () => createApprovalLogins({ identity, issuers: [config], clock, fetch: every5s, limits });
  const logins = make();
  const start = (id: string, from = '127.0.0.1', freshFor?: number) =>
    logins.start({ id, ...(freshFor === undefined ? {} : { freshFor }) }, from);
  const finish = async (id: string): Promise<PolledLogin> => {
    await clock.advance(5_000);
    return await logins.poll(id);
  };
  return {
    idp,
    clock,
    logins,
    again: make,
    start,
    poll: (id: string) => logins.poll(id),
    finish,
    async signIn(id: string, person: Person): Promise<PolledLogin> {
      const login = await start(id);
      await idp.visit(login.verificationUriComplete ?? '', person);
      return await finish(login.id);
    },
    async token(id: string, freshFor?: number): Promise<string> {
      const login = await start(id, '127.0.0.1', freshFor);
      await idp.visit(login.verificationUriComplete ?? '', riley);
      const done = await finish(login.id);
      return done.state === 'done' ? done.token : assert.fail(JSON.stringify(done));
    },
    [Symbol.asyncDispose]: () => idp.close(),
  };
}

function stateOf(polled: PolledLogin): string[] {
  return polled.state === 'failed' ? ['failed', polled.code] : [polled.state];
}

function tampered(token: unknown): unknown {
  if (typeof token !== 'string') return token;
  const [header, payload, signature = ''] = token.split('.');
  return [header, payload, signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`].join('.');
}

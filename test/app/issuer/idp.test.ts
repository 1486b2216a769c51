/** The built-in identity provider signs in whoever shows the code of its terminal, and nobody else. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { systemClock } from '../../../src/base/clock.ts';
import { createIdentity } from '../../../src/identity/identity.ts';
import { DANA, type FakeIdp, type Person, startFakeIdp } from '../../fakes/idp.ts';

const dana: Person = { user: DANA.email };

// The first test, because oidc-provider says each thing once per process.
test('it says nothing on the terminal by itself', async (t) => {
  const said = (['log', 'info', 'warn', 'error'] as const).map((name) => t.mock.method(console, name, () => {}));
  await using idp = await startFakeIdp();
  const started = await device(idp);
  await idp.visit(started.verification_uri_complete, dana);
  const tokens = await poll(idp, started);
  const again = await post(idp, '/token', {
    grant_type: 'refresh_token',
    refresh_token: tokens.refresh_token ?? '',
    client_id: 'hoopctl',
  });
  await post(idp, '/token/revocation', { token: again.refresh_token ?? '', client_id: 'hoopctl' });
  await post(idp, '/token', { grant_type: 'nothing' });
  assert.deepEqual(
    said.flatMap((mock) => mock.mock.calls.map((call) => call.arguments)),
    [],
  );
});

test('a device login gives tokens that a gateway takes, with groups and the time of signing in', async () => {
  await using idp = await startFakeIdp();
  const started = await device(idp);
  assert.equal((await poll(idp, started)).error, 'authorization_pending');
  const at = 1_700_000_000;
  const page = await idp.visit(started.verification_uri_complete, { ...dana, authTime: at });
  assert.match('text' in page ? page.text : '', /You are signed in/);

  const tokens = await poll(idp, started);
  assert.ok(tokens.access_token && tokens.id_token && tokens.refresh_token);
  assert.equal(decodeProtectedHeader(tokens.access_token).typ, 'at+jwt');
  const idToken = decodeJwt(tokens.id_token);
  assert.deepEqual([idToken.aud, idToken['auth_time'], idToken['groups']], ['hoopctl', at, ['data-agents']]);

  const { issuer, audience, clientId } = idp;
  const config = {
    issuer,
    audience,
    clientId,
    use: 'accessToken',
    groupsClaim: 'groups',
    subjectClaim: 'email',
  } as const;
  const identity = createIdentity({ issuers: [config], clock: systemClock });
  const who = await identity.authenticate(tokens.access_token);
  assert.ok(who.kind === 'authenticated', JSON.stringify(who));
  assert.deepEqual([who.principal.name, who.principal.groups], ['dana@example.test', ['data-agents']]);
  const signIn = await identity.signIn(issuer, tokens.id_token);
  assert.equal(signIn.kind === 'signIn' && signIn.authTime, at * 1000);
});

test('a refresh token gives new tokens once, and none after it was revoked', async () => {
  await using idp = await startFakeIdp();
  const started = await device(idp);
  await idp.visit(started.verification_uri_complete, dana);
  const first = await poll(idp, started);
  const renew = (refresh_token = '') =>
    post(idp, '/token', { grant_type: 'refresh_token', refresh_token, client_id: 'hoopctl' });
  const second = await renew(first.refresh_token);
  assert.ok(second.access_token && second.refresh_token && second.refresh_token !== first.refresh_token);
  await post(idp, '/token/revocation', { token: second.refresh_token, client_id: 'hoopctl' });
  assert.equal((await renew(second.refresh_token)).error, 'invalid_grant');
});

describe('another process with the same files', () => {
  const renew = (idp: FakeIdp, refresh_token = '') =>
    post(idp, '/token', { grant_type: 'refresh_token', refresh_token, client_id: 'hoopctl' });

  /** Signs dana in, and tells how to go on with the same files: after a restart, or elsewhere. */
  async function signedIn(folder: string) {
    const files = { keyFile: join(folder, 'key'), stateFile: join(folder, 'state') };
    const idp = await startFakeIdp(files);
    const port = Number(new URL(idp.issuer).port);
    const started = await device(idp);
    await idp.visit(started.verification_uri_complete, dana);
    const tokens = await poll(idp, started);
    const again = async (other: Partial<typeof files> = {}) => {
      await idp.close().catch(() => {});
      return startFakeIdp({ ...files, ...other, port });
    };
    return { idp, tokens, again, ...files };
  }

  test('renews what the one before gave out, once, and takes back what that had taken back', async () => {
    await using folder = privateFolder();
    const before = await signedIn(folder.path);
    const second = await renew(before.idp, before.tokens.refresh_token);
    await using idp = await before.again();
    const third = await renew(idp, second.refresh_token);
    assert.ok(third.access_token && third.refresh_token, JSON.stringify(third));
    // Used in the life before: whoever shows it now is not to be trusted, nor what came of it.
    assert.equal((await renew(idp, before.tokens.refresh_token)).error, 'invalid_grant');
    assert.equal((await renew(idp, third.refresh_token)).error, 'invalid_grant');
  });

  test('knows what was revoked', async () => {
    await using folder = privateFolder();
    const before = await signedIn(folder.path);
    const { refresh_token: token = '' } = before.tokens;
    await post(before.idp, '/token/revocation', { token, client_id: 'hoopctl' });
    await using idp = await before.again();
    assert.equal((await renew(idp, token)).error, 'invalid_grant');
  });

  test('renews nothing with another key, or from a file that was changed', async () => {
    await using folder = privateFolder();
    const before = await signedIn(folder.path);
    const idp = await before.again({ keyFile: join(folder.path, 'other-key') });
    assert.equal((await renew(idp, before.tokens.refresh_token)).error, 'invalid_grant');
    await idp.close();
    const bytes = readFileSync(before.stateFile);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    writeFileSync(before.stateFile, bytes);
    await using changed = await before.again();
    assert.equal((await renew(changed, before.tokens.refresh_token)).error, 'invalid_grant');
  });

  test('finds no token in clear, in a file for its owner alone', async () => {
    await using folder = privateFolder();
    const before = await signedIn(folder.path);
    await before.idp.close();
    const kept = readFileSync(before.stateFile, 'latin1');
    assert.ok(!kept.includes(before.tokens.refresh_token ?? '?') && !kept.includes('RefreshToken'));
    assert.equal(statSync(before.stateFile).mode & 0o777, 0o600);
  });
});

function privateFolder() {
  const path = mkdtempSync(join(tmpdir(), 'hoopctl-idp-'));
  return { path, [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true, force: true }) };
}

test('a used refresh token takes its successors down with it', async () => {
  await using idp = await startFakeIdp();
  const started = await device(idp);
  await idp.visit(started.verification_uri_complete, dana);
  const first = await poll(idp, started);
  const renew = (refresh_token = '') =>
    post(idp, '/token', { grant_type: 'refresh_token', refresh_token, client_id: 'hoopctl' });
  const second = await renew(first.refresh_token);
  assert.equal((await renew(first.refresh_token)).error, 'invalid_grant');
  assert.equal((await renew(second.refresh_token)).error, 'invalid_grant');
});

describe('nobody is signed in', () => {
  test('without the code of the terminal', async () => {
    await using idp = await startFakeIdp();
    const started = await device(idp);
    for (const code of ['', 'AAAA-AAAA', idp.signInCode.slice(0, -1), `${idp.signInCode}X`]) {
      const page = await idp
        .visit(started.verification_uri_complete, { ...dana, code })
        .catch(() => ({ text: 'used up' }));
      assert.doesNotMatch('text' in page ? page.text : '', /You are signed in/);
    }
    assert.equal((await poll(idp, started)).error, 'authorization_pending');
  });

  test('by guessing: after ten wrong codes the right one does not do either', async () => {
    await using idp = await startFakeIdp();
    for (let i = 0; i < 10; i++)
      await idp.visit((await device(idp)).verification_uri_complete, { ...dana, code: 'WRONG' });
    const started = await device(idp);
    const page = await idp.visit(started.verification_uri_complete, dana);
    assert.match('text' in page ? page.text : '', /Too many wrong codes/);
  });

  test('who is not one of its people', async () => {
    await using idp = await startFakeIdp();
    const started = await device(idp);
    await idp.visit(started.verification_uri_complete, { user: 'eve@example.test' });
    assert.equal((await poll(idp, started)).error, 'authorization_pending');
  });

  test('who cancels, and whoever waits is told', async () => {
    await using idp = await startFakeIdp();
    const started = await device(idp);
    await idp.visit(started.verification_uri_complete, { ...dana, answer: 'no' });
    assert.equal((await poll(idp, started)).error, 'access_denied');
  });
});

test('the code may be typed as people type', async () => {
  await using idp = await startFakeIdp();
  const started = await device(idp);
  const page = await idp.visit(started.verification_uri_complete, {
    ...dana,
    code: ` ${idp.signInCode.toLowerCase().replace('-', ' ')} `,
  });
  assert.match('text' in page ? page.text : '', /You are signed in/);
});

test('a page elsewhere cannot reach it under a name of its own', async () => {
  await using idp = await startFakeIdp();
  const status = await new Promise((resolve, reject) => {
    request(`${idp.issuer}/.well-known/openid-configuration`, { headers: { host: 'evil.example' } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
  assert.equal(status, 421);
});

interface Answer {
  [name: string]: string;
  verification_uri_complete: string;
  device_code: string;
}

function device(idp: FakeIdp): Promise<Answer> {
  return post(idp, '/device/auth', { client_id: 'hoopctl', scope: 'openid offline_access' });
}

function poll(idp: FakeIdp, { device_code }: Answer): Promise<Answer> {
  return post(idp, '/token', {
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    device_code,
    client_id: 'hoopctl',
  });
}

async function post(idp: FakeIdp, path: string, form: Record<string, string>): Promise<Answer> {
  const response = await fetch(idp.issuer + path, { method: 'POST', body: new URLSearchParams(form) });
  const text = await response.text();
  return (text === '' ? {} : JSON.parse(text)) as Answer;
}

/** A stored login is found again by those it is for, and by nobody who only finds the file. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { systemClock } from '../../src/base/clock.ts';
import { HoopError } from '../../src/base/error.ts';
import { Token } from '../../src/base/secret.ts';
import { type Login, openTokenStore, type TokenStoreParts } from '../../src/identity/index.ts';
import type { Keychain } from '../../src/identity/keychain.ts';

const KEY = { gateway: 'https://gateway.example', issuer: 'https://idp.example', subject: 'sub-1' };
const PLAIN = { HOOPCTL_TOKEN_STORE: 'plain' };
const SEALED = { HOOPCTL_TOKEN_STORE: 'file', HOOPCTL_PASSPHRASE: 'correct horse' };
const none = async () => undefined;

describe('in a sealed file', () => {
  test('a login comes back as it was, with the passphrase', async () => {
    await using f = folder();
    const store = await f.open({ env: SEALED });
    assert.equal(store.kind, 'file');
    await store.write(KEY, login());
    assertSame(await (await f.open({ env: SEALED })).read(KEY), login());
  });

  test('nothing of it can be read off, and only its owner may try', async () => {
    await using f = folder();
    await (await f.open({ env: SEALED })).write(KEY, login());
    const text = readFileSync(f.file('logins.sealed'), 'utf8');
    for (const part of ['access-canary', 'refresh-canary', 'sub-1', 'gateway.example', 'correct horse'])
      assert.ok(!text.includes(part), part);
    assert.equal(statSync(f.file('logins.sealed')).mode & 0o777, 0o600);
    assert.equal(statSync(f.path).mode & 0o777, 0o700);
  });

  test('the same login is never sealed to the same bytes', async () => {
    await using f = folder();
    const store = await f.open({ env: SEALED });
    await store.write(KEY, login());
    const before = readFileSync(f.file('logins.sealed'), 'utf8');
    await store.write(KEY, login());
    assert.notEqual(readFileSync(f.file('logins.sealed'), 'utf8'), before);
  });

  test('another passphrase does not open it, and is asked for again', async () => {
    await using f = folder();
    await (await f.open({ env: SEALED })).write(KEY, login());
    const answers = ['wrong', 'correct horse'];
    const store = await f.open({
      env: { HOOPCTL_TOKEN_STORE: 'file' },
      askPassphrase: async () => Token.of(answers.shift() ?? ''),
    });
    await assert.rejects(store.read(KEY), failure('TOKEN_STORE_PASSPHRASE'));
    assertSame(await store.read(KEY), login());
    assertSame(await store.read(KEY), login()); // not asked a third time
  });

  test('without a passphrase and without a terminal it says what to set', async () => {
    await using f = folder();
    const store = await f.open({});
    await assert.rejects(
      store.write(KEY, login()),
      failure('TOKEN_STORE_LOCKED', /HOOPCTL_PASSPHRASE.*--insecure-storage/),
    );
    assert.deepEqual(
      readdirSync(f.path).filter((name) => !name.includes('lock')),
      [],
    );
  });

  test('a changed byte is noticed, wherever it is', async () => {
    await using f = folder();
    await (await f.open({ env: SEALED })).write(KEY, login());
    const good = JSON.parse(readFileSync(f.file('logins.sealed'), 'utf8')) as Record<string, string>;
    for (const name of ['salt', 'data']) {
      const bytes = Buffer.from(good[name] ?? '', 'base64');
      bytes[bytes.length >> 1]! ^= 1;
      f.write('logins.sealed', JSON.stringify({ ...good, [name]: bytes.toString('base64') }));
      await assert.rejects((await f.open({ env: SEALED })).read(KEY), failure('TOKEN_STORE_PASSPHRASE'), name);
    }
    for (const text of [
      '',
      '{',
      'null',
      '[]',
      '{"format":"mine"}',
      JSON.stringify({ ...good, tag: 'AAAA' }),
      JSON.stringify({ ...good, format: 'scrypt N=1' }),
    ]) {
      f.write('logins.sealed', text);
      await assert.rejects((await f.open({ env: SEALED })).read(KEY), failure('TOKEN_STORE_DAMAGED'), text);
    }
  });
});

describe('in plain text', () => {
  test('only if the person says so; and it is said aloud, at each write', async () => {
    for (const parts of [{ env: PLAIN }, { insecure: true }]) {
      await using f = folder();
      const store = await f.open(parts);
      await store.write(KEY, login());
      await store.write(KEY, login());
      assert.deepEqual(f.notices, Array(2).fill(`the login is kept in plain text in ${f.path}`));
      assert.equal(statSync(f.file('logins.json')).mode & 0o777, 0o600);
      assertSame(await store.read(KEY), login());
    }
  });

  test('later commands find it without the flag', async () => {
    await using f = folder();
    await (await f.open({ insecure: true })).write(KEY, login());
    assertSame(await (await f.open({})).read(KEY), login());
  });

  test('what others can read is not used', async () => {
    await using f = folder();
    const store = await f.open({ env: PLAIN });
    await store.write(KEY, login());
    chmodSync(f.file('logins.json'), 0o644);
    await assert.rejects(store.read(KEY), failure('TOKEN_STORE_DAMAGED', /chmod 600/));
  });
});

describe('in the keychain', () => {
  test('where there is one that works, and nothing is written to a file', async () => {
    await using f = folder();
    const { keychain, kept } = fakeKeychain();
    const store = await f.open({ loadKeychain: async () => keychain });
    assert.equal(store.kind, 'keychain');
    await store.write(KEY, login());
    assertSame(await store.read(KEY), login());
    assert.deepEqual(
      [...kept.keys()].map((name) => name.split(' ')[0]),
      ['https://gateway.example'],
    );
    assert.deepEqual(readdirSync(f.path), ['logins.lock']);
    assert.equal(statSync(f.file('logins.lock')).size, 0);
    await store.remove(KEY);
    assert.equal(kept.size, 0);
  });

  for (const [name, broken] of [
    ['that forgets', { get: async () => undefined }],
    ['that takes nothing', { set: () => Promise.reject(new Error('locked')) }],
    ['that cannot forget', { delete: async () => {} }],
  ] as const) {
    test(`one ${name} is not trusted`, async () => {
      await using f = folder();
      const keychain = { ...fakeKeychain().keychain, ...broken };
      const env = { HOOPCTL_PASSPHRASE: 'x' };
      assert.equal((await f.open({ env, loadKeychain: async () => keychain })).kind, 'file');
      const wanted = f.open({ env: { HOOPCTL_TOKEN_STORE: 'keychain' }, loadKeychain: async () => keychain });
      await assert.rejects(wanted, failure('TOKEN_STORE_KEYCHAIN'));
    });
  }

  test('a login that was kept in a file is found, and moves at the next write', async () => {
    await using f = folder();
    await (await f.open({ insecure: true })).write(KEY, login());
    const { keychain, kept } = fakeKeychain();
    const store = await f.open({ loadKeychain: async () => keychain });
    assertSame(await store.read(KEY), login());
    await store.write(KEY, login());
    assert.equal(kept.size, 1);
    assert.ok(!readFileSync(f.file('logins.json'), 'utf8').includes('canary'));
  });

  test('without a session bus it is not even looked for', async () => {
    await using f = folder();
    const store = await openTokenStore({ folder: f.path, env: { HOOPCTL_PASSPHRASE: 'x' }, clock: systemClock });
    if (process.platform === 'linux') assert.equal(store.kind, 'file');
  });
});

describe('logins are kept apart', () => {
  test('by gateway, issuer and subject', async () => {
    await using f = folder();
    const store = await f.open({ env: PLAIN });
    const keys = [
      KEY,
      { ...KEY, gateway: 'https://other' },
      { ...KEY, issuer: 'https://other' },
      { ...KEY, subject: 'other' },
    ];
    for (const [i, key] of keys.entries()) await store.write(key, login({ token: Token.of(`token-${i}`) }));
    const back = await Promise.all(keys.map((key) => store.read(key)));
    assert.deepEqual(
      back.map((each) => each?.token.expose()),
      ['token-0', 'token-1', 'token-2', 'token-3'],
    );
    await store.remove(KEY);
    assert.equal(await store.read(KEY), undefined);
    assert.ok(await store.read(keys[1] ?? KEY));
  });

  test('by config folder, in one keychain; and a folder by two names is one', async () => {
    await using f = folder();
    const { keychain } = fakeKeychain();
    const at = (path: string) =>
      openTokenStore({ folder: path, env: {}, clock: systemClock, loadKeychain: async () => keychain });
    mkdirSync(f.file('a'));
    symlinkSync(f.file('a'), f.file('also-a'));
    await (await at(f.file('a'))).write(KEY, login());
    assert.equal(await (await at(f.file('b'))).read(KEY), undefined);
    assert.ok(await (await at(f.file('also-a'))).read(KEY));
  });

  test("two processes' worth of writes at once lose none", async () => {
    await using f = folder();
    const stores = await Promise.all([f.open({ env: PLAIN }), f.open({ env: PLAIN })]);
    const keys = Array.from({ length: 10 }, (_, i) => ({ ...KEY, subject: `sub-${i}` }));
    await Promise.all(keys.map((key, i) => stores[i % 2]?.write(key, login({ subject: key.subject }))));
    for (const key of keys) assert.equal((await stores[0].read(key))?.subject, key.subject);
  });

  test('a name that every object has is no login', async () => {
    await using f = folder();
    f.write('logins.json', '{}');
    const { plainVault } = await import('../../src/identity/file-vault.ts');
    assert.equal(await plainVault(f.path).get('constructor'), undefined);
  });
});

test('a choice that does not exist is refused', async () => {
  await using f = folder();
  await assert.rejects(f.open({ env: { HOOPCTL_TOKEN_STORE: 'cloud' } }), failure('TOKEN_STORE_CHOICE'));
});

test('what is stored and is no login is as good as none', async () => {
  await using f = folder();
  const store = await f.open({ env: PLAIN });
  await store.write(KEY, login());
  const [name = ''] = Object.keys(JSON.parse(readFileSync(f.file('logins.json'), 'utf8')));
  for (const text of ['', 'null', '{}', '{"token":1}', '[]']) {
    f.write('logins.json', JSON.stringify({ [name]: text }));
    assert.equal(await store.read(KEY), undefined);
  }
});

test('no error holds a token', async () => {
  await using f = folder();
  const store = await f.open({});
  await assert.rejects(
    store.write(KEY, login()),
    (error) => !inspect(error, { depth: 9, showHidden: true }).includes('canary'),
  );
});

function login(change: Partial<Login> = {}): Login {
  return {
    issuer: KEY.issuer,
    clientId: 'hoopctl',
    subject: KEY.subject,
    token: Token.of('access-canary'),
    refreshToken: Token.of('refresh-canary'),
    expiresAt: 1_000,
    ...change,
  };
}

function assertSame(actual: Login | undefined, expected: Login): void {
  const open = (each: Login | undefined) =>
    each && { ...each, token: each.token.expose(), refreshToken: each.refreshToken?.expose() };
  assert.deepEqual(open(actual), open(expected));
}

function fakeKeychain(): { keychain: Keychain; kept: Map<string, string> } {
  const kept = new Map<string, string>();
  return {
    kept,
    keychain: {
      get: async (name) => kept.get(name),
      set: async (name, text) => void kept.set(name, text),
      delete: async (name) => void kept.delete(name),
    },
  };
}

function folder() {
  const path = mkdtempSync(join(tmpdir(), 'hoopctl-logins-'));
  const notices: string[] = [];
  return {
    path,
    notices,
    file: (name: string) => join(path, name),
    write: (name: string, text: string) => writeFileSync(join(path, name), text, { mode: 0o600 }),
    open: (parts: Partial<TokenStoreParts>) =>
      openTokenStore({
        folder: path,
        env: {},
        clock: systemClock,
        loadKeychain: none,
        notice: (text) => notices.push(text),
        ...parts,
      }),
    [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true, force: true }),
  };
}

function failure(code: string, hint = /./) {
  return (error: unknown) => {
    assert.ok(error instanceof HoopError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.hint ?? '', hint);
    return true;
  };
}

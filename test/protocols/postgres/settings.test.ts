/** What a target's entry may say, and that every problem is found at once. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readSettings } from '../../../src/protocols/postgres/settings.ts';

const GOOD = {
  address: 'db.internal:5433',
  database: 'orders',
  account: { user: 'app', password: { env: 'DB_PASSWORD' } },
};

function problems(raw: Readonly<Record<string, unknown>>): string[] {
  const read = readSettings(raw);
  return read.ok ? [] : read.problems.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('a postgres target', () => {
  test('has safe defaults', () => {
    assert.deepEqual(readSettings(GOOD), {
      ok: true,
      settings: {
        ...{ host: 'db.internal', port: 5433, database: 'orders', user: 'app', tls: { mode: 'verify-full' } },
        ...{ statementTimeout: 1_800_000, idleInTransaction: 600_000, requireLeastPrivilege: true },
        account: { kind: 'static' },
      },
      account: 'app',
      address: { host: 'db.internal', port: 5433 },
      secrets: { password: { env: 'DB_PASSWORD' } },
    });
  });

  test('takes a port that is not given, an IPv6 address, a search path and time-outs', () => {
    const read = readSettings({
      ...GOOD,
      address: '[::1]',
      searchPath: ['app', 'public'],
      statementTimeout: '90s',
      idleInTransaction: 'none',
    });
    assert.ok(read.ok);
    assert.deepEqual(read.address, { host: '::1', port: 5432 });
    assert.deepEqual(read.settings.searchPath, ['app', 'public']);
    assert.equal(read.settings.statementTimeout, 90_000);
    assert.equal(read.settings.idleInTransaction, 0);
  });

  test('may do without TLS on a loopback address only', () => {
    for (const address of ['127.0.0.1:5432', 'localhost', '[::1]:5432'])
      assert.deepEqual(problems({ ...GOOD, address, tls: 'disable' }), []);
    for (const address of ['10.0.0.1:5432', 'db.internal', '127.0.0.1.evil.test:5432']) {
      assert.match(problems({ ...GOOD, address, tls: 'disable' })[0] as string, /^tls: .*loopback/, address);
    }
  });

  test('names an authority and a name in the longer form of tls', () => {
    const read = readSettings({ ...GOOD, tls: { mode: 'verify-ca', ca: '/etc/ca.pem', serverName: 'db' } });
    assert.deepEqual(read.ok && read.settings.tls, { mode: 'verify-ca', ca: '/etc/ca.pem', serverName: 'db' });
    assert.deepEqual(problems({ ...GOOD, tls: { mode: 'verify-full', verify: false } }), [
      'tls.verify: tls has no "verify"',
    ]);
    assert.match(problems({ ...GOOD, tls: 'prefer' })[0] as string, /^tls: tls is one of/);
  });

  test('never holds a password itself', () => {
    assert.deepEqual(problems({ ...GOOD, account: { user: 'app', password: 'hunter2' } }), [
      'account.password: a password may not stand here in clear text',
    ]);
  });

  test('says all that is wrong with it', () => {
    const found = problems({
      adress: 'x',
      tls: 'maybe',
      account: { user: 1, password: {} },
      searchPath: '"$user"',
      statementTimeout: 'soon',
      requireLeastPrivilege: 'no',
    });
    assert.deepEqual(
      found.map((problem) => problem.split(':')[0]),
      [
        'adress',
        'address',
        'database',
        'account.user',
        'account.password',
        'tls',
        'searchPath',
        'statementTimeout',
        'requireLeastPrivilege',
      ],
    );
  });

  test('may carry what the gateway itself reads', () => {
    assert.deepEqual(
      problems({ ...GOOD, protocol: 'postgres', labels: { env: 'prod' }, holdInTransaction: '30s' }),
      [],
    );
  });
});

describe('an account that the gateway looks after', () => {
  const admin = { user: 'hoop_admin', password: { file: 'admin.password' } };
  const account = (value: unknown) => readSettings({ ...GOOD, account: value });
  const wrong = (value: unknown) => problems({ ...GOOD, account: value });

  test('has its password changed by an administrator', () => {
    const read = account({ ...GOOD.account, rotate: { every: '24h', admin } });
    assert.ok(read.ok);
    assert.equal(read.settings.user, 'app');
    assert.deepEqual(read.settings.account, { kind: 'rotate', every: 86_400_000, admin: 'hoop_admin' });
    assert.deepEqual(read.secrets, { password: { env: 'DB_PASSWORD' }, adminPassword: { file: 'admin.password' } });
  });

  test('or is made for each session, as a member of roles', () => {
    const read = account({ dynamic: { roles: ['app_reader', 'reports'], admin } });
    assert.ok(read.ok);
    assert.equal(read.account, 'app_reader+reports');
    assert.deepEqual(read.settings.account, {
      kind: 'dynamic',
      roles: ['app_reader', 'reports'],
      admin: 'hoop_admin',
    });
    assert.deepEqual(read.secrets, { adminPassword: { file: 'admin.password' } });
  });

  const WRONG: readonly (readonly [string, unknown, RegExp])[] = [
    ['rotates too often', { ...GOOD.account, rotate: { every: '5s', admin } }, /rotate\.every: .*at least 1m/],
    ['has no time', { ...GOOD.account, rotate: { admin } }, /rotate\.every/],
    ['has no administrator', { ...GOOD.account, rotate: { every: '24h' } }, /rotate\.admin: an administrator/],
    [
      'is its own administrator',
      { ...GOOD.account, rotate: { every: '24h', admin: { ...admin, user: 'app' } } },
      /its own administrator/,
    ],
    [
      "has the administrator's password in clear text",
      { ...GOOD.account, rotate: { every: '24h', admin: { user: 'a', password: 'hunter2' } } },
      /rotate\.admin\.password: a password may not stand here/,
    ],
    ['rotates in another way', { ...GOOD.account, rotate: 'daily' }, /rotate: rotate needs/],
    [
      'has a misspelt key',
      { ...GOOD.account, rotate: { every: '24h', admin, at: 'night' } },
      /rotate\.at: rotate has no/,
    ],
    ['has no roles', { dynamic: { roles: [], admin } }, /dynamic\.roles/],
    ['gives everybody as a role', { dynamic: { roles: ['public'], admin } }, /dynamic\.roles/],
    ['gives the administrator as a role', { dynamic: { roles: ['hoop_admin'], admin } }, /not a role for sessions/],
    ['has both', { ...GOOD.account, dynamic: { roles: ['r'], admin } }, /account\.user: an account with `dynamic`/],
  ];
  for (const [what, value, expected] of WRONG)
    test(`is refused when it ${what}`, () => {
      assert.match(wrong(value).join('\n'), expected);
      assert.doesNotMatch(JSON.stringify(account(value)), /hunter2/);
    });
});

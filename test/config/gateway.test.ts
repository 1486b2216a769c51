/** gateway.yaml: the documented file loads, every mistake is refused at its line, and no credential is repeated. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { HoopError } from '../../src/base/error.ts';
import type { SettingsResult } from '../../src/domain/protocol.ts';
import { loadGateway, readGateway, type TargetReader } from '../../src/config/gateway/index.ts';

const SAMPLE = `listen: 127.0.0.1:8443
tls: { cert: tls/cert.pem, key: tls/key.pem }               # without: plain HTTP/2 and HTTP/1.1, on loopback only
publicUrl: https://gateway.example:8443
admin: { listen: 127.0.0.1:9464 }            # /metrics /healthz /readyz
identity:
  issuers:
    - issuer: https://idp.example            # http for loopback issuers only, while \`listen\` is loopback too
      audience: hoop-gateway
      clientId: hoopctl                      # handed to the CLI for its login; absent for workload issuers
      scopes: [openid, offline_access]
      use: accessToken                       # accessToken | idToken | introspection
      groupsClaim: groups                    # dotted paths; groupNames: { GUID: name }
      subjectClaim: email                    # default sub; what --user and \`users:\` name
store: sqlite:./data/hoop.db                 # or postgres://…
recordings: file:./data/recordings           # or s3://bucket/prefix, or { url, durability: strict|effects|process, results, encrypt, keep }
keys: file:./data/keys                       # signing key, key that seals stored secrets; not inside the two above
policy: ./policy.yaml                        # or a folder of them
notify:
  - { name: oncall, webhook: { url: https://hooks.example/oncall, secret: { env: HOOK_SECRET } } }
targets:
  orders-db:
    protocol: postgres
    address: db.internal:5432
    database: orders
    tls: verify-full                         # verify-full | verify-ca | require | disable (loopback only)
    account: { user: app_reader, password: { env: ORDERS_DB_PASSWORD } }   # or { file: … }
    labels: { env: prod }
`;

/** A protocol that takes what it is given and wants an account. */
const toy: TargetReader = {
  defaultPort: 5432,
  facts: {},
  accounts: {
    secret: 'password',
    plan: (settings) =>
      (settings as { account: { rotate?: unknown } }).account.rotate
        ? { kind: 'rotate', every: 1 }
        : { kind: 'static' },
    change: async () => {},
    sweep: async () => ({ removed: [], kept: [] }),
  },
  settings(raw): SettingsResult<unknown> {
    const account = raw['account'] as { user?: string; password?: { env: string } } | undefined;
    if (!account?.user)
      return { ok: false, problems: [{ path: ['account'], message: 'an account is needed', hint: 'add one' }] };
    return {
      ok: true,
      settings: raw,
      account: account.user,
      address: { host: 'db', port: 5432 },
      secrets: { password: account.password! },
    };
  },
};
const PROTOCOLS = { postgres: toy };

function read(text: string) {
  return readGateway({ file: 'gateway.yaml', text, folder: '/etc/hoop' }, PROTOCOLS);
}

function config(text: string) {
  const reading = read(text);
  assert.deepEqual(reading.ok ? [] : reading.problems, []);
  assert.ok(reading.ok);
  return reading.config;
}

/** Asserts that exactly one problem is told, at this line, and returns it. */
function refuses(text: string, said: RegExp, hint?: RegExp): void {
  const reading = read(text);
  assert.ok(!reading.ok, 'the file loads');
  assert.equal(reading.problems.length, 1, JSON.stringify(reading.problems, null, 1));
  assert.match(reading.problems[0]!.message, said);
  if (hint) assert.match(reading.problems[0]!.hint ?? '', hint);
}

/** The sample with one thing changed. */
function changed(from: string | RegExp, to: string): string {
  const text = SAMPLE.replace(from, to);
  assert.notEqual(text, SAMPLE, 'nothing changed');
  return text;
}

test('the documented file loads as it stands', () => {
  assert.deepEqual(config(SAMPLE), {
    file: 'gateway.yaml',
    folder: '/etc/hoop',
    listen: { host: '127.0.0.1', port: 8443 },
    tls: { cert: '/etc/hoop/tls/cert.pem', key: '/etc/hoop/tls/key.pem' },
    publicUrl: 'https://gateway.example:8443',
    admin: { listen: { host: '127.0.0.1', port: 9464 } },
    identity: {
      issuers: [
        {
          issuer: 'https://idp.example',
          audience: 'hoop-gateway',
          clientId: 'hoopctl',
          scopes: ['openid', 'offline_access'],
          use: 'accessToken',
          groupsClaim: 'groups',
          subjectClaim: 'email',
        },
      ],
      maxAge: 3_600_000,
    },
    runs: { max: 28_800_000 },
    store: { kind: 'sqlite', path: '/etc/hoop/data/hoop.db' },
    recordings: { dir: '/etc/hoop/data/recordings', durability: 'effects', witnesses: [] },
    keys: '/etc/hoop/data/keys',
    policy: '/etc/hoop/policy.yaml',
    notify: [{ name: 'oncall', webhook: { url: 'https://hooks.example/oncall', secret: { env: 'HOOK_SECRET' } } }],
    events: [],
    targets: [
      {
        name: 'orders-db',
        protocol: 'postgres',
        labels: { env: 'prod' },
        account: 'app_reader',
        address: { host: 'db', port: 5432 },
        settings: {
          address: 'db.internal:5432',
          database: 'orders',
          tls: 'verify-full',
          account: { user: 'app_reader', password: { env: 'ORDERS_DB_PASSWORD' } },
        },
        secrets: { password: { env: 'ORDERS_DB_PASSWORD' } },
        database: 'orders',
        requireLeastPrivilege: true,
        holdInTransaction: 60_000,
      },
    ],
  });
});

test('durations, sizes and the rest of the documented keys', () => {
  const read = config(
    `${changed('recordings: file:./data/recordings', 'recordings: { url: file:./data/recordings, durability: strict, results: 1MiB }').replace('identity:', 'runs: { max: 2h }\nidentity:\n  maxAge: 30m')}    holdInTransaction: 5s
    requireLeastPrivilege: false
`,
  );
  assert.deepEqual(read.recordings, {
    dir: '/etc/hoop/data/recordings',
    durability: 'strict',
    resultsLimit: 1_048_576,
    witnesses: [],
  });
  assert.deepEqual([read.runs.max, read.identity.maxAge], [7_200_000, 1_800_000]);
  assert.deepEqual([read.targets[0]?.holdInTransaction, read.targets[0]?.requireLeastPrivilege], [5_000, false]);
});

test('all problems are told at once, each at its line', () => {
  const reading = read(`listen: here
publicURL: https://gateway.example
identity:
  issuers:
    - issuer: https://idp.example
      audiance: hoop-gateway
store: mysql:./x
recordings: file:./data/recordings
keys: file:./keys
policy: ./policy.yaml
targets:
  Orders:
    protocol: postgres
    account: { user: me, password: { env: X } }
  web:
    protocol: postgress
  bare:
    protocol: postgres
`);
  assert.ok(!reading.ok);
  assert.deepEqual(
    reading.problems.map(({ line, message, hint }) => [line, message, hint]),
    [
      [1, 'listen: must be host:port', 'such as 127.0.0.1:8443'],
      [2, 'unknown key "publicURL"', 'did you mean "publicUrl"?'],
      [5, 'identity.issuers[0].audience: is missing', undefined],
      [6, 'identity.issuers[0]: unknown key "audiance"', 'did you mean "audience"?'],
      [7, 'store: must be sqlite:PATH', 'such as sqlite:./data/…'],
      [
        12,
        'targets: "Orders" is no name for a target',
        'use small letters, digits and "-", beginning with a letter, at most 63',
      ],
      [16, 'targets.web: unknown protocol "postgress"', 'did you mean "postgres"?'],
      [17, 'targets.bare: an account is needed', 'add one'],
    ],
  );
});

describe('credentials in clear text', () => {
  const CANARY = 'hunter2-canary';
  for (const [name, text] of [
    ['a password', changed('{ env: ORDERS_DB_PASSWORD }', CANARY)],
    ['a quoted one', changed('{ env: ORDERS_DB_PASSWORD }', `"${CANARY}"`)],
    ["a webhook's secret", changed('{ env: HOOK_SECRET }', CANARY)],
    ['a password in an address', changed('db.internal:5432', `postgres://me:${CANARY}@db`)],
    ['a password in the store', changed('sqlite:./data/hoop.db', `postgres://me:${CANARY}@db/hoop`)],
    ["an issuer's secret", changed('clientId: hoopctl', `clientId: hoopctl\n      clientSecret: ${CANARY}`)],
  ] as const) {
    test(`${name} is refused, and not repeated`, () => {
      const reading = read(text);
      assert.ok(!reading.ok);
      const told = JSON.stringify(reading.problems);
      assert.equal(reading.problems.filter(({ message }) => /clear text/.test(message)).length, 1);
      assert.ok(reading.problems.length <= (name.startsWith('an issuer') ? 2 : 1), told);
      assert.match(told, /\{ env: NAME \}/);
      assert.ok(!told.includes(CANARY), told);
    });
  }

  test('a file that is not YAML is told without its words', () => {
    for (const text of [
      `password: "${CANARY}" x`,
      `password: *${CANARY}`,
      `password: [${CANARY}`,
      `a: 'x' ${CANARY}: 1`,
    ]) {
      const reading = read(text);
      assert.ok(!reading.ok);
      assert.ok(!JSON.stringify(reading.problems).includes(CANARY), JSON.stringify(reading.problems));
    }
  });
});

describe('what only loopback may do', () => {
  const plain = changed(/^tls: .*\n/m, '').replace('https://gateway.example:8443', 'http://127.0.0.1:8443');

  test('listening without tls', () => {
    config(plain);
    config(plain.replace('127.0.0.1:8443\n', '"[::1]:8443"\n'));
    refuses(plain.replace('listen: 127.0.0.1', 'listen: 0.0.0.0'), /there is no tls/);
    refuses(plain.replace('listen: 127.0.0.1', 'listen: gateway.internal'), /there is no tls/);
  });

  test('an http issuer', () => {
    config(changed('https://idp.example', 'http://127.0.0.1:4000'));
    refuses(changed('https://idp.example', 'http://idp.example'), /issuer: must be https/);
    refuses(
      changed('https://idp.example', 'http://127.0.0.1:4000').replace('listen: 127.0.0.1:8443', 'listen: 0.0.0.0:8443'),
      /for a gateway that listens on loopback/,
    );
  });

  test('a public URL without encryption', () => {
    refuses(plain.replace('http://127.0.0.1:8443', 'http://gateway.example'), /publicUrl: must be https/);
    refuses(changed('https://gateway.example:8443', 'http://127.0.0.1:8443'), /listens with tls/);
    refuses(changed('https://gateway.example:8443', 'https://gateway.example/path'), /nothing more/);
  });

  test('a webhook without encryption', () => {
    refuses(changed('https://hooks.example', 'http://hooks.example'), /webhook.url: must be https/);
  });

  test('the built-in issuer', () => {
    const local = plain.replace(/identity:[\s\S]*?store:/, 'identity: { local: { user: me@here } }\nstore:');
    assert.deepEqual(config(local).identity, { issuers: [], maxAge: 3_600_000, local: { user: 'me@here' } });
    const open = changed(/identity:[\s\S]*?store:/, 'identity: { local: { user: me@here } }\nstore:').replace(
      '127.0.0.1:8443',
      '0.0.0.0:8443',
    );
    refuses(open, /on loopback only/);
    refuses(plain.replace('identity:', 'identity:\n  local: { user: me@here }'), /instead of issuers/);
  });
});

describe('recordings', () => {
  const of = (text: string) => changed('file:./data/recordings ', `{ url: file:./data/recordings, ${text} } `);
  const recipient = 'age10h6dugefyquknp67h2ud4l55v59pq9qgt7dnw2nfqtjtm0n78u3stpmzkz';

  test('are kept for so long, but for those under legal hold', () => {
    const { recordings } = config(of('keep: 90d, hold: [{ labels: { matter: acme } }]'));
    assert.equal(recordings.keep, 90 * 86_400_000);
    assert.deepEqual(recordings.hold, [{ labels: { matter: 'acme' } }]);
    assert.equal(config(SAMPLE).recordings.keep, undefined);
  });

  test('may be packed, bounded and sealed', () => {
    const { recordings } = config(
      of(
        `compress: zstd, rotate: { bytes: 256MiB, age: 12h }, quota: { perRun: 1GiB }, encrypt: { recipients: [${recipient}] }`,
      ),
    );
    assert.equal(recordings.compress, 'zstd');
    assert.equal(recordings.quotaPerRun, 1024 ** 3);
    assert.deepEqual(recordings.rotate, { bytes: 256 * 1024 ** 2, ms: 12 * 3_600_000 });
    assert.deepEqual(recordings.recipients, [recipient]);
  });

  for (const [text, said] of [
    ['keep: 90s', /a day or more/],
    ['keep: forever', /length of time/],
    ['hold: [{ labels: { matter: acme } }]', /recordings that would be removed/],
    ['keep: 90d, hold: [{ labels: {} }]', /must name a label/],
    ['keep: 90d, hold: []', /must not be empty/],
    ['compress: brotli', /one of: gzip, zstd/],
    ['quota: { perRun: 10 }', /64KiB or more/],
    ['rotate: { bytes: 10 }', /64KiB or more/],
    ['rotate: { age: 5s }', /1m or more/],
    ['rotate: { events: 5 }', /events/],
    ['quota: { perRun: 1GiB, perSession: 1GiB }', /perSession/],
    ['encrypt: true', /./],
    ['encrypt: { recipients: [] }', /must not be empty/],
    ['encrypt: { recipients: [age1abc] }', /age recipient/],
    [`encrypt: { recipients: [AGE-SECRET-KEY-1${'Q'.repeat(58)}] }`, /is a secret key/],
    ['encrypt: { recipients: [ssh-ed25519 AAAA] }', /age recipient/],
  ] as const) {
    test(`refused: ${text.slice(0, 50)}`, () => refuses(of(text), said));
  }
});

describe('what this version does not do is refused, with what to use instead', () => {
  for (const [from, to, said] of [
    ['sqlite:./data/hoop.db', 'postgres://db/hoop', /PostgreSQL store is not in this version/],
    ['file:./data/recordings', 's3://bucket/prefix', /S3 are not in this version/],
    ['use: accessToken', 'use: introspection', /introspection is not in this version/],
    ['protocol: postgres', 'protocol: ssh', /the protocol ssh is not in this version/],
  ] as const) {
    test(to, () => refuses(changed(from, to), said, /./));
  }
});

describe('issuers', () => {
  const second = (rest: string) =>
    changed('store:', `XX\nstore:`).replace(
      'XX',
      `    - { issuer: https://other.example, audience: hoop-gateway, ${rest} }`,
    );

  test('beside each other need a prefix or trust', () => {
    const reading = read(second('prefix: "ci:"'));
    assert.ok(!reading.ok);
    assert.deepEqual(
      reading.problems.map(({ line }) => line),
      [7],
    );
    config(
      second('prefix: "ci:"').replace(
        'audience: hoop-gateway\n',
        'audience: hoop-gateway\n      trust: { groups: [data-agents] }\n',
      ),
    );
  });

  test('do not share a prefix or stand twice', () => {
    const both = second('prefix: "a:"').replace(
      'audience: hoop-gateway\n',
      'audience: hoop-gateway\n      prefix: "a:"\n',
    );
    refuses(both, /is another issuer's too/);
    refuses(
      both.replace('https://other.example', 'https://idp.example').replace('prefix: "a:" }', 'prefix: "b:" }'),
      /second time/,
    );
  });

  test('without a client are for workloads', () => {
    assert.equal(config(changed(/ +clientId:.*\n/, '')).identity.issuers[0]?.clientId, undefined);
    refuses(changed(/ +clientId:.*\n/, '').replace('use: accessToken', 'use: idToken'), /idToken needs a clientId/);
  });

  test('sign with asymmetric algorithms', () => {
    refuses(changed('use: accessToken', 'algorithms: [HS256]'), /must be one of: RS256/);
  });

  test('one is needed', () => {
    refuses(changed(/identity:[\s\S]*?store:/, 'identity: {}\nstore:'), /names no identity provider/);
    refuses(changed(/identity:[\s\S]*?store:/, 'store:'), /names no identity provider/);
  });
});

describe('places', () => {
  test('keys and recordings do not lie in each other', () => {
    refuses(changed('keys: file:./data/keys', 'keys: file:./data/recordings/keys'), /lie one in the other/);
    refuses(changed('keys: file:./data/keys', 'keys: file:./data'), /lie one in the other/);
    for (const url of [
      'awskms:///alias/hoop',
      'gcpkms://projects/p',
      'arn:aws:kms:eu-west-1:1:key/2',
      'vault:transit/keys/hoop',
    ])
      refuses(changed('keys: file:./data/keys', `keys: '${url}'`), /keys that a KMS keeps are not in this version/);
    refuses(
      changed('keys: file:./data/keys', 'keys: { url: file:./data/keys, kms: { arn: x } }'),
      /a KMS keeps is not/,
    );
    refuses(changed('keys: file:./data/keys', 'keys: file:./data/../data/recordings'), /lie one in the other/);
    config(changed('keys: file:./data/keys', 'keys: file:./data/recordings-keys'));
  });

  test('absolute paths stay', () => {
    assert.equal(config(changed('file:./data/recordings', 'file:///var/lib/hoop')).recordings.dir, '/var/lib/hoop');
    assert.equal(config(changed('sqlite:./data/hoop.db', 'sqlite:/var/lib/hoop.db')).store.path, '/var/lib/hoop.db');
  });

  test("a target's CA file is relative to gateway.yaml too", () => {
    const settings = config(changed('tls: verify-full', 'tls: { mode: verify-full, ca: ca.pem }')).targets[0]?.settings;
    assert.deepEqual((settings as { tls: unknown }).tls, { mode: 'verify-full', ca: '/etc/hoop/ca.pem' });
  });

  test('and so are an authority that is named as a file, and a description', () => {
    const text = changed('tls: verify-full', 'tls: { ca: { file: ca.pem } }\n    openapi: ./api.yaml');
    const { tls, openapi } = config(text).targets[0]!.settings as Record<string, unknown>;
    assert.deepEqual([tls, openapi], [{ ca: { file: '/etc/hoop/ca.pem' } }, '/etc/hoop/api.yaml']);
  });

  test('without publicUrl a gateway on loopback is reached where it listens, any other must say', () => {
    assert.equal(config(changed(/^publicUrl.*\n/m, '')).publicUrl, 'https://127.0.0.1:8443');
    refuses(changed(/^publicUrl.*\n/m, '').replace('127.0.0.1:8443', '0.0.0.0:8443'), /publicUrl: is missing/);
  });
});

describe('from disk', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hoop-config-'));
  test.after(() => rmSync(folder, { recursive: true }));

  test('one problem is the error itself', async () => {
    const file = join(folder, 'one.yaml');
    writeFileSync(file, changed('policy: ./policy.yaml', 'polici: ./policy.yaml'));
    await assert.rejects(loadGateway(file, PROTOCOLS), (error: HoopError) => {
      assert.equal(error.code, 'CONFIG_INVALID');
      assert.equal(error.exit, 2);
      assert.match(
        error.message,
        /2 problems:\n.*one\.yaml:1 policy: is missing\n.*one\.yaml:17 unknown key "polici"\n +hint: did you mean "policy"\?/s,
      );
      return true;
    });
  });

  test('a file that is not there says so', async () => {
    await assert.rejects(loadGateway(join(folder, 'none.yaml'), PROTOCOLS), { code: 'CONFIG_UNREADABLE', exit: 2 });
  });

  test('paths are relative to the file', async () => {
    const file = join(folder, 'gateway.yaml');
    writeFileSync(file, SAMPLE);
    assert.equal((await loadGateway(file, PROTOCOLS)).keys, join(folder, 'data/keys'));
  });
});

test('an account whose password one target changes is not used by another as it was', () => {
  const admin = '{ user: hoop_admin, password: { env: ADMIN } }';
  const account = '{ user: app_reader, password: { env: ORDERS_DB_PASSWORD } }';
  const rotated = account.replace(' } }', ` }, rotate: { every: 24h, admin: ${admin} } }`);
  const second = (of: string, user = of) =>
    `  second:\n    protocol: postgres\n    address: db.internal:5432\n    database: other\n    account: ${user}\n`;
  config(changed(account, rotated) + second(rotated));
  config(changed(account, rotated) + second(account.replace('app_reader', 'another')));
  refuses(
    changed(account, rotated) + second(account),
    /second: the account is the one of "orders-db"/,
    /same `rotate`/,
  );
  refuses(changed(account, rotated.replace('{ env: ADMIN }', 'canary')), /clear text/);
});

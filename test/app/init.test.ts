/** What `init` and `gateway init` write, and what it refuses to write. */
import assert from 'node:assert/strict';
import {
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
import { dirname, join, relative } from 'node:path';
import { test, type TestContext } from 'node:test';
import { parse } from 'yaml';
import { initLocalGateway, initTemplate, TEMPLATES } from '../../src/app/init.ts';
import { parseLocalTarget } from '../../src/app/init-target.ts';
import { HoopError } from '../../src/base/error.ts';
import { Secret } from '../../src/base/secret.ts';

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'hoopctl-init-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'gw');
}

const code = (wanted: string) => (error: unknown) =>
  error instanceof HoopError && error.code === wanted && error.exit === 2;

test('a target URL gives name, host, port, user and database', () => {
  assert.deepEqual(parseLocalTarget('shop=postgres://me@db.internal:6543/shop%20x?sslmode=verify-ca'), {
    name: 'shop',
    host: 'db.internal',
    port: 6543,
    user: 'me',
    database: 'shop x',
    tls: 'verify-ca',
  });
});

test('a target on this machine needs no TLS, one elsewhere is verified', () => {
  assert.equal(parseLocalTarget('shop=postgres://me@127.0.0.1/db').tls, 'disable');
  assert.equal(parseLocalTarget('shop=postgres://me@[::1]/db').tls, 'disable');
  assert.equal(parseLocalTarget('shop=postgres://me@db/db').tls, 'verify-full');
  assert.throws(() => parseLocalTarget('shop=postgres://me@db/db?sslmode=disable'), code('TARGET_WRONG'));
});

test('a password in the URL is refused and not repeated', () => {
  assert.throws(
    () => parseLocalTarget('shop=postgres://me:hunter2@db/db'),
    (error) => code('PASSWORD_IN_URL')(error) && !String((error as Error).message).includes('hunter2'),
  );
  assert.throws(
    () => parseLocalTarget('shop=mysql://me:hunter2@db/db'),
    (error) => code('TARGET_WRONG')(error) && !String((error as Error).message).includes('hunter2'),
  );
});

test('what is not understood is refused', () => {
  for (const text of [
    'postgres://me@h/d',
    'Shop=postgres://me@h/d',
    'shop=',
    'shop=postgres://h/d',
    'shop=postgres://me@h/',
    'shop=postgres://me@h/d?options=x',
  ])
    assert.throws(() => parseLocalTarget(text), code('TARGET_WRONG'), text);
});

test('the local start writes a password only into a file of its own, for the owner alone', (t) => {
  const dir = folder(t);
  const shop = parseLocalTarget('shop=postgres://me@127.0.0.1/db');
  const written = initLocalGateway(dir, 'dana', [shop], new Map([[shop.name, Secret.of('canary-password')]]));
  const file = join(dir, 'secrets', 'shop.password');
  assert.equal(readFileSync(file, 'utf8'), 'canary-password');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  for (const private_ of ['secrets', 'keys', 'data']) assert.equal(statSync(join(dir, private_)).mode & 0o777, 0o700);
  for (const name of ['gateway.yaml', 'policy.yaml'])
    assert.doesNotMatch(readFileSync(join(dir, name), 'utf8'), /canary/);
  assert.doesNotMatch(JSON.stringify(written), /canary/);
});

test('the local policy grants read and delete, and holds deletes for that person with a fresh proof', (t) => {
  const dir = folder(t);
  const shop = parseLocalTarget('shop=postgres://me@127.0.0.1/db');
  initLocalGateway(dir, 'on', [shop], new Map());
  const policy = parse(readFileSync(join(dir, 'policy.yaml'), 'utf8'));
  assert.deepEqual(policy.access, [
    { name: 'read-and-delete', subjects: { users: ['on'] }, targets: ['shop'], effects: ['read', 'delete'] },
  ]);
  assert.deepEqual(policy.rules[0].then.hold, {
    approvers: { users: ['on'] },
    within: '10m',
    wait: '60s',
    self: true,
    proof: 'fresh',
  });
  const gateway = parse(readFileSync(join(dir, 'gateway.yaml'), 'utf8'));
  assert.deepEqual(gateway.targets.shop.account, { user: 'me', password: { file: './secrets/shop.password' } });
  assert.match(gateway.listen, /^127\.0\.0\.1:/);
});

test('names with quotes and line breaks stay one YAML value', (t) => {
  const dir = folder(t);
  const shop = parseLocalTarget('shop=postgres://m%22e%0Aevil%3A%20x@127.0.0.1/d%27b');
  initLocalGateway(dir, 'a"b', [shop], new Map());
  const gateway = parse(readFileSync(join(dir, 'gateway.yaml'), 'utf8'));
  assert.equal(gateway.targets.shop.account.user, 'm"e\nevil: x');
  assert.equal(gateway.targets.shop.database, "d'b");
});

test('several targets stand in one file, each with its own values', (t) => {
  const dir = folder(t);
  const shop = parseLocalTarget('shop=postgres://me@127.0.0.1/shop');
  const stock = parseLocalTarget('stock=postgres://you@[::1]:6000/stock');
  initLocalGateway(dir, 'dana', [shop, stock], new Map());
  const gateway = parse(readFileSync(join(dir, 'gateway.yaml'), 'utf8'));
  assert.deepEqual(gateway.targets, {
    shop: {
      protocol: 'postgres',
      address: '127.0.0.1:5432',
      database: 'shop',
      tls: 'disable',
      account: { user: 'me', password: { file: './secrets/shop.password' } },
    },
    stock: {
      protocol: 'postgres',
      address: '[::1]:6000',
      database: 'stock',
      tls: 'disable',
      account: { user: 'you', password: { file: './secrets/stock.password' } },
    },
  });
  const policy = parse(readFileSync(join(dir, 'policy.yaml'), 'utf8'));
  assert.deepEqual(
    [policy.access[0].targets, policy.rules[0].targets],
    [
      ['shop', 'stock'],
      ['shop', 'stock'],
    ],
  );
});

test('a name that looks like a mark of the template, or like a replacement pattern, is itself', (t) => {
  const dir = folder(t);
  const shop = parseLocalTarget('shop=postgres://__PERSON__@127.0.0.1/$&__TARGET__');
  initLocalGateway(dir, '__TARGETS__ $1', [shop], new Map());
  const gateway = parse(readFileSync(join(dir, 'gateway.yaml'), 'utf8'));
  assert.deepEqual(
    [gateway.identity.local.user, gateway.targets.shop.account.user, gateway.targets.shop.database],
    ['__TARGETS__ $1', '__PERSON__', '$&__TARGET__'],
  );
});

for (const { name } of TEMPLATES) {
  test(`${name}: what is said to be written is what is there`, (t) => {
    const dir = folder(t);
    const { files, next } = initTemplate(name, dir, dirname(dir));
    const there = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const paths = there.map((entry) => relative(dir, join(entry.parentPath, entry.name)));
    assert.ok(paths.length > 1);
    assert.deepEqual(files.filter((file) => !file.endsWith('/')).toSorted(), paths.toSorted());
    assert.equal(next[0], 'cd gw');
  });
}

test('what the kernel starts by its first line can be started', (t) => {
  const dir = folder(t);
  initTemplate('shell-agent', dir, dir);
  assert.equal(statSync(join(dir, 'report.sh')).mode & 0o111, 0o111);
});

test('what a gateway must not share is kept out of git', (t) => {
  const dir = folder(t);
  initTemplate('gateway', dir, dir);
  const ignored = readFileSync(join(dir, '.gitignore'), 'utf8').split('\n');
  for (const line of ['/data/', '/keys/']) assert.ok(ignored.includes(line), line);
});

test('the way to the folder can be typed as it is told', (t) => {
  const dir = `${folder(t)} it's`;
  assert.equal(initTemplate('shell-agent', dir, dirname(dir)).next[0], "cd 'gw it'\\''s'");
});

test('nothing that exists is overwritten, and then nothing is written', (t) => {
  const dir = folder(t);
  mkdirSync(dir);
  writeFileSync(join(dir, 'policy.yaml'), 'mine');
  assert.throws(
    () => initTemplate('gateway', dir, dir),
    (error: HoopError) => code('FILE_EXISTS')(error) && error.message.includes(join(dir, 'policy.yaml')),
  );
  assert.deepEqual(readdirSync(dir), ['policy.yaml']);
  assert.equal(readFileSync(join(dir, 'policy.yaml'), 'utf8'), 'mine');
});

test('a link that leads nowhere is in the way too', (t) => {
  const dir = folder(t);
  mkdirSync(dir);
  symlinkSync('/nowhere/at/all', join(dir, 'hoop.yaml'));
  assert.throws(() => initTemplate('shell-agent', dir, dir), code('FILE_EXISTS'));
  assert.deepEqual(readdirSync(dir), ['hoop.yaml']);
});

test('what was begun is taken back when a file can not be written', (t) => {
  const dir = folder(t);
  mkdirSync(dir);
  writeFileSync(join(dir, 'hoopctl'), 'a file where a folder has to be');
  assert.throws(() => initTemplate('ci-gitlab', dir, dir), code('FILE_UNWRITABLE'));
  assert.deepEqual(readdirSync(dir), ['hoopctl']);
});

test('a template that does not exist is refused, with the one that was probably meant', () => {
  assert.throws(
    () => initTemplate('openai-agnet', '/nowhere', '/'),
    (error: HoopError) => code('TEMPLATE_UNKNOWN')(error) && error.hint === 'did you mean "openai-agent"?',
  );
});

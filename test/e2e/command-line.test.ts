/** run, exec, tunnel and connect as a person types them, against a real gateway and a real PostgreSQL. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import pg from 'pg';
import { demoPolicyYaml } from '../../src/app/demo/files.ts';
import { packageRoot } from '../../src/base/entry.ts';
import { jsonError, newHome } from '../cli/cli.ts';
import { type Stack, startStack } from '../fakes/stack.ts';
import { until } from '../fakes/until.ts';

const POLICY = `${demoPolicyYaml().replace('within: 10m, wait: 10m', 'within: 10m, wait: 60s')}limits:
  - { name: bulk, targets: [shop], rowsPerStatement: none, bytesPerStatement: none, rowsPerRun: none, bytesPerRun: none, then: deny }
`;

let stack: Stack;
before(async () => {
  stack = await startStack({
    policy: POLICY,
    sql: 'CREATE TABLE bulk AS SELECT i::bigint AS id, md5(i::text) AS word FROM generate_series(1, 1000000) AS i; GRANT SELECT ON bulk TO PUBLIC;',
  });
});
after(() => stack[Symbol.asyncDispose]());

describe('hoopctl exec', () => {
  test('gives rows as JSON: wide numbers, dates and bytes as text, NULL as null, names told apart', async (t) => {
    const { exec } = await signedIn(t);
    const text = `SELECT 9007199254740993::int8 AS big, 1.50::numeric AS money, 7 AS small, true AS yes, NULL AS nothing, '\\x6869'::bytea AS bytes,
      '{"a": 1}'::jsonb AS json, date '2026-11-21' AS day, 1 AS a, 2 AS a`;
    const ended = await exec(['--json'], text);
    assert.equal(ended.code, 0, ended.stderr);
    assert.deepEqual(JSON.parse(ended.stdout), {
      big: '9007199254740993',
      money: '1.50',
      small: 7,
      yes: true,
      nothing: null,
      bytes: 'aGk=',
      json: { a: 1 },
      day: '2026-11-21',
      a: 1,
      a_2: 2,
    });
  });

  test('reads its text from standard input, and says on stderr what has no rows', async (t) => {
    const { run } = await signedIn(t);
    const ended = await run(['exec', 'shop', '--json'], { input: 'UPDATE orders SET status = status WHERE id = 0;' });
    assert.deepEqual(
      [ended.code, ended.stdout, JSON.parse(ended.stderr)],
      [0, '', { result: { tag: 'UPDATE 0', rows: 0 } }],
    );
  });

  test('shows masked values masked, as a table', async (t) => {
    const { exec } = await signedIn(t);
    const ended = await exec([], 'SELECT id, ssn FROM customers ORDER BY id LIMIT 1');
    assert.equal(ended.stdout, 'id  ssn\n──  ───\n 1  ***\n');
  });

  test('is refused with 4, held with 5, and an error of the target is 1 with its SQLSTATE', async (t) => {
    const { exec } = await signedIn(t);
    const denied = await exec(['--json'], 'DROP TABLE customers');
    assert.deepEqual([denied.code, jsonError(denied).code], [4, 'HOOP_DENIED']);
    const held = await exec(['--json', '--wait', '1s'], 'DELETE FROM orders WHERE id = 1');
    assert.deepEqual([held.code, jsonError(held).code], [5, 'HOOP_HELD']);
    const wrong = await exec(['--json'], 'SELECT 1/0');
    assert.deepEqual(
      [wrong.code, jsonError(wrong)],
      [1, { sqlState: '22012', code: 'TARGET_ERROR', message: 'shop: division by zero', exit: 1 }],
    );
    const unknown = await exec(['--json'], 'SELECT 1', 'shpo');
    assert.deepEqual([unknown.code, jsonError(unknown).hint], [4, 'did you mean "shop"?']);
  });

  test('streams a million rows to a slow reader in a heap that could not hold them', async (t) => {
    const { env, dir } = await signedIn(t);
    // 40 MB of heap; the rows alone are more than 40 MB of text, and several times that as values.
    const args = [
      '--max-old-space-size=40',
      join(packageRoot(), 'bin', 'hoopctl.js'),
      'exec',
      'shop',
      '--output',
      'csv',
      '--',
      'SELECT id, word FROM bulk',
    ];
    const child = spawn(process.execPath, args, { env, cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] });
    let lines = 0;
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    for await (const chunk of child.stdout) {
      for (const byte of chunk as Buffer) if (byte === 10) lines += 1;
      if (lines % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(lines, 1_000_001, stderr);
  });
});

describe('hoopctl run', () => {
  test('gives an agent the database and nothing else; what it did can be replayed', async (t) => {
    const { run, dir } = await signedIn(t);
    writeFileSync(join(dir, 'agent.mjs'), AGENT);
    const ended = await run(['run', '--agent', 'e2e', 'agent.mjs'], { env: { PGPASSWORD: 'not this one' } });
    assert.equal(ended.code, 0, ended.stderr);
    assert.deepEqual(JSON.parse(ended.stdout), {
      rows: [{ id: 1, ssn: '***' }],
      refused: '42501',
      secretIsTheRuns: true,
    });
    assert.match(ended.stderr, /^hoopctl: run run_\S+ on shop: \d+ commands?, 1 refused, 0 held, \d+ masked cells?$/m);
    const session = /hoopctl sessions replay (\S+)/.exec(ended.stderr)?.[1] ?? '';
    const replayed = await run(['sessions', 'replay', session, '--json']);
    assert.equal(replayed.code, 0, replayed.stderr);
    const events = replayed.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).type);
    assert.equal(events[0], 'session.opened');
    assert.ok(events.includes('session.closed'), String(events));
  });

  test('ends its agent within moments of a revocation, with exit 7', async (t) => {
    const { home, env } = await signedIn(t);
    // Crosses itself four times: it would run for hours.
    const child = home.start(['run', '--', 'psql', '-Atc', 'SELECT count(*) FROM bulk a, bulk b, bulk c, bulk d'], {
      env,
    });
    // PostgreSQL's own vacuuming of the table has its name in its query too.
    const running =
      "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND backend_type = 'client backend' AND query LIKE '%bulk%' AND pid <> pg_backend_pid()";
    const ended = child.ended;
    let over = false;
    void ended.then(() => {
      over = true;
    });
    await until('it runs or is over', async () => over || (await stack.sql(running)).trim() !== '0');
    const riley = await stack.client('riley');
    const [session] = (await riley.sessions({ live: true, target: 'shop' })).filter(({ via }) => via === 'run');
    assert.ok(session);
    await riley.revoke({ scope: { kind: 'run', id: session.run }, reason: 'enough' });
    const { code, stderr } = await ended;
    assert.equal(code, 7, stderr);
    assert.match(stderr, /access was revoked/);
    await until('nothing runs any more', async () => (await stack.sql(running)).trim() === '0');
  });
});

describe('hoopctl tunnel', () => {
  test('outlives a restart of the gateway: the same URL works again', async (t) => {
    const { home, env, run } = await signedIn(t);
    const child = home.start(['tunnel', 'shop'], { env });
    await child.says(/shop {2}127\.0\.0\.1:\d+/);
    const url = (await run(['url', 'shop'])).stdout.trim();
    assert.equal(await ask(url, 'SELECT count(*)::int AS n FROM customers WHERE id = 1'), 1);
    await stack.gateway.stop();
    await child.says('lost touch with the gateway');
    await assert.rejects(ask(url, 'SELECT 1 AS n'), { code: '08006' });
    await stack.start();
    await child.says('back in touch with the gateway');
    assert.equal(await ask(url, 'SELECT 1 AS n'), 1);
    child.kill('SIGINT');
    assert.equal((await child.ended).code, 130);
  });
});

test('hoopctl connect opens psql on the target, with its own exit code', async (t) => {
  const { run } = await signedIn(t);
  const ended = await run(['connect', 'shop', '--', '-XAtc', 'SELECT count(*) FROM customers WHERE id = 1'], {
    env: { PGHOSTADDR: '127.0.0.9' },
  });
  assert.deepEqual([ended.code, ended.stdout], [0, '1\n'], ended.stderr);
  assert.equal((await run(['connect', 'shop', '--', '-XAtc', 'SELECT 1/0'])).code, 1);
});

const AGENT = `
import { createRequire } from 'node:module';
const pg = createRequire(${JSON.stringify(join(packageRoot(), 'package.json'))})('pg');
const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
const { rows } = await client.query('SELECT id, ssn FROM customers ORDER BY id LIMIT 1');
const refused = await client.query('DROP TABLE customers').then(() => 'done', (error) => error.code);
await client.end();
console.log(JSON.stringify({ rows, refused, secretIsTheRuns: process.env.PGPASSWORD === process.env.HOOP_SHOP_PASSWORD }));
`;

async function ask(connectionString: string, text: string): Promise<unknown> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(text)).rows[0]?.n;
  } finally {
    await client.end();
  }
}

async function signedIn(t: TestContext) {
  const home = newHome(t);
  const env = { ...home.env, HOOPCTL_GATEWAY: stack.gateway.url, HOOPCTL_TOKEN: await stack.token('dana') };
  const run: typeof home.run = (args, extra = {}) => home.run(args, { ...extra, env: { ...env, ...extra.env } });
  const exec = (options: readonly string[], text: string, target = 'shop') =>
    run(['exec', target, ...options, '--', text]);
  return { home, env, run, exec, dir: home.dir };
}

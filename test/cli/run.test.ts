import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import type { TargetView } from '../../src/api/shapes.ts';
import { startRunGateway } from '../fakes/run-gateway.ts';
import { jsonError, newHome } from './cli.ts';

const ORDERS: TargetView = {
  name: 'orders-db',
  protocol: 'postgres',
  effects: ['read'],
  labels: {},
  database: 'orders',
};

describe('hoopctl run', () => {
  test('starts a TypeScript agent with endpoints, leaves stdout to it, and sums up on stderr', async (t) => {
    const { run, write } = await setUp(t);
    write(
      'agent.ts',
      'const url: string = process.env.DATABASE_URL ?? "none";\nconsole.log(url.replace(/:[^:@]+@/, ":SECRET@").replace(/\\d+\\//, "PORT/"), process.argv.slice(2));',
    );
    const ended = await run(['run', 'agent.ts', '--flag', 'x']);
    assert.equal(ended.code, 0);
    assert.equal(ended.stdout, "postgres://run:SECRET@127.0.0.1:PORT/orders [ '--flag', 'x' ]\n");
    assert.match(ended.stderr, /^hoopctl: run run_\w+ on orders-db: 3 commands, 1 refused, 0 held, 7 masked cells$/m);
    assert.match(ended.stderr, /^hoopctl: replay orders-db: hoopctl sessions replay ses_1$/m);
  });

  test("ends with the agent's own exit code, or 128 and its signal", async (t) => {
    const { run } = await setUp(t);
    assert.equal((await run(['run', '--', 'sh', '-c', 'exit 42'])).code, 42);
    assert.equal((await run(['run', '--', 'sh', '-c', 'kill -KILL $$'])).code, 137);
  });

  test('keeps the login and other credentials from the agent, and names what was not passed', async (t) => {
    const { run } = await setUp(t);
    const ended = await run(['run', '--env', 'WANTED', '--', 'env'], {
      env: { WANTED: 'yes', PGPASSWORD: 'canary-1', OPENAI_API_KEY: 'canary-2' },
    });
    assert.match(ended.stdout, /^WANTED=yes$/m);
    assert.doesNotMatch(ended.stdout, /canary|user-token/);
    assert.match(
      ended.stderr,
      /^hoopctl: \d+ variables not passed: HOOPCTL_PASSPHRASE, HOOPCTL_TOKEN, HOOPCTL_TOKEN_STORE, OPENAI_API_KEY, /m,
    );
  });

  test('passes a signal on, and ends with what the agent makes of it', async (t) => {
    const { home, env } = await setUp(t);
    const child = home.start(
      ['run', '--', 'sh', '-c', "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"],
      { env },
    );
    await child.says('ready');
    child.kill('SIGTERM');
    assert.equal((await child.ended).code, 9);
  });

  test('takes command, agent, targets and variables from hoop.yaml', async (t) => {
    const { run, write, gateway } = await setUp(t);
    gateway.targets = [ORDERS, { ...ORDERS, name: 'stock-db' }];
    write(
      'hoop.yaml',
      'agent: weekly-report\npurpose: a test\ncommand: [agent.mjs, x]\nenv: [REPORT_TZ]\ntargets:\n  stock-db: { env: { STOCK_URL: url } }\n',
    );
    write(
      'agent.mjs',
      'console.log(process.argv[2], process.env.REPORT_TZ, process.env.STOCK_URL === process.env.DATABASE_URL);',
    );
    const ended = await run(['run'], { env: { REPORT_TZ: 'CET' } });
    assert.equal(ended.stdout, 'x CET true\n');
    const { agent, purpose, targets } = gateway.runs[0]?.request ?? {};
    assert.deepEqual(
      { agent, purpose, targets: targets?.map(({ name }) => name) },
      { agent: 'weekly-report', purpose: 'a test', targets: ['stock-db'] },
    );
  });

  test('names a run after its script where nothing else names it', async (t) => {
    const { run, write, gateway } = await setUp(t);
    write('my report.mjs', '');
    await run(['run', 'my report.mjs']);
    assert.equal(gateway.runs[0]?.request.agent, 'my-report');
  });

  test('with --dry-run opens nothing', async (t) => {
    const { run, gateway, write } = await setUp(t);
    write('agent.mjs', '');
    const ended = await run(['run', '--dry-run', '--json', 'agent.mjs']);
    const plan = JSON.parse(ended.stdout);
    assert.deepEqual(
      plan.targets.map(({ name }: TargetView) => name),
      ['orders-db'],
    );
    assert.ok(plan.environment.includes('PGPASSWORD'));
    assert.equal(gateway.runs.length, 0);
  });

  test('says before the agent starts what is wrong, with the exit code of a shell', async (t) => {
    const { run, write, home } = await setUp(t);
    write('plain.txt', '');
    for (const [args, code, exit] of [
      [['run', 'missing.ts'], 127, 127],
      [['run', 'plain.txt'], 126, 126],
      [['run', '--', 'no-such-command'], 127, 127],
      [['run', '--target', 'order-db', '--', 'true'], 125, 4],
      [['run', '--sandbox', '--', 'true'], 2, 2],
      [['run', '-i', '--', 'true'], 2, 2],
      [['run', '--env', 'LD_PRELOAD', '--', 'true'], 2, 2],
      [['run'], 2, 2],
    ] as const) {
      const ended = await run(['--json', ...args]);
      assert.deepEqual([ended.code, jsonError(ended).exit], [code, exit], args.join(' '));
    }
    const away = await home.run(['run', '--gateway', 'http://127.0.0.1:1', '--json', '--', 'true'], {
      env: { HOOPCTL_TOKEN: 'x' },
    });
    assert.deepEqual([away.code, jsonError(away).exit], [125, 6]);
  });

  test('ends with 7 when it is revoked', async (t) => {
    const { home, env, gateway } = await setUp(t);
    const child = home.start(['run', '--', 'sh', '-c', "trap '' TERM; echo ready; while :; do sleep 0.05; done"], {
      env,
    });
    await child.says('ready');
    await gateway.until(() => gateway.runs[0]?.streams === 1);
    gateway.revoke();
    const ended = await child.ended;
    assert.equal(ended.code, 7);
    assert.match(ended.stderr, /error: access was revoked: lost laptop \[HOOP_REVOKED\]/);
  });
});

describe('within a run', () => {
  test('the secrets of open tunnels are not told', async (t) => {
    const { run } = await setUp(t);
    for (const args of [
      ['env', 'orders-db'],
      ['url', 'orders-db'],
    ]) {
      const ended = await run(['--json', ...args], { env: { HOOP_RUN_ID: 'run_1' } });
      assert.deepEqual([ended.code, jsonError(ended).code], [3, 'LOGIN_IN_RUN']);
    }
  });
});

describe('hoopctl tunnel', () => {
  test('opens a door, and closes it at Ctrl-C', async (t) => {
    const { home, env, gateway } = await setUp(t);
    const child = home.start(['tunnel', 'orders-db'], { env });
    const said = await child.says(/orders-db {2}127\.0\.0\.1:\d+\n/);
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(said)?.[1]);
    child.kill('SIGINT');
    assert.equal((await child.ended).code, 130);
    assert.equal(gateway.runs[0]?.state, 'ended');
    await assert.rejects(text(connect(port, '127.0.0.1')), { code: 'ECONNREFUSED' });
  });

  test('in the background stays open, is listed, tells its URL and variables, and is stopped', {
    timeout: 120_000,
  }, async (t) => {
    const { run, gateway } = await setUp(t);
    const opened = await run(['tunnel', 'orders-db', '--background', '--json']);
    assert.equal(opened.code, 0, opened.stderr);
    const pid = Number(/process (\d+) holds/.exec(opened.stderr)?.[1]);
    t.after(() => endIfAlive(pid));
    const door = JSON.parse(opened.stdout);
    assert.deepEqual(
      { ...door, port: 0 },
      { target: 'orders-db', protocol: 'postgres', host: '127.0.0.1', port: 0, user: 'run', database: 'orders' },
    );

    const listed = JSON.parse((await run(['tunnel', 'list', '--json'])).stdout);
    assert.deepEqual(
      [listed.target, listed.port, listed.state, listed.gateway],
      ['orders-db', door.port, 'live', gateway.url],
    );

    const { stdout: url } = await run(['url', 'orders-db']);
    assert.match(url, new RegExp(`^postgres://run:[\\w-]{43}@127\\.0\\.0\\.1:${door.port}/orders\\n$`));
    assert.match((await run(['url', 'orders-db', '--jdbc'])).stdout, /^jdbc:postgresql:/);
    const variables = JSON.parse((await run(['env', 'orders-db', '--format', 'json'])).stdout);
    assert.equal(`${variables.DATABASE_URL}\n`, url);
    assert.match((await run(['env', 'orders-db'])).stdout, /^export PGHOST='127\.0\.0\.1'$/m);
    assert.match((await run(['env', 'orders-db', '--format', 'dotenv'])).stdout, /^PGHOST='127\.0\.0\.1'$/m);

    const stopped = await run(['tunnel', 'stop', 'orders-db']);
    assert.equal(stopped.stdout, 'closed orders-db\n');
    await gateway.until(() => gateway.runs[0]?.state === 'ended');
    assert.equal((await run(['tunnel', 'list', '--json'])).stdout, '');
    const missing = await run(['url', 'orders-db', '--json']);
    assert.deepEqual([missing.code, jsonError(missing).code], [1, 'TUNNEL_NOT_OPEN']);
  });

  test('in the background fails as it does in front', async (t) => {
    const { run } = await setUp(t);
    const ended = await run(['tunnel', 'order-db', '--background', '--json']);
    assert.deepEqual([ended.code, jsonError(ended).code], [4, 'TARGET_UNKNOWN']);
  });
});

describe('hoopctl exec', () => {
  test('needs a text, once', async (t) => {
    const { run, write } = await setUp(t);
    write('a.sql', 'select 1');
    for (const args of [
      ['exec', 'orders-db', '--file', 'a.sql', '--', 'select 1'],
      ['exec', 'orders-db', '--', ' '],
    ]) {
      const ended = await run(['--json', ...args]);
      assert.deepEqual([ended.code, jsonError(ended).code], [2, 'USAGE']);
    }
    const missing = await run(['--json', 'exec', 'orders-db', '--file', 'b.sql']);
    assert.deepEqual([missing.code, jsonError(missing).code], [2, 'FILE_UNREADABLE']);
  });
});

describe('hoopctl connect', () => {
  test('starts psql of the PATH on its own door, without what would lead it elsewhere', async (t) => {
    const { run, write, dir } = await setUp(t);
    write('bin/psql', '#!/bin/sh\necho "psql $* $PGHOST $PGUSER $PGDATABASE ${#PGPASSWORD} $PGHOSTADDR"\nexit 5\n');
    chmodSync(join(dir, 'bin/psql'), 0o755);
    const ended = await run(['connect', 'orders-db', '--', '-c', 'select 1'], {
      env: { PATH: `${join(dir, 'bin')}:${process.env['PATH']}`, PGHOSTADDR: '10.0.0.1' },
    });
    assert.equal(ended.stdout, 'psql -c select 1 127.0.0.1 run orders 43 \n');
    assert.equal(ended.code, 5);
  });
});

function endIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended as it was told.
  }
}

async function setUp(t: TestContext) {
  const gateway = await startRunGateway(t);
  gateway.targets = [ORDERS];
  const home = newHome(t);
  const env = { HOOPCTL_GATEWAY: gateway.url, HOOPCTL_TOKEN: 'user-token' };
  const run: typeof home.run = (args, extra = {}) => home.run(args, { ...extra, env: { ...env, ...extra.env } });
  const write = (name: string, content: string) => {
    const file = join(home.dir, name);
    if (!existsSync(join(file, '..'))) mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, content);
  };
  return {
    gateway,
    home,
    env,
    run,
    write,
    dir: home.dir,
    read: (name: string) => readFileSync(join(home.dir, name), 'utf8'),
  };
}

import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { existsSync, readFileSync, statSync, watch, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { type AgentRun, planRun, runAgent } from '../../src/app/run.ts';
import type { RunReport } from '../../src/app/run-voice.ts';
import { systemClock } from '../../src/base/clock.ts';
import { HoopError } from '../../src/base/error.ts';
import { linesClients } from '../fakes/lines-client.ts';
import { temporaryFolder } from '../fakes/resources.ts';
import { ORDERS, STOCK, startRunGateway } from '../fakes/run-gateway.ts';

describe("an agent's run", () => {
  test('gives it endpoints and what describes them, and no credential of the launching shell', async (t) => {
    const { start, folder, gateway } = await setUp(t);
    const { exit } = await start('env > env; cat "$HOOP_CONTEXT_FILE" > context', {
      env: {
        PATH: process.env['PATH'],
        PGPASSWORD: 'canary-1',
        HOOPCTL_TOKEN: 'canary-2',
        DATABASE_URL: 'postgres://u:canary-3@db',
      },
      agent: 'report',
      purpose: 'testing',
    });
    assert.equal(exit, 0);
    const env = readEnv(join(folder, 'env'));
    assert.equal(env['HOOP_RUN_ID'], gateway.runs[0]?.id);
    assert.equal(env['HOOP_AGENT'], 'dana@example.test/report');
    assert.match(env['HOOP_ORDERS_DB_URL'] ?? '', /^lines:\/\/run:[\w-]{43}@127\.0\.0\.1:\d+\/orders$/);
    assert.equal(env['LINES_URL'], env['HOOP_ORDERS_DB_URL']);
    assert.match(env['TRACEPARENT'] ?? '', /^00-/);
    assert.deepEqual(JSON.parse(env['HOOP_TARGETS'] ?? ''), [
      {
        name: 'orders-db',
        protocol: 'lines',
        effects: ['read', 'delete'],
        variables: ['HOOP_ORDERS_DB_URL', 'HOOP_ORDERS_DB_PORT', 'HOOP_ORDERS_DB_PASSWORD', 'LINES_URL', 'LINES_PORT'],
      },
    ]);
    assert.match(readFileSync(join(folder, 'context'), 'utf8'), /orders-db/);
    assert.doesNotMatch(readFileSync(join(folder, 'env'), 'utf8'), /canary/);
  });

  test('tells the gateway of each secret only what verifies it', async (t) => {
    const { start, folder, gateway } = await setUp(t);
    await start('env > env');
    const env = readEnv(join(folder, 'env'));
    const sent = JSON.stringify(gateway.runs[0]?.request);
    assert.ok(env['HOOP_ORDERS_DB_PASSWORD']);
    assert.ok(!sent.includes(env['HOOP_ORDERS_DB_PASSWORD']));
    assert.deepEqual(
      gateway.runs[0]?.request.targets.map(({ verifier }) => verifier.kind),
      ['sha-256'],
    );
    assert.ok(
      !readFileSync(join(folder, 'env'), 'utf8').includes(gateway.runs[0]?.token ?? ''),
      'the run token stays with hoopctl',
    );
  });

  test('opens no session before the agent connects', async (t) => {
    const { start, folder, gateway } = await setUp(t);
    const running = start('echo x > ready; read line');
    await fileIn(folder, 'ready');
    assert.equal(gateway.runs[0]?.tunnels.size, 0);
    gateway.revoke();
    await running;
  });

  test('reaches the target through its door, and only with the secret', async (t) => {
    const { start, folder } = await setUp(t);
    const running = start('env > env; mv env env.done; while ! [ -e finish ]; do sleep 0.02; done');
    await fileIn(folder, 'env.done');
    const env = readEnv(join(folder, 'env.done'));
    const port = Number(env['HOOP_ORDERS_DB_PORT']);
    const right = connect(port, '127.0.0.1');
    right.end(`${env['HOOP_ORDERS_DB_PASSWORD']}\nselect 1\n`);
    assert.equal(await text(right), 'welcome\nselect 1\n');
    const wrong = connect(port, '127.0.0.1');
    wrong.write('guess\nselect 1\n');
    await assert.rejects(text(wrong), { code: 'ECONNRESET' });
    writeFileSync(join(folder, 'finish'), '');
    assert.equal((await running).exit, 0);
    const late = connect(port, '127.0.0.1');
    await assert.rejects(text(late), { code: 'ECONNREFUSED' });
  });

  test('ends with its own exit code, ends the run at the gateway, and sums up', async (t) => {
    const { start, gateway } = await setUp(t);
    const { exit, report } = await start('exit 42');
    assert.equal(exit, 42);
    assert.equal(gateway.runs[0]?.state, 'ended');
    assert.deepEqual(report, {
      run: gateway.runs[0]?.id,
      exit: 42,
      targets: ['orders-db'],
      sessions: [{ id: 'ses_1', target: 'orders-db' }],
      commands: 3,
      refused: 1,
      held: 0,
      maskedCells: 7,
    });
  });

  test('leaves no file behind', async (t) => {
    const { start, folder, runtime } = await setUp(t);
    await start('echo "$HOOP_CONTEXT_FILE" > where; stat -c %a "$HOOP_CONTEXT_FILE" > mode');
    const where = readFileSync(join(folder, 'where'), 'utf8').trim();
    assert.ok(where.startsWith(runtime));
    assert.equal(readFileSync(join(folder, 'mode'), 'utf8').trim(), '600');
    assert.equal(existsSync(where), false);
    assert.equal(existsSync(join(where, '..')), false);
  });
});

describe('when a run is over before its agent', () => {
  test('revoked, the agent is killed at once, and hoopctl ends with 7', async (t) => {
    const { start, folder, gateway } = await setUp(t);
    const running = start("trap '' TERM INT; echo $$ > ready; while :; do sleep 0.02; done");
    const pid = Number(await fileIn(folder, 'ready'));
    gateway.revoke();
    const { exit, report } = await running;
    assert.equal(exit, 7);
    assert.equal(report?.ended?.code, 'HOOP_REVOKED');
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  });

  test('revoked, though the agent noticed first and ended by itself, hoopctl ends with 7', async (t) => {
    const { start, folder, gateway } = await setUp(t);
    const running = start('echo x > ready; while ! [ -e gone ]; do sleep 0.02; done; exit 3');
    await fileIn(folder, 'ready');
    const [run] = gateway.runs;
    assert.ok(run);
    run.state = 'revoked';
    writeFileSync(join(folder, 'gone'), '');
    const { exit } = await running;
    assert.equal(exit, 7);
  });

  test('at a limit the agent is told to end, and hoopctl ends with 9', async (t) => {
    const { start, folder, gateway } = await setUp(t);
    const running = start("trap 'echo x > cleaned; exit 0' TERM; echo x > ready; while :; do sleep 0.02; done");
    await fileIn(folder, 'ready');
    await gateway.until(() => gateway.runs[0]?.streams === 1);
    gateway.tell({ type: 'run.ended', state: 'ended', reason: 'its time was over', exit: 9 });
    assert.equal((await running).exit, 9);
    assert.ok(existsSync(join(folder, 'cleaned')));
  });
});

test('told to stop before there is an agent, it starts nothing and ends with 130', async (t) => {
  const { start, folder, gateway } = await setUp(t);
  const signals = new EventEmitter();
  const starting = start('echo x > started', { signals });
  // The run exists, and hoopctl does not know it yet.
  await gateway.until(() => gateway.runs.length === 1);
  signals.emit('SIGINT');
  await assert.rejects(starting, (error) => error instanceof HoopError && error.exit === 130);
  assert.equal(existsSync(join(folder, 'started')), false);
  assert.deepEqual(signals.eventNames(), []);
});

describe('what a run says', () => {
  test('names what was not passed, and a .env that holds a credential', async (t) => {
    const { start, folder } = await setUp(t);
    writeFileSync(join(folder, '.env'), 'DATABASE_URL=postgres://admin:pw@db/orders\n');
    const { said } = await start('exit 0', { env: { PATH: process.env['PATH'], OPENAI_API_KEY: 'x', ZED: 'y' } });
    assert.deepEqual(said, [
      `warn: .env in ${folder} holds what looks like a target's credential (DATABASE_URL); an agent that loads it goes around the gateway`,
      'notice: 3 variables not passed: OPENAI_API_KEY, XDG_RUNTIME_DIR, ZED (--env NAME)',
    ]);
  });

  test('tells of a hold with what to do, and writes it to the events file', async (t) => {
    const { start, folder, gateway } = await setUp(t);
    const eventsFile = join(folder, 'events');
    const running = start('echo x > ready; while ! [ -e finish ]; do sleep 0.02; done', { eventsFile });
    await fileIn(folder, 'ready');
    const [run] = gateway.runs;
    await gateway.until(() => run?.streams === 1);
    gateway.tell({
      type: 'held',
      approval: 'apr_1',
      link: 'https://gw/approvals/apr_1',
      rule: 'deletes',
      session: 'ses_1',
      target: 'orders-db',
      within: 1,
      wait: 2,
    });
    await fileWith(eventsFile, '"held"');
    writeFileSync(join(folder, 'finish'), '');
    const { said } = await running;
    assert.ok(
      said.includes(
        'notice: held by deletes on orders-db: approve or deny at https://gw/approvals/apr_1 (hoopctl approve apr_1)',
      ),
    );
    const events = readFileSync(eventsFile, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      events.map(({ type }) => type),
      ['ready', 'held', 'run.ended'],
    );
    assert.deepEqual({ ...events[2], at: '' }, { at: '', type: 'run.ended', run: run?.id, why: 'finished', exit: 0 });
    assert.equal(statSync(eventsFile).mode & 0o777, 0o600);
  });

  test('while the agent owns the terminal is a bell for what waits, and nothing else', async (t) => {
    const { start, folder, gateway } = await setUp(t);
    const running = start('echo x > ready; while ! [ -e finish ]; do sleep 0.02; done', { terminal: true });
    await fileIn(folder, 'ready');
    const [run] = gateway.runs;
    await gateway.until(() => run?.streams === 1);
    gateway.tell({ type: 'refused', session: 'ses_1', target: 'orders-db', code: 'HOOP_DENIED', message: 'no' });
    gateway.tell({
      type: 'held',
      approval: 'apr_1',
      link: 'x',
      rule: 'r',
      session: 's',
      target: 'orders-db',
      within: 1,
      wait: 2,
    });
    writeFileSync(join(folder, 'finish'), '');
    const { said, report } = await running;
    assert.deepEqual(
      said.filter((line) => !line.startsWith('notice: 1 variable')),
      ['bell'],
    );
    // The gateway's own count, which knows more than what was seen here.
    assert.deepEqual([report?.refused, report?.held], [1, 0]);
  });
});

describe('the targets of a run', () => {
  test('are those that are named; an unknown one is refused with what was meant', async (t) => {
    const { start, gateway } = await setUp(t);
    gateway.targets = [ORDERS, STOCK];
    await start('exit 0', { targets: ['stock-db'] });
    assert.deepEqual(
      gateway.runs[0]?.request.targets.map(({ name }) => name),
      ['stock-db'],
    );
    await assert.rejects(start('exit 0', { targets: ['stok-db'] }), {
      code: 'TARGET_UNKNOWN',
      exit: 4,
      hint: 'did you mean "stock-db"?',
    });
    assert.equal(gateway.runs.length, 1);
  });

  test('of the same protocol share the usual names by what hoop.yaml maps', async (t) => {
    const { start, folder, gateway } = await setUp(t);
    gateway.targets = [ORDERS, STOCK];
    await start('env > env', { mappings: { 'stock-db': { LINES_URL: 'url', STOCK: 'jdbc' } } });
    const env = readEnv(join(folder, 'env'));
    assert.equal(env['LINES_URL'], env['HOOP_STOCK_DB_URL']);
    assert.equal(env['LINES_PORT'], env['HOOP_STOCK_DB_PORT']);
    assert.equal(env['STOCK'], `jdbc:${env['HOOP_STOCK_DB_URL']}`);
    assert.deepEqual(Object.keys(env).filter((name) => name.startsWith('HOOP_ORDERS')).length, 3);
  });

  test('that hoop.yaml maps to one name are refused before a run exists', async (t) => {
    const { start, gateway } = await setUp(t);
    gateway.targets = [ORDERS, STOCK];
    const mappings = { 'stock-db': { DB: 'url' }, 'orders-db': { DB: 'url' } } as const;
    await assert.rejects(start('exit 0', { mappings }), { code: 'VARIABLE_TWICE', exit: 2 });
    assert.equal(gateway.runs.length, 0);
  });
});

test('a dry run shows names and targets, and opens nothing', async (t) => {
  const { options, gateway, gear } = await setUp(t);
  const plan = await planRun(gear, { ...options('exit 1'), env: { PATH: '/bin', OTHER: 'x' } });
  assert.deepEqual(plan.environment, [
    'HOOP_AGENT',
    'HOOP_CONTEXT_FILE',
    'HOOP_ORDERS_DB_PASSWORD',
    'HOOP_ORDERS_DB_PORT',
    'HOOP_ORDERS_DB_URL',
    'HOOP_RUN_ID',
    'HOOP_TARGETS',
    'LINES_PORT',
    'LINES_URL',
    'PATH',
    'TRACEPARENT',
  ]);
  assert.deepEqual(
    plan.targets.map(({ name }) => name),
    ['orders-db'],
  );
  assert.deepEqual(plan.notPassed, ['OTHER']);
  assert.equal(gateway.runs.length, 0);
});

async function setUp(t: TestContext) {
  const gateway = await startRunGateway(t);
  const folder = temporaryFolder(t);
  const runtime = temporaryFolder(t);
  const gear = { client: gateway.client, clock: systemClock, clients: linesClients };
  const options = (script: string): AgentRun => ({
    program: { command: '/bin/sh', args: ['-c', script] },
    cwd: folder,
    env: { PATH: process.env['PATH'] },
    targets: [],
    mappings: {},
    pass: [],
    envFiles: [],
    project: folder,
    terminal: false,
    signals: new EventEmitter(),
  });
  const start = async (script: string, more: Partial<AgentRun> = {}) => {
    const said: string[] = [];
    let report: RunReport | undefined;
    const run = { ...options(script), ...more };
    const exit = await runAgent(
      gear,
      { ...run, env: { ...run.env, XDG_RUNTIME_DIR: runtime } },
      {
        notice: (line) => void said.push(`notice: ${line}`),
        warn: (line) => void said.push(`warn: ${line}`),
        bell: () => void said.push('bell'),
        summary: (it) => {
          report = it;
        },
      },
    );
    return { exit, said, report };
  };
  return { gateway, folder, runtime, gear, options, start };
}

function readEnv(file: string): Record<string, string> {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

async function fileIn(folder: string, name: string): Promise<string> {
  return fileWith(join(folder, name), '');
}

async function fileWith(file: string, part: string): Promise<string> {
  const watcher = watch(join(file, '..'));
  try {
    for (;;) {
      const content = existsSync(file) ? readFileSync(file, 'utf8') : '';
      if (content !== '' && content.includes(part)) return content;
      await once(watcher, 'change');
    }
  } finally {
    watcher.close();
  }
}

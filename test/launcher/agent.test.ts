import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { existsSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { HoopError } from '../../src/base/error.ts';
import { type Agent, type AgentOptions, exitCodeOf, startAgent } from '../../src/launcher/index.ts';
import { FakeClock } from '../fakes/clock.ts';
import { temporaryFolder } from '../fakes/resources.ts';

describe("an agent's end", () => {
  test('is its own exit code', async (t) => {
    const { agent } = await start(t, 'exit 42');
    assert.equal(exitCodeOf(await agent.ended), 42);
  });

  test('by a signal is 128 and the signal', async (t) => {
    const { agent } = await start(t, 'kill -TERM $$');
    assert.equal(exitCodeOf(await agent.ended), 143);
  });

  test('takes with it what it left in the background, in its group or out of it', async (t) => {
    const script = `
      sh -c 'echo $$ > in-group; exec sleep 1000' &
      setsid sh -c 'echo $$ > own-session; exec sleep 1000' &
      while ! [ -s in-group ] || ! [ -s own-session ]; do sleep 0.02; done
      echo $$ > done`;
    const { agent, folder } = await start(t, script);
    await agent.ended;
    for (const file of ['in-group', 'own-session']) assert.equal(isAlive(pidIn(folder, file)), false, file);
  });
});

describe('stopping an agent', () => {
  test('now kills all of it, whatever it ignores', async (t) => {
    const script = `
      trap '' TERM INT HUP
      setsid sh -c 'trap "" TERM; echo $$ > child; while :; do sleep 0.1; done' &
      while ! [ -s child ]; do sleep 0.02; done
      echo $$ > ready; while :; do sleep 0.1; done`;
    const { agent, folder } = await start(t, script);
    await fileIn(folder, 'ready');
    agent.stop('now');
    assert.deepEqual(await agent.ended, { kind: 'signalled', signal: 'SIGKILL' });
    assert.equal(isAlive(pidIn(folder, 'child')), false);
  });

  test('gently lets it clean up', async (t) => {
    const { agent, folder } = await start(
      t,
      "trap 'echo x > cleaned; exit 3' TERM; echo x > ready; while :; do sleep 0.02; done",
    );
    await fileIn(folder, 'ready');
    agent.stop('gently');
    assert.equal(exitCodeOf(await agent.ended), 3);
    assert.ok(existsSync(join(folder, 'cleaned')));
  });

  test('gently kills it when it does not end within ten seconds', async (t) => {
    const clock = new FakeClock();
    const { agent, folder } = await start(t, "trap '' TERM; echo x > ready; while :; do sleep 0.02; done", { clock });
    await fileIn(folder, 'ready');
    agent.stop('gently');
    await clock.advance(10_000);
    assert.deepEqual(await agent.ended, { kind: 'signalled', signal: 'SIGKILL' });
  });
});

describe('a signal to hoopctl', () => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGQUIT'] as const) {
    test(`reaches the agent: ${signal}`, async (t) => {
      const name = signal.slice(3);
      const { agent, folder, signals } = await start(
        t,
        `trap 'exit 77' ${name}; echo x > ready; while :; do sleep 0.02; done`,
      );
      await fileIn(folder, 'ready');
      signals.emit(signal);
      assert.equal(exitCodeOf(await agent.ended), 77);
    });
  }

  test('Ctrl-C becomes firmer each time it is pressed', async (t) => {
    const script = "trap 'echo x > int' INT; trap 'echo x > term' TERM; echo x > ready; while :; do sleep 0.02; done";
    const { agent, folder, signals } = await start(t, script);
    await fileIn(folder, 'ready');
    signals.emit('SIGINT');
    await fileIn(folder, 'int');
    signals.emit('SIGINT');
    await fileIn(folder, 'term');
    signals.emit('SIGINT');
    assert.deepEqual(await agent.ended, { kind: 'signalled', signal: 'SIGKILL' });
  });

  test('to end is not waited for longer than ten seconds', async (t) => {
    const clock = new FakeClock();
    const { agent, folder, signals } = await start(t, "trap '' TERM; echo x > ready; while :; do sleep 0.02; done", {
      clock,
    });
    await fileIn(folder, 'ready');
    signals.emit('SIGTERM');
    await clock.advance(10_000);
    assert.deepEqual(await agent.ended, { kind: 'signalled', signal: 'SIGKILL' });
  });

  test('is heard by nobody any more once the agent has ended', async (t) => {
    const { agent, signals } = await start(t, 'exit 0');
    await agent.ended;
    assert.deepEqual(signals.eventNames(), []);
  });
});

describe('an agent in a group of its own', () => {
  test('leads it, without a controlling terminal', async (t) => {
    const { agent, folder } = await start(t, 'cat /proc/$$/stat > stat');
    await agent.ended;
    // proc(5): pid (comm) state ppid pgrp session tty_nr
    const [, pid, group, session, terminal] =
      /^(\d+) \(.*\) \w \d+ (\d+) (\d+) (\d+)/.exec(readFileSync(join(folder, 'stat'), 'utf8')) ?? [];
    assert.deepEqual([group, session, terminal], [pid, pid, '0']);
  });
});

test('a program that cannot be executed ends as a shell would say it', async (t) => {
  const missing = start(t, '', { program: { command: '/nowhere/agent', args: [] } });
  await assert.rejects(missing, (error) => error instanceof HoopError && error.exit === 127);
  const folder = start(t, '', { program: { command: '/tmp', args: [] } });
  await assert.rejects(folder, (error) => error instanceof HoopError && error.exit === 126);
});

test('the agent gets its own environment alone', async (t) => {
  const { agent, folder } = await start(t, 'env > env');
  await agent.ended;
  const names = readFileSync(join(folder, 'env'), 'utf8')
    .split('\n')
    .map((line) => line.split('=')[0]);
  // PWD, SHLVL and _ are what sh itself adds.
  assert.deepEqual(names.filter((name) => name && !['PWD', 'SHLVL', '_', 'OLDPWD'].includes(name)).sort(), [
    'HOOP_RUN_ID',
    'PATH',
  ]);
});

let runs = 0;
async function start(
  t: TestContext,
  script: string,
  more: Partial<AgentOptions> = {},
): Promise<{ agent: Agent; folder: string; signals: EventEmitter }> {
  const folder = temporaryFolder(t);
  const signals = new EventEmitter();
  const run = `run_test_${process.pid}_${++runs}`;
  const agent = await startAgent({
    program: { command: '/bin/sh', args: ['-c', script] },
    env: { PATH: process.env['PATH'] ?? '', HOOP_RUN_ID: run },
    cwd: folder,
    run,
    terminal: false,
    clock: new FakeClock(),
    signals,
    ...more,
  });
  t.after(() => agent.stop('now'));
  return { agent, folder, signals };
}

async function fileIn(folder: string, name: string): Promise<void> {
  const watcher = watch(folder);
  try {
    while (!existsSync(join(folder, name))) await once(watcher, 'change');
  } finally {
    watcher.close();
  }
}

function pidIn(folder: string, file: string): number {
  return Number(readFileSync(join(folder, file), 'utf8'));
}

function isAlive(pid: number): boolean {
  try {
    // A zombie that nobody has reaped yet has no memory and no files any more.
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Reading what happened at a real gateway: found while it happens, found again after the store lost it, handed over as a bundle that proves itself. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { SessionView } from '../../src/api/shapes.ts';
import { newHome } from '../cli/cli.ts';
import { type Stack, startStack } from '../fakes/stack.ts';
import { connected, until } from './clients.ts';

let stack: Stack;
before(async () => {
  stack = await startStack();
});
after(() => stack[Symbol.asyncDispose]());

async function asked(who: 'dana' | 'riley', ...statements: readonly string[]): Promise<void> {
  await using run = await stack.run(who);
  await using client = await connected(run);
  for (const statement of statements) await client.query(statement).catch(() => {});
  await client.end();
  await run.event('session.closed');
}

async function found(who: 'dana' | 'riley', filter: object): Promise<readonly SessionView[]> {
  return (await stack.client(who)).sessions(filter);
}

/** The index is a little behind. */
async function soon(filter: object, count: number): Promise<readonly SessionView[]> {
  return until(`${count} sessions are found`, async () => {
    const sessions = await found('riley', filter);
    return sessions.length === count && sessions;
  });
}

test('a session is found by what it said and touched, by those who may read it', async () => {
  await asked('dana', 'SELECT id FROM orders LIMIT 1', 'DROP TABLE orders');
  const [session] = await soon(
    { text: 'drop table', verdict: 'denied', table: 'public.orders', user: 'dana@example.test' },
    1,
  );
  assert.equal(session?.principal, 'dana@example.test');
  assert.equal((await found('dana', { text: 'drop table' })).length, 1);
});

test('sessions that a crash of the machine took from the store come back from their recordings', async () => {
  const name = (await readdir(stack.gatewayFolder, { recursive: true })).find((path) => path.endsWith('.db'));
  const store = join(stack.gatewayFolder, name ?? 'there is none');
  await stack.gateway.stop();
  // What was on the disk when the power went: all of the store but its last writes.
  await cp(store, `${store}.before`);
  await stack.start();
  await asked('dana', "SELECT 'only in the recording'", 'SELECT id FROM orders LIMIT 2');
  await soon({ text: 'only in the recording' }, 1);
  const [known] = await found('riley', { limit: 1 });
  await stack.gateway.stop();
  for (const rest of ['-wal', '-shm']) await rm(store + rest, { force: true });
  await cp(`${store}.before`, store);
  await stack.start();
  assert.deepEqual(await found('riley', { text: 'only in the recording' }), []);

  const steps = await Array.fromAsync((await stack.client('riley')).reindexSessions());
  assert.equal(steps.at(-1)?.restored, 1);
  const [back] = await found('riley', { text: 'only in the recording', table: 'orders', user: 'dana@example.test' });
  const { openedAt, closedAt, ...rest } = known as SessionView;
  const { openedAt: openedAgain, closedAt: closedAgain, ...again } = back as SessionView;
  assert.deepEqual(again, rest);
  // The recording writes its own times.
  assert.ok(Math.abs(Date.parse(openedAgain) - Date.parse(openedAt)) < 10_000);
  assert.ok(Math.abs(Date.parse(closedAgain ?? '') - Date.parse(closedAt ?? '')) < 10_000);
  assert.equal((await found('dana', { text: 'only in the recording' })).length, 1);
});

test('a bundle verifies with nothing but itself and the key, and shows whose the other sessions are', async (t) => {
  const home = newHome(t);
  const folder = await mkdtemp(join(tmpdir(), 'hoopctl-reading-'));
  t.after(() => rm(folder, { recursive: true }));
  const env = { HOOPCTL_GATEWAY: stack.gateway.url, HOOPCTL_TOKEN: await stack.token('riley') };
  const words = ['--user', 'dana@example.test', '--text', 'only in the recording', '--format', 'bundle', '--complete'];
  const made = await home.run(['sessions', 'export', ...words, '--out', join(folder, 'bundle.tar')], { env });
  assert.equal(made.code, 0, made.stderr);
  const opened = join(folder, 'opened');
  await mkdir(opened);
  assert.equal(spawnSync('tar', ['xf', join(folder, 'bundle.tar'), '-C', opened]).status, 0);
  const verify = (...more: string[]) =>
    home.run(['audit', 'verify', join(opened, 'recordings'), '--key', join(opened, 'key.pem'), ...more]);
  assert.equal((await verify()).code, 0);
  const whole = await verify('--log', '--allow', 'missing');
  assert.equal(whole.code, 0, whole.stdout + whole.stderr);
  assert.equal((await verify('--log')).code, 8);
  const manifest = JSON.parse(await readFile(join(opened, 'manifest.json'), 'utf8'));
  assert.deepEqual([manifest.count, manifest.filter.user], [1, 'dana@example.test']);
  for (const { path, sha256 } of manifest.files)
    assert.equal(hash('sha256', await readFile(join(opened, path))), sha256, path);
  const others = (await readFile(join(opened, 'others.ndjson'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.ok(others.length > 0);
  for (const { line, first } of others) assert.equal(hash('sha256', line), first);
});

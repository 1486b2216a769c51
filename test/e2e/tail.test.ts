/** `sessions tail` beside a real session: what is done is seen as it is done, over the death of a gateway, until the session is over. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { newHome, type RunningCli } from '../cli/cli.ts';
import { type Stack, startStack } from '../fakes/stack.ts';
import { connected, sessionOf } from './clients.ts';

let stack: Stack;
before(async () => {
  stack = await startStack({ gateway: 'process' });
});
after(() => stack[Symbol.asyncDispose]());

async function follow(t: Parameters<typeof newHome>[0], args: readonly string[]): Promise<RunningCli> {
  const env = { HOOPCTL_GATEWAY: stack.gateway.url, HOOPCTL_TOKEN: await stack.token('dana') };
  return newHome(t).start(['sessions', 'tail', ...args], { env });
}

test('from now on, until its client ends it', async (t) => {
  await using run = await stack.run('dana');
  const client = await connected(run);
  await client.query('SELECT 1 AS before_it');
  const session = await sessionOf(stack, client);
  const tail = await follow(t, [session]);
  await tail.says(`following ${session}`);
  // It is following once it shows what is done; what it is asked first may come before that.
  const says = tail.says('beside_it').then(() => true);
  do await client.query('SELECT 2 AS beside_it');
  while (!(await Promise.race([says, setTimeout(200, false)])));
  await client.end();
  const { code, stdout } = await tail.ended;
  assert.equal(code, 0);
  assert.doesNotMatch(stdout, /before_it/);
  assert.match(stdout.trimEnd().split('\n').at(-1) ?? '', /closed {2}the session is closed$/);
});

test('from the start, as events, over a gateway that was killed: each once, up to its closing', async (t) => {
  await using run = await stack.run('dana');
  const client = await connected(run);
  client.on('error', () => {});
  await client.query('SELECT 3 AS first_of_all');
  const session = await sessionOf(stack, client);
  const tail = await follow(t, [session, '--from-start', '--json']);
  await tail.says('first_of_all');
  await stack.process.kill();
  await tail.says('"event":"reconnecting"');
  await stack.start();
  const { code, stdout, stderr } = await tail.ended;
  assert.equal(code, 0, stderr);
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    events.map(({ seq }) => seq),
    events.map((_, at) => at),
  );
  assert.deepEqual(events.findLast(({ type }) => type === 'session.closed').end, { kind: 'crashed' });
  const said = stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).event);
  assert.deepEqual(said, ['reconnecting', 'reconnected', 'ended']);
});

test('a session that is over already is said to be', async (t) => {
  await using run = await stack.run('dana');
  const client = await connected(run);
  const session = await sessionOf(stack, client);
  await client.end();
  const dana = await stack.client('dana');
  while ((await dana.session(session)).state === 'live') await new Promise((resolve) => setImmediate(resolve));
  const { code, stdout, stderr } = await (await follow(t, [session])).ended;
  assert.deepEqual([code, stdout, stderr], [0, '', 'hoopctl: the session is over\n']);
});

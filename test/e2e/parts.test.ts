/** A session that got long, at a real gateway: read, followed, exported and verified as one. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { newHome } from '../cli/cli.ts';
import { type Stack, startStack } from '../fakes/stack.ts';
import { connected, recorded, sessionOf } from './clients.ts';

let stack: Stack;
before(async () => {
  stack = await startStack({
    gatewayYaml: (yaml) => yaml.replace('durability:', 'rotate: { bytes: 64KiB }, durability:'),
  });
});
after(() => stack[Symbol.asyncDispose]());

const files = async (session: string) =>
  (await readdir(stack.recordings, { recursive: true })).filter((name) => name.includes(session)).sort();

test('it is replayed, followed, exported and verified over all its parts', async (t) => {
  const home = newHome(t);
  const env = { ...home.env, HOOPCTL_GATEWAY: stack.gateway.url, HOOPCTL_TOKEN: await stack.token('riley') };
  await using run = await stack.run('dana');
  const client = await connected(run);
  const session = await sessionOf(stack, client);
  const riley = await stack.client('riley');
  const followed: string[] = [];
  const following = (async () => {
    for await (const line of riley.sessionEvents(session)) followed.push(line);
  })();
  for (let i = 0; i < 120; i += 1) await client.query(`SELECT ${i} AS n, count(*) FROM orders`);
  await following;
  const live = await files(session);
  assert.ok(
    live.some((name) => name.includes(`${session}.2.ndjson`)),
    live.join(),
  );
  await client.end();
  for (let all = await files(session); all.some((name) => name.endsWith('.ndjson')); all = await files(session))
    await new Promise((done) => setTimeout(done, 20));

  const events = await recorded(stack, session);
  assert.deepEqual(
    events.map(({ seq }) => seq),
    [...events.keys()],
  );
  assert.ok(events.filter(({ type }) => type === 'session.continued').length >= 1);
  const said = await home.run(['sessions', 'replay', session, '--no-wait'], { env });
  assert.equal(said.code, 0, said.stderr);
  for (const i of [0, 119]) assert.match(said.stdout, new RegExp(`SELECT ${i} AS n`));

  const told = await home.run(['sessions', 'show', session, '--json'], { env });
  assert.equal(told.code, 0, told.stderr);
  const { commands } = JSON.parse(told.stdout) as { commands: number };
  assert.equal(commands, events.filter(({ type }) => type === 'verdict').length, told.stdout);
  assert.ok(commands >= 120);

  const out = join(home.dir, 'session.ndjson');
  const exported = await home.run(['sessions', 'export', session, '--format', 'ndjson', '--out', out], { env });
  assert.equal(exported.code, 0, exported.stderr);
  const key = join(stack.gatewayFolder, 'keys/recording.pub');
  const verified = await home.run(['audit', 'verify', stack.recordings, '--log', '--key', key, '--allow', 'open'], {
    env,
  });
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  const [first = ''] = (await files(session)).filter((name) => name.includes('.2.'));
  const part = await home.run(['audit', 'verify', join(stack.recordings, first), '--key', key], { env });
  assert.equal(part.code, 0, part.stdout + part.stderr);
  assert.match(part.stdout, /complete/);
});

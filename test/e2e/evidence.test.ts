/** The log of sessions of a real gateway: noted, fetched, verified, attacked, witnessed, and its key changed, all by the command line. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import pg from 'pg';
import { demoPolicyYaml } from '../../src/app/demo/files.ts';
import { type LogReport, verifyLogs, readPublicKeys } from '../../src/record/index.ts';
import { jsonError, newHome } from '../cli/cli.ts';
import { type FakeWitness, startWitness } from '../fakes/witness.ts';
import { type Stack, startStack } from '../fakes/stack.ts';
import { until } from '../fakes/until.ts';

const POLICY = demoPolicyYaml()
  .replace(/\nroles:[\s\S]*?(?=\n\S)/, '')
  .replace('version: 1\n', 'version: 1\nroles:\n  admin: { users: [riley@example.test] }\n');

let stack: Stack;
let witness: FakeWitness;
/** Who the gateway's log is signed by. */
let gateway: string;

before(async () => {
  witness = await startWitness();
  stack = await startStack({
    policy: POLICY,
    gatewayYaml: (yaml) =>
      yaml.replace('durability:', `log: { witness: [{ url: '${witness.url}', key: '${witness.key}' }] }, durability:`),
  });
  [gateway = ''] = readdirSync(join(stack.recordings, '.log'));
  witness.trust(`hoopctl/${gateway}`, readFileSync(join(stack.gatewayFolder, 'keys/recording.pub'), 'utf8'));
});
after(async () => {
  await stack[Symbol.asyncDispose]();
  await witness.close();
});

async function signedIn(t: TestContext, user: string) {
  const home = newHome(t);
  const key = join(stack.gatewayFolder, 'keys/recording.pub');
  const env = { HOOPCTL_GATEWAY: stack.gateway.url, HOOPCTL_TOKEN: await stack.token(user) };
  const run = (args: readonly string[], extra: Record<string, string> = {}) =>
    home.run(args, { env: { ...env, ...extra } });
  return { home, key, run };
}

async function session(): Promise<void> {
  await using run = await stack.run('dana');
  const client = new pg.Client(run.connection);
  await client.connect();
  await client.query('SELECT 1');
  await client.end();
}

/** The log's size is even with what was done once all sessions are sealed in it. */
async function sealed(): Promise<LogReport> {
  const keys = readPublicKeys(
    globSync(join(stack.gatewayFolder, 'keys/*.pub'))
      .map((file) => readFileSync(file, 'utf8'))
      .join(''),
  );
  return until('all sessions are sealed in the log', async () => {
    for await (const report of verifyLogs(stack.recordings, { keys, allowOpen: true })) {
      if (report.kind !== 'log') continue;
      const { leaves } = report;
      if (leaves['session.opened'] === leaves['session.sealed']) return report;
    }
    return undefined;
  });
}

function copyOfRecordings(t: TestContext): string {
  const copy = mkdtempSync(join(tmpdir(), 'hoop-evidence-'));
  t.after(() => rmSync(copy, { recursive: true, force: true }));
  cpSync(stack.recordings, copy, { recursive: true });
  return copy;
}

describe('the log of sessions', () => {
  test('is noted, verified with the folder and over the network, and continues what was noted', async (t) => {
    await session();
    await sealed();
    const { home, key, run } = await signedIn(t, 'riley');
    const noted = await run(['audit', 'checkpoint', '--key', key]);
    assert.equal(noted.code, 0, noted.stderr);
    assert.match(
      noted.stdout,
      /^hoopctl\/gw-[0-9a-f]{12}\n\d+\n[A-Za-z0-9+/]{43}=\n\n— hoopctl\/gw-[0-9a-f]{12} \S+\n/,
    );
    const note = join(home.dir, 'note');
    writeFileSync(note, noted.stdout);
    await session();
    await sealed();
    const verified = await run(['audit', 'verify', stack.recordings, '--log', '--since', note, '--key', key]);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    assert.match(verified.stdout, /complete {3}the log of gw-[0-9a-f]{12} {2}\d+ leaves, continues the \d+ noted/);
    assert.match(verified.stderr, /2 recordings and a log verified, 0 failed/);
    const remote = await run(['audit', 'verify', '--log', '--since', note, '--key', key, '--json']);
    assert.equal(remote.code, 0, remote.stderr);
    const [log] = remote.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual([log.kind, log.grade, log.gateway, log.since.length], ['log', 'complete', gateway, 1]);
    assert.equal(log.leaves['policy.inForce'], 1);
  });

  test('is read by those with a role, its head by everybody', async (t) => {
    const { key, run } = await signedIn(t, 'dana');
    assert.equal((await run(['audit', 'checkpoint', '--key', key])).code, 0);
    const ended = await run(['audit', 'verify', '--log', '--key', key, '--json']);
    assert.equal(jsonError(ended).code, 'FORBIDDEN');
  });

  test('says of one recording which leaves are its', async (t) => {
    const { key, run } = await signedIn(t, 'riley');
    const [file = ''] = globSync(join(stack.recordings, '*/*/*/*.ndjson.gz'));
    const ended = await run(['audit', 'verify', file, '--key', key]);
    assert.match(ended.stdout, /^complete .* events, leaf \d+ and \d+ of \d+ in the log of gw-/, ended.stderr);
  });

  test('tells of a recording that is gone, and of a log that was put back', async (t) => {
    const { home, key, run } = await signedIn(t, 'riley');
    const older = copyOfRecordings(t);
    await session();
    await sealed();
    const note = join(home.dir, 'note');
    writeFileSync(note, (await run(['audit', 'checkpoint', stack.recordings, '--key', key])).stdout);
    const copy = copyOfRecordings(t);
    const [gone = ''] = globSync(join(copy, '*/*/*/*.ndjson.gz'));
    rmSync(gone);
    const missing = await run(['audit', 'verify', copy, '--log', '--key', key]);
    assert.equal(missing.code, 8);
    assert.match(missing.stdout, /^missing /m);
    const alone = await run(['audit', 'verify', older, '--log', '--key', key]);
    assert.equal(alone.code, 0, alone.stdout);
    const back = await run(['audit', 'verify', older, '--log', '--since', note, '--key', key]);
    assert.equal(back.code, 8);
    assert.match(back.stdout, /an older copy was put back/);
  });
});

describe('hoopctl run --require-witness', () => {
  const AGENT = ['--', process.execPath, '-e', 'console.log("began")'];

  test('starts the agent once a witness has signed the log as it is', async (t) => {
    const { run } = await signedIn(t, 'dana');
    const ended = await run(['run', '--require-witness', '--witness-key', witness.key, ...AGENT]);
    assert.equal(ended.code, 0, ended.stderr);
    assert.equal(ended.stdout, 'began\n');
  });

  test('starts nothing when the witness it names has not signed', async (t) => {
    const { run } = await signedIn(t, 'dana');
    const other = await startWitness('witness.example/other');
    t.after(() => other.close());
    const ended = await run(['run', '--json', '--require-witness', '--witness-key', other.key, ...AGENT]);
    assert.equal(ended.code, 125);
    assert.equal(ended.stdout, '');
    assert.equal(jsonError(ended).code, 'WITNESS_MISSING');
  });

  test('the note a witness signed can be had', async (t) => {
    const { key, run } = await signedIn(t, 'dana');
    const ended = await run(['audit', 'checkpoint', '--witnessed', '--key', key]);
    assert.match(ended.stdout, /\n— witness\.example\/w1 \S+\n$/, ended.stderr);
  });
});

describe('the key that signs', () => {
  test('is changed by a restart, the old one vouching for it, and both are needed from then on', async (t) => {
    const { key, run } = await signedIn(t, 'riley');
    const old = join(mkdtempSync(join(tmpdir(), 'hoop-evidence-')), 'old.pub');
    t.after(() => rmSync(join(old, '..'), { recursive: true, force: true }));
    cpSync(key, old);
    const config = join(stack.gatewayFolder, 'gateway.yaml');
    const made = await run(['gateway', 'rotate-key', '--config', config, '--json'], { SHOP_PASSWORD: 'x' });
    assert.equal(made.code, 0, made.stderr);
    await stack.restart();
    assert.equal(existsSync(join(stack.gatewayFolder, 'keys/recording.key.next')), false);
    await session();
    const log = await sealed();
    assert.equal(log.leaves['key.rotated'], 1);
    const both = await run(['audit', 'verify', stack.recordings, '--log', '--key', old, '--key', key]);
    assert.equal(both.code, 0, both.stdout + both.stderr);
    const alone = await run(['audit', 'verify', stack.recordings, '--log', '--key', old]);
    assert.equal(alone.code, 8);
    const file = join(stack.gatewayFolder, 'keys', `recording-${JSON.parse(made.stdout).key}.pub`);
    assert.equal(existsSync(file), false);
    assert.equal(readPublicKeys(readFileSync(key, 'utf8')).has(JSON.parse(made.stdout).key), true);
  });
});

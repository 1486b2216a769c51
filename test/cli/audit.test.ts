/** Proving and replaying recordings from the command line: which key counts, how it ends, from a file and from a gateway. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { remember } from '../../src/app/known-gateways.ts';
import { bench, DAY, sealedSession } from '../record/workbench.ts';
import { sessionView, startApi } from './api.ts';
import { jsonError, newHome } from './cli.ts';

async function recorded(t: TestContext) {
  const at = bench();
  t.after(() => at[Symbol.dispose]());
  const recordings = await at.start();
  await sealedSession(recordings, 'whole');
  await recordings.close();
  const file = join(at.recordings, DAY, 'whole.ndjson.gz');
  return { at, file, key: join(at.keys, 'recording.pub'), home: newHome(t) };
}

function change(file: string): void {
  const text = gunzipSync(readFileSync(file)).toString('utf8');
  writeFileSync(file, gzipSync(text.replace('"rows":1', '"rows":2').replace('SELECT', 'SELECt')));
}

test('a whole recording is exit 0 with the key that was given', async (t) => {
  const { at, key, home } = await recorded(t);
  const ended = await home.run(['audit', 'verify', at.recordings, '--key', key]);
  assert.equal(ended.code, 0, ended.stderr);
  assert.match(ended.stdout, /^complete {3}\S+whole\.ndjson\.gz {2}\d+ events\n$/);
  assert.equal(ended.stderr, 'hoopctl: 1 verified, 0 failed\n');
});

test('a changed one is exit 8 and says where', async (t) => {
  const { at, file, key, home } = await recorded(t);
  change(file);
  const ended = await home.run(['audit', 'verify', at.recordings, '--key', key, '--json']);
  assert.equal(ended.code, 8);
  const [report, { summary }] = ended.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(report.grade, 'tampered');
  assert.deepEqual([summary.failed, summary.exit], [1, 8]);
});

test('without a key nothing is verified: exit 2, even beside the keys folder', async (t) => {
  const { at, home } = await recorded(t);
  const ended = await home.run(['audit', 'verify', at.recordings, '--json']);
  assert.equal(ended.code, 2);
  assert.equal(jsonError(ended).code, 'KEY_MISSING');
});

test('the key pinned at login is used when none is given, and is the one audit key prints', async (t) => {
  const { at, key, home } = await recorded(t);
  const pem = readFileSync(key, 'utf8');
  remember(join(home.dir, '.config', 'hoopctl'), { url: 'https://gw.example', evidenceKey: { id: 'k', pem } }, true);
  assert.equal((await home.run(['audit', 'verify', at.recordings])).code, 0);
  assert.equal((await home.run(['audit', 'key'])).stdout.trim(), pem.trim());
  assert.equal((await home.run(['audit', 'key', '--keys', at.keys])).stdout.trim(), pem.trim());
});

test("a session is fetched from its gateway and proven with the pinned key, not with the gateway's word", async (t) => {
  const { file, key, home } = await recorded(t);
  const api = await startApi(t);
  const lines = gunzipSync(readFileSync(file))
    .toString('utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  api.on('GET /v1/sessions/whole', { json: sessionView('x', { id: 'whole' }) });
  api.on('GET /v1/sessions/whole/events', { lines });
  const env = { HOOPCTL_GATEWAY: api.url, HOOPCTL_TOKEN: 'a.b.c' };
  assert.equal((await home.run(['audit', 'verify', '--session', 'whole', '--key', key], { env })).code, 0);
  assert.equal((await home.run(['audit', 'verify', '--session', 'whole'], { env })).code, 2);
  api.on('GET /v1/sessions/whole/events', { lines: lines.toSpliced(2, 1) });
  assert.equal((await home.run(['audit', 'verify', '--session', 'whole', '--key', key], { env })).code, 8);
});

test('a recording file is replayed without a gateway and without a login', async (t) => {
  const { file, home } = await recorded(t);
  const text = await home.run(['sessions', 'replay', file]);
  assert.equal(text.code, 0, text.stderr);
  assert.match(text.stdout, /asked/);
  const json = await home.run(['sessions', 'replay', file, '--json']);
  const expected = gunzipSync(readFileSync(file))
    .toString('utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    json.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
    expected,
  );
});

test('a reader that has seen enough is no failure', async (t) => {
  const { file, home } = await recorded(t);
  const script = `'${process.execPath}' '${join(import.meta.dirname, '../../bin/hoopctl.js')}' sessions replay '${file}' --json | head -n 1 > /dev/null; echo "\${PIPESTATUS[0]}"`;
  const { spawnSync } = await import('node:child_process');
  assert.equal(spawnSync('bash', ['-c', script], { env: home.env, encoding: 'utf8' }).stdout, '0\n');
});

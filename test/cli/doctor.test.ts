/** `hoopctl doctor` as it is typed: its page, its JSON, its exit code, and nothing from outside unescaped. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { HOSTILE, meView, startApi, targetView } from './api.ts';
import { newHome } from './cli.ts';

const HEALTH = {
  version: '0.1.0',
  ok: true,
  problems: [],
  policy: { state: 'inForce', digest: 'd'.repeat(64) },
  leastPrivilegeOff: [],
};

test('with nothing configured it ends with 0; results on stdout, the sum on stderr', async (t) => {
  const { code, stdout, stderr } = await newHome(t).run(['doctor']);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^Machine\n {2}ok {6}node: Node 24/);
  assert.match(stdout, /\n {2}warning gateway: none is chosen\n {10}→ run: hoopctl login/);
  assert.match(stderr, /^hoopctl: 0 problems, \d warnings?\n$/);
});

test('with a broken configuration it goes through and ends with 1', async (t) => {
  const home = newHome(t);
  writeFileSync(join(home.dir, 'hoop.yaml'), 'agent: [');
  const { code, stdout } = await home.run(['doctor']);
  assert.equal(code, 1);
  assert.match(stdout, /PROBLEM files: .*hoop\.yaml:\d/);
  assert.match(stdout, /\nTools\n/);
});

test('a gateway that can not be reached is 6', async (t) => {
  const { code, stdout } = await newHome(t).run(['doctor'], { env: { HOOPCTL_GATEWAY: 'http://127.0.0.1:1' } });
  assert.equal(code, 6);
  assert.match(stdout, /PROBLEM connection: cannot reach http:\/\/127\.0\.0\.1:1: connection refused/);
});

test('with --json it is one document, also where something is wrong', async (t) => {
  const { code, stdout, stderr } = await newHome(t).run(['doctor', '--json'], {
    env: { HOOPCTL_GATEWAY: 'http://127.0.0.1:1', HOOPCTL_TOKEN: 'a.b.c' },
  });
  const { ok, exit, checks } = JSON.parse(stdout);
  assert.deepEqual([code, ok, exit, stderr], [6, false, 6, '']);
  const connection = checks.find(({ check }: { check: string }) => check === 'connection');
  assert.deepEqual(Object.keys(connection), ['group', 'check', 'state', 'found', 'advice']);
  assert.deepEqual([connection.group, connection.state], ['gateway', 'problem']);
});

test('what the gateway says is shown, and not obeyed', async (t) => {
  const api = await startApi(t);
  api.on('GET /v1/me', { json: { ...meView(), name: HOSTILE } });
  api.on('GET /v1/targets', { json: [{ ...targetView(), name: HOSTILE }] });
  const policy = { state: 'lastGood', digest: HOSTILE, problem: HOSTILE };
  api.on('GET /v1/health', {
    json: { ...HEALTH, ok: false, problems: [HOSTILE], policy, leastPrivilegeOff: [HOSTILE] },
  });
  const env = { HOOPCTL_GATEWAY: api.url, HOOPCTL_TOKEN: 'a.b.c' };
  const { code, stdout } = await newHome(t).run(['doctor'], { env });
  assert.equal(code, 1);
  assert.doesNotMatch(stdout.replaceAll('\n', ''), /[\p{C}\p{Zl}\p{Zp}]/u);
  assert.doesNotMatch(stdout, /^hoopctl: hint/m);
});

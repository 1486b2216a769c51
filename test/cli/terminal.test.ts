/** On a real terminal: questions are asked there and answered there, colour appears, and Ctrl-C at a question is 130. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { packageRoot } from '../../src/base/entry.ts';
import { HOSTILE, receipt, startApi, targetView } from './api.ts';
import { newHome } from './cli.ts';

/** `script` (util-linux, part of every Debian) gives its child a terminal; what is typed here is typed there. */
function onTerminal(t: TestContext, args: readonly string[], env: Record<string, string>) {
  const command = [process.execPath, join(packageRoot(), 'bin', 'hoopctl.js'), ...args]
    .map((word) => `'${word}'`)
    .join(' ');
  const child: ChildProcess = spawn('script', ['-qefc', command, '/dev/null'], {
    env: { ...env, TERM: 'xterm', SHELL: '/bin/sh' },
  });
  t.after(() => void child.kill('SIGKILL'));
  let shown = '';
  const watchers = new Set<() => void>();
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    shown += chunk;
    for (const watcher of watchers) watcher();
  });
  const ended = new Promise<{ code: number | null; shown: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, shown })),
  );
  return {
    ended,
    type: (text: string) => void child.stdin?.write(text),
    shows: (wanted: string) =>
      new Promise<void>((resolve, reject) => {
        const look = () => void (shown.includes(wanted) && resolve());
        watchers.add(look);
        look();
        void ended.then(() => reject(new Error(`ended without showing "${wanted}":\n${shown}`)));
      }),
  };
}

async function place(t: TestContext) {
  const api = await startApi(t);
  api.on('POST /v1/revocations', { json: receipt() });
  const env = { ...newHome(t).env, HOOPCTL_GATEWAY: api.url, HOOPCTL_TOKEN: 'a.b.c' };
  return { api, env };
}

test('revoke shows what would be cut, asks, and goes on only with a yes', async (t) => {
  const { api, env } = await place(t);
  const asked = onTerminal(t, ['revoke', '--all'], env);
  await asked.shows('revoke everyone? [y/N]');
  asked.type('y\r');
  assert.equal((await asked.ended).code, 0);
  assert.deepEqual(
    api.asked.map(({ body }) => body),
    [{ scope: { kind: 'all' }, dryRun: true }, { scope: { kind: 'all' } }],
  );
});

for (const [name, typed, code] of [
  ['Enter', '\r', 2],
  ['Ctrl-C', '\x03', 130],
  ['Ctrl-D', '\x04', 130],
] as const) {
  test(`${name} at the question revokes nothing and is ${code}`, async (t) => {
    const { api, env } = await place(t);
    const asked = onTerminal(t, ['revoke', '--all'], env);
    await asked.shows('[y/N]');
    asked.type(typed);
    assert.equal((await asked.ended).code, code);
    assert.equal(api.asked.length, 1);
  });
}

test('the only escape sequences on a terminal are our own colours', async (t) => {
  const { api, env } = await place(t);
  api.on('GET /v1/targets', { json: [targetView(HOSTILE)] });
  const { shown } = await onTerminal(t, ['targets'], env).ended;
  assert.match(shown, /\x1b\[1m/);
  const rest = shown.replace(/\x1b\[(0|1|2|22|31|32|33|36|39)m/g, '').replaceAll('\r\n', '\n');
  assert.doesNotMatch(rest, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u200b]/);
});

test('a password is asked for without echo and written for the owner alone', async (t) => {
  const home = newHome(t);
  const asked = onTerminal(
    t,
    [
      'gateway',
      'init',
      join(home.dir, 'gw'),
      '--local',
      '--user',
      'dana',
      '--target',
      'shop=postgres://me@127.0.0.1/db',
    ],
    home.env,
  );
  await asked.shows('password of me at shop:');
  asked.type('canary-pass\r');
  const ended = await asked.ended;
  assert.equal(ended.code, 0, ended.shown);
  assert.doesNotMatch(ended.shown, /canary-pass/);
});

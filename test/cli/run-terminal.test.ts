/** An agent on a real terminal: with `--` it owns it; as a script it stands beside it. Ctrl-C reaches it once, either way. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { packageRoot } from '../../src/base/entry.ts';
import { startRunGateway } from '../fakes/run-gateway.ts';
import { newHome } from './cli.ts';

const COUNTING =
  "n=0; trap 'n=$((n+1)); echo interrupted $n' INT; echo ready; while [ $n -lt 2 ]; do sleep 0.05; done; sleep 0.3; echo over $n";

test('an agent that owns the terminal reads what is typed', async (t) => {
  const { run } = await setUp(t);
  const agent = run(['run', '--', 'sh', '-c', 'echo ready; read answer; echo "got <$answer>"; test -t 0 && exit 7']);
  await agent.shows('ready');
  agent.type('yes\r');
  const { code, shown } = await agent.ended;
  assert.match(shown, /got <yes>/);
  assert.equal(code, 7);
});

test('Ctrl-C goes to an agent that owns the terminal, once, and does not end hoopctl', async (t) => {
  const { run } = await setUp(t);
  const agent = run(['run', '--', 'sh', '-c', COUNTING]);
  await agent.shows('ready');
  agent.type('\x03');
  await agent.shows('interrupted 1');
  agent.type('\x03');
  const { code, shown } = await agent.ended;
  assert.match(shown, /over 2/);
  assert.match(shown, /run run_\w+ on orders-db/);
  assert.equal(code, 0);
});

test('Ctrl-C goes to a script in a group of its own, once', async (t) => {
  const { run, dir } = await setUp(t);
  writeFileSync(join(dir, 'agent'), `#!/bin/sh\n${COUNTING.replace('-lt 2', '-lt 1')}\n`, { mode: 0o755 });
  const agent = run(['run', join(dir, 'agent')]);
  await agent.shows('ready');
  agent.type('\x03');
  const { code, shown } = await agent.ended;
  assert.match(shown, /over 1/);
  assert.equal(code, 0);
});

test('nothing is written to a terminal that the agent owns; what waits rings the bell', async (t) => {
  const { run, gateway } = await setUp(t);
  const agent = run(['run', '--', 'sh', '-c', 'echo ready; read answer; echo over']);
  await agent.shows('ready');
  await gateway.until(() => gateway.runs[0]?.streams === 1);
  gateway.tell({ type: 'refused', session: 's', target: 'orders-db', code: 'HOOP_DENIED', message: 'not allowed' });
  gateway.tell({
    type: 'held',
    approval: 'apr_1',
    link: 'https://gw/x',
    rule: 'r',
    session: 's',
    target: 'orders-db',
    within: 1,
    wait: 1,
  });
  await agent.shows('\x07');
  agent.type('\r');
  const { shown } = await agent.ended;
  const during = shown.slice(shown.indexOf('ready'), shown.indexOf('over'));
  assert.doesNotMatch(during.replace('\x1b]2;hoopctl: something waits for you\x07', ''), /hoopctl|not allowed|apr_1/);
});

async function setUp(t: TestContext) {
  const gateway = await startRunGateway(t);
  gateway.targets = [{ name: 'orders-db', protocol: 'postgres', effects: ['read'], labels: {}, database: 'orders' }];
  const home = newHome(t);
  const env = {
    ...home.env,
    HOOPCTL_GATEWAY: gateway.url,
    HOOPCTL_TOKEN: 'user-token',
    TERM: 'xterm',
    SHELL: '/bin/sh',
  };
  return { gateway, dir: home.dir, run: (args: readonly string[]) => onTerminal(t, args, env, home.dir) };
}

/** `script` (util-linux, part of every Debian) gives its child a terminal; what is typed here is typed there. */
function onTerminal(t: TestContext, args: readonly string[], env: Record<string, string>, cwd: string) {
  const words = [process.execPath, join(packageRoot(), 'bin', 'hoopctl.js'), ...args];
  // exec: a shell in between would take Ctrl-C for its own.
  const command = `exec ${words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')}`;
  const child = spawn('script', ['-qefc', command, '/dev/null'], { env, cwd });
  t.after(() => void child.kill('SIGKILL'));
  let shown = '';
  const watchers = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    shown += chunk;
    for (const watcher of watchers) watcher();
  });
  const ended = new Promise<{ code: number | null; shown: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, shown })),
  );
  return {
    ended,
    type: (text: string) => void child.stdin.write(text),
    shows: (wanted: string) =>
      new Promise<void>((resolve, reject) => {
        const look = () => void (shown.includes(wanted) && resolve());
        watchers.add(look);
        look();
        void ended.then(() => reject(new Error(`ended without showing "${wanted}":\n${shown}`)));
      }),
  };
}

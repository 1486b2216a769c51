/** An agent on a real terminal: with `--` it owns it; as a script it stands beside it. Ctrl-C reaches it once, either way. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type RunGateway, startRunGateway } from '../fakes/run-gateway.ts';
import { newHome } from './cli.ts';
import { type OnTerminal, onTerminal, type TerminalOptions } from './on-terminal.ts';

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

/** Draws on the alternate screen, in raw mode, without a cursor; on Ctrl-Z it stops itself alone, as Node's own readline does. */
const FULL_SCREEN = `
const { stdin, stdout } = process;
const enter = () => { stdout.write('\\x1b[?1049h\\x1b[?25l'); stdin.setRawMode(true); };
const leave = () => { stdin.setRawMode(false); stdout.write('\\x1b[?1049l\\x1b[?25h'); };
stdout.on('resize', () => stdout.write('size ' + stdout.columns + ';'));
process.on('SIGCONT', () => { enter(); stdout.write('again;'); });
stdin.on('data', (keys) => {
  for (const key of String(keys)) {
    if (key === '\\x1a') { leave(); process.kill(process.pid, 'SIGTSTP'); }
    else if (key === 'q') { leave(); process.exit(5); }
    else if (key === 'k') process.kill(process.pid, 'SIGKILL');
    else stdout.write('key ' + key.charCodeAt(0) + ';');
  }
});
enter();
stdout.write('ready;');
`;

describe('a full-screen program', () => {
  test('gets every key and every change of the window, and nothing of ours is drawn into it', async (t) => {
    const { run, dir } = await setUp(t);
    writeFileSync(join(dir, 'full.mjs'), FULL_SCREEN);
    const agent = run(['run', '--', process.execPath, 'full.mjs'], { shell: 'tty > tty; exec "$@"' });
    await agent.shows('ready;');
    agent.type('a\x03');
    await agent.shows('key 97;key 3;');
    execFileSync('stty', ['-F', readFileSync(join(dir, 'tty'), 'utf8').trim(), 'cols', '100']);
    await agent.shows('size 100;');
    agent.type('q');
    const { code, shown } = await agent.ended;
    assert.equal(code, 5);
    const drawn = shown.slice(shown.indexOf('\x1b[?1049h'), shown.indexOf('\x1b[?1049l'));
    assert.equal(drawn, '\x1b[?1049h\x1b[?25lready;key 97;key 3;size 100;');
  });

  test('that stops itself at Ctrl-Z gives the shell its prompt, and goes on with fg', async (t) => {
    const { run, dir } = await setUp(t);
    writeFileSync(join(dir, 'full.mjs'), FULL_SCREEN);
    const shell = 'set -m; "$@"; echo "stopped $?"; fg; echo "ended $?"';
    const agent = run(['run', '--', process.execPath, 'full.mjs'], { shell });
    await agent.shows('ready;');
    agent.type('\x1a');
    await agent.shows('again;');
    agent.type('q');
    const { shown } = await agent.ended;
    assert.match(shown, /stopped 1\d\d[\s\S]*again;[\s\S]*ended 5/);
  });

  for (const [how, end] of [
    ['it is killed', (agent: OnTerminal) => agent.type('k')],
    ['its run is revoked', (_: OnTerminal, gateway: RunGateway) => gateway.revoke()],
  ] as const)
    test(`leaves the terminal as it was found when ${how}`, async (t) => {
      const { run, dir, gateway } = await setUp(t);
      writeFileSync(join(dir, 'full.mjs'), FULL_SCREEN);
      const shell = 'stty -g > before; "$@"; code=$?; stty -g > after; exit $code';
      const agent = run(['run', '--', process.execPath, 'full.mjs'], { shell });
      await agent.shows('ready;');
      await gateway.until(() => gateway.runs[0]?.streams === 1);
      end(agent, gateway);
      const { shown } = await agent.ended;
      assert.equal(readFileSync(join(dir, 'after'), 'utf8'), readFileSync(join(dir, 'before'), 'utf8'));
      const after = shown.slice(shown.lastIndexOf('\x1b[?25l'));
      assert.match(after, /\x1b\[\?1047l.*\x1b\[\?25h[\s\S]*hoopctl: run run_/);
    });
});

async function setUp(t: TestContext) {
  const gateway = await startRunGateway(t);
  gateway.targets = [{ name: 'orders-db', protocol: 'postgres', effects: ['read'], labels: {}, database: 'orders' }];
  const home = newHome(t);
  const env = { ...home.env, HOOPCTL_GATEWAY: gateway.url, HOOPCTL_TOKEN: 'user-token' };
  const { dir: cwd } = home;
  return {
    gateway,
    dir: cwd,
    run: (args: readonly string[], more: Partial<TerminalOptions> = {}) => onTerminal(t, args, { env, cwd, ...more }),
  };
}

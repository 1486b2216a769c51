/** A script beside a person at a terminal: its output comes through whole, and what waits for them is asked below it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { ApprovalView } from '../../src/api/shapes.ts';
import { startRunGateway } from '../fakes/run-gateway.ts';
import { storeLogin } from '../fakes/stored-login.ts';
import { newHome } from './cli.ts';
import { request } from './live/request.ts';
import { type OnTerminal, onTerminal, type TerminalOptions } from './on-terminal.ts';

const WAITING = 'echo ready; while ! [ -e finish ]; do sleep 0.05; done';
const READY_FOR_KEYS = 'v the whole text';

describe('a request that the person at the terminal may decide', () => {
  test('is shown exactly, approved by a key, and told of at the end; its proof is the bits whose hash the run began with', async (t) => {
    const { start, gateway, hold, finish, dir } = await setUp(t);
    const agent = await start(`env > env; ${WAITING}`, { args: ['--events', 'events'] });
    hold({ text: 'DELETE FROM orders WHERE id = 3', purpose: 'tidy \x1b]52;c;aGk=\x07up\u202e' });
    await agent.shows('tidy \\x1b]52;c;aGk=\\x07up\\u{202E} (claimed)');
    await agent.shows('DELETE FROM orders WHERE id = 3');
    await agent.shows(READY_FOR_KEYS);
    agent.type('a');
    await agent.shows('you approved apr_1 on shop');
    const [decision] = gateway.decisions;
    const key = gateway.runs[0]?.request.launcherKey ?? '';
    const proof = decision?.launcherProof ?? '';
    assert.deepEqual([decision?.decision, decision?.digest], ['approve', request().digest]);
    assert.equal(createHash('sha256').update(Buffer.from(proof, 'base64url')).digest('base64url'), key);
    finish();
    const { code, shown } = await agent.ended;
    assert.equal(code, 0);
    assert.match(plain(shown), /hoopctl: you approved apr_1 on shop: DELETE FROM orders WHERE\s+id = 3/);
    // Neither as text nor as bytes is the proof anywhere but in this exchange.
    const bits = Buffer.from(proof, 'base64url');
    for (const file of globSync('**', { cwd: dir }).map((name) => join(dir, name))) {
      if (!statSync(file).isFile()) continue;
      const content = readFileSync(file);
      for (const form of [proof, bits, bits.toString('hex'), bits.toString('base64')])
        assert.equal(content.includes(form), false, file);
    }
    assert.ok(existsSync(join(dir, 'env')) && existsSync(join(dir, 'events')));
    assert.equal(shown.includes(proof), false);
  });

  test('is denied with a reason', async (t) => {
    const { start, gateway, hold, finish } = await setUp(t);
    const agent = await start(WAITING);
    hold();
    await agent.shows(READY_FOR_KEYS);
    agent.type('d');
    await agent.shows('Enter denies it');
    agent.type('wrong table\r');
    await agent.shows('you denied apr_1 on shop: wrong table');
    assert.equal(gateway.decisions[0]?.reason, 'wrong table');
    finish();
    await agent.ended;
  });

  test('is not decided by what was typed before, nor by Enter', async (t) => {
    const { start, gateway, hold, finish } = await setUp(t);
    const agent = await start(WAITING);
    agent.type('a\naaa\ra');
    hold();
    await agent.shows('an approval is asked of you');
    agent.type('a');
    await agent.shows(READY_FOR_KEYS);
    agent.type('\r');
    await agent.shows('Enter decides nothing');
    assert.deepEqual(gateway.decisions, []);
    finish();
    await agent.ended;
  });

  test('is not decided by what was typed while somebody had stopped hoopctl without notice', async (t) => {
    const { start, gateway, hold, finish, dir } = await setUp(t);
    const shell =
      'set -m; "$@"; echo "the shell again"; while ! [ -e typed ]; do sleep 0.05; done; sleep 0.2; echo going on; fg';
    const agent = await start(`echo $PPID > parent; ${WAITING}`, { shell });
    hold();
    await agent.shows(READY_FOR_KEYS);
    process.kill(Number(readFileSync(join(dir, 'parent'), 'utf8')), 'SIGSTOP');
    await agent.shows('the shell again');
    const then = agent.shown.length;
    agent.type('a');
    finish('typed');
    await agent.shows(READY_FOR_KEYS, then);
    assert.deepEqual(gateway.decisions, []);
    agent.type('a');
    await agent.shows('you approved apr_1');
    finish();
    await agent.ended;
  });

  test('is seen, whatever the agent printed before', async (t) => {
    const { start, hold, finish } = await setUp(t);
    const agent = await start(`printf 'press a to go on\\033P\\n\\033]0;\\n\\033[2J\\033[?2026h\\n'; ${WAITING}`);
    hold();
    await agent.shows(READY_FOR_KEYS);
    assert.match(agent.shown, /press a to go on\\x1bP\r\n\\x1b\]0;\r\n\\x1b\[2J\\x1b\[\?2026h\r\n/);
    finish();
    await agent.ended;
  });

  test('that became another between the screen and the key is refused, shown anew, and waits for a new key', async (t) => {
    const { start, gateway, hold, finish } = await setUp(t);
    const agent = await start(WAITING);
    hold();
    await agent.shows(READY_FOR_KEYS);
    const [run] = gateway.runs;
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    const swapped = request({ run: run?.id ?? '', text: 'DELETE FROM orders', digest: 'd2'.repeat(32), expiresAt });
    gateway.approvals.set('apr_1', swapped);
    agent.type('a');
    await agent.shows('apr_1 was not approved: APPROVAL_REFUSED');
    await agent.shows(/│ .*DELETE FROM orders\s*\r\n/);
    assert.deepEqual(
      gateway.decisions.map(({ digest }) => digest),
      [request().digest],
    );
    finish();
    await agent.ended;
  });

  test('decided elsewhere, it goes away, with a line that says so; the next one is asked', async (t) => {
    const { start, gateway, hold, finish } = await setUp(t);
    const agent = await start(WAITING);
    hold();
    hold({ id: 'apr_2', digest: 'd2'.repeat(32) });
    await agent.shows('1 of 2 approvals asked of you');
    gateway.tell({ type: 'decided', approval: 'apr_1', decision: 'withdrawn', reason: 'the client went away' });
    await agent.shows('hoopctl: apr_1 withdrawn: the client went away');
    await agent.shows('2 of 2 approvals asked of you');
    finish();
    await agent.ended;
  });
});

describe('a request is only a line with its link', () => {
  const LINK = /hoopctl: held by deletes-need-you on shop: approve or deny at\s+https:\/\/gw.test\/approvals\/apr_1/;

  test('where others decide it', async (t) => {
    const { start, gateway, hold, finish } = await setUp(t);
    const agent = await start(WAITING);
    hold({}, 'others');
    await agent.shows(LINK);
    finish();
    const { shown } = await agent.ended;
    assert.doesNotMatch(shown, /asked of you/);
    assert.notEqual(gateway.runs[0]?.request.launcherKey, undefined);
  });

  test('where the person is none of its approvers', async (t) => {
    const { start, hold, finish } = await setUp(t);
    const agent = await start(WAITING);
    hold({ mayDecide: false });
    await agent.shows(LINK);
    finish();
    const { shown } = await agent.ended;
    assert.doesNotMatch(shown, /asked of you/);
  });

  for (const [where, options] of [
    ['with a token from the environment', { env: { HOOPCTL_TOKEN: 'user-token' } }],
    ['on a terminal that can do nothing', { env: { TERM: 'dumb' } }],
    ['where standard error goes elsewhere', { shell: 'exec "$@" 2> stderr' }],
    ['where standard input is no terminal', { shell: 'exec "$@" < /dev/null' }],
    ['in the background', { shell: 'set -m; "$@" & wait $!' }],
  ] as const)
    test(`${where}, and the gateway is offered no key`, async (t) => {
      const { start, gateway, dir, finish } = await setUp(t);
      const agent = await start('echo ready > ready; while ! [ -e finish ]; do sleep 0.05; done', options);
      await gateway.until(() => gateway.runs[0]?.streams === 1);
      assert.equal(gateway.runs[0]?.request.launcherKey, undefined);
      finish();
      const { shown } = await agent.ended;
      const said = existsSync(join(dir, 'stderr')) ? readFileSync(join(dir, 'stderr'), 'utf8') : shown;
      assert.match(plain(said), /hoopctl: run run_/);
    });
});

describe('while a request is shown', () => {
  test('Ctrl-C reaches the agent, once', async (t) => {
    const { start, hold } = await setUp(t);
    const agent = await start(`n=0; trap 'n=$((n+1)); echo interrupted $n; sleep 0.3; exit 3' INT; ${WAITING}`);
    hold();
    await agent.shows(READY_FOR_KEYS);
    agent.type('\x03');
    const { code, shown } = await agent.ended;
    assert.equal(code, 3);
    assert.match(shown, /interrupted 1/);
    assert.doesNotMatch(shown, /interrupted 2/);
  });

  test('Ctrl-Z stops everything and gives the shell a usable terminal; fg asks again', async (t) => {
    const { start, gateway, hold, dir, finish } = await setUp(t);
    const shell = [
      'set -m; stty -g > before; "$@"; stty -g > stopped',
      'grep State: /proc/$(cat pid)/status > state; echo "the shell again"; fg; stty -g > after',
    ].join('; ');
    const agent = await start(`echo $$ > pid; ${WAITING}`, { shell });
    hold();
    await agent.shows(READY_FOR_KEYS);
    agent.type('\x1a');
    await agent.shows('the shell again');
    const then = agent.shown.length;
    await agent.shows(READY_FOR_KEYS, then);
    agent.type('a');
    await agent.shows('you approved apr_1');
    finish();
    await agent.ended;
    assert.match(readFileSync(join(dir, 'state'), 'utf8'), /T \(stopped\)/);
    const [before, stopped, after] = ['before', 'stopped', 'after'].map((file) =>
      readFileSync(join(dir, file), 'utf8'),
    );
    assert.deepEqual([stopped, after], [before, before]);
    assert.equal(gateway.decisions.length, 1);
  });

  for (const [how, end] of [
    ['is told to end', ({ pid }) => process.kill(pid, 'SIGTERM')],
    ['has a defect', ({ dir }) => writeFileSync(join(dir, 'throw'), '')],
    ['is revoked', ({ gateway }) => gateway.revoke()],
  ] as [string, (around: { pid: number; dir: string; gateway: { revoke(): void } }) => void][])
    test(`the terminal is as it was when hoopctl ${how}`, async (t) => {
      const { start, hold, gateway, dir } = await setUp(t);
      writeFileSync(
        join(dir, 'defect.mjs'),
        `import { existsSync } from 'node:fs';
         setInterval(() => { if (existsSync('throw')) throw new Error('a defect'); }, 20).unref();`,
      );
      const shell = `stty -g > before; echo $$ > shell; "$@"; stty -g > after`;
      const agent = await start(`echo $PPID > parent; ${WAITING}`, {
        shell,
        env: { NODE_OPTIONS: `--import ${join(dir, 'defect.mjs')}` },
      });
      hold();
      await agent.shows(READY_FOR_KEYS);
      end({ pid: Number(readFileSync(join(dir, 'parent'), 'utf8')), dir, gateway });
      const { shown } = await agent.ended;
      assert.equal(readFileSync(join(dir, 'after'), 'utf8'), readFileSync(join(dir, 'before'), 'utf8'));
      assert.ok(shown.lastIndexOf('\x1b[?25h') > shown.lastIndexOf('\x1b[?25l'), 'the cursor is there');
      assert.doesNotMatch(shown, /\x1b\[\?(1049|1047|47)h/);
    });

  test('what the agent prints is above it, and can not touch it', async (t) => {
    const { start, hold, finish } = await setUp(t);
    const agent = await start(
      `echo ready; while ! [ -e go ]; do sleep 0.05; done; printf '\\033[31mred\\033[0m \\033[5A\\033[2Jerased\\n'; ${WAITING}`,
    );
    hold();
    await agent.shows(READY_FOR_KEYS);
    finish('go');
    await agent.shows('\x1b[31mred\x1b[0m \\x1b[5A\\x1b[2Jerased\x1b[0m');
    finish();
    await agent.ended;
  });
});

describe('what a script prints', () => {
  test('is all there, in order, colours and the line without an end too; it is told of the colours', async (t) => {
    const { start } = await setUp(t);
    const script =
      'echo "colour $FORCE_COLOR"; sleep 1; i=0; while [ $i -lt 3000 ]; do echo "line $i ."; i=$((i+1)); done; echo more > /dev/stderr; printf "the end"';
    const { shown, code } = await (await start(`echo ready; ${script}`)).ended;
    assert.equal(code, 0);
    const lines = [...plain(shown).matchAll(/^line (\d+) \.$/gm)].map(([, number]) => Number(number));
    assert.deepEqual(
      lines,
      Array.from({ length: 3000 }, (_, i) => i),
    );
    assert.match(plain(shown), /colour 1\n/);
    // The line about the run is drawn whenever a second is over.
    const printed = plain(shown).replaceAll(/^run_\w+ · .*\n/gm, '');
    assert.match(printed, /^more\nthe end\nhoopctl: run run_/m);
  });

  test('goes byte for byte where standard output is no terminal, without colours', async (t) => {
    const { start, dir } = await setUp(t);
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 7919) % 256));
    writeFileSync(join(dir, 'bytes'), bytes);
    const agent = await start('echo ready >&2; echo "colour $FORCE_COLOR" >&2; cat bytes', { shell: '"$@" > out' });
    const { shown } = await agent.ended;
    assert.deepEqual(readFileSync(join(dir, 'out')), bytes);
    assert.match(plain(shown), /^colour $/m);
  });
});

function plain(shown: string): string {
  return stripVTControlCharacters(shown).replaceAll('\r', '');
}

interface StartOptions extends Partial<Omit<TerminalOptions, 'env'>> {
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
}

async function setUp(t: TestContext) {
  const gateway = await startRunGateway(t);
  gateway.targets = [{ name: 'shop', protocol: 'postgres', effects: ['read'], labels: {}, database: 'shop' }];
  const home = newHome(t);
  const { dir } = home;
  await storeLogin(home.env, gateway.url, 'user-token');
  return {
    gateway,
    dir,
    finish: (file = 'finish') => writeFileSync(join(dir, file), ''),
    hold: (more: Partial<ApprovalView> = {}, decide?: 'others') =>
      gateway.hold(
        request({ run: gateway.runs[0]?.id ?? '', expiresAt: new Date(Date.now() + 60_000).toISOString(), ...more }),
        decide,
      ),
    /** Resolves when the script says that it is ready, or has written so, and the gateway is listened to. */
    async start(script: string, { args = [], env = {}, ...more }: StartOptions = {}): Promise<OnTerminal> {
      writeFileSync(join(dir, 'agent'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      const agent = onTerminal(t, ['run', ...args, './agent'], { cwd: dir, ...more, env: { ...home.env, ...env } });
      if (script.includes('> ready')) return agent;
      await agent.shows('ready');
      await gateway.until(() => gateway.runs[0]?.streams === 1);
      return agent;
    },
  };
}

/** Recorded terminals on the command line: played on a terminal, read elsewhere, followed, written as a cast. What was recorded acts nowhere. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { sessionView, startApi } from './api.ts';
import { jsonError, newHome } from './cli.ts';
import { onTerminal } from './on-terminal.ts';

const EVIL = '\x1b]52;c;ZXZpbA==\x07\x1b]0;title\x07\x1b[6n\x1b[?1000h\x1b[3J';

/** An exec, and a shell (c2) during which another one (c3) says something. */
function events(): object[] {
  const principal = { issuer: 'https://idp.example', subject: 's', name: 'dana@example.test' };
  const opened = { type: 'session.opened', session: 'ses_1', run: 'run_1', target: 'web-1', principal };
  const asked = (command: string, text: string) => ({
    ...{ type: 'verdict', command, verdict: 'allow', text: { text, bytes: 6, sha256: command } },
    ...{ effects: ['read'], resources: [], facts: {}, rules: ['r'] },
  });
  const out = (of: string, command: string, data: string) => ({ type: 'stream', direction: 'out', of, command, data });
  const size = {
    type: 'stream',
    direction: 'in',
    of: 'terminal',
    command: 'c2',
    data: '',
    size: { columns: 90, rows: 20 },
  };
  const done = (command: string) => ({
    type: 'outcome',
    command,
    state: 'completed',
    exit: 0,
    tag: 'exit 0',
    durationMs: 4,
  });
  const all = [
    { ...opened, account: 'deploy', protocol: 'ssh' },
    asked('c1', 'uptime'),
    out('stdout', 'c1', `up 3 days${EVIL}\n`),
    done('c1'),
    asked('c2', 'shell'),
    size,
    out('terminal', 'c2', `\x1b[32m$\x1b[0m ls\r\nnotes${EVIL}\r\n`),
    asked('c4', 'typed'),
    out('terminal', 'c3', 'other\r\n'),
    out('terminal', 'c2', '\x1b[?1049h\x1b[?25lfull'),
    done('c2'),
    { type: 'session.closed', end: { kind: 'closed' } },
  ];
  return all.map((event, seq) => ({
    seq,
    at: new Date(Date.UTC(2026, 10, 21) + seq).toISOString(),
    ...event,
    prev: '',
  }));
}

type Context = Parameters<typeof startApi>[0];

function onDisk(t: Context) {
  const home = newHome(t);
  const file = join(home.dir, 'one.ndjson');
  writeFileSync(
    file,
    events()
      .map((event) => `${JSON.stringify(event)}\n`)
      .join(''),
  );
  return { home, file };
}

async function atGateway(t: Context) {
  const api = await startApi(t);
  const home = newHome(t);
  Object.assign(home.env, { HOOPCTL_GATEWAY: api.url, HOOPCTL_TOKEN: 'a.b.c' });
  api.on('GET /v1/sessions/ses_1', { json: sessionView('plain', { state: 'live' }) });
  api.on('GET /v1/sessions/ses_1/events', { lines: events() });
  api.on('GET /v1/approvals', { json: [] });
  return home;
}

const ACTS = /\x1b\]|\x07|\x1b\[6n|\x1b\[\?1000h|\x1b\[3J/;

describe('replay', () => {
  test('plays a terminal on a terminal, tells the rest afterwards, and leaves it as it was', async (t) => {
    const { home, file } = onDisk(t);
    const terminal = onTerminal(t, ['sessions', 'replay', file, '--no-wait'], { env: home.env, cwd: home.dir });
    const { shown, code } = await terminal.ended;
    assert.equal(code, 0);
    assert.match(shown, /\x1b\[32m\$\x1b\[0m ls\r+\nnotes\r+\n/);
    assert.match(shown, /recorded on 90 columns and 20 rows/);
    assert.doesNotMatch(shown, ACTS);
    const at = (text: string) => shown.indexOf(text);
    assert.ok(at('terminal of c3') > at('notes') && at('other') > at('terminal of c3'));
    assert.ok(at('typed') > at('full'), 'what else happened is not drawn over the screen');
    assert.ok(at('\x1b[?1049l\x1b[?25h') > at('full') && at('closed') > at('\x1b[?1049l'));
  });

  test('plays one terminal alone with --channel', async (t) => {
    const { home, file } = onDisk(t);
    const words = ['sessions', 'replay', file, '--no-wait', '--channel', 'c3'];
    const { shown } = await onTerminal(t, words, { env: home.env, cwd: home.dir }).ended;
    assert.match(shown, /other/);
    assert.doesNotMatch(shown, /notes/);
  });

  test('elsewhere prints what was seen as lines', async (t) => {
    const { home, file } = onDisk(t);
    const { stdout } = await home.run(['sessions', 'replay', file]);
    assert.match(stdout, /stream {2}\[stdout\]\n {2}│ up 3 days\\x1b/);
    assert.match(stdout, /stream {2}\[terminal\]\n {2}│ \$ ls\n {2}│ notes\n/);
    assert.match(stdout, /stream {2}\[terminal, full screen\]\n(?: {2}│ \n)* {2}│ full\n/);
    assert.doesNotMatch(stdout, /\x1b/);
  });
});

describe('tail', () => {
  test('follows a terminal on a terminal', async (t) => {
    const home = await atGateway(t);
    const terminal = onTerminal(t, ['sessions', 'tail', 'ses_1', '--from-start'], { env: home.env, cwd: home.dir });
    const { shown } = await terminal.ended;
    assert.match(shown, /\x1b\[32m\$\x1b\[0m ls\r+\nnotes\r+\n/);
    assert.doesNotMatch(shown, ACTS);
  });

  test('prints lines elsewhere', async (t) => {
    const home = await atGateway(t);
    const { stdout } = await home.run(['sessions', 'tail', 'ses_1', '--from-start']);
    assert.match(stdout, /│ \$ ls\n {2}│ notes\n/);
  });
});

describe('export --format cast', () => {
  const exported = async (t: Context, ...words: string[]) => {
    const home = await atGateway(t);
    return home.run(['sessions', 'export', 'ses_1', '--format', 'cast', ...words]);
  };

  test('is of the first terminal, and says that there are others', async (t) => {
    const { stdout, stderr } = await exported(t);
    const [header, first] = stdout.split('\n').map((line) => line && JSON.parse(line));
    assert.deepEqual([header.width, header.height, first], [90, 20, [0.001, 'o', '\x1b[32m$\x1b[0m ls\r\nnotes\r\n']]);
    assert.match(stderr, /other terminals too, each a cast of its own: --channel c3/);
  });

  test('is of the one that is named, and of none that is not there', async (t) => {
    assert.match((await exported(t, '--channel', 'c3')).stdout, /other/);
    const none = await exported(t, '--channel', 'c9', '--json');
    assert.deepEqual([none.code, jsonError(none).code], [4, 'NOT_FOUND']);
  });

  test('--channel is for nothing else', async (t) => {
    const home = await atGateway(t);
    assert.equal((await home.run(['sessions', 'export', 'ses_1', '--channel', 'c3'])).code, 2);
  });
});

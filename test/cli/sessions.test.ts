/** Finding, replaying and exporting sessions: what is asked, what is printed, what is written, how it ends. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { approvalView, type FakeApi, refusal, sessionView, startApi } from './api.ts';
import { type Home, jsonError, newHome } from './cli.ts';
import { answered, askedFor, type Exchange, json } from '../fakes/exchanges.ts';
import { onTerminal } from './on-terminal.ts';

async function place(t: Parameters<typeof startApi>[0]): Promise<{ api: FakeApi; home: Home }> {
  const api = await startApi(t);
  const home = newHome(t);
  Object.assign(home.env, { HOOPCTL_GATEWAY: api.url, HOOPCTL_TOKEN: 'a.b.c' });
  return { api, home };
}

/** Three statements, a second apart. */
function events(): object[] {
  const at = (s: number) => new Date(Date.UTC(2026, 10, 21, 18, 0, s)).toISOString();
  const principal = { issuer: 'https://idp.example', subject: 's', name: 'dana@example.test' };
  const asked = (n: number) => ({
    at: at(n),
    type: 'verdict',
    command: `c${n}`,
    verdict: 'allow',
    text: { text: `SELECT ${n}`, bytes: 8, sha256: `${n}` },
    effects: ['read'],
    resources: [],
    rules: ['r'],
  });
  const opened = { at: at(0), type: 'session.opened', session: 'ses_1', run: 'run_1', target: 'shop', principal };
  return [{ ...opened, account: 'app', protocol: 'postgres' }, asked(1), asked(60), asked(120)].map((event, seq) => ({
    seq,
    ...event,
    prev: '',
  }));
}

/** A request and its answer, which would like to move the cursor. */
function exchange(): object[] {
  const [opened] = events();
  const asked: Exchange = {
    id: 'c1',
    line: 'POST /v1/refunds/7',
    body: json('{"note":"\u001b[2J"}'),
    reply: { body: '{"said":"\u001b]52;c;eA==\u0007"}' },
  };
  return [
    { ...opened, protocol: 'http', target: 'billing' },
    ...[...askedFor(asked), ...answered(asked)].map((event, i) => {
      return { seq: i + 1, at: new Date(Date.UTC(2026, 10, 21, 18, 0, 1)).toISOString(), ...event, prev: '' };
    }),
  ];
}

describe('list', () => {
  test('asks the gateway for everything at once, times in UTC', async (t) => {
    const { api, home } = await place(t);
    api.on('GET /v1/sessions', { json: [] });
    const words = [
      '--user',
      'dana',
      '--verdict',
      'held, denied',
      '--since',
      '2026-11-20',
      '--until',
      '2026-11-21T18:00+01:00',
    ];
    const ended = await home.run(['sessions', 'list', ...words]);
    assert.deepEqual(ended, { code: 0, stdout: '', stderr: 'hoopctl: no such sessions\n' });
    assert.equal(
      api.asked.at(-1)?.path,
      `/v1/sessions?${new URLSearchParams({ user: 'dana', since: '2026-11-20T00:00:00.000Z', until: '2026-11-21T17:00:00.000Z', verdict: 'held,denied' })}`,
    );
  });

  test('says which sessions could not be searched whole', async (t) => {
    const { api, home } = await place(t);
    api.on('GET /v1/sessions', { json: [sessionView()] });
    const { stderr, code } = await home.run(['sessions', '--text', 'DROP', '--target', 'shop']);
    assert.equal(code, 0);
    assert.match(stderr, /^hoopctl: warning: 1 session could not be searched whole: .*\(ses_1\)/);
    assert.equal(api.asked.at(-1)?.path, '/v1/sessions?target=shop&partlyIndexed=true&limit=1000');
  });

  for (const words of [
    ['--since', 'yesterday'],
    ['--since', '2026-11-21T18:00:00'],
    ['--verdict', 'refused'],
    ['--verdict', ','],
    ['--limit', '0'],
    ['--user', ''],
  ])
    test(`${words.join(' ')} is wrong usage`, async (t) => {
      const { api, home } = await place(t);
      assert.equal((await home.run(['sessions', 'list', ...words])).code, 2);
      assert.equal(api.asked.length, 0);
    });
});

describe('reindex', () => {
  const done = { read: 7, of: 7, restored: 2, gone: 0, unreadable: [] as string[], done: true };

  test('says what was done', async (t) => {
    const { api, home } = await place(t);
    api.on('POST /v1/sessions/reindex', {
      lines: [
        { ...done, done: false },
        { ...done, unreadable: ['ses_x'] },
      ],
    });
    const ended = await home.run(['sessions', 'reindex']);
    assert.deepEqual([ended.code, ended.stdout], [0, '7 recordings read, 2 sessions restored\n']);
    assert.match(ended.stderr, /ses_x/);
    assert.equal(JSON.parse((await home.run(['sessions', 'reindex', '--json'])).stdout).restored, 2);
  });

  test('that was cut short is not called done', async (t) => {
    const { api, home } = await place(t);
    api.on('POST /v1/sessions/reindex', { lines: [{ ...done, done: false }] });
    const ended = await home.run(['sessions', 'reindex', '--json']);
    assert.deepEqual([ended.code, jsonError(ended).code], [6, 'REINDEX_CUT']);
  });
});

describe('replay', () => {
  async function recorded(t: Parameters<typeof startApi>[0]) {
    const { api, home } = await place(t);
    api.on('GET /v1/sessions/ses_1/events', { lines: events() });
    return home;
  }

  test('without a terminal nothing is waited for', async (t) => {
    const home = await recorded(t);
    const { stdout } = await home.run(['sessions', 'replay', 'ses_1']);
    assert.match(stdout, /SELECT 120/);
  });

  test('shows a request and its answer as they were recorded, with nothing that a terminal obeys', async (t) => {
    const { api, home } = await place(t);
    api.on('GET /v1/sessions/ses_1/events', { lines: exchange() });
    const { stdout } = await home.run(['sessions', 'replay', 'ses_1']);
    assert.equal(
      stdout.replace(/^.*opened.*\n/, ''),
      `18:00:01.000  asked  [allow, all]
  │ POST /v1/refunds/7
  │ 
  │ {"note":"\\x1b[2J"}
18:00:01.000  answer  [23 bytes, connected in 3 ms, first byte after 120 ms, whole after 300 ms]
  │ 200 OK
  │ content-type: application/json
  │ 
  │ {"said":"\\x1b]52;c;eA==\\x07"}
18:00:01.000  outcome  200  [completed, 23 bytes, 303 ms]
`,
    );
  });

  test('--speed 0 is wrong usage', async (t) => {
    const home = await recorded(t);
    assert.equal((await home.run(['sessions', 'replay', 'ses_1', '--speed', '0'])).code, 2);
  });

  test('on a terminal it is played: paused, stepped, and left with the terminal as it was', async (t) => {
    const home = await recorded(t);
    const shell = '"$@"; echo "exit $?"; stty -a | grep -o " icanon\\| echo " | tr -d "\\n"';
    const terminal = onTerminal(t, ['sessions', 'replay', 'ses_1'], { env: home.env, cwd: home.dir, shell });
    await terminal.shows('SELECT 1');
    await terminal.shows(/next in 5\d.*space pauses/);
    terminal.type(' ');
    await terminal.shows(/paused .* space goes on/);
    terminal.type('n');
    await terminal.shows('SELECT 60');
    assert.doesNotMatch(terminal.shown, /SELECT 120/);
    await terminal.shows(/paused/, terminal.shown.indexOf('SELECT 60'));
    terminal.type('q');
    const { shown } = await terminal.ended;
    assert.doesNotMatch(shown, /SELECT 120/);
    assert.match(shown, /exit 0\r\n icanon echo/);
  });

  test('on a terminal with --no-wait all comes at once', async (t) => {
    const home = await recorded(t);
    const terminal = onTerminal(t, ['sessions', 'replay', 'ses_1', '--no-wait'], { env: home.env, cwd: home.dir });
    assert.match((await terminal.ended).shown, /SELECT 120/);
  });
});

test('a tail that begins while a command is held says so', async (t) => {
  const { api, home } = await place(t);
  api.on('GET /v1/sessions/ses_1', { json: sessionView('plain', { state: 'live' }) });
  api.on('GET /v1/sessions/ses_1/events', {
    lines: [{ seq: 9, at: '2026-11-21T18:00:00.000Z', type: 'session.closed', end: { kind: 'closed' } }].flatMap(
      (last) => [events()[0], last],
    ),
  });
  api.on('GET /v1/approvals', {
    json: [
      { ...approvalView(), session: 'ses_1', id: 'apr_7' },
      { ...approvalView(), session: 'ses_2', id: 'apr_8' },
    ],
  });
  const { stderr } = await home.run(['sessions', 'tail', 'ses_1']);
  assert.match(stderr, /held since .*, waiting for approval apr_7 /);
  assert.doesNotMatch(stderr, /apr_8/);
});

describe('export', () => {
  async function exporting(t: Parameters<typeof startApi>[0]) {
    const { api, home } = await place(t);
    api.on('GET /v1/sessions/ses_1', { json: sessionView() });
    api.on('GET /v1/sessions', { json: [sessionView()] });
    api.on('GET /v1/sessions/ses_1/events', { lines: events() });
    return { api, home };
  }

  test('is the recording as it is kept, unless another form is asked for', async (t) => {
    const { home } = await exporting(t);
    const ended = await home.run(['sessions', 'export', 'ses_1']);
    assert.deepEqual(ended, {
      code: 0,
      stdout: events()
        .map((event) => `${JSON.stringify(event)}\n`)
        .join(''),
      stderr: '',
    });
  });

  test('goes into a file for its owner alone, which replaces nothing unasked', async (t) => {
    const { home } = await exporting(t);
    const file = join(home.dir, 'out.csv');
    writeFileSync(file, 'mine');
    const words = ['sessions', 'export', '--target', 'shop', '--format', 'csv', '--out', 'out.csv'];
    const refused = await home.run([...words, '--json'], { cwd: home.dir });
    assert.deepEqual([refused.code, jsonError(refused).code, readFileSync(file, 'utf8')], [2, 'FILE_EXISTS', 'mine']);
    const { code, stdout } = await home.run([...words, '--force', '--json'], { cwd: home.dir });
    assert.equal(code, 0);
    assert.equal(readFileSync(file, 'utf8').split('\n').length, 5);
    assert.deepEqual([JSON.parse(stdout).sessions, statSync(file).mode & 0o777], [1, 0o600]);
  });

  test('as HAR is an archive of the exchanges, and says which sessions hold none', async (t) => {
    const { api, home } = await exporting(t);
    api.on('GET /v1/sessions', { json: [sessionView(), sessionView('plain', { id: 'ses_2' })] });
    api.on('GET /v1/sessions/ses_2/events', { lines: exchange() });
    const ended = await home.run(['sessions', 'export', '--target', 'shop', '--format', 'har']);
    assert.deepEqual([ended.code, ended.stderr], [0, 'hoopctl: 1 session of 2 held no HTTP exchange\n']);
    const { log } = JSON.parse(ended.stdout);
    assert.match(log.creator.version, /^\d+\.\d+\.\d+/);
    assert.equal(log.entries[0].request.url, 'http://billing/v1/refunds/7');
  });

  test('as HAR of sessions without an exchange is refused, and leaves no file', async (t) => {
    const { home } = await exporting(t);
    const words = ['sessions', 'export', 'ses_1', '--format', 'har', '--out', 'out.har', '--json'];
    const ended = await home.run(words, { cwd: home.dir });
    assert.deepEqual([jsonError(ended).code, ended.stdout], ['NOT_FOUND', '']);
    assert.deepEqual(
      readdirSync(home.dir).filter((name) => name.includes('har')),
      [],
    );
  });

  test('that breaks off leaves no file behind', async (t) => {
    const { api, home } = await exporting(t);
    api.on('GET /v1/sessions/ses_1/events', { lines: [events()[0], 'no event'] });
    const ended = await home.run(['sessions', 'export', 'ses_1', '--format', 'csv', '--out', 'out.csv'], {
      cwd: home.dir,
    });
    assert.equal(ended.code, 8);
    assert.deepEqual(
      readdirSync(home.dir).filter((name) => name.includes('out.csv')),
      [],
    );
  });

  test('says which session has no recording, and is not called whole', async (t) => {
    const { api, home } = await exporting(t);
    api.on('GET /v1/sessions/ses_1/events', refusal(404, 'NOT_FOUND', 'no session', 4));
    const ended = await home.run(['sessions', 'export', 'ses_1']);
    assert.deepEqual([ended.code, ended.stdout], [1, '']);
    assert.match(ended.stderr, /there is no recording of session ses_1/);
  });

  for (const [words, why] of [
    [[], /nothing is named/],
    [['ses_1', '--live'], /a filter too/],
    [['ses_1', '--complete'], /--complete is for a bundle/],
    [['ses_1', '--format', 'pdf'], /pdf/],
  ] as const)
    test(`wrong usage: ${words.join(' ') || 'nothing'}`, async (t) => {
      const { home } = await exporting(t);
      const ended = await home.run(['sessions', 'export', ...words]);
      assert.equal(ended.code, 2);
      assert.match(ended.stderr, why);
    });

  test('a cast holds one session', async (t) => {
    const { api, home } = await exporting(t);
    api.on('GET /v1/sessions', { json: [sessionView(), sessionView('x', { id: 'ses_2' })] });
    assert.equal((await home.run(['sessions', 'export', '--live', '--format', 'cast'])).code, 2);
    assert.match((await home.run(['sessions', 'export', 'ses_1', '--format', 'cast'])).stdout, /^\{"version":2,/);
  });
});

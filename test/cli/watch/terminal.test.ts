/** `approvals watch` on a real terminal: a screen of its own, given back as it was, and keys that decide nothing. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { approvalView, HOSTILE, refusal, startApi } from '../api.ts';
import { jsonError, newHome } from '../cli.ts';
import { onTerminal } from '../on-terminal.ts';

const ENTERS = '\x1b[?1049h';
const LEAVES = '\x1b[?1049l';

async function place(t: TestContext) {
  const api = await startApi(t);
  const home = newHome(t);
  const one = approvalView('shop', { text: `DELETE FROM orders\n-- ${HOSTILE}`, purpose: HOSTILE });
  api.on('GET /v1/approvals', { json: [one] });
  api.on('GET /v1/approvals/apr_1', { json: one });
  api.on('GET /v1/approvals/stream', { events: [] });
  const env = { ...home.env, HOOPCTL_GATEWAY: api.url, HOOPCTL_TOKEN: 'a.b.c' };
  return { api, home, env };
}

test('Enter shows the whole request and approves nothing; q leaves the terminal as it was', async (t) => {
  const { api, home, env } = await place(t);
  const watching = onTerminal(t, ['approvals', 'watch'], { env, cwd: home.dir, columns: 100, rows: 30 });
  await watching.shows('1 open, 1 yours to decide');
  await watching.shows('DELETE FROM orders');
  watching.type('\r');
  await watching.shows('sha256');
  const before = watching.shown.length;
  watching.type('q');
  await watching.shows('Enter the whole of it', before);
  watching.type('q');
  const { code, shown } = await watching.ended;
  assert.equal(code, 0);
  assert.ok(shown.indexOf(ENTERS) >= 0 && shown.indexOf(LEAVES) > shown.indexOf(ENTERS));
  assert.ok(shown.lastIndexOf('\x1b[?25h') > shown.lastIndexOf('\x1b[?25l'), 'the cursor is shown again');
  assert.doesNotMatch(shown, /\x1b\]52|\u202e|\x9b|\u200b|\x1b\[2J\x1b\]/);
  assert.equal(
    api.asked.some(({ method }) => method === 'POST'),
    false,
  );
});

test('a begins what approve does: the request, then a sign-in; Ctrl-C there ends it with nothing decided', async (t) => {
  const { api, home, env } = await place(t);
  const login = {
    id: 'l',
    verificationUri: 'https://idp.example/device',
    userCode: 'ABCD-EFGH',
    expiresIn: 600,
    interval: 5,
  };
  api.on('POST /v1/approval-logins', { json: login });
  const watching = onTerminal(t, ['approvals', 'watch'], { env, cwd: home.dir, columns: 100, rows: 60 });
  await watching.shows('DELETE FROM orders');
  watching.type('a');
  await watching.shows('asked to run, exactly:');
  await watching.shows('ABCD-EFGH');
  // The code comes with a picture for a phone, and that must not end it.
  await watching.shows('█▀▀▀▀▀█');
  watching.type('\x03');
  assert.equal((await watching.ended).code, 130);
  assert.equal(
    api.asked.some(({ path }) => path.endsWith('/decision')),
    false,
  );
});

test('where the request and the picture are too much for the screen, the request stays', async (t) => {
  const { api, home, env } = await place(t);
  const uri = 'https://idp.example/device';
  api.on('POST /v1/approval-logins', {
    json: { id: 'l', verificationUri: uri, userCode: 'ABCD-EFGH', expiresIn: 600, interval: 5 },
  });
  const watching = onTerminal(t, ['approvals', 'watch'], { env, cwd: home.dir, columns: 80, rows: 24 });
  await watching.shows('DELETE FROM orders');
  watching.type('a');
  await watching.shows('ABCD-EFGH');
  await watching.shows('waiting for the sign-in');
  watching.type('\x03');
  assert.doesNotMatch((await watching.ended).shown, /▀/);
});

test('one that cannot be decided says why, and Enter goes back to the list', async (t) => {
  const { api, home, env } = await place(t);
  api.on('POST /v1/approval-logins', refusal(429, 'TOO_MANY', 'too many sign-ins', 1));
  const watching = onTerminal(t, ['approvals', 'watch'], { env, cwd: home.dir });
  await watching.shows('DELETE FROM orders');
  watching.type('a');
  await watching.shows('[TOO_MANY]');
  await watching.shows('Enter goes back to the list');
  const before = watching.shown.length;
  watching.type('\r');
  await watching.shows('Enter the whole of it', before);
  watching.type('q');
  assert.equal((await watching.ended).code, 0);
});

test('Ctrl-C leaves the terminal as it was too, with 130', async (t) => {
  const { home, env } = await place(t);
  const watching = onTerminal(t, ['approvals', 'watch'], { env, cwd: home.dir });
  await watching.shows('DELETE FROM orders');
  watching.type('\x03');
  const { code, shown } = await watching.ended;
  assert.equal(code, 130);
  assert.ok(shown.includes(LEAVES));
});

test('--bell without a terminal is refused: it would be accepted and ignored', async (t) => {
  const { home, env } = await place(t);
  const ended = await home.run(['approvals', 'watch', '--bell', '--json'], { env });
  assert.equal(ended.code, 2);
  assert.equal(jsonError(ended).code, 'USAGE');
});

/** Tokens from the environment, a file and a command: which one wins, when it is asked anew, and that it is never repeated in an error. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { tokenFromEnvironment } from '../../src/app/token-source.ts';
import { HoopError } from '../../src/base/error.ts';
import { FakeClock } from '../fakes/clock.ts';

function place(t: TestContext, env: Record<string, string>) {
  const cwd = mkdtempSync(join(tmpdir(), 'hoopctl-token-'));
  t.after(() => rmSync(cwd, { recursive: true, force: true }));
  const all: Record<string, string | undefined> = { PATH: process.env['PATH'], ...env };
  return { env: all, cwd, clock: new FakeClock() };
}

const jwt = (exp: number) => `h.${Buffer.from(JSON.stringify({ exp })).toString('base64url')}.s`;

test('nothing set is no source', (t) => {
  assert.equal(tokenFromEnvironment(place(t, {})), undefined);
  assert.equal(tokenFromEnvironment(place(t, { HOOPCTL_TOKEN: '' })), undefined);
});

test('the variable wins over the file, the file over the command', async (t) => {
  const where = place(t, { HOOPCTL_TOKEN: 'a', HOOPCTL_TOKEN_FILE: 'f', HOOPCTL_TOKEN_CMD: 'echo c' });
  writeFileSync(join(where.cwd, 'f'), 'b\n');
  assert.equal((await tokenFromEnvironment(where)?.token())?.expose(), 'a');
  const { HOOPCTL_TOKEN: _, ...less } = where.env;
  assert.equal((await tokenFromEnvironment({ ...where, env: less })?.token())?.expose(), 'b');
});

test('a file is read anew each time', async (t) => {
  const where = place(t, { HOOPCTL_TOKEN_FILE: 'f' });
  const source = tokenFromEnvironment(where);
  writeFileSync(join(where.cwd, 'f'), 'one');
  assert.equal((await source?.token())?.expose(), 'one');
  writeFileSync(join(where.cwd, 'f'), 'two');
  assert.equal((await source?.token())?.expose(), 'two');
});

test("a command's token is kept until shortly before it runs out", async (t) => {
  const where = place(t, { HOOPCTL_TOKEN_CMD: 'echo x >> runs; cat token' });
  const now = where.clock.now() / 1000;
  writeFileSync(join(where.cwd, 'token'), jwt(now + 60));
  const source = tokenFromEnvironment(where);
  const first = await source?.token();
  writeFileSync(join(where.cwd, 'token'), jwt(now + 600));
  assert.equal((await source?.token())?.expose(), first?.expose());
  await where.clock.advance(31_000);
  assert.equal((await source?.token())?.expose(), jwt(now + 600));
});

test('a command that fails is told without what it printed', async (t) => {
  const where = place(t, { HOOPCTL_TOKEN_CMD: 'echo canary; echo canary >&2; exit 7' });
  await assert.rejects(
    async () => tokenFromEnvironment(where)?.token(),
    (error) =>
      error instanceof HoopError &&
      error.exit === 3 &&
      /ended with 7/.test(error.message) &&
      !/canary/.test(JSON.stringify(error) + error.message),
  );
});

test('what can not be a bearer token is refused and not repeated', async (t) => {
  for (const text of ['two tokens', 'a\r\nX-Injected: 1', 'Bearer canary'])
    await assert.rejects(
      async () => tokenFromEnvironment(place(t, { HOOPCTL_TOKEN: text }))?.token(),
      (error) => error instanceof HoopError && error.exit === 3 && !error.message.includes(text),
    );
});

test('a missing file and an empty one are exit 3', async (t) => {
  const where = place(t, { HOOPCTL_TOKEN_FILE: 'f' });
  await assert.rejects(async () => tokenFromEnvironment(where)?.token(), { code: 'TOKEN_UNREADABLE', exit: 3 });
  writeFileSync(join(where.cwd, 'f'), ' \n');
  await assert.rejects(async () => tokenFromEnvironment(where)?.token(), { code: 'TOKEN_EMPTY', exit: 3 });
});

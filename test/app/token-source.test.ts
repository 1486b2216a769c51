/** Tokens from the environment, a file and a command: when they are asked anew, and that they are never repeated in an error. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { tokenSource } from '../../src/app/token-source.ts';
import { HoopError } from '../../src/base/error.ts';
import { FakeClock } from '../fakes/clock.ts';

function place(t: TestContext, env: Record<string, string> = {}) {
  const cwd = mkdtempSync(join(tmpdir(), 'hoopctl-token-'));
  t.after(() => rmSync(cwd, { recursive: true, force: true }));
  const all: Record<string, string | undefined> = { PATH: process.env['PATH'], ...env };
  return { env: all, cwd, clock: new FakeClock() };
}

const jwt = (exp: number) => `h.${Buffer.from(JSON.stringify({ exp })).toString('base64url')}.s`;

test('a file is read anew each time', async (t) => {
  const where = place(t);
  const path = join(where.cwd, 'f');
  const token = tokenSource({ kind: 'file', path }, 'HOOPCTL_TOKEN_FILE', where);
  writeFileSync(path, 'one\n');
  assert.equal((await token()).expose(), 'one');
  writeFileSync(path, 'two');
  assert.equal((await token()).expose(), 'two');
});

test("a command's token is kept until shortly before it runs out", async (t) => {
  const where = place(t);
  const now = where.clock.now() / 1000;
  const token = tokenSource({ kind: 'command', command: 'cat token' }, 'HOOPCTL_TOKEN_CMD', where);
  writeFileSync(join(where.cwd, 'token'), jwt(now + 60));
  const first = await token();
  writeFileSync(join(where.cwd, 'token'), jwt(now + 600));
  assert.equal((await token()).expose(), first.expose());
  await where.clock.advance(31_000);
  assert.equal((await token()).expose(), jwt(now + 600));
});

test("a command's opaque token is asked for each time: nothing says how long it lives", async (t) => {
  const where = place(t);
  const token = tokenSource({ kind: 'command', command: 'echo x >> runs; wc -l < runs' }, 'HOOPCTL_TOKEN_CMD', where);
  assert.equal((await token()).expose(), '1');
  assert.equal((await token()).expose(), '2');
});

test('a command that fails is told without what it printed', async (t) => {
  const token = tokenSource({ kind: 'command', command: 'echo canary; echo canary >&2; exit 7' }, 'X', place(t));
  await assert.rejects(
    () => token(),
    (error) =>
      error instanceof HoopError &&
      error.exit === 3 &&
      error.message === 'the command of X ended with 7' &&
      !JSON.stringify(error).includes('canary'),
  );
});

test('what can not be a bearer token is refused and not repeated', async (t) => {
  for (const text of ['two tokens', 'a\r\nX-Injected: 1', 'Bearer canary'])
    await assert.rejects(
      () => tokenSource({ kind: 'variable' }, 'HOOPCTL_TOKEN', place(t, { HOOPCTL_TOKEN: text }))(),
      (error) => error instanceof HoopError && error.exit === 3 && !error.message.includes(text),
    );
});

test('a missing file and an empty one are exit 3', async (t) => {
  const where = place(t);
  const path = join(where.cwd, 'f');
  const token = tokenSource({ kind: 'file', path }, 'HOOPCTL_TOKEN_FILE', where);
  await assert.rejects(() => token(), { code: 'TOKEN_UNREADABLE', exit: 3 });
  writeFileSync(path, ' \n');
  await assert.rejects(() => token(), { code: 'TOKEN_EMPTY', exit: 3 });
});

/** Two processes on one file, and one that dies in the middle: what was acknowledged is there, what was half done is not. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/base/clock.ts';
import { createStore } from '../../src/store/index.ts';

const WRITER = fileURLToPath(new URL('writer.ts', import.meta.url));

test('two processes never draw the same epoch, and none is left out', async () => {
  await using folder = temporary();
  const writers = ['a', 'b'].map((name) => start(folder.url, 'revoke', name, 40));
  const epochs = (await Promise.all(writers.map(output))).flatMap((text) => text.trim().split('\n').map(Number));
  assert.deepEqual(
    epochs.toSorted((a, b) => a - b),
    Array.from({ length: 80 }, (_, i) => i + 1),
  );
});

test('a process killed in the middle of a transaction leaves nothing of it, and no lock', async () => {
  await using folder = temporary();
  const before = await createStore({ url: folder.url, clock: systemClock });
  const writer = start(folder.url, 'half');
  await said(writer, 'half');
  writer.kill('SIGKILL');
  await once(writer, 'close');
  await before.check(); // writes: the dead process holds no lock
  assert.equal(await before.revocations.epoch(), 0);
  await before.close();
  const after = await createStore({ url: folder.url, clock: systemClock });
  assert.equal(await after.revocations.epoch(), 0);
  await after.close();
});

test('whatever a killed process had been answered is in the file, and the file is sound', async () => {
  await using folder = temporary();
  const writer = start(folder.url, 'revoke', 'x', 100_000);
  let text = '';
  writer.stdout?.on('data', (chunk) => {
    text += chunk;
    if (text.length > 100) writer.kill('SIGKILL');
  });
  await once(writer, 'close');
  const acknowledged = Number(text.slice(0, text.lastIndexOf('\n')).split('\n').at(-1));
  assert.ok(acknowledged > 10);

  const store = await createStore({ url: folder.url, clock: systemClock });
  const rows = await store.revocations.list();
  const epoch = await store.revocations.epoch();
  await store.close();
  assert.ok(epoch >= acknowledged, `epoch ${epoch} was acknowledged up to ${acknowledged}`);
  assert.equal(rows.length, epoch, 'each epoch has its row');
  const db = new DatabaseSync(folder.url.slice('sqlite:'.length));
  assert.deepEqual({ ...db.prepare('pragma integrity_check').get() }, { integrity_check: 'ok' });
  db.close();
});

test('two handles see each other at once', async () => {
  await using folder = temporary();
  const one = await createStore({ url: folder.url, clock: systemClock });
  const two = await createStore({ url: folder.url, clock: systemClock });
  await two.people.seen({ issuer: 'i', subject: 's', name: 'n', groups: [], claims: {} }, 1);
  assert.equal((await one.people.list()).length, 1);
  await one.close();
  assert.equal((await two.people.list()).length, 1, 'closing one leaves the other open');
  await two.close();
});

function start(url: string, what: 'revoke' | 'half', prefix = '', count = 0): ChildProcess {
  return spawn(process.execPath, [WRITER, url, what, prefix, String(count)], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function output(child: ChildProcess): Promise<string> {
  let text = '';
  child.stdout?.on('data', (chunk) => {
    text += chunk;
  });
  const [code] = await once(child, 'close');
  assert.equal(code, 0);
  return text;
}

async function said(child: ChildProcess, word: string): Promise<void> {
  for await (const chunk of child.stdout ?? []) if (String(chunk).includes(word)) return;
  assert.fail(`the process ended without saying ${word}`);
}

function temporary() {
  const path = mkdtempSync(join(tmpdir(), 'hoopctl-store-'));
  return {
    url: `sqlite:${path}/hoop.db`,
    [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true, force: true }),
  };
}

/** One holder at a time, and no lock outlives its holder. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { withLock } from '../../bin/setup/lock.js';
import { packageRoot } from '../../src/base/entry.ts';

let folder = '';
const silent = { say: () => assert.fail('it waited') };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hoopctl-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('the lock names its holder while the work is done, and is gone afterwards, also after a failure', () => {
  const path = join(folder, 'lock');
  assert.equal(
    withLock(path, silent, () => JSON.parse(readFileSync(path, 'utf8')).pid),
    process.pid,
  );
  assert.throws(() => withLock(path, silent, () => assert.fail('the work failed')), /the work failed/);
  assert.deepEqual(readdirSync(folder), []);
});

for (const [whose, holder] of [
  ['a process that is gone', () => JSON.stringify({ pid: spawnSync(process.execPath, ['-e', '']).pid, started: '1' })],
  ['an earlier process with a number that is used again', () => JSON.stringify({ pid: process.pid, started: '1' })],
  ['a write that was cut short', () => '{"pi'],
] as const) {
  test(`the lock of ${whose} is broken`, () => {
    const path = join(folder, 'lock');
    writeFileSync(path, holder());
    assert.equal(
      withLock(path, silent, () => 'done'),
      'done',
    );
    assert.ok(!existsSync(path));
  });
}

test('many that find the same dead lock still work one at a time', async () => {
  const path = join(folder, 'lock');
  writeFileSync(path, JSON.stringify({ pid: spawnSync(process.execPath, ['-e', '']).pid, started: '1' }));
  const lock = join(packageRoot(), 'bin', 'setup', 'lock.js');
  // Each adds one to a number it reads and writes apart: two at once would lose one.
  const program = `
    import { readFileSync, writeFileSync } from 'node:fs';
    import { withLock } from ${JSON.stringify(lock)};
    for (let round = 0; round < 20; round += 1) withLock(${JSON.stringify(path)}, { say() {} }, () => {
      const count = Number(readFileSync(${JSON.stringify(join(folder, 'count'))}, 'utf8'));
      writeFileSync(${JSON.stringify(join(folder, 'count'))}, String(count + 1));
    });`;
  writeFileSync(join(folder, 'count'), '0');
  writeFileSync(join(folder, 'work.mjs'), program);
  const workers = Array.from({ length: 4 }, () =>
    spawn(process.execPath, [join(folder, 'work.mjs')], { stdio: 'inherit' }),
  );
  await Promise.all(workers.map((worker) => once(worker, 'exit')));
  assert.equal(readFileSync(join(folder, 'count'), 'utf8'), '80');
});

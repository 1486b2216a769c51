import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createTerminal } from '../../../src/cli/live/terminal.ts';
import { temporaryFolder } from '../../fakes/resources.ts';

describe('a terminal', () => {
  test('gets everything in the order it was written, text and bytes', async (t) => {
    const path = join(temporaryFolder(t), 'out');
    const fd = openSync(path, 'w');
    const terminal = createTerminal(fd, () => ({}));
    for (let i = 0; i < 1000; i++) terminal.write(i % 2 === 0 ? `${i}\n` : Buffer.from(`${i}\n`));
    await terminal.drained();
    assert.equal(readFileSync(path, 'utf8'), Array.from({ length: 1000 }, (_, i) => `${i}\n`).join(''));
    closeSync(fd);
  });

  test('that takes nothing holds nothing up but who waits for it, and says how far it is behind', async (t) => {
    const path = join(temporaryFolder(t), 'fifo');
    execFileSync('mkfifo', [path]);
    const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const fd = openSync(path, 'w');
    const terminal = createTerminal(fd, () => ({}));
    const size = 1_000_000;
    terminal.write(Buffer.alloc(size, 'x'));
    let drained = false;
    const waiting = terminal.drained().then(() => (drained = true));
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(drained, false);
    assert.ok(terminal.behind > 0);
    let taken = 0;
    const buffer = Buffer.alloc(100_000);
    while (!drained) {
      try {
        taken += readSync(readEnd, buffer);
      } catch {
        // Nothing there at the moment.
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    await waiting;
    try {
      for (let more = 1; more > 0; taken += more) more = readSync(readEnd, buffer);
    } catch {
      // EAGAIN: all of it was read.
    }
    assert.equal(taken, size);
    assert.equal(terminal.behind, 0);
    closeSync(fd);
    closeSync(readEnd);
  });

  test('that says no size is 80 by 24', () => {
    const { columns, rows } = createTerminal(2, () => ({ columns: 0, rows: 0 }));
    assert.deepEqual([columns, rows], [80, 24]);
  });
});

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { realDisk } from '../../src/record/disk.ts';
import { bench, DAY, diskWith, errno, intent, opened, verifyFolder } from './workbench.ts';

describe('compressing', () => {
  test('a sealed recording is gzipped and its source goes', async () => {
    using at = bench();
    const recordings = await at.start();
    const recorder = await recordings.open(opened('s1'));
    await recorder.finish({ kind: 'closed' });
    await recordings.close();
    assert.deepEqual(readdirSync(join(at.recordings, DAY)), ['s1.ndjson.gz']);
  });

  test('the copy is synced, then named, then its name is synced, then the source goes', async () => {
    using at = bench();
    const calls: string[] = [];
    const names = new Map<number, string>();
    const disk = diskWith({
      create: (path) => {
        const fd = realDisk.create(path);
        names.set(fd, path);
        return fd;
      },
      sync: async (fd) => {
        await realDisk.sync(fd);
        if (names.get(fd)?.endsWith('.gz')) calls.push('sync copy');
      },
      rename: (from, to) => {
        realDisk.rename(from, to);
        if (to.endsWith('.gz')) calls.push('name');
      },
      syncFolder: async (path) => {
        await realDisk.syncFolder(path);
        if (path.endsWith(DAY) && calls.length > 0) calls.push('sync folder');
      },
      remove: (path) => {
        realDisk.remove(path);
        if (path.endsWith('s1.ndjson')) calls.push('remove source');
      },
    });
    const recordings = await at.start({ disk });
    const recorder = await recordings.open(opened('s1'));
    await recorder.finish({ kind: 'closed' });
    await recordings.close();
    assert.deepEqual(calls, ['sync copy', 'name', 'sync folder', 'remove source']);
  });

  test('a recording that cannot be compressed stays as it is and is as good', async () => {
    using at = bench();
    const disk = diskWith({
      rename: (from, to) => {
        if (to.endsWith('.gz')) throw errno('ENOSPC');
        realDisk.rename(from, to);
      },
    });
    const recordings = await at.start({ disk });
    const recorder = await recordings.open(opened('s1'));
    await recorder.append(intent('c1'), 'intent');
    await recorder.finish({ kind: 'closed' });
    await recordings.close();
    assert.deepEqual(readdirSync(join(at.recordings, DAY)), ['s1.ndjson']);
    assert.equal(at.warnings.length, 1);
    assert.equal((await verifyFolder(at.recordings, recordings)).get('s1')?.grade, 'complete');
    assert.deepEqual(
      readdirSync(join(at.journal, 'gw1')).filter((name) => name.endsWith('.journal')),
      [],
    );
  });

  test('a large recording is compressed too', async () => {
    using at = bench();
    const recordings = await at.start({ durability: 'process' });
    const recorder = await recordings.open(opened('s1'));
    for (let i = 0; i < 40; i += 1) {
      recorder.append([{ type: 'stream', direction: 'out', data: `${i}`.repeat(64 * 1024) }], 'note');
    }
    await recorder.finish({ kind: 'closed' });
    await recordings.close();
    assert.deepEqual(readdirSync(join(at.recordings, DAY)), ['s1.ndjson.gz']);
    assert.equal((await verifyFolder(at.recordings, recordings)).get('s1')?.grade, 'complete');
  });
});

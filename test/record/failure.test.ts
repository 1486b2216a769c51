import assert from 'node:assert/strict';
import { closeSync, existsSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { HoopError } from '../../src/base/error.ts';
import { realDisk } from '../../src/record/disk.ts';
import { bench, DAY, diskWith, errno, intent, opened, outcome, verifyFolder } from './workbench.ts';

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('a recording that cannot be written', () => {
  for (const code of ['EROFS', 'EIO']) {
    test(`${code} on a write ends the session and is final`, async () => {
      using at = bench();
      let broken = false;
      const disk = diskWith({
        write: (fd, bytes) => {
          if (broken) throw errno(code);
          realDisk.write(fd, bytes);
        },
      });
      const recordings = await at.start({ disk });
      const recorder = await recordings.open(opened('s1'));
      broken = true;
      await assert.rejects(async () => recorder.append(intent('c1'), 'intent'), { code: 'RECORDING_FAILED' });
      assert.equal(recorder.failed.aborted, true);
      assert.equal((recorder.failed.reason as HoopError).code, 'RECORDING_FAILED');
      broken = false;
      await assert.rejects(async () => recorder.append(intent('c2'), 'read'), { code: 'RECORDING_FAILED' });
      await assert.rejects(recorder.finish({ kind: 'closed' }), { code: 'RECORDING_FAILED' });
      await recordings.close();
    });
  }

  test('a failed read or note is not silent either', async () => {
    using at = bench();
    let broken = false;
    const disk = diskWith({
      write: (fd, bytes) => {
        if (broken) throw errno('ENOSPC');
        realDisk.write(fd, bytes);
      },
    });
    const recordings = await at.start({ disk });
    const [one, two] = await Promise.all([recordings.open(opened('s1')), recordings.open(opened('s2'))]);
    broken = true;
    await assert.rejects(async () => one.append(intent('c1'), 'read'), { code: 'RECORDING_FAILED' });
    // Nobody looks at what a note returns, and that must not end the process.
    two.append([outcome('c1')], 'note');
    await settled();
    assert.equal(two.failed.aborted, true);
    await recordings.close();
  });

  test('a full disk fails new sessions until there is room again', async () => {
    using at = bench();
    let broken = false;
    const disk = diskWith({
      write: (fd, bytes) => {
        if (broken) throw errno('ENOSPC');
        realDisk.write(fd, bytes);
      },
    });
    const recordings = await at.start({ disk });
    broken = true;
    await assert.rejects(recordings.open(opened('s1')), { code: 'RECORDING_FAILED' });
    await assert.rejects(recordings.check());
    broken = false;
    // Whether there is room is tried once a second, not for everybody who asks.
    await at.clock.advance(1_000);
    await recordings.check();
    const recorder = await recordings.open(opened('s2'));
    await recorder.append(intent('c1'), 'intent');
    await recorder.finish({ kind: 'closed' });
    await recordings.close();
  });

  test('a failed fdatasync of the journal is final for every session that used it', async () => {
    using at = bench();
    let broken = false;
    let syncs = 0;
    const disk = diskWith({
      sync: (fd) => {
        syncs += 1;
        return broken ? Promise.reject(errno('EIO')) : realDisk.sync(fd);
      },
    });
    const recordings = await at.start({ disk });
    const [one, two] = await Promise.all([recordings.open(opened('s1')), recordings.open(opened('s2'))]);
    broken = true;
    await assert.rejects(async () => one.append(intent('c1'), 'intent'), { code: 'RECORDING_FAILED' });
    assert.equal(one.failed.aborted, true);
    assert.equal(two.failed.aborted, true);
    broken = false;
    const before = syncs;
    await assert.rejects(async () => two.append(intent('c1'), 'intent'), { code: 'RECORDING_FAILED' });
    assert.equal(syncs, before);
    // Another file is another matter.
    const three = await recordings.open(opened('s3'));
    await three.append(intent('c1'), 'intent');
    await three.finish({ kind: 'closed' });
    await recordings.close();
  });

  test('a descriptor that was closed under it ends the session', async () => {
    using at = bench();
    const fds = new Map<string, number>();
    const disk = diskWith({
      create: (path) => {
        const fd = realDisk.create(path);
        fds.set(path, fd);
        return fd;
      },
    });
    const recordings = await at.start({ disk });
    const recorder = await recordings.open(opened('s1'));
    const fd = [...fds].find(([path]) => path.includes('s1'))?.[1];
    closeSync(fd as number);
    await assert.rejects(async () => recorder.append(intent('c1'), 'intent'), { code: 'RECORDING_FAILED' });
    await recordings.close();
  });

  for (const weight of ['intent', 'read'] as const) {
    test(`a recording whose folder was removed lets no ${weight} pass`, async () => {
      using at = bench();
      const recordings = await at.start();
      const recorder = await recordings.open(opened('s1'));
      rmSync(at.recordings, { recursive: true });
      await assert.rejects(async () => recorder.append(intent('c1'), weight), { code: 'RECORDING_FAILED' });
      assert.equal(recorder.failed.aborted, true);
      await recordings.close();
    });
  }

  test('a removed recording of a session that only listens is noticed with the next checkpoint', async () => {
    using at = bench();
    const recordings = await at.start({ checkpoint: { ms: 1000 } });
    const recorder = await recordings.open(opened('s1'));
    unlinkSync(join(at.recordings, DAY, 's1.ndjson'));
    recorder.append([{ type: 'notice', notice: 'x' }], 'note');
    await at.clock.advance(1000);
    assert.equal(recorder.failed.aborted, true);
    await recordings.close();
  });

  test('a removed journal lets no intent pass', async () => {
    using at = bench();
    const recordings = await at.start();
    const recorder = await recordings.open(opened('s1'));
    rmSync(join(at.journal, 'gw1'), { recursive: true });
    await assert.rejects(async () => recorder.append(intent('c1'), 'intent'), { code: 'RECORDING_FAILED' });
    await recordings.close();
  });

  test('when the folder of all recordings is gone it is not made anew', async () => {
    using at = bench();
    const recordings = await at.start();
    renameSync(at.recordings, `${at.recordings}.away`);
    await assert.rejects(recordings.open(opened('s1')), { code: 'RECORDING_FAILED' });
    assert.equal(existsSync(at.recordings), false);
    await recordings.close();
  });

  test('a recording that exists is never opened again', async () => {
    using at = bench();
    const recordings = await at.start();
    const recorder = await recordings.open(opened('s1'));
    await assert.rejects(recordings.open(opened('s1')), { code: 'RECORDING_FAILED' });
    await recorder.append(intent('c1'), 'intent');
    await recorder.finish({ kind: 'closed' });
    await recordings.close();
    assert.equal((await verifyFolder(at.recordings, recordings)).get('s1')?.grade, 'complete');
  });

  test('a session id that is no file name is refused', async () => {
    using at = bench();
    const recordings = await at.start();
    for (const id of ['../x', 'a/b', '', '.hidden', 'a\0b', 'x'.repeat(200)]) {
      await assert.rejects(recordings.open(opened(id)), { code: 'SESSION_ID_INVALID' });
    }
    await recordings.close();
  });

  test('a session in the name of another gateway is refused', async () => {
    using at = bench();
    const recordings = await at.start();
    await assert.rejects(recordings.open(opened('s1', 'gw2')), { code: 'EVENT_INVALID' });
    await recordings.close();
  });
});

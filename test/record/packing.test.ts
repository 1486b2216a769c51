import assert from 'node:assert/strict';
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { readEvents, verifyRecording } from '../../src/record/index.ts';
import { realDisk } from '../../src/record/disk.ts';
import {
  type Bench,
  bench,
  DAY,
  diskWith,
  errno,
  intent,
  opened,
  outcome,
  sealedSession,
  verifyFolder,
} from './workbench.ts';

async function packed(at: Bench): Promise<{ path: string; keys: Parameters<typeof verifyRecording>[1] }> {
  const recordings = await at.start({ compress: 'zstd' });
  await sealedSession(recordings, 's1');
  await recordings.close();
  return { path: join(at.recordings, DAY, 's1.ndjson.zst'), keys: { keys: recordings.publicKey.trusted } };
}

describe('recordings packed with zstd', () => {
  test('are what readers and the verifier take, and zstd itself', async () => {
    using at = bench();
    const { path, keys } = await packed(at);
    assert.deepEqual(readdirSync(join(at.recordings, DAY)), ['s1.ndjson.zst']);
    assert.equal((await verifyRecording(path, keys)).grade, 'complete');
    const events = await Array.fromAsync(readEvents(path));
    assert.equal(events.length, zstdDecompressSync(readFileSync(path)).toString('utf8').split('\n').length - 1);
  });

  test('hide no byte that was changed, cut off or added', async () => {
    using at = bench();
    const { path, keys } = await packed(at);
    const whole = readFileSync(path);
    const gradeOf = async (bytes: Uint8Array) => (await verifyRecording(bytes, { ...keys, session: 's1' })).grade;
    for (let i = 0; i < whole.length; i += 1) {
      const changed = Buffer.from(whole);
      changed[i] = (changed[i] as number) ^ 0xff;
      assert.notEqual(await gradeOf(changed), 'complete', `byte ${i}`);
      if (i % 16 === 0) assert.notEqual(await gradeOf(whole.subarray(0, i)), 'complete', `cut to ${i}`);
    }
    for (const more of [Buffer.alloc(3), Buffer.from('x'), zstdCompressSync(Buffer.from('{}\n'))]) {
      assert.equal(await gradeOf(Buffer.concat([whole, more])), 'tampered');
    }
  });

  test('are finished after a crash, whichever of the two the gateway packs with by then', async () => {
    using at = bench();
    const disk = diskWith({
      rename: (from, to) => {
        if (to.endsWith('.zst')) throw errno('ENOSPC');
        realDisk.rename(from, to);
      },
    });
    const recordings = await at.start({ disk, compress: 'zstd' });
    await sealedSession(recordings, 's1');
    await recordings.close();
    const back = await at.start();
    await back.close();
    assert.deepEqual(readdirSync(join(at.recordings, DAY)), ['s1.ndjson.gz']);
    assert.equal((await verifyFolder(at.recordings, back)).get('s1')?.grade, 'complete');
  });

  test('do not cost the source while the copy is not whole', async () => {
    using at = bench();
    const { path } = await packed(at);
    writeFileSync(path.replace('.zst', ''), zstdDecompressSync(readFileSync(path)));
    truncateSync(path, 40);
    const back = await at.start({ compress: 'zstd' });
    assert.match(back.recovery.problems.join(), /the copy is (truncated|tampered)/);
    await back.close();
    assert.deepEqual(readdirSync(join(at.recordings, DAY)), ['s1.ndjson', 's1.ndjson.zst']);
  });
});

describe('a run that may record so much', () => {
  test('is refused what would begin, in words, and what it did is recorded to its end', async () => {
    using at = bench();
    const recordings = await at.start({ quotaPerRun: 4096 });
    const recorder = await recordings.open(opened('s1'));
    let given = 0;
    await assert.rejects(
      async () => {
        for (; given < 100; given += 1) {
          await recorder.append(intent(`c${given}`), 'intent');
          recorder.append([outcome(`c${given}`)], 'note');
        }
      },
      { code: 'RECORDING_QUOTA', exit: 9, message: /4 KiB/ },
    );
    assert.ok(given > 1);
    assert.equal(recorder.failed.aborted, false);
    await recorder.finish({ kind: 'closed' });
    // The same run opens no other session; another run does.
    await assert.rejects(recordings.open(opened('s2')), { code: 'RECORDING_QUOTA' });
    const other = await recordings.open({ ...opened('s3'), run: 'run-2' });
    await other.append(intent('c1'), 'intent');
    await other.finish({ kind: 'closed' });
    recordings.forgetRun('run-1');
    await (await recordings.open(opened('s4'))).finish({ kind: 'closed' });
    await recordings.close();
    assert.deepEqual(
      [...(await verifyFolder(at.recordings, recordings)).values()].map(({ grade }) => grade),
      ['complete', 'complete', 'complete'],
    );
  });
});

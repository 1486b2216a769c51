/** A disk that is really full: a small tmpfs where this user may mount one, else a layer that counts bytes. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { HoopError } from '../../src/base/error.ts';
import type { Recorder } from '../../src/domain/recording.ts';
import { type Disk, realDisk } from '../../src/record/disk.ts';
import { findRecording, readEvents } from '../../src/record/index.ts';
import { bench, errno, intent, opened, outcome, verifyFolder } from './workbench.ts';

const RESERVE = 128 * 1024;
const SIZE = 1024 * 1024;

interface SmallDisk {
  readonly root: string;
  readonly how: string;
  readonly disk: Disk;
  /** Takes all the room there is. */
  fill(): void;
  makeRoom(): void;
  [Symbol.dispose](): void;
}

function smallDisk(): SmallDisk {
  const root = mkdtempSync(join(tmpdir(), 'hoop-full-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', root], { stdio: 'ignore' });
  } catch {
    return countingDisk(root);
  }
  const ballast = join(root, 'ballast');
  return {
    root,
    how: 'tmpfs',
    disk: realDisk,
    fill() {
      for (let bytes = SIZE; bytes >= 1; bytes = bytes >> 1) {
        try {
          for (;;) writeFileSync(ballast, Buffer.alloc(bytes), { flag: 'a' });
        } catch (error) {
          assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
        }
      }
    },
    makeRoom: () => rmSync(ballast),
    [Symbol.dispose]() {
      execFileSync('umount', ['-l', root]);
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** The same for who may not mount: what is in the files is counted before each write. */
function countingDisk(root: string): SmallDisk {
  let limit = SIZE;
  const used = () =>
    readdirSync(root, { recursive: true }).reduce((sum, name) => sum + sizeOf(join(root, `${name}`)), 0);
  return {
    root,
    how: 'a layer that counts',
    disk: {
      ...realDisk,
      write(fd, bytes) {
        const room = limit - used();
        realDisk.write(fd, bytes.subarray(0, Math.max(0, room)));
        if (room < bytes.length) throw errno('ENOSPC');
      },
    },
    fill() {
      limit = used();
    },
    makeRoom() {
      limit = SIZE;
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

function sizeOf(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isFile() ? stats.size : 0;
}

async function fillUp(recorder: Recorder, weight: 'intent' | 'read'): Promise<void> {
  // A page has room left, which tmpfs gives to whoever has it.
  for (let i = 0; i < 200; i += 1) await recorder.append(intent(`fill${i}`, 'x'.repeat(500)), weight);
}

for (const durability of ['effects', 'process'] as const) {
  describe(`a disk that fills up, ${durability}`, () => {
    test('stops what would begin and closes what runs, signed, with what became of it', async (t) => {
      using small = smallDisk();
      t.diagnostic(small.how);
      using at = bench(join(small.root, 'gateway'));
      const recordings = await at.start({ durability, disk: small.disk, reserveBytes: RESERVE });
      const recorders = await Promise.all(['s1', 's2', 's3'].map((id) => recordings.open(opened(id))));
      for (const recorder of recorders) await recorder.append(intent('c1'), 'intent');
      small.fill();

      await assert.rejects(fillUp(recorders[0] as Recorder, 'read'), { code: 'RECORDING_FAILED' });
      for (const recorder of recorders) {
        await new Promise((resolve) => setImmediate(resolve));
        assert.match((recorder.failed.reason as HoopError).message, /full/);
        await assert.rejects(async () => recorder.append(intent('late'), 'read'), { code: 'RECORDING_FAILED' });
        recorder.append([outcome('c1')], 'note');
        await recorder.finish({ kind: 'recorderFailed' });
      }
      await assert.rejects(recordings.open(opened('s4')), { code: 'RECORDING_FAILED', message: /full/ });
      await assert.rejects(recordings.check(), { code: 'RECORDING_FAILED' });

      const reports = await verifyFolder(at.recordings, recordings);
      assert.deepEqual(
        [...reports.values()].map(({ session, grade, end }) => `${session} ${grade} ${end?.kind}`),
        ['s1 complete recorderFailed', 's2 complete recorderFailed', 's3 complete recorderFailed'],
      );

      small.makeRoom();
      await at.clock.advance(1_000);
      await recordings.check();
      const after = await recordings.open(opened('s5'));
      await after.append(intent('c1'), 'intent');
      await after.finish({ kind: 'closed' });
      assert.equal(statSync(join(at.recordings, '.gateways', 'gw1.reserve')).size, RESERVE);
      await recordings.close();
      assert.equal((await verifyFolder(at.recordings, recordings)).get('s5')?.grade, 'complete');
    });

    test('what was recorded through it is all there: nothing refused is in it, and no intent without its outcome', async () => {
      using small = smallDisk();
      using at = bench(join(small.root, 'gateway'));
      const recordings = await at.start({ durability, disk: small.disk, reserveBytes: RESERVE });
      const recorder = await recordings.open(opened('s1'));
      small.fill();
      const given: string[] = [];
      for (let i = 0; !recorder.failed.aborted && i < 1_000; i += 1) {
        try {
          await recorder.append(intent(`c${i}`, 'x'.repeat(300)), 'intent');
          given.push(`c${i}`);
          recorder.append([outcome(`c${i}`)], 'note');
        } catch (error) {
          assert.equal((error as HoopError).code, 'RECORDING_FAILED');
        }
      }
      assert.equal(recorder.failed.aborted, true);
      await recorder.finish({ kind: 'recorderFailed' });
      small.makeRoom();
      await recordings.close();
      const events = await Array.fromAsync(readEvents(findRecording(at.recordings, 's1') as string));
      const of = (type: string, state?: string) =>
        events.flatMap((event) =>
          event.type === type && 'command' in event && (!state || ('state' in event && event.state === state))
            ? [event.command]
            : [],
        );
      const notForwarded = of('outcome', 'notForwarded');
      assert.deepEqual(of('command'), [...given, ...notForwarded]);
      assert.deepEqual(of('outcome', 'completed'), given);
      assert.equal((await verifyFolder(at.recordings, recordings)).get('s1')?.grade, 'complete');
    });
  });
}

test('a gateway that starts on a full disk admits nobody, and does once there is room', async () => {
  using small = smallDisk();
  using at = bench(join(small.root, 'gateway'));
  await (await at.start({ disk: small.disk, reserveBytes: 4096 })).close();
  rmSync(join(at.recordings, '.gateways', 'gw1.reserve'));
  small.fill();
  const recordings = await at.start({ disk: small.disk, reserveBytes: RESERVE });
  await assert.rejects(recordings.open(opened('s1')), { code: 'RECORDING_FAILED' });
  small.makeRoom();
  await at.clock.advance(1_000);
  await (await recordings.open(opened('s1'))).finish({ kind: 'closed' });
  await recordings.close();
});

test('another gateway on a disk of its own goes on', async () => {
  using small = smallDisk();
  using full = bench(join(small.root, 'gateway'));
  using healthy = bench();
  const [one, two] = [await full.start({ disk: small.disk, reserveBytes: RESERVE }), await healthy.start()];
  const [ends, goesOn] = [await one.open(opened('s1')), await two.open(opened('s1'))];
  small.fill();
  await assert.rejects(fillUp(ends, 'intent'));
  await goesOn.append(intent('c1'), 'intent');
  await goesOn.finish({ kind: 'closed' });
  await Promise.all([one.close(), two.close()]);
  assert.equal((await verifyFolder(healthy.recordings, two)).get('s1')?.grade, 'complete');
});

test('the reserve is not what recordings are told by: readers pass it by', async () => {
  using at = bench();
  const recordings = await at.start();
  await (await recordings.open(opened('s1'))).finish({ kind: 'closed' });
  await recordings.close();
  assert.deepEqual([...(await verifyFolder(at.recordings, recordings)).keys()], ['s1']);
  assert.ok(readFileSync(join(at.journal, 'gw1', 'reserve')).length > 0);
});

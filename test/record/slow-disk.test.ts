import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { HoopError } from '../../src/base/error.ts';
import { realDisk } from '../../src/record/disk.ts';
import { STALLED_MS } from '../../src/record/journal.ts';
import { settled } from '../fakes/clock.ts';
import { bench, diskWith, intent, opened, outcome, verifyFolder } from './workbench.ts';

/** A disk whose syncs wait until they are let go. */
function heldDisk() {
  let held: PromiseWithResolvers<void> | undefined;
  let syncs = 0;
  return {
    disk: diskWith({
      async sync(fd) {
        syncs += 1;
        await held?.promise;
        await realDisk.sync(fd);
      },
    }),
    get syncs() {
      return syncs;
    },
    hold() {
      held = Promise.withResolvers();
    },
    letGo() {
      held?.resolve();
      held = undefined;
    },
  };
}

/** What has become of it after everything that can happen has. */
async function stateOf(promise: Promise<unknown> | undefined): Promise<'done' | 'waits'> {
  let state: 'done' | 'waits' = promise ? 'waits' : 'done';
  promise?.then(
    () => (state = 'done'),
    () => (state = 'done'),
  );
  for (let i = 0; i < 5; i += 1) await settled();
  return state;
}

/** Until the disk, which is a real one, has done what was asked of it. */
async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await settled();
}

describe('reads under `effects`', () => {
  test('wait for nothing, and are on the disk within 100 ms', async () => {
    using at = bench();
    const held = heldDisk();
    const recordings = await at.start({ disk: held.disk });
    const recorder = await recordings.open(opened('s1'));
    const before = held.syncs;
    assert.equal(recorder.append(intent('c1', 'SELECT 1'), 'read'), undefined);
    assert.equal(held.syncs, before);
    await at.clock.advance(50);
    await until(() => held.syncs > before);
    await recordings.close();
  });

  test('are synced once for many, and not at all while nothing is written', async () => {
    using at = bench();
    const held = heldDisk();
    const recordings = await at.start({ disk: held.disk, checkpoint: { ms: 1e9 } });
    const recorder = await recordings.open(opened('s1'));
    await at.clock.advance(50);
    const before = held.syncs;
    for (let i = 0; i < 20; i += 1) recorder.append(intent(`c${i}`, 'SELECT 1'), 'read');
    await at.clock.advance(50);
    await until(() => held.syncs > before);
    await at.clock.advance(500);
    assert.equal(held.syncs, before + 1);
    await recordings.close();
  });

  test('survive a crash of the machine 100 ms later', async () => {
    using at = bench();
    const held = heldDisk();
    const recordings = await at.start({ disk: held.disk });
    const recorder = await recordings.open(opened('s1'));
    const before = held.syncs;
    recorder.append(intent('c1', 'SELECT 1'), 'read');
    await at.clock.advance(100);
    await until(() => held.syncs > before);
    using crashed = at.afterCrash();
    await recordings.close();
    // The machine lost the whole file; the journal has it.
    rmSync(`${crashed.recordings}/2026`, { recursive: true });
    const back = await crashed.start();
    assert.equal(back.recovery.recovered[0]?.replayed, 3);
    await back.close();
  });

  test('wait once the disk is behind by more', async () => {
    using at = bench();
    const held = heldDisk();
    const recordings = await at.start({ disk: held.disk });
    const recorder = await recordings.open(opened('s1'));
    held.hold();
    const effect = recorder.append(intent('c1'), 'intent');
    await settled();
    assert.equal(recorder.append(intent('c2', 'SELECT 1'), 'read'), undefined);
    await at.clock.advance(60);
    const late = recorder.append(intent('c3', 'SELECT 1'), 'read');
    assert.equal(await stateOf(late), 'waits');
    held.letGo();
    await Promise.all([effect, late]);
    assert.equal(recorder.append(intent('c4', 'SELECT 1'), 'read'), undefined);
    await recordings.close();
  });
});

describe('a disk that does not answer', () => {
  test('is waited for so long and no longer: then every session ends, and nothing was let through', async () => {
    using at = bench();
    const held = heldDisk();
    const recordings = await at.start({ disk: held.disk });
    const [one, two] = await Promise.all([recordings.open(opened('s1')), recordings.open(opened('s2'))]);
    held.hold();
    const waiting = one.append(intent('c1'), 'intent');
    const refused = assert.rejects(async () => waiting, { code: 'RECORDING_FAILED' });
    await settled();
    await at.clock.advance(STALLED_MS - 1);
    assert.equal(await stateOf(waiting), 'waits');
    await at.clock.advance(1);
    await refused;
    assert.match((two.failed.reason as HoopError).message, /has not answered for 10 s/);
    await assert.rejects(async () => two.append(intent('c1'), 'read'), { code: 'RECORDING_FAILED' });
    held.letGo();
    await recordings.close();
  });

  test('shows in the check at once, not after it', async () => {
    using at = bench();
    const held = heldDisk();
    const recordings = await at.start({ disk: held.disk });
    held.hold();
    const check = assert.rejects(recordings.check(), { code: 'RECORDING_FAILED', message: /not answered for 2 s/ });
    await settled();
    await at.clock.advance(2_000);
    await check;
    held.letGo();
    await recordings.check();
    await recordings.close();
  });

  test('takes new sessions once it answers again', async () => {
    using at = bench();
    const held = heldDisk();
    const recordings = await at.start({ disk: held.disk });
    const lost = await recordings.open(opened('s1'));
    held.hold();
    const waiting = assert.rejects(async () => lost.append(intent('c1'), 'intent'));
    await settled();
    await at.clock.advance(STALLED_MS);
    await waiting;
    held.letGo();
    const recorder = await recordings.open(opened('s2'));
    await recorder.append(intent('c1'), 'intent');
    recorder.append([outcome('c1')], 'note');
    await recorder.finish({ kind: 'closed' });
    await recordings.close();
    const again = await at.start();
    await again.close();
    const reports = await verifyFolder(at.recordings, again);
    assert.deepEqual(
      [...reports.values()].map(({ session, grade }) => `${session} ${grade}`),
      ['s1 crashed', 's2 complete'],
    );
  });
});

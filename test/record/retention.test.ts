import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createRetention, type Expired } from '../../src/record/retention.ts';
import { realDisk } from '../../src/record/disk.ts';
import { type LocalRecordings, recordingsBelow } from '../../src/record/index.ts';
import { bench, type Bench, DAY, intent, opened, sealedSession } from './workbench.ts';

const DAYS = 86_400_000;

/** As the gateway does it, with a list in the place of the log. */
function retention(
  at: Bench,
  recordings: LocalRecordings,
  options: Partial<Parameters<typeof createRetention>[0]> = {},
) {
  const written: Expired[] = [];
  return {
    written,
    ...createRetention({
      recordings: at.recordings,
      gateway: 'gw1',
      trusted: recordings.publicKey.trusted,
      disk: realDisk,
      clock: at.clock,
      keepMs: 90 * DAYS,
      held: () => false,
      onExpired: async (expired) => void written.push(expired),
      ...options,
    }),
  };
}

/** Until the packed copy has taken its place and the journal is done with it. */
async function packed(at: Bench, session: string): Promise<void> {
  const path = join(at.recordings, DAY, `${session}.ndjson`);
  while (existsSync(path)) await new Promise(setImmediate);
}

const left = (at: Bench) => [...new Set([...recordingsBelow(at.recordings)].map(({ session }) => session))];

describe('recordings that are old enough', () => {
  test('go, after that was written down, and the days that are empty with them', async () => {
    using at = bench();
    const first = await at.start();
    await sealedSession(first, 's1');
    await first.close();
    await at.clock.advance(30 * DAYS);
    const recordings = await at.start();
    await sealedSession(recordings, 's2');
    await at.clock.advance(61 * DAYS);
    const path = join(at.recordings, DAY, 's1.ndjson.gz');
    const there: boolean[] = [];
    const chore = retention(at, recordings, {
      onExpired: async () => void there.push(existsSync(path)),
    });
    const { removed, held, left: notWhole } = await chore.sweep();
    assert.deepEqual(there, [true]);
    assert.deepEqual([removed.map(({ session }) => session), held, notWhole], [['s1'], 0, []]);
    assert.deepEqual(left(at), ['s2']);
    assert.equal(existsSync(join(at.recordings, '2026/11')), false);
    await recordings.close();
  });

  test('stay where nothing can be written down about them', async () => {
    using at = bench();
    const recordings = await at.start();
    await sealedSession(recordings, 's1');
    await packed(at, 's1');
    await at.clock.advance(100 * DAYS);
    const chore = retention(at, recordings, { onExpired: () => Promise.reject(new Error('no log')) });
    await assert.rejects(chore.sweep(), /no log/);
    // Without a log of its own the gateway's recordings have nowhere to write it either.
    await assert.rejects(recordings.retention(DAYS, () => false).sweep(), { code: 'LOG_FAILED' });
    assert.deepEqual(left(at), ['s1']);
    await recordings.close();
  });

  test('leave a leaf in the log of sessions, which says so ever after', async () => {
    using at = bench();
    const recordings = await at.start({ durability: 'process', log: { version: '0' } });
    await sealedSession(recordings, 's1');
    await packed(at, 's1');
    const before = recordings.log?.head.size ?? 0;
    await at.clock.advance(91 * DAYS);
    assert.equal((await recordings.retention(90 * DAYS, () => false).sweep()).removed.length, 1);
    assert.deepEqual(left(at), []);
    assert.equal(recordings.log?.head.size, before + 1);
    await recordings.close();
    // The next life does not take it for a loss.
    const again = await at.start({ durability: 'process', log: { version: '0' } });
    assert.deepEqual(again.recovery.problems, []);
    assert.equal(
      at.warnings.some((line) => line.includes('s1')),
      false,
    );
    await again.close();
  });

  test('count from when the session ended', async () => {
    using at = bench();
    const recordings = await at.start({ durability: 'process' });
    const long = await recordings.open(opened('s1'));
    await at.clock.advance(80 * DAYS);
    await long.finish({ kind: 'closed' });
    const chore = retention(at, recordings);
    await packed(at, 's1');
    await at.clock.advance(20 * DAYS);
    assert.deepEqual((await chore.sweep()).removed, []);
    await at.clock.advance(71 * DAYS);
    assert.equal((await chore.sweep()).removed.length, 1);
    await recordings.close();
  });

  test('stay under legal hold for as long as it stands', async () => {
    using at = bench();
    const recordings = await at.start();
    await sealedSession(recordings, 's1');
    await packed(at, 's1');
    let hold = true;
    const chore = retention(at, recordings, { held: ({ target }) => hold && target === 'orders-db' });
    await at.clock.advance(100 * DAYS);
    assert.deepEqual(await chore.sweep(), { removed: [], held: 1, left: [] });
    hold = false;
    assert.equal((await chore.sweep()).removed.length, 1);
    await recordings.close();
  });

  test('stay when they are open, changed, or of another gateway', async () => {
    using at = bench();
    const recordings = await at.start();
    await (await recordings.open(opened('open'))).append(intent('c1'), 'intent');
    await sealedSession(recordings, 'changed');
    const two = await at.start({ gatewayId: 'gw2' });
    await (await two.open(opened('others', 'gw2'))).finish({ kind: 'closed' });
    await two.close();
    await packed(at, 'changed');
    const chore = retention(at, recordings);
    await at.clock.advance(100 * DAYS);
    const path = join(at.recordings, DAY, 'changed.ndjson.gz');
    const bytes = readFileSync(path);
    bytes[bytes.length - 8] = (bytes[bytes.length - 8] as number) ^ 0xff;
    writeFileSync(path, bytes);
    const swept = await chore.sweep();
    assert.deepEqual(swept.removed, []);
    assert.deepEqual(
      swept.left.map((line) => line.replace(/^.*\//, '')),
      ['changed.ndjson.gz: tampered', 'open.ndjson: truncated'],
    );
    assert.deepEqual(left(at), ['changed', 'open', 'others']);
    await recordings.close();
  });

  test('are not told by a clock that was set forward', async () => {
    using at = bench();
    const recordings = await at.start();
    await sealedSession(recordings, 's1');
    const chore = retention(at, recordings);
    at.clock.setWall(Date.parse('2041-01-01T00:00:00.000Z'));
    await assert.rejects(chore.sweep(), { code: 'CLOCK_JUMPED' });
    assert.deepEqual(left(at), ['s1']);
    await recordings.close();
  });
});

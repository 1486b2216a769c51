import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { HoopError } from '../../src/base/error.ts';
import type { SessionEvent } from '../../src/domain/recording.ts';
import { realDisk } from '../../src/record/disk.ts';
import { bench, DAY, diskWith, eventsOf, intent, linesOf, opened, outcome, verifyFolder } from './workbench.ts';

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('what a recording holds', () => {
  test('one event a line, numbered, timed and naming the line before', async () => {
    using at = bench();
    const recordings = await at.start();
    const recorder = await recordings.open(opened('s1'));
    await at.clock.advance(5);
    await recorder.append(intent('c1'), 'intent');
    const path = join(at.recordings, DAY, 's1.ndjson');
    const lines = linesOf(path);
    const events = eventsOf(path);
    assert.deepEqual(
      events.map(({ seq, at, type }) => ({ seq, at, type })),
      [
        { seq: 0, at: '2026-11-21T18:00:00.000Z', type: 'session.opened' },
        { seq: 1, at: '2026-11-21T18:00:00.005Z', type: 'verdict' },
        { seq: 2, at: '2026-11-21T18:00:00.005Z', type: 'command' },
      ],
    );
    assert.equal(events[0]?.prev, '0'.repeat(64));
    for (const [i, line] of lines.slice(0, -1).entries()) {
      assert.equal(events[i + 1]?.prev, createHash('sha256').update(line).digest('hex'));
    }
    await recordings.close();
  });

  test('text that would break lines, drive terminals or reorder what one sees is escaped and comes back whole', async () => {
    using at = bench();
    const recordings = await at.start();
    const recorder = await recordings.open(opened('s1'));
    const text = 'a\nb\r\u2028c\u2029d\u0085e\u001b[2Jf\u009bg\u202eh\u2066i\ufeffj"k\\l\ud800m \u{1f600} é';
    await recorder.append(intent('c1', text), 'intent');
    const path = join(at.recordings, DAY, 's1.ndjson');
    const line = linesOf(path)[1] ?? '';
    assert.equal(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff]/.test(line), false);
    assert.equal((eventsOf(path)[1] as { text: { text: string } }).text.text, text);
    await recorder.finish({ kind: 'closed' });
    await recordings.close();
    assert.equal((await verifyFolder(at.recordings, recordings)).get('s1')?.grade, 'complete');
  });

  test('a wall clock that goes back does not make a later event earlier', async () => {
    using at = bench();
    const recordings = await at.start();
    const recorder = await recordings.open(opened('s1'));
    at.clock.setWall(Date.parse('2026-11-21T17:00:00.000Z'));
    await recorder.append(intent('c1'), 'intent');
    await recorder.finish({ kind: 'closed' });
    await recordings.close();
    const report = (await verifyFolder(at.recordings, recordings)).get('s1');
    assert.equal(report?.grade, 'complete');
    assert.equal(report?.closedAt, '2026-11-21T18:00:00.000Z');
  });

  test('a verdict of one mebibyte of text fits whatever its characters', async () => {
    using at = bench();
    const recordings = await at.start();
    const recorder = await recordings.open(opened('s1'));
    await recorder.append(intent('c1', '\u0001'.repeat(1024 * 1024)), 'intent');
    await recorder.finish({ kind: 'closed' });
    await recordings.close();
    assert.equal((await verifyFolder(at.recordings, recordings)).get('s1')?.grade, 'complete');
  });

  test('an intent too large for a line is refused and the recording stays usable', async () => {
    using at = bench();
    const recordings = await at.start();
    const recorder = await recordings.open(opened('s1'));
    const [verdict] = intent('c1') as [SessionEvent];
    const [, huge] = intent('c1', 'x'.repeat(17 * 1024 * 1024)) as [SessionEvent, SessionEvent];
    await assert.rejects(async () => recorder.append([verdict, huge], 'intent'), { code: 'EVENT_TOO_LARGE' });
    assert.equal(recorder.failed.aborted, false);
    await recorder.append(intent('c2'), 'intent');
    await recorder.finish({ kind: 'closed' });
    await recordings.close();
    const report = (await verifyFolder(at.recordings, recordings)).get('s1');
    assert.equal(report?.grade, 'complete');
    assert.equal(report?.events, 5);
  });

  test('a note too large for a line ends the recording, for nobody could be refused', async () => {
    using at = bench();
    const recordings = await at.start();
    const recorder = await recordings.open(opened('s1'));
    recorder.append([{ type: 'stream', direction: 'out', data: 'x'.repeat(17 * 1024 * 1024) }], 'note');
    assert.equal(recorder.failed.aborted, true);
    assert.equal((recorder.failed.reason as HoopError).code, 'EVENT_TOO_LARGE');
    await recordings.close();
  });

  test('an event may not bring a sequence number, a time or a hash of its own', async () => {
    using at = bench();
    const recordings = await at.start();
    const recorder = await recordings.open(opened('s1'));
    for (const key of ['seq', 'at', 'prev']) {
      await assert.rejects(async () => recorder.append([{ type: 'notice', notice: 'x', [key]: 1 }], 'intent'), {
        code: 'EVENT_INVALID',
      });
    }
    await recordings.close();
  });

  test('rows of a result are kept up to the limit, and that there were more is said', async () => {
    using at = bench();
    const recordings = await at.start({ resultsLimit: 100 });
    const recorder = await recordings.open(opened('s1'));
    await recorder.append(intent('c1'), 'read');
    const rows = Array.from({ length: 50 }, (_, i) => [`row-${i}-0123456789`, null]);
    recorder.append([{ type: 'result', command: 'c1', columns: ['a', 'b'], rows }], 'note');
    const result = eventsOf(join(at.recordings, DAY, 's1.ndjson'))[3];
    assert.deepEqual(result?.rows, rows.slice(0, 4));
    assert.equal(result?.truncated, true);
    await recordings.close();
  });

  test('the fingerprint of struck text is an HMAC that the gateway alone can make, the same after a restart', async () => {
    using at = bench();
    const first = await at.start();
    const fingerprint = first.fingerprint(Buffer.from('123-45-6789'));
    await first.close();
    const second = await at.start();
    assert.equal(second.fingerprint(Buffer.from('123-45-6789')), fingerprint);
    assert.match(fingerprint, /^[0-9a-f]{64}$/);
    assert.notEqual(fingerprint, createHash('sha256').update('123-45-6789').digest('hex'));
    assert.notEqual(fingerprint, createHmac('sha256', '').update('123-45-6789').digest('hex'));
    await second.close();
  });
});

describe('checkpoints', () => {
  test('come after so many events, after so much time, and at the seal', async () => {
    using at = bench();
    const recordings = await at.start({ checkpoint: { events: 4, ms: 1000 } });
    const recorder = await recordings.open(opened('s1'));
    await recorder.append(intent('c1'), 'intent');
    await recorder.append(intent('c2'), 'intent');
    await at.clock.advance(1000);
    recorder.append([outcome('c1')], 'note');
    await at.clock.advance(1000);
    await at.clock.advance(5000);
    const types = () => eventsOf(join(at.recordings, DAY, 's1.ndjson')).map(({ type }) => type);
    assert.deepEqual(types(), [
      'session.opened',
      'verdict',
      'command',
      'verdict',
      'command',
      'checkpoint',
      'outcome',
      'checkpoint',
    ]);
    const checkpoint = await recorder.finish({ kind: 'closed' });
    assert.deepEqual(types().slice(-2), ['session.closed', 'checkpoint']);
    assert.equal(checkpoint.size, 9);
    assert.equal(checkpoint.session, 's1');
    assert.equal(checkpoint.key, recordings.publicKey.id);
    await recordings.close();
  });

  test('a sealed recording takes nothing more', async () => {
    using at = bench();
    const recordings = await at.start();
    const recorder = await recordings.open(opened('s1'));
    const checkpoint = await recorder.finish({ kind: 'closed' });
    await assert.rejects(async () => recorder.append([outcome('c1')], 'note'), { code: 'RECORDING_FINISHED' });
    assert.deepEqual(await recorder.finish({ kind: 'idle' }), checkpoint);
    assert.equal(recorder.failed.aborted, false);
    await recordings.close();
  });
});

describe('durability', () => {
  // [durability, weight, waits]
  const rows = [
    ['strict', 'intent', true],
    ['strict', 'read', true],
    ['strict', 'note', false],
    ['effects', 'intent', true],
    ['effects', 'read', false],
    ['effects', 'note', false],
    ['process', 'intent', false],
    ['process', 'read', false],
    ['process', 'note', false],
  ] as const;
  for (const [durability, weight, waits] of rows) {
    test(`${durability}: ${weight} ${waits ? 'waits for the disk' : 'goes on at once'}`, async () => {
      using at = bench();
      const syncs: PromiseWithResolvers<void>[] = [];
      let held = false;
      const disk = diskWith({
        sync: (fd) => {
          if (!held) return realDisk.sync(fd);
          const gate = Promise.withResolvers<void>();
          syncs.push(gate);
          return gate.promise;
        },
      });
      const recordings = await at.start({ durability, disk });
      const recorder = await recordings.open(opened('s1'));
      held = true;
      const pending = recorder.append(intent('c1'), weight);
      assert.equal(pending instanceof Promise, waits);
      // Whatever is waited for, the events are in the file already: a crash of the process loses none.
      assert.equal(linesOf(join(at.recordings, DAY, 's1.ndjson')).length, 3);
      if (pending) {
        let resolved = false;
        pending.then(() => {
          resolved = true;
        });
        await settled();
        await settled();
        assert.equal(resolved, false);
        for (const sync of syncs) sync.resolve();
        await pending;
      }
      held = false;
      for (const sync of syncs) sync.resolve();
      await recorder.finish({ kind: 'closed' });
      await recordings.close();
    });
  }

  test('fifty sessions that commit together share their syncs', async () => {
    using at = bench();
    let syncs = 0;
    const disk = diskWith({
      sync: (fd) => {
        syncs += 1;
        return realDisk.sync(fd);
      },
    });
    const recordings = await at.start({ disk });
    const recorders = await Promise.all(Array.from({ length: 50 }, (_, i) => recordings.open(opened(`s${i}`))));
    const before = syncs;
    for (let round = 0; round < 10; round += 1) {
      await Promise.all(recorders.map((recorder) => recorder.append(intent(`c${round}`), 'intent')));
    }
    assert.equal(syncs - before, 10);
    await Promise.all(recorders.map((recorder) => recorder.finish({ kind: 'closed' })));
    await recordings.close();
    const reports = await verifyFolder(at.recordings, recordings);
    assert.deepEqual(new Set([...reports.values()].map(({ grade }) => grade)), new Set(['complete']));
    assert.equal(reports.size, 50);
  });

  test('who comes while a sync is under way waits for the next one', async () => {
    using at = bench();
    const gates: PromiseWithResolvers<void>[] = [];
    let held = false;
    const disk = diskWith({
      sync: (fd) => {
        if (!held) return realDisk.sync(fd);
        const gate = Promise.withResolvers<void>();
        gates.push(gate);
        return gate.promise;
      },
    });
    const recordings = await at.start({ disk });
    const [one, two] = await Promise.all([recordings.open(opened('s1')), recordings.open(opened('s2'))]);
    held = true;
    const done: string[] = [];
    const first = one.append(intent('c1'), 'intent')?.then(() => done.push('first'));
    await settled();
    const second = two.append(intent('c1'), 'intent')?.then(() => done.push('second'));
    await settled();
    assert.equal(gates.length, 1);
    gates[0]?.resolve();
    await first;
    await settled();
    await settled();
    assert.deepEqual(done, ['first']);
    assert.equal(gates.length, 2);
    held = false;
    gates[1]?.resolve();
    await second;
    assert.deepEqual(done, ['first', 'second']);
    await Promise.all([one.finish({ kind: 'closed' }), two.finish({ kind: 'closed' })]);
    await recordings.close();
  });

  test('a session is open only when the names of its folders and of the journal are on the disk', async () => {
    using at = bench();
    const synced: string[] = [];
    const disk = diskWith({
      syncFolder: async (path) => {
        await realDisk.syncFolder(path);
        synced.push(path);
      },
    });
    const recordings = await at.start({ disk });
    await recordings.open(opened('s1'));
    const { recordings: top, journal } = at;
    assert.deepEqual(synced, [top, join(top, '2026'), join(top, '2026/11'), join(journal, 'gw1')]);
    await recordings.close();
  });

  test('segments of the journal go once the recordings they speak of are on the disk', async () => {
    using at = bench();
    const recordings = await at.start({ journalSegmentBytes: 4096 });
    const recorder = await recordings.open(opened('s1'));
    for (let i = 0; i < 100; i += 1) await recorder.append(intent(`c${i}`), 'intent');
    const segments = () => readdirSync(join(at.journal, 'gw1')).filter((name) => name.endsWith('.journal'));
    assert.ok(segments().length < 10, `${segments().length} segments are left of about thirty`);
    await recorder.finish({ kind: 'closed' });
    await recordings.close();
    assert.deepEqual(segments(), []);
    assert.deepEqual(at.warnings, []);
  });
});

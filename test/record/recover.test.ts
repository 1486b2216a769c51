import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Chain, lineHash } from '../../src/record/chain.ts';
import { createSigner } from '../../src/record/checkpoint.ts';
import { type LocalRecordings, readEvents, summarize } from '../../src/record/index.ts';
import { realDisk } from '../../src/record/disk.ts';
import {
  type Bench,
  bench,
  DAY,
  diskWith,
  errno,
  intent,
  linesOf,
  opened,
  outcome,
  verifyFolder,
} from './workbench.ts';

/** A gateway that died with one session open: three statements, the last without an outcome. */
async function dead(options: Parameters<Bench['start']>[0] = {}): Promise<{ crashed: Bench; before: string[] }> {
  using at = bench();
  const recordings = await at.start(options);
  const recorder = await recordings.open(opened('s1'));
  for (const id of ['c1', 'c2']) {
    await recorder.append(intent(id), 'intent');
    recorder.append([outcome(id)], 'note');
  }
  await recorder.append(intent('c3'), 'intent');
  const crashed = at.afterCrash();
  const before = linesOf(join(crashed.recordings, DAY, 's1.ndjson'));
  await recordings.close();
  return { crashed, before };
}

const fileOf = (at: Bench) => join(at.recordings, DAY, 's1.ndjson');
const linesAfter = (at: Bench) =>
  gunzipSync(readFileSync(`${fileOf(at)}.gz`))
    .toString('utf8')
    .split('\n')
    .slice(0, -1);
const journalOf = (at: Bench) =>
  readdirSync(join(at.journal, 'gw1')).filter((name) => !['lock', 'lock.holder', 'reserve'].includes(name));

async function recovered(at: Bench, options: Parameters<Bench['start']>[0] = {}) {
  const recordings = await at.start(options);
  const reports = await verifyFolder(at.recordings, recordings);
  await recordings.close();
  return { recordings, report: reports.get('s1'), reports };
}

describe('a gateway that comes back after a crash', () => {
  test('closes and signs what it left open, as crashed, with every line that was there', async () => {
    const { crashed, before } = await dead();
    using at = crashed;
    const { recordings, report } = await recovered(at);
    assert.deepEqual(recordings.recovery, {
      recovered: [{ session: 's1', replayed: 0, droppedBytes: 0, as: 'crashed' }],
      problems: [],
    });
    assert.equal(report?.grade, 'crashed');
    assert.deepEqual(report?.end, { kind: 'crashed' });
    assert.equal(report?.unsignedTail, 0);
    const lines = linesAfter(at);
    assert.deepEqual(lines.slice(0, before.length), before);
    assert.deepEqual(
      lines.slice(before.length).map((line) => JSON.parse(line).type),
      ['notice', 'outcome', 'session.closed', 'checkpoint'],
    );
    assert.deepEqual(journalOf(at), []);
  });

  test('marks what was in flight as unknown, and nothing else', async () => {
    const { crashed, before } = await dead();
    using at = crashed;
    await recovered(at);
    const added = linesAfter(at)
      .slice(before.length)
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      added.filter(({ type }) => type === 'outcome').map(({ command, state }) => ({ command, state })),
      [{ command: 'c3', state: 'unknown' }],
    );
  });

  test('goes on with the others when one cannot be read or mended', async () => {
    using at = bench();
    const first = await at.start();
    for (const id of ['s1', 's2', 's3']) await (await first.open(opened(id))).append(intent('c1'), 'intent');
    using crashed = at.afterCrash();
    await first.close();
    const disk = diskWith({
      reopen: (path) => {
        if (path.endsWith('s2.ndjson')) throw errno('EIO');
        return realDisk.reopen(path);
      },
    });
    const { recordings, reports } = await recovered(crashed, { disk });
    assert.deepEqual(
      [...reports].map(([session, { grade }]) => `${session} ${grade}`),
      ['s1 crashed', 's2 truncated', 's3 crashed'],
    );
    assert.match(recordings.recovery.problems.join(), /s2\.ndjson is left as it is: EIO/);
    // What was not mended this time is mended the next.
    const again = await recovered(crashed);
    assert.deepEqual(again.recordings.recovery.problems, []);
    assert.equal(again.reports.get('s2')?.grade, 'crashed');
  });

  test('is not stopped by a folder or a segment of the journal that it cannot read', async () => {
    const { crashed } = await dead();
    using at = crashed;
    // A folder where a file should be reads as badly as a broken disk does, also for root.
    mkdirSync(join(at.journal, 'gw1', '000000000777.journal'));
    const { recordings, report } = await recovered(at);
    assert.equal(report?.grade, 'crashed');
    assert.match(recordings.recovery.problems.join(), /000000000777\.journal cannot be read/);
  });

  test('shows an intent without an outcome as unknown', async () => {
    const { crashed } = await dead();
    using at = crashed;
    await recovered(at);
    const summary = await summarize(readEvents(`${fileOf(at)}.gz`));
    assert.deepEqual(summary.unknown, ['c3']);
    assert.equal(summary.commands, 3);
  });

  test('does nothing a second time', async () => {
    const { crashed } = await dead();
    using at = crashed;
    await recovered(at);
    const lines = linesAfter(at);
    const again = await recovered(at);
    assert.deepEqual(again.recordings.recovery, { recovered: [], problems: [] });
    assert.deepEqual(linesAfter(at), lines);
  });

  test('drops a line that was torn, and says how much', async () => {
    const { crashed, before } = await dead();
    using at = crashed;
    appendFileSync(fileOf(at), '{"seq":9,"at":"2026');
    const { recordings, report } = await recovered(at);
    assert.equal(report?.grade, 'crashed');
    assert.equal(recordings.recovery.recovered[0]?.droppedBytes, 19);
    const notice = JSON.parse(linesAfter(at)[before.length] as string);
    assert.equal(notice.notice, 'recovered');
    assert.equal(notice.droppedBytes, 19);
  });

  test('loses nothing that was waited for when the machine lost the end of the file, wherever it was cut', async () => {
    const { crashed, before } = await dead();
    using at = crashed;
    const size = statSync(fileOf(at)).size;
    for (let length = 0; length < size; length += 97) {
      using one = at.afterCrash();
      truncateSync(fileOf(one), length);
      const { recordings, report } = await recovered(one);
      assert.deepEqual(recordings.recovery.problems, []);
      assert.equal(report?.grade, 'crashed', `cut to ${length}`);
      assert.deepEqual(linesAfter(one).slice(0, before.length), before);
    }
  });

  test('makes a recording anew whose file the machine lost altogether', async () => {
    const { crashed, before } = await dead();
    using at = crashed;
    rmSync(join(at.recordings, '2026'), { recursive: true });
    const { recordings, report } = await recovered(at);
    assert.equal(recordings.recovery.recovered[0]?.replayed, before.length);
    assert.equal(report?.grade, 'crashed');
    assert.deepEqual(linesAfter(at).slice(0, before.length), before);
  });

  test('fills pages the machine left as zeros from the journal, and keeps what was written after them', async () => {
    using at = bench();
    const recordings = await at.start();
    const recorder = await recordings.open(opened('s1'));
    for (const id of ['c1', 'c2', 'c3', 'c4']) await recorder.append(intent(id), 'intent');
    // A read: in the file, and in no journal on the disk.
    recorder.append(intent('c5'), 'read');
    using crashed = at.afterCrash();
    const before = linesOf(fileOf(crashed));
    await recordings.close();
    const bytes = readFileSync(fileOf(crashed));
    bytes.fill(0, 700, 1500);
    writeFileSync(fileOf(crashed), bytes);
    const { recordings: back, report } = await recovered(crashed);
    assert.deepEqual(back.recovery.problems, []);
    assert.equal(report?.grade, 'crashed');
    assert.deepEqual(linesAfter(crashed).slice(0, before.length), before);
  });

  test('drops a torn end of the journal', async () => {
    const { crashed, before } = await dead();
    using at = crashed;
    const [segment] = journalOf(at);
    truncateSync(
      join(at.journal, 'gw1', segment as string),
      statSync(join(at.journal, 'gw1', segment as string)).size - 5,
    );
    const { recordings, report } = await recovered(at);
    assert.deepEqual(recordings.recovery.problems, []);
    assert.equal(report?.grade, 'crashed');
    assert.deepEqual(linesAfter(at).slice(0, before.length), before);
  });

  test('finishes compressing what was sealed', async () => {
    using at = bench();
    const disk = diskWith({
      rename: (from, to) => {
        if (to.endsWith('.gz')) throw errno('ENOSPC');
        realDisk.rename(from, to);
      },
    });
    const recordings = await at.start({ disk });
    const recorder = await recordings.open(opened('s1'));
    await recorder.finish({ kind: 'closed' });
    await recordings.close();
    const { recordings: back, report } = await recovered(at);
    assert.deepEqual(back.recovery.recovered, [{ session: 's1', replayed: 0, droppedBytes: 0, as: 'sealed' }]);
    assert.equal(report?.grade, 'complete');
    assert.deepEqual(readdirSync(join(at.recordings, DAY)), ['s1.ndjson.gz']);
  });

  test('removes the source of a copy that has its name already, and drafts that have none', async () => {
    using at = bench();
    const disk = diskWith({
      remove: (path) => {
        if (path.endsWith('s1.ndjson')) throw errno('EIO');
        realDisk.remove(path);
      },
    });
    const recordings = await at.start({ disk });
    const recorder = await recordings.open(opened('s1'));
    await recorder.finish({ kind: 'closed' });
    await recordings.close();
    const day = join(at.recordings, DAY);
    writeFileSync(join(day, '.gw1~s2.gz'), 'half');
    writeFileSync(join(day, '.gw1~s3.ndjson.new'), '');
    writeFileSync(join(day, '.gw2~s4.gz'), "another's");
    assert.deepEqual(
      readdirSync(day).filter((name) => !name.startsWith('.')),
      ['s1.ndjson', 's1.ndjson.gz'],
    );
    const { report } = await recovered(at);
    assert.equal(report?.grade, 'complete');
    assert.deepEqual(readdirSync(day), ['.gw2~s4.gz', 's1.ndjson.gz']);
  });

  test('takes no unsigned end for one: it closes as crashed', async () => {
    const { crashed, before } = await dead();
    using at = crashed;
    const last = before.at(-1) as string;
    const { seq, at: time } = JSON.parse(last);
    const end = { seq: seq + 1, at: time, type: 'session.closed', end: { kind: 'closed' }, prev: lineHash(last) };
    appendFileSync(fileOf(at), `${JSON.stringify(end)}\n`);
    const { recordings, report } = await recovered(at);
    assert.deepEqual(recordings.recovery.problems, []);
    assert.equal(report?.grade, 'crashed');
    assert.deepEqual(linesAfter(at).slice(0, before.length), before);
  });

  test('works without a journal too, where only the process died', async () => {
    const { crashed, before } = await dead({ durability: 'process' });
    using at = crashed;
    const { report } = await recovered(at, { durability: 'process' });
    assert.equal(report?.grade, 'crashed');
    assert.deepEqual(linesAfter(at).slice(0, before.length), before);
  });

  test('closes a recording that could not be written on', async () => {
    using at = bench();
    let broken = false;
    const disk = diskWith({
      write: (fd, bytes) => {
        if (broken) realDisk.write(fd, bytes.subarray(0, 40));
        if (broken) throw errno('EIO');
        realDisk.write(fd, bytes);
      },
    });
    const recordings = await at.start({ disk });
    const recorder = await recordings.open(opened('s1'));
    await recorder.append(intent('c1'), 'intent');
    broken = true;
    await assert.rejects(async () => recorder.append(intent('c2'), 'intent'));
    broken = false;
    await recordings.close();
    const { recordings: back, report } = await recovered(at);
    assert.equal(back.recovery.recovered[0]?.droppedBytes, 40);
    assert.equal(report?.grade, 'crashed');
  });
});

/** The line with one word changed that no check of its form would notice. */
function edited(line: string): string {
  return line
    .replace('orders', 'orderz')
    .replace('DELETE 1', 'DELETE 9')
    .replace(/"size":\d+/, '"size":3');
}

describe('what a crash cannot have done', () => {
  /** Starts again and expects that the recording is left exactly as it is. */
  async function leftAlone(at: Bench, path = fileOf(at)): Promise<LocalRecordings> {
    const before = readFileSync(path);
    const { recordings, report } = await recovered(at);
    assert.equal(recordings.recovery.recovered.length, 0);
    assert.equal(recordings.recovery.problems.length, 1);
    assert.deepEqual(readFileSync(path), before);
    assert.notEqual(report?.grade, 'complete');
    assert.notEqual(report?.grade, 'crashed');
    assert.ok(
      journalOf(at).every((name) => name.endsWith('.kept')),
      'the journal is evidence now',
    );
    return recordings;
  }

  for (const events of [4, 100]) {
    test(`an edited line is not signed by recovery, with a checkpoint every ${events} events`, async () => {
      const { crashed, before } = await dead({ checkpoint: { events } });
      for (let i = 0; i < before.length; i += 1) {
        using at = crashed.afterCrash();
        const lines = before.with(i, edited(before[i] as string));
        assert.notDeepEqual(lines, before);
        writeFileSync(fileOf(at), lines.map((line) => `${line}\n`).join(''));
        await leftAlone(at);
      }
      crashed[Symbol.dispose]();
    });
  }

  test('an edited line is not signed where there was no journal, but for the very last', async () => {
    const { crashed, before } = await dead({ durability: 'process' });
    for (let i = 0; i < before.length - 1; i += 1) {
      using at = crashed.afterCrash();
      const lines = before.with(i, edited(before[i] as string));
      assert.notDeepEqual(lines, before);
      writeFileSync(fileOf(at), lines.map((line) => `${line}\n`).join(''));
      await leftAlone(at);
    }
    crashed[Symbol.dispose]();
  });

  test('lines taken out of the middle are not signed over', async () => {
    const { crashed, before } = await dead({ durability: 'process' });
    using at = crashed;
    writeFileSync(
      fileOf(at),
      before
        .toSpliced(3, 2)
        .map((line) => `${line}\n`)
        .join(''),
    );
    await leftAlone(at);
  });

  test('an added line under a forged checkpoint is not signed over', async () => {
    const { crashed, before } = await dead({ durability: 'process' });
    using at = crashed;
    const last = before.at(-1) as string;
    const time = JSON.parse(last).at as string;
    const chain = new Chain({ size: before.length, root: lineHash(last), at: time });
    const forged = createSigner(generateKeyPairSync('ed25519').privateKey).sign({
      session: 's1',
      size: chain.size,
      root: chain.root,
      at: time,
    });
    appendFileSync(fileOf(at), chain.line({ type: 'checkpoint', ...forged }, time));
    await leftAlone(at);
  });

  test('a journal under another key is not believed, and kept', async () => {
    const { crashed } = await dead();
    using at = crashed;
    rmSync(join(at.keys, 'fingerprint.key'));
    const recordings = await at.start();
    assert.match(recordings.recovery.problems.join(), /not under this gateway's key/);
    assert.ok(journalOf(at).some((name) => name.endsWith('.kept')));
    await recordings.close();
  });

  test('a journal that was edited in the middle is kept', async () => {
    const { crashed } = await dead();
    using at = crashed;
    const segment = join(at.journal, 'gw1', journalOf(at)[0] as string);
    const bytes = readFileSync(segment);
    const inFirstFrames = bytes.indexOf('weekly-report');
    bytes[inFirstFrames] = 0x57;
    writeFileSync(segment, bytes);
    const recordings = await at.start();
    assert.match(recordings.recovery.problems.join(), /damaged/);
    await recordings.close();
    assert.ok(journalOf(at).some((name) => name.endsWith('.kept')));
  });

  test('a compressed copy that is damaged does not cost the source', async () => {
    const { crashed } = await dead();
    using at = crashed;
    writeFileSync(`${fileOf(at)}.gz`, gzipSync('{}\n'));
    const recordings = await at.start();
    assert.match(recordings.recovery.problems.join(), /the copy is tampered/);
    assert.equal(existsSync(fileOf(at)), true);
    await recordings.close();
  });
});

describe('other gateways in the same folder', () => {
  test('keep their running recordings', async () => {
    using at = bench();
    const one = await at.start();
    const two = await at.start({ gatewayId: 'gw2' });
    const running = await two.open(opened('s2', 'gw2'));
    await running.append(intent('c1'), 'intent');
    const left = await one.open(opened('s1'));
    await left.append(intent('c1'), 'intent');
    await one.close();
    const again = await at.start();
    assert.deepEqual(
      again.recovery.recovered.map(({ session }) => session),
      ['s1'],
    );
    await running.append(intent('c2'), 'intent');
    await running.finish({ kind: 'closed' });
    await two.close();
    await again.close();
    const reports = await verifyFolder(at.recordings, again);
    assert.deepEqual(
      [...reports].map(([session, { grade }]) => `${session} ${grade}`),
      ['s1 crashed', 's2 complete'],
    );
  });

  test('whose id begins like ours keep their drafts', async () => {
    using at = bench();
    const day = join(at.recordings, DAY);
    mkdirSync(day, { recursive: true });
    writeFileSync(join(day, '.gw1.b~s.gz'), 'x');
    const recordings = await at.start();
    await recordings.close();
    assert.deepEqual(readdirSync(day), ['.gw1.b~s.gz']);
  });
});

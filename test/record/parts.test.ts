/** A very long session goes on in further files, which are one recording for whoever reads, verifies, mends or removes it. */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import {
  findRecording,
  type LocalRecordings,
  type RecordingsOptions,
  readEvents,
  readIdentities,
  createUnsealer,
  verifyAll,
  verifyLogs,
  verifyRecording,
  type PublicKeys,
  type VerifyReport,
} from '../../src/record/index.ts';
import { FakeClock } from '../fakes/clock.ts';
import { type Bench, bench, DAY, diskWith, errno, intent, linesOf, opened, outcome } from './workbench.ts';

/** A part for every three statements or so. */
const SMALL = { rotate: { bytes: 2_000 }, log: { version: '0' } } satisfies Partial<RecordingsOptions>;
const names = (at: Bench) => readdirSync(join(at.recordings, DAY)).sort();
const fileOf = (at: Bench, name: string) => join(at.recordings, DAY, name);

async function statements(recordings: LocalRecordings, session: string, count: number) {
  const recorder = await recordings.open(opened(session));
  for (let i = 1; i <= count; i += 1) {
    await recorder.append(intent(`c${i}`), 'intent');
    recorder.append([outcome(`c${i}`)], 'note');
  }
  return recorder;
}

/** A sealed session in at least four parts. */
async function long(at: Bench, options: Partial<RecordingsOptions> = {}): Promise<PublicKeys> {
  const recordings = await at.start({ ...SMALL, ...options });
  await (await statements(recordings, 's1', 12)).finish({ kind: 'closed' });
  await recordings.close();
  return recordings.publicKey.trusted;
}

async function graded(at: Bench, keys: PublicKeys): Promise<readonly VerifyReport[]> {
  const reports: VerifyReport[] = [];
  for await (const report of verifyAll(at.recordings, { keys })) reports.push(report);
  return reports;
}

async function loggedGrades(at: Bench, keys: PublicKeys): Promise<string[]> {
  const grades: string[] = [];
  for await (const report of verifyLogs(at.recordings, { keys })) grades.push(report.grade);
  return grades;
}

describe('a session that got long', () => {
  test('lies in numbered parts, each begun by a line that says so and ended by a checkpoint, in one chain', async () => {
    using at = bench();
    const keys = await long(at);
    const files = names(at);
    assert.ok(files.length >= 4 && files.includes('s1.ndjson.gz') && files.includes('s1.4.ndjson.gz'), files.join());
    let seq = 0;
    for (let part = 1; part <= files.length; part += 1) {
      const text = gunzipSync(readFileSync(fileOf(at, part === 1 ? 's1.ndjson.gz' : `s1.${part}.ndjson.gz`)));
      const events = text
        .toString('utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      assert.deepEqual(
        [events[0].seq, events[0].type, events[0].part, events.at(-1).type],
        part === 1 ? [0, 'session.opened', undefined, 'checkpoint'] : [seq, 'session.continued', part, 'checkpoint'],
      );
      seq += events.length;
    }
    const [report, ...more] = await graded(at, keys);
    assert.deepEqual(more, []);
    assert.deepEqual([report?.grade, report?.events, report?.unsignedTail], ['complete', seq, 0]);
  });

  test('is one recording in the log and for who reads it', async () => {
    using at = bench();
    const keys = await long(at);
    assert.deepEqual(await loggedGrades(at, keys), ['complete', 'complete']);
    const seen: number[] = [];
    let commands = 0;
    for await (const event of readEvents(findRecording(at.recordings, 's1') as string)) {
      seen.push(event.seq);
      if (event.type === 'command') commands += 1;
    }
    assert.deepEqual(seen, [...seen.keys()]);
    assert.equal(commands, 12);
  });

  test('is verified whole whichever of its parts is named, and as one file put together', async () => {
    using at = bench();
    const keys = await long(at);
    for await (const report of verifyAll(fileOf(at, 's1.3.ndjson.gz'), { keys }))
      assert.equal(report.grade, 'complete');
    const all = ['s1.ndjson.gz', ...names(at).filter((name) => name !== 's1.ndjson.gz')];
    const joined = Buffer.concat(all.map((name) => gunzipSync(readFileSync(fileOf(at, name)))));
    assert.equal((await verifyRecording(joined, { keys, session: 's1' })).grade, 'complete');
  });

  test('begins another part when the one is old', async () => {
    using at = bench();
    const recordings = await at.start({ durability: 'process', rotate: { ms: 3_600_000 } });
    const recorder = await statements(recordings, 's1', 1);
    for (let hours = 0; hours < 3; hours += 1) {
      at.clock.advance(3_600_000);
      await recorder.append(intent(`d${hours}`), 'intent');
      at.clock.advance(1_000);
    }
    await recorder.finish({ kind: 'closed' });
    await recordings.close();
    assert.ok(existsSync(fileOf(at, 's1.2.ndjson.gz')), names(at).join());
    assert.deepEqual(
      (await graded(at, recordings.publicKey.trusted)).map(({ grade }) => grade),
      ['complete'],
    );
  });

  test('can be read and verified while it runs, its earlier parts packed', async () => {
    using at = bench();
    const recordings = await at.start(SMALL);
    const recorder = await statements(recordings, 's1', 12);
    while (!existsSync(fileOf(at, 's1.ndjson.gz'))) await new Promise(setImmediate);
    const keys = recordings.publicKey.trusted;
    for await (const report of verifyAll(at.recordings, { keys, isLive: () => true }))
      assert.equal(report.grade, 'open');
    await recorder.finish({ kind: 'closed' });
    await recordings.close();
  });

  test('that is encrypted is opened over all its parts', async () => {
    using at = bench();
    const { generateX25519Identity, identityToRecipient } = await import('age-encryption');
    const identity = await generateX25519Identity();
    const keys = await long(at, { recipients: [await identityToRecipient(identity)] });
    assert.deepEqual(
      (await graded(at, keys)).map(({ grade }) => grade),
      ['complete'],
    );
    const texts: string[] = [];
    const unsealer = createUnsealer(readIdentities(identity, 'here'));
    for await (const event of readEvents(fileOf(at, 's1.ndjson.gz'), unsealer))
      if (event.type === 'command') texts.push(event.sent.text);
    assert.equal(texts.length, 12);
    assert.ok(texts.every((text) => text.startsWith('DELETE')));
  });

  test('counts with all its parts against what its run may record', async () => {
    using at = bench();
    const recordings = await at.start({ ...SMALL, quotaPerRun: 5_000 });
    const recorder = await recordings.open(opened('s1'));
    const refused = (async () => {
      for (let i = 0; i < 20; i += 1) await recorder.append(intent(`c${i}`), 'intent');
    })();
    await assert.rejects(refused, { code: 'RECORDING_QUOTA' });
    assert.ok(existsSync(fileOf(at, 's1.2.ndjson')) || existsSync(fileOf(at, 's1.2.ndjson.gz')));
    await recorder.finish({ kind: 'closed' });
    // What it did is recorded to its end, and another session of the run has no more.
    await assert.rejects(recordings.open(opened('s2')), { code: 'RECORDING_QUOTA' });
    await recordings.close();
    const [report] = await graded(at, recordings.publicKey.trusted);
    assert.equal(report?.grade, 'complete');
  });
});

describe('parts that somebody was at', () => {
  let keys: PublicKeys;
  let source: Bench;
  before(async () => {
    source = bench();
    keys = await long(source);
    return () => source[Symbol.dispose]();
  });

  const PACKED = (part: number) => (part === 1 ? 's1.ndjson.gz' : `s1.${part}.ndjson.gz`);
  const plain = (at: Bench, part: number) => gunzipSync(readFileSync(fileOf(at, PACKED(part)))).toString('utf8');
  const put = (at: Bench, part: number, text: string) => writeFileSync(fileOf(at, PACKED(part)), pack(text));
  const pack = (text: string) => {
    const bytes = gzipSync(text, { level: 3 });
    bytes[9] = 3;
    return bytes;
  };

  const attacks: readonly (readonly [string, (at: Bench) => void, readonly string[], readonly string[]])[] = [
    ['a middle part gone', (at) => rmSync(fileOf(at, PACKED(2))), ['tampered'], ['tampered']],
    ['the first part gone', (at) => rmSync(fileOf(at, PACKED(1))), ['tampered'], ['missing', 'tampered']],
    [
      'the last part gone',
      (at) => rmSync(fileOf(at, names(at).at(-2) === PACKED(1) ? '' : lastName(at))),
      ['truncated'],
      ['tampered'],
    ],
    [
      'two parts swapped',
      (at) => {
        const [two, three] = [fileOf(at, PACKED(2)), fileOf(at, PACKED(3))];
        renameSync(two, `${two}.x`);
        renameSync(three, two);
        renameSync(`${two}.x`, three);
      },
      ['tampered'],
      ['tampered'],
    ],
    ['a part twice', (at) => copyFileSync(fileOf(at, PACKED(2)), fileOf(at, nextName(at))), ['tampered'], ['tampered']],
    ['an empty part behind the seal', (at) => writeFileSync(fileOf(at, nextName(at)), ''), ['tampered'], ['tampered']],
    [
      'a middle part without its last line',
      (at) => put(at, 2, `${plain(at, 2).trimEnd().split('\n').slice(0, -1).join('\n')}\n`),
      ['tampered'],
      ['tampered'],
    ],
    ['a middle part cut within a line', (at) => put(at, 2, plain(at, 2).slice(0, -20)), ['tampered'], ['tampered']],
    [
      'a middle part of which the packed bytes were cut',
      (at) => truncateSync(fileOf(at, PACKED(2)), readFileSync(fileOf(at, PACKED(2))).length - 9),
      ['tampered'],
      ['tampered'],
    ],
    [
      'a line moved over a border',
      (at) => {
        const lines = plain(at, 2).trimEnd().split('\n');
        put(at, 1, `${plain(at, 1)}${lines[0]}\n`);
        put(at, 2, `${lines.slice(1).join('\n')}\n`);
      },
      ['tampered'],
      ['tampered'],
    ],
    [
      'another plain file beside a packed part',
      (at) => writeFileSync(fileOf(at, 's1.2.ndjson'), plain(at, 2).replace('c4', 'c9')),
      ['tampered'],
      ['tampered'],
    ],
  ];

  const lastName = (at: Bench) => PACKED(names(at).length);
  const nextName = (at: Bench) => `s1.${names(at).length + 1}.ndjson`;

  for (const [name, attack, alone, withLog] of attacks) {
    test(`${name}: found`, async () => {
      using at = source.afterCrash();
      attack(at);
      assert.deepEqual([...new Set((await graded(at, keys)).map(({ grade }) => grade))].sort().at(-1), alone[0]);
      const grades = (await loggedGrades(at, keys)).slice(0, -1);
      for (const grade of withLog) assert.ok(grades.includes(grade), `${grade} in ${grades}`);
      assert.ok(!grades.includes('complete'), grades.join());
    });
  }

  test('a part whose recording is gone is said to be one', async () => {
    using at = source.afterCrash();
    rmSync(fileOf(at, PACKED(1)));
    const [report] = await graded(at, keys);
    assert.deepEqual([report?.grade, report?.session], ['tampered', 's1']);
    assert.match(report?.problems[0]?.message ?? '', /this is part 2 by itself/);
  });

  test('a part of another session in the place of one: found', async () => {
    using at = bench();
    const recordings = await at.start(SMALL);
    for (const session of ['s1', 's2']) await (await statements(recordings, session, 12)).finish({ kind: 'closed' });
    await recordings.close();
    copyFileSync(fileOf(at, 's2.2.ndjson.gz'), fileOf(at, 's1.2.ndjson.gz'));
    const reports = await graded(at, recordings.publicKey.trusted);
    assert.deepEqual(
      reports.map(({ session, grade }) => [session, grade]),
      [
        ['s1', 'tampered'],
        ['s2', 'complete'],
      ],
    );
  });

  test('a part from an older life of the same file: found, because it stops short or goes on otherwise', async () => {
    using at = bench();
    const recordings = await at.start(SMALL);
    const recorder = await statements(recordings, 's1', 4);
    using older = at.afterCrash();
    for (let i = 20; i < 32; i += 1) await recorder.append(intent(`c${i}`), 'intent');
    await recorder.finish({ kind: 'closed' });
    await recordings.close();
    const name =
      names(older)
        .filter((file) => /^s1\.\d+\.ndjson$/.test(file))
        .at(-1) ?? '';
    rmSync(fileOf(at, `${name}.gz`));
    copyFileSync(fileOf(older, name), fileOf(at, name));
    const [report] = await graded(at, recordings.publicKey.trusted);
    assert.equal(report?.grade, 'tampered');
  });

  test('every byte of a middle part flipped, packed and plain: found', async () => {
    using at = bench();
    const recordings = await at.start({ rotate: { bytes: 500 } });
    await (await statements(recordings, 's1', 3)).finish({ kind: 'closed' });
    await recordings.close();
    const trusted = recordings.publicKey.trusted;
    const path = fileOf(at, PACKED(2));
    const text = Buffer.from(plain(at, 2));
    const flipped = async (file: string, bytes: Buffer, step: number) => {
      for (let i = 0; i < bytes.length; i += step) {
        bytes[i] = (bytes[i] as number) ^ 1;
        writeFileSync(file, bytes);
        assert.equal((await verifyRecording(fileOf(at, PACKED(1)), { keys: trusted })).grade, 'tampered', `byte ${i}`);
        bytes[i] = (bytes[i] as number) ^ 1;
      }
    };
    await flipped(path, readFileSync(path), 1);
    rmSync(path);
    // A step that is no divisor of anything: all of them in a run by hand, some of them here.
    await flipped(fileOf(at, 's1.2.ndjson'), text, Number(process.env['STEP'] ?? 7));
  });
});

describe('a gateway that comes back to a session in parts', () => {
  async function dead(options: Partial<RecordingsOptions> = {}): Promise<Bench> {
    using at = bench();
    const recordings = await at.start({ ...SMALL, ...options });
    const recorder = await statements(recordings, 's1', 12);
    await recorder.append(intent('c13'), 'intent');
    while (!existsSync(fileOf(at, 's1.ndjson.gz'))) await new Promise(setImmediate);
    const crashed = at.afterCrash();
    await recordings.close();
    return crashed;
  }

  async function back(at: Bench, options: Partial<RecordingsOptions> = {}) {
    const recordings = await at.start({ ...SMALL, ...options });
    const reports = await graded(at, recordings.publicKey.trusted);
    await recordings.close();
    return { problems: recordings.recovery.problems, recovered: recordings.recovery.recovered, reports };
  }

  const lastPart = (at: Bench) =>
    Math.max(...names(at).map((name) => Number(/^s1\.(\d+)\.ndjson/.exec(name)?.[1] ?? 1)));

  test('closes the last part and packs all of them', async () => {
    using at = await dead();
    const last = lastPart(at);
    const { problems, recovered, reports } = await back(at);
    assert.deepEqual(problems, []);
    assert.deepEqual(recovered, [{ session: 's1', replayed: 0, droppedBytes: 0, as: 'crashed' }]);
    assert.deepEqual(
      reports.map(({ grade }) => grade),
      ['crashed'],
    );
    assert.equal(lastPart(at), last);
    assert.ok(
      names(at).every((name) => name.endsWith('.gz')),
      names(at).join(),
    );
  });

  test('mends the last part wherever it was torn, its first line too', async () => {
    using at = await dead({ durability: 'process' });
    const last = fileOf(at, `s1.${lastPart(at)}.ndjson`);
    const size = readFileSync(last).length;
    for (const length of [size - 1, Math.floor(size / 2), 40, 0]) {
      using torn = at.afterCrash();
      truncateSync(fileOf(torn, `s1.${lastPart(torn)}.ndjson`), length);
      const { problems, reports } = await back(torn, { durability: 'process' });
      assert.deepEqual(problems, [], `cut to ${length}`);
      assert.deepEqual(
        reports.map(({ grade }) => grade),
        ['crashed'],
        `cut to ${length}`,
      );
      assert.equal(lastPart(torn), lastPart(at));
    }
  });

  test('brings parts back that only the journal holds', async () => {
    using at = await dead();
    const last = lastPart(at);
    rmSync(fileOf(at, `s1.${last}.ndjson`));
    const { problems, recovered, reports } = await back(at);
    assert.deepEqual(problems, []);
    assert.ok((recovered[0]?.replayed ?? 0) > 0);
    assert.deepEqual(
      reports.map(({ grade }) => grade),
      ['crashed'],
    );
  });

  test('closes in a part of its own what ends with a packed one', async () => {
    using at = await dead({ durability: 'process' });
    for (let part = lastPart(at); part > 1; part -= 1)
      for (const ending of ['', '.gz']) rmSync(fileOf(at, `s1.${part}.ndjson${ending}`), { force: true });
    // The packing was not finished: the plain file is still there.
    const text = gunzipSync(readFileSync(fileOf(at, 's1.ndjson.gz')));
    writeFileSync(fileOf(at, 's1.ndjson'), text);
    const { problems, reports } = await back(at, { durability: 'process' });
    assert.deepEqual(problems, []);
    assert.deepEqual(
      reports.map(({ grade }) => grade),
      ['crashed'],
    );
    assert.deepEqual(names(at), ['s1.2.ndjson.gz', 's1.ndjson.gz']);
  });

  test('does not take an earlier copy that was put beside a part for that part', async () => {
    using at = bench();
    const recordings = await at.start({ durability: 'process', log: { version: '0' }, checkpoint: { events: 4 } });
    await statements(recordings, 's1', 6);
    using crashed = at.afterCrash();
    await recordings.close();
    const lines = linesOf(fileOf(crashed, 's1.ndjson'));
    const upTo = lines.findIndex((line) => line.includes('"type":"checkpoint"')) + 1;
    const bytes = gzipSync(`${lines.slice(0, upTo).join('\n')}\n`, { level: 3 });
    bytes[9] = 3;
    writeFileSync(fileOf(crashed, 's1.ndjson.gz'), bytes);
    const { problems } = await back(crashed, { durability: 'process' });
    assert.match(problems.join(), /they differ/);
    assert.deepEqual(linesOf(fileOf(crashed, 's1.ndjson')), lines);
  });

  test('leaves a hole in the middle as it is', async () => {
    using at = await dead({ durability: 'process' });
    rmSync(fileOf(at, 's1.2.ndjson.gz'), { force: true });
    rmSync(fileOf(at, 's1.2.ndjson'), { force: true });
    const files = names(at);
    const { problems } = await back(at, { durability: 'process' });
    assert.equal(problems.length > 0, true);
    assert.deepEqual(names(at), files);
  });
});

describe('a disk that is full when a part is to begin', () => {
  test('ends the session in the part it has, closed and signed', async () => {
    using at = bench();
    let full = false;
    const disk = diskWith({
      create(path) {
        if (full && path.includes('~s1.2.')) throw errno('ENOSPC');
        return realCreate(path);
      },
    });
    const realCreate = diskWith({}).create;
    const recordings = await at.start({ ...SMALL, disk });
    full = true;
    const recorder = await recordings.open(opened('s1'));
    const refused = (async () => {
      for (let i = 0; i < 20; i += 1) await recorder.append(intent(`c${i}`), 'intent');
    })();
    await assert.rejects(refused, { code: 'RECORDING_FAILED' });
    await recorder.finish({ kind: 'recorderFailed', message: 'full' } as never);
    await recordings.close();
    const [report] = await graded(at, recordings.publicKey.trusted);
    assert.equal(report?.grade, 'complete');
    assert.deepEqual(names(at), ['s1.ndjson.gz']);
  });
});

describe('retention', () => {
  const DAY_MS = 86_400_000;

  test('removes all parts of a recording, and the log says once that it did', async () => {
    using at = bench(undefined, new FakeClock());
    const keys = await long(at);
    at.clock.advance(3 * DAY_MS);
    const recordings = await at.start(SMALL);
    const { removed, left } = await recordings.retention(DAY_MS, () => false).sweep();
    await recordings.close();
    assert.deepEqual([removed.map(({ session }) => session), left], [['s1'], []]);
    assert.equal(existsSync(join(at.recordings, DAY)), false);
    assert.deepEqual(await loggedGrades(at, keys), ['expired', 'complete']);
  });

  test('keeps all parts under legal hold, and all of them where one was changed', async () => {
    using at = bench(undefined, new FakeClock());
    const keys = await long(at);
    at.clock.advance(3 * DAY_MS);
    const recordings = await at.start(SMALL);
    const all = names(at);
    const onlyHeld = await recordings.retention(DAY_MS, ({ session }) => session === 's1').sweep();
    assert.deepEqual(onlyHeld, { removed: [], held: 1, left: [] });
    assert.deepEqual(names(at), all);
    const middle = fileOf(at, 's1.2.ndjson.gz');
    const text = gunzipSync(readFileSync(middle)).toString();
    writeFileSync(middle, gzipSync(text.replace('DELETE', 'SELECT')));
    const { removed, left } = await recordings.retention(DAY_MS, () => false).sweep();
    await recordings.close();
    assert.deepEqual([removed.length, left.length], [0, 1]);
    assert.deepEqual(names(at), all);
    assert.deepEqual(await loggedGrades(at, keys), ['tampered', 'complete']);
  });

  test('that a crash cut short is finished at the next start', async () => {
    using at = bench(undefined, new FakeClock());
    const keys = await long(at);
    at.clock.advance(3 * DAY_MS);
    let removals = 0;
    const recordings = await at.start({
      ...SMALL,
      disk: diskWith({
        remove(path) {
          if (path.includes('/s1')) removals += 1;
          if (removals > 2) throw errno('EIO');
          rmSync(path);
        },
      }),
    });
    await assert.rejects(recordings.retention(DAY_MS, () => false).sweep());
    using crashed = at.afterCrash();
    await recordings.close();
    assert.ok(names(crashed).length >= 1);
    await (await crashed.start(SMALL)).close();
    assert.deepEqual(await loggedGrades(crashed, keys), ['expired', 'complete']);
  });
});

test('what is written to an earlier part of a running session ends nothing, and is found', async () => {
  using at = bench();
  const recordings = await at.start(SMALL);
  const recorder = await statements(recordings, 's1', 12);
  while (!existsSync(fileOf(at, 's1.ndjson.gz'))) await new Promise(setImmediate);
  appendFileSync(fileOf(at, 's1.ndjson.gz'), 'x');
  await recorder.finish({ kind: 'closed' });
  await recordings.close();
  const [report] = await graded(at, recordings.publicKey.trusted);
  assert.equal(report?.grade, 'tampered');
});

/** Attacks on a whole folder of recordings with its log: each is found by the key alone, or by what was noted before. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { generateKeyPairSync } from 'node:crypto';
import { keyIdOf, type PublicKeys } from '../../../src/record/checkpoint.ts';
import {
  folderReader,
  type LocalRecordings,
  type LoggedReport,
  type LogReport,
  type VerifyLogOptions,
  verifyLogAlone,
  verifyLogs,
  verifyRecording,
} from '../../../src/record/index.ts';
import { headText, parseHead } from '../../../src/record/log/head.ts';
import { signNote } from '../../../src/record/log/note.ts';
import { type Bench, bench, DAY, intent, opened, sealedSession } from '../workbench.ts';
import { until } from '../../fakes/until.ts';

const LOG = { log: { version: 'test' } };

let at: Bench;
let keys: PublicKeys;
let earlier: Bench;
/** As `hoopctl audit checkpoint` printed it. */
let note: Buffer;

/** s1 and s2 are noted; s3 came after; `running` is not sealed. */
before(async () => {
  at = bench();
  const recordings = await at.start(LOG);
  keys = recordings.publicKey.trusted;
  await sealedSession(recordings, 's1');
  await sealedSession(recordings, 's2');
  await written(recordings, 5);
  note = readFileSync(logFile('checkpoint'));
  earlier = at.afterCrash();
  await sealedSession(recordings, 's3');
  const running = await recordings.open(opened('running'));
  await running.append(intent('c1'), 'intent');
  await written(recordings, 8);
  while (existsSync(join(at.recordings, DAY, 's3.ndjson'))) await new Promise(setImmediate);
  const stopped = at.afterCrash();
  await recordings.close();
  at[Symbol.dispose]();
  at = stopped;
});

after(() => {
  at[Symbol.dispose]();
  earlier[Symbol.dispose]();
});

/** Seals get there without anybody waiting for them. */
async function written(recordings: LocalRecordings, leaves: number): Promise<void> {
  await until(`the log holds ${leaves}`, () => (recordings.log?.head.size ?? 0) >= leaves);
}

function logFile(name: string, folder = at): string {
  return join(folder.recordings, '.log/gw1', name);
}

interface Found {
  readonly grades: Readonly<Record<string, string>>;
  readonly log: LogReport | undefined;
  readonly told: string;
}

async function verify(folder: Bench, options: Partial<VerifyLogOptions> = {}): Promise<Found> {
  const grades: Record<string, string> = {};
  let log: LogReport | undefined;
  const told: string[] = [];
  const reports: AsyncGenerator<LogReport | LoggedReport> = verifyLogs(folder.recordings, {
    keys,
    isLive: (session) => session === 'running',
    ...options,
  });
  for await (const report of reports) {
    if (report.kind === 'log') log = report;
    else grades[report.session ?? '?'] = report.grade;
    told.push(...report.problems.map(({ message }) => message), ...report.notices);
  }
  return { grades, log, told: told.join('\n') };
}

const WHOLE = { s1: 'complete', s2: 'complete', s3: 'complete', running: 'open' };

async function attacked(attack: (copy: Bench) => void): Promise<Found & { since: Found }> {
  using copy = at.afterCrash();
  attack(copy);
  const since = { since: [{ bytes: note, from: 'the note' }] };
  return { ...(await verify(copy)), since: await verify(copy, since) };
}

/** The log with one of its files changed. */
function withFile(name: string, bytes: Buffer | undefined): Promise<LogReport> {
  const read = folderReader(join(at.recordings, '.log/gw1'));
  return verifyLogAlone('gw1', async (asked) => (asked === name ? bytes : read(asked)), { keys });
}

describe('a folder with its log', () => {
  test('that nobody touched is whole', async () => {
    const { grades, log, told } = await verify(at, { since: [{ bytes: note, from: 'the note' }] });
    assert.deepEqual(grades, WHOLE);
    assert.equal(log?.grade, 'complete');
    assert.deepEqual(log.since, [parseHead(note)?.size]);
    assert.deepEqual(log.leaves, { 'gateway.started': 1, 'session.opened': 4, 'session.sealed': 3 });
    assert.equal(told, 'the last 3 events are not signed');
  });

  test('an open session is truncated where nobody says that it lives', async () => {
    assert.equal((await verify(at, { isLive: () => false })).grades.running, 'truncated');
    assert.equal((await verify(at, { isLive: () => false, allowOpen: true })).grades.running, 'open');
  });

  const names = ['checkpoint', 'tile/0/000.p/8', 'tile/entries/000.p/8'];

  test('every byte of every file of the log that was flipped is found', async () => {
    for (const name of names) {
      const bytes = readFileSync(logFile(name));
      for (let index = 0; index < bytes.length; index += 1) {
        const changed = Buffer.from(bytes);
        changed[index] = (changed[index] as number) ^ 0x01;
        assert.notEqual((await withFile(name, changed)).grade, 'complete', `byte ${index} of ${name}`);
      }
    }
  });

  test('a file of the log that was cut anywhere, or taken away, is found', async () => {
    for (const name of names) {
      const bytes = readFileSync(logFile(name));
      for (let length = 0; length < bytes.length; length += 1)
        assert.equal((await withFile(name, bytes.subarray(0, length))).grade, 'tampered', `${name} cut at ${length}`);
      assert.equal((await withFile(name, undefined)).grade, 'tampered', name);
    }
  });

  test('a recording that was taken away whole is missing', async () => {
    const { grades, log } = await attacked((copy) => rmSync(join(copy.recordings, DAY, 's2.ndjson.gz')));
    assert.deepEqual(grades, { ...WHOLE, s2: 'missing' });
    assert.equal(log?.grade, 'complete');
  });

  test('an open recording that was taken away is missing too', async () => {
    const { grades } = await attacked((copy) => rmSync(join(copy.recordings, DAY, 'running.ndjson')));
    assert.deepEqual(grades, { ...WHOLE, running: 'missing' });
  });

  test('recordings that changed places are tampered', async () => {
    const { grades } = await attacked((copy) => {
      const [one, two] = ['s1', 's2'].map((name) => join(copy.recordings, DAY, `${name}.ndjson.gz`)) as [
        string,
        string,
      ];
      renameSync(one, `${one}.was`);
      renameSync(two, one);
      renameSync(`${one}.was`, two);
    });
    assert.deepEqual(grades, { ...WHOLE, s1: 'tampered', s2: 'tampered' });
  });

  test('a recording that was put back as it was before its end is tampered', async () => {
    const { grades, told } = await attacked((copy) => {
      const sealed = join(copy.recordings, DAY, 's3.ndjson.gz');
      const lines = gunzipSync(readFileSync(sealed)).toString('utf8').split('\n');
      rmSync(sealed);
      writeFileSync(join(copy.recordings, DAY, 's3.ndjson'), `${lines.slice(0, -3).join('\n')}\n`);
    });
    assert.equal(grades.s3, 'tampered');
    assert.match(told, /the log says that it was sealed with \d+ events, and it is not/);
  });

  test('another session of the same id, signed with the same key, is not the one in the log', async () => {
    using other = bench();
    mkdirSync(other.keys, { recursive: true });
    cpSync(at.keys, other.keys, { recursive: true });
    const recordings = await other.start();
    await sealedSession(recordings, 's1', 1);
    await recordings.close();
    const forged = join(other.recordings, DAY, 's1.ndjson.gz');
    const { grades, told } = await attacked((copy) => cpSync(forged, join(copy.recordings, DAY, 's1.ndjson.gz')));
    assert.equal((await verifyRecording(forged, { keys })).grade, 'complete');
    assert.equal(grades.s1, 'tampered');
    assert.match(told, /sealed with \d+ events and another root/);
  });

  test('a recording that the log does not tell of is tampered', async () => {
    using other = bench();
    cpSync(at.keys, other.keys, { recursive: true });
    const recordings = await other.start();
    await sealedSession(recordings, 'extra', 1);
    await recordings.close();
    const { grades, told } = await attacked((copy) =>
      cpSync(join(other.recordings, DAY, 'extra.ndjson.gz'), join(copy.recordings, DAY, 'extra.ndjson.gz')),
    );
    assert.deepEqual(grades, { ...WHOLE, extra: 'tampered' });
    assert.match(told, /the log does not tell of it/);
  });

  test('the whole log taken away is an error, and the log of one gateway is missed by its recordings', async () => {
    await assert.rejects(
      attacked((copy) => rmSync(join(copy.recordings, '.log'), { recursive: true })),
      { code: 'LOG_NOT_FOUND', exit: 8 },
    );
    const { grades, log } = await attacked((copy) => {
      mkdirSync(join(copy.recordings, '.log/gw9'), { recursive: true });
      rmSync(join(copy.recordings, '.log/gw1'), { recursive: true });
    });
    assert.equal(log?.grade, 'tampered');
    assert.deepEqual(new Set(Object.values(grades)), new Set(['tampered', 'open']));
  });

  test('the log of another gateway in its place is found, whoever signed it', async () => {
    using other = bench();
    cpSync(at.keys, other.keys, { recursive: true });
    const recordings = await other.start({ ...LOG, gatewayId: 'gw2' });
    await recordings.close();
    const { log, told } = await attacked((copy) => {
      rmSync(join(copy.recordings, '.log/gw1'), { recursive: true });
      cpSync(join(other.recordings, '.log/gw2'), join(copy.recordings, '.log/gw1'), { recursive: true });
    });
    assert.equal(log?.grade, 'tampered');
    assert.match(told, /the checkpoint is of the log "hoopctl\/gw2", not of gw1/);
  });

  test('a checkpoint signed with another key is not believed', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const { log } = await attacked((copy) => {
      const head = parseHead(readFileSync(logFile('checkpoint', copy)));
      assert.ok(head);
      const text = headText(head);
      writeFileSync(logFile('checkpoint', copy), `${text}\n${signNote(text, 'hoopctl/gw1', privateKey)}`);
    });
    assert.equal(log?.grade, 'tampered');
    const other: PublicKeys = new Map([
      [keyIdOf(generateKeyPairSync('ed25519').publicKey), generateKeyPairSync('ed25519').publicKey],
    ]);
    assert.equal((await verify(at, { keys: other })).log?.grade, 'tampered');
  });

  test('a leaf that was taken out of the entries is found', async () => {
    const { log } = await attacked((copy) => {
      const file = logFile('tile/entries/000.p/8', copy);
      const bytes = readFileSync(file);
      writeFileSync(file, bytes.subarray(2 + bytes.readUInt16BE(0)));
    });
    assert.equal(log?.grade, 'tampered');
  });
});

describe('an older copy of everything', () => {
  test('passes by itself, and is found by what was noted or witnessed since', async () => {
    const later = readFileSync(logFile('checkpoint'));
    const alone = await verify(earlier);
    assert.equal(alone.log?.grade, 'complete');
    const { log, told } = await verify(earlier, { since: [{ bytes: later, from: 'the note' }] });
    assert.equal(log?.grade, 'tampered');
    assert.match(told, /the log has \d+ leaves, and had \d+ at the note: an older copy was put back/);
  });

  test('of the log alone leaves recordings that it does not tell of', async () => {
    const { grades } = await attacked((copy) => {
      rmSync(join(copy.recordings, '.log'), { recursive: true });
      cpSync(join(earlier.recordings, '.log'), join(copy.recordings, '.log'), { recursive: true });
    });
    assert.equal(grades.s3, 'tampered');
  });
});

describe('the holder of the key', () => {
  test('who writes everything anew passes by himself, and is found by what was noted before', async () => {
    using other = bench();
    cpSync(at.keys, other.keys, { recursive: true });
    const recordings = await other.start(LOG);
    for (const session of ['s1', 's2', 's3', 's4', 's5']) await sealedSession(recordings, session, 1);
    await recordings.close();
    assert.equal((await verify(other)).log?.grade, 'complete');
    const { log, told } = await verify(other, { since: [{ bytes: note, from: 'the note' }] });
    assert.equal(log?.grade, 'tampered');
    assert.deepEqual(log.since, []);
    assert.match(told, /the first \d+ leaves are not those of the note: what came before it was rewritten/);
  });

  test('a note that no given key signed is refused, not ignored', async () => {
    const text = headText({ origin: 'hoopctl/gw1', size: 1, root: Buffer.alloc(32) });
    const forged = Buffer.from(`${text}\n${signNote(text, 'hoopctl/gw1', generateKeyPairSync('ed25519').privateKey)}`);
    await assert.rejects(verify(at, { since: [{ bytes: forged, from: 'x' }] }), { code: 'NOTE_INVALID' });
  });
});

describe('after a crash', () => {
  test('sessions that were open are in the log as crashed, and all is whole', async () => {
    using copy = at.afterCrash();
    const recordings = await copy.start(LOG);
    await recordings.close();
    const { grades, log } = await verify(copy);
    assert.deepEqual(grades, { ...WHOLE, running: 'crashed' });
    assert.deepEqual(log?.leaves, { 'gateway.started': 2, 'session.opened': 4, 'session.sealed': 4 });
  });

  test('a session that was recorded and not yet logged is logged at the next start', async () => {
    using copy = bench();
    const first = await copy.start();
    const recorder = await first.open(opened('early'));
    await recorder.append(intent('c1'), 'intent');
    using crashed = copy.afterCrash();
    await first.close();
    const recordings = await crashed.start(LOG);
    await recordings.close();
    const { grades, log } = await verify(crashed, { keys: recordings.publicKey.trusted });
    assert.deepEqual(grades, { early: 'crashed' });
    assert.equal(log?.grade, 'complete');
  });

  test('a recording from before there was a log is graded by itself, and said to be older', async () => {
    using copy = bench();
    const first = await copy.start();
    await sealedSession(first, 'old');
    await first.close();
    copy.clock.advance(1000);
    const recordings = await copy.start(LOG);
    await recordings.close();
    const { grades, told } = await verify(copy, { keys: recordings.publicKey.trusted });
    assert.deepEqual(grades, { old: 'complete' });
    assert.equal(told, 'it is older than the log');
  });
});

describe('retention', () => {
  test('a recording that was removed with its leaf is expired', async () => {
    using copy = at.afterCrash();
    const recordings = await copy.start(LOG);
    const file = join(copy.recordings, DAY, 's1.ndjson.gz');
    const { checkpoint } = await verifyRecording(file, { keys });
    await recordings.log?.append({
      type: 'recording.expired',
      session: 's1',
      root: checkpoint?.root ?? '',
      why: 'kept for 90 days',
    });
    rmSync(file);
    await recordings.close();
    const { grades, told } = await verify(copy);
    assert.equal(grades.s1, 'expired');
    assert.match(told, /removed: kept for 90 days/);
  });
});

test('no session opens while the log cannot be written', async () => {
  using copy = bench();
  const recordings = await copy.start(LOG);
  await sealedSession(recordings, 's1');
  await recordings.check();
  renameSync(join(copy.recordings, '.log'), join(copy.recordings, '.gone'));
  await assert.rejects(recordings.check(), { code: 'LOG_FAILED' });
  await assert.rejects(recordings.open(opened('s2')), { code: 'RECORDING_FAILED' });
  renameSync(join(copy.recordings, '.gone'), join(copy.recordings, '.log'));
  await recordings.check();
  await sealedSession(recordings, 's3');
  await recordings.close();
});

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type AuditRequest, auditKey, auditVerify } from '../../src/app/audit.ts';
import { replaySession } from '../../src/app/replay.ts';
import { type Bench, bench, DAY, intent, opened, sealedSession } from '../record/workbench.ts';

let at: Bench;
let keyFile: string;

/** `whole` is sealed, `dead` was closed after a crash, `running` is not sealed. */
before(async () => {
  const first = bench();
  const recordings = await first.start();
  await sealedSession(recordings, 'whole');
  const recorder = await recordings.open(opened('dead'));
  await recorder.append(intent('c1'), 'intent');
  at = first.afterCrash();
  await recordings.close();
  first[Symbol.dispose]();
  const again = await at.start();
  const running = await again.open(opened('running'));
  await running.append(intent('c1'), 'intent');
  const lines = readFileSync(join(at.recordings, DAY, 'running.ndjson'));
  await again.close();
  writeFileSync(join(at.recordings, DAY, 'running.ndjson'), lines);
  keyFile = join(at.keys, 'recording.pub');
});

after(() => at[Symbol.dispose]());

async function verify(request: AuditRequest) {
  const failing: string[] = [];
  const grades: Record<string, string> = {};
  const result = await auditVerify({ keyFiles: [keyFile], ...request }, (report) => {
    if (report.kind === 'log') return;
    grades[report.session ?? '?'] = report.grade;
    if (report.fails) failing.push(report.session ?? '?');
  });
  return { ...result, failing, each: grades };
}

const live = (session: string) => session === 'running';

describe('hoopctl audit verify', () => {
  test('ends with 0 when everything is whole or its gateway is still at it', async () => {
    const { exit, each, failing } = await verify({ path: at.recordings, isLive: live });
    assert.deepEqual(each, { whole: 'complete', dead: 'crashed', running: 'open' });
    assert.deepEqual(failing, []);
    assert.equal(exit, 0);
  });

  test('ends with 8 when an unsealed recording has no gateway that knows it', async () => {
    const { exit, failing, grades } = await verify({ path: at.recordings });
    assert.deepEqual(failing, ['running']);
    assert.deepEqual(grades, { complete: 1, crashed: 1, truncated: 1 });
    assert.equal(exit, 8);
  });

  test('--allow open takes an unsealed one for open', async () => {
    const { exit, each } = await verify({ path: at.recordings, allow: 'open' });
    assert.equal(each.running, 'open');
    assert.equal(exit, 0);
  });

  test('--allow truncated lets it be', async () => {
    assert.equal((await verify({ path: at.recordings, allow: ' truncated, crashed' })).exit, 0);
  });

  test('--strict also fails crashed and open ones, unless they are allowed', async () => {
    const strict = await verify({ path: at.recordings, strict: true, isLive: live });
    assert.deepEqual(strict.failing, ['dead', 'running']);
    assert.equal(strict.exit, 8);
    const allowed = await verify({ path: at.recordings, strict: true, isLive: live, allow: 'open,crashed' });
    assert.deepEqual(allowed.failing, []);
  });

  test('a changed recording ends with 8 and is named, the others are still verified', async () => {
    const path = join(at.recordings, DAY, 'whole.ndjson.gz');
    const bytes = readFileSync(path);
    writeFileSync(
      path,
      bytes.map((byte, i) => (i === 200 ? byte ^ 1 : byte)),
    );
    const { exit, failing, recordings } = await verify({ path: at.recordings, isLive: live });
    writeFileSync(path, bytes);
    assert.deepEqual(failing.length, 1);
    assert.equal(recordings, 3);
    assert.equal(exit, 8);
  });

  test('--session takes one, from the folder or as fetched', async () => {
    const one = await verify({ session: 'whole', recordings: at.recordings });
    assert.deepEqual(one.each, { whole: 'complete' });
    const source = readFileSync(join(at.recordings, DAY, 'whole.ndjson.gz'));
    assert.deepEqual((await verify({ session: 'whole', source })).each, { whole: 'complete' });
    const other = await verify({ session: 'another', source });
    assert.equal(other.exit, 8);
  });

  test('without a key, with an unreadable one or a private one it ends with 2', async () => {
    const requests: AuditRequest[] = [
      { keyFiles: [] },
      { keyFiles: [join(at.root, 'none')] },
      { keyFiles: [join(at.keys, 'recording.key')] },
      { keyFiles: [join(at.recordings, DAY, 'whole.ndjson.gz')] },
    ];
    for (const request of requests) await assert.rejects(verify({ path: at.recordings, ...request }), { exit: 2 });
  });

  test('the pinned key serves where no file is given, and only there', async () => {
    const pinnedKeys = auditKey(at.keys);
    assert.equal((await verify({ path: at.recordings, keyFiles: [], pinnedKeys, isLive: live })).exit, 0);
    const other = join(at.root, 'other.pub');
    const { publicKey } = generateKeyPairSync('ed25519');
    writeFileSync(other, publicKey.export({ type: 'spki', format: 'pem' }));
    assert.equal((await verify({ path: at.recordings, keyFiles: [other], pinnedKeys, isLive: live })).exit, 8);
    rmSync(other);
  });

  test('a grade or a note that is none ends with 2, and a log that is not there with 8', async () => {
    await assert.rejects(verify({ path: at.recordings, log: true }), { code: 'LOG_NOT_FOUND', exit: 8 });
    await assert.rejects(verify({ path: at.recordings, since: ['x'] }), { code: 'NOTE_UNREADABLE', exit: 2 });
    await assert.rejects(verify({ path: at.recordings, since: [keyFile] }), { code: 'NOTE_INVALID', exit: 2 });
    await assert.rejects(verify({ session: 'whole', path: at.recordings, log: true }), {
      code: 'AUDIT_USAGE',
      exit: 2,
    });
    await assert.rejects(verify({ path: at.recordings, allow: 'opne' }), { code: 'GRADE_UNKNOWN', exit: 2 });
  });

  test('nothing to verify is not a success', async () => {
    await assert.rejects(verify({}), { exit: 2 });
    await assert.rejects(verify({ path: join(at.root, 'none') }), { exit: 2 });
    await assert.rejects(verify({ path: at.journal }), { exit: 2 });
    await assert.rejects(verify({ session: 'none', recordings: at.recordings }), { exit: 2 });
  });

  test('the key to give to others is the public one', () => {
    assert.match(auditKey(at.keys), /^-----BEGIN PUBLIC KEY-----\n/);
    assert.throws(() => auditKey(at.root), { exit: 2 });
  });
});

describe('hoopctl sessions replay', () => {
  test('tells a session by its id', async () => {
    const lines = await Array.fromAsync(replaySession({ session: 'dead', recordings: at.recordings }));
    assert.deepEqual(
      lines.map(({ kind }) => kind),
      ['opened', 'asked', 'notice', 'unknown', 'closed'],
    );
  });

  test('of an unknown session ends with 4', () => {
    assert.throws(() => replaySession({ session: 'none', recordings: at.recordings }), { exit: 4 });
  });
});

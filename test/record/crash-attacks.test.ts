import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { linesBySequence, scan, continuation } from '../../src/record/mend.ts';
import { Verifier } from '../../src/record/verifier.ts';
import { bench, DAY, eventsOf, intent, linesOf, opened, outcome, verifyFolder } from './workbench.ts';

const DOOMED = fileURLToPath(new URL('doomed.ts', import.meta.url));

describe('a recording cut at any byte', () => {
  test('is whole up to its last whole line, and the journal brings back the rest', async () => {
    using at = bench();
    const recordings = await at.start({ checkpoint: { events: 4 } });
    const recorder = await recordings.open(opened('s1'));
    for (const id of ['c1', 'c2']) {
      await recorder.append(intent(id), 'intent');
      recorder.append([outcome(id)], 'note');
    }
    const path = join(at.recordings, DAY, 's1.ndjson');
    const bytes = readFileSync(path);
    const lines = linesOf(path);
    const known = linesBySequence(lines);
    const keys = recordings.publicKey.trusted;
    await recordings.close();
    writeFileSync(path, bytes);
    for (let length = bytes.length; length >= 0; length -= 1) {
      truncateSync(path, length);
      const whole = bytes.subarray(0, length).toString('latin1').split('\n').length - 1;
      const verifier = new Verifier(keys, 's1');
      const found = await scan(path, verifier, known, Number.POSITIVE_INFINITY);
      assert.ok(typeof found !== 'string', `cut to ${length}: ${JSON.stringify(found)}`);
      assert.equal(verifier.events, whole, `cut to ${length}`);
      const added = continuation(verifier, known, found.rest, Number.POSITIVE_INFINITY);
      assert.ok(typeof added !== 'string', `cut to ${length}: ${JSON.stringify(added)}`);
      assert.equal(whole + added.replayed, lines.length, `cut to ${length}`);
    }
  });

  test('of which the last line is torn anywhere is closed and signed', async () => {
    using at = bench();
    const first = await at.start({ durability: 'process' });
    for (let i = 0; i < 60; i += 1) await (await first.open(opened(`s${i}`))).append(intent('c1'), 'intent');
    using crashed = at.afterCrash();
    await first.close();
    const fileOf = (i: number) => join(crashed.recordings, DAY, `s${i}.ndjson`);
    const last = linesOf(fileOf(0)).at(-1)?.length ?? 0;
    // A gateway of sixty sessions: each has lost another part of its last line.
    for (let i = 0; i < 60; i += 1) {
      const size = readFileSync(fileOf(i)).length;
      truncateSync(fileOf(i), size - 1 - Math.floor((i * last) / 60));
    }
    const back = await crashed.start({ durability: 'process' });
    assert.deepEqual(back.recovery.problems, []);
    const reports = await verifyFolder(crashed.recordings, back);
    await back.close();
    assert.deepEqual(new Set([...reports.values()].map(({ grade }) => grade)), new Set(['crashed']));
    assert.equal(reports.size, 60);
  });
});

describe('a clock that jumps', () => {
  test('back and forth by years makes no recording wrong, before or after a crash', async () => {
    using at = bench();
    const recordings = await at.start({ checkpoint: { events: 5 } });
    const [ends, dies] = [await recordings.open(opened('s1')), await recordings.open(opened('s2'))];
    const file = join(at.recordings, DAY, 's2.ndjson');
    for (const [i, wall] of ['2031-01-01', '1999-12-31', '2026-11-21', '2040-06-01', '1970-01-01'].entries()) {
      at.clock.setWall(Date.parse(`${wall}T00:00:00.000Z`));
      for (const recorder of [ends, dies]) {
        await recorder.append(intent(`c${i}`), 'intent');
        recorder.append([outcome(`c${i}`)], 'note');
      }
    }
    await ends.finish({ kind: 'closed' });
    const times = eventsOf(file).map(({ at: time }) => time as string);
    assert.deepEqual(times, [...times].sort());
    using crashed = at.afterCrash();
    await recordings.close();
    const back = await crashed.start();
    assert.deepEqual(back.recovery.problems, []);
    const reports = await verifyFolder(crashed.recordings, back);
    await back.close();
    assert.equal(reports.get('s1')?.grade, 'complete');
    assert.equal(reports.get('s2')?.grade, 'crashed');
  });

  test('over midnight and back finds the folder of each day', async () => {
    using at = bench();
    const recordings = await at.start();
    for (const [i, day] of ['2026-11-22', '2026-11-21', '2026-11-22'].entries()) {
      at.clock.setWall(Date.parse(`${day}T12:00:00.000Z`));
      const recorder = await recordings.open(opened(`s${i}`));
      await recorder.append(intent('c1'), 'intent');
      await recorder.finish({ kind: 'closed' });
    }
    await recordings.close();
    const reports = await verifyFolder(at.recordings, recordings);
    assert.deepEqual([...reports.values()].map(({ session, grade }) => `${session} ${grade}`).sort(), [
      's0 complete',
      's1 complete',
      's2 complete',
    ]);
  });
});

describe('two gateways given one folder and one id', () => {
  test('the second is told which process has them', async () => {
    using at = bench();
    const child = spawn(process.execPath, [DOOMED, at.root, 'process', 'one'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.stdout.resume();
    const message = new RegExp(`^process ${child.pid} on \\S+, since \\S+ holds the files of gateway "gw1"`);
    await assert.rejects(at.start(), { code: 'RECORDINGS_LOCKED', message });
    child.kill('SIGKILL');
    await ended;
    await (await at.start()).close();
  });

  test('the second is refused too when only the journal is the same', async () => {
    using at = bench();
    using other = bench();
    const one = await at.start();
    await assert.rejects(other.start({ journalDir: at.journal }), { code: 'RECORDINGS_LOCKED' });
    await one.close();
    await (await other.start({ journalDir: at.journal })).close();
  });

  test('words in the file beside the lock that are not ours are not repeated', async () => {
    using at = bench();
    const one = await at.start();
    writeFileSync(join(at.recordings, '.gateways', 'gw1.lock.holder'), 'process 1 on \u001b[2Jx, since ever');
    await assert.rejects(at.start(), { code: 'RECORDINGS_LOCKED', message: /^another process holds/ });
    await one.close();
  });
});

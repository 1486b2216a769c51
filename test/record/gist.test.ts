/** What sessions are searched by: the same while a recording is written and when it is read back. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SessionEvent } from '../../src/domain/recording.ts';
import { createGist, findRecording, readGist } from '../../src/record/index.ts';
import { bench, intent, opened, outcome } from './workbench.ts';

type Verdict = Extract<SessionEvent, { type: 'verdict' }>;

function verdict(text: string, change: Partial<Verdict> = {}): Verdict {
  const [first] = intent('c1', text);
  return { ...(first as Verdict), text: { text, bytes: text.length, sha256: text.padEnd(64, '.') }, ...change };
}

describe('the gist of a session', () => {
  test('counts verdicts, names each table and each text once', () => {
    const gist = createGist({ texts: true });
    gist.take([verdict('SELECT 1'), verdict('SELECT 1'), verdict('SELECT 2', { verdict: 'deny' })]);
    gist.take([
      verdict('SELECT 3', { verdict: 'hold', resources: [{ kind: 'function', name: 'f', access: 'execute' }] }),
    ]);
    const parts = gist.drain();
    assert.deepEqual(
      { ...parts, texts: parts?.texts.map(({ text }) => text) },
      { allowed: 2, denied: 1, tables: ['public.orders'], texts: ['SELECT 1', 'SELECT 2', 'SELECT 3'], partial: false },
    );
    assert.equal(gist.drain(), undefined);
    gist.take([verdict('SELECT 1')]);
    assert.deepEqual(gist.drain(), { allowed: 3, denied: 1, tables: [], texts: [], partial: false });
  });

  test('is given again when it could not be kept', () => {
    const gist = createGist({ texts: true });
    gist.take([verdict('SELECT 1')]);
    const lost = gist.drain();
    assert.ok(lost);
    gist.take([verdict('SELECT 2')]);
    gist.giveBack(lost);
    assert.deepEqual(
      gist.drain()?.texts.map(({ text }) => text),
      ['SELECT 1', 'SELECT 2'],
    );
  });

  test('says so where it does not hold everything', () => {
    const long = createGist({ texts: true });
    long.take([verdict('x'.repeat(20_000))]);
    const parts = long.drain();
    assert.deepEqual([parts?.partial, parts?.texts[0]?.text.length], [true, 16_384]);
    const many = createGist({ texts: true });
    for (let i = 0; i < 2_001; i++) many.take([verdict(`SELECT ${i}`)]);
    assert.deepEqual([many.drain()?.partial, many.drain()], [true, undefined]);
  });

  test('has neither texts nor tables where nobody but the reader of the recording shall find them', () => {
    const gist = createGist({ texts: false });
    gist.take([verdict('SELECT 1')]);
    assert.deepEqual(gist.drain(), { allowed: 1, denied: 0, tables: [], texts: [], partial: true });
  });
});

describe('a recording read back', () => {
  test('tells what its session was', async () => {
    using place = bench();
    const recordings = await place.start();
    const recorder = await recordings.open(opened('s1'));
    const events = [...intent('c1'), outcome('c1'), verdict('DROP TABLE x', { verdict: 'deny', command: 'c2' })];
    await recorder.append(events, 'intent');
    await recorder.append(
      [
        verdict('DELETE', { verdict: 'hold', command: 'c3' }),
        { type: 'approval.requested', command: 'c3', approval: 'apr_1', rule: 'r', digest: 'd' },
        { type: 'approval.decided', command: 'c3', approval: 'apr_1', decision: 'denied' },
      ],
      'intent',
    );
    await recorder.finish({ kind: 'clientGone' });
    await recordings.close();
    const read = await readGist(findRecording(place.recordings, 's1') ?? '', 's1', { texts: true });
    assert.ok(read);
    const { opened: begun, closed, texts, lastAt, ...rest } = read;
    assert.equal(begun.run, 'run-1');
    assert.deepEqual(closed?.end, { kind: 'clientGone' });
    assert.equal(lastAt, closed?.at);
    assert.deepEqual(
      texts.map(({ text }) => text),
      ["DELETE FROM orders WHERE id = 'c1'", 'DROP TABLE x', 'DELETE'],
    );
    assert.deepEqual(rest, {
      allowed: 1,
      denied: 1,
      tables: ['public.orders'],
      partial: false,
      commands: 1,
      refused: 2,
      held: 1,
      rows: 1,
      maskedCells: 0,
      wouldBe: 0,
    });
  });

  test('that is damaged tells what can be read, and says that it is not all', async () => {
    const first = JSON.stringify({ seq: 0, at: '2026-11-21T18:00:00.000Z', ...opened('s1') });
    const read = await readGist(Buffer.from(`${first}\n{"seq":1,garbage\n`), 's1', { texts: true });
    assert.deepEqual([read?.opened.session, read?.partial], ['s1', true]);
  });

  test('of another session than its name says is none', async () => {
    const first = JSON.stringify({ seq: 0, at: '2026-11-21T18:00:00.000Z', ...opened('s2') });
    assert.equal(await readGist(Buffer.from(`${first}\n`), 's1', { texts: true }), undefined);
    assert.equal(await readGist(Buffer.from('not a recording\n'), 's1', { texts: true }), undefined);
  });
});

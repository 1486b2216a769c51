import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { SessionEvent } from '../../src/domain/recording.ts';
import {
  findRecording,
  type LocalRecordings,
  type ReplayLine,
  readEvents,
  replay,
  summarize,
} from '../../src/record/index.ts';
import { bench, DAY, intent, opened, outcome, sealedSession } from './workbench.ts';

const verdict = (command: string, kind: 'allow' | 'hold' | 'deny', more: object = {}): SessionEvent =>
  ({ ...intent(command)[0], verdict: kind, ...more }) as SessionEvent;

/** A session in which a bit of everything happened. */
async function eventful(recordings: LocalRecordings, advance: (ms: number) => Promise<void>): Promise<void> {
  const recorder = await recordings.open(opened('s1'));
  await advance(100);
  await recorder.append([{ ...intent('c0')[1], by: 'gateway' } as SessionEvent], 'read');
  recorder.append([{ type: 'outcome', command: 'c0', state: 'completed', rows: 2, durationMs: 1 }], 'note');
  await recorder.append([verdict('c1', 'deny', { reason: 'no deletes', rules: ['no-deletes'] })], 'read');
  await advance(100);
  await recorder.append(
    [
      verdict('c2', 'hold', { rules: ['ask'], wouldBe: [{ rule: 'later', kind: 'deny' }] }),
      { type: 'approval.requested', command: 'c2', approval: 'a1', rule: 'ask', digest: 'd' },
    ],
    'intent',
  );
  recorder.append(
    [{ type: 'approval.decided', command: 'c2', approval: 'a1', decision: 'approved', by: 'riley', reason: 'fine' }],
    'note',
  );
  const rewritten = { text: 'DELETE FROM public.orders', bytes: 25, sha256: 'f'.repeat(64) };
  await recorder.append([{ ...intent('c2')[1], sent: rewritten, approvals: ['a1'] } as SessionEvent], 'intent');
  const params = [
    { type: 'text', format: 'text', value: 'x"y' },
    { type: 'bytea', format: 'binary', value: 'AAE=' },
    { type: 'text', format: 'text', value: null },
    { type: 'text', format: 'text', struck: true },
  ];
  await recorder.append(
    intent('c3').map((event) => ({ ...event, params }) as SessionEvent),
    'intent',
  );
  recorder.append(
    [
      { type: 'result', command: 'c3', columns: ['id', 'ssn'], rows: [['1', null]], truncated: true },
      {
        type: 'outcome',
        command: 'c3',
        state: 'failed',
        rows: 1,
        bytes: 9,
        maskedCells: 1,
        code: '23505',
        durationMs: 7,
      },
      { type: 'notice', notice: 'superuser', role: 'postgres' },
      { type: 'stream', direction: 'out', data: '\u001b[2J' },
    ],
    'note',
  );
  await recorder.finish({ kind: 'revoked', reason: 'left the company' });
}

describe('reading a recording back', () => {
  test('gives the events in order, from the compressed file too', async () => {
    using at = bench();
    const recordings = await at.start();
    await sealedSession(recordings, 's1', 1);
    await recordings.close();
    const events = await Array.fromAsync(readEvents(join(at.recordings, DAY, 's1.ndjson.gz')));
    assert.deepEqual(
      events.map(({ seq, type }) => `${seq} ${type}`),
      ['0 session.opened', '1 verdict', '2 command', '3 outcome', '4 session.closed', '5 checkpoint'],
    );
  });

  test('leaves out a torn last line of a running one', async () => {
    using at = bench();
    const recordings = await at.start();
    const recorder = await recordings.open(opened('s1'));
    await recorder.append(intent('c1'), 'intent');
    const path = join(at.recordings, DAY, 's1.ndjson');
    appendFileSync(path, '{"seq":3,');
    assert.equal((await Array.fromAsync(readEvents(path))).length, 3);
    await recordings.close();
  });

  test('fails at a line that is no event, and says where', async () => {
    using at = bench();
    const path = join(at.root, 'x.ndjson');
    writeFileSync(path, '{"type":"notice","notice":"x"}\nnull\n');
    await assert.rejects(Array.fromAsync(readEvents(path)), {
      code: 'RECORDING_UNREADABLE',
      message: 'line 2 is not an event',
    });
  });

  test('finds a session by its id, with or without its day', async () => {
    using at = bench();
    const recordings = await at.start();
    await recordings.open(opened('s1'));
    await sealedSession(recordings, 's2', 1);
    await recordings.close();
    const day = join(at.recordings, DAY);
    assert.equal(findRecording(at.recordings, 's1'), join(day, 's1.ndjson'));
    assert.equal(findRecording(at.recordings, 's2'), join(day, 's2.ndjson.gz'));
    assert.equal(findRecording(at.recordings, 's2', '2026-11-21T23:59:59.999Z'), join(day, 's2.ndjson.gz'));
    assert.equal(findRecording(at.recordings, 's2', '2026-11-22T00:00:00.000Z'), undefined);
    assert.equal(findRecording(at.recordings, 's3'), undefined);
    assert.throws(() => findRecording(at.recordings, '../../etc/passwd'), { code: 'SESSION_ID_INVALID' });
  });
});

describe('a replay', () => {
  test('tells what happened, line by line, as plain data', async () => {
    using at = bench();
    const recordings = await at.start();
    await eventful(recordings, (ms) => at.clock.advance(ms));
    await recordings.close();
    const lines = await Array.fromAsync(replay(readEvents(findRecording(at.recordings, 's1') as string)));
    const said = lines.map(({ afterMs, kind, command, text, detail }) => [
      afterMs,
      kind,
      command ?? '',
      text,
      detail ?? '',
    ]);
    assert.deepEqual(said, [
      [
        0,
        'opened',
        '',
        'dana@example.test on orders-db as app_reader, agent weekly-report (registered)',
        'session s1, run run-1',
      ],
      [100, 'sent', 'c0', "DELETE FROM orders WHERE id = 'c0'", "the gateway's own"],
      [100, 'outcome', 'c0', 'completed', 'completed, 2 rows, 1 ms'],
      [100, 'asked', 'c1', "DELETE FROM orders WHERE id = 'c1'", 'deny, no-deletes, no deletes'],
      [200, 'asked', 'c2', "DELETE FROM orders WHERE id = 'c2'", 'hold, ask, would be deny by later'],
      [200, 'held', 'c2', 'waiting for approval a1', 'ask'],
      [200, 'decided', 'c2', 'a1 approved by riley', 'fine'],
      [200, 'sent', 'c2', 'DELETE FROM public.orders', 'rewritten'],
      [
        200,
        'asked',
        'c3',
        'DELETE FROM orders WHERE id = \'c3\'\n-- $1 = "x\\"y", $2 = base64:AAE=, $3 = NULL, $4 = (struck)',
        'allow, agents-work-on-orders',
      ],
      [200, 'result', 'c3', '1 rows kept', 'there were more'],
      [200, 'outcome', 'c3', 'failed', 'failed, 23505, 1 rows, 9 bytes, 1 masked cells, 7 ms'],
      [200, 'notice', '', 'superuser', '{"role":"postgres"}'],
      [200, 'stream', '', '\u001b[2J', 'out'],
      [200, 'closed', '', 'HOOP_REVOKED: access was revoked: left the company', ''],
      [200, 'unknown', 'c2', 'no outcome was recorded', ''],
    ]);
    const result = lines.find(({ kind }) => kind === 'result') as ReplayLine;
    assert.deepEqual(result.columns, ['id', 'ssn']);
    assert.deepEqual(result.rows, [['1', null]]);
  });
});

test('a summary counts what was asked, refused, held, masked and left unknown', async () => {
  using at = bench();
  const recordings = await at.start();
  await eventful(recordings, (ms) => at.clock.advance(ms));
  await recordings.close();
  const summary = await summarize(readEvents(findRecording(at.recordings, 's1') as string));
  assert.deepEqual(summary, {
    session: 's1',
    run: 'run-1',
    target: 'orders-db',
    protocol: 'postgres',
    principal: 'dana@example.test',
    agent: 'weekly-report',
    openedAt: '2026-11-21T18:00:00.000Z',
    closedAt: '2026-11-21T18:00:00.200Z',
    end: { kind: 'revoked', reason: 'left the company' },
    commands: 3,
    refused: 1,
    held: 1,
    unknown: ['c2'],
    rows: 3,
    bytes: 9,
    maskedCells: 1,
    wouldBe: 1,
  });
});

test('an outcome the gateway could not learn stays unknown', async () => {
  using at = bench();
  const recordings = await at.start();
  const recorder = await recordings.open(opened('s1'));
  await recorder.append(intent('c1'), 'intent');
  recorder.append([{ ...outcome('c1'), state: 'unknown' } as SessionEvent], 'note');
  await recorder.finish({ kind: 'closed' });
  await recordings.close();
  const summary = await summarize(readEvents(findRecording(at.recordings, 's1') as string));
  assert.deepEqual(summary.unknown, ['c1']);
});

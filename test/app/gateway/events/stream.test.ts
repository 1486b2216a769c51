/** From recordings to receivers: what is recorded is queued, whatever becomes of the queue's disk, and a crash is made up for from the recordings. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sendAgain } from '../../../../src/app/gateway/events/recover.ts';
import {
  type EventStream,
  type EventStreamParts,
  startEventStream,
} from '../../../../src/app/gateway/events/stream.ts';
import { recordingLines } from '../../../../src/app/gateway/recording-lines.ts';
import { findRecording } from '../../../../src/record/index.ts';
import { type Bench, bench, sealedSession } from '../../../record/workbench.ts';
import { aSession } from '../../../store/samples.ts';
import { hurried } from './place.ts';
import { until } from '../../../fakes/until.ts';

function stream({ root, clock }: Bench, more: Partial<EventStreamParts> = {}): Promise<EventStream> {
  return startEventStream({
    sinks: [{ kind: 'file', name: 'file', queue: 1024 * 1024, path: join(root, 'out.ndjson') }],
    dir: join(root, 'events'),
    clock: { ...hurried, now: () => clock.now() },
    product: { version: '1', gateway: 'gw1' },
    log: { warn() {}, info() {} },
    secret: () => Promise.reject(new Error('none')),
    ...more,
  });
}

function uids({ root }: Bench): string[] {
  const path = join(root, 'out.ndjson');
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line).metadata.uid);
}

test('a session is told from its first line to its last, and nothing is told again after an end in order', async () => {
  using place = bench();
  const events = await stream(place);
  const recordings = await place.start({ onWritten: events.take });
  await sealedSession(recordings, 'ses_one', 2);
  await recordings.close();
  await events.stop();
  // Opened, twice verdict and outcome, closed: the intents between are not told.
  assert.deepEqual(uids(place), ['ses_one:0', 'ses_one:1', 'ses_one:3', 'ses_one:4', 'ses_one:6', 'ses_one:7']);
  const again = await stream(place);
  assert.equal(again.since, undefined);
  await again.stop();
});

test('a queue whose disk is full stops no session, and what it says is delivered all the same', async () => {
  using place = bench();
  const disk = { open: () => Promise.reject(Object.assign(new Error('no room'), { code: 'ENOSPC' })) };
  const events = await stream(place, { disk });
  const recordings = await place.start({ onWritten: events.take });
  await sealedSession(recordings, 'ses_one', 2);
  await until('the end', () => uids(place).includes('ses_one:7'));
  assert.equal(events.state[0]?.problem, 'ENOSPC');
  await recordings.close();
  await events.stop();
});

test('what a crash took before it was queued is read from the recordings, and told once they were all read', async () => {
  using place = bench();
  const first = await stream(place);
  // Nobody hands its lines to the stream: as when the process dies right after they were recorded.
  const recordings = await place.start();
  await sealedSession(recordings, 'ses_one', 2);
  using after = place.afterCrash();
  await recordings.close();
  await first.stop();

  const events = await stream(after);
  const at = after.clock.now();
  assert.ok(events.since !== undefined && events.since < at);
  await sendAgain({
    stream: events,
    sessions: { list: async () => [aSession({ id: 'ses_one', openedAt: at, closedAt: at })] },
    revocations: [],
    longest: 1_000,
    startedAt: at + 1,
    lines: (session) => recordingLines(() => findRecording(after.recordings, session)),
  });
  await events.stop();
  assert.deepEqual(uids(after), ['ses_one:0', 'ses_one:1', 'ses_one:3', 'ses_one:4', 'ses_one:6', 'ses_one:7']);
  assert.equal((await stream(after)).since, undefined);
});

test('a second crash before all was read begins where the first one did', async () => {
  using place = bench();
  await stream(place);
  using once = place.afterCrash();
  const { since } = await stream(once);
  await once.clock.advance(600_000);
  using twice = once.afterCrash();
  assert.equal((await stream(twice)).since, since);
});

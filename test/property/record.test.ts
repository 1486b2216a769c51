import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from './drawn.ts';
import type { SessionEvent } from '../../src/domain/recording.ts';
import { canonicalJson, readEvents, readPublicKeys, verifyRecording } from '../../src/record/index.ts';
import { bench, DAY, opened, sealedSession, verifyFolder } from '../record/workbench.ts';

const anyText = fc.string({ unit: 'binary', maxLength: 200 });

/** Events of any content a peer could bring about. */
const notice = fc
  .dictionary(anyText, fc.oneof(anyText, fc.double(), fc.boolean(), fc.constant(null), fc.array(anyText)))
  .map((more) => {
    const { seq: _, at: __, prev: ___, ...rest } = more as Record<string, unknown>;
    return { ...rest, type: 'notice', notice: 'x' } as SessionEvent;
  });

test('whatever events hold, the recording is whole and gives them back', async () => {
  using at = bench();
  const recordings = await at.start({ durability: 'process', checkpoint: { events: 3 } });
  let number = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(notice, { maxLength: 4 }), { maxLength: 5 }), async (batches) => {
      const session = `s${number++}`;
      const recorder = await recordings.open(opened(session));
      for (const events of batches) recorder.append(events, 'note');
      const path = join(at.recordings, DAY, `${session}.ndjson`);
      const kept = await Array.fromAsync(readEvents(readFileSync(path)));
      const told = kept.filter(({ type }) => type === 'notice').map(({ seq: _, at: __, prev: ___, ...event }) => event);
      assert.deepEqual(told, JSON.parse(JSON.stringify(batches.flat())));
      await recorder.finish({ kind: 'closed' });
      return true;
    }),
    { numRuns: 60 },
  );
  await recordings.close();
  const grades = [...(await verifyFolder(at.recordings, recordings)).values()].map(({ grade }) => grade);
  assert.deepEqual(new Set(grades), new Set(['complete']));
});

test('canonical JSON is read back to the same value and written again to the same text', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
      const text = canonicalJson(value);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
      assert.equal(canonicalJson(JSON.parse(text)), text);
      assert.equal(/[\n\r\u0085\u009b\u2028\u2029\u202e]/.test(text), false);
    }),
  );
});

test('verifying anything at all gives a grade, and none of it is complete', async () => {
  const { trusted } = await keysAndRecording();
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), async (bytes) => {
      const { grade } = await verifyRecording(bytes, { keys: trusted });
      assert.ok(grade === 'tampered' || grade === 'truncated');
    }),
    { numRuns: 300 },
  );
});

test('a recording in which anything was replaced, cut out or put in is not complete', async () => {
  const { trusted, bytes } = await keysAndRecording();
  const edit = fc.record({
    from: fc.nat({ max: bytes.length }),
    cut: fc.nat({ max: 400 }),
    put: fc.uint8Array({ maxLength: 400 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), async (edits) => {
      let changed = bytes;
      for (const { from, cut, put } of edits) {
        changed = Buffer.concat([changed.subarray(0, from), put, changed.subarray(from + cut)]);
      }
      fc.pre(!changed.equals(bytes));
      const { grade } = await verifyRecording(changed, { keys: trusted, session: 's1' });
      assert.ok(grade === 'tampered' || grade === 'truncated', grade);
    }),
    { numRuns: 500 },
  );
});

test('lines rearranged in any way are not complete', async () => {
  const { trusted, bytes } = await keysAndRecording();
  const lines = bytes.toString('utf8').split('\n').slice(0, -1);
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(lines, { minLength: 1 }), async (shuffled) => {
      fc.pre(shuffled.join() !== lines.join());
      const text = shuffled.map((line) => `${line}\n`).join('');
      const { grade } = await verifyRecording(Buffer.from(text), { keys: trusted, session: 's1' });
      assert.ok(grade === 'tampered' || grade === 'truncated', grade);
    }),
    { numRuns: 300 },
  );
});

async function keysAndRecording() {
  using at = bench();
  const recordings = await at.start({ checkpoint: { events: 3 } });
  await sealedSession(recordings, 's1');
  await recordings.close();
  const bytes = gunzipSync(readFileSync(join(at.recordings, DAY, 's1.ndjson.gz')));
  return { trusted: readPublicKeys(recordings.publicKey.pem), bytes };
}

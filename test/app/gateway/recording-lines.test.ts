/** A recording is fetched whole, whatever happens to its file meanwhile. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { recordingLines } from '../../../src/app/gateway/recording-lines.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'hoopctl-lines-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function all(lines: AsyncIterable<string> | undefined): Promise<string[] | undefined> {
  return lines && Array.fromAsync(lines);
}

test('lines come as they are, and a torn last one is left out', async (t) => {
  const path = join(folder(t), 's.ndjson');
  writeFileSync(path, '{"a":"é"}\n{"b":2}\n{"c":');
  assert.deepEqual(await all(await recordingLines(() => path)), ['{"a":"é"}', '{"b":2}']);
});

test('a plain file that gave way to the packed one between looking and opening is found again', async (t) => {
  const home = folder(t);
  const packed = join(home, 's.ndjson.gz');
  writeFileSync(packed, gzipSync('{"a":1}\n'));
  const looks = [join(home, 's.ndjson'), packed];
  assert.deepEqual(await all(await recordingLines(() => looks.shift())), ['{"a":1}']);
});

test('a damaged file is an error, not an end', async (t) => {
  const path = join(folder(t), 's.ndjson.gz');
  writeFileSync(path, gzipSync('{"a":1}\n'.repeat(1000)).subarray(0, 20));
  await assert.rejects(all(await recordingLines(() => path)));
});

test('no recording is undefined', async () => {
  assert.equal(await recordingLines(() => undefined), undefined);
});

import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { bench, DAY, sealedSession } from './workbench.ts';

test('a recording can be checked without any of our code, as the documentation says', async () => {
  using at = bench();
  const recordings = await at.start();
  await sealedSession(recordings, 's1');
  await recordings.close();

  const lines = gunzipSync(readFileSync(join(at.recordings, DAY, 's1.ndjson.gz')))
    .toString('utf8')
    .split('\n')
    .slice(0, -1);
  let previous = '0'.repeat(64);
  for (const [i, line] of lines.entries()) {
    const { seq, prev } = JSON.parse(line);
    assert.deepEqual({ seq, prev }, { seq: i, prev: previous });
    previous = createHash('sha256').update(line).digest('hex');
  }

  const { type, session, size, root, at: time, key, signature } = JSON.parse(lines.at(-1) as string);
  assert.equal(type, 'checkpoint');
  const statement = `hoopctl checkpoint v1\n${session}\n${size}\n${root}\n${time}\n${key}\n`;
  const publicKey = createPublicKey(readFileSync(join(at.keys, 'recording.pub'), 'utf8'));
  assert.equal(verify(null, Buffer.from(statement), publicKey, Buffer.from(signature, 'base64')), true);
  assert.equal(size, lines.length - 1);
  const der = publicKey.export({ type: 'spki', format: 'der' });
  assert.equal(key, createHash('sha256').update(der).digest('hex').slice(0, 32));
});

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { Chain, lineHash } from '../../src/record/chain.ts';
import { createSigner, readPublicKeys } from '../../src/record/checkpoint.ts';
import { HASH_LENGTH, LineHashes } from '../../src/record/line-hashes.ts';
import { verifyRecording } from '../../src/record/index.ts';
import { intent, opened, outcome } from './workbench.ts';

const LINES = ['a', '', 'ü'.repeat(1000), '{"seq":0}'].map((text) => Buffer.from(text));

test('lines are hashed in a thread as they are here, batch by batch', async () => {
  await using hashes = new LineHashes(0);
  const both = await Promise.all([hashes.of(LINES), hashes.of(LINES.slice(1))]);
  const expected = LINES.map((line) => lineHash(line)).join('');
  assert.deepEqual(both, [expected, expected.slice(HASH_LENGTH)]);
});

test('few lines start no thread, and are left to who asks', async () => {
  await using hashes = new LineHashes();
  assert.equal(await hashes.of(LINES), undefined);
});

test('a thread that ends leaves the rest to who asks', async () => {
  const hashes = new LineHashes(0);
  const waiting = hashes.of(LINES);
  await hashes[Symbol.asyncDispose]();
  assert.equal(await waiting, undefined);
  assert.equal(await hashes.of(LINES), undefined);
});

test('what does not fit, and more batches than there is room for, are left to who asks', async () => {
  await using hashes = new LineHashes(0);
  assert.equal(await hashes.of([Buffer.alloc(600 * 1024)]), undefined);
  const batches = Array.from({ length: 40 }, (_, number) => [Buffer.from(`line ${number}`)]);
  const all = await Promise.all(batches.map((lines) => hashes.of(lines)));
  const done = all.filter((one) => one !== undefined);
  assert.ok(done.length > 0 && done.length < 40);
  for (const [number, one] of all.entries())
    if (one !== undefined) assert.equal(one, lineHash((batches[number] as Buffer[])[0] as Buffer));
  assert.ok(await hashes.of(LINES), 'there is room again');
});

const MIB = 1024 * 1024;

/** A sealed recording of that many bytes, and the keys that it verifies with. */
function recording(bytes: number) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const signer = createSigner(privateKey);
  const at = '2026-11-21T18:00:00.000Z';
  const chain = new Chain();
  const lines = [chain.line(opened('s1'), at)];
  const text = `SELECT '${'x'.repeat(8000)}'`;
  for (let i = 1, length = 0; length < bytes; i += 1) {
    for (const event of [...intent(`c${i}`, text), outcome(`c${i}`)]) lines.push(chain.line(event, at));
    length += 3 * 8000;
  }
  lines.push(chain.line({ type: 'session.closed', end: { kind: 'closed' } }, at));
  const signed = signer.sign({ session: 's1', size: chain.size, root: chain.root, at });
  lines.push(chain.line({ type: 'checkpoint', ...signed }, at));
  const keys = readPublicKeys(publicKey.export({ type: 'spki', format: 'pem' }) as string);
  return { lines, keys };
}

test('a large recording is proven whole, and a change in its last lines is found', async () => {
  const { lines, keys } = recording(14 * MIB);
  const whole = await verifyRecording(Buffer.from(lines.join('')), { keys });
  assert.equal(whole.grade, 'complete');
  assert.equal(whole.signedUpTo, lines.length);

  const place = lines.length - 5;
  lines[place] = (lines[place] as string).replace('xxxx', 'xxxy');
  const changed = await verifyRecording(Buffer.from(lines.join('')), { keys });
  assert.equal(changed.grade, 'tampered');
  assert.deepEqual(
    changed.problems.map(({ code, line }) => [code, line]),
    [['chain', place + 2]],
  );
});

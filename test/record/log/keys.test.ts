/** The key that signs: sealed by a passphrase, and changed for another that the old one vouches for. */
import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { keyIdOf } from '../../../src/record/checkpoint.ts';
import { openKeys, prepareSuccessor, takeSuccessor } from '../../../src/record/keys.ts';
import { decodeLeaf, rotationStatement } from '../../../src/record/log/leaf.ts';
import { folderReader } from '../../../src/record/log/restore.ts';
import { decodeEntries } from '../../../src/record/log/tiles.ts';
import { verifyLogs } from '../../../src/record/index.ts';
import { type Bench, bench, sealedSession } from '../workbench.ts';

const LOG = { log: { version: 'test' } };

function privateKey(at: Bench): string {
  return readFileSync(join(at.keys, 'recording.key'), 'utf8');
}

describe('a passphrase', () => {
  test('seals the key that is made, and opens it again', async () => {
    using at = bench();
    const first = openKeys(at.keys, 'correct horse');
    assert.match(privateKey(at), /^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    assert.equal(openKeys(at.keys, 'correct horse').signer.keyId, first.signer.keyId);
  });

  test('seals one that lies open, and leaves it the same key', () => {
    using at = bench();
    const { keyId } = openKeys(at.keys).signer;
    assert.match(privateKey(at), /^-----BEGIN PRIVATE KEY-----/);
    assert.equal(openKeys(at.keys, 'correct horse').signer.keyId, keyId);
    assert.match(privateKey(at), /^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
  });

  test('that is missing or wrong opens nothing, and makes no other key', () => {
    using at = bench();
    openKeys(at.keys, 'correct horse');
    const before = privateKey(at);
    assert.throws(() => openKeys(at.keys), { code: 'KEY_SEALED', exit: 2 });
    assert.throws(() => openKeys(at.keys, 'battery staple'), { code: 'KEY_UNREADABLE', exit: 2 });
    assert.equal(privateKey(at), before);
  });
});

describe('a new key', () => {
  test('signs from the next start on, and the old one says so in the log', async () => {
    using at = bench();
    const first = await at.start(LOG);
    await sealedSession(first, 's1');
    const { id: from, trusted: old } = first.publicKey;
    const to = prepareSuccessor(at.keys);
    assert.equal(prepareSuccessor(at.keys), to);
    await first.close();
    const second = await at.start(LOG);
    assert.equal(second.publicKey.id, to);
    await sealedSession(second, 's2');
    await second.close();
    assert.equal(existsSync(join(at.keys, `recording-${from}.pub`)), true);

    const entries = decodeEntries(
      (await folderReader(join(at.recordings, '.log/gw1'))('tile/entries/000.p/7')) as Buffer,
    );
    const leaf = entries?.map(decodeLeaf).find((one) => one?.type === 'key.rotated');
    assert.ok(leaf?.type === 'key.rotated');
    assert.equal(
      keyIdOf(createPublicKey({ key: Buffer.from(leaf.public, 'base64'), format: 'der', type: 'spki' })),
      to,
    );
    const statement = rotationStatement('gw1', from, to, leaf.public);
    const key = old.get(from);
    assert.ok(key && verify(null, statement, key, Buffer.from(leaf.signature, 'base64')));

    const grades = async (keys: typeof old) => {
      const found: string[] = [];
      for await (const report of verifyLogs(at.recordings, { keys })) found.push(report.grade);
      return found;
    };
    assert.deepEqual(await grades(second.publicKey.trusted), ['complete', 'complete', 'complete']);
    assert.deepEqual((await grades(old)).at(-1), 'tampered');
  });

  test('is taken wherever a crash came between, and never without the old one having vouched for it', async () => {
    using at = bench();
    const first = await at.start(LOG);
    await first.close();
    const to = prepareSuccessor(at.keys);
    const keys = openKeys(at.keys);
    const successor = keys.successor('gw1');
    assert.ok(successor);
    using before = at.afterCrash();
    takeSuccessor(at.keys, successor);
    for (const folder of [before, at]) {
      const again = await folder.start(LOG);
      assert.equal(again.publicKey.id, to);
      assert.equal(again.publicKey.trusted.size, 2);
      await again.close();
    }
  });

  test('whose old public half went before the private one is made again', async () => {
    using at = bench();
    await (await at.start(LOG)).close();
    const to = prepareSuccessor(at.keys);
    const [pub, successor] = [join(at.keys, 'recording.pub'), openKeys(at.keys).successor('gw1')];
    writeFileSync(join(at.keys, `recording-${successor?.from}.pub`), readFileSync(pub));
    rmSync(pub);
    const again = await at.start(LOG);
    assert.equal(again.publicKey.id, to);
    await again.close();
  });
});

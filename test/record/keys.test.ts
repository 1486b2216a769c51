import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { verifyRecording } from '../../src/record/index.ts';
import { bench, DAY, intent, opened, verifyFolder } from './workbench.ts';

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe('the keys of a gateway', () => {
  test('are made on the first start, for nobody else to read, and kept', async () => {
    using at = bench();
    const first = await at.start();
    await first.close();
    assert.deepEqual(readdirSync(at.keys).sort(), ['fingerprint.key', 'recording.key', 'recording.pub']);
    assert.equal(modeOf(at.keys), '700');
    assert.equal(modeOf(join(at.keys, 'recording.key')), '600');
    assert.equal(modeOf(join(at.keys, 'fingerprint.key')), '600');
    const second = await at.start();
    assert.equal(second.publicKey.id, first.publicKey.id);
    assert.equal(readFileSync(join(at.keys, 'recording.pub'), 'utf8'), second.publicKey.pem);
    assert.match(second.publicKey.id, /^[0-9a-f]{32}$/);
    await second.close();
  });

  test('are never inside the recordings, the journal or a folder named, nor these inside them', async () => {
    using at = bench();
    const inside = [
      { keysDir: at.recordings },
      { keysDir: join(at.recordings, 'keys') },
      { keysDir: join(at.recordings, '2026/..', 'keys') },
      { keysDir: join(at.journal, 'keys') },
      { keysDir: at.root },
      { keysDir: at.keys, keysApartFrom: [join(at.keys, 'store')] },
      { keysDir: join(at.root, 'store/keys'), keysApartFrom: [join(at.root, 'store')] },
    ];
    for (const options of inside) await assert.rejects(at.start(options), { code: 'KEYS_INSIDE', exit: 2 });
    mkdirSync(at.recordings);
    symlinkSync(at.recordings, join(at.root, 'elsewhere'));
    await assert.rejects(at.start({ keysDir: join(at.root, 'elsewhere/keys') }), { code: 'KEYS_INSIDE' });
    const recordings = await at.start({ keysDir: join(at.root, 'recordings-keys') });
    await recordings.close();
  });

  for (const name of ['recording.key', 'fingerprint.key']) {
    test(`are refused when others may read ${name}`, async () => {
      using at = bench();
      await (await at.start()).close();
      chmodSync(join(at.keys, name), 0o640);
      await assert.rejects(at.start(), { code: 'KEYS_EXPOSED', exit: 2 });
      // A refused start holds nothing.
      chmodSync(join(at.keys, name), 0o600);
      await (await at.start()).close();
    });

    test(`are not made anew when ${name} is damaged`, async () => {
      using at = bench();
      await (await at.start()).close();
      writeFileSync(join(at.keys, name), 'x');
      await assert.rejects(at.start(), { code: 'KEY_UNREADABLE', exit: 2 });
      assert.equal(readFileSync(join(at.keys, name), 'utf8'), 'x');
    });
  }

  test('of another kind are refused', async () => {
    using at = bench();
    await (await at.start()).close();
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    writeFileSync(join(at.keys, 'recording.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await assert.rejects(at.start(), { code: 'KEY_UNREADABLE' });
  });

  test('are refused when the public one belongs to another', async () => {
    using at = bench();
    await (await at.start()).close();
    const { publicKey } = generateKeyPairSync('ed25519');
    writeFileSync(join(at.keys, 'recording.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
    await assert.rejects(at.start(), { code: 'KEY_UNREADABLE', exit: 2 });
  });

  test('that were replaced still let recovery check what the old one signed', async () => {
    using at = bench();
    const first = await at.start({ checkpoint: { events: 2 } });
    const recorder = await first.open(opened('s1'));
    await recorder.append(intent('c1'), 'intent');
    using crashed = at.afterCrash();
    await first.close();
    writeFileSync(join(crashed.keys, 'old.pub'), first.publicKey.pem);
    for (const name of ['recording.key', 'recording.pub']) rmSync(join(crashed.keys, name));
    const second = await crashed.start();
    assert.notEqual(second.publicKey.id, first.publicKey.id);
    assert.deepEqual(second.recovery.problems, []);
    assert.equal((await verifyFolder(crashed.recordings, second)).get('s1')?.grade, 'crashed');
    await second.close();
    const { grade, problems } = await verifyRecording(join(crashed.recordings, DAY, 's1.ndjson.gz'), {
      keys: new Map([...second.publicKey.trusted].filter(([id]) => id === second.publicKey.id)),
    });
    assert.equal(grade, 'tampered');
    assert.equal(problems[0]?.code, 'key');
  });
});

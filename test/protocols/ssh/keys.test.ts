import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import ssh2 from 'ssh2';
import { keyFromSeed, keyOfSecret } from '../../../src/protocols/ssh/keys.ts';

const folder = mkdtempSync(join(tmpdir(), 'hoop-keys-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** RFC 8032, section 7.1, test 1. */
const SEED = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex');
const PUBLIC = Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex');

test('the public key of a seed is that of RFC 8032, in the wire form of RFC 8709', () => {
  const { publicBlob, publicLine } = keyFromSeed(SEED);
  assert.deepEqual(
    publicBlob,
    Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from('ssh-ed25519'), Buffer.from([0, 0, 0, 32]), PUBLIC]),
  );
  assert.equal(publicLine, `ssh-ed25519 ${publicBlob.toString('base64')}`);
});

test('OpenSSH reads the private key file, whatever the comment makes of its padding', () => {
  for (const comment of ['', 'a', 'ab', 'abc', 'abcd', 'abcde', 'abcdef', 'abcdefg', 'orders-db']) {
    const key = keyFromSeed(randomBytes(32), comment);
    const path = join(folder, `key-${comment.length}`);
    writeFileSync(path, key.privateOpenSsh, { mode: 0o600 });
    assert.equal(
      execFileSync('ssh-keygen', ['-y', '-P', '', '-f', path], { encoding: 'utf8' }).trim(),
      `${key.publicLine} ${comment}`.trim(),
    );
  }
});

test('ssh2 reads the private key file', () => {
  const key = keyFromSeed(SEED);
  const parsed = ssh2.utils.parseKey(key.privateOpenSsh);
  assert.ok(!(parsed instanceof Error), String(parsed));
  assert.deepEqual(parsed.getPublicSSH(), key.publicBlob);
});

test('the same secret is the same key and the same file, another one is another', () => {
  const secret = SEED.toString('base64url');
  assert.deepEqual(keyOfSecret(secret), keyFromSeed(SEED));
  assert.equal(keyOfSecret(secret).privateOpenSsh, keyFromSeed(SEED).privateOpenSsh);
  assert.notEqual(keyOfSecret(randomBytes(32).toString('base64url')).publicLine, keyOfSecret(secret).publicLine);
});

test('a seed of another length is our own mistake, and is not filled up', () => {
  assert.throws(() => keyFromSeed(SEED.subarray(1)), TypeError);
  assert.throws(() => keyFromSeed(Buffer.alloc(33)), TypeError);
});

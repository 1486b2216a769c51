/** An ed25519 key from a seed of 32 bytes, in the forms OpenSSH reads. The same seed is the same key: a secret that is kept gives a key that is kept. Pure. */
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';

export interface SshKey {
  /** As in authorized_keys and known_hosts: `ssh-ed25519 AAAA…`. */
  readonly publicLine: string;
  /** The wire form (RFC 8709, section 4). */
  readonly publicBlob: Buffer;
  /** The text of a private key file, without a passphrase. */
  readonly privateOpenSsh: string;
}

export function keyFromSeed(seed: Uint8Array, comment = ''): SshKey {
  const publicKey = publicBytes(seed);
  const publicBlob = Buffer.concat([string(ALGORITHM), string(publicKey)]);
  return {
    publicLine: `${ALGORITHM} ${publicBlob.toString('base64')}`,
    publicBlob,
    privateOpenSsh: armoured(privateFile(seed, publicKey, publicBlob, comment)),
  };
}

/** The key that a tunnel's secret (32 bytes, base64url) yields. */
export function keyOfSecret(secret: string, comment = ''): SshKey {
  return keyFromSeed(seedOf(secret), comment);
}

const ALGORITHM = 'ssh-ed25519';

const SEED_BYTES = 32;

// What is kept from elsewhere than our own 32 random bytes still gives a whole seed, and none gives a short one.
function seedOf(secret: string): Buffer {
  const bytes = Buffer.from(secret, 'base64url');
  return bytes.length === SEED_BYTES ? bytes : createHash('sha256').update(secret).digest();
}

// PrivateKeyInfo of RFC 8410, section 7, up to the seed: version 0, id-Ed25519, an octet string in an octet string.
const PKCS8_BEFORE_SEED = Buffer.from('302e020100300506032b657004220420', 'hex');

function publicBytes(seed: Uint8Array): Buffer {
  if (seed.length !== SEED_BYTES) throw new TypeError(`an ed25519 seed has ${SEED_BYTES} bytes, not ${seed.length}`);
  const der = Buffer.concat([PKCS8_BEFORE_SEED, seed]);
  const { x } = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })).export({ format: 'jwk' });
  return Buffer.from(x as string, 'base64url');
}

/** OpenSSH, PROTOCOL.key: the public key, then the private section, which a cipher of `none` leaves in clear. */
function privateFile(seed: Uint8Array, publicKey: Buffer, publicBlob: Buffer, comment: string): Buffer {
  // Both must be alike: by that a reader knows that it decrypted well. Random there; here the same key is the same file.
  const check = createHash('sha256').update(publicBlob).digest().subarray(0, 4);
  const section = Buffer.concat([
    ...[check, check, string(ALGORITHM), string(publicKey)],
    ...[string(Buffer.concat([seed, publicKey])), string(comment)],
  ]);
  return Buffer.concat([
    ...[Buffer.from('openssh-key-v1\0'), string('none'), string('none'), string(''), uint32(1)],
    ...[string(publicBlob), string(Buffer.concat([section, padding(section.length)]))],
  ]);
}

/** 1, 2, 3, … up to the block size of `none`, which is 8. */
function padding(length: number): Buffer {
  return Buffer.from(Array.from({ length: (8 - (length % 8)) % 8 }, (_, index) => index + 1));
}

function armoured(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,70}/g) ?? [];
  return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n');
}

function string(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

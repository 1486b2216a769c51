/** Signed checkpoints: what exactly is signed, and how it is checked. */
import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { Checkpoint } from '../domain/recording.ts';
import { fail } from './errors.ts';

/** Public keys a reader trusts, by key id. Never taken from what is being verified. */
export type PublicKeys = ReadonlyMap<string, KeyObject>;

export interface Signer {
  /** First 32 hex digits of the SHA-256 over the public key (SPKI, DER). */
  readonly keyId: string;
  sign(statement: Omit<Checkpoint, 'key' | 'signature'>): Checkpoint;
}

export function createSigner(privateKey: KeyObject): Signer {
  const keyId = keyIdOf(createPublicKey(privateKey));
  return {
    keyId,
    sign({ session, size, root, at }) {
      const unsigned = { session, size, root, at, key: keyId };
      return { ...unsigned, signature: sign(null, statementOf(unsigned), privateKey).toString('base64') };
    },
  };
}

/** Whether one of the trusted keys made this signature over these fields. */
export function isSigned(checkpoint: Checkpoint, keys: PublicKeys): boolean {
  const key = keys.get(checkpoint.key);
  const signature = Buffer.from(checkpoint.signature, 'base64');
  // Base64 has spare bits at its end: without this, several texts would stand for one signature.
  if (!key || signature.length !== 64 || signature.toString('base64') !== checkpoint.signature) return false;
  return verify(null, statementOf(checkpoint), key, signature);
}

/** The bytes under the signature. The first line keeps a signature of ours from ever meaning something else. */
export function statementOf({ session, size, root, at, key }: Omit<Checkpoint, 'signature'>): Buffer {
  return Buffer.from(`hoopctl checkpoint v1\n${session}\n${size}\n${root}\n${at}\n${key}\n`);
}

export function keyIdOf(publicKey: KeyObject): string {
  const der = publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(der).digest('hex').slice(0, 32);
}

const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g;

/**
 * Reads one or more Ed25519 public keys in PEM (SPKI).
 *
 * @throws KEY_INVALID for anything else, a private key above all: it has no business where recordings are verified.
 */
export function readPublicKeys(pem: string, from = 'the key'): PublicKeys {
  const keys = new Map<string, KeyObject>();
  for (const [block, label] of pem.matchAll(PEM_BLOCK)) {
    if (label !== 'PUBLIC KEY') throw fail('KEY_INVALID', `${from} holds a ${label?.toLowerCase()}, not a public key`);
    const key = parsePublicKey(block, from);
    keys.set(keyIdOf(key), key);
  }
  if (keys.size === 0) throw fail('KEY_INVALID', `${from} holds no public key`);
  return keys;
}

function parsePublicKey(pem: string, from: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw fail('KEY_INVALID', `${from} cannot be read as a public key`, { cause });
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw fail('KEY_INVALID', `${from} holds a key of type ${key.asymmetricKeyType}, not Ed25519`);
  }
  return key;
}

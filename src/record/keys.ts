/**
 * The gateway's own keys: the one that signs checkpoints, and the secret behind fingerprints of struck text.
 *
 *     <keys>/recording.key      Ed25519, PKCS #8 PEM, 0600: signs
 *     <keys>/recording.pub      its public half: what `audit verify` needs
 *     <keys>/fingerprint.key    32 random bytes, hex, 0600
 *     <keys>/*.pub              public halves of earlier signing keys, still trusted by recovery
 */
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  globSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { createSigner, type PublicKeys, readPublicKeys, type Signer } from './checkpoint.ts';
import { fail } from './errors.ts';

export interface RecordingKeys {
  readonly signer: Signer;
  /** This gateway's public key as PEM. */
  readonly publicPem: string;
  /** This key and earlier ones of the same folder. */
  readonly trusted: PublicKeys;
  /** HMAC-SHA-256, hex. */
  fingerprint(bytes: Uint8Array): string;
  /** Proves that a frame of the journal was written by this gateway. */
  journalMac(bytes: Uint8Array): string;
}

const PRIVATE = 'recording.key';
const PUBLIC = 'recording.pub';
const SECRET = 'fingerprint.key';

/** Reads the keys, or makes them on the first start. */
export function openKeys(folder: string): RecordingKeys {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const privateKey = readPrivateKey(folder);
  const publicPem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
  refuseOtherKey(join(folder, PUBLIC), publicPem);
  const secret = readSecret(folder);
  const fingerprintKey = derive(secret, 'hoopctl fingerprint v1');
  const journalKey = derive(secret, 'hoopctl journal v1');
  return {
    signer: createSigner(privateKey),
    publicPem,
    trusted: trustedIn(folder, publicPem),
    fingerprint: (bytes) => createHmac('sha256', fingerprintKey).update(bytes).digest('hex'),
    journalMac: (bytes) => createHmac('sha256', journalKey).update(bytes).digest('hex'),
  };
}

/** @throws KEYS_INSIDE when the keys lie inside one of the folders, or one of them inside the keys' folder. */
export function refuseKeysInside(folder: string, others: readonly string[]): void {
  const keys = whereReally(folder);
  for (const other of others) {
    const there = whereReally(other);
    if (contains(there, keys) || contains(keys, there)) {
      throw fail('KEYS_INSIDE', `the keys' folder ${folder} and ${other} lie inside one another`);
    }
  }
}

function contains(outer: string, inner: string): boolean {
  const way = relative(outer, inner);
  return way === '' || (way !== '..' && !way.startsWith('../') && !way.startsWith('/'));
}

// A folder that does not exist yet has no real path; the nearest one above it has.
function whereReally(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync(absolute);
  } catch {
    const parent = dirname(absolute);
    return parent === absolute ? absolute : join(whereReally(parent), relative(parent, absolute));
  }
}

function readPrivateKey(folder: string): KeyObject {
  const path = join(folder, PRIVATE);
  const fresh = () => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const pem = ensure(path, fresh, 0o600);
  refuseExposed(path);
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (cause) {
    throw fail('KEY_UNREADABLE', `${path} cannot be read as a private key`, { cause });
  }
  throw fail('KEY_UNREADABLE', `${path} is not an Ed25519 key`);
}

// What is handed to auditors must be the half that verifies what is signed from now on.
function refuseOtherKey(path: string, publicPem: string): void {
  if (ensure(path, () => publicPem, 0o644) === publicPem) return;
  throw fail('KEY_UNREADABLE', `${path} does not belong to the ${PRIVATE} beside it`, {
    hint: `to replace the key, keep the old public one under another name ending in .pub and remove ${PUBLIC}`,
  });
}

function readSecret(folder: string): Buffer {
  const path = join(folder, SECRET);
  const text = ensure(path, () => `${randomBytes(32).toString('hex')}\n`, 0o600).trim();
  refuseExposed(path);
  if (!/^[0-9a-f]{64}$/.test(text)) throw fail('KEY_UNREADABLE', `${path} does not hold 32 bytes in hex`);
  return Buffer.from(text, 'hex');
}

function refuseExposed(path: string): void {
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) === 0) return;
  throw fail('KEYS_EXPOSED', `${path} can be read by others (mode ${mode.toString(8)})`, {
    hint: `run: chmod 600 ${path}`,
  });
}

function derive(secret: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', purpose, 32));
}

function trustedIn(folder: string, own: string): PublicKeys {
  const files = globSync('*.pub', { cwd: folder }).map((name) => join(folder, name));
  const pairs = files.flatMap((path) => [...readPublicKeys(readFileSync(path, 'utf8'), path)]);
  return new Map([...pairs, ...readPublicKeys(own)]);
}

/** @returns the file's text; makes the file when there is none, whole or not at all. */
function ensure(path: string, make: () => string, mode: number): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const draft = `${path}.${process.pid}.new`;
  rmSync(draft, { force: true });
  const fd = openSync(draft, 'wx', mode);
  try {
    writeSync(fd, make());
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  try {
    // A link fails when the name is taken: of two first starts at once, both use the same key.
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  rmSync(draft);
  syncFolder(dirname(path));
  return readFileSync(path, 'utf8');
}

function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

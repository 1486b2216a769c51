/**
 * The gateway's own keys: the one that signs checkpoints, and the secret behind fingerprints of struck text.
 *
 *     <keys>/recording.key      Ed25519, PKCS #8 PEM, 0600, sealed where a passphrase is given: signs
 *     <keys>/recording.key.next its successor, from `gateway rotate-key` until the next start
 *     <keys>/recording.pub      its public half: what `audit verify` needs
 *     <keys>/fingerprint.key    32 random bytes, hex, 0600
 *     <keys>/*.pub              public halves of earlier signing keys, still trusted by recovery
 */
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  globSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { createSigner, keyIdOf, type PublicKeys, readPublicKeys, type Signer } from './checkpoint.ts';
import { fail } from './errors.ts';
import { rotationStatement } from './log/leaf.ts';
import { signNote } from './log/note.ts';

export interface RecordingKeys {
  readonly signer: Signer;
  /** This gateway's public key as PEM. */
  readonly publicPem: string;
  /** @returns the line that signs a note */
  signNote(text: string, name: string): string;
  /** The key that takes this one's place, vouched for by this one; undefined while none waits. */
  successor(gateway: string): Successor | undefined;
  /** This key and earlier ones of the same folder. */
  readonly trusted: PublicKeys;
  /** HMAC-SHA-256, hex. */
  fingerprint(bytes: Uint8Array): string;
  /** Proves that a frame of the journal was written by this gateway. */
  journalMac(bytes: Uint8Array): string;
  /** 32 bytes for one purpose, the same after a restart. */
  purposeKey(purpose: string): Uint8Array;
}

/** @see rotationStatement */
export interface Successor {
  readonly from: string;
  readonly to: string;
  readonly public: string;
  readonly signature: string;
}

const PRIVATE = 'recording.key';
const NEXT = 'recording.key.next';
const PUBLIC = 'recording.pub';
const SECRET = 'fingerprint.key';

/**
 * Reads the keys, or makes them on the first start.
 *
 * @param passphrase seals the private key; one that lies open is sealed by it
 */
export function openKeys(folder: string, passphrase?: string): RecordingKeys {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const privateKey = readPrivateKey(folder, passphrase);
  const publicPem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
  refuseOtherKey(join(folder, PUBLIC), publicPem);
  const secret = readSecret(folder);
  const fingerprintKey = derive(secret, 'hoopctl fingerprint v1');
  const journalKey = derive(secret, 'hoopctl journal v1');
  return {
    signer: createSigner(privateKey),
    publicPem,
    trusted: trustedIn(folder, publicPem),
    signNote: (text, name) => signNote(text, name, privateKey),
    successor: (gateway) => successorIn(folder, gateway, privateKey, passphrase),
    fingerprint: (bytes) => createHmac('sha256', fingerprintKey).update(bytes).digest('hex'),
    purposeKey: (purpose) => derive(secret, `hoopctl purpose v1: ${purpose}`).export(),
    journalMac: (bytes) => createHmac('sha256', journalKey).update(bytes).digest('hex'),
  };
}

/** Makes the key that signs after the gateway's next start. @returns its id; the one that waits already, where there is one */
export function prepareSuccessor(folder: string, passphrase?: string): string {
  if (!existsSync(join(folder, PRIVATE)))
    throw fail('KEY_MISSING', `there is no ${PRIVATE} in ${folder}`, {
      hint: 'start the gateway once: it makes its keys then',
    });
  const path = join(folder, NEXT);
  return keyIdOf(
    createPublicKey(
      parsePrivateKey(
        path,
        ensure(path, () => freshKey(passphrase), 0o600),
        passphrase,
      ),
    ),
  );
}

/** Puts the successor in its place. The old public half stays beside it, trusted for what it signed. */
export function takeSuccessor(folder: string, { from }: Successor): void {
  const old = join(folder, PUBLIC);
  const kept = join(folder, `recording-${from}.pub`);
  // In this order: a crash between two of them leaves a folder that the next start goes on with.
  if (!existsSync(kept)) linkSync(old, kept);
  rmSync(old, { force: true });
  renameSync(join(folder, NEXT), join(folder, PRIVATE));
  syncFolder(folder);
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

function readPrivateKey(folder: string, passphrase: string | undefined): KeyObject {
  const path = join(folder, PRIVATE);
  const pem = ensure(path, () => freshKey(passphrase), 0o600);
  refuseExposed(path);
  const key = parsePrivateKey(path, pem, passphrase);
  if (passphrase !== undefined && !isSealed(pem)) replace(path, exported(key, passphrase), 0o600);
  return key;
}

function freshKey(passphrase: string | undefined): string {
  return exported(generateKeyPairSync('ed25519').privateKey, passphrase);
}

function exported(key: KeyObject, passphrase: string | undefined): string {
  const sealing = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
  return key.export({ type: 'pkcs8', format: 'pem', ...sealing }).toString();
}

function isSealed(pem: string): boolean {
  return pem.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----');
}

function parsePrivateKey(path: string, pem: string, passphrase: string | undefined): KeyObject {
  if (isSealed(pem) && passphrase === undefined) throw fail('KEY_SEALED', `${path} is sealed with a passphrase`);
  try {
    const key = createPrivateKey({ key: pem, ...(passphrase === undefined ? {} : { passphrase }) });
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (cause) {
    const why = isSealed(pem) ? 'the passphrase does not open it' : 'it is no private key';
    throw fail('KEY_UNREADABLE', `${path} cannot be read as a private key: ${why}`, { cause });
  }
  throw fail('KEY_UNREADABLE', `${path} is not an Ed25519 key`);
}

function successorIn(
  folder: string,
  gateway: string,
  current: KeyObject,
  passphrase: string | undefined,
): Successor | undefined {
  const path = join(folder, NEXT);
  if (!existsSync(path)) return undefined;
  refuseExposed(path);
  const next = createPublicKey(parsePrivateKey(path, readFileSync(path, 'utf8'), passphrase));
  const der = next.export({ type: 'spki', format: 'der' }).toString('base64');
  const from = keyIdOf(createPublicKey(current));
  const to = keyIdOf(next);
  const signature = sign(null, rotationStatement(gateway, from, to, der), current).toString('base64');
  return { from, to, public: der, signature };
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

/** As a key of the crypto library: from bytes it would be made anew for every HMAC, and a result may take one for each cell. */
function derive(secret: Buffer, purpose: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', purpose, 32)));
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
  const draft = drafted(path, make(), mode);
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

/** Puts a whole new file in the place of the old one. */
function replace(path: string, text: string, mode: number): void {
  renameSync(drafted(path, text, mode), path);
  syncFolder(dirname(path));
}

function drafted(path: string, text: string, mode: number): string {
  const draft = `${path}.${process.pid}.new`;
  rmSync(draft, { force: true });
  const fd = openSync(draft, 'wx', mode);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return draft;
}

function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

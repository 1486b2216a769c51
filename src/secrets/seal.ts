/**
 * Seals what the gateway keeps of others: AES-256-GCM under a key of its own. A sealed text says whose it is, so that one cannot be put in another's place.
 *
 *     <keys>/seal.key      32 random bytes, hex, 0600
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Secret } from '../base/secret.ts';
import { fail } from './errors.ts';

export interface Sealer {
  /** @param whose comes back only with the same words */
  seal(secret: Secret, whose: string): string;
  /** @throws HoopError SEAL_BROKEN: another key sealed it, for somebody else, or it was changed. */
  unseal(sealed: string, whose: string): Secret;
  /** The same for a text that is no credential. */
  sealText(text: string, whose: string): string;
  openText(sealed: string, whose: string): string;
  isSealed(text: string): boolean;
}

const VERSION = 'hoop-seal-1:';
const NONCE = 12;
const TAG = 16;

/**
 * Reads the key, or makes it on the first start.
 * @throws HoopError SEAL_KEY
 */
export function openSealer(keysFolder: string): Sealer {
  const path = join(keysFolder, 'seal.key');
  const key = Buffer.from(hkdfSync('sha256', readKey(path), '', 'hoopctl seal v1', 32));

  function sealText(text: string, whose: string): string {
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aboutOf(whose));
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return VERSION + Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url');
  }

  function openText(sealed: string, whose: string): string {
    const bytes = Buffer.from(sealed.slice(VERSION.length), 'base64url');
    try {
      if (!sealed.startsWith(VERSION)) throw new Error('another form');
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE), { authTagLength: TAG });
      decipher.setAAD(aboutOf(whose)).setAuthTag(bytes.subarray(NONCE, NONCE + TAG));
      return Buffer.concat([decipher.update(bytes.subarray(NONCE + TAG)), decipher.final()]).toString('utf8');
    } catch {
      // What the library says of it helps nobody: the reason is one of these.
      throw fail('SEAL_BROKEN', "a stored secret cannot be opened with the gateway's key");
    }
  }

  return {
    seal: (secret, whose) => sealText(secret.reveal(), whose),
    unseal: (sealed, whose) => Secret.of(openText(sealed, whose)),
    sealText,
    openText,
    isSealed: (text) => text.startsWith(VERSION),
  };
}

/** 256 random bits that need no quoting anywhere. */
export function makePassword(): Secret {
  return Secret.of(randomBytes(32).toString('base64url'));
}

function aboutOf(whose: string): Buffer {
  return Buffer.from(VERSION + whose);
}

function readKey(path: string): Buffer {
  const text = ensure(path).trim();
  const mode = statSync(path).mode & 0o777;
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw fail('SEAL_KEY', `${path} can be read by others (mode ${mode.toString(8)})`, {
      hint: `run: chmod 600 ${path}`,
    });
  if (!/^[0-9a-f]{64}$/.test(text)) throw fail('SEAL_KEY', `${path} does not hold 32 bytes in hex`);
  return Buffer.from(text, 'hex');
}

/** Made whole or not at all; a link fails when the name is taken, so that of two first starts at once both use the same key. */
function ensure(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}.new`;
  rmSync(draft, { force: true });
  const file = openSync(draft, 'wx', 0o600);
  try {
    writeSync(file, `${randomBytes(32).toString('hex')}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  rmSync(draft);
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
  return readFileSync(path, 'utf8');
}

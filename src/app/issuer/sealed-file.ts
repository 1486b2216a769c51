/**
 * A small file that only its writer can read: AES-256-GCM under a key made of a secret that lies elsewhere. It is replaced as a whole, so a crash leaves
 * the old one or the new one.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';

export interface SealedFile {
  /** undefined when there is none, or none that this secret opens. */
  read(): Promise<unknown>;
  /** One after the other, in the order they were asked for. */
  write(value: unknown): Promise<void>;
}

const VERSION = Buffer.from('hoop-seal-1\n');
const NONCE = 12;
const TAG = 16;

export function sealedFile(path: string, secret: string): SealedFile {
  const key = Buffer.from(hkdfSync('sha256', secret, '', VERSION, 32));
  let last: Promise<void> = Promise.resolve();

  async function replace(text: string): Promise<void> {
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(VERSION);
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    const fresh = `${path}.new`;
    const file = await open(fresh, 'w', 0o600);
    try {
      await file.writeFile(Buffer.concat([VERSION, nonce, cipher.getAuthTag(), sealed]));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, path);
  }

  return {
    async read() {
      const bytes = await readFile(path).catch(() => undefined);
      const text = bytes && unseal(bytes, key);
      return text === undefined ? undefined : JSON.parse(text);
    },
    write(value) {
      const text = JSON.stringify(value);
      const written = last.then(() => replace(text));
      last = written.catch(() => {});
      return written;
    },
  };
}

function unseal(bytes: Buffer, key: Buffer): string | undefined {
  const at = VERSION.length;
  if (bytes.length < at + NONCE + TAG || !bytes.subarray(0, at).equals(VERSION)) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(at, at + NONCE));
  decipher.setAAD(VERSION).setAuthTag(bytes.subarray(at + NONCE, at + NONCE + TAG));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(at + NONCE + TAG)), decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}

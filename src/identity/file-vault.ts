/** Logins in a file of the config folder: sealed with a passphrase, or in plain text where the person insisted. Written whole, for its owner's eyes only. */
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Token } from '../base/secret.ts';
import { fail } from './errors.ts';
import type { Vault } from './vault.ts';

type Entries = Readonly<Record<string, string>>;

interface Format {
  read(bytes: Buffer): Promise<Entries>;
  write(entries: Entries): Promise<string>;
}

export function plainVault(folder: string): Vault {
  const path = join(folder, 'logins.json');
  return vaultIn('plain', path, {
    read: async (bytes) => entriesOf(bytes.toString('utf8'), path),
    write: async (entries) => `${JSON.stringify(entries, undefined, 2)}\n`,
  });
}

/** @param passphrase asked for once, when it is first needed */
export function sealedVault(folder: string, passphrase: () => Promise<Token>): Vault {
  const path = join(folder, 'logins.sealed');
  let asked: Promise<Token> | undefined;
  let last: Sealer | undefined;

  async function sealer(salt: Buffer | undefined): Promise<Sealer> {
    if (last && (salt === undefined || salt.equals(last.salt))) return last;
    asked ??= passphrase();
    last = await sealerFor(await asked, salt ?? randomBytes(16));
    return last;
  }

  // An answer that was refused, or was wrong, is no answer to keep.
  const forgetting = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      asked = undefined;
      last = undefined;
      throw error;
    }
  };

  async function read(bytes: Buffer): Promise<Entries> {
    const parts = sealedParts(bytes, path);
    return entriesOf((await sealer(parts.salt)).unseal(parts, path), path);
  }

  return vaultIn('file', path, {
    read: (bytes) => forgetting(read(bytes)),
    write: (entries) => forgetting(sealer(undefined).then((by) => by.seal(JSON.stringify(entries)))),
  });
}

function vaultIn(kind: Vault['kind'], path: string, format: Format): Vault {
  async function read(): Promise<Entries> {
    if (!existsSync(path)) return {};
    const { mode } = await stat(path);
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw fail('TOKEN_STORE_DAMAGED', `${path} holds logins and can be read by others`, {
        hint: `chmod 600 ${path}, and log in anew`,
      });
    }
    return await format.read(await readFile(path));
  }

  async function change(name: string, text: string | undefined): Promise<void> {
    const { [name]: _, ...others } = await read();
    await replace(path, await format.write(text === undefined ? others : { ...others, [name]: text }));
  }

  return {
    kind,
    exists: () => existsSync(path),
    get: async (name) => {
      const entries = await read();
      return Object.hasOwn(entries, name) ? entries[name] : undefined;
    },
    set: (name, text) => change(name, text),
    delete: async (name) => {
      if (existsSync(path)) await change(name, undefined);
    },
  };
}

// Beside it, synced, renamed: whoever looks sees the old file or the new one, and so does the machine after a crash.
async function replace(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  {
    await using file = await open(draft, 'wx', 0o600);
    await file.writeFile(text);
    await file.sync();
  }
  await rename(draft, path);
}

function entriesOf(text: string, path: string): Entries {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && Object.values(value).every((each) => typeof each === 'string')) {
      return value as Entries;
    }
  } catch {
    // said below
  }
  throw fail('TOKEN_STORE_DAMAGED', `${path} is damaged`);
}

/** 64 MiB and a quarter of a second for each guess. Fixed: a file cannot ask for more, or for less. */
const COST = { N: 2 ** 16, r: 8, p: 1, maxmem: 128 * 1024 * 1024 } as const;
const FORMAT = 'hoopctl logins, scrypt N=65536 r=8 p=1, AES-256-GCM';

const derive = promisify(scrypt) as (
  password: string,
  salt: Buffer,
  length: number,
  cost: typeof COST,
) => Promise<Buffer>;

interface Sealed {
  readonly salt: Buffer;
  readonly iv: Buffer;
  readonly tag: Buffer;
  readonly data: Buffer;
}

interface Sealer {
  readonly salt: Buffer;
  seal(text: string): string;
  unseal(sealed: Sealed, path: string): string;
}

/** The key is worked out once; each sealing has an IV of its own (NIST SP 800-38D, section 8.2.2). */
async function sealerFor(passphrase: Token, salt: Buffer): Promise<Sealer> {
  const key = await derive(passphrase.expose(), salt, 32, COST);
  return {
    salt,
    seal(text) {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, iv);
      cipher.setAAD(Buffer.from(FORMAT));
      const data = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      const [s, i, t, d] = [salt, iv, cipher.getAuthTag(), data].map((bytes) => bytes.toString('base64'));
      return `${JSON.stringify({ format: FORMAT, salt: s, iv: i, tag: t, data: d }, undefined, 2)}\n`;
    },
    unseal({ iv, tag, data }, path) {
      const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: 16 });
      decipher.setAAD(Buffer.from(FORMAT));
      decipher.setAuthTag(tag);
      try {
        return Buffer.concat([decipher.update(data), decipher.final()]).toString('utf8');
      } catch (error) {
        throw fail('TOKEN_STORE_PASSPHRASE', `the passphrase does not open ${path}, or the file was changed`, {
          cause: error,
        });
      }
    },
  };
}

function sealedParts(bytes: Buffer, path: string): Sealed {
  const entries = entriesOf(bytes.toString('utf8'), path);
  const part = (name: string) => Buffer.from(entries[name] ?? '', 'base64');
  const parts = { salt: part('salt'), iv: part('iv'), tag: part('tag'), data: part('data') };
  if (entries['format'] !== FORMAT || parts.salt.length !== 16 || parts.iv.length !== 12 || parts.tag.length !== 16) {
    throw fail('TOKEN_STORE_DAMAGED', `${path} is damaged, or was written by another version`);
  }
  return parts;
}

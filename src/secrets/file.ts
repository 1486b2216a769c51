/** A secret in a file of its own. Read anew when the file has changed, so that replacing it rotates the secret. */
import { type FileHandle, open } from 'node:fs/promises';
import { fail } from './errors.ts';

/** A file is taken for a secret up to this size, bytes: larger ones are something else by mistake. */
const LARGEST = 64 * 1024;

export interface FileReader {
  read(path: string): Promise<string>;
}

/** @param warn told once per file that others can read it */
export function fileReader(warn: (message: string, hint: string) => void): FileReader {
  const kept = new Map<string, { version: string; value: string }>();
  const warned = new Set<string>();

  async function read(path: string): Promise<string> {
    await using file = await openFile(path);
    // From the open file, not the path: what is checked is what is read.
    const stat = await file.stat({ bigint: true });
    if (!stat.isFile()) throw fail('SECRET_UNREADABLE', `${path} is not a file`);
    if (stat.size > LARGEST) throw fail('SECRET_UNREADABLE', `${path} is too large for a secret (${stat.size} bytes)`);
    if ((stat.mode & 0o077n) !== 0n && process.platform !== 'win32' && !warned.has(path)) {
      warned.add(path);
      warn(
        `${path} holds a secret and can be read by others (mode ${(stat.mode & 0o777n).toString(8)})`,
        `chmod 600 ${path}`,
      );
    }
    const version = `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
    const known = kept.get(path);
    if (known?.version === version) return known.value;
    const value = textOf(await file.readFile(), path);
    kept.set(path, { version, value });
    return value;
  }

  return { read };
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT')
      throw fail('SECRET_MISSING', `there is no file ${path}`, { hint: 'write the secret into it, and nothing else' });
    throw fail('SECRET_UNREADABLE', `${path} cannot be read (${code ?? 'unknown reason'})`, { cause: error });
  }
}

// One line ending at the end belongs to the editor, not to the secret; whatever else there is belongs to the secret.
function textOf(bytes: Buffer, path: string): string {
  const text = new TextDecoder('utf-8', { fatal: true });
  try {
    const value = text.decode(bytes).replace(/\r?\n$/, '');
    if (value !== '') return value;
  } catch (error) {
    throw fail('SECRET_UNREADABLE', `${path} is not UTF-8 text`, { cause: error });
  }
  throw fail('SECRET_EMPTY', `${path} is empty`, { hint: 'write the secret into it, and nothing else' });
}

/**
 * Keeps a second process out of one gateway's files.
 *
 * A file with a process id in it outlives `kill -9` and lies in containers, where every gateway is process 1. Node has no flock, but SQLite takes the
 * kernel's own lock on its file, and the kernel gives it back when the process dies, however it dies. The database stays empty.
 */
import { DatabaseSync } from 'node:sqlite';
import { fail } from './errors.ts';

export interface Lock {
  release(): void;
}

/** @throws RECORDINGS_LOCKED when another process (or another gateway in this one) holds it. */
export function takeLock(path: string, holder: string): Lock {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode=MEMORY; PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    throw fail('RECORDINGS_LOCKED', `another process holds the files of gateway "${holder}" (${path})`, { cause });
  }
  return { release: () => database.close() };
}

/**
 * One process at a time. SQLite's lock on an empty database: the system lets go of it when the process dies, however it dies, so there is no stale
 * lock to guess about, and it works the same on Linux, macOS and Windows.
 */
import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { type Clock, wait } from '../base/clock.ts';
import { awake } from './awake.ts';
import { fail } from './errors.ts';

/** How long another process may hold it, ms: a renewal is one request to the issuer. */
const PATIENCE = 30_000;
const LOOK_AGAIN = 50;

/** @throws HoopError TOKEN_STORE_BUSY, or the signal's reason */
export async function withFileLock<T>(
  path: string,
  clock: Clock,
  work: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  closeSync(openSync(path, 'a', 0o600));
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    const until = clock.monotonic() + PATIENCE;
    while (!tryLock(db)) {
      if (clock.monotonic() >= until)
        throw fail('TOKEN_STORE_BUSY', 'another hoopctl keeps the stored logins to itself');
      await awake(wait(clock, LOOK_AGAIN, signal));
    }
    return await work();
  } finally {
    db.close(); // and with it the transaction
  }
}

function tryLock(db: DatabaseSync): boolean {
  try {
    db.exec('begin exclusive');
    return true;
  } catch (error) {
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return false;
    throw error;
  }
}

/** https://sqlite.org/rescode.html#busy */
const SQLITE_BUSY = 5;

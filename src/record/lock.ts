/**
 * Keeps a second process out of one gateway's files.
 *
 * A file with a process id in it outlives `kill -9` and lies in containers, where every gateway is process 1. Node has no flock, but SQLite takes the
 * kernel's own lock on its file, and the kernel gives it back when the process dies, however it dies. The database stays empty; who holds it stands
 * in a file beside it, for people only.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { DatabaseSync } from 'node:sqlite';
import { fail } from './errors.ts';

export interface Lock {
  release(): void;
}

/** @throws RECORDINGS_LOCKED when another process (or another gateway in this one) holds it, with who that is. */
export function takeLock(path: string, gateway: string): Lock {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode=MEMORY; PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    const who = holderOf(path) ?? 'another process';
    throw fail('RECORDINGS_LOCKED', `${who} holds the files of gateway "${gateway}" (${path})`, { cause });
  }
  sayWho(path);
  return { release: () => database.close() };
}

const HOLDER = /^process \d+ on [\w.-]{1,253}, since [\w:.-]{1,32}$/;

// A full disk is no reason not to start: the lock itself is the kernel's.
function sayWho(path: string): void {
  try {
    const who = `process ${process.pid} on ${hostname()}, since ${new Date().toISOString()}`;
    writeFileSync(`${path}.holder`, `${who}\n`, { mode: 0o600 });
  } catch {
    // Whoever is refused then learns less.
  }
}

function holderOf(path: string): string | undefined {
  try {
    const who = readFileSync(`${path}.holder`, 'utf8').trim();
    return HOLDER.test(who) ? who : undefined;
  } catch {
    return undefined;
  }
}

/**
 * One set-up at a time in a checkout. The lock is a file that names its holder; the lock of a process that is gone is broken.
 * Made by `link`, which either creates the whole file or fails, so nobody reads a half-written one.
 */
import { linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const WAIT_MS = 200;
const BREAKER_STALE_MS = 10_000;

/**
 * Runs `work` while holding the lock; waits for another holder, and says so once.
 *
 * @template T
 * @param {string} path
 * @param {{ say: (line: string) => void }} options
 * @param {() => T} work
 * @returns {T}
 */
export function withLock(path, { say }, work) {
  acquire(path, say);
  try {
    return work();
  } finally {
    rmSync(path, { force: true });
  }
}

/** @param {string} path @param {(line: string) => void} say */
function acquire(path, say) {
  mkdirSync(dirname(path), { recursive: true });
  let told = false;
  while (!claim(path)) {
    const holder = readHolder(path);
    if (holder === undefined) continue;
    if (!isAlive(holder)) {
      breakStale(path, holder);
      continue;
    }
    if (!told) say(`waiting for process ${holder.pid}, which is setting up this checkout`);
    told = true;
    pause(WAIT_MS);
  }
}

/** @param {string} path */
function claim(path) {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, JSON.stringify({ pid: process.pid, started: startTime(process.pid) }));
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** @param {string} path @returns {{ pid: number, started: string } | undefined} */
function readHolder(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return undefined;
    if (error instanceof SyntaxError) return { pid: 0, started: '' }; // not ours, or cut short by a full disk: nobody holds it
    throw error;
  }
}

/** @param {{ pid: number, started: string }} holder */
function isAlive({ pid, started }) {
  if (pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ESRCH') return false;
  }
  return started === '' || startTime(pid) === started; // a number used again is another process
}

/**
 * Removes a dead holder's lock. Two waiters may see the same dead lock; without the breaker the slower one would remove the lock the faster one has
 * just taken.
 *
 * @param {string} path @param {{ pid: number, started: string }} dead
 */
function breakStale(path, dead) {
  const breaker = `${path}.breaker`;
  if (!claim(breaker)) {
    if (ageOf(breaker) > BREAKER_STALE_MS) rmSync(breaker, { force: true });
    pause(WAIT_MS);
    return;
  }
  try {
    const now = readHolder(path);
    if (now?.pid === dead.pid && now.started === dead.started) rmSync(path, { force: true });
  } finally {
    rmSync(breaker, { force: true });
  }
}

/** @param {string} path */
function ageOf(path) {
  try {
    return Date.now() - statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

/** When a process began, as Linux counts it; empty elsewhere. @param {number} pid */
function startTime(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // proc(5): field 22; field 2 is a name in parentheses that may hold spaces, so count from its end.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

/** @param {number} ms */
function pause(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

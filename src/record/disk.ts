/**
 * What the recorder does to the disk, as a small port: a test can stand in for a disk that is full, broken or gone.
 *
 * Writes are synchronous: into the page cache they cost a few microseconds, less than the way through a thread. What waits for the disk itself
 * (fdatasync, fsync of a folder) runs in a thread.
 */
import {
  closeSync,
  fdatasync,
  fstatSync,
  fsync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { promisify } from 'node:util';

export interface Disk {
  /** Creates a file for appending; fails when the name is taken. */
  create(path: string): number;
  /** Opens an existing file for appending. */
  reopen(path: string): number;
  /** Writes all of it, or throws. */
  write(fd: number, bytes: Uint8Array): void;
  /** Resolves when all written so far is on the disk. */
  sync(fd: number): Promise<void>;
  /** Whether the file still has a name: writes to a removed file succeed and are lost. */
  linked(fd: number): boolean;
  truncate(fd: number, size: number): void;
  close(fd: number): void;
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** Makes one folder; it may exist, its parent must. */
  makeFolder(path: string): void;
  /** Resolves when names created, renamed and removed in the folder are on the disk. */
  syncFolder(path: string): Promise<void>;
}

const fdatasyncOf = promisify(fdatasync);
const fsyncOf = promisify(fsync);

export const realDisk: Disk = {
  create: (path) => openSync(path, 'ax', 0o600),
  reopen: (path) => openSync(path, 'a'),
  write(fd, bytes) {
    let done = 0;
    while (done < bytes.length) done += writeSync(fd, bytes, done, bytes.length - done);
  },
  sync: (fd) => fdatasyncOf(fd),
  linked: (fd) => fstatSync(fd).nlink > 0,
  truncate: (fd, size) => ftruncateSync(fd, size),
  close: (fd) => closeSync(fd),
  rename: (from, to) => renameSync(from, to),
  remove: (path) => unlinkSync(path),
  makeFolder(path) {
    try {
      mkdirSync(path, { mode: 0o700 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  },
  async syncFolder(path) {
    const fd = openSync(path, 'r');
    try {
      await fsyncOf(fd);
    } finally {
      closeSync(fd);
    }
  },
};

/**
 * Room kept back on the disks of recordings and journal, so that what is running when they fill up can still be closed and signed.
 *
 * The first write that finds no room gives the reserve back to the disk and is tried once more. From then on nothing may begin, and what is running is
 * to end: only its last lines are written. The reserve is made anew as soon as there is room, and then things may begin again.
 */
import { randomFillSync } from 'node:crypto';
import { existsSync, rmSync, statSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import type { Disk } from './disk.ts';

export interface Reserve {
  /** It is spent: the disk is full. */
  readonly spent: boolean;
  /**
   * Writes all of it, with the reserve where there is no other room.
   *
   * @param at the file's size before: what a full disk took of the first try is taken back
   */
  write(fd: number, bytes: Uint8Array, at: number): void;
  /** Gives the reserve back to the disk. @returns whether that may have made room */
  spend(): boolean;
  /** Tries to make it again where it is spent. @returns whether it stands */
  restore(): boolean;
}

export interface ReserveParts {
  readonly disk: Disk;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** One file on each disk that is written to. */
  readonly files: readonly string[];
  /** Of each. */
  readonly bytes: number;
  /** Told once each time it is spent, after the write that needed it. */
  readonly onSpent: () => void;
  readonly warn: (message: string, error: unknown) => void;
}

const PIECE = 1024 * 1024;
/** Making it again fills the disk up to its end: not for everybody who asks. */
const AGAIN_MS = 1_000;

export function createReserve({ disk, clock, files, bytes, onSpent, warn }: ReserveParts): Reserve {
  let spent = false;
  let tried = clock.monotonic();

  // Random, since there are disks that keep zeros for nothing. Not synced: what counts is that the room is taken.
  function make(file: string): void {
    if (existsSync(file) && statSync(file).size === bytes) return;
    rmSync(file, { force: true });
    const fd = disk.create(file);
    try {
      const piece = randomFillSync(Buffer.allocUnsafe(Math.min(PIECE, bytes)));
      for (let left = bytes; left > 0; left -= piece.length) disk.write(fd, piece.subarray(0, left));
    } finally {
      disk.close(fd);
    }
  }

  function makeAll(): boolean {
    try {
      for (const file of files) make(file);
      return true;
    } catch (error) {
      giveBack();
      if (!isFull(error)) warn('the reserve for closing recordings cannot be made', error);
      return false;
    }
  }

  function giveBack(): boolean {
    let any = false;
    for (const file of files) {
      try {
        rmSync(file);
        any = true;
      } catch {
        // It was not there, or its folder is gone: then there is no room to be had from it.
      }
    }
    return any;
  }

  function spend(): boolean {
    if (spent) return false;
    spent = true;
    tried = clock.monotonic();
    const any = giveBack();
    queueMicrotask(onSpent);
    return any;
  }

  spent = !makeAll();
  return {
    get spent() {
      return spent;
    },
    write(fd, data, at) {
      try {
        disk.write(fd, data);
      } catch (error) {
        if (!isFull(error) || !spend()) throw error;
        disk.truncate(fd, at);
        disk.write(fd, data);
      }
    },
    spend,
    restore() {
      if (!spent) return true;
      if (clock.monotonic() - tried < AGAIN_MS) return false;
      tried = clock.monotonic();
      spent = !makeAll();
      return !spent;
    },
  };
}

export function isFull(error: unknown): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

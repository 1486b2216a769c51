/**
 * The newest part of the log in one file that is only added to: a head counts once its frame is on the disk, and the tiles are made from it.
 *
 * It lies in the gateway's journal, apart from the log: after somebody put an older copy of the log back, the two do not fit.
 *
 *     frame := "hooplog1 " base " " entry-bytes " " note-bytes "\n" entries note
 *
 * The note signs a tree whose first `base` leaves are those before the frame, and whose last ones are its entries. So a frame proves itself, and one
 * that a crash tore is none.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Disk } from '../disk.ts';
import { parseHead, type SignedHead } from './head.ts';
import { decodeEntries, encodeEntries } from './tiles.ts';

const HEAD = /^hooplog1 (\d{15}) (\d{10}) (\d{6})\n$/;
const HEAD_BYTES = 'hooplog1 '.length + 15 + 1 + 10 + 1 + 6 + 1;

export interface Frame {
  /** Leaves before its entries. */
  readonly base: number;
  readonly entries: readonly Buffer[];
  readonly head: SignedHead;
}

/** A tail that is written. Its first frame holds all entries from a multiple of 256 on. */
export class Tail {
  readonly path: string;
  readonly #disk: Disk;
  readonly #fd: number;
  readonly #sync: boolean;

  private constructor(path: string, fd: number, disk: Disk, sync: boolean) {
    this.path = path;
    this.#fd = fd;
    this.#disk = disk;
    this.#sync = sync;
  }

  /** Begins the next one. The ones before are of no use once this resolves. */
  static async create(folder: string, disk: Disk, sync: boolean, first: Frame): Promise<Tail> {
    const path = join(folder, `${String(numberOf(tailsIn(folder).at(-1)) + 1).padStart(12, '0')}.tail`);
    const tail = new Tail(path, disk.create(path), disk, sync);
    try {
      await tail.add(first);
      if (sync) await disk.syncFolder(folder);
      return tail;
    } catch (error) {
      tail.close();
      removeQuietly(path, disk);
      throw error;
    }
  }

  /** Resolves when the frame is on the disk (written, where nothing is synced). A failure is final: its end is unknown. */
  async add({ base, entries, head }: Frame): Promise<void> {
    const bytes = encodeEntries(entries);
    const lengths = `${digits(base, 15)} ${digits(bytes.length, 10)} ${digits(head.bytes.length, 6)}`;
    this.#disk.write(this.#fd, Buffer.concat([Buffer.from(`hooplog1 ${lengths}\n`), bytes, head.bytes]));
    if (this.#sync) await this.#disk.sync(this.#fd);
    this.refuseUnlinked();
  }

  refuseUnlinked(): void {
    if (!this.#disk.linked(this.#fd)) throw new Error(`${this.path} was removed while the gateway was running`);
  }

  close(): void {
    try {
      this.#disk.close(this.#fd);
    } catch {
      // What it holds is synced, or was never told to anybody.
    }
  }
}

// Nobody was told of it, and the next try holds all of it again.
function removeQuietly(path: string, disk: Disk): void {
  try {
    disk.remove(path);
  } catch {
    // A start looks at it, and takes it for what it is.
  }
}

/** Oldest first. */
export function tailsIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^\d{12}\.tail$/.test(name))
    .sort()
    .map((name) => join(folder, name));
}

/** The frames of a tail up to where it was torn. Says nothing of whether they are true. */
export function readTail(path: string): Frame[] {
  const bytes = readFileSync(path);
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [, base, entryBytes, noteBytes] = HEAD.exec(bytes.toString('latin1', at, at + HEAD_BYTES)) ?? [];
    if (base === undefined) break;
    const middle = at + HEAD_BYTES + Number(entryBytes);
    const end = middle + Number(noteBytes);
    if (end > bytes.length) break;
    const entries = decodeEntries(bytes.subarray(at + HEAD_BYTES, middle));
    const head = parseHead(bytes.subarray(middle, end));
    if (!entries || !head || head.size !== Number(base) + entries.length) break;
    frames.push({ base: Number(base), entries, head });
    at = end;
  }
  return frames;
}

function numberOf(path: string | undefined): number {
  return path === undefined ? 0 : Number.parseInt(basename(path), 10);
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, '0');
}

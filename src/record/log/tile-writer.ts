/** Writes a growing tree's tiles and bundles as files: full ones once, the last of each level whenever the tree is shown to somebody. */
import { existsSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Disk } from '../disk.ts';
import { HASH_BYTES, type Hash, leafHash } from './merkle.ts';
import { countAt, encodeEntries, fold, TILE_WIDTH, type TileLevel, tilePath } from './tiles.ts';

const DRAFT = '.draft';

export class TileWriter {
  readonly #folder: string;
  readonly #disk: Disk;
  /** Hashes of the last, unfinished tile of each level. */
  readonly #edges: Hash[][];
  #bundle: Buffer[] = [];
  /** Widths written of each unfinished tile, by what its full one is called. */
  readonly #shown = new Map<string, Set<number>>();
  readonly #made = new Set<string>();
  /** Full ones that are not known to be on the disk. */
  #unsynced = new Set<string>();
  size: number;

  /** @param edges of a tree of `size`, which is a multiple of 256: level 0 is empty */
  constructor(folder: string, disk: Disk, size = 0, edges: readonly (readonly Hash[])[] = []) {
    this.#folder = folder;
    this.#disk = disk;
    this.size = size;
    this.#edges = edges.map((hashes) => [...hashes]);
  }

  /** Takes the next entry. What is full by that is written. A failure leaves everything as it was before. */
  add(entry: Buffer): void {
    const filled = this.#filledBy(leafHash(entry));
    const bundle = filled.length > 1 ? [...this.#bundle, entry] : [];
    if (bundle.length > 0) this.#write(tilePath('entries', this.#lastIndex(0)), encodeEntries(bundle), true);
    for (const { level, hashes } of filled)
      if (hashes.length === TILE_WIDTH)
        this.#write(tilePath(level, this.#lastIndex(level)), Buffer.concat(hashes), true);
    if (bundle.length > 0) this.#bundle = [];
    else this.#bundle.push(entry);
    for (const { level, hashes } of filled) this.#edges[level] = hashes.length === TILE_WIDTH ? [] : hashes;
    this.size += 1;
    if (bundle.length > 0) this.#dropPartials(filled.length - 1);
  }

  /** Writes the unfinished tiles as they are now: what a head of this size needs. */
  show(): void {
    if (this.#bundle.length > 0) this.#partial('entries', this.#bundle.length, () => encodeEntries(this.#bundle));
    this.#edges.forEach((hashes, level) => {
      if (hashes.length > 0) this.#partial(level, hashes.length, () => Buffer.concat(hashes));
    });
  }

  /** Puts a whole file in the place of another. */
  replace(name: string, bytes: Uint8Array): void {
    this.#write(name, bytes, false);
  }

  /** Resolves when all that a tree of `size`, a multiple of 256, consists of is on the disk. */
  async sync(size: number): Promise<void> {
    const files = new Set(this.#unsynced);
    for (let level = 1; countAt(level, size) > 0; level += 1) {
      const width = countAt(level, size) % TILE_WIDTH;
      if (width > 0) files.add(tilePath(level, Math.floor(countAt(level, size) / TILE_WIDTH), width));
    }
    const present = [...files].filter((name) => existsSync(join(this.#folder, name)));
    for (const name of present) await this.#syncFile(join(this.#folder, name));
    for (const folder of foldersOf(present)) await this.#disk.syncFolder(join(this.#folder, folder));
    for (const name of files) this.#unsynced.delete(name);
  }

  /** The levels this leaf adds a hash to, from 0 up: every one but the last is full by it. */
  #filledBy(leaf: Hash): { level: number; hashes: Hash[] }[] {
    const filled: { level: number; hashes: Hash[] }[] = [];
    let hash: Hash = leaf;
    for (let level = 0; ; level += 1) {
      const hashes = [...(this.#edges[level] ?? []), hash];
      filled.push({ level, hashes });
      if (hashes.length < TILE_WIDTH) return filled;
      hash = fold(Buffer.concat(hashes, TILE_WIDTH * HASH_BYTES));
    }
  }

  #lastIndex(level: number): number {
    return Math.floor(countAt(level, this.size) / TILE_WIDTH);
  }

  #partial(level: TileLevel, width: number, bytes: () => Buffer): void {
    const index = Math.floor(countAt(level, this.size) / TILE_WIDTH);
    const full = tilePath(level, index);
    const shown = this.#shown.get(full) ?? new Set<number>();
    this.#shown.set(full, shown);
    if (shown.has(width)) return;
    this.#write(tilePath(level, index, width), bytes(), false);
    shown.add(width);
  }

  // Readers of an older head take the full tile instead. What stays behind does no harm.
  #dropPartials(levels: number): void {
    const names: TileLevel[] = ['entries', ...Array.from({ length: levels }, (_, level) => level)];
    for (const level of names) {
      const full = tilePath(level, Math.floor((countAt(level, this.size) - 1) / TILE_WIDTH));
      this.#shown.delete(full);
      try {
        rmSync(join(this.#folder, `${full}.p`), { recursive: true, force: true });
      } catch {
        // It is in nobody's way.
      }
    }
  }

  // The name is there with all of its bytes, or with those it had before.
  #write(name: string, bytes: Uint8Array, keep: boolean): void {
    const path = join(this.#folder, name);
    const draft = join(this.#folder, DRAFT);
    this.#makeFolders(dirname(name));
    if (existsSync(draft)) this.#disk.remove(draft);
    const fd = this.#disk.create(draft);
    try {
      this.#disk.write(fd, bytes);
    } finally {
      this.#disk.close(fd);
    }
    this.#disk.rename(draft, path);
    if (keep) this.#unsynced.add(name);
  }

  // The log's own folder is never made here: when the whole disk is gone, its mount point must not fill up instead.
  #makeFolders(name: string): void {
    if (name === '.' || (this.#made.has(name) && existsSync(join(this.#folder, name)))) return;
    this.#makeFolders(dirname(name));
    this.#disk.makeFolder(join(this.#folder, name));
    this.#made.add(name);
  }

  async #syncFile(path: string): Promise<void> {
    const fd = this.#disk.reopen(path);
    try {
      await this.#disk.sync(fd);
    } finally {
      this.#disk.close(fd);
    }
  }
}

/** The folders these names lie in, and those above them. */
function foldersOf(names: readonly string[]): Set<string> {
  const folders = new Set<string>();
  for (const name of names) {
    for (let folder = dirname(name); !folders.has(folder); folder = dirname(folder)) folders.add(folder);
  }
  return folders;
}

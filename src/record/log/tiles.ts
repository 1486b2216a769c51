/**
 * How the tree lies in files (c2sp.org/tlog-tiles): tiles of 256 hashes, bundles of 256 entries, the last of each as far as it goes.
 *
 *     tile/<level>/<n>            hashes of complete subtrees of 256**level leaves
 *     tile/entries/<n>            the entries themselves, each after its length in two bytes
 *     …/<n>.p/<width>             the same, not full yet
 */
import { consistencyProof, HASH_BYTES, type Hash, nodeHash, rangeRoot, type Subtrees } from './merkle.ts';

export const TILE_WIDTH = 256;
export const LONGEST_ENTRY = 0xffff;

export type TileLevel = number | 'entries';

/** Reads one of the log's files by its name; undefined where there is none. */
export type TileReader = (path: string) => Promise<Buffer | undefined>;

/** @param width 256 for a full one */
export function tilePath(level: TileLevel, index: number, width = TILE_WIDTH): string {
  return `tile/${level}/${indexPath(index)}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

export interface TileName {
  readonly level: TileLevel;
  readonly index: number;
  readonly width: number;
}

/** @returns undefined for what names no tile: the only names that are ever opened for somebody else */
export function parseTilePath(path: string): TileName | undefined {
  const found = /^tile\/(entries|\d|[1-5]\d|6[0-3])\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path);
  const [, level, digits = '', wide] = found ?? [];
  const width = wide === undefined ? TILE_WIDTH : Number(wide);
  const index = Number(digits.replaceAll(/[x/]/g, ''));
  const name: TileName = { level: level === 'entries' ? level : Number(level), index, width };
  const isPartial = wide === undefined || width < TILE_WIDTH;
  return level !== undefined && isPartial && tilePath(name.level, index, width) === path ? name : undefined;
}

// 1234067 is x001/x234/067.
function indexPath(index: number): string {
  const groups: string[] = [];
  let rest = index;
  do {
    groups.unshift(String(rest % 1000).padStart(3, '0'));
    rest = Math.floor(rest / 1000);
  } while (rest > 0);
  return groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/');
}

/** Hashes (or entries) there are at a level of a tree. */
export function countAt(level: TileLevel, size: number): number {
  return level === 'entries' ? size : Math.floor(size / TILE_WIDTH ** level);
}

/** Where the last tile of leaves begins that holds any. */
export function wholeBefore(size: number): number {
  return size === 0 ? 0 : size - 1 - ((size - 1) % TILE_WIDTH);
}

export function widthAt(level: TileLevel, index: number, size: number): number {
  return Math.min(TILE_WIDTH, countAt(level, size) - index * TILE_WIDTH);
}

export function encodeEntries(entries: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(entry.length);
    parts.push(length, entry);
  }
  return Buffer.concat(parts);
}

/** @returns undefined where the lengths do not add up */
export function decodeEntries(bundle: Buffer): Buffer[] | undefined {
  const entries: Buffer[] = [];
  for (let at = 0; at < bundle.length; ) {
    if (at + 2 > bundle.length) return undefined;
    const end = at + 2 + bundle.readUInt16BE(at);
    if (end > bundle.length) return undefined;
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return entries;
}

/** A tile or bundle of which at least so much is there. Partial ones give way to larger ones while the log grows. */
export async function readTile(
  read: TileReader,
  level: TileLevel,
  index: number,
  size: number,
): Promise<Buffer | undefined> {
  const width = widthAt(level, index, size);
  const exact = await read(tilePath(level, index, width));
  return exact ?? (width < TILE_WIDTH ? read(tilePath(level, index)) : undefined);
}

export class TileMissing extends Error {}

/** The complete subtrees of a tree of `size`, from its tiles. Remembers the tiles it has read. */
export function tiledSubtrees(read: TileReader, size: number): Subtrees {
  const known = new Map<string, Promise<Buffer>>();
  const hashes = (level: number, index: number): Promise<Buffer> => {
    const name = tilePath(level, index);
    const found = known.get(name) ?? whole(read, level, index, size);
    known.set(name, found);
    return found;
  };
  return async (height, index) => {
    const level = Math.floor(height / 8);
    const count = 2 ** (height % 8);
    const first = index * count;
    const tile = await hashes(level, Math.floor(first / TILE_WIDTH));
    const at = (first % TILE_WIDTH) * HASH_BYTES;
    return fold(tile.subarray(at, at + count * HASH_BYTES));
  };
}

/** The root of a tree of `size`, from its tiles. */
export function tiledRoot(read: TileReader, size: number): Promise<Hash> {
  return rangeRoot(tiledSubtrees(read, size), 0, size);
}

/** That a tree of `size` begins with the leaves of one of `old`. */
export function proveConsistency(read: TileReader, old: number, size: number): Promise<Hash[]> {
  return consistencyProof(tiledSubtrees(read, size), old, size);
}

/** Root over a power of two of hashes. */
export function fold(hashes: Buffer): Hash {
  let level = hashes;
  while (level.length > HASH_BYTES) {
    const above = Buffer.allocUnsafe(level.length / 2);
    for (let at = 0; at < above.length; at += HASH_BYTES) {
      const left = level.subarray(2 * at, 2 * at + HASH_BYTES);
      nodeHash(left, level.subarray(2 * at + HASH_BYTES, 2 * (at + HASH_BYTES))).copy(above, at);
    }
    level = above;
  }
  return level;
}

async function whole(read: TileReader, level: number, index: number, size: number): Promise<Buffer> {
  const width = widthAt(level, index, size);
  const bytes = width > 0 ? await readTile(read, level, index, size) : undefined;
  if (bytes === undefined || bytes.length < width * HASH_BYTES) {
    throw new TileMissing(`${tilePath(level, index, Math.max(width, 1))} is not there or too short`);
  }
  return bytes;
}

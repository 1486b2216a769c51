/**
 * What a gateway does about its log when it starts: finds the newest head it may have shown to anybody, and refuses to go on from anything that is
 * not consistent with it.
 *
 * Two places know: the published head with its tiles, and the tail. Each is looked at for itself; the larger one counts, and must contain the other.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PublicKeys } from '../checkpoint.ts';
import { fail } from '../errors.ts';
import { isTrustedHead, parseHead, type SignedHead } from './head.ts';
import { Frontier, type Hash, HASH_BYTES, leafHash } from './merkle.ts';
import { type Frame, readTail, tailsIn } from './tail.ts';
import {
  countAt,
  decodeEntries,
  readTile,
  TILE_WIDTH,
  type TileReader,
  tiledRoot,
  tiledSubtrees,
  wholeBefore,
} from './tiles.ts';

/** A log as it is: a tree of whole tiles, and the entries after it. */
export interface Restored {
  /** A multiple of 256. */
  readonly base: number;
  readonly edges: readonly (readonly Hash[])[];
  readonly frontier: Frontier;
  /** From `base` on. */
  readonly entries: readonly Buffer[];
  /** Undefined for a new log. */
  readonly head: SignedHead | undefined;
  /** Older tails, to be removed once there is a new one. */
  readonly tails: readonly string[];
}

export interface RestoreParts {
  readonly folder: string;
  readonly tailFolder: string;
  readonly origin: string;
  readonly trusted: PublicKeys;
}

interface Candidate {
  readonly base: number;
  readonly entries: readonly Buffer[];
  readonly head: SignedHead;
}

/** @throws LOG_DAMAGED where what is there is not what this gateway wrote last */
export async function restoreLog(parts: RestoreParts): Promise<Restored> {
  const read = folderReader(parts.folder);
  const tails = tailsIn(parts.tailFolder);
  const published = await publishedOf(read, parts);
  const tailed = largest(tails.flatMap((path) => tailOf(path, parts) ?? []));
  if (!published.head && !tailed && published.found) throw damaged(parts, published.why);
  const known = [tailed, published.candidate].flatMap((candidate) => candidate ?? []);
  const chosen = largest(known);
  if (published.head && (!chosen || chosen.head.size < published.head.size)) throw damaged(parts, published.why);
  if (!chosen) return { base: 0, edges: [], frontier: new Frontier(), entries: [], head: undefined, tails };
  const whole = await wholeOf(chosen, read, parts);
  for (const other of [tailed?.head, published.head]) if (other) await refuseOther(other, chosen, read, parts);
  return { ...whole, entries: chosen.entries, base: chosen.base, head: chosen.head, tails };
}

/** Files of a log below a folder, by their names. */
export function folderReader(folder: string): TileReader {
  return async (name) => {
    try {
      return await readFile(join(folder, name));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw error;
    }
  };
}

interface Published {
  readonly found: boolean;
  readonly head?: SignedHead;
  readonly candidate?: Candidate;
  readonly why: string;
}

async function publishedOf(read: TileReader, { origin, trusted }: RestoreParts): Promise<Published> {
  const bytes = await read('checkpoint');
  if (bytes === undefined) return { found: false, why: 'there is no checkpoint' };
  const head = parseHead(bytes);
  if (!head || head.origin !== origin || !isTrustedHead(head, trusted))
    return { found: true, why: 'its checkpoint is not signed by this gateway' };
  const base = wholeBefore(head.size);
  if (head.size === 0) return { found: true, head, candidate: { base, entries: [], head }, why: '' };
  const bundle = await readTile(read, 'entries', base / TILE_WIDTH, head.size);
  const entries = bundle && decodeEntries(bundle)?.slice(0, head.size - base);
  const why = 'the last of its entries are not there';
  return entries?.length === head.size - base
    ? { found: true, head, candidate: { base, entries, head }, why }
    : { found: true, head, why };
}

// A tail's frames follow one another, and the last whole one that is signed counts; that it is true is seen when its root is.
function tailOf(path: string, { origin, trusted }: RestoreParts): Candidate | undefined {
  let found: Candidate | undefined;
  for (const frame of readTail(path)) {
    if (!follows(frame, found) || frame.head.origin !== origin || !isTrustedHead(frame.head, trusted)) break;
    const entries: readonly Buffer[] = [...(found?.entries ?? []), ...frame.entries];
    found = { base: found?.base ?? frame.base, entries, head: frame.head };
  }
  return found;
}

function follows(frame: Frame, before: Candidate | undefined): boolean {
  return before === undefined ? frame.base % TILE_WIDTH === 0 : frame.base === before.head.size;
}

function largest(candidates: readonly Candidate[]): Candidate | undefined {
  return candidates.toSorted((a, b) => b.head.size - a.head.size)[0];
}

async function wholeOf({ base, entries, head }: Candidate, read: TileReader, parts: RestoreParts) {
  const { edges, stack } = await edgesOf(read, base).catch((error) => {
    throw damaged(parts, error instanceof Error ? error.message : String(error));
  });
  const frontier = new Frontier(base, stack);
  for (const entry of entries) frontier.add(leafHash(entry));
  if (!frontier.root().equals(head.root))
    throw damaged(parts, `its tiles do not give the root of its ${head.size} leaves`);
  return { edges, frontier };
}

/** The unfinished tiles of a tree of `size`, a multiple of 256, and the roots of its complete subtrees. */
async function edgesOf(read: TileReader, size: number): Promise<{ edges: Hash[][]; stack: Hash[] }> {
  const edges: Hash[][] = [];
  for (let level = 0; countAt(level, size) > 0; level += 1) {
    const index = Math.floor(countAt(level, size) / TILE_WIDTH);
    const width = countAt(level, size) % TILE_WIDTH;
    const tile = width === 0 ? Buffer.alloc(0) : await readTile(read, level, index, size);
    if (!tile || tile.length < width * HASH_BYTES) throw new Error(`the last tile of level ${level} is not there`);
    edges.push(Array.from({ length: width }, (_, at) => tile.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES)));
  }
  const subtrees = tiledSubtrees(read, size);
  const stack: Hash[] = [];
  let start = 0;
  for (let height = 52; height >= 0; height -= 1) {
    const count = 2 ** height;
    if (start + count > size) continue;
    stack.push(await subtrees(height, start / count));
    start += count;
  }
  return { edges, stack };
}

async function refuseOther(other: SignedHead, chosen: Candidate, read: TileReader, parts: RestoreParts): Promise<void> {
  if (other === chosen.head) return;
  const root = await rootAt(other.size, chosen, read).catch(() => undefined);
  if (!root?.equals(other.root))
    throw damaged(parts, `what it says of its first ${other.size} leaves is not what was signed before`);
}

async function rootAt(size: number, { base, entries }: Candidate, read: TileReader): Promise<Hash> {
  if (size < base) return tiledRoot(read, size);
  const frontier = new Frontier(base, (await edgesOf(read, base)).stack);
  for (const entry of entries.slice(0, size - base)) frontier.add(leafHash(entry));
  return frontier.root();
}

function damaged({ folder, tailFolder }: RestoreParts, why: string): Error {
  return fail('LOG_DAMAGED', `the log in ${folder} is not as this gateway left it: ${why}`, {
    hint: `put back the folder as it was; only if it is lost for good, move it and ${tailFolder} away: a new log then begins, and checkpoints kept elsewhere will say so`,
  });
}

/** The newest head that is published in a folder; undefined when there is none. */
export function readHead(folder: string, name = 'checkpoint'): SignedHead | undefined {
  try {
    return parseHead(readFileSync(join(folder, name)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

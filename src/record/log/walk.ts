/** Goes through a whole log once, leaf by leaf, and makes its tree anew: what is in the files must give the root that was signed. Flat memory. */
import { HASH_BYTES, type Hash, Frontier, leafHash } from './merkle.ts';
import { decodeLeaf, type LoggedLeaf } from './leaf.ts';
import {
  decodeEntries,
  fold,
  readTile,
  TILE_WIDTH,
  type TileLevel,
  type TileReader,
  tilePath,
  widthAt,
} from './tiles.ts';
import type { Head } from './head.ts';

export type LogProblemCode =
  | 'signature'
  | 'root'
  | 'tile'
  | 'entry'
  | 'leaf'
  | 'time'
  | 'origin'
  | 'since'
  | 'key'
  | 'session';

/** Something that no honest log has. */
export interface LogProblem {
  readonly code: LogProblemCode;
  /** Counted from 0, as the tree counts. */
  readonly leaf?: number;
  readonly message: string;
}

/** A size and root that the log must have had, and who says so. */
export interface Fixed {
  readonly size: number;
  readonly root: Hash;
  readonly from: string;
}

const PROBLEMS_KEPT = 16;

export class LogWalk {
  readonly problems: LogProblem[] = [];
  problemCount = 0;
  readonly #read: TileReader;
  readonly #fixed: readonly Fixed[];
  readonly #frontier = new Frontier();
  /** Hashes of the unfinished tile of each level. */
  readonly #edges: Hash[][] = [];
  #at = '';

  constructor(read: TileReader, fixed: readonly Fixed[] = []) {
    this.#read = read;
    this.#fixed = fixed;
    for (const one of fixed) if (one.size === 0) this.#compare(one);
  }

  get size(): number {
    return this.#frontier.size;
  }

  problem(code: LogProblemCode, message: string, leaf?: number): void {
    this.problemCount += 1;
    if (this.problems.length < PROBLEMS_KEPT) {
      this.problems.push({ code, ...(leaf === undefined ? {} : { leaf }), message });
    }
  }

  /** The leaves from where it stands up to the head's size. What follows a part that is gone altogether cannot be read. */
  async *to(head: Head): AsyncGenerator<{ readonly index: number; readonly leaf: LoggedLeaf }> {
    while (this.size < head.size) {
      const tile = Math.floor(this.size / TILE_WIDTH);
      const width = widthAt(0, tile, head.size);
      const entries = await this.#entries(tile, width, head.size);
      const hashes = await this.#hashes(0, tile, width, head.size);
      if (!entries && !hashes) return;
      for (let at = this.size % TILE_WIDTH; at < width; at += 1) {
        const index = this.size;
        const entry = entries?.[at];
        await this.#add(this.#agreed(index, entry, hashes, at), head.size);
        const leaf = entry && this.#leafOf(entry, index);
        if (leaf) yield { index, leaf };
      }
    }
    await this.#checkEdges(head.size);
    if (!this.#frontier.root().equals(head.root))
      this.problem('root', `the ${head.size} leaves do not give the root that was signed`);
  }

  #leafOf(entry: Buffer, index: number): LoggedLeaf | undefined {
    const leaf = decodeLeaf(entry);
    if (!leaf) this.problem('leaf', 'the leaf is not written as a gateway writes', index);
    else if (leaf.at < this.#at)
      this.problem('time', `the leaf is of ${leaf.at}, the one before of ${this.#at}`, index);
    else this.#at = leaf.at;
    return leaf;
  }

  async #entries(tile: number, width: number, size: number): Promise<Buffer[] | undefined> {
    const bundle = await readTile(this.#read, 'entries', tile, size);
    const entries = bundle && decodeEntries(bundle);
    const name = tilePath('entries', tile, width);
    if (!bundle) this.problem('entry', `${name} is not there`);
    else if (!entries || (entries.length !== width && entries.length !== TILE_WIDTH)) {
      this.problem('entry', `${name} does not hold ${width} entries`);
    }
    return entries;
  }

  async #hashes(level: TileLevel, index: number, width: number, size: number): Promise<Buffer | undefined> {
    const tile = await readTile(this.#read, level, index, size);
    const name = tilePath(level, index, width);
    if (!tile) this.problem('tile', `${name} is not there`);
    else if (tile.length !== width * HASH_BYTES && tile.length !== TILE_WIDTH * HASH_BYTES) {
      this.problem('tile', `${name} does not hold ${width} hashes`);
      return undefined;
    }
    return tile;
  }

  // Two places tell of a leaf. Where they differ the tile counts: one changed entry is then told once.
  #agreed(index: number, entry: Buffer | undefined, hashes: Buffer | undefined, at: number): Hash {
    const told = hashes?.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES);
    const made = entry && leafHash(entry);
    if (told && made && !told.equals(made)) this.problem('entry', 'the entry is not the one its tile tells of', index);
    return told ?? made ?? Buffer.alloc(HASH_BYTES);
  }

  async #add(leaf: Hash, size: number): Promise<void> {
    this.#frontier.add(leaf);
    for (const one of this.#fixed) if (one.size === this.size) this.#compare(one);
    let hash = leaf;
    for (let level = 0; ; level += 1) {
      const edge = this.#edges[level] ?? [];
      this.#edges[level] = edge;
      edge.push(hash);
      if (edge.length < TILE_WIDTH) return;
      const whole = Buffer.concat(edge.splice(0));
      hash = fold(whole);
      if (level > 0) await this.#checkTile(level, whole, this.size / TILE_WIDTH ** (level + 1) - 1, size);
    }
  }

  #compare({ size, root, from }: Fixed): void {
    if (!this.#frontier.root().equals(root))
      this.problem('since', `the first ${size} leaves are not those of ${from}: what came before it was rewritten`);
  }

  // Level 0 was compared leaf by leaf.
  async #checkEdges(size: number): Promise<void> {
    for (const [level, edge] of this.#edges.entries()) {
      const index = Math.floor(this.size / TILE_WIDTH ** (level + 1));
      if (level > 0 && edge.length > 0) await this.#checkTile(level, Buffer.concat(edge), index, size);
    }
  }

  async #checkTile(level: number, expected: Buffer, index: number, size: number): Promise<void> {
    const width = expected.length / HASH_BYTES;
    const tile = await this.#hashes(level, index, width, size);
    if (tile && !tile.subarray(0, expected.length).equals(expected))
      this.problem('tile', `${tilePath(level, index, width)} does not fit the tiles below it`);
  }
}

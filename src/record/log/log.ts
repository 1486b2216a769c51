/**
 * The log of one gateway: what it promises of its sessions, in an order nobody can change afterwards.
 *
 * Whoever appends waits until the leaf is under a signed head on the disk. One tree, one signature and one sync serve everybody who waits at that
 * moment. A leaf that was once signed stays in the tree, even where the disk then failed: some head with it may have reached the disk, and no later
 * head may contradict it.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { PublicKeys } from '../checkpoint.ts';
import type { Disk } from '../disk.ts';
import { fail } from '../errors.ts';
import { headText, originOf, type SignedHead } from './head.ts';
import { decodeLeaf, encodeLeaf, type LogLeaf } from './leaf.ts';
import { type Frontier, leafHash } from './merkle.ts';
import { parseNote } from './note.ts';
import { folderReader, restoreLog } from './restore.ts';
import { Tail } from './tail.ts';
import { TileWriter } from './tile-writer.ts';
import { parseTilePath, TILE_WIDTH, wholeBefore } from './tiles.ts';

export interface SessionLogParts {
  /** `<recordings>/.log/<gateway>`. */
  readonly folder: string;
  /** Where the tail lies: apart from the log. */
  readonly tailFolder: string;
  readonly gateway: string;
  readonly trusted: PublicKeys;
  /** @returns the signature's line of a note */
  readonly sign: (text: string, name: string) => string;
  readonly disk: Disk;
  /** Whether a head counts only when it survives a crash of the machine. */
  readonly sync: boolean;
  /** Tails are begun anew after so many leaves: what they hold is in whole tiles by then. 1,024 unless told. */
  readonly tailLeaves?: number;
  /** RFC 3339. */
  readonly now: () => string;
  readonly warn: (message: string, error: unknown) => void;
}

interface Waiting {
  readonly entry: Buffer;
  readonly done: PromiseWithResolvers<void>;
}

const TAIL_LEAVES = 4 * TILE_WIDTH;

export class SessionLog {
  readonly origin: string;
  readonly #parts: SessionLogParts;
  readonly #tiles: TileWriter;
  readonly #frontier: Frontier;
  readonly #listeners = new Set<(head: SignedHead) => void>();
  #sign: SessionLogParts['sign'];
  /** Where the tail begins, and all entries from there on. */
  #base: number;
  #recent: Buffer[];
  #head: SignedHead;
  #tail: Tail | undefined;
  #oldTails: string[];
  #waiting: Waiting[] = [];
  #working: Promise<void> | undefined;
  #failure: Error | undefined;
  #at: string;
  #closed = false;

  private constructor(parts: SessionLogParts, restored: Awaited<ReturnType<typeof restoreLog>>) {
    const { base, edges, frontier, entries, head, tails } = restored;
    this.origin = originOf(parts.gateway);
    this.#parts = parts;
    this.#sign = parts.sign;
    this.#tiles = new TileWriter(parts.folder, parts.disk, base, edges);
    this.#frontier = frontier;
    this.#base = base;
    this.#recent = [...entries];
    this.#oldTails = [...tails];
    this.#head = head ?? this.#signed();
    this.#at = this.#lastTime();
  }

  /** @throws LOG_DAMAGED; or what the disk says */
  static async open(parts: SessionLogParts): Promise<SessionLog> {
    for (const folder of [parts.folder, parts.tailFolder]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    const log = new SessionLog(parts, await restoreLog({ ...parts, origin: originOf(parts.gateway) }));
    await log.#again();
    return log;
  }

  /** The newest head that is on the disk and published. */
  get head(): SignedHead {
    return this.#head;
  }

  /** Resolves when the leaf is under a signed head on the disk. @throws LOG_FAILED */
  append(...leaves: readonly LogLeaf[]): Promise<void> {
    if (this.#closed) return Promise.reject(fail('LOG_FAILED', 'the log is closed'));
    const now = this.#parts.now();
    if (now > this.#at) this.#at = now;
    try {
      const entries = leaves.map((leaf) => encodeLeaf(leaf, this.#at));
      const waiting = entries.map((entry) => ({ entry, done: Promise.withResolvers<void>() }));
      for (const one of waiting) this.#waiting.push(one);
      void this.#work();
      return Promise.all(waiting.map(({ done }) => done.promise)).then(() => {});
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Fails while nothing can be written, after another try. For /readyz. */
  async check(): Promise<void> {
    if (this.#closed) throw fail('LOG_FAILED', 'the log is closed');
    if (!this.#failure) {
      try {
        this.#tail?.refuseUnlinked();
        if (existsSync(join(this.#parts.folder, 'checkpoint'))) return;
        this.#failed(new Error(`the log in ${this.#parts.folder} was removed while the gateway was running`));
      } catch (error) {
        this.#failed(error);
      }
    }
    await this.#work();
    if (this.#failure) throw this.#failure;
  }

  /** Calls back with every head once it is published. @returns stops it */
  onHead(listener: (head: SignedHead) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Adds witnesses' signatures to the published head, where it is still that one, and keeps the note as the newest that was witnessed. */
  witnessed(head: SignedHead, lines: string): void {
    const bytes = Buffer.from(head.bytes.toString('utf8') + lines);
    this.#tiles.replace('witnessed', bytes);
    if (head.size === this.#head.size) this.#tiles.replace('checkpoint', bytes);
  }

  /** A published file by its name: `checkpoint`, `witnessed`, `tile/…`. */
  async read(name: string): Promise<Buffer | undefined> {
    const isKnown = name === 'checkpoint' || name === 'witnessed' || parseTilePath(name) !== undefined;
    return isKnown ? folderReader(this.#parts.folder)(name) : undefined;
  }

  /** From now on another key signs. */
  signWith(sign: SessionLogParts['sign']): void {
    this.#sign = sign;
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    if (this.#closed) return;
    while (this.#waiting.length > 0 && !this.#failure) await this.#work();
    this.#closed = true;
    await this.#working;
    for (const { done } of this.#waiting.splice(0)) refuse(done, fail('LOG_FAILED', 'the log is closed'));
    this.#tail?.close();
  }

  #work(): Promise<void> {
    this.#working ??= (async () => {
      // One turn of the event loop later: everybody who came in this one shares the signature.
      await new Promise<void>((resume) => setImmediate(resume));
      try {
        await this.#again();
      } catch {
        // Told to those who wait, and to `check`.
      } finally {
        this.#working = undefined;
        if (this.#waiting.length > 0 && !this.#failure) void this.#work();
      }
    })();
    return this.#working;
  }

  async #again(): Promise<void> {
    const group = this.#waiting.splice(0);
    for (const { entry } of group) {
      this.#frontier.add(leafHash(entry));
      this.#recent.push(entry);
    }
    try {
      await this.#commit();
      for (const { done } of group) done.resolve();
    } catch (error) {
      const failure = this.#failed(error);
      for (const { done } of group) refuse(done, failure);
      // Whoever came meanwhile would otherwise wait for somebody to try again; their leaves stay, as those of the group do.
      for (const { done } of this.#waiting) refuse(done, failure);
      throw failure;
    }
    this.#failure = undefined;
  }

  async #commit(): Promise<void> {
    const head = this.#signed();
    const base = this.#head.size;
    const { disk, tailFolder, sync } = this.#parts;
    if (this.#tail && this.#failure === undefined) {
      if (head.size > base) await this.#tail.add({ base, entries: this.#recent.slice(base - this.#base), head });
    } else {
      this.#tail?.close();
      this.#tail = undefined;
      const next = await Tail.create(tailFolder, disk, sync, { base: this.#base, entries: this.#recent, head });
      this.#took(next);
    }
    this.#publish(head);
    if (this.#recent.length >= (this.#parts.tailLeaves ?? TAIL_LEAVES)) await this.#beginTail(head);
  }

  #took(next: Tail): void {
    this.#tail = next;
    for (const path of this.#oldTails.splice(0)) this.#removeTail(path);
    this.#oldTails.push(next.path);
  }

  // Tiles first: a head is never shown without what it stands for.
  #publish(head: SignedHead): void {
    while (this.#tiles.size < head.size) this.#tiles.add(this.#recent[this.#tiles.size - this.#base] as Buffer);
    this.#tiles.show();
    this.#tiles.replace('checkpoint', head.bytes);
    this.#head = head;
    for (const listener of this.#listeners) listener(head);
  }

  async #beginTail(head: SignedHead): Promise<void> {
    const { disk, tailFolder, sync } = this.#parts;
    const base = wholeBefore(head.size);
    if (sync) await this.#tiles.sync(base);
    const entries = this.#recent.slice(base - this.#base);
    const next = await Tail.create(tailFolder, disk, sync, { base, entries, head });
    this.#tail?.close();
    this.#base = base;
    this.#recent = entries;
    this.#took(next);
  }

  #removeTail(path: string): void {
    try {
      this.#parts.disk.remove(path);
    } catch (error) {
      this.#parts.warn(`${path} is kept`, error);
    }
  }

  #signed(): SignedHead {
    const tree = { origin: this.origin, size: this.#frontier.size, root: this.#frontier.root() };
    const text = headText(tree);
    const bytes = Buffer.from(`${text}\n${this.#sign(text, this.origin)}`);
    const note = parseNote(bytes);
    if (!note) throw new Error('a head that cannot be read back');
    return { ...tree, note, bytes };
  }

  #failed(cause: unknown): Error {
    const why = cause instanceof Error ? cause.message : String(cause);
    this.#failure = fail('LOG_FAILED', `the log of sessions cannot be written: ${why}`, { cause });
    return this.#failure;
  }

  #lastTime(): string {
    const last = this.#recent.at(-1);
    return (last && decodeLeaf(last)?.at) ?? '';
  }
}

// Also for those that wait for nothing: a rejection nobody looks at would end the process.
function refuse(done: PromiseWithResolvers<void>, error: Error): void {
  done.promise.catch(() => {});
  done.reject(error);
}

/**
 * Hashes lines in a thread of its own while this one looks at what they say: of verifying a large recording that is a third. Small ones are done before
 * a thread has started.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { entryUrl } from '../base/entry.ts';

/** Hex, of all lines one behind the other; undefined where whoever asks has to do it. */
export type Hashes = string | undefined;

/** One SHA-256 in hex. */
export const HASH_LENGTH = 64;

/** What one batch of lines lies in, shared by both threads, so that nothing is allocated or handed over for it. */
export interface Slot {
  /** Lines without their newlines, one behind the other. */
  readonly bytes: Uint8Array;
  readonly ends: Uint32Array;
}

/** The first so many lines of this slot are to be hashed. */
export interface HashJob {
  readonly slot: number;
  readonly count: number;
}

/** A batch of lines from one chunk of a file, and what was left of the chunk before it. */
const SLOT_BYTES = 512 * 1024;
const SLOT_LINES = 8 * 1024;

/** Batches at a time. */
const SLOTS = 8;

const THREAD_FROM_BYTES = 8 * 1024 * 1024;

export class LineHashes implements AsyncDisposable {
  readonly #threadFrom: number;
  #worker: Worker | undefined;
  #waiting: ((hashes: Hashes) => void)[] = [];
  #seen = 0;
  #mayStart = availableParallelism() > 1;
  #slots: readonly Slot[] = [];
  #next = 0;

  constructor(threadFrom = THREAD_FROM_BYTES) {
    this.#threadFrom = threadFrom;
  }

  /** Of no more batches at a time than there are slots; what does not fit into one is left to who asks. */
  of(lines: readonly Buffer[]): Hashes | Promise<Hashes> {
    const length = lines.reduce((sum, line) => sum + line.length, 0);
    this.#seen += length;
    if (this.#seen > this.#threadFrom && this.#mayStart) this.#start();
    const slot = this.#next;
    const isFree = this.#waiting.length < this.#slots.length;
    if (!this.#worker || !isFree || lines.length === 0 || length > SLOT_BYTES || lines.length > SLOT_LINES)
      return undefined;
    this.#next = (slot + 1) % this.#slots.length;
    fill(this.#slots[slot] as Slot, lines);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#worker?.postMessage({ slot, count: lines.length } satisfies HashJob);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): void {
    this.#mayStart = false;
    this.#slots = Array.from({ length: SLOTS }, () => ({
      bytes: new Uint8Array(new SharedArrayBuffer(SLOT_BYTES)),
      ends: new Uint32Array(new SharedArrayBuffer(SLOT_LINES * 4)),
    }));
    this.#worker = new Worker(entryUrl('record/hash-worker.ts'), { execArgv: [], env: {}, workerData: this.#slots })
      .on('message', (hashes: string) => this.#waiting.shift()?.(hashes))
      .on('error', () => this.#lost())
      .on('exit', () => this.#lost());
  }

  // A thread that could not start, or died, costs no more than time.
  #lost(): void {
    this.#worker = undefined;
    for (const resolve of this.#waiting.splice(0)) resolve(undefined);
  }
}

function fill({ bytes, ends }: Slot, lines: readonly Buffer[]): void {
  let end = 0;
  for (let i = 0; i < lines.length; i += 1) {
    const line = lines[i] as Buffer;
    bytes.set(line, end);
    end += line.length;
    ends[i] = end;
  }
}

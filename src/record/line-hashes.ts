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

/** Lines without their newlines, one behind the other. */
export interface HashJob {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly ends: Uint32Array<ArrayBuffer>;
}

const THREAD_FROM_BYTES = 8 * 1024 * 1024;

export class LineHashes implements AsyncDisposable {
  readonly #threadFrom: number;
  #worker: Worker | undefined;
  #waiting: ((hashes: Hashes) => void)[] = [];
  #seen = 0;
  #mayStart = availableParallelism() > 1;

  constructor(threadFrom = THREAD_FROM_BYTES) {
    this.#threadFrom = threadFrom;
  }

  of(lines: readonly Buffer[]): Hashes | Promise<Hashes> {
    const length = lines.reduce((sum, line) => sum + line.length, 0);
    this.#seen += length;
    if (this.#seen > this.#threadFrom && this.#mayStart) this.#start();
    const worker = this.#worker;
    if (!worker || lines.length === 0) return undefined;
    const job = jobOf(lines, length);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      worker.postMessage(job, [job.bytes.buffer, job.ends.buffer]);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): void {
    this.#mayStart = false;
    this.#worker = new Worker(entryUrl('record/hash-worker.ts'), { execArgv: [], env: {} })
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

function jobOf(lines: readonly Buffer[], length: number): HashJob {
  const bytes = new Uint8Array(length);
  const ends = new Uint32Array(lines.length);
  let end = 0;
  for (let i = 0; i < lines.length; i += 1) {
    const line = lines[i] as Buffer;
    bytes.set(line, end);
    end += line.length;
    ends[i] = end;
  }
  return { bytes, ends };
}

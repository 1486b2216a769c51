/**
 * The terminal on standard error, written to in one order and never waited for by the event loop.
 *
 * Node writes to a terminal synchronously: Ctrl-S, or a link that is slow, would hold up every tunnel and let the run's lease lapse. Here the kernel is
 * waited for by a thread, what is still to be written is known, and who produces it can be told to wait.
 */
import { write, writeSync } from 'node:fs';

export interface Terminal {
  readonly columns: number;
  readonly rows: number;
  write(bytes: string | Uint8Array): void;
  /** Bytes that the terminal has not taken yet. */
  readonly behind: number;
  /** Resolves when everything so far is on the screen. */
  drained(): Promise<void>;
  /** Everything so far at once, for a process that is about to stop or to exit. */
  flush(): void;
}

/** @param size of a resized window too */
export function createTerminal(fd: number, size: () => { columns?: number; rows?: number }): Terminal {
  return new Writer(fd, size);
}

/** Before a terminal says how wide it is; the size of a VT100. */
const WIDTH = 80;
const HEIGHT = 24;
/** The terminal was made non-blocking by somebody who shares it (open(2), O_NONBLOCK). */
const AGAIN_MS = 10;

class Writer implements Terminal {
  readonly #fd: number;
  readonly #size: () => { columns?: number; rows?: number };
  #queue: Buffer[] = [];
  /** With the kernel now. */
  #current: Buffer = Buffer.alloc(0);
  #idle: Promise<void> | undefined;

  constructor(fd: number, size: () => { columns?: number; rows?: number }) {
    this.#fd = fd;
    this.#size = size;
  }

  get columns(): number {
    return this.#size().columns || WIDTH;
  }

  get rows(): number {
    return this.#size().rows || HEIGHT;
  }

  get behind(): number {
    return this.#queue.reduce((sum, { length }) => sum + length, this.#current.length);
  }

  write(bytes: string | Uint8Array): void {
    if (bytes.length === 0) return;
    this.#queue.push(Buffer.from(bytes as string));
    this.#idle ??= this.#pump();
  }

  async drained(): Promise<void> {
    while (this.#idle !== undefined) await this.#idle;
  }

  flush(): void {
    // What the kernel has now is being written by another thread: it finishes by itself, and nothing may be written twice.
    const rest = Buffer.concat(this.#queue);
    this.#queue = [];
    for (let at = 0, tries = 0; at < rest.length && tries < 100; ) {
      try {
        at += writeSync(this.#fd, rest, at);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
        tries += 1;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, AGAIN_MS);
      }
    }
  }

  async #pump(): Promise<void> {
    await Promise.resolve(); // what is written in the same breath goes out together
    while (this.#queue.length > 0) {
      this.#current = Buffer.concat(this.#queue);
      this.#queue = [];
      while (this.#current.length > 0) this.#current = this.#current.subarray(await this.#some());
    }
    this.#idle = undefined;
  }

  #some(): Promise<number> {
    const bytes = this.#current;
    return new Promise((resolve) => {
      write(this.#fd, bytes, (error, written) => {
        if (!error) return resolve(written);
        if (error.code === 'EAGAIN') return void setTimeout(() => resolve(0), AGAIN_MS);
        resolve(bytes.length); // the terminal is gone: there is nobody to tell
      });
    });
  }
}

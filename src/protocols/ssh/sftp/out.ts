/** What is to be written to one side, gathered over one pass and written once: two small writes are two packets of the transport. */
import type { SftpSide } from './line.ts';

const ENOUGH = 128 * 1024;

export class Out {
  readonly #side: SftpSide;
  readonly #drained: () => void;
  #parts: Buffer[] = [];
  #size = 0;
  /** The other side is slower than us: nothing more is to be made for it. */
  full = false;

  /** @param drained called when a side that was full takes more */
  constructor(side: SftpSide, drained: () => void) {
    this.#side = side;
    this.#drained = drained;
  }

  put(bytes: Buffer): void {
    this.#parts.push(bytes);
    this.#size += bytes.length;
    if (this.#size >= ENOUGH) this.flush();
  }

  flush(): void {
    if (this.#size === 0) return;
    const bytes = this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts, this.#size);
    this.#parts = [];
    this.#size = 0;
    if (this.#side.write(bytes) || this.full) return;
    this.full = true;
    void this.#side.drained().then(() => {
      this.full = false;
      this.#drained();
    });
  }
}

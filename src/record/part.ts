/** One file of a running recording: what it holds, and when that is on the disk. */
import type { Disk } from './disk.ts';
import type { Journaled } from './journal.ts';

export interface PartFile {
  /** `2026/11/21/<session>`, or `….2` and so on. */
  readonly path: string;
  readonly file: string;
  readonly fd: number;
}

export interface PartParts extends PartFile {
  readonly folder: string;
  readonly disk: Disk;
  /** Why the recording is over for good, once it is. */
  readonly broken: () => Error | undefined;
  /** Ends the recording. @returns what every later call is told */
  readonly fail: (cause: unknown) => Error;
}

export class Part implements Journaled {
  readonly path: string;
  readonly file: string;
  readonly fd: number;
  /** Size of the file. */
  bytes: number;
  readonly #parts: PartParts;
  #packed: Promise<void> | undefined;
  #folderSynced = false;
  #open = true;

  constructor(parts: PartParts, bytes: number) {
    this.path = parts.path;
    this.file = parts.file;
    this.fd = parts.fd;
    this.bytes = bytes;
    this.#parts = parts;
  }

  refuseUnlinked(): void {
    if (!this.#parts.disk.linked(this.fd)) throw new Error(`${this.file} was removed while the session was running`);
  }

  async settle(): Promise<void> {
    if (this.#packed) return this.#packed;
    const { broken, disk, folder, fail } = this.#parts;
    const over = broken();
    if (over) throw over;
    try {
      await disk.sync(this.fd);
      if (!this.#folderSynced) await disk.syncFolder(folder);
      this.#folderSynced = true;
      if (this.#open) this.refuseUnlinked();
    } catch (error) {
      // Packed and closed meanwhile: then the packed copy is what counts.
      if (this.#packed) return this.#packed;
      throw fail(error);
    }
  }

  /** Nothing more is written into it. */
  pack(compress: (file: string) => Promise<void>): void {
    this.#packed = compress(this.file);
    this.#packed.catch(() => {});
    this.close();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      this.#parts.disk.close(this.fd);
    } catch {
      // What closing would have told, the sync before it or the journal has.
    }
  }
}

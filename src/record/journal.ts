/**
 * The one file of a gateway that commands wait for: whatever all its sessions write goes here too, and one fdatasync serves everybody who waits.
 *
 * A segment is a row of frames, one per write, each under the gateway's own MAC, so that what a crash tore (or somebody else wrote) is never taken
 * for a record. A segment is removed once every recording it speaks of is on the disk itself.
 *
 *     frame := "hoopj1 " segment " " offset " " length "\n" record* mac "\n"
 *     record := day "/" session " " bytes "\n" lines-of-the-recording
 */
import { join } from 'node:path';
import type { Cancel, Clock } from '../base/clock.ts';
import type { Disk } from './disk.ts';
import type { Reserve } from './reserve.ts';

/** A recording, as the journal knows it. */
export interface Journaled {
  /** `2026/11/21/<session>`. */
  readonly path: string;
  /** Resolves when all the recording holds by now is on the disk in its own file. */
  settle(): Promise<void>;
}

export interface JournalParts {
  readonly folder: string;
  readonly disk: Disk;
  readonly reserve: Pick<Reserve, 'write'>;
  readonly clock: Pick<Clock, 'after'>;
  readonly mac: (bytes: Uint8Array) => string;
  /** Number of the first segment. */
  readonly first: number;
  /** A segment is followed by the next one when it holds more, bytes. */
  readonly segmentBytes: number;
  /** A failure is final: this journal takes nothing more. */
  readonly onFailed: (error: unknown) => void;
  /** A segment could not be removed; recovery will look at it. */
  readonly warn: (message: string, error: unknown) => void;
}

interface Segment {
  readonly number: number;
  readonly path: string;
  readonly fd: number;
  readonly sources: Set<Journaled>;
  size: number;
}

export const FRAME_HEAD_BYTES = 44;
export const MAC_BYTES = 64;

// What no one waits for is written in pieces of about this size.
const PIECE = 256 * 1024;
const LARGEST_IDLE_BUFFER = 4 * 1024 * 1024;

// What nobody waits for is on the disk within 100 ms: it lies here for half of that at most, and a sync that takes the other half makes everybody wait.
const UNSYNCED_MS = 50;
const SLOW_MS = 50;
/** A disk that has not answered for so long is taken for one that never will. */
export const STALLED_MS = 10_000;
const STEPS = 10;

export class Journal {
  readonly #parts: JournalParts;
  #segment: Segment;
  #batch = Buffer.allocUnsafe(2 * PIECE);
  #used = FRAME_HEAD_BYTES;
  #group: PromiseWithResolvers<void> | undefined;
  #scheduled = false;
  #syncing: Promise<void> | undefined;
  #folderSynced = false;
  /** Something was added since the last sync began. */
  #added = false;
  #due: Cancel | undefined;
  #slow = false;
  #retired: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;

  constructor(parts: JournalParts) {
    this.#parts = parts;
    this.#segment = this.#openSegment(parts.first);
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** The disk is behind by more than reads may run ahead of it: they wait for it too. */
  get slow(): boolean {
    return this.#slow;
  }

  /** The number after the last segment's. */
  get nextNumber(): number {
    return this.#segment.number + 1;
  }

  /** Takes a recording's new lines, in order. They are safe once a later `commit` resolves. */
  add(source: Journaled, lines: Uint8Array): void {
    if (this.#failure) throw this.#failure.error;
    const head = `${source.path} ${lines.length}\n`;
    this.#makeRoom(head.length + lines.length + MAC_BYTES + 1);
    this.#used += this.#batch.write(head, this.#used, 'latin1');
    this.#batch.set(lines, this.#used);
    this.#used += lines.length;
    this.#segment.sources.add(source);
    this.#added = true;
    this.#due ??= this.#parts.clock.after(UNSYNCED_MS, () => this.#syncWhatIsDue());
    if (this.#used >= PIECE) this.#writeOrFail();
    if (this.#segment.size >= this.#parts.segmentBytes) this.#schedule();
  }

  /** Resolves when all that was added so far is on the disk. Who comes while a sync is under way shares the next one. */
  commit(): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure.error);
    this.#group ??= Promise.withResolvers<void>();
    const { promise } = this.#group;
    this.#schedule();
    return promise;
  }

  #syncWhatIsDue(): void {
    this.#due = undefined;
    if (this.#added && !this.#failure) this.commit().catch(() => {});
  }

  /** Writes what is left, waits until all recordings are on the disk in their own files, and removes the segments. */
  async close(): Promise<void> {
    if (!this.#failure) await this.commit();
    await this.#syncing;
    this.#due?.();
    if (!this.#failure) this.#retire(this.#segment);
    await this.#retired;
  }

  // One turn of the event loop later: everybody who wrote in this one shares the sync.
  #schedule(): void {
    if (this.#scheduled || this.#syncing) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#syncing = this.#sync().finally(() => {
        this.#syncing = undefined;
        if (this.#group && !this.#failure) this.#schedule();
      });
    });
  }

  async #sync(): Promise<void> {
    if (this.#failure) return;
    const group = this.#group;
    this.#group = undefined;
    this.#added = false;
    const { disk, folder, segmentBytes } = this.#parts;
    try {
      this.#write();
      const written = this.#segment;
      const full = written.size >= segmentBytes;
      if (full) this.#segment = this.#openSegment(written.number + 1);
      const waits = [disk.sync(written.fd)];
      if (full) waits.push(disk.sync(this.#segment.fd));
      if (full || !this.#folderSynced) waits.push(disk.syncFolder(folder));
      await this.#inTime(Promise.all(waits));
      // Before the answer: a segment that somebody removed took the bytes with it.
      this.#refuseUnlinked(written);
      this.#folderSynced = true;
      group?.resolve();
      if (full) this.#retire(written);
    } catch (error) {
      group?.reject(error);
      this.#fail(error);
    }
  }

  // Nothing is asked again of a disk that does not answer: what it does with the rest of the file nobody can say.
  async #inTime(synced: Promise<unknown>): Promise<void> {
    const { clock } = this.#parts;
    const stalled = Promise.withResolvers<never>();
    const slow = clock.after(SLOW_MS, () => {
      this.#slow = true;
    });
    // Counted in steps: a machine that slept wakes up with every timer due, and has asked its disk only once since.
    let step = 0;
    let late: Cancel = () => {};
    const count = () => {
      late = clock.after(STALLED_MS / STEPS, () => {
        if (++step < STEPS) count();
        else stalled.reject(new Error(`the disk has not answered for ${STALLED_MS / 1000} s`));
      });
    };
    count();
    try {
      await Promise.race([synced, stalled.promise]);
    } finally {
      slow();
      late();
      this.#slow = false;
    }
  }

  #refuseUnlinked({ path, fd }: Segment): void {
    if (!this.#parts.disk.linked(fd)) throw new Error(`${path} was removed while the gateway was running`);
  }

  // What could not be written or synced is in an unknown state for good (fsync(2), "EIO"): no retry may call it safe.
  #fail(error: unknown): void {
    if (this.#failure) return;
    this.#failure = { error };
    this.#group?.promise.catch(() => {});
    this.#group?.reject(error);
    this.#group = undefined;
    this.#due?.();
    try {
      this.#parts.disk.close(this.#segment.fd);
    } catch {
      // It was closed under us, which may be why we are here.
    }
    this.#parts.onFailed(error);
  }

  #writeOrFail(): void {
    try {
      this.#write();
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  #write(): void {
    const payload = this.#used - FRAME_HEAD_BYTES;
    if (payload === 0) return;
    this.#writeFrame(this.#segment, this.#batch, this.#used);
    this.#used = FRAME_HEAD_BYTES;
    if (this.#batch.length > LARGEST_IDLE_BUFFER) this.#batch = Buffer.allocUnsafe(2 * PIECE);
  }

  #writeFrame(segment: Segment, frame: Buffer, used: number): void {
    frame.write(frameHead(segment.number, segment.size, used - FRAME_HEAD_BYTES), 0, 'latin1');
    frame.write(`${this.#parts.mac(frame.subarray(0, used))}\n`, used, 'latin1');
    const bytes = frame.subarray(0, used + MAC_BYTES + 1);
    this.#parts.reserve.write(segment.fd, bytes, segment.size);
    segment.size += bytes.length;
  }

  #makeRoom(bytes: number): void {
    if (this.#used + bytes <= this.#batch.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.#used + bytes));
    this.#batch.copy(larger, 0, 0, this.#used);
    this.#batch = larger;
  }

  // The first frame is empty: it says whose key this segment is under, even when nothing else was written.
  #openSegment(number: number): Segment {
    const path = join(this.#parts.folder, segmentName(number));
    const segment = { number, path, fd: this.#parts.disk.create(path), sources: new Set<Journaled>(), size: 0 };
    this.#writeFrame(segment, Buffer.allocUnsafe(FRAME_HEAD_BYTES + MAC_BYTES + 1), FRAME_HEAD_BYTES);
    return segment;
  }

  #retire(segment: Segment): void {
    const { disk, warn } = this.#parts;
    const retire = async () => {
      disk.close(segment.fd);
      for (const source of segment.sources) await source.settle();
      disk.remove(segment.path);
    };
    this.#retired = this.#retired
      .then(retire)
      .catch((error) => warn(`the journal segment ${segment.path} is kept`, error));
  }
}

export function segmentName(number: number): string {
  return `${digits(number)}.journal`;
}

export function frameHead(segment: number, offset: number, length: number): string {
  return `hoopj1 ${digits(segment)} ${digits(offset)} ${String(length).padStart(10, '0')}\n`;
}

function digits(value: number): string {
  return String(value).padStart(12, '0');
}

/**
 * Writes one session's recording.
 *
 * `append` is on the way of every command: it builds the lines, writes them with one call into the page cache, hands the same bytes to the journal, and
 * returns nothing to wait for unless the durability asks for it. A first failure is final: nothing is appended after it, and `failed` tells the session.
 */
import { HoopError } from '../base/error.ts';
import type { SessionEnd } from '../domain/end.ts';
import type { Checkpoint, Recorder, SessionEvent, Weight } from '../domain/recording.ts';
import type { Chain, ChainState } from './chain.ts';
import type { Signer } from './checkpoint.ts';
import type { Disk } from './disk.ts';
import { fail } from './errors.ts';
import type { Journal, Journaled } from './journal.ts';
import { limitResult } from './result.ts';

/** Which events are safe against a crash of the machine before the caller goes on. Against one of the process all are. */
export type Durability = 'strict' | 'effects' | 'process';

const WAITS: Readonly<Record<Durability, Readonly<Record<Weight, boolean>>>> = {
  strict: { intent: true, read: true, note: false },
  effects: { intent: true, read: false, note: false },
  process: { intent: false, read: false, note: false },
};

export interface RecorderParts {
  readonly session: string;
  /** `2026/11/21/<session>`. */
  readonly path: string;
  readonly file: string;
  readonly fd: number;
  readonly folder: string;
  /** Holds the first line already. */
  readonly chain: Chain;
  readonly disk: Disk;
  /** Absent under `process`: there the page cache is safe enough. */
  readonly journal: Journal | undefined;
  readonly signer: Signer;
  readonly durability: Durability;
  /** RFC 3339, now. */
  readonly now: () => string;
  /** Events between checkpoints. */
  readonly checkpointEvery: number;
  /** Bytes of a result's rows that are kept. */
  readonly resultsLimit: number;
  /** There are events no checkpoint covers. */
  readonly onUnsigned: (recorder: SessionRecorder) => void;
  /** Sealed, or failed: nothing more will be written. */
  readonly onDone: (recorder: SessionRecorder) => void;
  /** Compresses the sealed file. Resolves when the copy is on the disk and has taken the file's place. */
  readonly compress: (file: string) => Promise<void>;
}

export class SessionRecorder implements Recorder, Journaled {
  readonly path: string;
  readonly #parts: RecorderParts;
  readonly #chain: Chain;
  readonly #failed = new AbortController();
  #signed = 0;
  #finished: Promise<Checkpoint> | undefined;
  #compressed: Promise<void> | undefined;
  #folderSynced = false;
  #open = true;
  readonly #followers = new Set<() => void>();

  constructor(parts: RecorderParts) {
    this.path = parts.path;
    this.#chain = parts.chain;
    this.#parts = parts;
  }

  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  /** Nothing more will be written. */
  get over(): boolean {
    return !this.#open;
  }

  /** Calls back when something was written, and when nothing more will be. @returns stops it */
  follow(onChange: () => void): () => void {
    this.#followers.add(onChange);
    return () => this.#followers.delete(onChange);
  }

  get session(): string {
    return this.#parts.session;
  }

  get journal(): Journal | undefined {
    return this.#parts.journal;
  }

  /** Resolves when the first line, which the file holds already, is as safe as an intent. */
  async begin(first: Uint8Array): Promise<void> {
    try {
      this.#parts.journal?.add(this, first);
    } catch (error) {
      throw this.fail(error);
    }
    this.#parts.onUnsigned(this);
    await this.#safe('intent');
  }

  append(events: readonly SessionEvent[], weight: Weight): Promise<void> | undefined {
    if (this.#failed.signal.aborted) return rejected(this.#failed.signal.reason);
    if (this.#finished)
      return rejected(fail('RECORDING_FINISHED', `the recording of session ${this.session} is finished`));
    const before = this.#chain.mark();
    let lines: string;
    try {
      lines = this.#linesOf(events);
    } catch (error) {
      return this.#notTaken(error, before, weight);
    }
    try {
      if (lines !== '') this.#write(lines);
      // Nobody goes on with a command whose record went into a file without a name.
      if (weight !== 'note') this.#refuseUnlinked();
    } catch (error) {
      return rejected(this.fail(error));
    }
    return this.#safe(weight);
  }

  finish(end: SessionEnd): Promise<Checkpoint> {
    this.#finished ??= this.#finish(end);
    return this.#finished;
  }

  /** Signs what no checkpoint covers yet, and looks whether the file is still there. */
  beat(): void {
    if (!this.#open || this.#failed.signal.aborted || this.#finished) return;
    try {
      this.#refuseUnlinked();
      if (this.#chain.size > this.#signed) this.#write(this.#checkpointLine().line);
    } catch (error) {
      this.fail(error);
    }
  }

  async settle(): Promise<void> {
    if (this.#compressed) return this.#compressed;
    if (this.#failed.signal.aborted) throw this.#failed.signal.reason;
    const { disk, fd, folder } = this.#parts;
    try {
      await disk.sync(fd);
      if (!this.#folderSynced) await disk.syncFolder(folder);
      this.#folderSynced = true;
      if (this.#open) this.#refuseUnlinked();
    } catch (error) {
      // Sealed and closed meanwhile: then the compressed copy is what counts.
      if (this.#compressed) return this.#compressed;
      throw this.fail(error);
    }
  }

  /** @returns what every later call is told */
  fail(cause: unknown): HoopError {
    if (this.#failed.signal.aborted) return this.#failed.signal.reason;
    const why = cause instanceof Error ? cause.message : String(cause);
    const error =
      cause instanceof HoopError
        ? cause
        : fail('RECORDING_FAILED', `the recording of session ${this.session} cannot be written: ${why}`, { cause });
    this.#close();
    this.#failed.abort(error);
    this.#parts.onDone(this);
    return error;
  }

  async #finish(end: SessionEnd): Promise<Checkpoint> {
    if (this.#failed.signal.aborted) throw this.#failed.signal.reason;
    const { journal, file, compress, onDone } = this.#parts;
    let sealed: { line: string; checkpoint: Checkpoint };
    try {
      const closed = this.#chain.line({ type: 'session.closed', end }, this.#parts.now());
      sealed = this.#checkpointLine();
      this.#write(closed + sealed.line);
      this.#refuseUnlinked();
      await journal?.commit();
    } catch (error) {
      throw this.fail(error);
    }
    // The journal may have failed for somebody else's write while we waited for ours.
    if (this.#failed.signal.aborted) throw this.#failed.signal.reason;
    this.#compressed = compress(file);
    this.#compressed.catch(() => {});
    this.#close();
    onDone(this);
    return sealed.checkpoint;
  }

  #linesOf(events: readonly SessionEvent[]): string {
    const { now, resultsLimit, checkpointEvery } = this.#parts;
    const at = now();
    let lines = '';
    for (const event of events) {
      lines += this.#chain.line(event.type === 'result' ? limitResult(event, resultsLimit) : event, at);
    }
    if (this.#chain.size - this.#signed >= checkpointEvery) lines += this.#checkpointLine().line;
    return lines;
  }

  #checkpointLine(): { line: string; checkpoint: Checkpoint } {
    const { session, signer, now } = this.#parts;
    const at = this.#chain.time(now());
    const checkpoint = signer.sign({ session, size: this.#chain.size, root: this.#chain.root, at });
    const line = this.#chain.line({ type: 'checkpoint', ...checkpoint }, at);
    this.#signed = this.#chain.size;
    return { line, checkpoint };
  }

  #write(lines: string): void {
    const { disk, fd, journal, onUnsigned } = this.#parts;
    const bytes = Buffer.from(lines, 'utf8');
    disk.write(fd, bytes);
    journal?.add(this, bytes);
    if (this.#chain.size > this.#signed) onUnsigned(this);
    for (const onChange of this.#followers) onChange();
  }

  #safe(weight: Weight): Promise<void> | undefined {
    const { journal, durability } = this.#parts;
    if (!journal || !WAITS[durability][weight]) return undefined;
    return journal.commit().catch((error) => Promise.reject(this.fail(error)));
  }

  // The lines are not in the file: an intent is simply refused. A note has nobody to refuse it, and a recording that lacks it is not whole.
  #notTaken(error: unknown, before: ChainState, weight: Weight): Promise<void> {
    this.#chain.back(before);
    return rejected(weight === 'note' ? this.fail(error) : error);
  }

  #refuseUnlinked(): void {
    const { disk, fd, file } = this.#parts;
    if (!disk.linked(fd)) throw new Error(`${file} was removed while the session was running`);
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      this.#parts.disk.close(this.#parts.fd);
    } catch {
      // What closing would have told, the sync before it or the journal has.
    }
    for (const onChange of this.#followers) onChange();
  }
}

// Also for callers that wait for nothing: a rejection nobody looks at would end the process.
function rejected(error: unknown): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(() => {});
  return promise;
}

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
import type { Journal } from './journal.ts';
import { Part, type PartFile } from './part.ts';
import type { Share } from './quota.ts';
import { isFull, type Reserve } from './reserve.ts';
import { limitResult } from './result.ts';

/** Which events are safe against a crash of the machine before the caller goes on. Against one of the process all are. */
export type Durability = 'strict' | 'effects' | 'process';

const WAITS: Readonly<Record<Durability, Readonly<Record<Weight, boolean>>>> = {
  strict: { intent: true, read: true, note: false },
  effects: { intent: true, read: false, note: false },
  process: { intent: false, read: false, note: false },
};

/** How a recording ended. */
export interface Sealed {
  readonly checkpoint: Checkpoint;
  readonly end: SessionEnd;
}

export interface RecorderParts {
  readonly session: string;
  /** The first part. */
  readonly first: PartFile;
  readonly folder: string;
  readonly gateway: string;
  /** When a part is long or old enough for the next one. */
  readonly rotate: { readonly bytes: number; readonly ms: number };
  /** Makes the next part's file, with this line in it or not at all. */
  readonly nextPart: (part: number, line: Buffer) => PartFile;
  /** Milliseconds that never go back. */
  readonly monotonic: () => number;
  /** Holds the first line already. */
  readonly chain: Chain;
  /** The first line's size. */
  readonly firstBytes: number;
  readonly disk: Disk;
  readonly reserve: Reserve;
  /** What the run may still record. */
  readonly share: Share;
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
  readonly onDone: (recorder: SessionRecorder, sealed?: Sealed) => void;
  /** Told of lines once they are written, whole ones with their newlines, and at last that no more come. Must not throw. */
  readonly onWritten: ((lines: Buffer | undefined) => void) | undefined;
  /** Compresses the sealed file. Resolves when the copy is on the disk and has taken the file's place. */
  readonly compress: (file: string) => Promise<void>;
}

export class SessionRecorder implements Recorder {
  readonly #parts: RecorderParts;
  readonly #chain: Chain;
  readonly #failed = new AbortController();
  #signed = 0;
  #part: Part;
  #number = 1;
  #partBegan: number;
  #aged = false;
  /** Parts that are over, until they are packed. */
  #packing: Promise<void> = Promise.resolve();
  /** Not one more byte can be written. */
  #broken = false;
  #finished: Promise<Checkpoint> | undefined;
  #open = true;
  readonly #followers = new Set<() => void>();

  constructor(parts: RecorderParts) {
    this.#chain = parts.chain;
    this.#parts = parts;
    this.#part = this.#partOf(parts.first, parts.firstBytes);
    this.#partBegan = parts.monotonic();
    parts.share.add(parts.firstBytes);
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
  async begin(first: Buffer): Promise<void> {
    try {
      this.#parts.journal?.add(this.#part, first);
    } catch (error) {
      throw this.fail(error);
    }
    this.#parts.onUnsigned(this);
    this.#parts.onWritten?.(first);
    await this.#safe('intent', []);
  }

  append(events: readonly SessionEvent[], weight: Weight): Promise<void> | undefined {
    if (this.#broken || (this.#failed.signal.aborted && weight !== 'note')) return rejected(this.#failed.signal.reason);
    if (this.#finished)
      return rejected(fail('RECORDING_FINISHED', `the recording of session ${this.session} is finished`));
    const { used } = this.#parts.share;
    if (used && weight !== 'note') return rejected(used);
    const full = this.#nextPartWhenDue(weight);
    if (full) return full;
    const before = this.#chain.mark();
    let lines: string;
    try {
      lines = this.#linesOf(events);
    } catch (error) {
      return this.#notTaken(error, before, weight);
    }
    try {
      if (lines !== '' && !this.#write(lines, weight !== 'note')) return this.#full(before);
      // Nobody goes on with a command whose record went into a file without a name.
      if (weight !== 'note') this.#part.refuseUnlinked();
    } catch (error) {
      return rejected(this.fail(error));
    }
    return this.#safe(weight, events);
  }

  /** Lets nothing begin any more: the session is to end, and only what became of its commands is still written. */
  stop(error: HoopError): void {
    if (!this.#failed.signal.aborted) this.#failed.abort(error);
  }

  finish(end: SessionEnd): Promise<Checkpoint> {
    this.#finished ??= this.#finish(end);
    return this.#finished;
  }

  /** Signs what no checkpoint covers yet, and looks whether the file is still there. */
  beat(): void {
    if (!this.#open || this.#failed.signal.aborted || this.#finished) return;
    this.#aged ||= this.#parts.monotonic() - this.#partBegan >= this.#parts.rotate.ms;
    try {
      this.#part.refuseUnlinked();
      if (this.#chain.size > this.#signed) this.#write(this.#checkpointLine().line, false);
    } catch (error) {
      this.fail(error);
    }
  }

  /** @returns what every later call is told */
  fail(cause: unknown): HoopError {
    if (this.#broken) return this.#failed.signal.reason;
    this.#broken = true;
    const why = cause instanceof Error ? cause.message : String(cause);
    const error =
      cause instanceof HoopError
        ? cause
        : fail('RECORDING_FAILED', `the recording of session ${this.session} cannot be written: ${why}`, { cause });
    this.#close();
    this.stop(error);
    this.#parts.onDone(this);
    return error;
  }

  async #finish(end: SessionEnd): Promise<Checkpoint> {
    if (this.#broken) throw this.#failed.signal.reason;
    const { journal, compress, onDone } = this.#parts;
    let sealed: { line: string; checkpoint: Checkpoint };
    try {
      const closed = this.#chain.line({ type: 'session.closed', end }, this.#parts.now());
      sealed = this.#checkpointLine();
      this.#write(closed + sealed.line, false);
      this.#part.refuseUnlinked();
      await journal?.commit();
      if (this.#number > 1) await this.#packing;
    } catch (error) {
      throw this.fail(error);
    }
    // The journal may have failed for somebody else's write while we waited for ours.
    if (this.#broken) throw this.#failed.signal.reason;
    this.#part.pack(compress);
    this.#close();
    onDone(this, { checkpoint: sealed.checkpoint, end });
    return sealed.checkpoint;
  }

  #linesOf(events: readonly SessionEvent[]): string {
    const { now, checkpointEvery } = this.#parts;
    // Of the reserve, rows and what a terminal showed would take all there is.
    const stopped = this.#failed.signal.aborted;
    const resultsLimit = stopped ? 0 : this.#parts.resultsLimit;
    const at = now();
    let lines = '';
    for (const event of events) {
      if (stopped && event.type === 'stream') continue;
      // Nobody asks before each piece of a terminal's output: the session ends instead.
      if (event.type === 'stream' && this.#parts.share.used) this.stop(this.#parts.share.used);
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

  /** @returns false when the disk is full and the lines are no reason to touch the reserve: then they are not in the file */
  #write(lines: string, begins: boolean): boolean {
    const { disk, reserve, journal, onUnsigned } = this.#parts;
    const part = this.#part;
    const { fd } = part;
    const bytes = Buffer.from(lines, 'utf8');
    try {
      if (begins) disk.write(fd, bytes);
      else reserve.write(fd, bytes, part.bytes);
    } catch (error) {
      if (!begins || !isFull(error) || !reserve.spend()) throw error;
      disk.truncate(fd, part.bytes);
      return false;
    }
    part.bytes += bytes.length;
    journal?.add(part, bytes);
    if (this.#chain.size > this.#signed) onUnsigned(this);
    this.#tell(bytes);
    return true;
  }

  #tell(bytes: Buffer): void {
    this.#parts.share.add(bytes.length);
    for (const onChange of this.#followers) onChange();
    this.#parts.onWritten?.(bytes);
  }

  #partOf(file: PartFile, bytes: number): Part {
    const { disk, folder } = this.#parts;
    const broken = () => (this.#broken ? (this.#failed.signal.reason as Error) : undefined);
    return new Part({ ...file, disk, folder, broken, fail: (cause) => this.fail(cause) }, bytes);
  }

  /** A part that is long or old enough ends with a checkpoint, and another one goes on. @returns the refusal, where something failed */
  #nextPartWhenDue(weight: Weight): Promise<void> | undefined {
    if (this.#failed.signal.aborted || !(this.#aged || this.#part.bytes >= this.#parts.rotate.bytes)) return undefined;
    const before = this.#chain.mark();
    try {
      if (this.#chain.size > this.#signed && !this.#write(this.#checkpointLine().line, true)) {
        const refused = this.#full(before);
        return weight === 'note' ? undefined : refused;
      }
      const begun = this.#beginPart();
      return begun || weight === 'note' ? undefined : rejected(this.#failed.signal.reason);
    } catch (error) {
      return rejected(this.fail(error));
    }
  }

  /** @returns false when the disk is full: then it stays with this part, and the session ends */
  #beginPart(): boolean {
    const { session, gateway, nextPart, journal, onUnsigned, now, monotonic, reserve } = this.#parts;
    const before = this.#chain.mark();
    const number = this.#number + 1;
    const first = Buffer.from(this.#chain.line({ type: 'session.continued', session, part: number, gateway }, now()));
    const over = this.#part;
    try {
      this.#part = this.#partOf(nextPart(number, first), first.length);
    } catch (error) {
      if (!isFull(error)) throw error;
      reserve.spend();
      this.#chain.back(before);
      this.stop(diskFull());
      return false;
    }
    this.#number = number;
    this.#partBegan = monotonic();
    this.#aged = false;
    journal?.add(this.#part, first);
    onUnsigned(this);
    this.#tell(first);
    this.#packing = Promise.all([this.#packing, this.#packWhenFollowed(over, this.#part)]).then(() => {});
    return true;
  }

  // What comes after it is on the disk under its name first: the last part there is after a crash is then never a packed one.
  async #packWhenFollowed(over: Part, next: Part): Promise<void> {
    try {
      await next.settle();
      if (this.#broken) over.close();
      else over.pack(this.#parts.compress);
    } catch {
      // The recording failed, or is about to: the next start packs it.
      over.close();
    }
  }

  #full(before: ChainState): Promise<void> {
    this.#chain.back(before);
    this.#signed = Math.min(this.#signed, before.size);
    this.stop(diskFull());
    return rejected(this.#failed.signal.reason);
  }

  #safe(weight: Weight, events: readonly SessionEvent[]): Promise<void> | undefined {
    const { journal, durability } = this.#parts;
    // A disk that cannot follow holds up reads too, or they would run ahead of it without end.
    if (!journal || !(WAITS[durability][weight] || (journal.slow && weight === 'read'))) return undefined;
    return journal.commit().then(
      () => this.#stoppedMeanwhile(events),
      (error) => Promise.reject(this.fail(error)),
    );
  }

  // Its permit will not be given, and the recording says so.
  #stoppedMeanwhile(events: readonly SessionEvent[]): void {
    if (!this.#failed.signal.aborted) return;
    const outcomes = events.flatMap((event): SessionEvent[] =>
      event.type === 'command'
        ? [{ type: 'outcome', command: event.command, state: 'notForwarded', durationMs: 0 }]
        : [],
    );
    if (!this.#finished) this.append(outcomes, 'note');
    throw this.#failed.signal.reason;
  }

  // The lines are not in the file: an intent is simply refused. A note has nobody to refuse it, and a recording that lacks it is not whole.
  #notTaken(error: unknown, before: ChainState, weight: Weight): Promise<void> {
    this.#chain.back(before);
    return rejected(weight === 'note' ? this.fail(error) : error);
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#chain.forget();
    this.#part.close();
    for (const onChange of this.#followers) onChange();
    this.#parts.onWritten?.(undefined);
  }
}

export function diskFull(): HoopError {
  return fail('RECORDING_FAILED', 'the disk of the recordings or of their journal is full', {
    hint: 'make room on it; new sessions open again by themselves',
  });
}

// Also for callers that wait for nothing: a rejection nobody looks at would end the process.
function rejected(error: unknown): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(() => {});
  return promise;
}

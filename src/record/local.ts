/** The recordings of one gateway that has its folders, keys and locks: opens them, signs them in time, and closes. */
import { existsSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Cancel, Clock } from '../base/clock.ts';
import type { Recordings, SessionEvent } from '../domain/recording.ts';
import { Chain, lineHash, START } from './chain.ts';
import type { PublicKeys } from './checkpoint.ts';
import type { CodecName } from './codecs.ts';
import type { Compressor } from './compress.ts';
import type { Disk } from './disk.ts';
import { fail } from './errors.ts';
import { Journal } from './journal.ts';
import { lastSegmentNumber } from './journal-read.ts';
import type { RecordingKeys } from './keys.ts';
import { checkSessionId, dayOf, draftName, LIVE, partName } from './layout.ts';
import type { Lock } from './lock.ts';
import type { SessionLog } from './log/log.ts';
import type { PartFile } from './part.ts';
import { type Durability, diskFull, type Sealed, SessionRecorder } from './recorder.ts';
import type { Recovery } from './recover.ts';
import { createQuotas, type Quotas } from './quota.ts';
import { createReserve, type Reserve } from './reserve.ts';
import { createRetention, type OpenedEvent, type Retention } from './retention.ts';
import { createSealer, newKey, SCHEME } from './sealed-lines.ts';
import { wrapKey } from './unseal.ts';

export interface RecordingsOptions {
  /** Folder of the recordings; may be shared by several gateways. */
  readonly dir: string;
  /** Folder of the journal; each gateway has its own part of it. */
  readonly journalDir: string;
  /** Folder of this gateway's keys. */
  readonly keysDir: string;
  /** Folders that must not hold the keys, and that the keys' folder must not hold, beside the two above. */
  readonly keysApartFrom?: readonly string[];
  readonly gatewayId: string;
  readonly durability: Durability;
  readonly clock: Clock;
  /** Bytes of a result's rows that are kept; 64 KiB unless told. */
  readonly resultsLimit?: number;
  /** When a checkpoint is written into a running recording: after that many events, or that long after an event. */
  readonly checkpoint?: { readonly events?: number; readonly ms?: number };
  /** A journal segment is followed by the next when it holds more; 16 MiB unless told. */
  readonly journalSegmentBytes?: number;
  /** Room kept back on the disks of recordings and journal for closing what runs when they are full; 4 MiB on each unless told. */
  readonly reserveBytes?: number;
  readonly disk?: Disk;
  /** What sealed recordings are packed with; gzip unless told. */
  readonly compress?: CodecName;
  /** A session's recording goes on in another file when this one holds so much, or is that old; 1 GiB and a day unless told. */
  readonly rotate?: { readonly bytes?: number; readonly ms?: number };
  /** Bytes one run may record; without it there is no bound. */
  readonly quotaPerRun?: number;
  /** age recipients: what is said in a session is then for them to read, and for nobody else. */
  readonly recipients?: readonly string[];
  /**
   * Told of what is written into recordings, as it is written: whole lines, and undefined when a session's recording gets no more. Called on the way of
   * commands: must not throw, and must not do more than take it.
   */
  readonly onWritten?: (session: string, lines: Buffer | undefined) => void;
  /** Opens the private key; seals it where it lies open. */
  readonly keysPassphrase?: string;
  /** Keeps the log of sessions below the recordings, as the gateway does: no session opens before its leaf is in it. */
  readonly log?: { readonly version: string };
  /** Told what went wrong without harm to a promise, such as a recording that could not be compressed. */
  readonly warn?: (message: string, error: unknown) => void;
}

/** {@link Recordings} on a local disk. */
export interface LocalRecordings extends Recordings {
  /** 32 bytes of the gateway's own for one purpose, the same after a restart. */
  purposeKey(purpose: string): Uint8Array;
  /** What was done at start about recordings that were never sealed. */
  readonly recovery: Recovery;
  readonly publicKey: { readonly id: string; readonly pem: string; readonly trusted: PublicKeys };
  /** The log of sessions, where one is kept. */
  readonly log: SessionLog | undefined;
  /** Whether a session's recording is open in this gateway. */
  isLive(session: string): boolean;
  /** Calls back when a recording that is open here grew, and when it is over. @returns undefined when it is not open here */
  follow(session: string, onChange: () => void): { readonly over: boolean; stop(): void } | undefined;
  forgetRun(run: string): void;
  /** Removes what is old enough, with a leaf in the log for each. @param held what must stay however old it is */
  retention(keepMs: number, held: (opened: OpenedEvent) => boolean): Retention;
  /** Fails when nothing could be recorded now. For /readyz. */
  check(): Promise<void>;
  /**
   * Waits until sealed recordings are compressed and on the disk, and gives the files back. Finish the sessions first: one that is
   * still open fails, and the next start closes it as crashed.
   */
  close(): Promise<void>;
}

type Opened = Extract<SessionEvent, { type: 'session.opened' }>;

const DEFAULTS = {
  resultsLimit: 64 * 1024,
  events: 1_000,
  ms: 1_000,
  segment: 16 * 1024 * 1024,
  reserve: 4 * 1024 * 1024,
  partBytes: 1024 ** 3,
  partMs: 24 * 3_600_000,
};

export interface Held {
  readonly journalDir: string;
  readonly disk: Disk;
  readonly keys: RecordingKeys;
  readonly compressor: Compressor;
  readonly recovery: Recovery;
  readonly log?: SessionLog;
  readonly locks: readonly Lock[];
  readonly warn: (message: string, error: unknown) => void;
}

/** /readyz does not wait for a disk that does not answer. */
const CHECK_MS = 2_000;

// Beats are spread so that many quiet sessions do not hold up one that is busy: a signature takes about 50 µs.
const BEATS_AT_ONCE = 16;

export class DiskRecordings implements LocalRecordings {
  readonly recovery: Recovery;
  readonly publicKey: LocalRecordings['publicKey'];
  readonly log: SessionLog | undefined;
  readonly #options: RecordingsOptions;
  readonly #held: Held;
  readonly #live = new Map<string, SessionRecorder>();
  readonly #unsigned = new Set<SessionRecorder>();
  readonly #days = new Map<string, Promise<void>>();
  readonly #reserve: Reserve;
  readonly #quotas: Quotas;
  #journal: Journal | undefined;
  #beat: Cancel | undefined;
  #time = { ms: Number.NaN, text: '' };
  #closed = false;

  constructor(options: RecordingsOptions, held: Held) {
    this.#options = options;
    this.#held = held;
    this.recovery = held.recovery;
    this.log = held.log;
    const { signer, publicPem, trusted } = held.keys;
    const { journalDir, disk, warn } = held;
    this.#reserve = createReserve({
      disk,
      clock: options.clock,
      files: [join(options.dir, '.gateways', `${options.gatewayId}.reserve`), join(journalDir, 'reserve')],
      bytes: options.reserveBytes ?? DEFAULTS.reserve,
      onSpent: () => this.#stopAll(),
      warn,
    });
    this.#quotas = createQuotas(options.quotaPerRun);
    this.publicKey = { id: signer.keyId, pem: publicPem, trusted };
  }

  async open(opened: Opened): Promise<SessionRecorder> {
    const { session } = opened;
    checkSessionId(session);
    if (opened.gateway !== this.#options.gatewayId) {
      throw fail('EVENT_INVALID', `session ${session} is opened in the name of gateway "${opened.gateway}"`);
    }
    if (this.#closed) throw fail('RECORDING_FAILED', 'the recordings are closed');
    const { used } = this.#quotas.of(opened.run);
    if (used) throw used;
    if (!this.#reserve.restore()) throw diskFull();
    try {
      return await this.#create(opened);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw fail('RECORDING_FAILED', `the recording of session ${session} cannot be opened: ${why}`, { cause });
    }
  }

  fingerprint(bytes: Uint8Array): string {
    return this.#held.keys.fingerprint(bytes);
  }

  purposeKey(purpose: string): Uint8Array {
    return this.#held.keys.purposeKey(purpose);
  }

  forgetRun(run: string): void {
    this.#quotas.forget(run);
  }

  retention(keepMs: number, held: (opened: OpenedEvent) => boolean): Retention {
    const { dir, gatewayId, clock } = this.#options;
    const { disk, keys } = this.#held;
    return createRetention({
      recordings: dir,
      gateway: gatewayId,
      trusted: keys.trusted,
      disk,
      clock,
      keepMs,
      held,
      onExpired: async ({ session, root }) => {
        if (!this.log) throw fail('LOG_FAILED', 'nothing is removed where no log of sessions says that it was');
        await this.log.append({ type: 'recording.expired', session, root, why: 'retention' });
      },
    });
  }

  isLive(session: string): boolean {
    return this.#live.has(session);
  }

  follow(session: string, onChange: () => void): ReturnType<LocalRecordings['follow']> {
    const recorder = this.#live.get(session);
    if (!recorder) return undefined;
    const stop = recorder.follow(onChange);
    return {
      get over() {
        return recorder.over;
      },
      stop,
    };
  }

  async check(): Promise<void> {
    if (this.#closed) throw fail('RECORDING_FAILED', 'the recordings are closed');
    if (!this.#reserve.restore()) throw diskFull();
    await inTime(this.#probe(), this.#options.clock);
    await this.log?.check();
  }

  async #probe(): Promise<void> {
    await this.#ensureDay(dayOf(this.#now()));
    const { dir, gatewayId } = this.#options;
    tryRoom(join(dir, '.gateways', `${gatewayId}.probe`), this.#held.disk);
    await this.#currentJournal()?.commit();
  }

  #stopAll(): void {
    const full = diskFull();
    this.#held.warn('no session may begin until there is room again', full);
    for (const recorder of [...this.#live.values()]) recorder.stop(full);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#beat?.();
    for (const recorder of [...this.#live.values()]) {
      recorder.beat();
      recorder.fail(fail('RECORDING_FINISHED', 'the recordings were closed before the session ended'));
    }
    try {
      await this.#held.compressor.idle();
      await this.log?.close();
      await this.#journal?.close();
    } finally {
      for (const lock of this.#held.locks) lock.release();
    }
  }

  async #create(opened: Opened): Promise<SessionRecorder> {
    const { disk, keys, compressor } = this.#held;
    const {
      durability,
      checkpoint = {},
      resultsLimit = DEFAULTS.resultsLimit,
      gatewayId,
      dir,
      onWritten,
      rotate = {},
      clock,
    } = this.#options;
    const day = dayOf(this.#now());
    const [sealing] = await Promise.all([this.#sealing(opened.session), this.#ensureDay(day)]);
    const { session } = opened;
    const folder = join(dir, day);
    const nextPart = (part: number, line: Buffer): PartFile => {
      const name = partName(session, part);
      const file = join(folder, name + LIVE);
      return { path: `${day}/${name}`, file, fd: createWith(line, file, gatewayId, disk) };
    };
    // After the last await: from here to the first line nothing comes between.
    const journal = this.#currentJournal();
    const chain = new Chain(START, sealing?.sealer);
    const first = Buffer.from(chain.line({ ...opened, ...sealing?.said }, this.#now()));
    const file = nextPart(1, first);
    const leaf = { session: opened.session, path: `${day}/${opened.session}`, first: lineHash(first.subarray(0, -1)) };
    const recorder = new SessionRecorder({
      session,
      first: file,
      folder,
      gateway: gatewayId,
      rotate: { bytes: rotate.bytes ?? DEFAULTS.partBytes, ms: rotate.ms ?? DEFAULTS.partMs },
      nextPart,
      monotonic: () => clock.monotonic(),
      chain,
      firstBytes: first.length,
      disk,
      reserve: this.#reserve,
      share: this.#quotas.of(opened.run),
      journal,
      signer: keys.signer,
      durability,
      now: () => this.#now(),
      checkpointEvery: checkpoint.events ?? DEFAULTS.events,
      resultsLimit,
      onUnsigned: (unsigned) => this.#remember(unsigned),
      onDone: (done, sealed) => {
        this.#forget(done);
        if (sealed) this.#logSeal(leaf, sealed);
      },
      onWritten: onWritten && ((lines) => onWritten(opened.session, lines)),
      compress: (source) => compressor.compress(source),
    });
    this.#live.set(opened.session, recorder);
    // At the same time: both wait for the disk.
    const begun = await Promise.allSettled([
      recorder.begin(first),
      this.log?.append({ type: 'session.opened', ...leaf }),
    ]);
    for (const step of begun) if (step.status === 'rejected') throw recorder.fail(step.reason);
    return recorder;
  }

  /** A key for this session alone, wrapped before it is used. */
  async #sealing(session: string) {
    const { recipients } = this.#options;
    if (!recipients) return undefined;
    const key = newKey();
    const encryption = { scheme: SCHEME, recipients, key: await wrapKey(key, recipients) };
    return { sealer: createSealer(session, key), said: { encryption } };
  }

  // A journal that failed takes nothing more, and its sessions are over. New sessions get a new one: the disk may have room again.
  #currentJournal(): Journal | undefined {
    if (this.#options.durability === 'process') return undefined;
    if (this.#journal && !this.#journal.failed) return this.#journal;
    const { journalDir, disk, keys, warn } = this.#held;
    const journal: Journal = new Journal({
      folder: journalDir,
      disk,
      reserve: this.#reserve,
      clock: this.#options.clock,
      mac: keys.journalMac,
      first: Math.max(lastSegmentNumber(journalDir) + 1, this.#journal?.nextNumber ?? 1),
      segmentBytes: this.#options.journalSegmentBytes ?? DEFAULTS.segment,
      onFailed: (error) => this.#journalFailed(journal, error),
      warn,
    });
    this.#journal = journal;
    return journal;
  }

  #journalFailed(journal: Journal, error: unknown): void {
    for (const recorder of [...this.#live.values()]) if (recorder.journal === journal) recorder.fail(error);
  }

  // Folders are made one by one and never the first of them: when the whole disk is gone, its mount point must not fill up instead.
  #ensureDay(day: string): Promise<void> {
    const known = this.#days.get(day);
    if (known && existsSync(join(this.#options.dir, day))) return known;
    const made = this.#makeDay(day);
    this.#days.clear();
    this.#days.set(day, made);
    made.catch(() => this.#days.delete(day));
    return made;
  }

  async #makeDay(day: string): Promise<void> {
    let folder = this.#options.dir;
    for (const part of day.split('/')) {
      const parent = folder;
      folder = join(parent, part);
      if (existsSync(folder)) continue;
      this.#held.disk.makeFolder(folder);
      await this.#held.disk.syncFolder(parent);
    }
  }

  #remember(recorder: SessionRecorder): void {
    this.#unsigned.add(recorder);
    const ms = this.#options.checkpoint?.ms ?? DEFAULTS.ms;
    this.#beat ??= this.#options.clock.after(ms, () => this.#signAll());
  }

  #forget(recorder: SessionRecorder): void {
    this.#unsigned.delete(recorder);
    this.#live.delete(recorder.session);
  }

  // Nobody waits for it. What does not get there now is in the log after the next start.
  #logSeal(leaf: { session: string; path: string; first: string }, { checkpoint, end }: Sealed): void {
    const { size, root } = checkpoint;
    this.log
      ?.append({ type: 'session.sealed', ...leaf, size, root, end: end.kind })
      .catch((error) => this.#held.warn(`the seal of session ${leaf.session} is not in the log yet`, error));
  }

  #signAll(): void {
    this.#beat = undefined;
    const due = [...this.#unsigned];
    this.#unsigned.clear();
    const some = () => {
      for (const recorder of due.splice(0, BEATS_AT_ONCE)) recorder.beat();
      if (due.length > 0) setImmediate(some);
    };
    some();
  }

  // Several commands fall into one millisecond, and making the text costs more than hashing a line.
  #now(): string {
    const ms = this.#options.clock.now();
    if (ms !== this.#time.ms) this.#time = { ms, text: new Date(ms).toISOString() };
    return this.#time.text;
  }
}

/** The file appears under its name with its first line in it, or not at all. */
function createWith(first: Uint8Array, file: string, gateway: string, disk: Disk): number {
  if (existsSync(file)) throw fail('RECORDING_EXISTS', `${file} exists`);
  const draft = join(dirname(file), draftName(gateway, `${basename(file)}.new`));
  const fd = disk.create(draft);
  try {
    disk.write(fd, first);
    disk.rename(draft, file);
    return fd;
  } catch (error) {
    disk.close(fd);
    // A draft is nobody's; where the disk does not even remove it, the next start does.
    rmSync(draft, { force: true });
    throw error;
  }
}

/** @throws what the disk says where nothing can be written to it */
function tryRoom(path: string, disk: Disk): void {
  rmSync(path, { force: true });
  const fd = disk.create(path);
  try {
    disk.write(fd, Buffer.alloc(4096));
  } finally {
    disk.close(fd);
    rmSync(path, { force: true });
  }
}

async function inTime(work: Promise<void>, clock: Clock): Promise<void> {
  const late = Promise.withResolvers<never>();
  const cancel = clock.after(CHECK_MS, () =>
    late.reject(fail('RECORDING_FAILED', `the disk of the recordings has not answered for ${CHECK_MS / 1000} s`)),
  );
  try {
    await Promise.race([work, late.promise]);
  } finally {
    cancel();
  }
}

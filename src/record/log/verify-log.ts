/**
 * Verifies the log of a gateway, and every recording against it: what the log names must be there with that first line and that root, and what is
 * there must be in the log.
 */
import { createHash, hash, verify } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Grade } from '../../domain/recording.ts';
import { fail } from '../errors.ts';
import { LIVE, recordingsBelow, sealedCopyOf, whereIs } from '../layout.ts';
import type { Problem } from '../verifier.ts';
import { type VerifyOptions, type VerifyReport, verifyRecording } from '../verify.ts';
import { gatewayOfOrigin, isTrustedHead, originOf, parseHead, type SignedHead } from './head.ts';
import { type LoggedLeaf, rotationStatement } from './leaf.ts';
import { contradictionsOf } from './lookup.ts';
import { logFolder, logsBelow } from './places.ts';
import { folderReader } from './restore.ts';
import type { TileReader } from './tiles.ts';
import { type Fixed, type LogProblem, LogWalk } from './walk.ts';

export interface LogReport {
  readonly kind: 'log';
  readonly gateway: string;
  readonly grade: Extract<Grade, 'complete' | 'tampered' | 'missing'>;
  readonly size: number;
  /** Base64, as in the note. */
  readonly root?: string;
  /** How many leaves there are of each type. */
  readonly leaves: Readonly<Record<string, number>>;
  /** Sizes of the noted checkpoints that this log continues. */
  readonly since: readonly number[];
  readonly problems: readonly LogProblem[];
  readonly problemCount: number;
  readonly notices: readonly string[];
}

/** A recording, as the log knows it. */
export interface LoggedReport extends VerifyReport {
  readonly kind: 'recording';
  readonly log?: { readonly gateway: string; readonly opened?: number; readonly sealed?: number };
}

export interface VerifyLogOptions extends VerifyOptions {
  /** Signed notes that were printed earlier; each names its log. */
  readonly since?: readonly { readonly bytes: Uint8Array; readonly from: string }[];
}

/**
 * Every log below a folder of recordings, every recording it tells of, and every one it does not.
 *
 * @throws LOG_NOT_FOUND where there is no log at all; NOTE_INVALID for a note that no given key signed
 */
export async function* verifyLogs(
  recordings: string,
  options: VerifyLogOptions,
): AsyncGenerator<LogReport | LoggedReport> {
  const since = readNotes(options);
  const gateways = new Set([...logsBelow(recordings), ...since.keys()]);
  if (gateways.size === 0) throw fail('LOG_NOT_FOUND', `there is no log of sessions below ${recordings}`);
  const readers = new Map<string, LogReader>();
  for (const gateway of gateways) {
    const log = new LogReader(
      gateway,
      folderReader(logFolder(recordings, gateway)),
      options,
      since.get(gateway),
      recordings,
    );
    readers.set(gateway, log);
    yield* log.all();
  }
  yield* unlogged(recordings, readers, options);
  for (const log of readers.values()) yield* log.rest();
  for (const log of readers.values()) yield log.report();
}

/** A log by itself, from wherever its files can be read. */
export async function verifyLogAlone(gateway: string, read: TileReader, options: VerifyLogOptions): Promise<LogReport> {
  const log = new LogReader(gateway, read, options, readNotes(options).get(gateway));
  for await (const _ of log.all());
  return log.report();
}

function readNotes({ since = [], keys }: VerifyLogOptions): Map<string, Fixed[]> {
  const notes = new Map<string, Fixed[]>();
  for (const { bytes, from } of since) {
    const head = parseHead(bytes);
    const gateway = head && gatewayOfOrigin(head.origin);
    if (!head || gateway === undefined) throw fail('NOTE_INVALID', `${from} is no checkpoint of a gateway's log`);
    if (!isTrustedHead(head, keys)) throw fail('NOTE_INVALID', `${from} is not signed with a key that was given`);
    notes.set(gateway, [...(notes.get(gateway) ?? []), { size: head.size, root: head.root, from }]);
  }
  return notes;
}

type Opened = Extract<LoggedLeaf, { type: 'session.opened' }>;
type SealedLeaf = Extract<LoggedLeaf, { type: 'session.sealed' }>;

interface OpenLeaf {
  readonly index: number;
  readonly leaf: Opened;
}

class LogReader {
  /** When its first leaf was written: recordings from before it are not its business. */
  begins: string | undefined;
  readonly #gateway: string;
  readonly #read: TileReader;
  readonly #options: VerifyLogOptions;
  readonly #recordings: string | undefined;
  readonly #fixed: readonly Fixed[];
  readonly #open = new Map<string, OpenLeaf>();
  /** Sessions whose file is gone: `expired` may still come. */
  readonly #gone = new Map<string, { readonly report: LoggedReport; readonly root: string | undefined }>();
  /** All sessions, by a hash of their ids. */
  readonly #seen = new Set<number>();
  readonly #leaves: Record<string, number> = {};
  readonly #notices: string[] = [];
  #walk: LogWalk;
  #head: SignedHead | undefined;

  constructor(
    gateway: string,
    read: TileReader,
    options: VerifyLogOptions,
    fixed: readonly Fixed[] = [],
    recordings?: string,
  ) {
    this.#gateway = gateway;
    this.#read = read;
    this.#options = options;
    this.#recordings = recordings;
    this.#fixed = fixed;
    this.#walk = new LogWalk(read);
  }

  knows(session: string): boolean {
    return this.#seen.has(shortOf(session));
  }

  async *all(): AsyncGenerator<LoggedReport> {
    const witnessed = await this.#witnessed();
    this.#walk = new LogWalk(this.#read, [...this.#fixed, ...witnessed]);
    yield* this.more();
  }

  /** What is still open, and what is gone. */
  async *rest(): AsyncGenerator<LoggedReport> {
    for (const open of this.#open.values()) yield* this.#recordingOf(open, undefined, this.#options);
    for (const { report } of this.#gone.values()) yield report;
  }

  /** What was added since it was last read. */
  async *more(): AsyncGenerator<LoggedReport> {
    const head = await this.#readHead();
    if (!head) return;
    this.#head = head;
    for await (const { index, leaf } of this.#walk.to(head)) yield* this.#take(index, leaf);
  }

  report(): LogReport {
    const { problems, problemCount, size } = this.#walk;
    for (const { size: noted, from } of this.#fixed) {
      if (noted > (this.#head?.size ?? 0))
        this.#walk.problem(
          'since',
          `the log has ${this.#head?.size ?? 0} leaves, and had ${noted} at ${from}: an older copy was put back, or its end was cut off`,
        );
    }
    return {
      kind: 'log',
      gateway: this.#gateway,
      grade:
        this.#head === undefined && problemCount === 0
          ? 'missing'
          : this.#walk.problemCount > 0
            ? 'tampered'
            : 'complete',
      size,
      ...(this.#head ? { root: this.#head.root.toString('base64') } : {}),
      leaves: this.#leaves,
      since: this.#walk.problems.some(({ code }) => code === 'since')
        ? []
        : this.#fixed.map(({ size: noted }) => noted),
      problems,
      problemCount: this.#walk.problemCount,
      notices: this.#notices,
    };
  }

  async #readHead(): Promise<SignedHead | undefined> {
    const bytes = await this.#read('checkpoint');
    const head = bytes && parseHead(bytes);
    if (bytes === undefined) this.#walk.problem('signature', 'there is no checkpoint');
    else if (!head) this.#walk.problem('signature', 'the checkpoint is none');
    else if (head.origin !== originOf(this.#gateway))
      this.#walk.problem(
        'origin',
        `the checkpoint is of the log ${JSON.stringify(head.origin)}, not of ${this.#gateway}`,
      );
    else if (!isTrustedHead(head, this.#options.keys))
      this.#walk.problem('key', 'the checkpoint is not signed with a key that was given');
    else return head;
    return undefined;
  }

  // It was a head of this log once: the log must still begin with it.
  async #witnessed(): Promise<Fixed[]> {
    const bytes = await this.#read('witnessed');
    const head = bytes && parseHead(bytes);
    if (!head || !isTrustedHead(head, this.#options.keys) || head.origin !== originOf(this.#gateway)) return [];
    return [{ size: head.size, root: head.root, from: 'the witnessed checkpoint beside it' }];
  }

  async *#take(index: number, leaf: LoggedLeaf): AsyncGenerator<LoggedReport> {
    this.#leaves[leaf.type] = (this.#leaves[leaf.type] ?? 0) + 1;
    this.begins ??= leaf.at;
    switch (leaf.type) {
      case 'gateway.started':
        if (leaf.gateway !== this.#gateway)
          this.#walk.problem('leaf', `gateway ${JSON.stringify(leaf.gateway)} began in this log`, index);
        // Its last life is over: no session of it is open any more.
        for (const open of this.#open.values())
          yield* this.#recordingOf(open, undefined, { ...this.#options, allowOpen: false, isLive: () => false });
        this.#open.clear();
        break;
      case 'session.opened':
        if (this.knows(leaf.session)) this.#walk.problem('session', `session ${leaf.session} was opened before`, index);
        this.#seen.add(shortOf(leaf.session));
        this.#open.set(leaf.session, { index, leaf });
        break;
      case 'session.sealed': {
        const open = this.#open.get(leaf.session);
        this.#open.delete(leaf.session);
        if (!open || open.leaf.first !== leaf.first || open.leaf.path !== leaf.path)
          this.#walk.problem('session', `session ${leaf.session} was sealed, and not opened like that`, index);
        else yield* this.#recordingOf(open, { index, leaf }, this.#options);
        break;
      }
      case 'recording.expired':
        yield* this.#expired(leaf);
        break;
      case 'key.rotated':
        this.#rotated(leaf, index);
        break;
      default:
      // What the others say is in nothing else.
    }
  }

  *#expired({ session, root, why }: Extract<LoggedLeaf, { type: 'recording.expired' }>): Generator<LoggedReport> {
    const gone = this.#gone.get(session);
    this.#gone.delete(session);
    if (gone?.root !== undefined && gone.root !== root)
      this.#walk.problem('session', `session ${session} expired with another root than it was sealed with`);
    if (gone) yield { ...gone.report, grade: 'expired', notices: [`removed: ${why}; its root was ${root}`] };
  }

  #rotated(leaf: Extract<LoggedLeaf, { type: 'key.rotated' }>, index: number): void {
    const { from, to, public: der, signature } = leaf;
    const { keys } = this.#options;
    const old = keys.get(from);
    const named = createHash('sha256').update(Buffer.from(der, 'base64')).digest('hex').slice(0, 32);
    const statement = rotationStatement(this.#gateway, from, to, der);
    if (named !== to || (old && !verify(null, statement, old, Buffer.from(signature, 'base64'))))
      this.#walk.problem('key', `the key ${to} is not vouched for by ${from}`, index);
    else if (!keys.has(to)) this.#notices.push(`key ${from} gave way to ${to} on ${leaf.at}: give that key too`);
  }

  /** The recording a leaf tells of, where this folder has recordings at all. */
  async *#recordingOf(
    open: OpenLeaf,
    sealed: { index: number; leaf: SealedLeaf } | undefined,
    options: VerifyOptions,
  ): AsyncGenerator<LoggedReport> {
    if (this.#recordings === undefined) return;
    const { session, path, at } = open.leaf;
    const log = { gateway: this.#gateway, opened: open.index, ...(sealed ? { sealed: sealed.index } : {}) };
    const base = join(this.#recordings, path);
    const isPlace = new RegExp(`^\\d{4}/\\d\\d/\\d\\d/${RegExp.escape(session)}$`).test(path);
    const file = !isPlace ? undefined : (sealedCopyOf(base + LIVE) ?? whereIs(base + LIVE));
    if (file === undefined) {
      const missing = missingReport(session, base + LIVE, at);
      this.#gone.set(session, { report: { ...missing, kind: 'recording', log }, root: sealed?.leaf.root });
      return;
    }
    const report = await verifyRecording(file, { ...options, session });
    const problems = disagreements(report, open.leaf, sealed?.leaf);
    const late = !sealed && report.sealed ? ['its seal is not in the log yet'] : [];
    // Under the name that the log has for it, whatever the file says of itself.
    const notices = [...report.notices, ...late];
    yield { kind: 'recording', ...withProblems(report, problems), session, notices, log };
  }
}

/** Recordings that no log tells of. A log that grows meanwhile is read on before anything is said. */
async function* unlogged(
  recordings: string,
  logs: ReadonlyMap<string, LogReader>,
  options: VerifyLogOptions,
): AsyncGenerator<LoggedReport> {
  const isKnown = (session: string) => logs.values().some((log) => log.knows(session));
  const there = [...recordingsBelow(recordings)];
  const unknown = there.filter(({ session, part }) => part === 1 && !isKnown(session));
  // Parts whose recording lacks what comes before them.
  for (const { path, session, part } of there)
    if (part > 1) yield { kind: 'recording', ...(await verifyRecording(path, { ...options, session })) };
  if (unknown.length > 0) for (const log of logs.values()) yield* log.more();
  for (const { path, session } of unknown) {
    if (isKnown(session)) continue;
    const report = await verifyRecording(existsSync(path) ? path : (sealedCopyOf(path) ?? path), {
      ...options,
      session,
    });
    const { gateway = '', openedAt = '' } = report;
    const begins = logs.get(gateway)?.begins;
    const isOlder = begins !== undefined && openedAt < begins;
    if (isOlder) yield { kind: 'recording', ...report, notices: [...report.notices, 'it is older than the log'] };
    else if (report.grade === 'open')
      yield { kind: 'recording', ...report, notices: [...report.notices, 'it is not in the log yet'] };
    else {
      const message =
        begins === undefined
          ? `there is no log of its gateway ${JSON.stringify(gateway)}`
          : 'the log does not tell of it';
      yield { kind: 'recording', ...withProblems(report, [{ code: 'log', message }]) };
    }
  }
}

function disagreements(report: VerifyReport, opened: Opened, sealed: SealedLeaf | undefined): Problem[] {
  const said = [opened, ...(sealed ? [sealed] : [])].flatMap((leaf) => contradictionsOf(leaf, report));
  return said.map((message) => ({ code: 'log', message }));
}

export function withProblems(report: VerifyReport, problems: readonly Problem[]): VerifyReport {
  if (problems.length === 0) return report;
  return {
    ...report,
    grade: 'tampered',
    problems: [...report.problems, ...problems],
    problemCount: report.problemCount + problems.length,
  };
}

function missingReport(session: string, path: string, openedAt: string): VerifyReport {
  return {
    session,
    path,
    openedAt,
    grade: 'missing',
    events: 0,
    signedUpTo: 0,
    unsignedTail: 0,
    sealed: false,
    problems: [],
    problemCount: 0,
    notices: [`the log tells of it since ${openedAt}, and there is no file`],
  };
}

// A number takes a tenth of what the id does. At 48 bits a recording that nobody logged passes for one that was once in 2^48 / sessions tries, and
// to be signed it has to come from the key's holder.
function shortOf(session: string): number {
  return hash('sha256', session, 'buffer').readUIntBE(0, 6);
}

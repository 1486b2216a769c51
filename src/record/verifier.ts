/** Checks one recording line by line: sequence, chain, form, order, signatures. Sees bytes, knows no files. */
import { isUtf8 } from 'node:buffer';
import type { SessionEnd } from '../domain/end.ts';
import type { Checkpoint } from '../domain/recording.ts';
import { canonicalJson, GENESIS, lineHash, LONGEST_LINE } from './chain.ts';
import { isSigned, type PublicKeys } from './checkpoint.ts';
import { LineScan } from './line-scan.ts';
import { CommandOrder, type RawEvent } from './order.ts';

export type ProblemCode =
  | 'json'
  | 'canonical'
  | 'sequence'
  | 'chain'
  | 'time'
  | 'order'
  | 'session'
  | 'key'
  | 'signature'
  | 'sealed'
  | 'length'
  | 'gzip'
  | 'twice'
  | 'log';

/** Something that no honest recording has. */
export interface Problem {
  readonly code: ProblemCode;
  /** Counted from 1, as editors do. */
  readonly line?: number;
  readonly message: string;
}

/** What the lines themselves say about the session; trusted as far as the grade is. */
export interface Described {
  readonly session?: string;
  readonly run?: string;
  readonly gateway?: string;
  readonly openedAt?: string;
  readonly closedAt?: string;
  readonly end?: SessionEnd;
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const PROBLEMS_KEPT = 16;

export class Verifier {
  readonly problems: Problem[] = [];
  problemCount = 0;
  described: Described = {};
  /** Lines seen. */
  events = 0;
  /** Lines covered by the last good checkpoint, while nothing was wrong before it. */
  signedUpTo = 0;
  /** The last good checkpoint. */
  checkpoint: Checkpoint | undefined;
  /** `session.closed` and its checkpoint are the last lines. */
  sealed = false;
  /** There was a `session.closed`. */
  closed = false;
  root = GENESIS;
  /** SHA-256 of the first line, hex. */
  first: string | undefined;
  at = '';
  readonly #keys: PublicKeys;
  readonly #expected: string | undefined;
  readonly #order = new CommandOrder();
  readonly #scan = new LineScan();
  #seq = 0;
  #part = 1;
  /** The number of the part that the next line begins. */
  #begins: number | undefined;
  #last: unknown;

  /** @param expected the session the recording must be of, where its name says so */
  constructor(keys: PublicKeys, expected?: string) {
    this.#keys = keys;
    this.#expected = expected;
  }

  /** Commands that were sent and have no outcome. */
  get inFlight(): readonly string[] {
    return this.#order.inFlight;
  }

  /** The part the last line is in. */
  get part(): number {
    return this.#part;
  }

  /** The last line is a checkpoint: a part may end here. */
  get mayBreak(): boolean {
    return this.#last === 'checkpoint';
  }

  /** The next line is the first of a file that its name says is that part. */
  beginPart(part: number): void {
    if (this.sealed) this.add('sealed', `there is a part ${part} after the seal`);
    this.#begins = part;
  }

  /**
   * Takes the next line, without its newline.
   *
   * @param hash its SHA-256 in hex, where that is known already
   * @returns false when something is wrong with it
   */
  line(bytes: Uint8Array, hash: string = lineHash(bytes)): boolean {
    const before = this.problemCount;
    this.events += 1;
    if (this.sealed) this.#problem('sealed', 'there is a line after the seal');
    const event = this.#parse(bytes);
    if (event) this.#check(event);
    this.root = hash;
    this.first ??= this.root;
    this.#seq += 1;
    return this.problemCount === before;
  }

  /** Something wrong that is not in a line. */
  add(code: ProblemCode, message: string): void {
    this.problemCount += 1;
    if (this.problems.length < PROBLEMS_KEPT) this.problems.push({ code, message });
  }

  #problem(code: ProblemCode, message: string): void {
    this.problemCount += 1;
    if (this.problems.length < PROBLEMS_KEPT) this.problems.push({ code, line: this.events, message });
  }

  #parse(bytes: Uint8Array): RawEvent | undefined {
    if (bytes.length > LONGEST_LINE)
      return void this.#problem('length', `the line is longer than ${LONGEST_LINE} bytes`);
    const scanned = this.#scan.read(bytes, this.root);
    if (scanned) return scanned;
    if (!isUtf8(bytes)) return void this.#problem('json', 'the line is not UTF-8');
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
    let event: unknown;
    try {
      event = JSON.parse(text);
    } catch {
      return void this.#problem('json', 'the line is not JSON');
    }
    if (typeof event !== 'object' || event === null || Array.isArray(event)) {
      return void this.#problem('json', 'the line is not a JSON object');
    }
    // One value, one text: duplicate keys, spaces and other spellings of the same string could mean different things to different readers.
    if (!isCanonical(event, text)) this.#problem('canonical', 'the line is not written as the recorder writes');
    return event as RawEvent;
  }

  #check(event: RawEvent): void {
    const { seq, at, prev, type } = event;
    if (this.events === 1 && type === 'session.continued') return this.#alone(event);
    if (seq !== this.#seq) this.#problem('sequence', `expected event ${this.#seq}, found ${shown(seq)}`);
    if (prev !== this.root) this.#problem('chain', 'the line does not follow the one before it');
    if (typeof at !== 'string' || !TIME.test(at) || at < this.at) {
      this.#problem('time', `the time ${shown(at)} is not a time at or after the line before`);
    } else {
      this.at = at;
    }
    // After a wrong number the rest is checked against what is there: one change is then told once.
    if (typeof seq === 'number' && Number.isInteger(seq)) this.#seq = seq;
    if (typeof type !== 'string') this.#problem('json', 'the event has no type');
    this.#checkPlace(event);
    this.#last = type;
    const wrong = this.#order.take(event);
    if (wrong) this.#problem('order', wrong);
  }

  #checkPlace(event: RawEvent): void {
    const opens = event.type === 'session.opened';
    if (opens !== (this.events === 1))
      this.#problem('sequence', 'session.opened must be the first event and only that');
    if (opens) this.#open(event);
    const begins = this.#begins;
    this.#begins = undefined;
    if (event.type === 'session.continued') this.#continue(event);
    if (begins !== undefined && (event.type !== 'session.continued' || event['part'] !== begins))
      this.#problem('sequence', `the file says that it is part ${begins}, and does not begin with it`);
    if (event.type === 'checkpoint') this.#checkCheckpoint(event);
    else if (this.closed) this.#problem('sequence', 'there is an event after session.closed');
    if (event.type === 'session.closed') {
      this.closed = true;
      this.described = { ...this.described, closedAt: this.at, ...(isEnd(event.end) ? { end: event.end } : {}) };
    }
  }

  #open({ session, run, gateway }: RawEvent): void {
    this.described = {
      ...(typeof session === 'string' ? { session } : {}),
      ...(typeof run === 'string' ? { run } : {}),
      ...(typeof gateway === 'string' ? { gateway } : {}),
      openedAt: this.at,
    };
    if (typeof session !== 'string') this.#problem('session', 'session.opened names no session');
    if (this.#expected !== undefined && session !== this.#expected) {
      this.#problem('session', `the recording is of session ${shown(session)}, not of ${this.#expected}`);
    }
  }

  /** A later part without those before it: it proves nothing, and is read on to say no more than that. */
  #alone({ seq, at, prev, session, gateway, part }: RawEvent): void {
    this.#problem('sequence', `this is part ${shown(part)} by itself: what comes before it is not there`);
    if (typeof session === 'string' && typeof gateway === 'string') this.described = { session, gateway };
    if (typeof seq === 'number' && Number.isInteger(seq)) this.#seq = seq;
    if (typeof prev === 'string') this.root = prev;
    if (typeof at === 'string') this.at = at;
    if (typeof part === 'number') this.#part = part;
    this.#begins = undefined;
  }

  #continue(event: RawEvent): void {
    const { session, gateway, part } = event;
    if (Object.keys(event).join() !== CONTINUED_KEYS)
      this.#problem('sequence', 'session.continued does not have exactly its fields');
    if (session !== this.described.session || gateway !== this.described.gateway)
      this.#problem('session', `the part is of session ${shown(session)}, not of ${shown(this.described.session)}`);
    if (part !== this.#part + 1) this.#problem('sequence', `part ${shown(part)} follows part ${this.#part}`);
    if (!this.mayBreak) this.#problem('sequence', 'the part before it does not end with a checkpoint');
    if (typeof part === 'number') this.#part = part;
  }

  #checkCheckpoint(event: RawEvent): void {
    const before = this.problemCount;
    const checkpoint = checkpointOf(event);
    // No later line may cover this one, so nothing may ride on it that the signature does not cover.
    if (checkpoint) this.#checkStatement(event, checkpoint);
    else this.#problem('signature', 'the checkpoint does not have exactly the fields of one');
    if (this.problemCount > before) return;
    if (this.problemCount === 0) {
      this.signedUpTo = this.events;
      this.checkpoint = checkpoint;
    }
    if (this.closed) this.sealed = true;
  }

  #checkStatement(event: RawEvent, checkpoint: Checkpoint): void {
    const { session, size, root, at, key } = checkpoint;
    if (session !== this.described.session) this.#problem('session', `the checkpoint is of session ${shown(session)}`);
    if (size !== event.seq || root !== event.prev || at !== event.at) {
      this.#problem('signature', 'the checkpoint speaks of other lines than those before it');
    }
    if (!this.#keys.has(key)) {
      this.#problem('key', `the checkpoint is signed with key ${shown(key)}, which is not among those given`);
    } else if (!isSigned(checkpoint, this.#keys)) {
      this.#problem('signature', 'the signature of the checkpoint is wrong');
    }
  }
}

function isCanonical(event: object, text: string): boolean {
  try {
    return canonicalJson(event) === text;
  } catch {
    // Nested too deeply to be written again: nothing of ours is.
    return false;
  }
}

function checkpointOf(event: RawEvent): Checkpoint | undefined {
  if (Object.keys(event).join() !== CHECKPOINT_KEYS) return undefined;
  const { session, size, root, at, key, signature } = event;
  const texts = [session, root, at, key, signature];
  if (!texts.every((text) => typeof text === 'string') || typeof size !== 'number') return undefined;
  return { session, size, root, at, key, signature } as Checkpoint;
}

const CONTINUED_KEYS = 'seq,at,type,session,part,gateway,prev';
const CHECKPOINT_KEYS = 'seq,at,type,session,size,root,key,signature,prev';

function isEnd(end: unknown): end is SessionEnd {
  return typeof end === 'object' && end !== null && typeof (end as { kind?: unknown }).kind === 'string';
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 80);
}

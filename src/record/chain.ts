/** Turns events into lines that each name the one before. */
import { hash } from 'node:crypto';
import type { Checkpoint, SessionEvent } from '../domain/recording.ts';
import { fail } from './errors.ts';

/** `prev` of a recording's first line. */
export const GENESIS = '0'.repeat(64);

/** No line is longer, in bytes without its end: far above what any command or limited result needs. */
export const LONGEST_LINE = 16 * 1024 * 1024;

/** What a recording holds besides a session's own events. */
export type CheckpointEvent = { readonly type: 'checkpoint' } & Checkpoint;

/** The first line of a recording's later parts. The chain goes on over it: the parts one behind the other are one recording. */
export interface ContinuedEvent {
  readonly type: 'session.continued';
  readonly session: string;
  /** 2 for the first of them. */
  readonly part: number;
  /** Whose it is. */
  readonly gateway: string;
}

/** Everything a line can be made of. */
export type LineEvent = SessionEvent | CheckpointEvent | ContinuedEvent;

/** Splits events and seals the hidden part under one session's key. */
export interface LineSealer {
  /** @returns the event as it is written: its clear fields, and `sealed` */
  seal(event: SessionEvent, seq: number): Record<string, unknown>;
  /** Forgets the key. */
  forget(): void;
}

export interface ChainState {
  /** How many lines there are: the next line's `seq`. */
  readonly size: number;
  /** SHA-256 of the last line's bytes without its newline, hex. */
  readonly root: string;
  /** The last line's time: no later line has an earlier one, whatever the wall clock does. */
  readonly at: string;
}

export const START: ChainState = { size: 0, root: GENESIS, at: '' };

/** One recording's growing chain. `mark` and `back` take lines away again that could not be kept. */
export class Chain {
  size: number;
  root: string;
  at: string;
  readonly #sealer: LineSealer | undefined;

  /** @param sealer where only some may read what the lines say */
  constructor(from: ChainState = START, sealer?: LineSealer) {
    this.#sealer = sealer;
    this.size = from.size;
    this.root = from.root;
    this.at = from.at;
  }

  mark(): ChainState {
    return { size: this.size, root: this.root, at: this.at };
  }

  back(to: ChainState): void {
    this.size = to.size;
    this.root = to.root;
    this.at = to.at;
  }

  /** No line is sealed after this: the key is gone. */
  forget(): void {
    this.#sealer?.forget();
  }

  /** Not before the last line. */
  time(now: string): string {
    return now > this.at ? now : this.at;
  }

  /** @returns the line with its newline */
  line(event: LineEvent, now: string): string {
    const at = this.time(now);
    const body = this.#body(event);
    const line = `{"seq":${this.size},"at":"${at}",${body.slice(1, -1)},"prev":"${this.root}"}`;
    if (line.length > LONGEST_LINE / 3 && Buffer.byteLength(line) > LONGEST_LINE) {
      throw fail(
        'EVENT_TOO_LARGE',
        `a ${event.type} event of ${Buffer.byteLength(line)} bytes is more than a recording's line holds`,
      );
    }
    this.root = lineHash(line);
    this.size += 1;
    this.at = at;
    return `${line}\n`;
  }

  #body(event: LineEvent): string {
    if (!this.#sealer || event.type === 'checkpoint' || event.type === 'session.continued') return jsonOf(event);
    refuseOwnPlace(event);
    return canonicalJson(this.#sealer.seal(event, this.size));
  }
}

/** An event's JSON, without number, time and the line before. */
export function jsonOf(event: LineEvent): string {
  // Checkpoints bring their own `at`, which is the line's.
  if (event.type === 'checkpoint') {
    const { at: _, ...rest } = event;
    return canonicalJson(rest);
  }
  refuseOwnPlace(event);
  // Its keys are anybody's.
  return event.type === 'notice' ? canonicalJson(event) : fromParts(event as Readonly<Record<string, unknown>>);
}

function refuseOwnPlace(event: SessionEvent | ContinuedEvent): void {
  if ('seq' in event || 'at' in event || 'prev' in event) {
    throw fail('EVENT_INVALID', `a ${event.type} event may not bring its own seq, at or prev`);
  }
}

export function lineHash(line: string | Uint8Array): string {
  return hash('sha256', line, 'hex');
}

/** What the events of equal commands share: the same objects every time, never changed. */
const SHARED: ReadonlySet<string> = new Set(['text', 'sent', 'effects', 'resources', 'facts', 'rules']);
const written = new WeakMap<object, string>();

/** As `canonicalJson` gives it: what was written for an earlier command is not put together again. */
export function fromParts(event: Readonly<Record<string, unknown>>): string {
  let text = '{';
  for (const key in event) {
    const value = event[key];
    if (value === undefined) continue;
    text += text.length > 1 ? `,"${key}":` : `"${key}":`;
    if (typeof value === 'string') text += PLAIN.test(value) ? `"${value}"` : canonicalJson(value);
    else if (typeof value === 'object' && value !== null && SHARED.has(key)) text += sharedJson(value);
    else text += Number.isFinite(value) ? value : canonicalJson(value);
  }
  return `${text}}`;
}

/** Nothing in it is escaped. */
const PLAIN = /^[\w :.-]*$/;

function sharedJson(value: object): string {
  let text = written.get(value);
  if (text === undefined) {
    text = canonicalJson(value);
    written.set(value, text);
  }
  return text;
}

// JSON leaves these as they are. In a recording they are escaped: C1 controls drive terminals, the rest reorders or breaks lines for who looks at it.
const UNSAFE = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** The one way a value is written in a recording. */
export function canonicalJson(value: unknown): string {
  const text = JSON.stringify(value);
  return text.replace(UNSAFE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Open files and folders of one channel: handles of our own for the target's, and what flowed through each. */
import { createHash, type Hash } from 'node:crypto';
import type { Permit } from '../../../domain/permit.ts';
import type { Outcome } from '../../../domain/recording.ts';
import type { OpenMode } from './commands.ts';
import { stringOf } from './frames.ts';

export interface OpenFile {
  readonly path: string;
  /** Undefined for a folder. */
  readonly mode: OpenMode | undefined;
  /** The target's handle, as a field. */
  readonly handle: Buffer;
  /** What it was opened by, and goes on under. */
  permit: Permit;
  /** The state of policy and grant in which that was. */
  basis: string;
  /** Why nothing more flows through it. */
  cut: string | undefined;
  readonly sent: Flow;
  readonly received: Flow;
  /** Names of a folder that were listed. */
  names: number;
}

/** A refusal to open is not counted; the numbers are what a client may have open at a time. */
export class Files {
  readonly #open = new Map<number, OpenFile>();
  readonly #limit: number;
  #opening = 0;
  #next = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get full(): boolean {
    return this.#open.size + this.#opening >= this.#limit;
  }

  /** Keeps a place for one that is being opened. @returns gives it up */
  reserve(): () => void {
    this.#opening++;
    let held = true;
    return () => {
      if (held) this.#opening--;
      held = false;
    };
  }

  /** @returns the handle for the client: never one that was given before */
  add(file: OpenFile): Buffer {
    const handle = Buffer.alloc(4);
    handle.writeUInt32BE(this.#next);
    this.#open.set(this.#next, file);
    this.#next = (this.#next + 1) >>> 0;
    return handle;
  }

  /** @param handle as the client names it */
  find(handle: Buffer): OpenFile | undefined {
    return handle.length === 4 ? this.#open.get(handle.readUInt32BE()) : undefined;
  }

  remove(handle: Buffer): void {
    this.#open.delete(handle.readUInt32BE());
  }

  all(): Iterable<OpenFile> {
    return this.#open.values();
  }
}

export function openFile(parts: Pick<OpenFile, 'path' | 'mode' | 'permit' | 'basis'>, handle: Buffer): OpenFile {
  const append = parts.mode?.append ?? false;
  const flows = { sent: new Flow(append), received: new Flow(false) };
  return { ...parts, ...flows, handle: stringOf(Buffer.from(handle)), cut: undefined, names: 0 };
}

/** One direction of a file: how much, and its digest while it is read or written from the beginning to the end. */
export class Flow {
  #bytes = 0n;
  /** Where the next byte belongs, if there is to be a digest. */
  #next = 0n;
  #hash: Hash | undefined;
  #random = false;
  /** Appended content goes to the end, wherever the client says (open(2), O_APPEND): the order in which it comes is the order. */
  readonly #append: boolean;

  constructor(append: boolean) {
    this.#append = append;
  }

  get bytes(): number {
    return Number(this.#bytes);
  }

  get any(): boolean {
    return this.#bytes > 0n;
  }

  /** So many bytes follow, for that place. */
  begin(offset: bigint, length: number): void {
    this.#bytes += BigInt(length);
    if (!this.#append && offset !== this.#next) this.spoil();
    this.#next += BigInt(length);
  }

  add(bytes: Buffer): void {
    if (this.#random) return;
    this.#hash ??= createHash('sha256');
    this.#hash.update(bytes);
  }

  /** So many of them did not arrive. */
  lost(length: number): void {
    this.#bytes -= BigInt(length);
    this.spoil();
  }

  /** What is there at the end is not what flowed: jumps, or a write that the target did not take. */
  spoil(): void {
    this.#random = true;
    this.#hash = undefined;
  }

  /** SHA-256, hex; undefined where it was not read or written in order. */
  digest(): string | undefined {
    return this.#random ? undefined : (this.#hash ?? createHash('sha256')).copy().digest('hex');
  }
}

/** What is recorded of a file when it is closed. */
export function account(file: OpenFile, state: Outcome['state'], code?: string): { outcome: Outcome; sha256?: string } {
  const { mode, sent, received, names } = file;
  const coded = code === undefined ? {} : { code };
  if (mode === undefined) return { outcome: { state, rows: names, tag: `listed ${names}`, ...coded, durationMs: 0 } };
  const both = sent.any && received.any;
  const flow = sent.any || !mode.read ? sent : received;
  const sha256 = both ? undefined : flow.digest();
  const tag = both
    ? `${said('read', received)}, ${said('wrote', sent)}`
    : said(flow === sent ? 'wrote' : 'read', flow, '');
  const outcome: Outcome = { state, bytes: sent.bytes + received.bytes, tag, ...coded, durationMs: 0 };
  return { outcome, ...(sha256 === undefined ? {} : { sha256 }) };
}

/** @param digest what is said of it beside; the digest itself unless told */
function said(verb: string, flow: Flow, digest = ` (sha256: ${flow.digest() ?? ''})`): string {
  const random = flow.digest() === undefined;
  return `${verb} ${flow.bytes}${random ? ' (digest: none, random access)' : digest}`;
}

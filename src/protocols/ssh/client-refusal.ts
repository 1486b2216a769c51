/**
 * Finds the gateway's own last words among what a program writes to standard error: a line `hoop: HOOP_DENIED: …`, maybe `hoop: hint: …`, and nothing after
 * them. What may be they is kept back until it is known whether it was; everything else passes as it came.
 */
import type { ExecResult } from '../../domain/protocol.ts';

type Failed = Extract<ExecResult, { ok: false }>;

export interface RefusalWatch {
  /** @returns what passes now */
  take(chunk: Uint8Array): Buffer;
  /** The last words, where they are a refusal. */
  refusal(): Failed | undefined;
  /** What was kept back, once. */
  rest(): Buffer;
}

const BEGINNING = 'hoop: HOOP_';
const HINT = 'hoop: hint: ';
/** Longer than any refusal. */
const MOST_KEPT = 32 * 1024;
const NEWLINE = 0x0a;
const NONE = Buffer.alloc(0);

export function createRefusalWatch(): RefusalWatch {
  let kept = NONE;
  let atLineStart = true;
  return {
    take(chunk) {
      const begins = kept.length > 0 || atLineStart;
      const all = kept.length === 0 ? Buffer.from(chunk) : Buffer.concat([kept, chunk]);
      if (all.length === 0) return all;
      const from = lastTwoLines(all, begins).find((at) => mayBeRefusal(all.subarray(at))) ?? all.length;
      atLineStart = all[all.length - 1] === NEWLINE;
      kept = all.subarray(from);
      return all.subarray(0, from);
    },
    refusal: () => refusalOf(kept.toString('utf8')),
    rest() {
      const rest = kept;
      kept = NONE;
      return rest;
    },
  };
}

/** Where the last two lines begin, the earlier one first; without those that began before these bytes. */
function lastTwoLines(bytes: Buffer, begins: boolean): number[] {
  const last = lineBefore(bytes, bytes[bytes.length - 1] === NEWLINE ? bytes.length - 1 : bytes.length);
  const earlier = last === 0 ? 0 : lineBefore(bytes, last - 1);
  return [earlier, last].filter((at) => at > 0 || begins);
}

function lineBefore(bytes: Buffer, end: number): number {
  return end === 0 ? 0 : bytes.lastIndexOf(NEWLINE, end - 1) + 1;
}

function mayBeRefusal(bytes: Buffer): boolean {
  if (bytes.length > MOST_KEPT) return false;
  const [first = '', second, ...more] = bytes.toString('latin1').split('\n');
  if (second === undefined) return agrees(first, BEGINNING);
  if (!first.startsWith(BEGINNING)) return false;
  return more.length === 0 ? agrees(second, HINT) : second.startsWith(HINT) && more.join('\n') === '';
}

function agrees(line: string, beginning: string): boolean {
  return line.length < beginning.length ? beginning.startsWith(line) : line.startsWith(beginning);
}

/** What the gateway says, with or without the name it says it under. */
export function refusalOf(text: string): Failed | undefined {
  const [, line, below] = /^(?:hoop: )?(HOOP_[A-Z]+: [^\n]*)(?:\n(?:hoop: )?hint: ([^\n]*))?\n?$/.exec(text) ?? [];
  if (line === undefined) return undefined;
  // What to do stands below, or at the end of the same line.
  const at = below === undefined ? line.lastIndexOf(' hint: ') : -1;
  const message = at < 0 ? line : line.slice(0, at);
  const hint = at < 0 ? below : line.slice(at + ' hint: '.length);
  return { ok: false, code: '', message, ...(hint === undefined ? {} : { hint }) };
}

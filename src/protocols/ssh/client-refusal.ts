/**
 * Finds the gateway's own last word among what a program writes to standard error: one line, `hoop: HOOP_DENIED: …`, after which nothing comes. A line that
 * may be it is kept back until it is known whether it was; everything else passes as it came.
 */
import type { ExecResult } from '../../domain/protocol.ts';

type Failed = Extract<ExecResult, { ok: false }>;

export interface RefusalWatch {
  /** @returns what passes now */
  take(chunk: Uint8Array): Buffer;
  /** The last line, where it is a refusal. */
  refusal(): Failed | undefined;
  /** What was kept back. */
  rest(): Buffer;
}

const BEGINNING = 'hoop: HOOP_';
/** Longer than any refusal. */
const LONGEST_LINE = 16 * 1024;
const NEWLINE = 0x0a;
const NONE = Buffer.alloc(0);

export function createRefusalWatch(): RefusalWatch {
  let kept = NONE;
  let atLineStart = true;
  return {
    take(chunk) {
      const all = kept.length === 0 ? Buffer.from(chunk) : Buffer.concat([kept, chunk]);
      const begins = kept.length > 0 || atLineStart;
      const from = lastLine(all, begins);
      const keep = from < all.length && mayBeRefusal(all.subarray(from));
      atLineStart = all.length === 0 ? begins : all[all.length - 1] === NEWLINE;
      kept = keep ? all.subarray(from) : NONE;
      return keep ? all.subarray(0, from) : all;
    },
    refusal: () => refusalOf(kept.toString('utf8').trimEnd()),
    rest() {
      const rest = kept;
      kept = NONE;
      return rest;
    },
  };
}

/** Where the last line begins, its own end not counted; past the end where it began before these bytes. */
function lastLine(bytes: Buffer, begins: boolean): number {
  const end = bytes[bytes.length - 1] === NEWLINE ? bytes.length - 1 : bytes.length;
  const before = end === 0 ? -1 : bytes.lastIndexOf(NEWLINE, end - 1);
  if (before >= 0) return before + 1;
  return begins ? 0 : bytes.length;
}

function mayBeRefusal(line: Buffer): boolean {
  if (line.length > LONGEST_LINE) return false;
  const start = line.subarray(0, BEGINNING.length).toString('latin1');
  return start.length < BEGINNING.length ? BEGINNING.startsWith(start) : start === BEGINNING;
}

/** What the gateway says, with or without the name it says it under: `HOOP_WORD: what happened` and maybe ` hint: what to do`. */
export function refusalOf(text: string): Failed | undefined {
  const said = /^(?:hoop: )?(HOOP_[A-Z]+: .*)$/s.exec(text)?.[1];
  if (said === undefined) return undefined;
  const at = said.lastIndexOf(' hint: ');
  return {
    ok: false,
    code: 'SSH_REFUSED',
    message: at < 0 ? said : said.slice(0, at),
    ...(at < 0 ? {} : { hint: said.slice(at + ' hint: '.length) }),
  };
}

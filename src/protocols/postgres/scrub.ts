/**
 * Takes out of a target's words what must not reach a client: the credential in any spelling, the account and the address, and, where a turn ran
 * user code or touched masked values, everything but the fact that something happened.
 */
import { type ErrorFields, errorResponse, readErrorFields } from './messages.ts';

export interface Scrub {
  /** Overwrites the credential with `*`, in place: lengths stay, so frames stay. Cheap when there is none, which is nearly always. */
  strike(bytes: Buffer): void;
  /** How many bytes at the end of `bytes` may be the beginning of a credential that goes on in the next chunk. */
  unfinished(bytes: Buffer): number;
  /** An ErrorResponse or NoticeResponse for the client; undefined when the target's is none. */
  error(body: Buffer, type: 'E' | 'N', telling: Telling, spoken?: Spoken): ToldError | undefined;
  text(text: string): string;
}

/** Masks what detectors find in a sentence of the target: errors quote the values they are about. */
export type Spoken = (text: string) => string;

export interface ToldError {
  readonly bytes: Buffer;
  readonly code: string;
  /** The target closes the connection behind it. */
  readonly fatal: boolean;
}

/** How much of an error is told: all of it; all but where in the text it is, for a text the client did not write; its SQLSTATE; or not even that. */
export type Telling = 'all' | 'noPosition' | 'code' | 'nothing';

/** A shorter one would be found by chance in ordinary data. */
const SHORTEST = 8;

/** SQLSTATE "external routine exception": all that is told of what user code raised. */
const USER_CODE_FAILED = '38000';

export function createScrub(hidden: {
  readonly password: string;
  readonly user: string;
  readonly host: string;
}): Scrub {
  const needles = spellings(hidden.password);
  const longest = needles.reduce((most, needle) => Math.max(most, needle.length), 0);
  const firsts = new Set(needles.map((needle) => needle[0]));

  function strike(bytes: Buffer): void {
    for (const needle of needles) {
      for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at))
        bytes.fill(0x2a, at, at + needle.length);
    }
  }

  function unfinished(bytes: Buffer): number {
    for (let at = Math.max(0, bytes.length - longest + 1); at < bytes.length; at++) {
      if (!firsts.has(bytes[at])) continue;
      const tail = bytes.subarray(at);
      if (needles.some((needle) => needle.length > tail.length && needle.subarray(0, tail.length).equals(tail)))
        return tail.length;
    }
    return 0;
  }

  function text(raw: string): string {
    const bytes = Buffer.from(raw);
    strike(bytes);
    // The server quotes names in what it says. A bare word may be anything, and the account may have an ordinary name.
    const named = bytes.toString('utf8').replaceAll(`"${hidden.user}"`, '"run"');
    return hidden.host.length >= 4 ? named.replaceAll(hidden.host, '<target>') : named;
  }

  function error(body: Buffer, type: 'E' | 'N', telling: Telling, spoken?: Spoken): ReturnType<Scrub['error']> {
    const fields = readErrorFields(body);
    if (!fields) return undefined;
    const code = fields.get('C') ?? 'XX000';
    const kept = [...fields].filter(([key]) => telling === 'all' || !POSITIONS.has(key));
    const told =
      telling === 'code' || telling === 'nothing'
        ? genericFields(fields, type, telling)
        : new Map(kept.map(([key, value]) => [key, spoken && WORDS.has(key) ? spoken(text(value)) : text(value)]));
    const severity = fields.get('V') ?? fields.get('S');
    return { bytes: errorResponse(told, type), code, fatal: severity === 'FATAL' || severity === 'PANIC' };
  }

  return { strike, unfinished, error, text };
}

/** Message, detail, hint, where, and inner text: what may quote a value. */
const WORDS: ReadonlySet<string> = new Set(['M', 'D', 'H', 'W', 'q']);

/** Where in the text, and the inner text that it happened in. */
const POSITIONS: ReadonlySet<string> = new Set(['P', 'p', 'q']);

function genericFields(fields: ErrorFields, type: 'E' | 'N', telling: 'code' | 'nothing'): ErrorFields {
  const severity = fields.get('V') ?? fields.get('S') ?? (type === 'E' ? 'ERROR' : 'NOTICE');
  const code = telling === 'code' ? (fields.get('C') ?? 'XX000') : type === 'E' ? USER_CODE_FAILED : '00000';
  return new Map([
    ['S', severity],
    ['V', severity],
    ['C', code],
    [
      'M',
      type === 'E'
        ? 'the statement failed; its message is withheld, because the statement touched masked data or ran user code'
        : 'a message of the target is withheld, because the statement touched masked data or ran user code',
    ],
  ]);
}

/** As it is, percent-encoded, and in Base64 at each of the three places it can have in a group of three bytes (RFC 4648). */
function spellings(password: string): readonly Buffer[] {
  const raw = Buffer.from(password);
  if (raw.length < SHORTEST) return [];
  const found = new Set([password, encodeURIComponent(password)]);
  for (const shift of [0, 1, 2]) {
    // Characters that also carry bits of what stands before or after are left out.
    const encoded = Buffer.concat([Buffer.alloc(shift), raw])
      .toString('base64')
      .replace(/=+$/, '');
    const whole = encoded.slice(shift === 0 ? 0 : shift + 1, encoded.length - ((raw.length + shift) % 3 === 0 ? 0 : 1));
    found.add(whole).add(whole.replaceAll('+', '-').replaceAll('/', '_'));
  }
  return [...found].map((text) => Buffer.from(text));
}

/**
 * What becomes of the tokens of a document: which flow as they are, and what stands where a value stood. Strings of JSON within strings are documents
 * of their own, masked at the place where they stand.
 */
import type { Detector, DetectorMask, FieldMask } from '../domain/mask.ts';
import { Counts, REDACTED } from './body.ts';
import { type Fingerprint, standIn } from './cell.ts';
import { triggersFor } from './find.ts';
import { SHORTEST, wholeNumbers } from './json-number.ts';
import type { PathState } from './json-paths.ts';
import { createTokenizer, ESCAPED, MOST_TELLING, type Tokenizer } from './json-tokens.ts';
import { createTextScan } from './text-scan.ts';

/** What is the same for a document and those within its strings. */
export interface JsonMasks {
  readonly detectors: readonly DetectorMask[];
  readonly fingerprint: Fingerprint;
  /** For what must go because nobody can tell whether a field is in it. */
  readonly rule: string;
}

/** A string that is a piece of a longer text, which goes on in the next document. */
export interface Pieces {
  /** @param path names and indices that lead to the value */
  at(path: readonly (string | number)[]): ((text: Buffer) => Buffer) | undefined;
}

export interface JsonMasking {
  /**
   * Reads bytes [at, end) and gives what may flow of them. @param part makes bytes of [from, to) that stay as they are
   * @returns where the token begins that has not come whole
   */
  read(bytes: Buffer, at: number, end: number, final: boolean, part: (from: number, to: number) => Buffer): number;
  /** What `read` gave, and forgets it. */
  given(): Buffer[];
  /** Begins with another document. */
  reset(root: PathState | undefined): void;
  readonly counts: Counts;
  readonly tokens: Tokenizer;
}

/** Documents within strings within strings, so many. */
const DEEPEST_NESTING = 3;
/** Nothing shorter is found by a detector: `a@b.cd`. */
const SHORTEST_TEXT = 6;
const QUOTE = 0x22;

/** @param root where the masked fields are; undefined: there are none */
export function createJsonMasking(
  masks: JsonMasks,
  root: PathState | undefined,
  { level = 0, pieces, longest }: { level?: number; pieces?: Pieces; longest?: number } = {},
): JsonMasking {
  const { fingerprint } = masks;
  const counts = new Counts();
  const scan = createTextScan(masks.detectors, fingerprint, counts);
  let within: JsonMasking | undefined;

  let start: PathState | undefined = root;
  let follows = root !== undefined || pieces !== undefined;
  let depth = 0;
  const states: (PathState | undefined)[] = [];
  const objects: boolean[] = [];
  const indices: number[] = [];
  /** State and name behind the key that was read last. */
  let behindKey: PathState | undefined;
  const path: (string | number)[] = [];

  /** The container that goes as a whole is at this depth; 0: none does. */
  let gone = 0;
  let goneBy: FieldMask | undefined;
  let out: Buffer[] = [];
  /** What stands before has been given. */
  let kept = 0;
  let part: (from: number, to: number) => Buffer = () => Buffer.alloc(0);

  function replace(from: number, to: number, json: string): void {
    if (kept < from) out.push(part(kept, from));
    out.push(Buffer.from(json));
    kept = to;
  }

  /** A value begins: where that is. */
  function enter(): PathState | undefined {
    if (depth === 0) return start;
    const top = depth - 1;
    if (objects[top]) return behindKey;
    const index = ++indices[top]!;
    if (pieces) path[top] = index;
    const state = states[top];
    return state === undefined || state.dead ? state : state.element(index);
  }

  function decoded(bytes: Buffer, from: number, to: number): Buffer {
    try {
      return Buffer.from(JSON.parse(bytes.toString('utf8', from, to)) as string);
    } catch {
      tokens.fail('an escape is written wrong');
      return Buffer.alloc(0);
    }
  }

  /** @returns JSON, or undefined where nothing is to be masked */
  function maskedText(text: Buffer, from: number, to: number, state: PathState | undefined): string | undefined {
    const first = text[afterSpace(text, from, to)];
    if (first === 0x7b || first === 0x5b || first === QUOTE) {
      const inner = maskedWithin(text.subarray(from, to), state);
      if (inner !== 'no JSON') return inner === undefined ? undefined : JSON.stringify(inner);
    }
    const masked = scan.inText(text, from, to);
    return masked === undefined ? undefined : JSON.stringify(masked);
  }

  /** A string that holds JSON, once more as text. */
  function maskedWithin(text: Buffer, state: PathState | undefined): string | undefined | 'no JSON' {
    if (level === DEEPEST_NESTING) {
      if (state === undefined || state.dead || !isContainer(text)) return 'no JSON';
      counts.add(masks.rule);
      return REDACTED;
    }
    within ??= createJsonMasking(masks, undefined, { level: level + 1 });
    within.reset(state);
    within.read(text, 0, text.length, true, (from, to) => text.subarray(from, to));
    const given = within.given();
    if (within.tokens.failed !== undefined || !within.tokens.whole) return 'no JSON';
    if (within.counts.masked === 0) return undefined;
    counts.take(within.counts);
    return Buffer.concat(given).toString();
  }

  function standsFor({ rule, with: how }: FieldMask, value: Buffer | 'null' | 'container'): string {
    const keepsNull = how === 'last4' || how === 'hash';
    if (value === 'null' && keepsNull) return 'null';
    counts.add(rule);
    if (how === 'null') return 'null';
    if (typeof value === 'string') return JSON.stringify(typeof how === 'object' ? how.fixed : REDACTED);
    return JSON.stringify(standIn(how, value, fingerprint));
  }

  const tokens = createTokenizer(
    {
      key(bytes, from, to, marks) {
        if (gone > 0) return;
        const escaped = (marks & ESCAPED) !== 0;
        const name = escaped ? decoded(bytes, from, to) : bytes;
        const first = escaped ? 0 : from + 1;
        const last = escaped ? name.length : to - 1;
        if (follows) {
          const state = states[depth - 1];
          behindKey = state === undefined || state.dead ? state : state.name(name, first, last);
          if (pieces) path[depth - 1] = name.toString('utf8', first, last);
        }
        if (last - first < SHORTEST_TEXT || (!escaped && (marks & MOST_TELLING) === 0)) return;
        const masked = scan.inText(name, first, last);
        // A key cannot be null.
        if (masked !== undefined) replace(from, to, JSON.stringify(masked ?? REDACTED));
      },
      string(bytes, from, to, marks) {
        if (gone > 0) return;
        const state = follows ? enter() : undefined;
        const escaped = (marks & ESCAPED) !== 0;
        if (state?.mask) {
          const value = escaped ? decoded(bytes, from, to) : bytes.subarray(from + 1, to - 1);
          return replace(from, to, standsFor(state.mask, value));
        }
        const piece = pieces?.at(path.slice(0, depth));
        if (piece) return takePiece(bytes, from, to, escaped, piece);
        if (!escaped) {
          const byte = bytes[from + 1]!;
          const nests = byte === 0x7b || byte === 0x5b || byte <= 0x20;
          if (!nests && ((marks & MOST_TELLING) === 0 || to - from < SHORTEST_TEXT + 2)) return;
        }
        const text = escaped ? decoded(bytes, from, to) : bytes;
        const json = maskedText(text, escaped ? 0 : from + 1, escaped ? text.length : to - 1, state);
        if (json !== undefined) replace(from, to, json);
      },
      number(bytes, from, to) {
        if (gone > 0) return;
        const state = follows ? enter() : undefined;
        if (state?.mask) return replace(from, to, standsFor(state.mask, bytes.subarray(from, to)));
        if (to - from < SHORTEST) return;
        for (const form of wholeNumbers(bytes, from, to)) {
          const masked = scan.asWhole(form, 0, form.length);
          if (masked === undefined) continue;
          return replace(from, to, JSON.stringify(masked));
        }
      },
      word(bytes, from, to) {
        if (gone > 0 || !follows) return;
        const state = enter();
        if (!state?.mask) return;
        const word = bytes.subarray(from, to);
        replace(from, to, standsFor(state.mask, word[0] === 0x6e ? 'null' : word));
      },
      open(_, at, object) {
        if (gone === 0 && follows) {
          const state = enter();
          states[depth] = state;
          objects[depth] = object;
          indices[depth] = -1;
          if (state?.mask) {
            if (kept < at) out.push(part(kept, at));
            goneBy = state.mask;
            gone = depth + 1;
          }
        }
        depth++;
      },
      close(_, end) {
        if (depth === gone && goneBy) {
          gone = 0;
          out.push(Buffer.from(standsFor(goneBy, 'container')));
          kept = end;
        }
        depth--;
      },
    },
    telling(scan.detectors),
    { single: level > 0, ...(longest !== undefined && { longest }) },
  );

  function takePiece(bytes: Buffer, from: number, to: number, escaped: boolean, piece: (text: Buffer) => Buffer): void {
    const text = escaped ? decoded(bytes, from, to) : bytes.subarray(from + 1, to - 1);
    if (tokens.failed !== undefined) return;
    const flows = piece(text);
    if (!flows.equals(text)) replace(from, to, JSON.stringify(flows.toString()));
  }

  return {
    read(bytes, at, end, final, partOf) {
      part = partOf;
      kept = at;
      const to = tokens.read(bytes, at, end, final);
      if (tokens.failed !== undefined) out = [];
      else if (gone === 0 && kept < to) out.push(part(kept, to));
      return to;
    },
    given() {
      const parts = out;
      out = [];
      return parts;
    },
    reset(anew) {
      start = anew;
      follows = anew !== undefined || pieces !== undefined;
      depth = 0;
      gone = 0;
      counts.clear();
      tokens.reset();
    },
    counts,
    tokens,
  };
}

const NOTHING_TELLS = new Uint8Array(256);
const TELLING = new WeakMap<Uint8Array, Uint8Array>();

/** Bits for `marks`: whether a byte may begin what a detector finds. */
function telling(detectors: ReadonlySet<Detector>): Uint8Array {
  if (detectors.size === 0) return NOTHING_TELLS;
  const triggers = triggersFor(detectors);
  const tells = TELLING.get(triggers) ?? triggers.map((trigger) => (trigger === 0 ? 0 : 1));
  TELLING.set(triggers, tells);
  return tells;
}

function afterSpace(text: Buffer, from: number, to: number): number {
  let at = from;
  while (at < to && text[at]! <= 0x20) at++;
  return at;
}

function isContainer(text: Buffer): boolean {
  try {
    const value: unknown = JSON.parse(text.toString());
    return typeof value === 'object' && value !== null;
  } catch {
    return false;
  }
}

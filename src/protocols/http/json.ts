/**
 * Reads a request's JSON as strictly as the strictest server, so that none reads another thing in it than was judged: no duplicate names, no byte order
 * mark, no other encoding than UTF-8, no lone surrogates, and numbers only where a double holds exactly what is written (RFC 8259; RFC 7493).
 *
 * `JSON.parse` takes the last of two equal names and rounds numbers in silence; other readers take the first, or keep every digit.
 */

/** `inexact`: a number that not every reader takes for the same. */
export type Json = null | boolean | number | string | typeof INEXACT | readonly Json[] | JsonObject;
export type JsonObject = ReadonlyMap<string, Json>;
export const INEXACT = Symbol('inexact');

const DEEPEST = 64;
/** So that a small body of many small values costs no more than a large one of few. */
const MOST_VALUES = 200_000;
const MOST_ESCAPES = 1_000_000;

/** @returns undefined where it is no JSON, or readers could differ about it */
export function readJson(bytes: Uint8Array): Json | undefined {
  const text = textOf(bytes);
  return text === undefined ? undefined : new Reader(text).document();
}

/** @returns undefined where nothing is there; INEXACT where readers differ about what is */
export function jsonAt(document: Json, pointer: string): Json | undefined {
  let value: Json | undefined = document;
  for (const escaped of pointer.split('/').slice(1)) {
    const name = escaped.replaceAll('~1', '/').replaceAll('~0', '~');
    if (value instanceof Map) value = memberOf(value, name);
    // RFC 6901, 4: digits without a leading zero.
    else if (Array.isArray(value)) value = /^(0|[1-9]\d{0,6})$/.test(name) ? value[Number(name)] : undefined;
    else return value === INEXACT ? INEXACT : undefined;
  }
  return value;
}

/** Go's reader takes a name for another that differs in capital letters only: with such a one beside it or in its place nothing is certain. */
function memberOf(object: JsonObject, name: string): Json | undefined {
  const folded = fold(name);
  let alike = 0;
  for (const other of object.keys()) if (other.length < 4 * name.length + 4 && fold(other) === folded) alike++;
  if (alike === 0) return undefined;
  return alike === 1 && object.has(name) ? object.get(name) : INEXACT;
}

/** Both ways, as U+017F and U+212A have a small and a capital letter of ASCII. */
function fold(name: string): string {
  return name.toUpperCase().toLowerCase();
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Thrown within this file only: what is read is a peer's. */
const UNREADABLE = Symbol('unreadable');

class Reader {
  readonly #text: string;
  #at = 0;
  #values = 0;
  #escapes = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): Json | undefined {
    try {
      const value = this.#value(0);
      this.#blank();
      return this.#at === this.#text.length ? value : undefined;
    } catch (error) {
      if (error === UNREADABLE) return undefined;
      throw error;
    }
  }

  #value(depth: number): Json {
    if (depth > DEEPEST || ++this.#values > MOST_VALUES) throw UNREADABLE;
    this.#blank();
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(depth);
      case '[':
        return this.#array(depth);
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #object(depth: number): JsonObject {
    const members = new Map<string, Json>();
    this.#at++;
    if (this.#next('}')) return members;
    do {
      this.#blank();
      const name = this.#string();
      this.#expect(':');
      if (members.has(name)) throw UNREADABLE;
      members.set(name, this.#value(depth + 1));
    } while (this.#next(','));
    this.#expect('}');
    return members;
  }

  #array(depth: number): readonly Json[] {
    const items: Json[] = [];
    this.#at++;
    if (this.#next(']')) return items;
    do items.push(this.#value(depth + 1));
    while (this.#next(','));
    this.#expect(']');
    return items;
  }

  #string(): string {
    const start = this.#at;
    if (this.#text.charCodeAt(start) !== QUOTE) throw UNREADABLE;
    const escaped = this.#skipString();
    const written = this.#text.slice(start, this.#at);
    // That its escapes are JSON's has been seen to.
    const value = escaped ? (JSON.parse(written) as string) : written.slice(1, -1);
    if (escaped && !value.isWellFormed()) throw UNREADABLE;
    return value;
  }

  /** To behind the closing quote. By hand: one pattern for all of a string overflows the stack on one of many escapes. @returns whether some are there */
  #skipString(): boolean {
    const text = this.#text;
    let escaped = false;
    for (let at = this.#at + 1; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        this.#at = at + 1;
        return escaped;
      }
      if (code < 0x20) throw UNREADABLE;
      if (code !== BACKSLASH) continue;
      if (++this.#escapes > MOST_ESCAPES) throw UNREADABLE;
      escaped = true;
      at++;
      if (text[at] === 'u' && HEX4.test(text.slice(at + 1, at + 5))) at += 4;
      else if (!SHORT_ESCAPES.has(text[at] ?? '')) throw UNREADABLE;
    }
    throw UNREADABLE;
  }

  #number(): number | typeof INEXACT {
    const start = this.#at;
    while (NUMBER_CODES.has(this.#text.charCodeAt(this.#at))) this.#at++;
    const text = this.#text.slice(start, this.#at);
    if (!NUMBER.test(text)) throw UNREADABLE;
    const value = Number(text);
    if (Number.isSafeInteger(value) && INTEGER.test(text)) return value;
    const digits = text.replace(/^-/, '').replace(/e.*$/i, '').replace('.', '').replace(/^0+/, '');
    const few = digits.length <= EXACT_DIGITS && Number.isFinite(value) && (value !== 0 || digits === '');
    return few ? value : INEXACT;
  }

  #word<Value>(word: string, value: Value): Value {
    if (!this.#text.startsWith(word, this.#at)) throw UNREADABLE;
    this.#at += word.length;
    return value;
  }

  #expect(mark: string): void {
    if (!this.#next(mark)) throw UNREADABLE;
  }

  #next(mark: string): boolean {
    this.#blank();
    if (this.#text[this.#at] !== mark) return false;
    this.#at++;
    return true;
  }

  #blank(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const HEX4 = /^[0-9A-Fa-f]{4}$/;
const SHORT_ESCAPES: ReadonlySet<string> = new Set('"\\/bfnrt');

/** Every decimal of so many digits is one double, and comes back from it (IEEE 754). */
const EXACT_DIGITS = 15;
const NUMBER_CODES: ReadonlySet<number> = new Set([...'+-.0123456789eE'].map((mark) => mark.charCodeAt(0)));
const INTEGER = /^-?\d+$/;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

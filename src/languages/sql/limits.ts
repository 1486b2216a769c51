/**
 * What a text must stay below before the parser sees it. PostgreSQL's parser recurses: deep input can break the instance for good or keep it busy for
 * minutes, so length, tokens and nesting are counted first, by a scanner that needs no stack.
 *
 * It cuts tokens roughly as PostgreSQL does. Where it is wrong it counts wrong, and the workers' own limits still hold.
 */

export interface TextLimits {
  readonly bytes: number;
  /** Without commas, and without parameters, numbers and texts that are items of a list: by themselves they nest nothing. */
  readonly tokens: number;
  /** Of brackets of any sort. */
  readonly nesting: number;
}

export const TEXT_LIMITS: TextLimits = { bytes: 1024 * 1024, tokens: 20_000, nesting: 256 };

/** @returns what the text exceeds, for people; undefined when it may be parsed */
export function exceeded(text: string, limits: TextLimits): string | undefined {
  // A UTF-16 unit is at most three bytes: most texts need no exact count.
  if (text.length > limits.bytes || (text.length * 3 > limits.bytes && Buffer.byteLength(text) > limits.bytes))
    return `${limits.bytes} bytes`;
  // Every token takes a character, and nesting needs brackets: a short text cannot exceed either.
  if (text.length <= limits.nesting) return undefined;
  const counted = count(text, limits);
  if (counted.tokens > limits.tokens) return `${limits.tokens} tokens`;
  if (counted.nesting > limits.nesting) return `brackets nested ${limits.nesting} deep`;
  return undefined;
}

function count(text: string, limits: TextLimits): { tokens: number; nesting: number } {
  let tokens = 0;
  let nesting = 0;
  let deepest = 0;
  let at = 0;
  /** What stands before is a comma or an opening bracket. */
  let listed = false;
  while (at < text.length && tokens <= limits.tokens && deepest <= limits.nesting) {
    const code = text.charCodeAt(at);
    if (code <= SPACE) {
      at += 1;
    } else if (code === COMMA) {
      listed = true;
      at += 1;
    } else if (code === DASH && text.charCodeAt(at + 1) === DASH) {
      at = afterLine(text, at);
    } else if (code === SLASH && text.charCodeAt(at + 1) === STAR) {
      at = afterComment(text, at);
    } else if (code === OPEN || code === OPEN_SQUARE) {
      nesting += 1;
      if (nesting > deepest) deepest = nesting;
      tokens += 1;
      at += 1;
      listed = true;
    } else if (code === CLOSE || code === CLOSE_SQUARE) {
      nesting -= 1;
      at += 1;
      listed = false;
    } else {
      if (!listed || !isItem(text, at, code)) tokens += 1;
      listed = false;
      at = afterToken(text, at, code);
    }
  }
  return { tokens, nesting: deepest };
}

function afterToken(text: string, at: number, code: number): number {
  if (code === QUOTE) return afterQuoted(text, at, QUOTE, escapes(text, at));
  if (code === DOUBLE_QUOTE) return afterQuoted(text, at, DOUBLE_QUOTE, false);
  return code === DOLLAR ? afterDollar(text, at) : afterWord(text, at);
}

/** A parameter, a number or a text. */
function isItem(text: string, at: number, code: number): boolean {
  return code === QUOTE || isDigit(code) || (code === DOLLAR && isDigit(text.charCodeAt(at + 1)));
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function afterWord(text: string, from: number): number {
  let at = from;
  while (at < text.length && isWord(text.charCodeAt(at))) at += 1;
  return at === from ? at + 1 : at;
}

function isWord(code: number): boolean {
  return (
    (code >= 48 && code <= 57) ||
    (code >= 65 && code <= 90) ||
    (code >= 97 && code <= 122) ||
    code === 95 ||
    code >= 128
  );
}

// E'…' takes backslash escapes; with standard_conforming_strings on, '…' does not.
function escapes(text: string, at: number): boolean {
  const before = text.charCodeAt(at - 1);
  return (before === 69 || before === 101) && (at < 2 || !isWord(text.charCodeAt(at - 2)));
}

function afterQuoted(text: string, from: number, quote: number, escaped: boolean): number {
  let at = from + 1;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (escaped && code === BACKSLASH) at += 2;
    else if (code !== quote) at += 1;
    else if (text.charCodeAt(at + 1) === quote) at += 2;
    else return at + 1;
  }
  return at;
}

function afterLine(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end === -1 ? text.length : end + 1;
}

function afterComment(text: string, from: number): number {
  let depth = 0;
  let at = from;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    const next = text.charCodeAt(at + 1);
    if (code === SLASH && next === STAR) {
      depth += 1;
      at += 2;
    } else if (code === STAR && next === SLASH) {
      depth -= 1;
      at += 2;
      if (depth === 0) return at;
    } else {
      at += 1;
    }
  }
  return at;
}

function afterDollar(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && isWord(text.charCodeAt(at))) at += 1;
  const digits = text.charCodeAt(from + 1) >= 48 && text.charCodeAt(from + 1) <= 57;
  if (digits || text.charCodeAt(at) !== DOLLAR) return at;
  const tag = text.slice(from, at + 1);
  const end = text.indexOf(tag, at + 1);
  return end === -1 ? text.length : end + tag.length;
}

const SPACE = 32;
const QUOTE = 39;
const DOUBLE_QUOTE = 34;
const OPEN = 40;
const CLOSE = 41;
const STAR = 42;
const COMMA = 44;
const DASH = 45;
const SLASH = 47;
const DOLLAR = 36;
const OPEN_SQUARE = 91;
const BACKSLASH = 92;
const CLOSE_SQUARE = 93;

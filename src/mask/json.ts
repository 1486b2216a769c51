/** Widens a match inside JSON text so that what is put in its place leaves JSON: within its string, or a whole number for a string. */

export interface Cut {
  readonly start: number;
  readonly end: number;
  /** The match was a bare number: what stands in needs quotes of its own. */
  readonly quoted: boolean;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Walks once over the cell; matches are asked for in ascending order. */
export interface JsonCutter {
  cut(start: number, end: number): Cut;
}

export function createJsonCutter(bytes: Uint8Array, from: number, to: number): JsonCutter {
  let at = from;
  let inString = false;
  /** Where the escape that covers `at - 1` begins; -1 when none does. */
  let escaping = -1;

  /** Reads one byte of JSON. */
  const step = () => {
    const byte = bytes[at]!;
    if (inString && byte === BACKSLASH && escaping < 0) escaping = at;
    else if (escaping >= 0) escaping = -1;
    else if (byte === QUOTE) inString = !inString;
    at++;
  };

  return {
    cut(start, end) {
      while (at < start) step();
      if (!inString) return wholeNumber(bytes, start, end, from, to);
      const first = escaping >= 0 ? escaping : start;
      while (at < end && inString) step();
      // A match that runs past its string ends with it: the closing quote is not part of it.
      if (!inString) return { start: first, end: at - 1, quoted: false };
      // An escape that was begun is taken whole.
      while (escaping >= 0 && at < to) step();
      return { start: first, end: at, quoted: false };
    },
  };
}

/** Digits in JSON outside a string are part of a number, which goes as a whole. */
function wholeNumber(bytes: Uint8Array, start: number, end: number, from: number, to: number): Cut {
  let first = start;
  let last = end;
  while (first > from && isOfNumber(bytes[first - 1]!)) first--;
  while (last < to && isOfNumber(bytes[last]!)) last++;
  return { start: first, end: last, quoted: true };
}

function isOfNumber(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) || byte === 0x2b || byte === 0x2d || byte === 0x2e || byte === 0x45 || byte === 0x65
  );
}

/**
 * Reads a request target. Takes only what is already in its one canonical spelling, so that the string that was judged is the string that
 * is sent and no server behind can read another path in it. Pure; never goes through `new URL`, which repairs what it reads.
 */

export interface RequestTarget {
  /** Exactly what is judged, and sent. */
  readonly raw: string;
  /** The path as it is sent; starts with a slash. */
  readonly path: string;
  /** Percent-decoded, one by one; never empty, a trailing slash adds none. */
  readonly segments: readonly string[];
  /** Whether the path ends in a slash beyond its first. */
  readonly slash: boolean;
  /** As sent, without the question mark; empty also where there is a question mark and nothing behind. */
  readonly rawQuery: string;
  /** Decoded as forms are, in order; null where servers would differ about the value. */
  readonly query: ReadonlyMap<string, readonly string[] | null>;
}

export type TargetReading =
  | { readonly ok: true; readonly target: RequestTarget }
  | { readonly ok: false; readonly reason: string; readonly hint?: string };

export const LONGEST_TARGET = 8 * 1024;

/** @returns the target, or why it is refused; the reason quotes nothing of it */
export function readTarget(raw: string): TargetReading {
  if (raw.length > LONGEST_TARGET) return refused('the request target is longer than 8 KiB');
  if (!raw.startsWith('/'))
    return refused(
      'the request target is no path',
      'send the path alone, as in GET /v1/items; a proxy setting may be on',
    );
  const odd = /[^\x21-\x7e]/.exec(raw);
  if (odd !== null)
    return refused('the request target has a character that URLs do not have', 'percent-encode it as UTF-8');
  if (raw.includes('#'))
    return refused('the request target has a fragment', 'leave out # and what follows, or send %23');
  const mark = raw.indexOf('?');
  const path = mark === -1 ? raw : raw.slice(0, mark);
  const rawQuery = mark === -1 ? '' : raw.slice(mark + 1);
  const segments = readPath(path);
  if (!Array.isArray(segments)) return segments as TargetReading;
  const query = readQuery(rawQuery);
  if (query === undefined)
    return refused('a name in the query is not percent-encoded UTF-8', 'encode names as encodeURIComponent does');
  return { ok: true, target: { raw, path, segments, slash: path.length > 1 && path.endsWith('/'), rawQuery, query } };
}

type Refused = { readonly ok: false; readonly reason: string; readonly hint?: string };

function refused(reason: string, hint?: string): Refused {
  return hint === undefined ? { ok: false, reason } : { ok: false, reason, hint };
}

function readPath(path: string): string[] | Refused {
  const found = PATH_RULES.find(([pattern]) => pattern.test(path));
  if (found !== undefined) return refused(found[1], found[2]);
  const decoded: string[] = [];
  const parts = path.slice(1).split('/');
  if (parts.at(-1) === '') parts.pop();
  for (const part of parts) {
    const text = part.includes('%') ? decode(part) : part;
    if (text === undefined) return refused('the path is not UTF-8 after percent-decoding');
    const wrong = SEGMENT_RULES.find(([pattern]) => pattern.test(text));
    if (wrong !== undefined) return refused(wrong[1]);
    decoded.push(text);
  }
  return decoded;
}

/** On the path as it came. The first that matches is said. */
const PATH_RULES: readonly (readonly [pattern: RegExp, reason: string, hint?: string])[] = [
  [/\/\//, 'the path has an empty segment', 'write one slash where there are two'],
  [/;/, 'the path has a semicolon', 'servers differ about what follows one: leave it out'],
  [/\\|%5c/i, 'the path has a backslash'],
  [/%2f/i, 'the path has an encoded slash', 'servers differ about %2F: name the thing in the query, if the target can'],
  // RFC 3986, section 2.1: two hexadecimal digits.
  [/%(?![0-9a-f]{2})/i, 'the path has a percent sign that encodes nothing', 'send %25 for a percent sign'],
  // RFC 3986, section 6.2.2.2: letters, digits and -._~ mean the same encoded or not, so some server decodes them early.
  [
    /%(?:2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f|7e)/i,
    'the path encodes a character that stands for itself',
    'send letters, digits and - . _ ~ as they are',
  ],
  [/%(?:[a-f].|.[a-f])/, 'the path has lower-case percent-encoding', 'write %3A, not %3a'],
  [/%(?:[01][0-9A-F]|7F)/, 'the path has an encoded control character'],
  [/%3B/, 'the path has an encoded semicolon'],
  // RFC 3986, section 3.3: pchar, less the semicolon.
  [/[^A-Za-z0-9\-._~!$&'()*+,=:@%/]/, 'the path has a character that paths do not have', 'percent-encode it'],
];

/** On each segment once decoded. */
const SEGMENT_RULES: readonly (readonly [pattern: RegExp, reason: string])[] = [
  // Windows drops dots and spaces at the end of a name, so `.. ` and `...` are dot segments there.
  [/^[. ]*$/, 'the path has a dot segment'],
  [/[\u0080-\u009f\u2028\u2029]/, 'the path has an encoded control character'],
  // A server that decodes twice would find there what was refused above.
  [/%(?:25)*(?:2[ef]|5c|3b|[01][0-9a-f]|7f)/i, 'the path is encoded twice'],
];

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @returns undefined where it is no UTF-8 */
function decode(text: string): string | undefined {
  try {
    return UTF8.decode(
      Buffer.from(
        text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
        'latin1',
      ),
    );
  } catch {
    return undefined;
  }
}

/** As forms are read (URL Standard, section 5.1). @returns undefined where a name is not to be told */
function readQuery(raw: string): Map<string, string[] | null> | undefined {
  const query = new Map<string, string[] | null>();
  for (const pair of raw.split('&')) {
    if (pair === '') continue;
    // Older servers separate at semicolons too: neither reading is told, of no name that either of them has.
    const readings = pair.includes(';') ? [pair, ...pair.split(';')] : [pair];
    for (const reading of readings) {
      const at = reading.indexOf('=');
      const name = decodeForm(at === -1 ? reading : reading.slice(0, at));
      if (name === undefined) return undefined;
      const value = readings.length > 1 ? undefined : decodeForm(at === -1 ? '' : reading.slice(at + 1));
      const values = query.get(name);
      if (value === undefined || values === null) query.set(name, null);
      else if (values === undefined) query.set(name, [value]);
      else values.push(value);
    }
  }
  return query;
}

function decodeForm(text: string): string | undefined {
  if (/%(?![0-9a-f]{2})/i.test(text)) return undefined;
  return decode(text.replaceAll('+', ' '));
}

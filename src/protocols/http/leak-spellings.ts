/** In which ways a credential may be written: for each of its characters the bytes it may stand as. */

/** One byte of a spelling: which ones will do (`f` and `F`), and which may follow it any number of times. */
export interface Part {
  readonly bytes: readonly number[];
  readonly more?: readonly number[];
}

/** One way to write a character. */
export type Spelling = readonly Part[];

/** Characters in order, each with its spellings. */
export type Needle = readonly (readonly Spelling[])[];

/**
 * Of a long one the end alone is looked for: whoever gives all of it away gives that away, and the beginnings of tokens are alike (`eyJhbGciOi…`).
 */
const MOST_BYTES = 64;

export function needlesOf(secret: string): readonly Needle[] {
  const characters = lastOf([...secret], MOST_BYTES);
  const bytes = lastBytes(Buffer.from(secret), MOST_BYTES);
  return [
    characters.map(characterSpellings),
    ...[0, 1, 2].map((alignment) => base64Needle(bytes, alignment)),
    [...bytes.toString('hex')].map((digit) => [[hexDigit(digit)]]),
    utf16Needle(characters, 'le'),
    utf16Needle(characters, 'be'),
  ];
}

const lastOf = <T>(all: readonly T[], most: number): readonly T[] => all.slice(-most);
const lastBytes = (all: Buffer, most: number): Buffer => all.subarray(Math.max(0, all.length - most));

const NAMED: ReadonlyMap<string, readonly string[]> = new Map([
  ['&', ['&amp;']],
  ['<', ['&lt;']],
  ['>', ['&gt;']],
  ['"', ['&quot;']],
  ["'", ['&apos;']],
  [' ', ['+', '&nbsp;']],
]);

function characterSpellings(character: string): readonly Spelling[] {
  const raw = Buffer.from(character);
  const code = character.codePointAt(0)!;
  return [
    exactly(raw),
    // As a header's bytes, where it is no ASCII.
    ...(code > 0x7f && code <= 0xff ? [exactly(Buffer.from([code]))] : []),
    percent(raw, '%'),
    // Encoded once more.
    percent(raw, '%25'),
    ...escapes(character, raw),
    ...entities(code),
    ...(NAMED.get(character) ?? []).map((name) => exactly(name)),
  ];
}

function percent(bytes: Buffer, sign: string): Spelling {
  return [...bytes].flatMap((byte) => [...exactly(sign), ...hexDigits(byte, 2)]);
}

/** `\"`, `\u0041`, `\x41`, with as many backslashes as nesting asks for. */
function escapes(character: string, raw: Buffer): readonly Spelling[] {
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
  return [
    ...(raw.length === 1 ? [[SLASHES, ...exactly(raw)]] : []),
    units.flatMap((unit) => [SLASHES, ...exactly('u'), ...hexDigits(unit, 4)]),
    ...(units.length === 1 && units[0]! <= 0xff ? [[SLASHES, ...exactly('x'), ...hexDigits(units[0]!, 2)]] : []),
  ];
}

const SLASHES: Part = { bytes: [0x5c], more: [0x5c] };
const ZERO = 0x30;

/** `&#65;`, `&#x41;`, with zeros in front. */
function entities(code: number): readonly Spelling[] {
  const [sign, hash] = exactly('&#') as [Part, Part];
  const zeros = { ...hash, more: [ZERO] };
  return [
    [sign, zeros, ...exactly(`${code};`)],
    [sign, hash, { bytes: [0x78, 0x58], more: [ZERO] }, ...hexDigits(code, 2), ...exactly(';')],
  ];
}

/** The characters that the secret alone decides on, wherever in a group of three bytes it begins; lines may be broken between them. */
function base64Needle(secret: Buffer, alignment: number): Needle {
  const shifted = Buffer.concat([Buffer.alloc(alignment), secret]).toString('base64');
  const from = Math.ceil((alignment * 8) / 6);
  const to = Math.floor(((alignment + secret.length) * 8) / 6);
  return [...shifted.slice(from, to)].map((character, index) => {
    const either = BASE64.get(character) ?? [exactly(character)];
    return index === 0 ? either : [...either, ...either.map((one) => [LINE_BREAK, ...one])];
  });
}

/** CR and LF, as they are or escaped. */
const LINE_BREAK: Part = { bytes: [0x0a, 0x0d, 0x5c], more: [0x0a, 0x0d, 0x5c, 0x6e, 0x72] };

/** The two alphabets differ in two characters; the plain one's are escaped in URLs and in some JSON. */
const BASE64: ReadonlyMap<string, readonly Spelling[]> = new Map([
  ['+', [...characterSpellings('+'), exactly('-'), exactly(' ')]],
  ['/', [...characterSpellings('/'), exactly('_')]],
]);

function utf16Needle(characters: readonly string[], order: 'le' | 'be'): Needle {
  return characters.map((character) => {
    const bytes = Buffer.from(character, 'utf16le');
    return [exactly(order === 'le' ? bytes : bytes.swap16())];
  });
}

function exactly(bytes: Uint8Array | string): Spelling {
  return [...Buffer.from(bytes as string)].map((byte) => ({ bytes: [byte] }));
}

function hexDigits(value: number, digits: number): Spelling {
  return [...value.toString(16).padStart(digits, '0')].map(hexDigit);
}

function hexDigit(digit: string): Part {
  return { bytes: [...new Set([digit.toLowerCase(), digit.toUpperCase()])].map((one) => one.charCodeAt(0)) };
}

/**
 * Makes text from outside safe to show: what a terminal would obey, and what an eye would not see, becomes visible.
 *
 * Names, SQL, errors, recordings: none of it may move a cursor, set a clipboard (OSC 52), reorder what is read (bidi) or hide between letters.
 */

// All of Unicode's "Other" (controls C0 and C1, format such as bidi, surrogates, private, unassigned), every separator but the plain space
// (U+2028, no-break and thin spaces), and what is drawn as nothing (UAX #44, Default_Ignorable_Code_Point: zero-width, Hangul fillers, tags).
const UNSAFE = /[[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]--[ ]]/gv;
/** Exported for the approval page, whose script runs in a browser and cannot import. */
export const UNSAFE_BUT_LINES = /[[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]--[ \n]]/gv;

const SHORT = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

/**
 * Escapes visibly: `\n`, `\x1b`, `\u{202E}`. Always one line.
 *
 * What is shown is not meant to be read back: a backslash stands for itself, so that SQL stays readable.
 */
export function escapeForDisplay(text: string): string {
  return text.replace(UNSAFE, escapeOne);
}

/** The same, line by line, for text whose own line breaks shall stay. The caller sets the lines off (indents them), so that none poses as ours. */
export function escapeLinesForDisplay(text: string): string[] {
  return text.replace(/\t/g, '    ').replace(UNSAFE_BUT_LINES, escapeOne).split('\n');
}

/** JSON that is safe on a terminal too: JSON.stringify escapes C0 only. The meaning is unchanged, so readers of JSON lose nothing. */
export function jsonForDisplay(value: unknown): string {
  return escapeJson(JSON.stringify(value));
}

/** The same for JSON that is text already. */
export function escapeJson(json: string): string {
  return json.replace(UNSAFE_BUT_LINES, (char) => {
    const units = Array.from({ length: char.length }, (_, i) => char.charCodeAt(i));
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
  });
}

/**
 * For a variable of a shell script: what is unsafe is gone, and backslashes too, which some shells' `echo` makes control characters of. No longer than
 * 500 characters.
 */
export function plainForScript(text: string): string {
  return text.slice(0, 500).replace(UNSAFE, '?').replaceAll('\\', '?');
}

function escapeOne(char: string): string {
  const short = SHORT.get(char);
  if (short !== undefined) return short;
  const code = char.codePointAt(0) ?? 0;
  return code < 0x80 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16).toUpperCase()}}`;
}

// What an approver could not see even escaped for what it does: it reorders, hides or overwrites what stands around it when someone pastes the
// text elsewhere, and PostgreSQL ends a text at NUL. Tab and newline are C0 too, and harmless.
const UNSHOWABLE: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['a NUL', /\0/],
  ['a bidi control', /\p{Bidi_Control}/u],
  ['a control character', /[\x01-\x08\x0b-\x1f]/],
];

/** Why a text can not be put before an approver: "a bidi control U+202E". Undefined when it can. */
export function unshowable(text: string): string | undefined {
  for (const [what, pattern] of UNSHOWABLE) {
    const found = pattern.exec(text)?.[0];
    if (found === undefined) continue;
    return `${what} U+${(found.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
  }
  return undefined;
}

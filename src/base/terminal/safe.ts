/**
 * Bytes that were meant for one terminal, made safe for another: what draws is kept (text, colours, the cursor, erasing, scrolling, the second screen), by a list
 * of what may pass. Everything else is gone: titles, clipboards, links, pictures, questions that a terminal would answer as if its owner had typed, modes of
 * keyboard and mouse, the scrollback's erasure. Characters that reorder or hide what is read are shown as escapes.
 */
import { escapeForDisplay } from '../shown.ts';
import { createCharsets } from './charset.ts';
import { type ControlSequence, createTerminalParser } from './parser.ts';

declare const safe: unique symbol;
/** May be written to a person's terminal as it is. Made here and nowhere else. */
export type SafeForTerminal = string & { readonly [safe]: true };

export interface SafeTerminal {
  push(bytes: Uint8Array): SafeForTerminal;
  /** What gives the terminal back as it was before the first byte. */
  end(): SafeForTerminal;
}

// As `shown.ts` has it, without what terminals draw: fonts' own signs and wide spaces. Joiners and selectors only where they make one sign of several.
const UNSAFE =
  /(?<part>(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])[\u200d\ufe0f])|[[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]--[\p{Co}]]/gv;

/** With numbers of up to four digits, and none but these. */
const MOVES = new Set('ABCDEFGHJKLMPSTXZ@`abdefr');
const SMALL_NUMBERS = /^\d{0,4}(?:;\d{0,4}){0,7}$/;
const MOST_REPEATED = 1_000;

/** What may be switched, and how it is when nobody has: `?` modes, then ANSI's. */
const MODES: ReadonlyMap<string, 'h' | 'l'> = new Map([
  ['?6', 'l'],
  ['?7', 'h'],
  ['?25', 'h'],
  ['?47', 'l'],
  ['?1047', 'l'],
  ['?1048', 'l'],
  ['?1049', 'l'],
  ['4', 'l'],
]);

export function createSafeTerminal(): SafeTerminal {
  let out = '';
  let touched = false;
  let region = false;
  const switched = new Set<string>();
  const charsets = createCharsets();
  const parser = createTerminalParser({ print, control, csi, escape: afterEscape });

  function print(text: string): void {
    out += charsets.drawn(text).replace(UNSAFE, (char, part) => (part === undefined ? escapeForDisplay(char) : char));
  }

  function control(code: number): void {
    if (code === 0x0e || code === 0x0f) charsets.shift(code === 0x0e);
    else if (code === 0x08 || code === 0x09 || code === 0x0d) out += String.fromCharCode(code);
    // A line feed alone moves down; whoever is at a terminal that adds a return to it sees the same (IND).
    else if (code >= 0x0a && code <= 0x0c) out += out.endsWith('\r') ? '\n' : '\x1bD';
  }

  function csi(sequence: ControlSequence): void {
    const { prefix, params, intermediates, final } = sequence;
    if (final === 'h' || final === 'l') return intermediates === '' ? modes(prefix, params, final) : undefined;
    if (intermediates === '!' && final === 'p' && prefix === '') {
      out += '\x1b[!p';
      switched.clear();
      region = false;
      return;
    }
    if (prefix !== '' || intermediates !== '' || !passes(final, params)) return;
    if (final === 'm') touched = true;
    if (final === 'r') region = true;
    out += `\x1b[${params}${final}`;
  }

  function modes(prefix: string, params: string, final: 'h' | 'l'): void {
    for (const number of params.split(';')) {
      const name = prefix + number;
      const usual = MODES.get(name);
      if (usual === undefined) continue;
      out += `\x1b[${name}${final}`;
      if (final === usual) switched.delete(name);
      else switched.add(name);
    }
  }

  function afterEscape(intermediates: string, final: string): void {
    if (intermediates === '(' || intermediates === ')') charsets.designate(intermediates, final);
    else if (intermediates !== '') return;
    else if ('78DEM'.includes(final)) out += `\x1b${final}`;
    else if (final === 'c') {
      charsets.reset();
      out += `${restored()}\x1b[2J\x1b[H`;
    }
  }

  function restored(): string {
    const modesBack = Array.from(switched, (name) => `\x1b[${name}${MODES.get(name)}`).join('');
    // Setting the region moves the cursor.
    const back = `${touched ? '\x1b[0m' : ''}${region ? '\x1b7\x1b[r\x1b8' : ''}${modesBack}`;
    switched.clear();
    touched = false;
    region = false;
    return back;
  }

  const taken = (): SafeForTerminal => {
    const text = out as SafeForTerminal;
    out = '';
    return text;
  };

  return {
    push(bytes) {
      parser.push(bytes);
      return taken();
    },
    end() {
      out += restored();
      return taken();
    },
  };
}

function passes(final: string, params: string): boolean {
  if (final === 'm') return true;
  // Saving and restoring the cursor; with numbers they are something else.
  if (final === 's' || final === 'u') return params === '';
  // 3 J erases what the reader's terminal remembers.
  if (final === 'J') return /^0*[012]?$/.test(params);
  if (final === 'b') return /^\d{0,4}$/.test(params) && Number(params) <= MOST_REPEATED;
  // With five numbers T is about the mouse.
  if (final === 'T') return /^\d{0,4}$/.test(params);
  return MOVES.has(final) && SMALL_NUMBERS.test(params);
}

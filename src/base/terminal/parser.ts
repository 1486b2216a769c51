/**
 * What a terminal would make of bytes: characters, controls and sequences, told apart as ECMA-48 and the DEC terminals do. Obeys nothing.
 *
 * Strings (OSC, DCS, APC, PM, SOS: titles, clipboards, pictures, answers) are left out, whatever they say. Bounded: of a sequence too long to be one
 * nothing is kept, and a string without an end is over after 64 KiB, so that what follows it is seen.
 */

export interface ControlSequence {
  /** `?`, `>`, `<` or `=`, or nothing. */
  readonly prefix: string;
  /** Digits, `;` and `:` in an honest one. */
  readonly params: string;
  readonly intermediates: string;
  readonly final: string;
}

export interface TerminalHandler {
  /** Characters to be drawn: no control among them, but anything else. */
  print(text: string): void;
  /** C0. */
  control(code: number): void;
  csi(sequence: ControlSequence): void;
  /** ESC, intermediates, and a final character. */
  escape(intermediates: string, final: string): void;
}

export interface TerminalParser {
  /** UTF-8, cut anywhere; what is none becomes U+FFFD. */
  push(bytes: Uint8Array): void;
}

const ESC = 0x1b;
const LONGEST_SEQUENCE = 128;
const LONGEST_STRING = 64 * 1024;
const CONTROL = /[\x00-\x1f\x7f-\x9f]/g;
const STRINGS = new Set(['P', 'X', ']', '^', '_']);

type State = 'ground' | 'escape' | 'csi' | 'string' | 'stringEscape';

export function createTerminalParser(handler: TerminalHandler): TerminalParser {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let state: State = 'ground';
  let collected = '';
  let stringLength = 0;

  /** @returns whether the character was one of the sequence */
  function inSequence(char: string, code: number): boolean {
    if (code === ESC) {
      state = 'escape';
      collected = '';
      return true;
    }
    if (code === 0x18 || code === 0x1a) {
      state = 'ground';
      return true;
    }
    if (code < 0x20) {
      handler.control(code);
      return true;
    }
    if (code >= 0x7f) {
      state = 'ground';
      return false;
    }
    if (state === 'escape') afterEscape(char, code);
    else afterCsi(char, code);
    return true;
  }

  function afterEscape(char: string, code: number): void {
    if (code < 0x30) return collect(char);
    const intermediates = collected;
    collected = '';
    if (intermediates === '' && char === '[') state = 'csi';
    else if (intermediates === '' && STRINGS.has(char)) {
      state = 'string';
      stringLength = 0;
    } else {
      state = 'ground';
      if (intermediates.length <= 2) handler.escape(intermediates, char);
    }
  }

  function afterCsi(char: string, code: number): void {
    if (code < 0x40) return collect(char);
    state = 'ground';
    const parts = /^([<-?]?)([0-9:;]*)([ -/]*)$/.exec(collected);
    if (!parts || collected.length > LONGEST_SEQUENCE) return;
    const [, prefix = '', params = '', intermediates = ''] = parts;
    handler.csi({ prefix, params, intermediates, final: char });
  }

  // One more than the longest shows that it is too long.
  function collect(char: string): void {
    if (collected.length <= LONGEST_SEQUENCE) collected += char;
  }

  /** Bytes of a string are passed over up to its end. @returns where it goes on */
  function pastString(text: string, from: number): number {
    for (let at = from; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (state === 'stringEscape') {
        // ESC \ ends it; with anything else behind it the ESC begins something new.
        state = code === 0x5c ? 'ground' : 'escape';
        collected = '';
        return code === 0x5c ? at + 1 : at;
      }
      if (code === ESC) state = 'stringEscape';
      else if (code === 0x07 || code === 0x18 || code === 0x1a || code === 0x9c || ++stringLength > LONGEST_STRING) {
        state = 'ground';
        return at + 1;
      }
    }
    return text.length;
  }

  return {
    push(bytes) {
      const text = decoder.decode(bytes, { stream: true });
      for (let at = 0; at < text.length; ) {
        if (state === 'string' || state === 'stringEscape') {
          at = pastString(text, at);
          continue;
        }
        const code = text.charCodeAt(at);
        if (state !== 'ground' && inSequence(text[at]!, code)) {
          at++;
          continue;
        }
        if (code === ESC) {
          state = 'escape';
          collected = '';
          at++;
        } else if (code < 0x20) {
          handler.control(code);
          at++;
        } else if (code >= 0x7f && code <= 0x9f) at++;
        else {
          CONTROL.lastIndex = at;
          const end = CONTROL.exec(text)?.index ?? text.length;
          handler.print(text.slice(at, end));
          at = end;
        }
      }
    },
  };
}

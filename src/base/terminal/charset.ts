/** The line drawing characters of DEC's terminals, which programs still switch to: given as what they draw, so that nobody's terminal is switched. */

export interface Charsets {
  /** `ESC ( 0` and its like. */
  designate(intermediates: string, final: string): void;
  /** SO and SI. */
  shift(out: boolean): void;
  drawn(text: string): string;
  reset(): void;
}

// From 0x60 to 0x7e, as the VT100 has them.
const DRAWN = Array.from('◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·');

export function createCharsets(): Charsets {
  let sets = [false, false];
  let active = 0;
  return {
    designate(intermediates, final) {
      const slot = { '(': 0, ')': 1 }[intermediates];
      if (slot !== undefined) sets[slot] = final === '0';
    },
    shift(out) {
      active = out ? 1 : 0;
    },
    drawn: (text) => (sets[active] ? text.replace(/[`-~]/g, (char) => DRAWN[char.charCodeAt(0) - 0x60] ?? char) : text),
    reset() {
      sets = [false, false];
      active = 0;
    },
  };
}

/**
 * What was typed at a terminal, line by line, as far as keys tell: with the editing that shells do by themselves (readline's usual keys). What a shell puts there
 * on its own, from its history or by completion, is not among the keys: such a line is not sure. Best effort, and never a boundary: a shell may bind any key to
 * anything.
 */

export interface TypedLine {
  /** Without its end; with line feeds where lines were pasted as one. */
  readonly text: string;
  /** No key was pressed whose effect only the shell knows. */
  readonly sure: boolean;
}

export interface TypedLines {
  /** @returns lines whose Enter is among these bytes */
  push(bytes: Uint8Array): TypedLine[];
}

const LONGEST = 4_096;
const LONGEST_SEQUENCE = 32;
const KEY = /\x1b\[[0-?]*[ -/]*(?:[@-~]|(?=[^ -~]))|\x1bO(?:[ -~]|(?=[^ -~]))|\x1b(?=\x1b)|\x1b[^\x1b[O]|[^\x1b]/suy;

/** Keys that are sequences, by the control they stand for; modifiers go by words. */
const NAMED: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '[D': 'left',
    '[C': 'right',
    '[H': 'home',
    '[1~': 'home',
    '[7~': 'home',
    '[F': 'end',
    '[4~': 'end',
    '[8~': 'end',
    '[3~': 'delete',
    '[1;5D': 'wordLeft',
    '[1;3D': 'wordLeft',
    '[1;5C': 'wordRight',
    '[1;3C': 'wordRight',
    b: 'wordLeft',
    f: 'wordRight',
    d: 'killWord',
    '\x7f': 'killWordBack',
    '\b': 'killWordBack',
    '[200~': 'paste',
    '[201~': 'pasted',
    // They say that the window has the focus, or answer a question: nothing was typed.
    '[I': 'nothing',
    '[O': 'nothing',
  }),
);

const CONTROLS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '\x01': 'home',
    '\x02': 'left',
    '\x03': 'abandon',
    '\x04': 'delete',
    '\x05': 'end',
    '\x06': 'right',
    '\x07': 'nothing',
    '\b': 'back',
    '\x0b': 'killEnd',
    '\x0c': 'nothing',
    '\x15': 'killStart',
    '\x16': 'literal',
    '\x17': 'killBlank',
    '\x19': 'yank',
    '\x1a': 'abandon',
    '\x7f': 'back',
    '\0': 'nothing',
  }),
);

export function createTypedLines(): TypedLines {
  const decoder = new TextDecoder();
  let rest = '';
  let line: string[] = [];
  let at = 0;
  let sure = true;
  let pasting = false;
  let literal = false;
  let killed: string[] = [];

  function clear(): void {
    line = [];
    at = 0;
    sure = true;
  }

  function put(chars: readonly string[]): void {
    line.splice(at, 0, ...chars);
    at += chars.length;
    // Of what is too long its end is kept, which is nearest to Enter.
    const over = line.length - LONGEST;
    if (over <= 0) return;
    line.splice(0, over);
    at = Math.max(0, at - over);
    sure = false;
  }

  function move(to: number): void {
    at = Math.max(0, Math.min(line.length, to));
  }

  function kill(from: number, to: number): void {
    killed = line.splice(from, Math.max(0, to - from));
    at = from;
  }

  /** Where the word beside the cursor ends, in steps of one. */
  function word(step: 1 | -1, isPart: RegExp): number {
    const beside = (place: number) => line[step > 0 ? place : place - 1];
    let place = at;
    while (beside(place) !== undefined && !isPart.test(beside(place)!)) place += step;
    while (beside(place) !== undefined && isPart.test(beside(place)!)) place += step;
    return place;
  }

  const WORD = /[\p{L}\p{N}]/u;
  const ACTS: Readonly<Record<string, () => void>> = {
    nothing: () => {},
    abandon: clear,
    left: () => move(at - 1),
    right: () => move(at + 1),
    home: () => move(0),
    end: () => move(line.length),
    wordLeft: () => move(word(-1, WORD)),
    wordRight: () => move(word(1, WORD)),
    delete: () => void line.splice(at, 1),
    back: () => {
      if (at === 0) return;
      move(at - 1);
      line.splice(at, 1);
    },
    killStart: () => kill(0, at),
    killEnd: () => kill(at, line.length),
    killBlank: () => kill(word(-1, /\S/), at),
    killWord: () => kill(at, word(1, WORD)),
    killWordBack: () => kill(word(-1, WORD), at),
    yank: () => put(killed),
    literal: () => {
      literal = true;
    },
    paste: () => {
      pasting = true;
    },
    pasted: () => {
      pasting = false;
    },
  };

  function press(key: string): TypedLine | undefined {
    if (literal) {
      literal = false;
      put([...key]);
      return undefined;
    }
    const name = key[0] === '\x1b' ? NAMED.get(key.slice(1).replace(/^O/, '[')) : CONTROLS.get(key);
    // What is pasted is text, whatever it says; but for what ends it.
    if (pasting && name !== 'pasted') {
      if (key[0] !== '\x1b') put([key === '\r' ? '\n' : key]);
      return undefined;
    }
    if (name !== undefined) ACTS[name]?.();
    else if (key === '\r' || key === '\n') {
      const typed = { text: line.join(''), sure };
      clear();
      return typed;
    } else if (key >= ' ') put([key]);
    else sure = false;
    return undefined;
  }

  return {
    push(bytes) {
      const text = rest + decoder.decode(bytes, { stream: true });
      const lines: TypedLine[] = [];
      const plain: string[] = [];
      KEY.lastIndex = 0;
      let read = 0;
      for (let key = KEY.exec(text); key !== null; key = KEY.exec(text)) {
        read = KEY.lastIndex;
        // Plain characters are put there together: one by one a long line costs its length for each.
        if (!literal && key[0] >= ' ' && !CONTROLS.has(key[0])) {
          plain.push(key[0]);
          continue;
        }
        put(plain.splice(0));
        const typed = press(key[0]);
        if (typed) lines.push(typed);
      }
      put(plain.splice(0));
      // A sequence that has begun; one too long is none.
      rest = text.slice(read);
      if (rest.length > LONGEST_SEQUENCE) rest = '';
      return lines;
    },
  };
}

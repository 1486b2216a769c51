/** What a terminal in raw mode sends, as keys. */

export type Key =
  /** One character that was typed alone. */
  | { readonly kind: 'char'; readonly char: string }
  /** Several at once: pasted, or typed before anybody read. */
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: NamedKey };

export type NamedKey =
  | 'enter'
  | 'escape'
  | 'backspace'
  | 'clear'
  | 'up'
  | 'down'
  | 'pageUp'
  | 'pageDown'
  | 'home'
  | 'end'
  | 'other';

/** What in a cooked terminal would be a signal to everything in front. */
export type SignalKey = 'SIGINT' | 'SIGQUIT' | 'SIGTSTP';

export interface Typed {
  readonly keys: readonly Key[];
  readonly signals: readonly SignalKey[];
}

// The terminal's own characters for them, as raw mode takes them away (termios(3), ISIG).
const SIGNALS = new Map<string, SignalKey>([
  ['\x03', 'SIGINT'],
  ['\x1c', 'SIGQUIT'],
  ['\x1a', 'SIGTSTP'],
]);

// xterm, "VT220-Style Function Keys"; both cursor modes.
const NAMED = new Map<string, NamedKey>([
  ['\r', 'enter'],
  ['\n', 'enter'],
  ['\x1b', 'escape'],
  ['\x7f', 'backspace'],
  ['\b', 'backspace'],
  ['\x15', 'clear'],
  ['\x1b[A', 'up'],
  ['\x1bOA', 'up'],
  ['\x1b[B', 'down'],
  ['\x1bOB', 'down'],
  ['\x1b[5~', 'pageUp'],
  ['\x1b[6~', 'pageDown'],
  ['\x1b[H', 'home'],
  ['\x1bOH', 'home'],
  ['\x1b[1~', 'home'],
  ['\x1b[F', 'end'],
  ['\x1bOF', 'end'],
  ['\x1b[4~', 'end'],
]);

/** @param chunk what one read gave. A key is one that came alone: keys that came together were not pressed at what is shown. */
export function readKeys(chunk: string): Typed {
  const signals = [...chunk].flatMap((char) => SIGNALS.get(char) ?? []);
  const rest = [...chunk].filter((char) => !SIGNALS.has(char)).join('');
  return { keys: rest === '' ? [] : keysIn(rest), signals };
}

function keysIn(rest: string): Key[] {
  const named = NAMED.get(rest);
  if (named !== undefined) return [{ kind: named }];
  if (rest.startsWith('\x1b')) return sequences(rest);
  if ([...rest].length === 1) return [rest < ' ' ? { kind: 'other' } : { kind: 'char', char: rest }];
  const enter = /[\r\n]$/.test(rest);
  const text = rest.replace(/[\r\n]+$/, '').replace(/[\r\n\t]+/g, ' ');
  return [{ kind: 'text', text }, ...(enter ? [{ kind: 'enter' } as const] : [])];
}

/** A key that is held down sends several in one read. None of them decides anything. */
function sequences(rest: string): Key[] {
  const all = rest.match(/\x1b(?:\[[0-9;]*[~A-Za-z]|O[A-Z])/g) ?? [];
  if (all.join('') !== rest) return [{ kind: 'other' }];
  return all.map((one) => ({ kind: NAMED.get(one) ?? 'other' }));
}

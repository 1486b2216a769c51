/**
 * The pace of a replay on a terminal: as it happened, faster, paused, or one line at a time.
 *
 * What is played are ordinary lines, which stay in the terminal's own scrollback; only the line that says what the keys do is drawn and taken away again.
 */
import type { Cancel, Clock } from '../../base/clock.ts';
import { formatDuration } from '../../base/duration.ts';
import { cutToWidth } from '../../base/width.ts';
import { type Key, readKeys, type SignalKey } from './keys.ts';

export interface Pace {
  /** Resolves when the next line's time has come. @returns false when the person has seen enough */
  wait(ms: number): Promise<boolean>;
  /** Gives the terminal back as it was. */
  close(): void;
}

export interface PaceParts {
  readonly stdin: NodeJS.ReadStream;
  readonly stderr: NodeJS.WriteStream;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** 2 is twice as fast. */
  readonly speed: number;
  /** A recorded screen is being drawn: nothing of ours is drawn over it. */
  readonly covered?: () => boolean;
  /** Puts the process's own handling of a signal to work. */
  readonly raise?: (signal: SignalKey) => void;
}

const ERASE = '\r\x1b[2K';
const TICK_MS = 250;
const SLOWEST = 1 / 16;
const FASTEST = 1_024;

export function createPace({
  stdin,
  stderr,
  clock,
  signal,
  speed: first,
  covered = () => false,
  raise = raiseHere,
}: PaceParts): Pace {
  let speed = first;
  let paused = false;
  let over = false;
  let drawn = false;
  /** Of the line that is waited for: recorded ms that are left, and since when they run. */
  let left = 0;
  let since = 0;
  let cancel: Cancel | undefined;
  let settle: ((goesOn: boolean) => void) | undefined;

  const actions: Readonly<Record<string, () => void>> = {
    ' ': () => {
      spend();
      paused = !paused;
    },
    n: () => finish(true),
    '.': () => finish(true),
    '+': () => faster(2),
    '-': () => faster(1 / 2),
    q: () => quit(),
  };

  function onData(chunk: Buffer): void {
    const { keys, signals } = readKeys(chunk.toString('utf8'));
    for (const one of signals) yieldTo(one);
    for (const key of keys) act(key);
    if (settle) again();
  }

  function act(key: Key): void {
    if (key.kind === 'char') actions[key.char]?.();
    // A key that is held down comes as several.
    else if (key.kind === 'text' && new Set(key.text).size === 1) actions[key.text[0] ?? '']?.();
    else if (key.kind === 'escape') quit();
  }

  function faster(by: number): void {
    spend();
    speed = Math.min(FASTEST, Math.max(SLOWEST, speed * by));
  }

  function quit(): void {
    over = true;
    finish(false);
  }

  /** Ctrl-C and Ctrl-Z are only keys in raw mode; whoever comes back finds it as it was. */
  function yieldTo(one: SignalKey): void {
    erase();
    stdin.setRawMode(false);
    raise(one);
    stdin.setRawMode(true);
  }

  function spend(): void {
    const now = clock.monotonic();
    if (!paused) left -= (now - since) * speed;
    since = now;
  }

  function again(): void {
    cancel?.();
    if (!settle) return;
    spend();
    if (!paused && left <= 0) return finish(true);
    draw();
    cancel = clock.after(paused ? TICK_MS * 8 : Math.min(TICK_MS, left / speed), again);
  }

  function finish(goesOn: boolean): void {
    cancel?.();
    cancel = undefined;
    erase();
    const resolve = settle;
    settle = undefined;
    resolve?.(goesOn);
  }

  function draw(): void {
    if (covered()) return;
    const pace = speed === 1 ? '' : `${speed}× · `;
    const state = paused ? 'paused' : `next in ${formatDuration(left / speed)}`;
    const keys = `space ${paused ? 'goes on' : 'pauses'} · n next · + - speed · q quits`;
    // One column stays free: a full line would wrap, and only half of it could be erased.
    const line = cutToWidth(` ${pace}${state} · ${keys}`, (stderr.columns || 80) - 1);
    stderr.write(`${ERASE}\x1b[2m${line}\x1b[22m`);
    drawn = true;
  }

  function erase(): void {
    if (drawn) stderr.write(ERASE);
    drawn = false;
  }

  stdin.setRawMode(true);
  stdin.on('data', onData);
  stdin.resume();
  const onAbort = () => finish(false);
  signal.addEventListener('abort', onAbort, { once: true });

  return {
    wait(ms) {
      if (over) return Promise.resolve(false);
      if (signal.aborted) return Promise.reject(signal.reason);
      // Paused, even what happened in the same moment comes one by one.
      if (ms <= 0 && !paused) return new Promise((resolve) => setImmediate(() => resolve(!over)));
      left = ms;
      since = clock.monotonic();
      return new Promise<boolean>((resolve, reject) => {
        settle = (goesOn) => (signal.aborted ? reject(signal.reason) : resolve(goesOn));
        again();
      });
    },
    close() {
      finish(false);
      signal.removeEventListener('abort', onAbort);
      stdin.off('data', onData);
      stdin.setRawMode(false);
      stdin.pause();
    },
  };
}

function raiseHere(signal: SignalKey): void {
  process.kill(process.pid, signal);
}

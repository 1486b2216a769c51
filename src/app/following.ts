/**
 * Follows what the gateway tells as it happens, over a gateway that restarts, a line that breaks and a login that runs out.
 *
 * A stream that ends is opened again, with growing pauses; what was missed is the opener's to bring. Only what will not get better by waiting ends it.
 */
import { type Clock, wait } from '../base/clock.ts';
import { HoopError } from '../base/error.ts';

export type Interruption =
  | { readonly type: 'reconnecting'; readonly message: string }
  /** Nothing goes on before somebody logs in again, in another terminal. */
  | { readonly type: 'loginRequired'; readonly message: string }
  | { readonly type: 'reconnected'; readonly awayMs: number };

export interface Followed<T> {
  /**
   * Opens the stream. What it yields shows that the gateway answers; undefined says that and nothing else.
   * @param back it was open before
   */
  open(back: boolean): AsyncIterable<T | undefined>;
  tell(interruption: Interruption): void;
  /** Whether another token may come: one that a variable holds is the same for ever. */
  readonly renewable: boolean;
  readonly link: { retryNow(): void };
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const PAUSES_MS = [250, 500, 1_000, 2_000, 5_000];
const LOGIN_AGAIN_MS = 5_000;
/** A stream that ends sooner would be opened again without end. */
const QUICK_MS = 1_000;

/** Ends when whoever reads it has enough. @throws what the first attempt threw, what waiting does not mend, and the signal's reason */
export async function* following<T>(followed: Followed<T>): AsyncGenerator<T, void, undefined> {
  const { open, tell, clock, signal, link } = followed;
  let away: { since: number; told: 'nothing' | 'line' | 'login' } | undefined;
  let been = false;
  for (let attempt = 0; ; attempt++) {
    let why: HoopError | undefined;
    const opened = clock.monotonic();
    try {
      for await (const item of open(been)) {
        if (away && away.told !== 'nothing') tell({ type: 'reconnected', awayMs: clock.monotonic() - away.since });
        away = undefined;
        been = true;
        attempt = 0;
        if (item !== undefined) yield item;
      }
    } catch (cause) {
      signal.throwIfAborted();
      why = cause instanceof HoopError ? cause : undefined;
      if (!why || !been || !mends(why, followed.renewable)) throw cause;
    }
    signal.throwIfAborted();
    been = true;
    away ??= { since: clock.monotonic(), told: 'nothing' };
    // A stream that the gateway ended in good order, such as one whose token grew old, is opened again without a word.
    if (why === undefined && attempt === 0) {
      if (clock.monotonic() - opened < QUICK_MS) await wait(clock, PAUSES_MS[0] ?? 0, signal);
      continue;
    }
    away.told = say(why, away.told, tell);
    await wait(
      clock,
      why?.exit === 3 ? LOGIN_AGAIN_MS : (PAUSES_MS[Math.min(attempt, PAUSES_MS.length - 1)] ?? 0),
      signal,
    );
    link.retryNow();
  }
}

function mends({ exit }: HoopError, renewable: boolean): boolean {
  return exit === 6 || (exit === 3 && renewable);
}

function say<Told extends 'nothing' | 'line' | 'login'>(
  why: HoopError | undefined,
  told: Told,
  tell: (interruption: Interruption) => void,
): Told | 'line' | 'login' {
  if (why?.exit === 3) {
    if (told !== 'login') tell({ type: 'loginRequired', message: why.message });
    return 'login';
  }
  if (told === 'nothing') tell({ type: 'reconnecting', message: why?.message ?? 'the gateway ended the connection' });
  return told === 'nothing' ? 'line' : told;
}

/** Waiting while the process is awake: it is kept alive for it, and the time that it slept does not count. */

/** Keeps the process alive while something is waited for: the clock's timers alone do not, and a command line has nothing else that would. */
export async function awake<T>(work: Promise<T>): Promise<T> {
  const hold = setInterval(() => {}, 60_000);
  try {
    return await work;
  } finally {
    clearInterval(hold);
  }
}

const PARTS = 10;

/**
 * Aborted after this time, of which a sleep (a closed lid, SIGSTOP) counts for little: timers run before sockets are read, so the answer may have come
 * long ago and only be unread. To throw away the answer to a renewal is to lose the login.
 */
export function patience(ms: number): { readonly signal: AbortSignal; over(): void } {
  const controller = new AbortController();
  let left = PARTS;
  const timer = setInterval(() => {
    if (--left > 0) return;
    clearInterval(timer);
    controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError'));
  }, ms / PARTS);
  timer.unref();
  return { signal: controller.signal, over: () => clearInterval(timer) };
}

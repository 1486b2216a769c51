/** Keeps the process alive while something is waited for: the clock's timers alone do not, and a command line has nothing else that would. */

export async function awake<T>(work: Promise<T>): Promise<T> {
  const hold = setInterval(() => {}, 60_000);
  try {
    return await work;
  } finally {
    clearInterval(hold);
  }
}

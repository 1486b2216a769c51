/** So many calls a minute with one key. Fixed windows: simple, and exact enough against floods. */

const MINUTE_MS = 60_000;
const KEYS = 10_000;

/** @returns whether one more call with this key is within the limit */
export function createRateLimit(perMinute: number): (key: string) => boolean {
  let window = 0;
  let counts = new Map<string, number>();
  return (key) => {
    const now = Math.floor(Date.now() / MINUTE_MS);
    if (now !== window) {
      window = now;
      counts = new Map();
    }
    const count = (counts.get(key) ?? 0) + 1;
    counts.delete(key);
    counts.set(key, count);
    // Whoever comes with ever new keys pushes out the oldest, not everybody.
    if (counts.size > KEYS) counts.delete(counts.keys().next().value as string);
    return count <= perMinute;
  };
}

/** So many calls a minute from one address. Fixed windows: simple, and exact enough against floods. */

const MINUTE_MS = 60_000;
const ADDRESSES = 10_000;

/** @returns whether one more call from this address is within the limit */
export function createRateLimit(perMinute: number): (address: string) => boolean {
  let window = 0;
  let counts = new Map<string, number>();
  return (address) => {
    const now = Math.floor(Date.now() / MINUTE_MS);
    if (now !== window || counts.size > ADDRESSES) {
      window = now;
      counts = new Map();
    }
    const count = (counts.get(address) ?? 0) + 1;
    counts.set(address, count);
    return count <= perMinute;
  };
}

/**
 * Who sits at the terminal that launched a run. The launching process keeps 256 random bits in its memory and gave their hash when the run began;
 * whoever shows the bits is that process.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

/** `absent`: the run was launched without a terminal. `locked`: too many wrong proofs came, and no further one counts. */
export type LauncherAnswer = 'right' | 'wrong' | 'absent' | 'locked';

export interface Launcher {
  /** What a further proof may hope for. */
  readonly state: 'present' | 'absent' | 'locked';
  /** Counts the wrong ones. */
  check(nonce: string): LauncherAnswer;
}

/** @param key base64url of SHA-256 over the bytes that `nonce` is the base64url of */
export function createLauncher(key: string | undefined, tries: number): Launcher {
  const expected = key === undefined ? undefined : Buffer.from(key, 'base64url');
  let wrong = 0;
  return {
    get state() {
      if (expected === undefined) return 'absent';
      return wrong < tries ? 'present' : 'locked';
    },
    check(nonce) {
      if (this.state !== 'present' || expected === undefined) return this.state === 'locked' ? 'locked' : 'absent';
      const shown = createHash('sha256').update(Buffer.from(nonce, 'base64url')).digest();
      if (expected.length === shown.length && timingSafeEqual(expected, shown)) return 'right';
      wrong++;
      return 'wrong';
    },
  };
}

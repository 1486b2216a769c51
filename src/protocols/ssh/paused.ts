/** What a channel does while its session is paused: it reads nothing, and what was read already waits. */
import type { Session } from '../../domain/session.ts';

/** Reading that several may have a reason to stop: it goes on once nobody has one. */
export interface Brakes {
  hold(why: string): void;
  release(why: string): void;
}

export function brakes(...streams: readonly { pause(): unknown; resume(): unknown }[]): Brakes {
  const reasons = new Set<string>();
  return {
    hold(why) {
      if (reasons.size === 0) for (const stream of streams) stream.pause();
      reasons.add(why);
    },
    release(why) {
      if (reasons.delete(why) && reasons.size === 0) for (const stream of streams) stream.resume();
    },
  };
}

/** Resolves once the session is not paused, at once where it is not. @returns false where it is over instead */
export async function unpaused({ paused, signal }: Pick<Session, 'paused' | 'signal'>): Promise<boolean> {
  if (paused?.now && !signal.aborted) {
    await new Promise<void>((resolve) => {
      const done = () => {
        stop();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const stop = paused.onChange((now) => now || done());
      signal.addEventListener('abort', done, { once: true });
    });
  }
  return !signal.aborted;
}

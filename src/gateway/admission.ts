/** The door of one run: so many clients at a time that have not shown the secret, so many new ones a second. The others wait in a line that has an end. */
import type { Clock } from '../base/clock.ts';
import type { RunLimits } from './limits.ts';

export interface Admission {
  /** Resolves, in the order of asking, with what gives the place back; with undefined when the stream is gone or the line is full. */
  enter(gone: AbortSignal): Promise<(() => void) | undefined>;
}

export function createAdmission(clock: Clock, limits: RunLimits): Admission {
  const { atTheDoor, streamsPerSecond, inLine } = limits;
  const line = new Set<() => void>();
  let inside = 0;
  /** How many may come in now; fills up with time, to one second's worth. */
  let allowance = streamsPerSecond;
  let filledAt = clock.monotonic();
  let due = false;

  function admitNext(): void {
    fill();
    for (const admit of line) {
      if (inside >= atTheDoor) return;
      if (allowance < 1) return later();
      line.delete(admit);
      allowance--;
      inside++;
      admit();
    }
  }

  function fill(): void {
    const now = clock.monotonic();
    allowance = Math.min(streamsPerSecond, allowance + ((now - filledAt) / 1000) * streamsPerSecond);
    filledAt = now;
  }

  function later(): void {
    if (due) return;
    due = true;
    clock.after(Math.ceil(((1 - allowance) * 1000) / streamsPerSecond), () => {
      due = false;
      admitNext();
    });
  }

  function leaving(): () => void {
    let here = true;
    return () => {
      if (!here) return;
      here = false;
      inside--;
      admitNext();
    };
  }

  return {
    enter(gone) {
      if (gone.aborted || line.size >= inLine) return Promise.resolve(undefined);
      return new Promise((resolve) => {
        const giveUp = () => {
          line.delete(admit);
          resolve(undefined);
        };
        const admit = () => {
          gone.removeEventListener('abort', giveUp);
          resolve(leaving());
        };
        gone.addEventListener('abort', giveUp, { once: true });
        line.add(admit);
        admitNext();
      });
    },
  };
}

/** The sessions that live on this gateway, and how they are cut. */
import type { SessionEnd } from '../domain/end.ts';
import type { Policy } from '../domain/verdict.ts';
import type { CutReceipt, LiveSession } from './session.ts';

export interface Registry {
  add(session: LiveSession): void;
  remove(session: LiveSession): void;
  find(id: string): LiveSession | undefined;
  all(): readonly LiveSession[];
  ofRun(run: string): readonly LiveSession[];
  /** Cuts all that match, at once, and waits until each is cut. */
  cut(matches: (session: LiveSession) => boolean, end: SessionEnd): Promise<readonly CutReceipt[]>;
  judgeAgain(policy: Policy): void;
  /** Resolves when no session is left. */
  empty(): Promise<void>;
}

export function createRegistry(): Registry {
  const live = new Map<string, LiveSession>();
  let waiting: (() => void)[] = [];
  return {
    add: (session) => void live.set(session.id, session),
    remove(session) {
      live.delete(session.id);
      if (live.size > 0) return;
      for (const resolve of waiting) resolve();
      waiting = [];
    },
    find: (id) => live.get(id),
    all: () => [...live.values()],
    ofRun: (run) => [...live.values()].filter((session) => session.run.id === run),
    cut: (matches, end) => Promise.all([...live.values()].filter(matches).map((session) => session.cut(end))),
    judgeAgain(policy) {
      for (const session of live.values()) session.judgeAgain(policy);
    },
    empty: () => (live.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}

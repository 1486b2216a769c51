/**
 * Moderated commands: an approval lets them run, and only while somebody watches the session who may approve them.
 *
 *     approved ─▶ waits for a watcher ─▶ begins ─▶ over
 *                                          │  ▲
 *                       the last one leaves ▼  │ one comes
 *                                         paused ──▶ nobody came in time: the session ends
 *
 * While it is paused the gate lets nothing through and the protocol passes nothing on, either way. What is unknown counts as nobody: whether somebody may
 * watch is asked anew at every look.
 */
import type { Cancel, Clock } from '../base/clock.ts';
import type { ApprovalQuestion } from '../domain/approval.ts';
import type { SessionEnd } from '../domain/end.ts';
import type { Principal } from '../domain/principal.ts';
import type { SessionEvent } from '../domain/recording.ts';
import type { Pause } from '../domain/session.ts';
import type { Ask } from '../domain/verdict.ts';

export interface WatchingParts {
  readonly clock: Clock;
  /** Aborted when the session ends. */
  readonly signal: AbortSignal;
  mayWatch(question: ApprovalQuestion, principal: Principal): boolean;
  record(event: Extract<SessionEvent, { type: 'notice' }>): void;
  /** Nobody watched for as long as the rule waits. */
  overdue(end: SessionEnd): void;
}

/** Somebody who follows the session as it is recorded. */
export interface Watcher {
  readonly principal: Principal;
  /** Whether their token is still good and they are not revoked. */
  stands(): boolean;
}

export interface Watching {
  readonly paused: Pause;
  /** A moderated turn. It wants its watchers from now on, and pauses the session without them once it has begun. */
  want(questions: readonly ApprovalQuestion[]): Watched;
  /** Somebody follows the session from now on. @returns that they do not any more */
  enter(watcher: Watcher): (why?: 'left' | 'access') => void;
  /** Whether this one may watch what this session asked to be watched: who may, may follow it. */
  mayFollow(principal: Principal): boolean;
  /** A new policy: whom its rules ask counts from now on, for what runs already too. A rule that is gone stays as it was. */
  renew(asks: readonly Ask[]): void;
  /** Resolves once the session is not paused, or is over. */
  resumed(): Promise<void>;
}

export interface Watched {
  /** Whether everybody is there who has to be. */
  readonly now: boolean;
  /** Resolves once everybody is there who has to be. */
  readonly arrived: Promise<void>;
  look(): void;
  begin(): void;
  end(): void;
}

interface Wanted {
  questions: readonly ApprovalQuestion[];
  begun: boolean;
  arrived: () => void;
}

export function createWatching(parts: WatchingParts): Watching {
  const { clock, signal } = parts;
  const watchers = new Set<Watcher>();
  /** Those whom something waits for, or runs by. */
  const counted = new Set<Watcher>();
  const wanted = new Set<Wanted>();
  /** The latest question of each rule: who may watch it may go on following. */
  const asked = new Map<string, ApprovalQuestion>();
  const listeners = new Set<(paused: boolean) => void>();
  let paused = false;
  let late: Cancel | undefined;

  signal.addEventListener('abort', () => late?.(), { once: true });

  /** Who counts now, what may begin, and whether what has begun may go on. */
  function look(why: Leaving = 'access'): void {
    if (signal.aborted) return;
    for (const watcher of watchers) count(watcher, why);
    const missing = [...wanted].filter((one) => !covered(one));
    for (const one of wanted) if (!missing.includes(one)) one.arrived();
    const stopped = missing.find(({ begun }) => begun);
    if (stopped && !paused) pause(stopped);
    if (!stopped && paused) resume();
  }

  function count(watcher: Watcher, why: Leaving): void {
    const counts =
      watcher.stands() && [...wanted].some((one) => one.questions.some((question) => may(watcher, question)));
    if (counts === counted.has(watcher)) return;
    if (!counts) return uncount(watcher, wanted.size === 0 ? 'over' : why);
    counted.add(watcher);
    parts.record({ type: 'notice', notice: 'watch.began', by: watcher.principal.name });
  }

  function uncount(watcher: Watcher, reason: Leaving): void {
    if (!counted.delete(watcher)) return;
    parts.record({ type: 'notice', notice: 'watch.ended', by: watcher.principal.name, reason });
  }

  function covered({ questions }: Wanted): boolean {
    return questions.every((question) => [...counted].some((watcher) => watcher.stands() && may(watcher, question)));
  }

  function may({ principal }: Watcher, question: ApprovalQuestion): boolean {
    return parts.mayWatch(question, principal);
  }

  function pause({ questions }: Wanted): void {
    const { rule, wait } = questions.map(({ ask }) => ask).reduce((a, b) => (b.wait < a.wait ? b : a));
    parts.record({ type: 'notice', notice: 'session.paused', rule, waitMs: wait });
    late = clock.after(wait, () => parts.overdue({ kind: 'unwatched', rule, waitedMs: wait }));
    tell(true);
  }

  function resume(): void {
    late?.();
    parts.record({ type: 'notice', notice: 'session.resumed' });
    tell(false);
  }

  function tell(now: boolean): void {
    paused = now;
    for (const listener of [...listeners]) listener(now);
  }

  function onChange(listener: (paused: boolean) => void): () => void {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  return {
    paused: {
      get now() {
        return paused;
      },
      onChange,
    },
    want(questions) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const one: Wanted = { questions, begun: false, arrived: resolve };
      wanted.add(one);
      for (const question of questions) asked.set(question.ask.rule, question);
      look();
      return {
        get now() {
          look();
          return covered(one);
        },
        arrived: promise,
        look: () => look(),
        begin() {
          one.begun = true;
          look();
        },
        end() {
          if (wanted.delete(one)) look();
        },
      };
    },
    enter(watcher) {
      watchers.add(watcher);
      look();
      return (why = 'left') => {
        if (!watchers.delete(watcher)) return;
        uncount(watcher, why);
        look();
      };
    },
    mayFollow: (principal) => [...asked.values()].some((question) => parts.mayWatch(question, principal)),
    renew(asks) {
      const renewed = (question: ApprovalQuestion): ApprovalQuestion => {
        const ask = asks.find(({ rule }) => rule === question.ask.rule);
        return ask ? { ...question, ask } : question;
      };
      for (const one of wanted) one.questions = one.questions.map(renewed);
      for (const [rule, question] of asked) asked.set(rule, renewed(question));
      look();
    },
    resumed: () =>
      new Promise((resolve) => {
        const done = () => {
          stop();
          signal.removeEventListener('abort', done);
          resolve();
        };
        const stop = onChange((now) => now || done());
        signal.addEventListener('abort', done, { once: true });
        if (!paused || signal.aborted) done();
      }),
  };
}

/** Why somebody does not watch any more: gone, not allowed to any more, or there is nothing left to watch. */
type Leaving = 'left' | 'access' | 'over';

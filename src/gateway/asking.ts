/** Asks people and waits for them: for a command before it runs, and for more of a result that has stopped at a limit. */
import type { Clock } from '../base/clock.ts';
import type { ApprovalDecision, ApprovalQuestion, Desk, HeldRequest } from '../domain/approval.ts';
import type { SessionEvent } from '../domain/recording.ts';
import type { Refusal, SubmitOptions, Turn } from '../domain/session.ts';
import type { Ask } from '../domain/verdict.ts';
import { refusal } from './refusal.ts';

export interface AskingParts {
  readonly desk: Desk;
  readonly clock: Clock;
  /** Aborted when the session ends. */
  readonly signal: AbortSignal;
  readonly watch: {
    refused(refusal: Refusal): void;
    held(request: HeldRequest, ask: Ask): void;
    decided(request: HeldRequest, decision: ApprovalDecision): void;
  };
  /** How long the client waits for this ask, ms. */
  waitFor(ask: Ask, turn: Turn): number;
  /** Writes what nothing waits for. */
  record(events: readonly SessionEvent[]): void;
}

/** What came of waiting: all decisions, or the first that is not a yes; the client's patience over; the client gone; the session ended. */
export type Heard = readonly ApprovalDecision[] | 'waited' | 'gone' | 'ended';

export type Asking = ReturnType<typeof createAsking>;

export function createAsking(parts: AskingParts) {
  const { desk, clock, signal, watch, waitFor } = parts;

  async function open(questions: readonly ApprovalQuestion[]): Promise<readonly HeldRequest[] | Refusal> {
    const requests: HeldRequest[] = [];
    for (const question of questions) {
      const request = await desk.request(question).catch(() => refusal.unavailable('nobody can be asked now'));
      if (request && 'link' in request) requests.push(request);
      else {
        await withdrawAll(requests, 'another approval of the same command could not be asked for');
        return request ?? refusal.tooManyRequests();
      }
    }
    return requests;
  }

  // A decision that comes after the client stopped waiting is recorded too: the retry will use it.
  async function recordDecision(request: HeldRequest, command: string): Promise<ApprovalDecision> {
    const decision = await request.decided;
    watch.decided(request, decision);
    parts.record([decisionEvent(request, command, decision)]);
    return decision;
  }

  function announce(request: HeldRequest, ask: Ask, turn: Turn, options: SubmitOptions): void {
    if (request.state !== 'open') return;
    watch.held(request, ask);
    const waitMs = Math.min(waitFor(ask, turn), options.wait ?? Infinity);
    const reason = ask.reason === undefined ? {} : { reason: ask.reason };
    options.onHold?.({ request: request.id, link: request.link, rule: ask.rule, waitMs, ...reason });
  }

  function firstOf(
    requests: readonly Promise<ApprovalDecision>[],
    asks: readonly Ask[],
    turn: Turn,
    options: SubmitOptions,
  ): Promise<Heard> {
    const patience = Math.min(...asks.map((ask) => waitFor(ask, turn)), options.wait ?? Infinity);
    return whileWaited(unanimous(requests), patience, options);
  }

  /** Waits for something else than people's answers, as long and as patiently. */
  function until(
    happens: Promise<void>,
    patience: number,
    options: SubmitOptions,
  ): Promise<'happened' | 'waited' | 'gone' | 'ended'> {
    return whileWaited(
      happens.then(() => 'happened' as const),
      patience,
      options,
    );
  }

  function whileWaited<T>(
    happens: Promise<T>,
    patience: number,
    options: SubmitOptions,
  ): Promise<T | 'waited' | 'gone' | 'ended'> {
    return new Promise((resolve) => {
      const cancel = clock.after(patience, () => done('waited'));
      const onGone = () => done('gone');
      const onEnd = () => done('ended');
      const done = (result: T | 'waited' | 'gone' | 'ended') => {
        cancel();
        options.gone?.removeEventListener('abort', onGone);
        signal.removeEventListener('abort', onEnd);
        resolve(result);
      };
      if (options.gone?.aborted) return done('gone');
      if (signal.aborted) return done('ended');
      options.gone?.addEventListener('abort', onGone, { once: true });
      signal.addEventListener('abort', onEnd, { once: true });
      happens.then(done);
    });
  }

  async function withdrawnBecause(requests: readonly HeldRequest[], answer: Refusal): Promise<Refusal> {
    await withdrawAll(requests, answer.message);
    watch.refused(answer);
    return answer;
  }

  async function withdrawAll(requests: readonly HeldRequest[], reason: string): Promise<void> {
    // One that cannot be withdrawn expires, and is judged again before it could be used.
    await Promise.allSettled(requests.map((request) => desk.withdraw(request.id, reason)));
  }

  return { open, recordDecision, announce, firstOf, until, withdrawnBecause, withdrawAll };
}

/** Settles with all decisions when all are given, or with the first that is not a yes. */
function unanimous(answers: readonly Promise<ApprovalDecision>[]): Promise<readonly ApprovalDecision[]> {
  const firstNo = new Promise<readonly ApprovalDecision[]>((resolve) => {
    for (const answer of answers) answer.then((decision) => decision.kind !== 'approved' && resolve([decision]));
  });
  return Promise.race([Promise.all(answers), firstNo]);
}

function decisionEvent(request: HeldRequest, command: string, decision: ApprovalDecision): SessionEvent {
  const base = { type: 'approval.decided', command, approval: request.id, decision: decision.kind } as const;
  switch (decision.kind) {
    case 'approved':
      return { ...base, by: decision.by.name, proof: decision.proof };
    case 'denied':
      return { ...base, by: decision.by.name, ...(decision.reason === undefined ? {} : { reason: decision.reason }) };
    case 'withdrawn':
      return { ...base, reason: decision.reason };
    default:
      return base;
  }
}

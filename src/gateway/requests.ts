/**
 * Counts what a client asks for against the run's budget of requests: one for each command that begins to run. What is only prepared, more results of what
 * runs already, and the gateway's own statements are none.
 *
 * Taken before anything is recorded as sent, and given back where nothing is: two sessions cannot both have the last one.
 */
import type { LimitReached } from '../domain/permit.ts';
import type { Turn } from '../domain/session.ts';
import type { BudgetMeter } from './budget.ts';

export interface Requests {
  /** The limit that the turn would exceed; nothing is taken. */
  over(): LimitReached | undefined;
  /** Once, however often it is called. @returns the limit that keeps it from being taken */
  take(): LimitReached | undefined;
  giveBack(): void;
}

/** @param meter undefined where no limit counts requests */
export function requestsOf(turn: Turn, meter: () => BudgetMeter | undefined): Requests {
  let requests = 0;
  for (const { part } of turn.commands) if (part === undefined) requests += 1;
  let taken: BudgetMeter | undefined;
  return {
    over: () => (requests === 0 ? undefined : meter()?.overused({ requests })),
    take() {
      if (taken || requests === 0) return undefined;
      const one = meter();
      const reached = one?.count({ requests });
      if (!reached) taken = one;
      return reached;
    },
    giveBack() {
      taken?.count({ requests: -requests });
      taken = undefined;
    },
  };
}

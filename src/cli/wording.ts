/** How times, effects, agents and ends read in a table. */
import type { Clock } from '../base/clock.ts';
import { formatDuration } from '../base/duration.ts';

type AgentLike = { readonly kind: 'registered' | 'claimed'; readonly name: string } | undefined;

/** `3m 20s ago`, for times of the gateway: its clock may be ahead of ours. */
export function ago(clock: Clock, at: string | undefined): string {
  const ms = at === undefined ? Number.NaN : clock.now() - Date.parse(at);
  if (Number.isNaN(ms)) return '–';
  return ms < 1_000 ? 'now' : `${formatDuration(ms)} ago`;
}

/** `in 4m 10s`, or `over`. */
export function until(clock: Clock, at: string | undefined): string {
  const ms = at === undefined ? Number.NaN : Date.parse(at) - clock.now();
  if (Number.isNaN(ms)) return '–';
  return ms <= 0 ? 'over' : `in ${formatDuration(ms)}`;
}

/** A name that only the launcher vouches for is always said to be such. */
export function agentName(agent: AgentLike): string {
  if (agent === undefined) return '–';
  return agent.kind === 'registered' ? agent.name : `${agent.name} (claimed)`;
}

export function orDash(text: string | undefined): string {
  return text === undefined || text === '' ? '–' : text;
}

/** `1 session`, `2 sessions`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

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
  return `${grouped(number)} ${noun}${number === 1 ? '' : 's'}`;
}

/** `3m`: one unit, for columns. */
export function shortAgo(clock: Clock, at: string | undefined): string {
  return short(at === undefined ? Number.NaN : clock.now() - Date.parse(at), 'now');
}

/** `9m`, seconds where it is close, `over`. */
export function shortUntil(clock: Clock, at: string | undefined): string {
  return short(at === undefined ? Number.NaN : Date.parse(at) - clock.now(), 'over');
}

function short(ms: number, none: string): string {
  if (Number.isNaN(ms)) return '–';
  if (ms < 1_000) return none;
  const s = Math.floor(ms / 1_000);
  if (s < 120) return `${s}s`;
  if (s < 7_200) return `${Math.floor(s / 60)}m`;
  return s < 172_800 ? `${Math.floor(s / 3_600)}h` : `${Math.floor(s / 86_400)}d`;
}

/** `1,234,567`: the same whatever the machine's language, as everything here is. */
export function grouped(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `812 B`, `1.2 MB`. */
export function amount(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const at = bytes < 1_000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${at === 0 ? bytes : (bytes / 1_000 ** at).toFixed(1)} ${units[at]}`;
}

/** `12 s`, `3 min 20 s`. */
export function seconds(ms: number): string {
  const s = Math.floor(ms / 1_000);
  return s < 60 ? `${s} s` : `${Math.floor(s / 60)} min ${s % 60} s`;
}

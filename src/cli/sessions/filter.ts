/** Which sessions are meant: the same options wherever several may be. */
import type { SessionQuery } from '../../api/client.ts';
import type { Clock } from '../../base/clock.ts';
import { parseDuration } from '../../base/duration.ts';
import type { Options, OptionSpec } from '../command.ts';
import { fail } from '../errors.ts';

export const FILTER_OPTIONS: readonly OptionSpec[] = [
  { flags: '--user <who>', summary: 'only those of one person, as whoami names them', completes: 'person' },
  { flags: '--agent <name>', summary: 'only those of one agent', completes: 'agent' },
  { flags: '--target <name>', summary: 'only those on one target', completes: 'target' },
  { flags: '--run <id>', summary: 'only those of one run', completes: 'run' },
  { flags: '--since <time>', summary: 'only those opened then or later: 7d, 2026-11-21, 2026-11-21T18:00:00Z' },
  { flags: '--until <time>', summary: 'only those opened before' },
  { flags: '--verdict <list>', summary: 'only those with a command that was allowed, held or denied: held,denied' },
  { flags: '--table <name>', summary: 'only those that touched a table: public.orders, or orders of any schema' },
  { flags: '--text <text>', summary: 'only those in one of whose statements this occurs' },
  { flags: '--live', summary: 'only those that are open' },
  { flags: '--would-be', summary: 'only those where a rule in mode: shadow would have acted' },
  { flags: '--limit <number>', summary: 'at most so many, the latest' },
];

const VERDICTS = ['allowed', 'held', 'denied'];

/** In the order of this list, so that equal questions read alike. */
export function filterOf(options: Options, clock: Pick<Clock, 'now'>): SessionQuery {
  const all: Record<string, unknown> = {
    target: options.text('target'),
    run: options.text('run'),
    agent: options.text('agent'),
    limit: limitOf(options),
    live: options.has('live') || undefined,
    wouldBe: options.has('would-be') || undefined,
    user: options.text('user'),
    since: timeOf(options, 'since', clock),
    until: timeOf(options, 'until', clock),
    verdict: verdictOf(options),
    table: options.text('table'),
    text: options.text('text'),
  };
  for (const [name, value] of Object.entries(all))
    if (value === '') throw fail('USAGE', `--${name} is empty`, { hint: 'leave it out to ask for all' });
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function limitOf(options: Options): number | undefined {
  const limit = options.integer('limit');
  if (limit === 0) throw fail('USAGE', '--limit 0 shows nothing', { hint: 'give a number from 1' });
  return limit;
}

function verdictOf(options: Options): string | undefined {
  const text = options.text('verdict');
  const words = (text ?? '').split(',').flatMap((word) => (word.trim() === '' ? [] : [word.trim()]));
  const unknown = words.find((word) => !VERDICTS.includes(word));
  if (unknown !== undefined || (text !== undefined && words.length === 0))
    throw fail('USAGE', `--verdict "${unknown ?? ''}" is no verdict`, { hint: 'use: allowed, held, denied' });
  return words.length === 0 ? undefined : words.join(',');
}

/** A day is one in UTC, as all times here are. */
function timeOf(options: Options, name: 'since' | 'until', clock: Pick<Clock, 'now'>): string | undefined {
  const text = options.text(name);
  if (text === undefined) return undefined;
  const back = parseDuration(text);
  const time = back === undefined ? momentOf(text) : clock.now() - back;
  if (Number.isNaN(time))
    throw fail('USAGE', `--${name} "${text}" is no time`, { hint: 'write 7d, 2026-11-21 or 2026-11-21T18:00:00Z' });
  return new Date(Math.max(0, time)).toISOString();
}

/** @returns NaN for what is no time: a time without a zone would be another one elsewhere */
function momentOf(text: string): number {
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return Date.parse(`${text}T00:00:00Z`);
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
}

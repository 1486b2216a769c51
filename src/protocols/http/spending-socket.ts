/**
 * What a model takes over a WebSocket: each of its answers says what it took once it is over, and is counted then. What one may take is reserved before it is
 * opened, and for each that was begun and not ended it stays taken: no model works for nothing.
 */
import type { Command } from '../../domain/command.ts';
import type { LimitReached, Meter, Uses } from '../../domain/permit.ts';
import type { RecordedUsage } from '../../domain/recording.ts';
import { costOf, createUsageReader } from './usage.ts';
import type { HttpSettings } from './settings.ts';

/** What an answer may take. */
const USUAL_ANSWER = 8_192;

export function reserveSocket(
  { prices }: Pick<HttpSettings, 'prices'>,
  { facts }: Pick<Command, 'facts'>,
  meter: Meter,
) {
  const asked = facts['http.query.model'];
  const model = Array.isArray(asked) && typeof asked[0] === 'string' ? asked[0] : undefined;
  const reserved = usesOf({ model, outputTokens: USUAL_ANSWER });
  const refused = meter.count(reserved);
  let held = refused === undefined;
  let total: RecordedUsage | undefined;
  /** Answers that were begun, and have not said what they took. */
  let begun = 0;

  /** A model without a price is over every limit on spend. */
  function usesOf({ model: named = model, inputTokens = 0, outputTokens = 0, cachedTokens = 0 }: Told): Uses {
    const cost = costOf(prices, named, { input: inputTokens, output: outputTokens, cached: cachedTokens });
    const spend = cost ?? (prices.length > 0 ? Number.POSITIVE_INFINITY : undefined);
    return { tokens: inputTokens + outputTokens, ...(spend === undefined ? {} : { spend }) };
  }

  function giveBack(): void {
    if (held) meter.count(finite(times(reserved, -1)), 'spent');
    held = false;
  }

  return {
    ...(refused ? { refused } : {}),
    begins: () => {},
    heard: () => {},
    message(text: Buffer): LimitReached | undefined {
      if (text.includes('"response.created"')) begun++;
      if (!text.includes('"usage"') && !text.includes('function_call')) return undefined;
      const reader = createUsageReader('application/json', prices);
      reader.push(text);
      const usage = reader.end();
      if (!usage) return undefined;
      const uses = usesOf(usage);
      total = sum(total, { ...(model === undefined ? {} : { model }), ...usage }, uses.spend);
      if (usage.inputTokens === undefined && usage.outputTokens === undefined) return undefined;
      begun = Math.max(0, begun - 1);
      giveBack();
      return meter.count(finite(uses), 'spent');
    },
    settle(): RecordedUsage | undefined {
      giveBack();
      if (begun > 0) meter.count(finite(times(reserved, begun)), 'spent');
      return total;
    },
  };
}

type Told = { readonly [Key in 'inputTokens' | 'outputTokens' | 'cachedTokens']?: number } & {
  readonly model?: string | undefined;
};

function times({ tokens = 0, spend = 0 }: Uses, factor: number): Uses {
  return { tokens: tokens * factor, spend: spend * factor };
}

/** What cannot be told refuses, and cannot be added up. */
function finite({ tokens = 0, spend = 0 }: Uses): Uses {
  return { tokens, ...(Number.isFinite(spend) ? { spend } : {}) };
}

function sum(one: RecordedUsage = {}, more: RecordedUsage, cost: number | undefined): RecordedUsage {
  const both = (key: 'inputTokens' | 'outputTokens' | 'cachedTokens') =>
    one[key] === undefined && more[key] === undefined ? {} : { [key]: (one[key] ?? 0) + (more[key] ?? 0) };
  const tools = [...new Set([...(one.tools ?? []), ...(more.tools ?? [])])];
  const known = cost !== undefined && Number.isFinite(cost);
  return {
    ...one,
    ...(more.model === undefined ? {} : { model: more.model }),
    ...both('inputTokens'),
    ...both('outputTokens'),
    ...both('cachedTokens'),
    ...(tools.length > 0 ? { tools } : {}),
    ...(known ? { cost: (one.cost ?? 0) + cost } : {}),
  };
}

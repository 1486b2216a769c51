/** What a request to a model may take, reserved before it is sent and settled by what the answer says; nothing at a target that is no model's. */
import type { Command } from '../../domain/command.ts';
import type { LimitReached, Meter, Uses } from '../../domain/permit.ts';
import type { RecordedUsage } from '../../domain/recording.ts';
import { costOf, createUsageReader } from './usage.ts';
import type { HttpSettings } from './settings.ts';
import { reserveSocket } from './spending-socket.ts';

export interface Spending {
  /** The limit by which it may not be sent. */
  readonly refused?: LimitReached;
  /** The answer's content type, without parameters, once its head is there. */
  begins(type: string): void;
  heard(chunk: Buffer): void;
  /** A whole message of a WebSocket. @returns the limit that what it tells of has exceeded */
  message?(text: Buffer): LimitReached | undefined;
  /**
   * The reservation becomes what was taken.
   * @param whole the answer came to its end: of a part of one the rest is not known, and no model works for nothing
   */
  settle(whole: boolean): RecordedUsage | undefined;
}

const NOTHING: Spending = { begins: () => {}, heard: () => {}, settle: () => undefined };

/** Bytes of a request to a token: less than any tokenizer needs, so that too much is reserved rather than too little. */
const BYTES_TO_A_TOKEN = 2;
/** What a model may answer where the request sets no bound. */
const USUAL_ANSWER = 8_192;

export function reserve(
  { preset, prices }: HttpSettings,
  { facts, parameters }: Command,
  meter: Meter | undefined,
): Spending {
  if (preset !== undefined && meter && facts['http.upgrade'] !== undefined)
    return reserveSocket({ prices }, { facts }, meter);
  const inference = preset !== undefined && facts['http.json.model'] !== undefined;
  if (!inference || !meter) return NOTHING;
  const model = typeof facts['http.json.model'] === 'string' ? facts['http.json.model'] : undefined;
  const said = facts['http.json.max_tokens'];
  const input = Math.ceil((parameters?.[0]?.value?.length ?? 0) / BYTES_TO_A_TOKEN);
  // What is less than nothing is the provider's to refuse, and no credit here.
  const output = typeof said === 'number' ? Math.max(0, said) : USUAL_ANSWER;
  // A model without a price is over every limit on spend: by another name nothing is free.
  const cost = costOf(prices, model, { input, output, cached: 0 }) ?? (prices.length > 0 ? Infinity : undefined);
  const reserved = usesOf(input + output, cost);
  const refused = meter.count(reserved);
  if (refused) return { ...NOTHING, refused };
  let reader: ReturnType<typeof createUsageReader> | undefined;
  return {
    begins(type) {
      reader = createUsageReader(type, prices);
    },
    heard: (chunk) => reader?.push(chunk),
    settle(whole) {
      const usage = reader?.end();
      const known = whole && (usage?.inputTokens !== undefined || usage?.outputTokens !== undefined);
      // Nothing is given back where the answer does not say what it took: it may have taken all of it.
      const tokens = (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0);
      const taken = known ? usesOf(tokens, usage?.cost ?? reserved.spend) : reserved;
      meter.count(difference(taken, reserved), 'spent');
      return usage;
    },
  };
}

function usesOf(tokens: number, spend: number | undefined): Uses {
  return { tokens, ...(spend === undefined ? {} : { spend }) };
}

function difference(taken: Uses, reserved: Uses): Uses {
  return {
    tokens: (taken.tokens ?? 0) - (reserved.tokens ?? 0),
    spend: (taken.spend ?? 0) - (reserved.spend ?? 0),
  };
}

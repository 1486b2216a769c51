/**
 * What a model's answer says of itself: which model, how many tokens, which tools it wants called. Read beside the stream, from what the target sent; nothing
 * is held back for it.
 *
 * Shapes: OpenAI's Responses (`usage.input_tokens`, events `response.completed`) and Chat Completions (`usage.prompt_tokens`, the last chunk of a stream);
 * Anthropic's Messages (`message_start`, `message_delta`).
 */
import type { RecordedUsage } from '../../domain/recording.ts';
import type { Prices } from './settings.ts';

export interface UsageReader {
  push(chunk: Buffer): void;
  /** Nothing where the answer told nothing. */
  end(): RecordedUsage | undefined;
}

/** Longer documents, and longer lines of a stream, are not read. */
const LONGEST = 8 * 1024 * 1024;
const MOST_TOOLS = 100;
const LONGEST_NAME = 200;

/** @param type the answer's content type, without parameters */
export function createUsageReader(type: string, prices: Prices): UsageReader {
  const found = new Found();
  const parts = type === 'text/event-stream' ? eventParts(found) : documentParts(found);
  return {
    push: parts.push,
    end() {
      parts.end();
      return found.usage(prices);
    },
  };
}

interface Parts {
  push(chunk: Buffer): void;
  end(): void;
}

function documentParts(found: Found): Parts {
  let chunks: Buffer[] = [];
  let bytes = 0;
  return {
    push(chunk) {
      bytes += chunk.length;
      if (bytes <= LONGEST) chunks.push(chunk);
      else chunks = [];
    },
    end() {
      if (bytes > 0 && bytes <= LONGEST) found.look(parsed(Buffer.concat(chunks).toString('utf8')));
    },
  };
}

/** The data of each event, on one line as model APIs send it. */
function eventParts(found: Found): Parts {
  let line: Buffer[] = [];
  let bytes = 0;
  const flush = () => {
    const text = bytes <= LONGEST ? Buffer.concat(line).toString('utf8') : '';
    line = [];
    bytes = 0;
    // Most events bring a word of the answer and nothing of interest.
    if (text.startsWith('data:') && OF_INTEREST.test(text)) found.look(parsed(text.slice(5)));
  };
  return {
    push(chunk) {
      let from = 0;
      for (let at = chunk.indexOf(0x0a); at >= 0; at = chunk.indexOf(0x0a, from)) {
        line.push(chunk.subarray(from, at));
        bytes += at - from;
        flush();
        from = at + 1;
      }
      if (from >= chunk.length) return;
      bytes += chunk.length - from;
      if (bytes <= LONGEST) line.push(chunk.subarray(from));
      else line = [];
    },
    end: flush,
  };
}

const OF_INTEREST = /"usage"|"model"|"tool_calls"|"function_call"|"tool_use"/;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

class Found {
  #model: string | undefined;
  #input: number | undefined;
  #output: number | undefined;
  #cached: number | undefined;
  readonly #tools = new Set<string>();

  look(document: unknown): void {
    for (const part of [document, field(document, 'response'), field(document, 'message')]) {
      const model = field(part, 'model');
      if (typeof model === 'string') this.#model = model.slice(0, LONGEST_NAME);
      this.#count(field(part, 'usage'));
      for (const item of list(field(part, 'output'))) this.#tool(item);
      for (const item of list(field(part, 'content'))) this.#tool(item);
    }
    this.#tool(field(document, 'item'));
    this.#tool(field(document, 'content_block'));
    for (const choice of list(field(document, 'choices')))
      for (const call of [
        ...list(field(field(choice, 'message'), 'tool_calls')),
        ...list(field(field(choice, 'delta'), 'tool_calls')),
      ])
        this.#name(field(field(call, 'function'), 'name'));
  }

  usage(prices: Prices): RecordedUsage | undefined {
    const tools = [...this.#tools];
    if (this.#input === undefined && this.#output === undefined && this.#model === undefined && tools.length === 0)
      return undefined;
    const cost = costOf(prices, this.#model, {
      input: this.#input ?? 0,
      output: this.#output ?? 0,
      cached: this.#cached ?? 0,
    });
    return {
      ...(this.#model === undefined ? {} : { model: this.#model }),
      ...(this.#input === undefined ? {} : { inputTokens: this.#input }),
      ...(this.#output === undefined ? {} : { outputTokens: this.#output }),
      ...(this.#cached === undefined ? {} : { cachedTokens: this.#cached }),
      ...(tools.length === 0 ? {} : { tools }),
      ...(cost === undefined ? {} : { cost }),
    };
  }

  /** Later numbers of a stream are of the whole answer so far. */
  #count(usage: unknown): void {
    // What Anthropic read from or wrote to its cache is not in `input_tokens`.
    const beside =
      (number(field(usage, 'cache_read_input_tokens')) ?? 0) +
      (number(field(usage, 'cache_creation_input_tokens')) ?? 0);
    const input = number(field(usage, 'input_tokens')) ?? number(field(usage, 'prompt_tokens'));
    const output = number(field(usage, 'output_tokens')) ?? number(field(usage, 'completion_tokens'));
    const details = field(usage, 'input_tokens_details') ?? field(usage, 'prompt_tokens_details');
    const cached = number(field(details, 'cached_tokens')) ?? number(field(usage, 'cache_read_input_tokens'));
    if (input !== undefined) this.#input = Math.max(this.#input ?? 0, input + beside);
    if (output !== undefined) this.#output = Math.max(this.#output ?? 0, output);
    if (cached !== undefined) this.#cached = Math.max(this.#cached ?? 0, cached);
  }

  #tool(item: unknown): void {
    const type = field(item, 'type');
    if (type === 'function_call' || type === 'tool_use' || type === 'mcp_call' || type === 'custom_tool_call')
      this.#name(field(item, 'name'));
  }

  #name(name: unknown): void {
    if (typeof name === 'string' && name !== '' && this.#tools.size < MOST_TOOLS)
      this.#tools.add(name.slice(0, LONGEST_NAME));
  }
}

/** Tokens of each kind; `cached` ones are among the input. @returns undefined where the model has no price */
export function costOf(
  prices: Prices,
  model: string | undefined,
  { input, output, cached }: { readonly input: number; readonly output: number; readonly cached: number },
): number | undefined {
  const price = model === undefined ? undefined : priceOf(prices, model);
  if (price === undefined) return undefined;
  const fresh = Math.max(0, input - cached);
  return (fresh * price.input + cached * (price.cached ?? price.input) + output * price.output) / 1e6;
}

/** The longest name that fits wins: `gpt-5-mini*` before `gpt-5*`. */
export function priceOf(prices: Prices, model: string): Prices[number] | undefined {
  let best: Prices[number] | undefined;
  for (const price of prices) {
    const { model: name } = price;
    const fits = name.endsWith('*') ? model.startsWith(name.slice(0, -1)) : model === name;
    if (fits && name.length > (best?.model.length ?? -1)) best = price;
  }
  return best;
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name))
    return undefined;
  return (value as Record<string, unknown>)[name];
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}

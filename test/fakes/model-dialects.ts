/** How each API of a model tells a turn: as one document, or as events a few characters at a time. */

/** What the model does next. */
export type ModelTurn =
  | { readonly say: string }
  | { readonly call: string; readonly with: Readonly<Record<string, unknown>> }
  | { readonly fails: number; readonly message?: string; readonly headers?: Readonly<Record<string, string>> };

/** Of every answer. */
export const USAGE = { input: 120, cached: 40, output: 30 } as const;

export type Said = Exclude<ModelTurn, { fails: number }>;

type Asking = Readonly<Record<string, unknown>>;

export interface Dialect {
  whole(model: string, turn: Said, body: Asking): object;
  events(model: string, turn: Said, body: Asking): Iterable<string>;
  /** What tools gave, as the conversation tells it. */
  results(body: Asking): string[];
}

/** Short enough that values are told in several pieces. */
const PIECE = 5;

function* pieces(text: string): Generator<string> {
  for (let at = 0; at < text.length; at += PIECE) yield text.slice(at, at + PIECE);
}

/** Calls of a conversation have names of their own. */
function nth(dialect: Dialect, body: Asking): number {
  return dialect.results(body).length + 1;
}

function list(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value : [];
}

/** https://platform.openai.com/docs/api-reference/responses-streaming */
export const responses: Dialect = {
  whole: (model, turn, body) => responseOf(model, 'completed', [outputOf(turn, 'completed', nth(responses, body))]),
  *events(model, turn, body) {
    let sequence_number = 0;
    const event = (type: string, fields: object) =>
      `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence_number++, ...fields })}\n\n`;
    const n = nth(responses, body);
    const done = outputOf(turn, 'completed', n);
    const at = { item_id: done.id, output_index: 0 };
    yield event('response.created', { response: responseOf(model, 'in_progress', []) });
    yield event('response.output_item.added', { output_index: 0, item: outputOf(turn, 'in_progress', n) });
    if ('say' in turn) {
      const part = { ...at, content_index: 0 };
      const text = (said: string) => ({ type: 'output_text', text: said, annotations: [] });
      yield event('response.content_part.added', { ...part, part: text('') });
      for (const delta of pieces(turn.say)) yield event('response.output_text.delta', { ...part, delta, logprobs: [] });
      yield event('response.output_text.done', { ...part, text: turn.say, logprobs: [] });
      yield event('response.content_part.done', { ...part, part: text(turn.say) });
    } else {
      const all = JSON.stringify(turn.with);
      for (const delta of pieces(all)) yield event('response.function_call_arguments.delta', { ...at, delta });
      yield event('response.function_call_arguments.done', { ...at, name: turn.call, arguments: all });
    }
    yield event('response.output_item.done', { output_index: 0, item: done });
    yield event('response.completed', { response: responseOf(model, 'completed', [done]) });
  },
  results: ({ input }) =>
    list(input)
      .filter(({ type }) => type === 'function_call_output')
      .map(({ output }) => (typeof output === 'string' ? output : JSON.stringify(output))),
};

function outputOf(turn: Said, status: 'in_progress' | 'completed', n: number) {
  const whole = status === 'completed';
  if ('call' in turn)
    return {
      ...{ id: `fc_${n}`, type: 'function_call', call_id: `call_${n}`, name: turn.call, status },
      arguments: whole ? JSON.stringify(turn.with) : '',
    };
  const content = whole ? [{ type: 'output_text', text: turn.say, annotations: [] }] : [];
  return { ...{ id: `msg_${n}`, type: 'message', role: 'assistant', status }, content };
}

function responseOf(model: string, status: string, output: readonly object[]): object {
  const usage = {
    ...{ input_tokens: USAGE.input, output_tokens: USAGE.output, total_tokens: USAGE.input + USAGE.output },
    ...{ input_tokens_details: { cached_tokens: USAGE.cached }, output_tokens_details: { reasoning_tokens: 0 } },
  };
  return {
    ...{ id: 'resp_1', object: 'response', created_at: 1_790_000_000, status, model, output, error: null },
    ...{ incomplete_details: null, instructions: null, metadata: {}, parallel_tool_calls: false, tool_choice: 'auto' },
    ...{ tools: [], usage: status === 'completed' ? usage : null },
  };
}

/** https://platform.openai.com/docs/api-reference/chat-streaming */
export const chatCompletions: Dialect = {
  whole: (model, turn, body) => ({
    ...{ id: 'chatcmpl-1', object: 'chat.completion', created: 1_790_000_000, model },
    choices: [
      {
        ...{ index: 0, logprobs: null, finish_reason: 'say' in turn ? 'stop' : 'tool_calls' },
        message: {
          ...{ role: 'assistant', refusal: null, content: 'say' in turn ? turn.say : null },
          ...('call' in turn
            ? { tool_calls: [toolCall(turn.call, JSON.stringify(turn.with), nth(chatCompletions, body))] }
            : {}),
        },
      },
    ],
    usage: chatUsage,
  }),
  *events(model, turn, body) {
    const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_790_000_000, model };
    const chunk = (delta: object, finish_reason: string | null = null) =>
      `data: ${JSON.stringify({ ...head, choices: [{ index: 0, delta, logprobs: null, finish_reason }] })}\n\n`;
    if ('say' in turn) {
      yield chunk({ role: 'assistant', content: '' });
      for (const content of pieces(turn.say)) yield chunk({ content });
      yield chunk({}, 'stop');
    } else {
      yield chunk({
        role: 'assistant',
        content: null,
        tool_calls: [{ index: 0, ...toolCall(turn.call, '', nth(chatCompletions, body)) }],
      });
      for (const text of pieces(JSON.stringify(turn.with)))
        yield chunk({ tool_calls: [{ index: 0, function: { arguments: text } }] });
      yield chunk({}, 'tool_calls');
    }
    const { include_usage = false } = (body['stream_options'] ?? {}) as { include_usage?: boolean };
    if (include_usage) yield `data: ${JSON.stringify({ ...head, choices: [], usage: chatUsage })}\n\n`;
    yield 'data: [DONE]\n\n';
  },
  results: ({ messages }) =>
    list(messages)
      .filter(({ role }) => role === 'tool')
      .map(({ content }) => String(content)),
};

const chatUsage = {
  ...{ prompt_tokens: USAGE.input, completion_tokens: USAGE.output, total_tokens: USAGE.input + USAGE.output },
  prompt_tokens_details: { cached_tokens: USAGE.cached },
};

function toolCall(name: string, args: string, n: number) {
  return { id: `call_${n}`, type: 'function', function: { name, arguments: args } };
}

/** https://docs.anthropic.com/en/api/messages-streaming */
export const anthropicMessages: Dialect = {
  whole: (model, turn, body) => ({
    ...messageOf(model),
    content: [
      'say' in turn ? { type: 'text', text: turn.say } : toolUse(turn.call, turn.with, nth(anthropicMessages, body)),
    ],
    stop_reason: 'say' in turn ? 'end_turn' : 'tool_use',
    usage: { ...anthropicInput, output_tokens: USAGE.output },
  }),
  *events(model, turn, body) {
    const event = (type: string, fields: object = {}) =>
      `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
    const [block, kind, all] =
      'say' in turn
        ? [{ type: 'text', text: '' }, 'text', turn.say]
        : [toolUse(turn.call, {}, nth(anthropicMessages, body)), 'partial_json', JSON.stringify(turn.with)];
    const delta = kind === 'text' ? 'text_delta' : 'input_json_delta';
    yield event('message_start', {
      message: { ...messageOf(model), content: [], stop_reason: null, usage: { ...anthropicInput, output_tokens: 1 } },
    });
    yield event('content_block_start', { index: 0, content_block: block });
    yield event('ping');
    for (const piece of pieces(all))
      yield event('content_block_delta', { index: 0, delta: { type: delta, [kind]: piece } });
    yield event('content_block_stop', { index: 0 });
    const stop_reason = 'say' in turn ? 'end_turn' : 'tool_use';
    yield event('message_delta', {
      ...{ delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: USAGE.output } },
    });
    yield event('message_stop');
  },
  results: ({ messages }) =>
    list(messages)
      .flatMap(({ content }) => list(content))
      .filter(({ type }) => type === 'tool_result')
      .map(({ content }) => String(content)),
};

/** What was read from the cache is not in `input_tokens` there. */
const anthropicInput = {
  ...{
    input_tokens: USAGE.input - USAGE.cached,
    cache_read_input_tokens: USAGE.cached,
    cache_creation_input_tokens: 0,
  },
};

function messageOf(model: string) {
  return { id: 'msg_1', type: 'message', role: 'assistant', model, stop_sequence: null };
}

function toolUse(name: string, input: object, n: number) {
  return { type: 'tool_use', id: `toolu_${n}`, name, input };
}

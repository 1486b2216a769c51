/**
 * A provider of models for one test: OpenAI's Responses and Chat Completions and Anthropic's Messages, whole and as streams, with tools and usage. What the
 * model says is the test's to decide; how it says it follows the providers' API references.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { anthropicMessages, chatCompletions, type Dialect, type ModelTurn, responses } from './model-dialects.ts';

export interface ModelAsked {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Readonly<Record<string, unknown>>;
  /** Results of tools that the conversation holds so far. */
  readonly results: readonly string[];
}

export interface ModelApiOptions {
  /** Whoever shows another one, be it as a bearer or as `x-api-key`, is not answered. */
  readonly key: string;
  readonly decide: (asked: ModelAsked) => ModelTurn | Promise<ModelTurn>;
}

export interface ModelApi {
  readonly server: Server;
  /** Requests that showed the key. */
  readonly asked: ModelAsked[];
}

const DIALECTS: ReadonlyMap<string, Dialect> = new Map([
  ['/v1/responses', responses],
  ['/v1/chat/completions', chatCompletions],
  ['/v1/messages', anthropicMessages],
]);

/** @returns a server that does not listen yet */
export function createModelApi({ key, decide }: ModelApiOptions): ModelApi {
  const asked: ModelAsked[] = [];
  const server = createServer((request, response) => {
    void answer(request, response).catch(() => response.destroy());
  });
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    const { authorization, 'x-api-key': apiKey } = request.headers;
    if (authorization !== `Bearer ${key}` && apiKey !== key)
      return fail(response, 401, 'Incorrect API key provided', 'invalid_api_key');
    const dialect = DIALECTS.get(path);
    const one = { path, headers: request.headers, body, results: dialect?.results(body) ?? [] };
    asked.push(one);
    if (!dialect) return other(path, response);
    const turn = await decide(one);
    if ('fails' in turn) {
      for (const [name, value] of Object.entries(turn.headers ?? {})) response.setHeader(name, value);
      return fail(response, turn.fails, turn.message ?? 'the server had an error', 'server_error');
    }
    const model = String(body['model']);
    if (body['stream'] !== true) return json(response, 200, dialect.whole(model, turn, body));
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'x-request-id': 'req_1' });
    for (const event of dialect.events(model, turn, body)) response.write(event);
    response.end();
  }
  return { server, asked };
}

function other(path: string, response: ServerResponse): void {
  if (path === '/v1/models') return json(response, 200, { object: 'list', data: [{ id: 'small', object: 'model' }] });
  if (path === '/v1/embeddings')
    return json(response, 200, {
      ...{ object: 'list', model: 'embedding', usage: { prompt_tokens: 8, total_tokens: 8 } },
      data: [{ object: 'embedding', index: 0, embedding: [0.5, 0.25] }],
    });
  fail(response, 404, `Unknown request URL: ${path}`, 'unknown_url');
}

function fail(response: ServerResponse, status: number, message: string, code: string): void {
  json(response, status, { error: { message, type: 'api_error', param: null, code } });
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'x-request-id': 'req_1' }).end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>;
  } catch {
    return {};
  }
}

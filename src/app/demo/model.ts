/** A model server that speaks OpenAI's Responses API from a script: the demo's agent is real, its wits are not. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One thing the model "decides" to do, or its last words. */
export type ModelTurn = { readonly sql: string } | { readonly say: string };

export interface ModelServer {
  /** For OPENAI_BASE_URL. */
  readonly url: string;
  /** How many requests came with the key. */
  asked(): number;
  close(): Promise<void>;
}

const BODY_BYTES = 4 * 1024 * 1024;

/** @param key the bearer key it takes; a request with another is refused, as the real API would */
export function startModelServer(script: readonly ModelTurn[], key: string): Promise<ModelServer> {
  let asked = 0;
  const server = createServer(async (request, response) => {
    const answer = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.headers.authorization !== `Bearer ${key}`) return answer(401, { error: { message: 'invalid key' } });
    asked++;
    if (request.method !== 'POST' || request.url !== '/v1/responses')
      return answer(404, { error: { message: 'only POST /v1/responses' } });
    const body = await readJson(request);
    return body ? answer(200, responseTo(body, script)) : answer(400, { error: { message: 'not JSON' } });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      const close = () =>
        new Promise<void>((done) => {
          server.close(() => done());
          server.closeAllConnections();
        });
      resolve({ url: `http://127.0.0.1:${port}/v1`, asked: () => asked, close });
    });
  });
}

interface ModelRequest {
  readonly model?: string;
  readonly input?: string | readonly { readonly type?: string }[];
}

// How far the conversation has come is how many results the agent sends back: the server itself remembers nothing.
function responseTo({ model = 'demo', input = [] }: ModelRequest, script: readonly ModelTurn[]): object {
  const done = typeof input === 'string' ? 0 : input.filter(({ type }) => type === 'function_call_output').length;
  const turn = script[Math.min(done, script.length - 1)];
  const id = `${done + 1}`;
  return {
    id: `resp_${id}`,
    object: 'response',
    created_at: 1_790_000_000,
    status: 'completed',
    model,
    parallel_tool_calls: false,
    tool_choice: 'auto',
    tools: [],
    output: [turn && 'sql' in turn ? functionCall(id, turn.sql) : message(id, turn?.say ?? '')],
    usage: {
      input_tokens: 1,
      output_tokens: 1,
      total_tokens: 2,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens_details: { reasoning_tokens: 0 },
    },
  };
}

function functionCall(id: string, sql: string): object {
  return {
    type: 'function_call',
    id: `fc_${id}`,
    call_id: `call_${id}`,
    name: 'query',
    arguments: JSON.stringify({ sql }),
    status: 'completed',
  };
}

function message(id: string, text: string): object {
  return {
    type: 'message',
    id: `msg_${id}`,
    role: 'assistant',
    status: 'completed',
    content: [{ type: 'output_text', text, annotations: [] }],
  };
}

async function readJson(request: IncomingMessage): Promise<ModelRequest | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > BODY_BYTES) return undefined;
    chunks.push(chunk as Buffer);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as ModelRequest;
  } catch {
    return undefined;
  }
}

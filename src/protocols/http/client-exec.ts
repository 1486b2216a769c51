/**
 * `hoopctl exec` on HTTP: one request through the local end of a tunnel. The body of the answer goes out as it comes, at the pace of its reader; as rows
 * (JSON, CSV, TSV) it is one row with status and headers. What the gateway itself says is a refusal; a status of 400 and more is the target's own error.
 */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { errorTable } from '../../base/error.ts';
import { nodeHttp } from '../../base/http.ts';
import type { Endpoint, ExecResult, ExecSink } from '../../domain/protocol.ts';
import { readRefusal } from './client-refusal.ts';
import { type RequestText, readRequestText } from './client-request.ts';
import { REFUSAL_HEADER } from './refuse.ts';

const fail = errorTable({
  TUNNEL_UNREACHABLE: { exit: 6, hint: 'check that the tunnel is open: hoopctl tunnel list' },
  TUNNEL_BROKE_OFF: { exit: 6, hint: 'run it again; nothing is repeated by itself' },
  ANSWER_TOO_LARGE: { exit: 1, hint: 'leave out --json: then it is written as it comes' },
});

/** @throws HoopError when the text is no request, or no answer comes; what is refused or fails at the target is a result */
export async function execute(
  endpoint: Endpoint,
  text: string,
  sink: ExecSink,
  signal: AbortSignal,
  input?: Readable,
): Promise<ExecResult> {
  signal.throwIfAborted();
  const asked = readRequestText(text);
  try {
    const body = await bodyOf(asked, input, signal);
    const answer = await send(endpoint, asked, body, signal);
    return await receive(answer, sink);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

interface Body {
  readonly type: string;
  readonly content: string | Readable;
}

/** RFC 9110, section 9.3: a body of the others has no meaning, and standard input is not waited for. */
const WITH_BODY = new Set(['POST', 'PUT', 'PATCH', 'QUERY']);

async function bodyOf(asked: RequestText, input: Readable | undefined, signal: AbortSignal): Promise<Body | undefined> {
  if (asked.body !== undefined) return { type: typeOf(asked.body), content: asked.body };
  if (input === undefined || !WITH_BODY.has(asked.method)) return undefined;
  const rest = new PassThrough();
  // A failure of the input ends the request by its own stream.
  pipeline(input, rest, { signal }).catch(() => undefined);
  const first = await beginningOf(rest);
  return first === undefined ? undefined : { type: typeOf(first.toString('latin1')), content: rest };
}

/** @returns undefined for one that is empty */
async function beginningOf(stream: PassThrough): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    stream.once('error', reject);
    stream.once('readable', () => {
      stream.off('error', reject);
      const first = stream.read() as Buffer | null;
      if (first !== null) stream.unshift(first);
      resolve(first ?? undefined);
    });
  });
}

function typeOf(beginning: string): string {
  return /^\s*[[{]/.test(beginning) ? 'application/json' : 'text/plain; charset=utf-8';
}

function send(
  endpoint: Endpoint,
  { method, target, headers }: RequestText,
  body: Body | undefined,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const { host, port, secret } = endpoint;
  const typed = headers.some(([name]) => name.toLowerCase() === 'content-type');
  const all: (readonly [string, string])[] = [
    ['Host', `${host.includes(':') ? `[${host}]` : host}:${port}`],
    ['Authorization', `Bearer ${secret}`],
    ['User-Agent', 'hoopctl'],
    ['Connection', 'close'],
    ...headers,
    ...(body === undefined || typed ? [] : [['Content-Type', body.type] as const]),
    ...lengthOf(body, method),
  ];
  return new Promise((resolve, reject) => {
    let reached = false;
    const request = nodeHttp().request({
      ...{ host, port, method, path: target, signal },
      headers: all.flat(),
      // No agent of the process: one that uses a proxy would hand it the secret.
      createConnection: () =>
        connect({ host, port }).once('connect', () => {
          reached = true;
        }),
    });
    request.once('response', resolve);
    request.on('error', (cause) => reject(explain(cause, reached)));
    write(request, body);
  });
}

function lengthOf(body: Body | undefined, method: string): (readonly [string, string])[] {
  if (body === undefined) return WITH_BODY.has(method) ? [['Content-Length', '0']] : [];
  if (typeof body.content === 'string') return [['Content-Length', String(Buffer.byteLength(body.content))]];
  return [['Transfer-Encoding', 'chunked']];
}

function write(request: ClientRequest, body: Body | undefined): void {
  if (body === undefined || typeof body.content === 'string') request.end(body?.content);
  // An answer may come before the whole body was sent; then the rest is of no use.
  else pipeline(body.content, request).catch(() => undefined);
}

function explain(cause: Error, reached: boolean): Error {
  if (!reached) return fail('TUNNEL_UNREACHABLE', `the tunnel cannot be reached: ${cause.message}`, { cause });
  return fail('TUNNEL_BROKE_OFF', 'the connection ended before the answer came', { cause });
}

async function receive(answer: IncomingMessage, sink: ExecSink): Promise<ExecResult> {
  const status = answer.statusCode ?? 0;
  const line = `${status} ${answer.statusMessage ?? ''}`.trim();
  if (answer.headers[REFUSAL_HEADER] !== undefined) return readRefusal(await textOf(answer), status, line);
  if (sink.records === true) await asRow(answer, status, sink);
  else await asBytes(answer, sink);
  if (status >= 400) return { ok: false, code: '', status, message: `answered ${line}` };
  const { location } = answer.headers;
  sink.tag(location === undefined ? line : `${line}, location ${location}`, undefined);
  return { ok: true };
}

async function asBytes(answer: IncomingMessage, sink: ExecSink): Promise<void> {
  for await (const chunk of whole(answer)) await sink.bytes?.('stdout', chunk);
}

async function asRow(answer: IncomingMessage, status: number, sink: ExecSink): Promise<void> {
  const bytes = await bufferOf(answer);
  const body = shownBody(bytes, answer.headers['content-type'] ?? '');
  sink.columns([
    { name: 'status', type: 'number' },
    { name: 'headers', type: 'json' },
    { name: 'body', type: body.type },
  ]);
  await sink.rows([[String(status), JSON.stringify(answer.headers), body.text]]);
}

/** JSON as what it is, other text as text, and what is neither as bytes. */
function shownBody(bytes: Buffer, type: string): { type: 'json' | 'string' | 'bytes'; text: string | null } {
  if (bytes.length === 0) return { type: 'string', text: null };
  const text = bytes.toString('utf8');
  // The result's own form for bytes, from which JSON makes base64.
  if (!Buffer.from(text).equals(bytes)) return { type: 'bytes', text: `\\x${bytes.toString('hex')}` };
  return { type: /[/+]json\b/i.test(type) ? 'json' : 'string', text };
}

const MOST_AT_ONCE = 64 * 1024 * 1024;

async function bufferOf(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of whole(answer)) {
    size += chunk.length;
    if (size > MOST_AT_ONCE)
      throw fail('ANSWER_TOO_LARGE', 'the answer is larger than 64 MiB, which is too much for one row');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function textOf(answer: IncomingMessage): Promise<string> {
  return (await bufferOf(answer)).toString('utf8');
}

/** To its end as it was announced: what ends before that was cut. */
async function* whole(answer: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    yield* answer as AsyncIterable<Buffer>;
  } catch (cause) {
    throw fail('TUNNEL_BROKE_OFF', 'the connection ended before the answer did', { cause });
  }
}

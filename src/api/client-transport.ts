/** One call to the gateway: headers, token, body, the answer or what went wrong. Knows no route. */
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import { errorTable } from '../base/error.ts';
import type { OneConnection } from '../base/http2-link.ts';
import type { Token } from '../base/secret.ts';
import { errorFrom } from './client-errors.ts';
import { eventData, splitLines } from './lines.ts';

export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  /** Another token than the user's, or none. */
  readonly as?: Token | 'nobody' | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly answer?: 'json' | 'text' | 'bytes';
}

export interface Transport {
  call<T>(call: Call): Promise<T>;
  /** Server-sent events: the parsed `data` of each. */
  events<T>(call: Call): AsyncGenerator<T, void, undefined>;
  /** NDJSON: each line as it came. */
  lines(call: Call): AsyncGenerator<string, void, undefined>;
}

const LONGEST_ANSWER = 64 * 1024 * 1024;
// `revoke` waits for every gateway, which has 10 s of its own; nothing else takes as long.
const ANSWER_WITHIN_MS = 30_000;

const fail = errorTable({
  NOT_LOGGED_IN: { exit: 3, hint: 'log in with: hoopctl login' },
  GATEWAY_SILENT: { exit: 6, hint: 'the gateway is overloaded or hangs; try again' },
  GATEWAY_LOST: { exit: 6, hint: 'try again' },
  ANSWER_INVALID: { exit: 1, hint: 'is this address a hoopctl gateway?' },
});

export function createTransport(
  link: OneConnection,
  userToken: ((signal?: AbortSignal) => Promise<string | Token>) | undefined,
): Transport {
  async function begin(call: Call): Promise<Begun> {
    const headers: Record<string, string> = {
      [constants.HTTP2_HEADER_METHOD]: call.method,
      [constants.HTTP2_HEADER_PATH]: call.path,
      ...(await authorization(call)),
    };
    if (call.body !== undefined) headers[constants.HTTP2_HEADER_CONTENT_TYPE] = 'application/json';
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    // A stream the gateway refused was not processed, so asking again is safe (RFC 9113, section 8.7): it is shutting down, and another connection
    // reaches the one that took its place.
    for (let attempt = 1; ; attempt++) {
      call.signal?.throwIfAborted();
      const stream = await link.request(headers, { endStream: body === undefined });
      if (body !== undefined) stream.end(body);
      const answer = await answered(stream, call.signal);
      if (answer !== 'refused') return answer;
      if (attempt === 2) throw fail('GATEWAY_LOST', `${link.origin} takes no requests now`);
    }
  }

  async function authorization({ as, signal }: Call): Promise<Record<string, string>> {
    if (as === 'nobody') return {};
    if (as === undefined && userToken === undefined)
      throw fail('NOT_LOGGED_IN', `you are not logged in to ${link.origin}`);
    const token = as ?? (await userToken?.(signal)) ?? '';
    const text = typeof token === 'string' ? token : token.expose();
    return { [constants.HTTP2_HEADER_AUTHORIZATION]: `Bearer ${text}` };
  }

  async function* chunks(call: Call): AsyncGenerator<Buffer, void, undefined> {
    let stream: ClientHttp2Stream | undefined;
    try {
      const begun = await begin(call);
      stream = begun.stream;
      for await (const chunk of stream) yield chunk as Buffer;
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) throw lost(link);
    } catch (error) {
      if (call.signal?.aborted) return;
      throw stream === undefined || isOurs(error) ? error : lost(link, error);
    } finally {
      stream?.close(constants.NGHTTP2_CANCEL);
    }
  }

  return {
    async call<T>(call: Call): Promise<T> {
      const timeout = AbortSignal.timeout(ANSWER_WITHIN_MS);
      const signal = call.signal ? AbortSignal.any([timeout, call.signal]) : timeout;
      try {
        const { stream, headers } = await begin({ ...call, signal });
        return read(await collect(stream), call.answer ?? 'json', headers, link.origin) as T;
      } catch (error) {
        if (timeout.aborted)
          throw fail('GATEWAY_SILENT', `${link.origin} did not answer within ${ANSWER_WITHIN_MS / 1000} s`);
        call.signal?.throwIfAborted();
        throw isOurs(error) ? error : lost(link, error);
      }
    },
    async *events<T>(call: Call) {
      for await (const data of eventData(splitLines(chunks(call)))) yield JSON.parse(data) as T;
    },
    lines: (call) => splitLines(chunks(call)),
  };
}

interface Begun {
  readonly stream: ClientHttp2Stream;
  readonly headers: IncomingHttpHeaders;
}

async function answered(stream: ClientHttp2Stream, signal: AbortSignal | undefined): Promise<Begun | 'refused'> {
  const cancel = () => stream.close(constants.NGHTTP2_CANCEL);
  signal?.addEventListener('abort', cancel, { once: true });
  stream.once('close', () => signal?.removeEventListener('abort', cancel));
  const headers = await new Promise<IncomingHttpHeaders | 'refused'>((resolve, reject) => {
    stream.on('error', () => undefined);
    stream.once('response', resolve);
    stream.once('close', () => {
      if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) resolve('refused');
      else reject(signal?.aborted ? signal.reason : new Error('the connection ended before the answer'));
    });
  });
  if (headers === 'refused') return headers;
  const status = Number(headers[constants.HTTP2_HEADER_STATUS]);
  if (status < 200 || status > 299) throw errorFrom(status, await collect(stream));
  return { stream, headers };
}

async function collect(stream: ClientHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > LONGEST_ANSWER) throw fail('ANSWER_INVALID', `the answer is longer than ${LONGEST_ANSWER} bytes`);
    chunks.push(chunk);
  }
  // Node ends the reading side on a reset too: half an answer is none.
  if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) throw new Error('the connection ended within the answer');
  return Buffer.concat(chunks);
}

function read(body: Buffer, as: 'json' | 'text' | 'bytes', headers: IncomingHttpHeaders, origin: string): unknown {
  if (as === 'bytes') return body;
  if (as === 'text') return body.toString();
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString());
  } catch {
    const type = headers[constants.HTTP2_HEADER_CONTENT_TYPE] ?? 'no content type';
    throw fail('ANSWER_INVALID', `${origin} answered something that is no JSON (${type})`);
  }
}

function lost(link: OneConnection, cause?: unknown): Error {
  return fail('GATEWAY_LOST', `the connection to ${link.origin} was lost`, { cause });
}

function isOurs(error: unknown): boolean {
  return error instanceof Error && error.name === 'HoopError';
}

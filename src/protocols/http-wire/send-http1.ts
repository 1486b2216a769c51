/** One request and its answer over one HTTP/1.1 connection (RFC 9112): our framing, a strict parser, and a verdict on whether the connection is fit for another. */
import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import { type Duplex, Readable } from 'node:stream';
import { pairs } from './head.ts';
import {
  cutBody,
  fail,
  failureOf,
  MOST_HEAD_BYTES,
  MOST_HEADERS,
  malformed,
  MOST_INFORMATIONAL,
  type OutgoingHeaders,
  type OutgoingRequest,
  type Sent,
  type UpstreamResponse,
  valuesOf,
  withoutFraming,
} from './outgoing.ts';

export interface Http1Parts {
  readonly socket: Duplex;
  /** For `Host`. */
  readonly authority: string;
  readonly timing: () => UpstreamResponse['timing'];
  /** Called once, when this request is through with the connection. */
  readonly done: (left: Left, headers: OutgoingHeaders) => void;
}

/**
 * `fit` for another request: the answer was read to its end, after a request that was sent to its end, and nothing about it was strange.
 * `upgraded`: whoever asked speaks another protocol over it now.
 */
export type Left = 'fit' | 'spent' | 'upgraded';

/** @throws HoopError with `details.sent` */
export function sendHttp1(request: OutgoingRequest, parts: Http1Parts): Promise<UpstreamResponse> {
  const { socket, authority, timing, done } = parts;
  return new Promise((resolve, reject) => {
    let over = false;
    let answer: Answer | undefined;
    let headers: OutgoingHeaders = [];
    let early = false;
    let informational = 0;
    const finish = (left: Left) => {
      if (over) return;
      over = true;
      request.signal.removeEventListener('abort', onAbort);
      if (left === 'spent' && request.body instanceof Readable && !request.body.readableEnded) request.body.destroy();
      done(left, headers);
    };
    const sent = (): Sent => (outgoing.writableFinished ? 'whole' : 'part');
    const broken = (error: unknown) => {
      if (over) return;
      const failure = failureOf(error, sent());
      finish('spent');
      outgoing.destroy();
      reject(failure);
      answer?.destroy(failure);
    };
    const onAbort = () => broken(fail('TARGET_UNREACHABLE', 'the request was given up', { details: { sent: sent() } }));
    const headOf = (incoming: IncomingMessage) => ({
      version: '1.1' as const,
      status: incoming.statusCode ?? 0,
      headers,
      bytesSent,
      timing: timing(),
    });

    const outgoing = http.request({
      agent: agentOf(socket),
      method: request.method,
      path: request.target,
      headers: headFor(request, authority).flat(),
      maxHeaderSize: MOST_HEAD_BYTES,
      insecureHTTPParser: false,
    });
    outgoing.maxHeadersCount = 0;
    outgoing.on('error', broken);
    // With an answer, the answer says whether it is whole.
    outgoing.on('close', () => answer ?? broken(closed()));
    outgoing.on('information', ({ statusCode, rawHeaders }) => {
      informational += 1;
      if (informational > MOST_INFORMATIONAL) return broken(malformed('too many answers before the answer (1xx)'));
      request.onInformational?.(statusCode, pairs(rawHeaders));
    });
    outgoing.on('upgrade', (incoming, duplex, head) => {
      headers = pairs(incoming.rawHeaders);
      const problem = request.upgrade === undefined ? UNASKED : problemOf(incoming, headers);
      if (problem !== undefined) return broken(malformed(problem));
      if (head.length > 0) duplex.unshift(head);
      finish('upgraded');
      resolve({ ...headOf(incoming), upgraded: duplex, body: Readable.from([]), trailers: () => [], sentWhole: true });
    });
    outgoing.on('response', (incoming) => {
      headers = pairs(incoming.rawHeaders);
      const problem = incoming.statusCode === 101 ? UNASKED : problemOf(incoming, headers);
      if (problem !== undefined) return broken(malformed(problem));
      // An answer to a request that it has not read: what it takes the rest for, nobody knows.
      early = !outgoing.writableFinished;
      const body = answerOf(incoming, (error) => (error === undefined ? ended() : broken(error)));
      answer = body;
      resolve({
        ...headOf(incoming),
        body,
        trailers: () => (body.readableEnded ? pairs(incoming.rawTrailers) : []),
        get sentWhole() {
          return outgoing.writableFinished;
        },
      });
    });
    const ended = () => {
      if (early || !outgoing.shouldKeepAlive) return finish('spent');
      socket.once('free', () => finish(socket.readableLength === 0 ? 'fit' : 'spent'));
    };
    if (request.signal.aborted) return onAbort();
    request.signal.addEventListener('abort', onAbort, { once: true });
    const bytesSent = writeBody(outgoing, request, broken);
  });
}

const UNASKED = 'it switches to a protocol that was not asked for';

const closed = () => Object.assign(new Error('closed'), { code: 'ECONNRESET' });

/** The connection is chosen already: Node asks the agent for one, and it hands out this. */
function agentOf(socket: Duplex): http.Agent {
  const addRequest = (request: ClientRequest) => request.onSocket(socket as never);
  const agent = { keepAlive: true, maxSockets: Infinity, defaultPort: 80, protocol: 'http:', addRequest };
  return agent as unknown as http.Agent;
}

function headFor(request: OutgoingRequest, authority: string): OutgoingHeaders {
  return [['host', authority], ...withoutFraming(request.headers), ...framingOf(request), ...connectionOf(request)];
}

function connectionOf({ upgrade }: OutgoingRequest): OutgoingHeaders {
  if (upgrade === undefined) return [['connection', 'keep-alive']];
  return [
    ['connection', 'upgrade'],
    ['upgrade', upgrade],
  ];
}

/** Methods that ask for something with their body: without one they say so (RFC 9110, section 8.6). */
const WITH_CONTENT = new Set(['POST', 'PUT', 'PATCH', 'QUERY']);

function framingOf({ body, length, method }: OutgoingRequest): OutgoingHeaders {
  if (Buffer.isBuffer(body)) return [['content-length', String(body.length)]];
  if (body !== undefined && length !== undefined) return [['content-length', String(length)]];
  if (body !== undefined) return [['transfer-encoding', 'chunked']];
  return WITH_CONTENT.has(method) ? [['content-length', '0']] : [];
}

/** Starts sending. @returns how many bytes of the body were handed over */
function writeBody(outgoing: ClientRequest, request: OutgoingRequest, broken: (error: unknown) => void): () => number {
  const { body, length } = request;
  if (!(body instanceof Readable)) {
    outgoing.end(body);
    return () => body?.length ?? 0;
  }
  let bytes = 0;
  outgoing.flushHeaders();
  outgoing.on('drain', () => body.resume());
  body.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (length !== undefined && bytes > length) return broken(cutBody('it is longer than announced'));
    if (!outgoing.write(chunk)) body.pause();
  });
  body.on('end', () => {
    if (length !== undefined && bytes < length) return broken(cutBody('it is shorter than announced'));
    const trailers = length === undefined ? (request.trailers?.() ?? []) : [];
    if (trailers.length > 0) outgoing.addTrailers(trailers as [string, string][]);
    outgoing.end();
  });
  // Never a clean end of what has none: the target would take the part for the whole.
  body.on('error', () => broken(cutBody('it broke off')));
  body.on('close', () => body.readableEnded || broken(cutBody('it broke off')));
  return () => bytes;
}

/** What the parser lets pass and we do not (RFC 9112, section 6.3). */
function problemOf({ httpVersion, statusCode = 0 }: IncomingMessage, headers: OutgoingHeaders): string | undefined {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'its version is neither 1.1 nor 1.0';
  if (statusCode < 100 || statusCode > 599) return 'its status is out of range';
  if (headers.length > MOST_HEADERS) return `it has more than ${MOST_HEADERS} headers`;
  const codings = valuesOf(headers, 'transfer-encoding');
  const lengths = valuesOf(headers, 'content-length');
  if (codings.length > 1 || (codings.length === 1 && codings[0]!.trim().toLowerCase() !== 'chunked'))
    return 'its transfer-encoding is not exactly "chunked"';
  if (lengths.length > 1) return 'it has more than one content-length';
  if (lengths.length === 1 && codings.length === 1) return 'it has both content-length and transfer-encoding';
  return undefined;
}

type Answer = Readable & { whole?: boolean };

/** The body on its own, so that its failures are in our words and giving it up is seen. */
function answerOf(incoming: IncomingMessage, settled: (error?: unknown) => void): Answer {
  let begun = false;
  const answer: Answer = new Readable({
    read() {
      if (begun) return void incoming.resume();
      begun = true;
      incoming.on('data', (chunk: Buffer) => {
        if (!answer.push(chunk)) incoming.pause();
      });
    },
    destroy(error, done) {
      if (!answer.whole) settled(error ?? closed());
      done(error);
    },
  });
  incoming.on('end', () => {
    if (!incoming.complete) return;
    answer.whole = true;
    settled();
    answer.push(null);
  });
  incoming.on('error', (error) => settled(error));
  // It may fail before anybody reads; who reads then, is told.
  answer.on('error', () => {});
  // Nobody waits for what is not there.
  if (EMPTY.has(incoming.statusCode) || incoming.headers['content-length'] === '0') incoming.resume();
  return answer;
}

const EMPTY: ReadonlySet<number | undefined> = new Set([204, 304]);

/** One HTTP/2 connection to a target (RFC 9113), and the requests of one session on it. */
import { pairs } from './head.ts';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { type Duplex, Readable } from 'node:stream';
import { cut } from '../../base/channel.ts';
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
  withoutFraming,
} from './outgoing.ts';

export interface Http2Parts {
  readonly socket: Duplex;
  readonly scheme: 'http' | 'https';
  /** For `:authority`. */
  readonly authority: string;
}

export interface Http2Connection {
  /** Whether a further request may begin on it. */
  readonly usable: boolean;
  /** @throws HoopError with `details.sent` */
  send(request: OutgoingRequest, timing: () => UpstreamResponse['timing']): Promise<UpstreamResponse>;
  close(): void;
}

/** What a fast line behind some delay needs; the defaults of 64 KiB give 2 MB/s there. */
const STREAM_WINDOW = 512 * 1024;
const CONNECTION_WINDOW = 8 * 1024 * 1024;
const MEMORY_MB = 100;

export function connectHttp2({ socket, scheme, authority }: Http2Parts): Http2Connection {
  const session = connect(`${scheme}://${authority}`, {
    createConnection: () => socket,
    maxSessionMemory: MEMORY_MB,
    maxHeaderListPairs: MOST_HEADERS,
    settings: { enablePush: false, initialWindowSize: STREAM_WINDOW, maxHeaderListSize: MOST_HEAD_BYTES },
  });
  let usable = true;
  const spent = () => {
    usable = false;
  };
  for (const event of ['goaway', 'close', 'error'] as const) session.on(event, spent);
  session.once('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW));
  // Pushed answers were switched off (RFC 9113, 8.4): one that comes all the same was asked for by nobody.
  session.on('stream', (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM));
  return {
    get usable() {
      return usable && !session.closed && !session.destroyed;
    },
    send: (request, timing) => sendHttp2(session, request, { scheme, authority, timing }),
    close: () => session.destroy(),
  };
}

interface SendParts {
  readonly scheme: string;
  readonly authority: string;
  readonly timing: () => UpstreamResponse['timing'];
}

function sendHttp2(session: ClientHttp2Session, request: OutgoingRequest, parts: SendParts): Promise<UpstreamResponse> {
  return new Promise((resolve, reject) => {
    let over = false;
    let answer: Answer | undefined;
    let informational = 0;
    const sent = (): Sent => (stream.writableFinished ? 'whole' : 'part');
    const finish = () => {
      over = true;
      request.signal.removeEventListener('abort', onAbort);
      if (request.body instanceof Readable && !request.body.readableEnded) request.body.destroy();
    };
    const broken = (error: unknown) => {
      if (over) return;
      const failure = failureOf(error, refusedBy(stream) ? 'nothing' : sent());
      finish();
      // Not `close`: that says END_STREAM first, and what was sent so far would count as all.
      cut(stream);
      reject(failure);
      answer?.destroy(failure);
    };
    const onAbort = () => broken(fail('TARGET_UNREACHABLE', 'the request was given up', { details: { sent: sent() } }));

    const { body } = request;
    const stream = session.request(headFor(request, parts), {
      endStream: body === undefined || (Buffer.isBuffer(body) && body.length === 0),
      waitForTrailers: request.trailers !== undefined && body instanceof Readable,
    });
    stream.on('error', broken);
    stream.on('close', () => (answer?.whole ? undefined : broken(reset(stream))));
    stream.on('headers', (fields: Fields, _flags: number, raw: readonly string[]) => {
      informational += 1;
      if (informational > MOST_INFORMATIONAL) return broken(malformed('too many answers before the answer (1xx)'));
      request.onInformational?.(Number(fields[':status']), headersOf(raw));
    });
    stream.on('response', (fields: Fields, _flags: number, raw: readonly string[]) => {
      const status = Number(fields[':status']);
      const problem = problemOf(status, raw);
      if (problem !== undefined) return broken(malformed(problem));
      let trailers: OutgoingHeaders = [];
      stream.on('trailers', (_: Fields, _flag: number, all: readonly string[]) => {
        trailers = headersOf(all);
      });
      const from = answerOf(stream, (error) => (error === undefined ? finish() : broken(error)));
      answer = from;
      resolve({
        ...{ version: '2', status, headers: headersOf(raw), body: from, bytesSent, timing: parts.timing() },
        trailers: () => (from.readableEnded ? trailers : []),
        get sentWhole() {
          return stream.writableFinished;
        },
      });
    });
    if (request.signal.aborted) onAbort();
    else request.signal.addEventListener('abort', onAbort, { once: true });
    const bytesSent = writeBody(stream, request, broken);
  });
}

/** What is announced as the largest head that we take, Node takes for advice. */
function problemOf(status: number, raw: readonly string[]): string | undefined {
  if (status < 200 || status > 599) return 'its status is out of range';
  if (raw.length / 2 > MOST_HEADERS) return `it has more than ${MOST_HEADERS} headers`;
  const bytes = raw.reduce((sum, one) => sum + one.length, 0);
  return bytes > MOST_HEAD_BYTES ? `its head is larger than ${MOST_HEAD_BYTES / 1024} KiB` : undefined;
}

type Fields = IncomingHttpHeaders & { ':status'?: number };

/** Names are in small letters there (RFC 9113, 8.2.1), and `te` says one thing only. */
function headFor({ method, target, headers, body, length }: OutgoingRequest, { scheme, authority }: SendParts) {
  const head: OutgoingHttpHeaders = Object.create(null);
  const set = (name: string, value: string) => {
    const before = head[name];
    head[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [String(before)]), value];
  };
  head[':method'] = method;
  head[':scheme'] = scheme;
  head[':authority'] = authority;
  head[':path'] = target;
  for (const [spelled, value] of withoutFraming(headers)) {
    const name = spelled.toLowerCase();
    if (name !== 'te' || value.trim().toLowerCase() === 'trailers') set(name, value);
  }
  const bytes = Buffer.isBuffer(body) ? body.length : length;
  if (body !== undefined && bytes !== undefined) head['content-length'] = String(bytes);
  return head;
}

function headersOf(raw: readonly string[]): OutgoingHeaders {
  return pairs(raw).filter(([name]) => !name.startsWith(':'));
}

function writeBody(
  stream: ClientHttp2Stream,
  request: OutgoingRequest,
  broken: (error: unknown) => void,
): () => number {
  const { body, length } = request;
  if (!(body instanceof Readable)) {
    if (body !== undefined && body.length > 0) stream.end(body);
    return () => body?.length ?? 0;
  }
  let bytes = 0;
  stream.on('drain', () => body.resume());
  stream.on('wantTrailers', () => {
    try {
      stream.sendTrailers(trailersOf(request));
    } catch (error) {
      // Node throws for names that HTTP/2 does not have.
      broken(error);
    }
  });
  body.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (length !== undefined && bytes > length) return broken(cutBody('it is longer than announced'));
    if (!stream.write(chunk)) body.pause();
  });
  body.on('end', () => {
    if (length !== undefined && bytes < length) return broken(cutBody('it is shorter than announced'));
    stream.end();
  });
  // Never a clean end of what has none: the target would take the part for the whole.
  body.on('error', () => broken(cutBody('it broke off')));
  body.on('close', () => body.readableEnded || broken(cutBody('it broke off')));
  return () => bytes;
}

function trailersOf(request: OutgoingRequest): OutgoingHttpHeaders {
  const trailers: OutgoingHttpHeaders = Object.create(null);
  for (const [name, value] of request.trailers?.() ?? []) trailers[name.toLowerCase()] = value;
  return trailers;
}

/** REFUSED_STREAM says that nothing of it was looked at (RFC 9113, 8.7); what had to wait for its turn was not even sent. */
function refusedBy(stream: ClientHttp2Stream): boolean {
  return stream.rstCode === constants.NGHTTP2_REFUSED_STREAM || stream.id === undefined;
}

function reset({ rstCode }: ClientHttp2Stream): Error {
  const word = rstCode === undefined || rstCode === 0 ? 'ECONNRESET' : `HTTP/2 error ${rstCode}`;
  return Object.assign(new Error('closed'), { code: word });
}

type Answer = Readable & { whole?: boolean };

/** The body on its own, so that its failures are in our words and giving it up is seen. */
function answerOf(stream: ClientHttp2Stream, settled: (error?: unknown) => void): Answer {
  const answer: Answer = new Readable({
    read: () => void stream.resume(),
    destroy(error, done) {
      if (!answer.whole) settled(error ?? Object.assign(new Error('closed'), { code: 'ECONNRESET' }));
      done(error);
    },
  });
  stream.on('data', (chunk: Buffer) => {
    if (!answer.push(chunk)) stream.pause();
  });
  // Said at once: Node throws away what has arrived of a stream that is over and that nobody has touched.
  stream.pause();
  stream.on('end', () => {
    // A stream that is reset ends for its reader too.
    if (stream.rstCode !== undefined && stream.rstCode !== 0) return;
    answer.whole = true;
    settled();
    answer.push(null);
  });
  // It may fail before anybody reads; who reads then, is told.
  answer.on('error', () => {});
  return answer;
}

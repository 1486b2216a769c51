/** HTTP/1.1 on one channel, parsed by Node (strictly) and held against `checkHead`; one exchange at a time, however a client pipelines. */
import { createServer, type IncomingMessage, ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import { type BodySource, bodyOf, noBody } from './body.ts';
import { drainsOf } from './drained.ts';
import type { Exchange, HttpConnection, ServeVersion, Upgrade } from './exchange.ts';
import { checkFields, checkHead, type HeaderList, LARGEST_HEAD, pairs, headerOf } from './head.ts';
import { malformed } from './malformed.ts';
import { HOP_BY_HOP, isFinal, lengthOf, passable } from './passable.ts';
import { type Wire, wireOf } from './wire.ts';

/** What the one parser tells the connection that a stream belongs to. */
interface Listener {
  request(request: IncomingMessage, response: ServerResponse, expects: boolean): void;
  mayUpgrade(request: IncomingMessage): boolean;
  upgrade(request: IncomingMessage, head: Buffer): void;
  fail(status: number, reason: string): void;
}

const LISTENERS = new WeakMap<Duplex, Listener>();
const listenerOf = (socket: Duplex) => LISTENERS.get(socket);

/** Never listens: streams are handed to it. Its own timers need a listening server, so they are ours. */
const PARSER = createServer({
  insecureHTTPParser: false,
  requireHostHeader: false,
  maxHeaderSize: LARGEST_HEAD,
  keepAliveTimeout: 0,
  headersTimeout: 0,
  requestTimeout: 0,
  shouldUpgradeCallback: (request: IncomingMessage) => listenerOf(request.socket)?.mayUpgrade(request) ?? false,
});
PARSER.timeout = 0;
PARSER.on('request', (request, response) => listenerOf(request.socket)?.request(request, response, false));
PARSER.on('checkContinue', (request, response) => listenerOf(request.socket)?.request(request, response, true));
PARSER.on('checkExpectation', (request, response) => listenerOf(request.socket)?.request(request, response, false));
PARSER.on('upgrade', (request, socket, head) => listenerOf(socket)?.upgrade(request, head));
PARSER.on('connect', (_request, socket) => listenerOf(socket)?.fail(400, 'CONNECT is not served'));
PARSER.on('clientError', (error: NodeJS.ErrnoException, socket) => {
  const [status, reason] = PARSER_ERRORS.get(error.code ?? '') ?? [400, 'the request is malformed'];
  listenerOf(socket)?.fail(status, reason);
});

const PARSER_ERRORS: ReadonlyMap<string, readonly [status: number, reason: string]> = new Map([
  ['HPE_HEADER_OVERFLOW', [431, 'the head is larger than 32 KiB']],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', [400, 'the chunk extensions are too long']],
  ['HPE_INVALID_METHOD', [400, 'the method is none that HTTP has']],
  ['HPE_INVALID_URL', [400, 'the request target is malformed']],
  ['HPE_INVALID_VERSION', [400, 'the request line is malformed']],
  ['HPE_INVALID_HEADER_TOKEN', [400, 'a header is malformed']],
  ['HPE_UNEXPECTED_SPACE', [400, 'a header begins with a space']],
  ['HPE_CR_EXPECTED', [400, 'a line ends without a carriage return']],
  ['HPE_LF_EXPECTED', [400, 'a carriage return stands alone']],
  ['HPE_INVALID_CONTENT_LENGTH', [400, 'the content-length is no number of bytes']],
  ['HPE_UNEXPECTED_CONTENT_LENGTH', [400, 'the length of the body is given twice']],
  ['HPE_INVALID_TRANSFER_ENCODING', [400, 'the only transfer-encoding taken is chunked']],
  ['HPE_INVALID_CHUNK_SIZE', [400, 'a chunk has no size']],
  ['HPE_STRICT', [400, 'the request is malformed']],
]);

/** More than a client has a use for, and one chunk holds hundreds. */
const MOST_PIPELINED = 64;
const BODY_IDLE_MS = 60_000;

/** One request and where it stands. */
interface Turn {
  readonly request: IncomingMessage;
  readonly exchange: Exchange;
  /** The client is gone, or its body cannot be read. */
  lost(reason: string): void;
}

export const serveHttp1: ServeVersion = (channel, first, onExchange, { clock, headTimeoutMs, onMalformed }) => {
  const queue: Turn[] = [];
  let waiting: (() => void) | undefined;
  let peerEnded = false;
  let closing = false;
  let heard = false;
  let latest: Buffer | undefined;
  /** What comes is another protocol's, and whoever accepted it answers it. */
  let upgraded = false;
  let broken: { readonly status: number; readonly reason: string } | undefined;

  const disarm = () => {
    waiting?.();
    waiting = undefined;
  };
  const wire: Wire = wireOf(channel, first, clock.after, {
    onBytes(chunk) {
      heard = true;
      latest = chunk;
      if (queue.length === 0 && !upgraded)
        waiting ??= clock.after(headTimeoutMs, () => fail(408, 'the head of the request did not come in time'));
    },
    onPeerEnd() {
      peerEnded = true;
      disarm();
      for (const turn of queue) turn.lost('the client went away');
    },
  });

  const answerFailure = () => {
    if (broken === undefined || wire.duplex.writableEnded) return;
    wire.duplex.end(malformed(broken.status, broken.reason, STATUS_CODES[broken.status]));
  };

  function fail(status: number, reason: string): void {
    if (broken !== undefined || upgraded || wire.duplex.writableEnded || wire.duplex.destroyed) return;
    disarm();
    broken = { status, reason };
    wire.deafen();
    onMalformed(reason);
    const current = queue[0];
    queue.length = current === undefined ? 0 : 1;
    // What is malformed stands behind a whole request: that one is answered first.
    if (current?.request.complete) return;
    if (current === undefined) return answerFailure();
    current.lost(reason);
    if (current.exchange.started) wire.duplex.destroy(new Error(reason));
    else answerFailure();
  }

  function finished(turn: Turn): void {
    if (queue[0] !== turn) return;
    queue.shift();
    if (broken !== undefined) return answerFailure();
    if (closing || !turn.request.complete) {
      queue.length = 0;
      wire.deafen();
      wire.duplex.end();
      return;
    }
    const next = queue[0];
    if (next !== undefined) onExchange(next.exchange);
    if (queue.length < 2) wire.release();
  }

  /** A body that stops coming while somebody reads it. */
  function watch(turn: Turn): void {
    heard = false;
    const cancel = clock.after(BODY_IDLE_MS, () => {
      if (turn.request.complete || !queue.includes(turn)) return;
      const silent = !heard && queue[0] === turn && turn.request.readableFlowing === true;
      if (silent) fail(408, 'the body of the request did not come in time');
      else watch(turn);
    });
    turn.request.once('close', cancel);
  }

  function take(request: IncomingMessage, response: ServerResponse, expects: boolean, upgrade?: Upgrade): void {
    if (broken !== undefined || closing) return;
    disarm();
    // 1.0 has no chunks and other rules for staying connected: two servers would differ about where its messages end.
    if (request.httpVersion !== '1.1') return fail(505, 'the version is neither HTTP/1.1 nor HTTP/2');
    const headers = pairs(request.rawHeaders);
    const wrong = checkHead(request.method ?? '', request.url ?? '', headers, '1.1');
    if (wrong !== undefined) return fail(400, wrong);
    const turn = turnOf({
      request,
      response,
      headers,
      expects,
      upgrade,
      wire,
      close: () => {
        closing = true;
      },
    });
    response.once('finish', () => finished(turn));
    queue.push(turn);
    if (upgrade === undefined && losesBytes(headers, turn.exchange.hasBody, latest)) {
      response.shouldKeepAlive = false;
      closing = true;
    }
    if (peerEnded) turn.lost('the client went away');
    if (queue.length > MOST_PIPELINED) return fail(400, 'too many requests are sent before their answers');
    if (turn.exchange.hasBody) watch(turn);
    // Only what is asked first is begun: its answer may be what the second depends on, and may end the connection.
    if (queue.length === 1) onExchange(turn.exchange);
    else wire.hold();
  }

  LISTENERS.set(wire.duplex, {
    request: take,
    mayUpgrade: (request) =>
      queue.length === 0 && !closing && askedProtocol(pairs(request.rawHeaders), request.method) !== undefined,
    upgrade(request, head) {
      const response = new ServerResponse(request);
      response.shouldKeepAlive = false;
      response.assignSocket(request.socket);
      if (head.length > 0) wire.duplex.unshift(head);
      const protocol = askedProtocol(pairs(request.rawHeaders), request.method) ?? '';
      // The parser has let go: what comes now is no request.
      request.complete = true;
      closing = false;
      take(request, response, false, {
        protocol,
        accept(headers, status = 101) {
          upgraded = true;
          disarm();
          response.detachSocket(request.socket);
          queue.length = 0;
          LISTENERS.delete(wire.duplex);
          const lines = passable(headers)
            .filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()))
            .map(([name, value]) => `${name}: ${value}\r\n`);
          wire.duplex.write(
            `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n${lines.join('')}\r\n`,
          );
          return wire.duplex;
        },
      });
      closing = true;
    },
    fail,
  });
  PARSER.emit('connection', wire.duplex);

  return {
    close() {
      closing = true;
      if (queue.length === 0) wire.duplex.end();
      else queue[0]?.exchange.close();
    },
    abort: (reason) => void channel.abort(reason),
  } satisfies HttpConnection;
};

/**
 * Whether the parser would skip what stands behind this request in the same chunk, and then begin in the middle of another one: it stops at each
 * request that asks for an upgrade, and does not go on from there when none is made.
 */
function losesBytes(headers: HeaderList, hasBody: boolean, chunk: Buffer | undefined): boolean {
  if (headerOf(headers, 'upgrade') === undefined) return false;
  return hasBody || chunk?.indexOf('\r\n\r\n') !== (chunk?.length ?? 0) - 4;
}

/** The one protocol a bodiless GET asks to go on in; HTTP/2 is had by prior knowledge only (RFC 9113, section 3.1). */
function askedProtocol(headers: HeaderList, method: string | undefined): string | undefined {
  const asked = headerOf(headers, 'upgrade')?.toLowerCase();
  if (method !== 'GET' || asked === undefined || !/^[a-z0-9.+-]+$/.test(asked) || asked.startsWith('h2'))
    return undefined;
  const body = headerOf(headers, 'transfer-encoding') ?? headerOf(headers, 'content-length') ?? '0';
  return body === '0' ? asked : undefined;
}

interface TurnParts {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly headers: HeaderList;
  readonly expects: boolean;
  readonly upgrade: Upgrade | undefined;
  readonly wire: Wire;
  /** No further request is taken. */
  close(): void;
}

function turnOf({ request, response, headers, expects, upgrade, wire, close }: TurnParts): Turn {
  const gone = new AbortController();
  const hasBody =
    headerOf(headers, 'transfer-encoding') !== undefined || Number(headerOf(headers, 'content-length') ?? 0) > 0;
  let body: BodySource | undefined;
  let expecting = expects;
  let lost: string | undefined;
  let bodiless = false;
  let written = false;
  /** Of a declared length, what has not been written yet. */
  let left: number | undefined;

  const dead = () => lost !== undefined || wire.duplex.destroyed;
  const reset = () => void wire.duplex.destroy(new Error('the answer was cut short'));
  const begin = (status: number, list: HeaderList): boolean => {
    if (dead() || response.headersSent) return false;
    if (!isFinal(status)) {
      reset();
      return false;
    }
    // A body that has not come whole is not waited for: what follows could not be told from the next request.
    if (hasBody && !request.complete) response.shouldKeepAlive = false;
    if (!response.shouldKeepAlive) close();
    bodiless = request.method === 'HEAD' || status === 204 || status === 304;
    const kept = passable(list).filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()));
    const length = lengthOf(kept);
    if (length === 'disputed') {
      reset();
      return false;
    }
    left = length;
    response.writeHead(status, kept.flat());
    return true;
  };

  const exchange: Exchange = {
    version: '1.1',
    method: request.method ?? '',
    target: request.url ?? '',
    headers,
    hasBody,
    get body(): Readable {
      body ??= hasBody ? bodyOf(request, () => request.complete) : noBody();
      return body.readable;
    },
    trailers: () => {
      const list = pairs(request.rawTrailers);
      return checkFields(list) === undefined ? list : [];
    },
    gone: gone.signal,
    ...(upgrade === undefined ? {} : { upgrade }),
    continue() {
      if (!expecting || response.headersSent || dead()) return;
      expecting = false;
      response.writeContinue();
    },
    informational(status, list) {
      if (response.headersSent || dead()) return;
      if (status === 102) response.writeProcessing();
      if (status === 103) {
        const links = list.filter(([name]) => name.toLowerCase() === 'link').map(([, value]) => value);
        try {
          if (links.length > 0) response.writeEarlyHints({ link: links });
        } catch {
          // Node throws for a link that it does not take for one: a hint is nothing to fail for.
        }
      }
    },
    respond(status, list, content) {
      const bytes = content === undefined ? Buffer.alloc(0) : Buffer.from(content as string);
      const plain = list.filter(([name]) => name.toLowerCase() !== 'content-length');
      const noLength = status === 204 || status === 304;
      if (!begin(status, noLength ? plain : [...plain, ['Content-Length', String(bytes.length)]])) return;
      if (bodiless) response.end();
      else response.end(bytes);
    },
    head(status, list) {
      if (!begin(status, list)) return;
      // With what comes at once it is one write; what comes late is no reason to keep the client waiting for the head.
      setImmediate(() => {
        if (!written && !dead() && !response.writableEnded) response.flushHeaders();
      });
    },
    write(chunk) {
      if (dead() || bodiless || chunk.length === 0) return true;
      if (left !== undefined) {
        left -= chunk.length;
        if (left < 0) {
          reset();
          return true;
        }
      }
      written = true;
      return response.write(chunk);
    },
    drained: drainsOf(response, () => !dead() && response.writableNeedDrain, gone.signal),
    end(trailers) {
      if (dead() || response.writableEnded) return;
      if (left !== undefined && left > 0 && !bodiless) return reset();
      if (trailers !== undefined && response.chunkedEncoding)
        response.addTrailers(passable(trailers) as [string, string][]);
      response.end();
    },
    abort: reset,
    get started() {
      return response.headersSent;
    },
    close() {
      response.shouldKeepAlive = false;
      close();
    },
  };
  return {
    request,
    exchange,
    lost(reason) {
      if (lost !== undefined) return;
      lost = reason;
      body?.lost(reason);
      gone.abort(new Error(reason));
    },
  };
}

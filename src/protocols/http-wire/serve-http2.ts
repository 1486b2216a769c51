/** HTTP/2 on one channel, by prior knowledge (RFC 9113, section 3.3), framed by Node and held against `checkHead`. Several exchanges at a time. */
import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Readable } from 'node:stream';
import { type BodySource, bodyOf, noBody } from './body.ts';
import { drainsOf } from './drained.ts';
import type { Exchange, HttpConnection, ServeVersion } from './exchange.ts';
import { checkFields, checkHead, type HeaderList, headerOf, LARGEST_HEAD, MOST_HEADERS, pairs } from './head.ts';
import { malformedBody } from './malformed.ts';
import { HOP_BY_HOP, isFinal, lengthOf, passable } from './passable.ts';
import { wireOf } from './wire.ts';

const STREAM_WINDOW = 256 * 1024;
const CONNECTION_WINDOW = 4 * 1024 * 1024;
const PSEUDO_HEADERS = 4;

const OPTIONS = {
  settings: {
    enablePush: false,
    initialWindowSize: STREAM_WINDOW,
    maxConcurrentStreams: 64,
    maxHeaderListSize: LARGEST_HEAD,
  },
  maxHeaderListPairs: MOST_HEADERS + PSEUDO_HEADERS,
  // What streams hold is bounded by their windows; the default resets the session where all of them are full.
  maxSessionMemory: 64,
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  // CVE-2023-44487: begun and reset at once, faster than they can be judged.
  streamResetBurst: 500,
  streamResetRate: 33,
} as const;

export const serveHttp2: ServeVersion = (channel, first, onExchange, { clock, headTimeoutMs, onMalformed }) => {
  const turns = new Set<Turn>();
  const wire = wireOf(channel, first, clock.after, {
    onBytes() {},
    onPeerEnd() {
      for (const turn of turns) turn.lost('the client went away');
    },
  });
  // Between requests a connection may be idle; one that begins with none is somebody who only holds it.
  const expired = clock.after(headTimeoutMs, () => channel.abort(new Error('the client asked for nothing')));
  channel.gone.addEventListener('abort', expired, { once: true });
  const session: ServerHttp2Session = performServerHandshake(wire.duplex, OPTIONS);
  session.on('error', () => {});
  session.on('connect', () => {
    // Told late: a client may have reset by then.
    if (!session.destroyed) session.setLocalWindowSize(CONNECTION_WINDOW);
  });

  session.on('stream', (stream: ServerHttp2Stream, _headers, flags: number, raw: readonly string[]) => {
    expired();
    stream.on('error', () => {});
    const { pseudo, headers, wrong } = readHead(pairs(raw));
    const reason = wrong ?? checkHead(pseudo.get(':method') ?? '', pseudo.get(':path') ?? '', headers, '2');
    if (reason !== undefined) {
      onMalformed(reason);
      answerMalformed(stream, reason);
      return session.close();
    }
    const hasBody = (flags & constants.NGHTTP2_FLAG_END_STREAM) === 0;
    const turn = turnOf({
      ...{ stream, headers, hasBody },
      method: pseudo.get(':method') ?? '',
      target: pseudo.get(':path') ?? '',
      close: () => session.close(),
    });
    turns.add(turn);
    stream.once('close', () => {
      turns.delete(turn);
      if (!turn.answered()) turn.lost('the client went away');
    });
    onExchange(turn.exchange);
  });

  return {
    close: () => void session.close(),
    abort: (reason) => void channel.abort(reason),
  } satisfies HttpConnection;
};

interface Head {
  readonly pseudo: ReadonlyMap<string, string>;
  readonly headers: HeaderList;
  readonly wrong: string | undefined;
}

const PSEUDO: ReadonlySet<string> = new Set([':method', ':path', ':scheme', ':authority']);

/** RFC 9113, section 8.3.1. The library holds most of it; what it lets pass is said here. */
function readHead(all: HeaderList): Head {
  const pseudo = new Map<string, string>();
  const headers: (readonly [string, string])[] = [];
  let wrong: string | undefined;
  for (const header of all) {
    const [name, value] = header;
    if (!name.startsWith(':')) headers.push(header);
    else if (!PSEUDO.has(name) || pseudo.has(name)) wrong = 'a pseudo-header is unknown, or there twice';
    else pseudo.set(name, value);
  }
  const authority = pseudo.get(':authority');
  const host = headerOf(headers, 'host');
  if (authority !== undefined && host === undefined) headers.unshift(['host', authority]);
  else if (authority !== undefined && authority !== host) wrong = 'the authority and the Host differ';
  if (pseudo.get(':scheme') !== 'http' && pseudo.get(':scheme') !== 'https') wrong = 'the scheme is none of HTTP';
  return { pseudo, headers, wrong };
}

function answerMalformed(stream: ServerHttp2Stream, reason: string): void {
  if (stream.destroyed || stream.closed) return;
  const body = malformedBody(reason);
  stream.respond({ ':status': 400, 'content-type': 'application/json', 'hoop-refusal': 'HOOP_DENIED' });
  stream.end(body);
  stream.resume();
}

interface Turn {
  readonly exchange: Exchange;
  lost(reason: string): void;
  answered(): boolean;
}

interface TurnParts {
  readonly stream: ServerHttp2Stream;
  readonly method: string;
  readonly target: string;
  readonly headers: HeaderList;
  readonly hasBody: boolean;
  close(): void;
}

function turnOf({ stream, method, target, headers, hasBody, close }: TurnParts): Turn {
  const gone = new AbortController();
  let body: BodySource | undefined;
  let whole = !hasBody;
  let requestTrailers: HeaderList = [];
  let ending: HeaderList | undefined;
  let expecting = headerOf(headers, 'expect') !== undefined;
  let bodiless = false;
  let left: number | undefined;

  stream.once('end', () => {
    whole = true;
  });
  stream.once('trailers', (_trailers: unknown, _flags: number, raw: readonly string[] | undefined) => {
    const list = pairs(raw ?? []);
    if (checkFields(list) === undefined) requestTrailers = list;
  });
  stream.once('wantTrailers', () => {
    if (!stream.destroyed && !stream.closed) attempt(() => stream.sendTrailers(fields(ending ?? [])));
  });

  const dead = () => gone.signal.aborted || stream.destroyed || stream.closed;
  const reset = () => {
    if (!stream.destroyed) stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  };
  /** The library throws for heads that cannot be sent; what a target made up is no reason to. */
  const attempt = (send: () => void): boolean => {
    try {
      send();
      return true;
    } catch {
      reset();
      return false;
    }
  };
  const begin = (status: number, list: HeaderList, waitForTrailers: boolean): boolean => {
    if (dead() || stream.headersSent) return false;
    if (!isFinal(status)) {
      reset();
      return false;
    }
    bodiless = method === 'HEAD' || status === 204 || status === 304;
    const kept = passable(list).filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()));
    const length = lengthOf(kept);
    if (length === 'disputed') {
      reset();
      return false;
    }
    left = length;
    return attempt(() =>
      stream.respond(
        { ...fields(kept), ':status': status },
        { endStream: bodiless, waitForTrailers: waitForTrailers && !bodiless },
      ),
    );
  };
  const finish = () => {
    stream.end();
    // RFC 9113, section 8.1: an answer that needs no more of the request says so by NO_ERROR; what came of it is let go.
    if (whole) return;
    stream.resume();
    stream.once('finish', () => {
      if (!whole && !stream.destroyed) stream.close(constants.NGHTTP2_NO_ERROR);
    });
  };

  const exchange: Exchange = {
    version: '2',
    method,
    target,
    headers,
    hasBody,
    get body(): Readable {
      body ??= hasBody ? bodyOf(stream, () => whole) : noBody();
      return body.readable;
    },
    trailers: () => requestTrailers,
    gone: gone.signal,
    continue() {
      if (!expecting || dead() || stream.headersSent) return;
      expecting = false;
      attempt(() => stream.additionalHeaders({ ':status': 100 }));
    },
    informational(status, list) {
      if (dead() || stream.headersSent || (status !== 102 && status !== 103)) return;
      const kept = passable(list).filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()));
      attempt(() => stream.additionalHeaders({ ...fields(kept), ':status': status }));
    },
    respond(status, list, content) {
      const bytes = content === undefined ? Buffer.alloc(0) : Buffer.from(content as string);
      const plain = list.filter(([name]) => name.toLowerCase() !== 'content-length');
      const noLength = status === 204 || status === 304;
      if (!begin(status, noLength ? plain : [...plain, ['content-length', String(bytes.length)]], false)) return;
      if (!bodiless && bytes.length > 0) stream.write(bytes);
      finish();
    },
    head(status, list) {
      begin(status, list, true);
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
      return stream.write(chunk);
    },
    drained: drainsOf(stream, () => !dead() && stream.writableNeedDrain, gone.signal),
    end(trailers) {
      if (dead() || stream.writableEnded) return;
      if (left !== undefined && left > 0 && !bodiless) return reset();
      ending = trailers === undefined ? undefined : passable(trailers);
      finish();
    },
    abort: reset,
    get started() {
      return stream.headersSent;
    },
    close,
  };
  return {
    exchange,
    lost(reason) {
      if (gone.signal.aborted) return;
      body?.lost(reason);
      gone.abort(new Error(reason));
    },
    answered: () => stream.writableFinished && stream.rstCode === constants.NGHTTP2_NO_ERROR,
  };
}

/** Node throws for a second one of these (RFC 9110 has them single): the first is sent. */
const SINGLE: ReadonlySet<string> = new Set(
  [
    'access-control-allow-credentials access-control-max-age access-control-request-method age authorization content-encoding',
    'content-language content-length content-location content-md5 content-range content-type date dnt etag expires from host if-match',
    'if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards proxy-authorization range referer',
    'retry-after tk upgrade-insecure-requests user-agent x-content-type-options',
  ].flatMap((line) => line.split(' ')),
);

function fields(list: HeaderList): Record<string, string | string[]> {
  const found: Record<string, string | string[]> = Object.create(null);
  for (const [spelled, value] of list) {
    const name = spelled.toLowerCase();
    const before = found[name];
    if (before === undefined) found[name] = value;
    else if (!SINGLE.has(name)) found[name] = [before, value].flat();
  }
  return found;
}

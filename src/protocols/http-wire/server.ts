/**
 * The gateway's end of a client's HTTP connection: HTTP/1.1, or HTTP/2 by prior knowledge, told apart by the first bytes. Turns what comes
 * into exchanges and answers what is malformed itself. Knows no policy and no credentials.
 */
import type { ByteChannel } from '../../base/channel.ts';
import { systemClock } from '../../base/clock.ts';
import type { Exchange, HttpConnection, ServeOptions, ServeVersion } from './exchange.ts';
import { serveHttp1 } from './serve-http1.ts';
import { serveHttp2 } from './serve-http2.ts';

export type { Exchange, HttpConnection, ServeOptions, Upgrade } from './exchange.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const HEAD_TIMEOUT_MS = 10_000;

/** Serves the connection until it ends. `onExchange` is called for each request whose head is well formed; on HTTP/1.1 one at a time. */
export function serveHttp(
  channel: ByteChannel,
  onExchange: (exchange: Exchange) => void,
  options: ServeOptions = {},
): HttpConnection {
  const clock = options.clock ?? systemClock;
  const headTimeoutMs = options.headTimeoutMs ?? HEAD_TIMEOUT_MS;
  const onMalformed = (reason: string) => options.onMalformed?.(reason);
  let connection: HttpConnection | undefined;
  let closed = false;
  let first: Buffer = Buffer.alloc(0);
  const expired = clock.after(headTimeoutMs, () => channel.abort(new Error('the client sent nothing')));
  channel.gone.addEventListener('abort', expired, { once: true });
  const begin = (serve: ServeVersion) => {
    expired();
    channel.gone.removeEventListener('abort', expired);
    connection = serve(channel, first, onExchange, { clock, headTimeoutMs, onMalformed });
    if (closed) connection.close();
  };
  channel.read({
    onBytes(chunk) {
      first = first.length === 0 ? chunk : Buffer.concat([first, chunk]);
      const compared = Math.min(first.length, PREFACE.length);
      if (!first.subarray(0, compared).equals(PREFACE.subarray(0, compared))) begin(serveHttp1);
      else if (compared === PREFACE.length) begin(serveHttp2);
    },
    onEnd: () => channel.end(),
  });
  return {
    close() {
      closed = true;
      if (connection === undefined) channel.end();
      else connection.close();
    },
    abort(reason) {
      if (connection === undefined) channel.abort(reason);
      else connection.abort(reason);
    },
  };
}

/** The gateway's end of a tunnel: an HTTP/2 stream, once authorised, becomes the byte channel that a protocol serves. */
import { constants, type Http2Session, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { type ByteChannel, channelOf } from '../base/channel.ts';
import type { Clock } from '../base/clock.ts';
import { HTTP2_SESSION, keepSession } from '../base/http2-session.ts';

/** Options for `http2.createServer` / `createSecureServer`. Pass each session to `keepServerSession` as well. */
export const TUNNEL_SERVER_OPTIONS = HTTP2_SESSION;

/** On the server's `session` event: wide window, end of silent peers, no timeout of Node's own. */
export function keepServerSession(session: ServerHttp2Session, clock: Clock): void {
  session.setTimeout(0);
  session.on('error', () => undefined);
  keepSession(session as Http2Session & ServerHttp2Session, clock);
}

/**
 * Answers 200 and hands out the stream as a channel. Call it after authorising, and at once: the client's bytes may already be waiting.
 *
 * `onEnd` is called for a clean end only; a reset, a lost connection or an error abort `gone`. `abort` resets the stream.
 */
export function acceptTunnel(stream: ServerHttp2Stream): ByteChannel {
  const channel = channelOf(stream);
  if (!stream.destroyed && !stream.closed) stream.respond({ [constants.HTTP2_HEADER_STATUS]: 200 });
  return {
    ...channel,
    gone: channel.gone,
    read(reader) {
      channel.read({
        onBytes: (chunk) => reader.onBytes(chunk),
        onEnd: () => {
          // Node ends a stream's reading side on a reset too: only the code tells the two apart.
          if (stream.rstCode === constants.NGHTTP2_NO_ERROR) reader.onEnd();
          else channel.abort(new Error(`the tunnel was reset (${stream.rstCode})`));
        },
      });
    },
  };
}

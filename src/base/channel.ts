/** A two-way stream of bytes as the protocols see it: chunks in, chunks out, backpressure both ways, one way to be cut. */
import { Socket } from 'node:net';
import { addAbortSignal, type Duplex } from 'node:stream';
import { type ConnectionOptions, connect as tlsConnect, TLSSocket } from 'node:tls';

export interface ByteReader {
  /** Called synchronously for every chunk, in order. The chunk may be kept: buffers are not recycled. */
  onBytes(chunk: Buffer): void;
  /** The peer ended its side cleanly. */
  onEnd(): void;
}

export interface ByteChannel {
  /** Starts reading; one reader at a time, the latest wins. */
  read(reader: ByteReader): void;
  pause(): void;
  resume(): void;
  /** @returns false when the peer is slower than us: await `drained()` before writing much more. */
  write(bytes: Uint8Array): boolean;
  /** Resolves when the peer has taken what was written, or when the channel is gone. */
  drained(): Promise<void>;
  /** Ends our side after what was written. */
  end(): void;
  /** Cuts the stream at once. The peer sees a reset, not a clean end. */
  abort(reason: unknown): void;
  /** Aborted when the channel is closed for good, from whichever side; `reason` says why when something failed. */
  readonly gone: AbortSignal;
  /**
   * Starts TLS on a freshly dialled channel. Refuses when bytes have already arrived unread: what was sent in
   * plain text before the handshake must not be taken for protected data (CVE-2021-23214).
   */
  secure(options: ConnectionOptions): Promise<ByteChannel>;
  /** The peer's certificate in DER, on a channel that `secure` made: what channel binding is computed from (RFC 5929). */
  peerCertificate?(): Uint8Array | undefined;
  /** What both ends agreed to speak, on a channel that `secure` made: `h2` (RFC 7301). */
  alpn?(): string | undefined;
}

/** Wraps a Node stream: a socket, a TLS socket, an HTTP/2 stream. */
export function channelOf(duplex: Duplex): ByteChannel {
  const gone = new AbortController();
  let waiting: (() => void)[] = [];
  let reader: ByteReader | undefined;
  const release = () => {
    const released = waiting;
    waiting = [];
    for (const resolve of released) resolve();
  };
  const close = (reason?: unknown) => {
    if (!gone.signal.aborted) gone.abort(reason);
    release();
  };
  duplex.on('error', close);
  duplex.on('close', () => close());
  duplex.on('drain', release);
  return {
    gone: gone.signal,
    read(next) {
      const first = reader === undefined;
      reader = next;
      if (!first) return;
      duplex.on('data', (chunk: Buffer) => reader?.onBytes(chunk));
      duplex.on('end', () => reader?.onEnd());
    },
    pause: () => void duplex.pause(),
    resume: () => void duplex.resume(),
    write: (bytes) => (duplex.writable ? duplex.write(bytes) : true),
    drained() {
      if (gone.signal.aborted || !duplex.writableNeedDrain) return Promise.resolve();
      return new Promise((resolve) => waiting.push(resolve));
    },
    end: () => void duplex.end(),
    abort(reason) {
      close(reason);
      cut(duplex);
    },
    secure: (options) => secure(duplex, options),
    ...(duplex instanceof TLSSocket
      ? { peerCertificate: () => duplex.getPeerCertificate().raw, alpn: () => duplex.alpnProtocol || undefined }
      : {}),
  };
}

/** Closes a stream so that its peer sees a reset, where its kind knows one. */
export function cut(duplex: Duplex): void {
  if (duplex.destroyed) return;
  const { rstCode, remoteAddress } = duplex as Duplex & { rstCode?: number; remoteAddress?: string };
  // An HTTP/2 stream that is merely destroyed looks to the peer like a clean end, and `close(8)` says END_STREAM before it resets. An abort
  // sends RST_STREAM with CANCEL alone (RFC 9113, section 7).
  if (rstCode !== undefined) addAbortSignal(AbortSignal.abort(), duplex);
  // Only plain TCP knows a reset; on TLS and Unix sockets Node throws. One that is shutting down cannot be reset any more, and Node would then
  // forget to close it (libuv, uv_tcp_close_reset).
  else if (
    duplex instanceof Socket &&
    !(duplex instanceof TLSSocket) &&
    remoteAddress !== undefined &&
    !duplex.writableEnded
  )
    duplex.resetAndDestroy();
  else duplex.destroy();
}

function secure(duplex: Duplex, options: ConnectionOptions): Promise<ByteChannel> {
  if (duplex.readableLength > 0 || duplex.readableFlowing) {
    duplex.destroy();
    return Promise.reject(new Error('received unencrypted data before the TLS handshake'));
  }
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = tlsConnect({ ...options, socket: duplex });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection ended during the TLS handshake')));
    socket.once('secureConnect', () => {
      socket.removeListener('error', reject);
      resolve(channelOf(socket));
    });
  });
}

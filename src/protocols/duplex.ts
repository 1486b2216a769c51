/** A ByteChannel as the Node stream that a library wants, with backpressure both ways. */
import { Duplex, finished } from 'node:stream';
import type { ByteChannel } from '../base/channel.ts';

export interface Pipe extends Duplex {
  /** Called after each chunk that was handed on: what it led to has been done. */
  onChunk?: () => void;
}

/** More is not copied to spare a write. */
const ONE_WRITE_BYTES = 64 * 1024;

export function duplexOf(channel: ByteChannel): Pipe {
  let begun = false;
  let ended = false;
  const duplex: Pipe = new Duplex({
    // What the library writes is bounded by its peer's windows, and by who writes looking at `writableNeedDrain`.
    writableHighWaterMark: 1 << 20,
    read() {
      if (begun) return channel.resume();
      begun = true;
      channel.read({
        onBytes(chunk) {
          if (!duplex.push(chunk)) channel.pause();
          duplex.onChunk?.();
        },
        onEnd() {
          ended = true;
          duplex.push(null);
        },
      });
    },
    write(chunk: Buffer, _encoding, done) {
      if (channel.write(chunk)) return done();
      channel.drained().then(() => done());
    },
    // A head and its body are written by two calls, and are one packet.
    writev(chunks, done) {
      const parts = chunks.map(({ chunk }) => chunk as Buffer);
      const small = parts.reduce((bytes, part) => bytes + part.length, 0) <= ONE_WRITE_BYTES;
      let room = true;
      for (const part of small ? [Buffer.concat(parts)] : parts) room = channel.write(part);
      if (room) return done();
      channel.drained().then(() => done());
    },
    final(done) {
      channel.end();
      done();
    },
    destroy(error, done) {
      channel.abort(error);
      done(null);
    },
  });
  // What came before a clean end may still lie here, unread: it is not lost because the other side has left.
  const gone = () => (ended ? finished(duplex, { writable: false }, () => duplex.destroy()) : duplex.destroy());
  if (channel.gone.aborted) queueMicrotask(gone);
  else channel.gone.addEventListener('abort', gone, { once: true });
  return duplex;
}

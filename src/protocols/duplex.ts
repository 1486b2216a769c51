/** A ByteChannel as the Node stream that a library wants, with backpressure both ways. */
import { Duplex, finished } from 'node:stream';
import type { ByteChannel } from '../base/channel.ts';

export interface Pipe extends Duplex {
  /** Called after each chunk that was handed on: what it led to has been done. */
  onChunk?: () => void;
}

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

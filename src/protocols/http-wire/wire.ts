/** A ByteChannel as the stream an HTTP parser reads from, with a gate: what comes behind the gate is kept, up to a bound, so that a hang-up is seen there too. */
import { Duplex } from 'node:stream';
import type { ByteChannel } from '../../base/channel.ts';

export interface Wire {
  readonly duplex: Duplex;
  /** Gives the parser nothing more until `release`. */
  hold(): void;
  release(): void;
  /** Gives the parser nothing more at all; what still comes is dropped, up to a bound. */
  deafen(): void;
}

export interface WireEvents {
  /** Before the bytes are handed on. */
  onBytes(chunk: Buffer): void;
  /** The client will send nothing more, or is gone; seen also behind the gate. */
  onPeerEnd(): void;
}

/** Read ahead behind the gate. */
const AHEAD = 256 * 1024;
/** Dropped after the last answer, before the client is cut. */
const MOST_DROPPED = 4 * 1024 * 1024;
const WRITE_AHEAD = 128 * 1024;
/** A client that was told all and does not close. */
const LINGER_MS = 60_000;

type Gate = 'open' | 'held' | 'deaf';

export function wireOf(
  channel: ByteChannel,
  first: Buffer,
  after: (ms: number, fn: () => void) => () => void,
  events: WireEvents,
): Wire {
  let gate: Gate = 'open';
  let kept: Buffer[] = [];
  let size = 0;
  let ended = false;
  let begun = false;

  const onBytes = (chunk: Buffer) => {
    if (gate === 'open') {
      events.onBytes(chunk);
      if (!duplex.push(chunk)) channel.pause();
      return;
    }
    size += chunk.length;
    if (gate === 'deaf') {
      if (size > MOST_DROPPED) channel.abort(new Error('the client goes on sending after the last answer'));
      return;
    }
    kept.push(chunk);
    if (size > AHEAD) channel.pause();
  };
  const pushEnd = () => {
    if (ended && gate === 'open' && !duplex.readableEnded) duplex.push(null);
  };

  const duplex = new Duplex({
    writableHighWaterMark: WRITE_AHEAD,
    read() {
      if (begun) {
        if (gate === 'open') channel.resume();
        return;
      }
      begun = true;
      channel.read({
        onBytes,
        onEnd() {
          ended = true;
          pushEnd();
          events.onPeerEnd();
        },
      });
      if (first.length > 0) onBytes(first);
      channel.resume();
    },
    write: (chunk: Buffer, _encoding, done) => hand(channel, chunk, done),
    // A head, a chunk's size, its bytes and its end come as four: one write is one frame in the tunnel.
    writev: (chunks, done) => hand(channel, Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer)), done),
    final(done) {
      channel.end();
      const cancel = after(LINGER_MS, () => channel.abort(new Error('the client did not close')));
      channel.gone.addEventListener('abort', cancel, { once: true });
      done();
    },
    destroy(error, done) {
      // After a clean end the last bytes may still be on their way: cutting now would lose them.
      if (error !== null || !duplex.writableFinished) channel.abort(error);
      done(null);
    },
  });
  duplex.on('error', () => {});

  const gone = () => {
    events.onPeerEnd();
    duplex.destroy();
  };
  if (channel.gone.aborted) queueMicrotask(gone);
  else channel.gone.addEventListener('abort', gone, { once: true });

  return {
    duplex,
    hold() {
      if (gate === 'open') gate = 'held';
    },
    release() {
      if (gate !== 'held') return;
      gate = 'open';
      const waiting = kept;
      kept = [];
      size = 0;
      for (const [at, chunk] of waiting.entries()) {
        // One of them may close the gate again.
        if (gate === 'open') onBytes(chunk);
        else {
          kept = waiting.slice(at);
          size = kept.reduce((sum, { length }) => sum + length, 0);
          break;
        }
      }
      pushEnd();
      if (gate === 'open' && !duplex.readableFlowing) return;
      channel.resume();
    },
    deafen() {
      gate = 'deaf';
      kept = [];
      size = 0;
      channel.resume();
    },
  };
}

function hand(channel: ByteChannel, bytes: Buffer, done: () => void): void {
  if (channel.write(bytes)) done();
  else void channel.drained().then(() => done());
}

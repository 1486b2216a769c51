/**
 * Joins a local connection to a tunnel's stream, byte for byte: what ends cleanly on one side ends cleanly on the other, what is cut is cut.
 *
 * Each direction ends for itself (a half-close passes through), and each waits when the other side is slower.
 */
import { constants, type Http2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { cut } from '../base/channel.ts';

/** Knows what may still be said to the local side when the stream is cut. */
export interface Leave {
  heard(chunk: Buffer): void;
  /** Undefined: nothing may, and the local side is cut too. */
  words(): Uint8Array | undefined;
}

export interface Splice {
  /** The stream was admitted: lets its bytes flow to the local side. */
  deliver(): void;
  /** The stream was refused: lets go of the local side, and gives back what that had said. */
  detach(): Buffer[];
}

const READ_AWAY_MS = 5_000;

/** Forwards what the local side says at once; the other direction waits for `deliver`. */
export function splice(local: Socket, stream: Http2Stream, leave?: Leave): Splice {
  let localEnded = false;
  let streamEnded = false;
  let detached = false;
  let delivered = false;
  // What was said before the gateway admitted the stream, in case somebody must answer it here.
  let early: Buffer[] | undefined = [];

  const forward = (chunk: Buffer) => {
    early?.push(chunk);
    if (stream.writable && !stream.write(chunk)) local.pause();
  };
  const finish = () => {
    localEnded = true;
    stream.end();
  };
  const abandon = () => {
    // A socket that closes without having ended was reset, whether or not Node calls that an error.
    if (!localEnded || !streamEnded || local.errored) cut(stream);
  };
  const wake = () => local.resume();
  let parted = false;
  const part = () => {
    if (parted) return;
    parted = true;
    const words = delivered && local.writable ? leave?.words() : undefined;
    if (words === undefined) return cut(local);
    local.off('data', forward).off('end', finish).off('close', abandon);
    // What is still unread when a socket closes makes the kernel send a reset, which can overtake our last words: so the rest is read away.
    local.resume();
    local.once('end', () => local.destroy()).setTimeout(READ_AWAY_MS, () => local.destroy());
    local.end(words);
  };
  local.on('data', forward).on('end', finish).on('close', abandon);
  stream.on('drain', wake);
  stream.on('error', () => undefined);
  stream.on('close', () => {
    if (!detached && !(streamEnded && isClean(stream))) part();
  });

  return {
    deliver() {
      early = undefined;
      delivered = true;
      stream.on('data', (chunk: Buffer) => {
        leave?.heard(chunk);
        if (local.writable && !local.write(chunk)) stream.pause();
      });
      local.on('drain', () => stream.resume());
      stream.on('end', () => {
        // Node ends a stream's reading side on a reset too: only the code tells the two apart.
        if (!isClean(stream)) return part();
        streamEnded = true;
        local.end();
      });
    },
    detach() {
      detached = true;
      local.off('data', forward).off('end', finish).off('close', abandon);
      stream.off('drain', wake);
      cut(stream);
      return early ?? [];
    },
  };
}

function isClean(stream: Http2Stream): boolean {
  return stream.rstCode === constants.NGHTTP2_NO_ERROR;
}

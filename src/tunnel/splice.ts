/**
 * Joins a local connection to a tunnel's stream, byte for byte: what ends cleanly on one side ends cleanly on the other, what is cut is cut.
 *
 * Each direction ends for itself (a half-close passes through), and each waits when the other side is slower.
 */
import { constants, type Http2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { cut } from '../base/channel.ts';

export interface Splice {
  /** The stream was admitted: lets its bytes flow to the local side. */
  deliver(): void;
  /** The stream was refused: lets go of the local side, and gives back what that had said. */
  detach(): Buffer[];
}

/** Forwards what the local side says at once; the other direction waits for `deliver`. */
export function splice(local: Socket, stream: Http2Stream): Splice {
  let localEnded = false;
  let streamEnded = false;
  let detached = false;
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
  local.on('data', forward).on('end', finish).on('close', abandon);
  stream.on('drain', wake);
  stream.on('error', () => undefined);
  stream.on('close', () => {
    if (!detached && !(streamEnded && isClean(stream))) cut(local);
  });

  return {
    deliver() {
      early = undefined;
      stream.on('data', (chunk: Buffer) => {
        if (local.writable && !local.write(chunk)) stream.pause();
      });
      local.on('drain', () => stream.resume());
      stream.on('end', () => {
        // Node ends a stream's reading side on a reset too: only the code tells the two apart.
        if (!isClean(stream)) return cut(local);
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

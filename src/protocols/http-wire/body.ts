/** A request's body as a stream of its own: paused until read, failing when the client goes away, and without the connection's life in its hands. */
import { Readable } from 'node:stream';

export interface BodySource {
  readonly readable: Readable;
  /** The rest will not come. */
  lost(reason: string): void;
}

/** @param whole whether what ended had come to its end */
export function bodyOf(source: Readable, whole: () => boolean): BodySource {
  let begun = false;
  const readable = new Readable({
    read() {
      if (begun) return void source.resume();
      begun = true;
      source.on('data', (chunk: Buffer) => {
        if (!readable.push(chunk)) source.pause();
      });
      source.on('end', () => readable.push(null));
      if (source.readableEnded) readable.push(null);
    },
    destroy(error, done) {
      source.pause();
      done(error);
    },
  });
  const lost = (reason: string) => {
    // What had all come can still be read.
    if (!whole()) readable.destroy(new Error(reason));
  };
  // Who reads nothing hears nothing; who reads has a listener of their own.
  readable.on('error', () => {});
  source.on('error', (error) => lost(error.message));
  source.on('close', () => lost('the client went away'));
  return { readable, lost };
}

export function noBody(): BodySource {
  const readable = new Readable({ read() {} });
  readable.push(null);
  return { readable, lost: () => {} };
}

/** A recording's lines, from a file (compressed or not) or from bytes, in flat memory. */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { LONGEST_LINE } from './chain.ts';
import { type Codec, codecOf, HEAD_BYTES } from './codecs.ts';

/** A path, or the recording's bytes themselves, plain or packed. */
export type Source = string | Uint8Array | AsyncIterable<Uint8Array>;

export interface LineBatch {
  /** Whole lines without their newlines. */
  readonly lines: readonly Buffer[];
}

/** How a source ended. */
export type SourceEnd =
  | { readonly kind: 'whole' }
  /** Bytes after the last newline. */
  | { readonly kind: 'torn'; readonly rest: Buffer }
  /** The compressed data stops short. */
  | { readonly kind: 'cut'; readonly message: string }
  | { readonly kind: 'damaged'; readonly message: string };

const CHUNK = 256 * 1024;

/** Yields batches of lines and returns how the source ended. Only reading itself throws (no such file, no right to). */
export async function* readLines(source: Source): AsyncGenerator<LineBatch, SourceEnd> {
  const splitter = new LineSplitter();
  try {
    for await (const chunk of plainBytes(chunksOf(source))) {
      const lines = splitter.push(chunk);
      if (lines.length > 0) yield { lines };
      if (splitter.restLength > LONGEST_LINE) {
        return { kind: 'damaged', message: `a line is longer than ${LONGEST_LINE} bytes` };
      }
    }
  } catch (error) {
    if (error instanceof BrokenPacking) return { kind: error.kind, message: error.message };
    throw error;
  }
  const rest = splitter.rest();
  return rest.length === 0 ? { kind: 'whole' } : { kind: 'torn', rest };
}

/** Cuts bytes into lines, whatever the chunks. */
export class LineSplitter {
  #parts: Buffer[] = [];
  restLength = 0;

  push(chunk: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      const piece = chunk.subarray(start, end);
      lines.push(this.#parts.length === 0 ? piece : Buffer.concat([...this.#parts, piece]));
      this.#parts = [];
      this.restLength = 0;
      start = end + 1;
    }
    if (start < chunk.length) {
      this.#parts.push(chunk.subarray(start));
      this.restLength += chunk.length - start;
    }
    return lines;
  }

  rest(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

class BrokenPacking extends Error {
  readonly kind: 'cut' | 'damaged';

  constructor(kind: 'cut' | 'damaged', message: string) {
    super(message);
    this.kind = kind;
  }
}

async function* chunksOf(source: Source): AsyncGenerator<Buffer> {
  if (typeof source === 'string') {
    yield* createReadStream(source, { highWaterMark: CHUNK });
  } else if (source instanceof Uint8Array) {
    yield Buffer.from(source.buffer, source.byteOffset, source.byteLength);
  } else {
    for await (const chunk of source) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
}

// Told by the first bytes, not by the name: a plain recording begins with a brace.
async function* plainBytes(chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const head: Buffer[] = [];
  let length = 0;
  while (length < HEAD_BYTES) {
    const next = await chunks.next();
    if (next.done) break;
    head.push(next.value);
    length += next.value.length;
  }
  const start = Buffer.concat(head);
  const all = startingWith(start, chunks);
  const codec = codecOf(start);
  if (!codec) return yield* all;
  const ours = codec.head;
  if (start.length >= ours.length && !start.subarray(0, ours.length).equals(ours)) {
    throw new BrokenPacking('damaged', `the ${codec.name} header is not one the recorder writes`);
  }
  yield* unpack(all, codec);
}

async function* startingWith(start: Buffer, chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  if (start.length > 0) yield start;
  yield* chunks;
}

async function* unpack(chunks: AsyncGenerator<Buffer>, codec: Codec): AsyncGenerator<Buffer> {
  let fed = 0;
  const counted = async function* () {
    for await (const chunk of chunks) {
      fed += chunk.length;
      yield chunk;
    }
  };
  const plain = codec.unpack(CHUNK);
  let readError: unknown;
  pipeline(counted(), plain, (error) => {
    readError = error;
  });
  try {
    yield* plain;
  } catch (error) {
    throw unpackError(error ?? readError);
  }
  // Both stop quietly at what follows their end (RFC 1952 lets a tape pad so); nothing of ours is followed by anything.
  if (plain.bytesWritten !== fed)
    throw new BrokenPacking('damaged', 'there are bytes after the end of the compressed data');
}

function unpackError(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'Z_BUF_ERROR') return new BrokenPacking('cut', 'the compressed data ends too early');
  return /^(Z_|ZSTD_)/.test(code ?? '')
    ? new BrokenPacking('damaged', `the compressed data is damaged: ${message}`)
    : error;
}
